"""A trace as a file that `files.loads` reads back: a line for each layer, a row for each block.

What is written is read again before it is handed out.
"""

import json
from collections.abc import Sequence
from typing import Any

from mobilenet_lab.errors import LabError
from mobilenet_lab.importers.factoring import Blocks, wired, word
from mobilenet_lab.importers.files import loads
from mobilenet_lab.importers.ops import PLACES, operations
from mobilenet_lab.importers.scopes import Node, Scopes, leaves
from mobilenet_lab.layers import Trace

HEADER = """\
# A network, line by line. A table has a row for each block; what the block does with its columns
# stands under [blocks]. `width = 0.5` here would multiply every count of channels.
"""


def dumps(trace: Trace) -> str:
    """`trace` as a file; read back, it has the same layers, outputs and taps.

    Raises:
        LabError: a layer is of a kind that a file cannot say.
    """
    if not trace.layers or trace.layers[0].op != "input":
        raise LabError("a network in a file begins with its input")
    if trace.unused:
        raise LabError(f"a file cannot say what no layer uses: {', '.join(trace.unused)}")
    for form in ("blocks", "scopes", "flat"):
        text = _Writer(trace, form).text()
        try:
            lost = _lost(trace, loads(text))
        except LabError as error:
            lost = str(error)
        if not lost:
            return text
    raise LabError(f"a file cannot say all of {trace.name or 'this network'}: {lost}")


def _lost(trace: Trace, again: Trace) -> str:
    """The first thing that a file has lost of `trace`; empty if nothing."""
    for layer, copy in zip(trace.layers, again.layers, strict=False):
        if layer != copy:
            return f"layer {layer.name}"
    if len(trace.layers) != len(again.layers):
        return f"{len(trace.layers) - len(again.layers)} layers"
    if trace.outputs != again.outputs:
        return "its outputs"
    return "" if dict(trace.taps) == dict(again.taps) else "its landmarks"


