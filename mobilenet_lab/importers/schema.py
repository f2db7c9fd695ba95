"""The JSON schema of a network's file, made from the same signatures that files are read by.

`python -m mobilenet_lab.importers.schema > mobilenet_lab/importers/net.schema.json` renews it.
"""

import json
from inspect import Parameter
from types import NoneType
from typing import Any

from mobilenet_lab.importers.ops import DEPTHWISE, KEYS, PLACES, SHORT, accepts, operations
from mobilenet_lab.importers.reading import FORMAT

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
CELL: Schema = {"type": ["number", "string", "boolean", "array"]}
TYPES = {int: "integer", float: "number", tuple: "array", bool: "boolean"}


def schema() -> Schema:
    """What an editor needs to complete and check a network's file."""
    entry = {"$ref": "#/$defs/line"}
    lines = {"type": "array", "items": entry, "minItems": 1}
    whole = {"type": "integer", "minimum": 1}
    shape = {"type": "array", "items": whole, "minItems": 1}
    block = {
        "type": "object",
        "properties": {
            "arguments": {**TEXTS, "description": "names that the block's lines use"},
            "channels": {**TEXTS, "description": "arguments that the width multiplies"},
            "layers": lines,
        },
        "required": ["layers"],
        "additionalProperties": False,
    }
    named = {"type": "object", "properties": {"name": TEXT, "shape": shape}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A network of mobilenet_lab",
        "type": "object",
        "properties": {
            "format": {"const": FORMAT},
            "name": TEXT,
            "input": {"anyOf": [TEXT, shape, named], "description": "channels x height x width"},
            "width": {"type": "number", "exclusiveMinimum": 0},
            "classes": whole,
            "outputs": {**TEXTS, "description": "layers that answer; else the last"},
            "layers": lines,
            "blocks": {"type": "object", "additionalProperties": block},
            "taps": {"type": "object", "additionalProperties": TEXT},
        },
        "required": ["input", "layers"],
        "additionalProperties": False,
        "$defs": {"line": _line(lines)},
    }


def _line(lines: Schema) -> Schema:
    common: Schema = {
        "op": {**TEXT, "description": f"a block of the file or {', '.join(operations())}"},
        "layers": lines,
        "columns": {"type": "array", "items": TEXT},
        "rows": {"type": "array", "items": {"type": "array", "items": CELL}, "minItems": 1},
        "from": {**TEXTS, "description": "what feeds it; else the line before"},
        "when": {"type": ["boolean", "string"]},
        "repeat": {"type": ["integer", "string"], "minimum": 1},
        "n": {"type": ["integer", "string"]},
        "fixed": {"type": "boolean", "description": "the width leaves its channels alone"},
        "tap": TEXTS,
        "role": TEXT,
        "name": TEXT,
        **{key: {"type": ["string", "integer"]} for key in PLACES},
    }
    assert set(common) == {*KEYS, "n"}
    cases = []
    for name, operation in operations().items():
        parameters = operation.parameters
        short = {key: long for key, long in SHORT.items() if key not in parameters}
        known = {key: _value(key, each) for key, each in parameters.items()}
        known |= {key: known[long] for key, long in short.items() if long in known}
        properties = {**dict.fromkeys(common, True), **known}
        then = {"properties": properties, "additionalProperties": False}
        cases.append(
            {"if": {"properties": {"op": {"const": name}}, "required": ["op"]}, "then": then}
        )
    some = [{"required": [key]} for key in ("op", "layers", "columns")]
    return {"type": "object", "properties": common, "anyOf": some, "allOf": cases}


def _value(key: str, parameter: Parameter) -> Schema:
    """What a parameter takes; a text may be an expression wherever a number stands."""
    kinds, words = accepts(parameter.annotation)
    types = {TYPES[kind] for kind in TYPES if kind in kinds}
    found: Schema = {"type": sorted({*types, "string"})}
    hints = [f'"{word}"' for word in words]
    hints += [f'"{DEPTHWISE}"'] if key == "groups" else []
    hints += ['"none"'] if NoneType in kinds else []
    if hints:
        found["description"] = f"also {' or '.join(hints)}"
    return found


def text() -> str:
    """The committed file."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    print(text(), end="")
