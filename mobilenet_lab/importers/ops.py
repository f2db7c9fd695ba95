"""What a layer of a file can be: a method of `Net` or a paper's block, read off its signature."""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.importers.zoo import BLOCKS
from mobilenet_lab.layers import ACTIVATIONS, Feature
from mobilenet_lab.net import LARGEST, Net

PLACES = ("part", "stage", "block", "scope")
"""Keys that open a scope of `Net`."""
KEYS = (
    "op", "layers", "columns", "rows", "from", "name", "when", "repeat", "fixed", "tap", "role",
    *PLACES,
)  # fmt: skip
"""What a line of a file can say beside the arguments of its operation."""
SHORT = {"c": "channels", "k": "kernel", "s": "stride"}
"""How papers' tables head their columns; n is `repeat`."""
SIGNED = ("axes", "axis", "shape", "shifts")
"""Arguments that count from the end, or leave an extent open, by negative numbers."""
DEPTHWISE = "depthwise"
ANYTHING = bool | int | float | str | tuple[int, ...]
"""What the argument of a file's own block takes."""
REQUIRED = inspect.Parameter.empty


class Operation(NamedTuple):
    """An operation by name, with what it can be told."""

    make: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]
    """without the tape, the features and the name"""
    least: int
    """features that it needs"""
    most: int | None
    """None for any number"""
    name: str | None
    """of its layers where the file gives none; empty if it must, None if it cannot"""
    channels: tuple[str, ...] = ()
    """parameters that the width multiplies"""
    numbered: bool = False
    """a block that is called 0, 1, 2 ... where the file gives it no name"""


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation and block that a file can name."""
    found = {}
    for name, method in inspect.getmembers(Net, inspect.isfunction):
        signature = inspect.signature(method)
        named = "name" in signature.parameters and signature.return_annotation in (
            Feature,
            list[Feature],
        )
        if named and not name.startswith("_") and name != "tap":
            channels = ("channels",) if name.startswith("conv") else ()
            found[name] = operation(method, channels)
    for name in ACTIVATIONS:
        found[name] = found["act"]._replace(make=partial(Net.act, kind=name), parameters={})
    for name, block in BLOCKS.items():
        found[name] = operation(block.make, block.channels, block.numbered)
    del found["feature"]
    return found


def operation(
    make: Callable[..., Any], channels: tuple[str, ...], numbered: bool = False
) -> Operation:
    """`make(net, features ..., arguments ..., name)` as an operation."""
    parameters = dict(list(inspect.signature(make).parameters.items())[1:])
    features = [key for key, each in parameters.items() if each.annotation is Feature]
    several = any(parameters[key].kind is inspect.Parameter.VAR_POSITIONAL for key in features)
    given = parameters.get("name")
    name = None if given is None else "" if given.default is REQUIRED else given.default
    plain = {key: each for key, each in parameters.items() if key not in features and key != "name"}
    least = 1 if several else len(features)
    return Operation(make, plain, least, None if several else least, name, channels, numbered)


class Accepts(NamedTuple):
    """The kinds of values that a parameter takes."""

    kinds: frozenset[type]
    """of bool, int, float, str, tuple (of whole numbers), NoneType"""
    words: tuple[str, ...] = ()


def accepts(annotation: Any) -> Accepts:
    """The kinds of values that an annotation allows; a tuple is any sequence of numbers."""
    kinds: set[type] = set()
    words: list[str] = []
    options = get_args(annotation)
    if get_origin(annotation) is Literal:
        words += options
    elif get_origin(annotation) is tuple or "Sequence" in str(get_origin(annotation)):
        kinds.add(tuple)
    elif options:
        for option in options:
            inner = accepts(option)
            kinds |= inner.kinds
            words += inner.words
    elif isinstance(annotation, type):
        kinds.add(annotation)
    return Accepts(frozenset(kinds), tuple(words))


NOUNS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    tuple: "a list of whole numbers",
    bool: "true or false",
    str: "a text",
    NoneType: '"none"',
}


def checked(key: str, value: Any, parameter: inspect.Parameter) -> Any:
    """`value` as `parameter` takes it.

    Raises:
        LabError: it is of another kind, or out of all bounds.
    """
    kinds, words = accepts(parameter.annotation)
    if key == "groups" and value == DEPTHWISE:
        return value
    if isinstance(value, str):
        if value == "none" and NoneType in kinds:
            return None
        if value in words or str in kinds:
            return value
    elif value is None and NoneType in kinds:
        return None
    elif isinstance(value, bool):
        if bool in kinds:
            return value
    elif isinstance(value, int | float) and (type(value) in kinds or float in kinds):
        return _bounded(key, value)
    elif isinstance(value, list | tuple) and tuple in kinds and set(map(type, value)) == {int}:
        return tuple([_bounded(key, each) for each in value])
    allowed = [*(NOUNS[kind] for kind in NOUNS if kind in kinds), *(f'"{w}"' for w in words)]
    raise LabError(f"{key} is {' or '.join(allowed)}, not {shown(value)}")


def _bounded(key: str, value: Any) -> Any:
    least = -LARGEST if key in SIGNED else 0
    if not (math.isfinite(value) and least <= value <= LARGEST):
        raise LabError(f"{key} is from {least:,} to {LARGEST:,}, not {shown(value)}")
    return value


def shown(value: Any) -> str:
    """`value` as the file writes it, if it is short."""
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(list(value) if isinstance(value, tuple) else value)
