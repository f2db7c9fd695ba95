"""A trace as a file that `files.loads` reads back: a line for each layer, a row for each block.

Layers are put back into the scopes that their names tell; blocks that differ in numbers only
become one definition and a table. What is written is read again before it is handed out.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from mobilenet_lab.errors import LabError
from mobilenet_lab.importers.files import loads
from mobilenet_lab.importers.ops import DEPTHWISE, KEYS, PLACES, REQUIRED, accepts, operations
from mobilenet_lab.layers import ACTIVATIONS, TRANSPOSED, Layer, Trace

WIDTH = 100
SQUEEZE_EXCITE = ("pool", "reduce", "act", "expand", "gate", "mul")
RESERVED = (*KEYS, "n", "c_in", "width", "classes", "residual")


def dumps(trace: Trace) -> str:
    """`trace` as a file; read back, it has the same layers, outputs and taps.

    Raises:
        LabError: a layer is of a kind that a file cannot say.
    """
    for factored in (True, False):
        text = _Writer(trace, factored).text()
        try:
            again = loads(text)
        except LabError as error:
            wrong = f"{error}"
            continue
        pairs = zip(trace.layers, again.layers, strict=False)
        differing = [layer.name for layer, copy in pairs if layer != copy]
        if len(trace.layers) == len(again.layers) and not differing:
            if again.outputs == trace.outputs and dict(again.taps) == dict(trace.taps):
                return text
            differing = ["outputs or taps"]
        wrong = ", ".join(differing[:1]) or "the number of layers"
    raise LabError(f"a file cannot say {trace.name or 'this network'}: {wrong}")


class _Scope(NamedTuple):
    """What is open around a layer, as `Net` keeps it."""

    prefix: str = ""
    stage: str = ""
    block: str = ""
    role: str = ""


@dataclass
class _Node:
    """A layer, or a scope with what is inside."""

    values: dict[str, Any]
    first: int
    last: int
    path: str
    sources: list[tuple[int, str]] | None = None
    """index and name of what feeds it, if that is not the layer before"""
    inside: list["_Node"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return next((key for key in PLACES if key in self.values), "")


class _Shape:
    """What a group of layers is but for its numbers, seen from inside."""

    def __init__(self, node: _Node) -> None:
        self.node = node
        self.source = node.sources[0][0] if node.sources else node.first - 1
        self.closed = True
        """It reads nothing but itself and one feature from outside."""
        self.numbers: dict[tuple[tuple[int, ...], str], Any] = {}
        self._lines = [self._line(child, (at,)) for at, child in enumerate(node.inside)]
        add, before = node.inside[-1], node.inside[-2:][0].path
        last = before[len(node.path) + 1 :]
        self.tail = {"op": "add", "from": ["input", last]}
        self.adds = len(node.inside) > 1 and self._lines[-1] == self.tail and add.first == node.last
        if self.adds:
            self._lines.pop()
        needed = [slot for slot in self.numbers if self._default(slot) is REQUIRED]
        self.key = json.dumps([self._lines, needed])

    def lines(self) -> list[dict[str, Any]]:
        """The lines of a block, still without numbers."""
        return list(json.loads(json.dumps(self._lines)))

    def number(self, slot: tuple[tuple[int, ...], str]) -> Any:
        found = self.numbers.get(slot, self._default(slot))
        return "none" if found is None else found

    def _default(self, slot: tuple[tuple[int, ...], str]) -> Any:
        return operations()[_at(self._lines, slot[0])["op"]].parameters[slot[1]].default

    def _line(self, node: _Node, place: tuple[int, ...]) -> dict[str, Any]:
        line = {}
        parameters = operations()[node.values["op"]].parameters if "op" in node.values else ()
        for key, value in node.values.items():
            if key in parameters and key != "role" and value not in (DEPTHWISE, "classes"):
                self.numbers[place, key] = value
            else:
                line[key] = value
        if node.sources:
            inner = [(index, self._inner(index, name)) for index, name in node.sources]
            line["from"] = _from(inner)
        if node.inside:
            line["layers"] = [
                self._line(child, (*place, at)) for at, child in enumerate(node.inside)
            ]
        return line

    def _inner(self, index: int, name: str) -> str:
        if index == self.source:
            return "input"
        self.closed &= self.node.first <= index
        return name


class _Writer:
    def __init__(self, trace: Trace, factored: bool) -> None:
        self.trace, self.factored = trace, factored
        self.made: dict[str, int] = {}
        self.names: dict[int, list[str]] = {}
        self.fixed = _answers(trace)
        self.blocks: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []
        self.rows: dict[int, dict[str, Any]] = {}
        """id of a node that a block has taken the place of -> what its line says"""
        self.taps: dict[int, list[str]] = {}
        for tap, index in trace.taps.items():
            self.taps.setdefault(index, []).append(tap)

    def text(self) -> str:
        """The whole file."""
        trace = self.trace
        if not trace.layers or trace.layers[0].op != "input" or trace.layers[0].name != "input":
            raise LabError("a file begins with a layer 'input'")
        self._note("input", 0)
        nodes = list(self._nodes(1, len(trace.layers), _Scope()))
        if self.factored:
            self._factor(nodes)
        top: dict[str, Any] = {"format": 1}
        if trace.name:
            top["name"] = trace.name
        top["input"] = "x".join(map(str, trace.input_shape))
        classes = trace.settings.get("classes")
        if any(node.values.get("features") == "classes" for node in _leaves(nodes)):
            top["classes"] = classes
        lines = _lines(self._items(nodes), 1)
        if list(trace.outputs) != [len(trace.layers) - 1]:
            top["outputs"] = [self._name(index, "") for index in trace.outputs]
        text = "".join(f"{key} = {_toml(value)}\n" for key, value in top.items())
        text += f"\nlayers = [\n{lines}]\n"
        for name, head, body in self.blocks:
            text += f"\n[blocks.{name}]\n"
            text += "".join(f"{key} = {_toml(value)}\n" for key, value in head.items())
            text += f"layers = [\n{_lines(body, 1)}]\n"
        if self.taps:
            text += "\n[taps]\n" + "".join(
                f"{_key(tap)} = {_toml(self._name(index, ''))}\n"
                for index, taps in self.taps.items()
                for tap in taps
            )
        return text

    # Layers back into scopes

    def _nodes(self, start: int, end: int, scope: _Scope) -> Iterator[_Node]:
        at = start
        while at < end:
            kind, path, stop = self._opens(at, end, scope)
            if kind:
                node = self._group(kind, path, at, stop, scope)
            else:
                node, stop = self._leaf(at, end, scope)
            yield node
            at = stop

    def _opens(self, at: int, end: int, scope: _Scope) -> tuple[str, str, int]:
        """The scope that opens before a layer: its kind, its path and where it ends; or none."""
        layers = self.trace.layers
        layer = layers[at]
        rest = layer.name[len(scope.prefix) :]
        direct = (scope.stage or layer.name, scope.block or layer.name, scope.role or rest) == (
            layer.stage,
            layer.block,
            layer.role,
        )
        if layer.op == "split" and direct:
            return "", "", at
        head = f"{scope.prefix}{rest.partition('.')[0]}"
        stop = self._run(at, end, head)
        run = layers[at:stop]
        if not scope.stage and not direct and all(_under(each.stage, head) for each in run):
            return "part", head, stop
        if layer.stage not in (scope.stage, layer.name):
            stop = self._run(at, end, layer.stage, stage=layer.stage)
            return "stage", layer.stage, self._of_one_role(at, stop, layer.stage, scope)
        if layer.block not in (scope.block, layer.name):
            stop = self._run(at, end, layer.block)
            return "block", layer.block, self._of_one_role(at, stop, layer.block, scope)
        if "." not in rest or (direct and len(run) == 1):
            return "", "", at
        while not scope.role and len({each.role for each in run}) > 1:
            more = layer.name[len(head) + 1 :].partition(".")
            if not more[1]:
                return "", "", at
            head = f"{head}.{more[0]}"
            run = layers[at : self._run(at, end, head)]
        return "scope", head, at + len(run)

    def _run(self, at: int, end: int, path: str, stage: str = "") -> int:
        layers = self.trace.layers
        while at < end and _under(layers[at].name, path) and (not stage or layers[at].stage == stage):
            at += 1
        return at

    def _of_one_role(self, at: int, stop: int, path: str, scope: _Scope) -> int:
        """Where a stage or block has to be closed because another role begins."""
        if scope.role or self._role(at, stop, path) is not None:
            return stop
        end = at + 1
        while self._role(at, end + 1, path) is not None:
            end += 1
        return end

    def _role(self, at: int, stop: int, path: str) -> str | None:
        """The role that a stage or block is told, empty for none; None if there is no such."""
        run = self.trace.layers[at:stop]
        if all(_natural(layer, path) for layer in run):
            return ""
        if len({layer.role for layer in run}) == 1:
            return run[0].role
        inner = [layer.name[len(path) + 1 :] for layer in run]
        sayable = [
            _natural(layer, path) or ("." in rest and layer.op != "split")
            for layer, rest in zip(run, inner, strict=True)
        ]
        return "" if all(sayable) else None

    def _group(self, kind: str, path: str, at: int, stop: int, scope: _Scope) -> _Node:
        name = path[len(scope.prefix) :]
        layer = self.trace.layers[at]
        role = "" if scope.role or kind == "part" else layer.role
        if kind in ("stage", "block"):
            role = role and (self._role(at, stop, path) or "")
        values = {kind: name}
        if role and not (kind == "scope" and role == name):
            values["role"] = role
        stage = {"part": "", "stage": path}.get(kind, scope.stage or path)
        block = {"part": "", "scope": scope.block or path}.get(kind, path)
        role = scope.role or role
        inner = _Scope(f"{path}.", stage, block, "" if kind == "part" else role)
        node = _Node(values, at, stop - 1, path, inside=list(self._nodes(at, stop, inner)))
        first = node.inside[0]
        if first.sources and len(first.sources) == 1:
            index = first.sources[0][0]
            node.sources, first.sources = [(index, self._name(index, scope.prefix))], None
        self._note(path, stop - 1)
        return self._shortened(node) if kind == "scope" else node

    def _shortened(self, node: _Node) -> _Node:
        """A convolution, norm and activation, or a gate, as the one line that they are."""
        plain = [child.values for child in node.inside]
        ops = [values.get("op") for values in plain]
        layers = [self.trace.layers[child.first] for child in node.inside]
        names = [layer.name[len(node.path) + 1 :] for layer in layers]
        wired = not any(child.sources for child in node.inside)
        role = {"role": node.values["role"]} if "role" in node.values else {}
        named = {"name": node.values["scope"]}
        if ops[:2] == ["conv2d", "batch_norm"] and wired and "bias" not in plain[0]:
            acts = ops[2:]
            if names == ["conv", "norm", "act"][: len(names)] and set(acts) <= {*ACTIVATIONS}:
                node.values = {**plain[0], **plain[1], "op": "conv"}
                node.values = {"op": "conv", **named, **node.values, **role}
                if acts != ["relu"]:
                    node.values["act"] = acts[0] if acts else "none"
                node.inside = []
        source = node.sources[0][0] if node.sources else node.first - 1
        *path, product = node.inside or [node]
        gated = product.sources and [index for index, _ in product.sources] == [source, node.last - 1]
        if tuple(names) == SQUEEZE_EXCITE and not role and gated and not any(each.sources for each in path):
            squeeze = plain[1].get("channels")
            node.values = {"op": "squeeze_excite", **named, "squeeze": squeeze}
            node.values |= {"act": ops[2], "gate": ops[4]}
            for key, usual in (("name", "se"), ("act", "relu"), ("gate", "sigmoid")):
                if node.values[key] == usual:
                    del node.values[key]
            node.inside = []
        return node

    def _leaf(self, at: int, end: int, scope: _Scope) -> tuple[_Node, int]:
        layer, stop = self.trace.layers[at], at + 1
        name = layer.name[len(scope.prefix) :]
        values = _arguments(layer)
        if layer.op == "split":
            name = name.rpartition(".")[0]
            while stop < end and self.trace.layers[stop].name == layer.name[:-1] + str(stop - at):
                stop += 1
            values["sizes"] = [part.out_shape[0] for part in self.trace.layers[at:stop]]
        if name != operations()[values["op"]].name:
            values = {"op": values["op"], "name": name, **values}
        if at in self.fixed and operations()[values["op"]].channels:
            values["fixed"] = True
        if at in self.fixed and values.get("features") == self.trace.settings.get("classes", 0):
            values["features"] = "classes"
        node = _Node(values, at, stop - 1, layer.name)
        if layer.inputs not in ((at - 1,), ()):
            node.sources = [(index, self._name(index, scope.prefix)) for index in layer.inputs]
        for index in range(at, stop):
            self._note(self.trace.layers[index].name, index)
        return node, stop

    def _note(self, path: str, index: int) -> None:
        self.made[path] = index
        self.names.setdefault(index, []).append(path)

    def _name(self, index: int, prefix: str) -> str:
        """The shortest name of what a layer gave, seen from the scope `prefix`."""
        found = []
        for path in self.names.get(index, []):
            if self.made[path] != index:
                continue
            outer = prefix
            while not path.startswith(outer):
                outer = "".join(outer[:-1].rpartition(".")[:2])
            found.append(path[len(outer) :])
        return min(found, key=len, default=self.trace.layers[index].name)

    # Blocks that are alike

    def _factor(self, nodes: Sequence[_Node]) -> None:
        """Finds groups that differ in numbers only, the outermost first."""
        alike: dict[Any, list[tuple[_Node, _Shape]]] = {}
        rest = list(nodes)
        while rest:
            node = rest.pop(0)
            shape = _Shape(node) if _is_block(node) else None
            if shape is None or not shape.closed:
                rest = [*node.inside, *rest]
            else:
                alike.setdefault(shape.key, []).append((node, shape))
        for members in alike.values():
            if len(members) > 1:
                self._define(members)
            else:
                self._factor(members[0][0].inside)

    def _define(self, members: "list[tuple[_Node, _Shape]]") -> None:
        """One block of the file for all of `members`, and what each of them gives it."""
        shapes = [shape for _, shape in members]
        body = shapes[0].lines()
        given: dict[str, tuple[Any, ...]] = {}
        channels = []
        for slot in dict.fromkeys(slot for shape in shapes for slot in shape.numbers):
            place, key = slot
            values = tuple([shape.number(slot) for shape in shapes])
            line = _at(body, place)
            line.pop(key, None)
            if len(set(map(repr, values))) == 1:
                if slot in shapes[0].numbers:
                    line[key] = values[0]
                continue
            counts = key in operations()[line["op"]].channels
            same = [name for name in channels if counts and given[name] == values]
            name = same[0] if same else _fresh(line, key, given)
            given[name] = values
            line[key] = name
            if counts and not same and not line.get("fixed"):
                channels.append(name)
        adds = tuple([shape.adds for shape in shapes])
        if any(adds):
            tail = next(shape.tail for shape in shapes if shape.adds)
            body.append({**tail, **({} if all(adds) else {"when": "residual"})})
            if not all(adds):
                given["residual"] = adds
        title = _title(body, [name for name, _, _ in self.blocks])
        head = {"arguments": list(given), "channels": channels}
        self.blocks.append((title, {key: names for key, names in head.items() if names}, body))
        for number, (node, _) in enumerate(members):
            values = {name: values[number] for name, values in given.items()}
            self.rows[id(node)] = {**node.values, "op": title, **values}

    # Nodes as lines

    def _items(self, nodes: Sequence[_Node]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for node in nodes:
            row = self.rows.get(id(node))
            wired = {"from": _from(node.sources)} if node.sources else {}
            if row is not None:
                items.append({**row, **wired})
            elif node.inside and not wired and self._is_table(node):
                rows = [{**node.values, **self.rows[id(child)]} for child in node.inside]
                for child, each in zip(node.inside, rows, strict=True):
                    self._tap(each, child.last)
                    items.append(each)
            elif node.inside:
                items.append({**node.values, **wired, "layers": self._items(node.inside)})
            else:
                items.append({**node.values, **wired})
            self._tap(items[-1], node.last)
        return _tables(items)

    def _is_table(self, node: _Node) -> bool:
        """A stage of blocks, each of which is a line."""
        return node.kind == "stage" and all(
            id(child) in self.rows and child.kind == "block" and not child.sources
            for child in node.inside
        )

    def _tap(self, item: dict[str, Any], index: int) -> None:
        taps = self.taps.pop(index, [])
        if taps:
            item["tap"] = taps[0] if len(taps) == 1 else taps


def _is_block(node: _Node) -> bool:
    """A block, or a stage or scope of several layers without blocks in it."""
    inner = any(child.kind in ("part", "stage", "block") for child in node.inside)
    return len(node.inside) > 1 and (node.kind == "block" or (node.kind != "part" and not inner))


def _leaves(nodes: Sequence[_Node]) -> Iterator[_Node]:
    for node in nodes:
        yield node
        yield from _leaves(node.inside)


def _under(path: str, scope: str) -> bool:
    return path.startswith(f"{scope}.")


def _natural(layer: Layer, path: str) -> bool:
    """Whether a layer has its role from its name or a scope inside its block, and not from us."""
    inner = layer.block if _under(layer.block, path) and layer.block != layer.name else path
    rest = layer.name[len(inner) + 1 :]
    return f"{rest}.".startswith(f"{layer.role}.")


def _answers(trace: Trace) -> set[int]:
    """The layers that give the answers, whose channels the width leaves alone."""
    found, rest, seen = set(), list(trace.outputs), set()
    while rest:
        index = rest.pop()
        if index in seen:
            continue
        seen.add(index)
        layer = trace.layers[index]
        if layer.op == "linear" or layer.kernel and layer.op.startswith("conv"):
            found.add(index)
        else:
            rest += layer.inputs
    return found


def _arguments(layer: Layer) -> dict[str, Any]:
    """The operation that records `layer`, and what it is told beside its defaults."""
    op = {"input": "tensor", **dict.fromkeys(TRANSPOSED, "conv_transpose")}.get(layer.op, layer.op)
    if op not in operations():
        raise LabError(f"{layer.name}: a file cannot say {layer.op!r}")
    values: dict[str, Any] = {"op": op}
    for key, parameter in operations()[op].parameters.items():
        value = _argument(layer, key)
        usual = parameter.default
        if usual is None and key == "stride":
            usual = layer.kernel
        elif usual is None and key == "padding" and layer.kernel:
            pairs = zip(layer.kernel, layer.dilation, strict=False)
            usual = tuple(d * (k - 1) // 2 for k, d in pairs)
        if isinstance(value, tuple) and int in accepts(parameter.annotation).kinds:
            value = value[0] if len(set(value)) == 1 else value
        if isinstance(usual, tuple) and len(set(usual)) == 1 and not isinstance(value, tuple):
            usual = usual[0]
        if value is not None and value != usual:
            values[key] = list(value) if isinstance(value, tuple) else value
    if layer.op in ("conv", "conv1d", "conv2d", "conv3d") and layer.groups == layer.in_shapes[0][0]:
        if layer.groups > 1:
            values["groups"] = DEPTHWISE
            if values["channels"] == layer.groups:
                del values["channels"]
    return values


def _argument(layer: Layer, key: str) -> Any:
    """What `Net` was told of a layer, read off its record."""
    shape = layer.out_shape
    if layer.lrn and key in ("size", "alpha", "beta", "k"):
        return layer.lrn[("size", "alpha", "beta", "k").index(key)]
    match key:
        case "channels":
            return shape[0]
        case "features":
            return shape[-1]
        case "shape":
            return shape
        case "size":
            return None if layer.scale else shape[1:]
        case "padding":
            return "same" if layer.same else tuple(before for before, _ in layer.padding)
        case "output_padding":
            return tuple(before - after for before, after in layer.padding)
        case "axes" if layer.op != "permute":
            return len(layer.axes)
        case "axis":
            return layer.axes[0]
        case "stop":
            return layer.start + shape[layer.axes[0]]
    return getattr(layer, key, None)


def _at(lines: list[dict[str, Any]], place: tuple[int, ...]) -> dict[str, Any]:
    first, *rest = place
    return _at(lines[first]["layers"], tuple(rest)) if rest else lines[first]


def _from(sources: list[tuple[int, str]]) -> str | list[str]:
    names = [name for _, name in sources]
    return names[0] if len(names) == 1 else names


def _word(text: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)


def _fresh(line: dict[str, Any], key: str, taken: Any) -> str:
    """A name for an argument: of a channel count its layer's, else the key."""
    layer = _word(line.get("name", line["op"]))
    wanted = [layer] if key in ("channels", "features") and not layer[0].isdigit() else [key]
    wanted += [f"{key}_{layer}", *(f"{key}_{layer}_{number}" for number in range(2, 1000))]
    return next(name for name in wanted if name not in taken and name not in RESERVED)