class _Writer:
    def __init__(self, trace: Trace, form: str = "blocks") -> None:
        self.trace, self.scopes, self.blocks = trace, Scopes(trace), Blocks()
        self.nodes = self.scopes.tree(form == "flat")
        if form == "blocks":
            self.blocks.factor(self.nodes)
        self.taps: dict[int, list[str]] = {}
        """Landmarks that no line has told yet."""
        for tap, index in trace.taps.items():
            self.taps.setdefault(index, []).append(tap)

    def text(self) -> str:
        """The whole file."""
        layers, settings = self.trace.layers, self.trace.settings
        image: Any = "x".join(map(str, self.trace.input_shape))
        if layers[0].name != "input":
            image = {"name": layers[0].name, "shape": list(self.trace.input_shape)}
        top: dict[str, Any] = {"format": 1, "name": self.trace.name or "network", "input": image}
        if any(node.values.get("features") == "classes" for node in leaves(self.nodes)):
            top["classes"] = settings["classes"]
        if self.trace.outputs != (len(layers) - 1,):
            top["outputs"] = [self.scopes.name(index, "") for index in self.trace.outputs]
        text = f"{HEADER}{_pairs(top)}\nlayers = [\n{_lines(self._items(self.nodes), 1)}]\n"
        for name, head, body in self.blocks.definitions:
            text += f"\n[blocks.{name}]\n{_pairs(head)}layers = [\n{_lines(body, 1)}]\n"
        taps = {
            tap: self.scopes.name(index, "") for index, taps in self.taps.items() for tap in taps
        }
        return f"{text}\n[taps]\n{_pairs(taps)}" if taps else text

    def _items(self, nodes: Sequence[Node]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for node in nodes:
            row = self.blocks.rows.get(id(node))
            fed = {"from": wired(node.sources)} if node.sources else {}
            if row is not None:
                items.append({**row, **fed})
            elif node.inside and not fed and self._is_table(node):
                rows = [{**node.values, **self.blocks.rows[id(child)]} for child in node.inside]
                for child, each in zip(node.inside, rows, strict=True):
                    self._tap(each, child.last)
                    items.append(each)
            elif node.inside:
                lines = self._items(node.inside)
                single = lines[0] if len(lines) == 1 and node.kind in ("stage", "block") else {}
                if "layers" in single and "from" not in single and node.kind not in single:
                    items.append({**node.values, **fed, **single})
                else:
                    items.append({**node.values, **fed, "layers": lines})
            else:
                items.append({**node.values, **fed})
            self._tap(items[-1], node.last)
        return _tables(items)

    def _is_table(self, node: Node) -> bool:
        """A stage of blocks, each of which is a line."""
        return node.kind == "stage" and all(
            id(child) in self.blocks.rows and child.kind == "block" and not child.sources
            for child in node.inside
        )

    def _tap(self, item: dict[str, Any], index: int) -> None:
        taps = self.taps.pop(index, [])
        if taps:
            item["tap"] = taps[0] if len(taps) == 1 else taps


# Lines as text


def _tables(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks one after another as the rows of a table."""
    tables: list[list[dict[str, Any]]] = []
    for item in items:
        if tables and _alike(tables[-1][0], item):
            tables[-1].append(item)
        else:
            tables.append([item])
    return [_table(rows) if len(rows) > 1 else rows[0] for rows in tables]


def _alike(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two lines fit into one table: blocks of the file, with columns in common."""
    own = [
        {key for key in item if key not in ("tap", "role", "residual")} for item in (first, second)
    ]
    blocks = all(
        "op" in item and item["op"] not in operations() and "from" not in item
        for item in (first, second)
    )
    places = [[key for key in PLACES if key in item] for item in (first, second)]
    return blocks and places[0] == places[1] and (own[0] <= own[1] or own[1] <= own[0])


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    longest_first = sorted(rows, key=len, reverse=True)
    keys = list(dict.fromkeys(key for row in longest_first for key in row))
    first = [key for key in (*PLACES, "role", "op") if key in keys]
    columns = [*first, *(key for key in keys if key not in (*first, "tap"))]
    columns += ["tap"] if "tap" in keys else []
    common: dict[str, Any] = {}
    if len({row["op"] for row in rows}) == 1:
        columns.remove("op")
        common = {"op": rows[0]["op"]}
    for row in rows:
        row |= {key: int(row[key]) for key in PLACES if _is_number(row.get(key, ""))}
    return {
        **common,
        "columns": columns,
        "rows": [[row.get(key, "") for key in columns] for row in rows],
    }


def _is_number(name: str) -> bool:
    return name.isdecimal() and name.isascii() and str(int(name[:9])) == name


def _pairs(table: dict[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in table.items())


def _lines(items: list[dict[str, Any]], depth: int) -> str:
    """Lines of a list, each with a comma; what is inside a group goes in further."""
    margin, text = "  " * depth, ""
    for item in items:
        pairs = [
            f"{_key(key)} = {_toml(value)}"
            for key, value in item.items()
            if key not in ("layers", "rows")
        ]
        if "layers" in item:
            pairs.append(f"layers = [\n{_lines(item['layers'], depth + 1)}{margin}]")
        if "rows" in item:
            pairs.append(f"rows = [\n{_rows(item['rows'], depth + 1)}{margin}]")
        text += f"{margin}{{ {', '.join(pairs)} }},\n"
    return text


def _rows(rows: list[list[Any]], depth: int) -> str:
    """A line for each row, in columns: numbers to the right, texts to the left."""
    cells = [[_toml(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = [
        any(isinstance(cell, str) and cell for cell in each) for each in zip(*rows, strict=True)
    ]
    text = ""
    for row in cells:
        line = ""
        for cell, width, left in zip(row, widths, texts, strict=True):
            line += f"{cell},".ljust(width + 2) if left else f"{cell.rjust(width)}, "
        text += f"{'  ' * depth}[{line.rstrip(', ')}],\n"
    return text


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _key(key: str) -> str:
    return (
        key
        if key and word(key).replace("_", "") == key.replace("_", "").replace("-", "")
        else _toml(key)
    )
