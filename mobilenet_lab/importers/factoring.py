"""Blocks of a tree that differ in numbers only, as one definition and what each is given."""

import json
from collections.abc import Sequence
from itertools import chain, count
from typing import Any

from mobilenet_lab.importers.ops import DEPTHWISE, KEYS, PLACES, REQUIRED, operations
from mobilenet_lab.importers.scopes import Node

RESERVED = (*KEYS, "n", "c_in", "width", "classes", "residual")


class Blocks:
    """The definitions, and the line that stands for each block."""

    def __init__(self) -> None:
        self.definitions: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []
        """name, arguments and channels, lines"""
        self.rows: dict[int, dict[str, Any]] = {}
        """id of a node that a definition has taken the place of -> what its line says"""

    def factor(self, nodes: Sequence[Node]) -> None:
        """Finds groups that differ in numbers only, the outermost first."""
        alike: dict[Any, list[tuple[Node, _Shape]]] = {}
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
                self.factor(members[0][0].inside)

    def _define(self, members: "list[tuple[Node, _Shape]]") -> None:
        """One block of the file for all of `members`, and what each of them gives it."""
        shapes = [shape for _, shape in members]
        body = shapes[0].lines()
        given: dict[str, tuple[Any, ...]] = {}
        channels: list[str] = []
        texts: list[str] = []
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
            same += [name for name in texts if key == "act" and given[name] == values]
            name = same[0] if same else _fresh(word(shapes[0].called(place)), key, given)
            given[name] = values
            line[key] = name
            if key == "act" and not same:
                texts.append(name)
            if counts and not same and not line.get("fixed"):
                channels.append(name)
        adds = tuple([shape.adds for shape in shapes])
        if any(adds):
            tail = next(shape.tail for shape in shapes if shape.adds)
            body.append({**tail, **({} if all(adds) else {"when": "residual"})})
            if not all(adds):
                given["residual"] = adds
        title = _title(
            body,
            [node.values[node.kind] for node, _ in members if node.kind != "block"],
            [name for name, _, _ in self.definitions],
        )
        head = {"arguments": list(given), "channels": channels}
        self.definitions.append((title, {key: names for key, names in head.items() if names}, body))
        for number, (node, _) in enumerate(members):
            told = {name: values[number] for name, values in given.items()}
            self.rows[id(node)] = {**node.values, "op": title, **told}


class _Shape:
    """What a group of layers is but for its numbers, seen from inside."""

    def __init__(self, node: Node) -> None:
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

    def called(self, place: tuple[int, ...]) -> str:
        """What the line at `place` is called, or the scope around it."""
        line = _at(self._lines, place)
        around = _at(self._lines, place[:-1]) if len(place) > 1 else line
        return _called(around if "name" not in line and len(place) > 1 else line)

    def _default(self, slot: tuple[tuple[int, ...], str]) -> Any:
        return operations()[_at(self._lines, slot[0])["op"]].parameters[slot[1]].default

    def _line(self, node: Node, place: tuple[int, ...]) -> dict[str, Any]:
        line = {}
        parameters = operations()[node.values["op"]].parameters if "op" in node.values else ()
        for key, value in node.values.items():
            if key in parameters and key != "role" and value not in (DEPTHWISE, "classes"):
                self.numbers[place, key] = value
            else:
                line[key] = value
        if node.sources:
            inner = [(index, self._inner(index, name)) for index, name in node.sources]
            line["from"] = wired(inner)
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


def _is_block(node: Node) -> bool:
    """A block, or a stage or scope of several layers without blocks in it."""
    inner = any(child.kind in ("part", "stage", "block") for child in node.inside)
    return len(node.inside) > 1 and (node.kind == "block" or (node.kind != "part" and not inner))


def _at(lines: list[dict[str, Any]], place: tuple[int, ...]) -> dict[str, Any]:
    first, *rest = place
    return _at(lines[first]["layers"], tuple(rest)) if rest else lines[first]


def wired(sources: list[tuple[int, str]]) -> str | list[str]:
    names = [name for _, name in sources]
    return names[0] if len(names) == 1 else names


def word(text: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)


def _fresh(layer: str, key: str, taken: Any) -> str:
    """A name for an argument: of a channel count its layer's, else the key."""
    counts = key in ("channels", "features") and not layer[0].isdigit()
    numbered = (f"{key}_{layer}_{number}" for number in count(2))
    for name in chain([layer if counts else key, f"{key}_{layer}"], numbered):
        if name not in taken and name not in RESERVED:
            return name
    raise AssertionError


def _title(body: list[dict[str, Any]], places: list[str], taken: list[str]) -> str:
    """A name for a block: what its places begin with, or its layers one after another."""
    together = ""
    for letters in zip(*places, strict=False):
        if len(set(letters)) > 1 or not letters[0].isalpha():
            break
        together += letters[0]
    names = [_called(line) for line in body]
    title = together if len(together) > 3 else word("_".join(names))
    title = title if len(title) <= 50 else word(f"{names[0]}_to_{names[-1]}")[:50]
    for name in chain([title], (f"{title}_{number}" for number in count(2))):
        if name not in taken and name not in operations():
            return name
    raise AssertionError


def _called(line: dict[str, Any]) -> str:
    """What a line is called: its name, its scope, or what its operation calls it."""
    place = next((line[key] for key in PLACES if key in line), "")
    return str(line.get("name") or place or operations()[line["op"]].name or line["op"])