def _title(body: list[dict[str, Any]], taken: list[str]) -> str:
    """A name for a block: those of its layers one after another, if that is short."""
    names = [line.get("name") or line.get("op") or line[_place(line)] for line in body]
    title = _word("_".join(names))
    title = title if len(title) <= 40 else "block"
    numbered = (f"{title}_{number}" for number in count(2))
    while title in taken or title in operations():
        title = next(numbered)
    return title


def _place(line: dict[str, Any]) -> str:
    return next(key for key in PLACES if key in line)


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
    keys = list(dict.fromkeys(key for row in rows for key in row))
    first = [key for key in (*PLACES, "role", "op") if key in keys]
    columns = [*first, *(key for key in keys if key not in (*first, "tap"))]
    columns += ["tap"] if "tap" in keys else []
    common: dict[str, Any] = {}
    if len({row["op"] for row in rows}) == 1:
        columns.remove("op")
        common = {"op": rows[0]["op"]}
    for row in rows:
        for place in PLACES:
            if place in row and row[place] == str(row[place]).lstrip("0") or row.get(place) == "0":
                row[place] = int(row[place]) if row[place].isdecimal() else row[place]
    return {**common, "columns": columns, "rows": [[row.get(key, "") for key in columns] for row in rows]}


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
    cells = [[_toml(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [not any(isinstance(cell, str) and cell for cell in c) for c in zip(*rows, strict=True)]
    text = ""
    for row in cells:
        padded = [
            cell.rjust(width) if number else f"{cell}," .ljust(width + 1)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ]
        joined = " ".join(cell if not number else f"{cell}," for cell, number in zip(padded, numbers, strict=True))
        text += "  " * depth + f"[{joined.rstrip().rstrip(',')}],\n"
    return text


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _key(key: str) -> str:
    return key if key and _word(key).replace("_", "") == key.replace("_", "").replace("-", "") else _toml(key)
