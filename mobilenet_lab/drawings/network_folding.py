"""A trace folded into the few rows of a network diagram, and what flows between them.

Consecutive layers of a block are a piece. Equal pieces, or equal runs of pieces, that follow one
another in a chain fold into the rows of one of them: "x3". Numbers are those of all of them.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from mobilenet_lab.analysis import CONSTANT
from mobilenet_lab.layers import ACTIVATIONS, NORMS, Layer, Shape, Trace

LONGEST = 8
"""Pieces of a run that is looked for again."""
PASSIVE = frozenset((*NORMS, *ACTIVATIONS, "dropout", "elementwise"))
"""What a row of its own is too much for, if it only follows another row."""

Indices = tuple[int, ...]


class Fold(NamedTuple):
    """One row: the layers of one repetition, or the same layers of several."""

    name: str
    section: str
    """The part that its stage belongs to ("backbone"), if any."""
    units: tuple[Indices, ...]
    """The indices of its layers, for each repetition."""
    run: tuple[int, int]
    """The first and the last row of those that are repeated together."""

    exit: int = -1
    """The layer whose feature it ends with: the last of those that are read by other rows."""

    @property
    def times(self) -> int:
        """How many repetitions it stands for."""
        return len(self.units)

    @property
    def layers(self) -> Indices:
        """All its layers, of every repetition."""
        return tuple([index for unit in self.units for index in unit])


class Link(NamedTuple):
    """What one layer hands to later rows."""

    layer: int
    start: int
    """The row of that layer."""
    ends: Indices
    """The rows that read it."""


def folded(trace: Trace, level: str) -> list[Fold]:
    """The rows of a trace, in running order, from its blocks or its stages (`level`)."""
    graph = _Graph(trace, level)
    pieces = graph.pieces()
    rows: list[Fold] = []
    for start, period, times in graph.repeats(pieces):
        run = len(rows), len(rows) + period - 1
        for offset in range(period):
            units = [pieces[start + period * turn + offset] for turn in range(times)]
            section = graph.places[units[0][-1]][0].rpartition(".")[0]
            rows.append(Fold(numbered([*map(graph.name, units)]), section, tuple(units), run))
    return [row._replace(exit=graph.exit(row)) for row in graph.merged(rows)]


def links(trace: Trace, rows: Sequence[Fold]) -> list[Link]:
    """Everything that flows from a row to later ones; each layer that is read is one link.

    What a repetition hands to the next is none: "x3" says so.
    """
    place = {
        index: (number, row.units[-1][position])
        for number, row in enumerate(rows)
        for unit in row.units
        for position, index in enumerate(unit)
    }
    ends: dict[int, set[int]] = {}
    for index, layer in enumerate(trace.layers):
        end = place[index][0]
        for source in layer.inputs:
            start, last = place[source]
            if start < end:
                ends.setdefault(last, set()).add(end)
    return [Link(last, place[last][0], tuple(sorted(ends[last]))) for last in sorted(ends)]


def laid(found: Sequence[Link], straight: Callable[[Link], bool]) -> list[tuple[Link, int]]:
    """The links that need a lane beside the rows, each with the number of its lane.

    A link that is `straight` goes down to the next row by itself, and needs a lane for the others
    only. Lanes are counted from the rows; short ones are nearer.
    """
    long = []
    for link in found:
        ends = link.ends[1:] if straight(link) else link.ends
        if ends:
            long.append(link._replace(ends=ends))
    taken: list[list[Link]] = []
    placed = []
    for link in sorted(long, key=lambda link: (link.ends[-1] - link.start, link.start)):
        for number in range(len(taken) + 1):
            if number == len(taken):
                taken.append([])
            if all(
                link.ends[-1] < other.start or other.ends[-1] < link.start
                for other in taken[number]
            ):
                taken[number].append(link)
                placed.append((link, number))
                break
    return placed


class _Graph:
    """The layers of a trace, with who reads each."""

    def __init__(self, trace: Trace, level: str) -> None:
        self.trace = trace
        self.readers: list[list[int]] = [[] for _ in trace.layers]
        for index, layer in enumerate(trace.layers):
            for source in layer.inputs:
                self.readers[source].append(index)
        self.marked = {*trace.outputs, *trace.taps.values()}
        self.plain = [
            layer._replace(name="", inputs=(), stage="", block="", role="", rate=0.0)
            for layer in trace.layers
        ]
        self.places = [self.place(index, level) for index in range(len(trace.layers))]
        self.sizes = Counter(self.places)

    def place(self, index: int, level: str) -> tuple[str, str]:
        """What a layer is shown with; a flattened map or a constant with what reads it."""
        layer = self.trace.layers[index]
        readers = self.readers[index]
        if (layer.op == "flatten" or layer.op in CONSTANT) and readers:
            return self.place(readers[0], level)
        return layer.stage, block_of(layer) if level == "block" else layer.stage

    def pieces(self) -> list[Indices]:
        """Consecutive layers of one place; those that have nothing to do with each other apart."""
        runs = groupby(range(len(self.places)), key=self.places.__getitem__)
        return [piece for _, run in runs for piece in self.connected([*run])]

    def connected(self, run: Sequence[int]) -> list[Indices]:
        """The parts of a run between which nothing flows."""
        part = {index: {index} for index in run}
        for index in run:
            for source in self.trace.layers[index].inputs:
                if source in part and part[source] is not part[index]:
                    both = part[source] | part[index]
                    part.update(dict.fromkeys(both, both))
        parts = {id(each): each for each in part.values()}
        return sorted(tuple(sorted(each)) for each in parts.values())

    def repeats(self, pieces: Sequence[Indices]) -> Iterable[tuple[int, int, int]]:
        """(first piece, pieces in a run, how often it comes) of each run, in order."""
        start = 0
        while start < len(pieces):
            best = (1, 1)
            for period in range(1, min(LONGEST, (len(pieces) - start) // 2) + 1):
                times = self.times(pieces, start, period)
                if times > 1 and period * times > best[0] * best[1]:
                    best = (period, times)
            yield start, *best
            start += best[0] * best[1]

    def times(self, pieces: Sequence[Indices], start: int, period: int) -> int:
        """How often the run of pieces is there, one after the other in a chain."""

        def unit(turn: int) -> Indices:
            from_here = pieces[start + turn * period : start + (turn + 1) * period]
            return tuple(sorted([index for piece in from_here for index in piece]))

        first = unit(0)
        before = {source for index in first for source in self.trace.layers[index].inputs}
        entry = before - {*first}
        if len(entry) != 1 or not self.ends_alone(first):
            return 1
        shape, times, last = self.looks(first, entry.pop()), 1, first
        while start + (times + 1) * period <= len(pieces):
            after = unit(times)
            follows = self.looks(after, last[-1]) == shape and self.ends_alone(after)
            handed_on = {*self.readers[last[-1]]} <= {*after} and last[-1] not in self.marked
            if not follows or not handed_on:
                break
            times, last = times + 1, after
        return times

    def ends_alone(self, unit: Indices) -> bool:
        """Whether nobody outside asks for anything but its last layer."""
        own = {*unit}
        return all(
            {*self.readers[index]} <= own and index not in self.marked for index in unit[:-1]
        )

    def looks(self, unit: Indices, entry: int) -> Hashable:
        """What two units have in common that do the same, the one fed by `entry`."""
        position = {index: number for number, index in enumerate(unit)} | {entry: -1}
        return tuple(
            [
                (
                    self.plain[index],
                    tuple([position.get(source) for source in self.trace.layers[index].inputs]),
                )
                for index in unit
            ]
        )

    def merged(self, rows: Sequence[Fold]) -> list[Fold]:
        """Rows without a norm or an activation of its own after another row."""
        kept: list[tuple[Fold, list[str]]] = []
        for row in rows:
            if kept and self.only_follows(kept[-1][0], row):
                before, names = kept.pop()
                units = tuple([a + b for a, b in zip(before.units, row.units, strict=True)])
                kept.append((before._replace(units=units), [*names, row.name]))
            else:
                kept.append((row, [row.name]))
        runs = [row.run for row, _ in kept]
        return [
            row._replace(
                name=_range(names),
                run=(runs.index(row.run), len(runs) - 1 - runs[::-1].index(row.run)),
            )
            for row, names in kept
        ]

    def only_follows(self, before: Fold, row: Fold) -> bool:
        """Whether a row is but a norm or an activation of what the row before it gives."""
        layers = [self.trace.layers[index] for index in row.units[0]]
        source = before.units[0][-1]
        return (
            (before.run == row.run or before.times == row.times == 1)
            and before.section == row.section
            and all(layer.op in PASSIVE for layer in layers)
            and {each for layer in layers for each in layer.inputs} - {*row.units[0]} == {source}
            and {*self.readers[source]} <= {*row.units[0]}
            and source not in self.marked
            and self.trace.layers[source].op != "input"
        )

    def exit(self, row: Fold) -> int:
        """The last layer of a row that others read."""
        own = {*row.layers}
        read = [
            index
            for index in row.units[-1]
            if index in self.trace.outputs or not {*self.readers[index]} <= own
        ]
        return max(read, default=row.units[-1][-1])

    def name(self, unit: Indices) -> str:
        """Its block; where that is in several pieces, the path that its layers share."""
        layers = [self.trace.layers[index] for index in unit]
        place = self.places[unit[-1]]
        if self.sizes[place] == len(unit):
            return place[1] or layers[0].name
        paths = [layer.name for layer in layers if layer.op not in PASSIVE] or [layers[0].name]
        shared = _shared(paths)
        if len(shared) > len(place[1]):
            return shared
        return _range(paths) if len(paths) == 2 else place[1] or paths[0]


def block_of(layer: Layer) -> str:
    """The block of a layer, or the outermost one of those that are in one another."""
    stage, block = layer.stage, layer.block
    if not block.startswith(f"{stage}."):
        return block
    return f"{stage}.{block[len(stage) + 1 :].split('.')[0]}"


def _shared(paths: Sequence[str]) -> str:
    """The path of the module that all are inside of, or the one path."""
    if len(set(paths)) == 1:
        return paths[0]
    parts = []
    for each in zip(*[path.split(".") for path in paths], strict=False):
        if len(set(each)) > 1:
            break
        parts.append(each[0])
    return ".".join(parts)


def _range(names: Sequence[str]) -> str:
    """`stem.0–2` of stem.0, stem.1, stem.2; what is not numbered, `conv1, relu`."""
    first, last = [name.rpartition(".") for name in (names[0], names[-1])]
    if first[0] != last[0] or first[2] == last[2]:
        return names[0]
    dash = "–" if first[2].isdecimal() and last[2].isdecimal() else ", "
    return f"{names[0]}{dash}{last[2]}"


def numbered(names: Sequence[str]) -> str:
    """The name of a row that stands for several: `stage3.1–2`, `stage3.0, 2 … 34`."""
    tokens = [re.split(r"(\d+)", name) for name in names]
    places = [
        number for number, each in enumerate(zip(*tokens, strict=False)) if len(set(each)) > 1
    ]
    if not places:
        return names[0]
    place = places[0]
    if len({len(each) for each in tokens}) > 1 or len(places) > 1 or place % 2 == 0:
        return f"{names[0]} … {names[-1]}"
    counts = [int(each[place]) for each in tokens]
    if counts[-1] - counts[0] == len(names) - 1:
        numbers = f"{counts[0]}–{counts[-1]}"
    else:
        numbers = " … ".join([f"{counts[0]}, {counts[1]}", *map(str, counts[2:][-1:])])
    return "".join([*tokens[0][:place], numbers, *tokens[0][place + 1 :]])


def channel_axes(trace: Trace) -> list[int]:
    """Which axis of each layer's output holds its channels (features), by what made it."""
    axes: list[int] = []
    for layer in trace.layers:
        sides = len(layer.out_shape)
        if layer.kernel is not None:
            axis = sides - len(layer.kernel) - 1
        elif layer.op in ("linear", "attention", "embedding", "layer_norm", "rms_norm"):
            axis = sides - 1
        elif not layer.inputs:
            axis = 0
        else:
            sources = [index for index in layer.inputs if trace.layers[index].op not in CONSTANT]
            axis = _handed_on(layer, axes[(sources or layer.inputs)[0]])
        axes.append(min(max(axis, 0), sides - 1))
    return axes


def _handed_on(layer: Layer, axis: int) -> int:
    before, after = layer.in_shapes[0], layer.out_shape
    if layer.op == "permute" and axis in layer.axes:
        return layer.axes.index(axis)
    if len(before) == len(after):
        return axis
    return 0 if axis == 0 else len(after) - 1


def sides(shape: Shape, axis: int) -> Shape:
    """The extents of a map beside its channels: (height, width), (length,), () of a vector."""
    return shape[:axis] + shape[axis + 1 :]
