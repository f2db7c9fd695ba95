"""One block as a graph of steps: what is drawn of it, before anything has a place.

A convolution or linear layer with the norm and activation that follow it is one step; pools, sums,
concatenations ... are one each. Every layer of the block is in exactly one step.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from mobilenet_lab.analysis import Analysis, Row, analyse, channel_axis, gather
from mobilenet_lab.drawings.blocks_words import WEIGHTED, WINDOWED, WIRES, is_linear, lines
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.families import family
from mobilenet_lab.formulas import elements
from mobilenet_lab.layers import ACTIVATIONS, NORMS, Layer, Trace
from mobilenet_lab.reports.table import write

MOST = 48
"""Steps beyond which a diagram cannot be read."""
FOLLOWERS = (*NORMS, *ACTIVATIONS, "dropout", "flatten")
"""What belongs to the step of the layer before, if nothing else reads that layer."""
SYMBOLS = {"add": "+", "mul": "×"}


class Edge(NamedTuple):
    """What one node reads of another."""

    source: int
    target: int
    slot: int
    """Which of the target's inputs it is."""
    part: int
    """Which of the source's parts; 0 of all but a split."""
    channels: int


class Node(NamedTuple):
    """A step, or a map that comes from outside the block: one for each part that reads it."""

    kind: str
    """outside, op, wire (moves channels only) or combine (sums or multiplies equals)."""
    name: str
    lines: tuple[str, ...]
    """What is written under it."""
    shape: str
    """Of the map that it makes, as it is written. None of a split, whose lines say it, and of a sum
    or product that makes what it reads: that stands under the map before."""
    slots: tuple[int, ...]
    """Channels of each map that it reads."""
    parts: tuple[int, ...]
    """Channels of what it makes; several of a split."""
    rows: tuple[Row, ...] = ()
    family: str = "other"
    linear: bool = False
    """Weights whose sums meet no activation before the next weights, sum or the block's end."""
    symbol: str = ""
    positions: int = 1
    """At how many places its map has values of each channel."""

    @property
    def reads(self) -> int:
        """Channels on its left side."""
        return max(self.slots) if self.kind == "combine" else sum(self.slots)

    @property
    def makes(self) -> int:
        """Channels on its right side."""
        return sum(self.parts)

    @property
    def params(self) -> int:
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)


class Graph(NamedTuple):
    """One block: its nodes in running order, those from outside first."""

    trace: Trace
    row: Row
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def widest(self) -> int:
        return max(max(node.reads, node.makes) for node in self.nodes)


def typical(trace: Trace) -> str:
    """The block whose structure comes most often, of those with two layers of weights or more.

    The structure is the roles and operations of its layers, any activation standing for every
    other. If no block has two such layers it is the one with the most layers.
    """
    members = _members(trace)
    if not members:
        raise LabError(f"{trace.name or 'the network'} has no layers to draw")
    rich = {
        name: tuple((layer.role.rpartition(".")[2], _kind(layer)) for layer in layers)
        for name, layers in members.items()
        if sum(layer.op in WEIGHTED for layer in layers) > 1
    }
    if not rich:
        return max(members, key=lambda name: len(members[name]))
    often = Counter(rich.values())
    return max(rich, key=lambda name: often[rich[name]])


def graph(trace: Trace, name: str | None = None) -> Graph:
    """The graph of the block called `name`, or of the network's typical one.

    Raises:
        UnknownNameError: there is no such block.
        LabError: what is called so is a stage or a layer, or the block is too large to be drawn.
    """
    members = _members(trace)
    name = typical(trace) if name is None else name
    if name not in members:
        raise _not_a_block(trace, name, members)
    count = len(_steps(trace, name))
    if count > MOST:
        raise LabError(_too_large(trace, name, count, members))
    return graph_of(analyse(trace), name)


def graph_of(analysis: Analysis, name: str) -> Graph:
    """The graph of a block that is there, of whatever size."""
    trace = analysis.trace
    rows = {row.name: row for row in analysis.rows}
    mine = [row for row in analysis.rows if row.block == name]
    row = gather(mine, attrgetter("block"))[name]
    return Graph(trace, row, *_nodes(trace, name, _steps(trace, name), rows))


def _members(trace: Trace) -> dict[str, list[Layer]]:
    """The layers of each block, in running order."""
    members: dict[str, list[Layer]] = {}
    for layer in trace.layers:
        if layer.op != "input":
            members.setdefault(layer.block, []).append(layer)
    return members


def _kind(layer: Layer) -> str:
    return "activation" if layer.op in ACTIVATIONS else layer.op


def _not_a_block(trace: Trace, name: str, members: Iterable[str]) -> LabError:
    of_stage = dict.fromkeys(layer.block for layer in trace.layers if layer.stage == name)
    if of_stage:
        return LabError(f"{name} is a stage, its blocks are {_listed(of_stage)}")
    for layer in trace.layers:
        if layer.name == name and layer.op != "input":
            return LabError(f"{name} is a layer, its block is {layer.block}")
    return UnknownNameError("block", name, members, "`summary --level block` shows them all")


def _too_large(trace: Trace, name: str, steps: int, members: Iterable[str]) -> str:
    said = f"block {name} has {steps} operations, more than the {MOST} that a diagram can show"
    smaller = [other for other in members if len(_steps(trace, other)) in range(2, MOST + 1)]
    return f"{said}; smaller are {_listed(smaller)}" if smaller else said


def _listed(names: Iterable[str], most: int = 4) -> str:
    each = list(names)
    return ", ".join(each[:most]) + (" ..." if len(each) > most else "")


# Steps


def _readers(trace: Trace) -> list[list[int]]:
    """Who reads each layer."""
    readers: list[list[int]] = [[] for _ in trace.layers]
    for index, layer in enumerate(trace.layers):
        for source in layer.inputs:
            readers[source].append(index)
    return readers


def _steps(trace: Trace, block: str) -> list[list[int]]:
    """The layers of a block, as indices, by step."""
    readers = _readers(trace)
    steps: list[list[int]] = []
    of: dict[int, list[int]] = {}
    splits: dict[int, list[int]] = {}
    for index, layer in enumerate(trace.layers):
        if layer.block != block or layer.op == "input":
            continue
        before = layer.inputs[0] if len(layer.inputs) == 1 else None
        if layer.op == "split" and before in splits:
            step = splits[before]
        elif before in of and before is not None and _follows(trace, before, readers[before]):
            step = of[before]
        else:
            step = []
            steps.append(step)
        if layer.op == "split" and before is not None:
            splits[before] = step
        step.append(index)
        of[index] = step
    return steps


def _follows(trace: Trace, before: int, readers: Sequence[int]) -> bool:
    """Whether the only reader of a layer belongs to its step."""
    made, layer = trace.layers[before], trace.layers[readers[0]]
    if len(readers) != 1 or before in trace.outputs or layer.op not in FOLLOWERS:
        return False
    if layer.op == "flatten" and elements(made.out_shape) != made.out_shape[0]:
        return False
    return made.op not in ("split", "parameter", "constant")


# Nodes


def _nodes(
    trace: Trace, block: str, steps: Sequence[Sequence[int]], rows: dict[str, Row]
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    channels = _channels(trace)
    readers = _readers(trace)
    inside = {index: number for number, step in enumerate(steps) for index in step}
    part = _parts(trace, steps, inside)
    outside = sorted(
        {
            (source, part[number])
            for index, number in inside.items()
            for source in trace.layers[index].inputs
            if source not in inside
        }
    )
    first = len(outside)
    nodes = [_from_outside(trace.layers[i], channels[i], first) for i, _ in outside]
    edges: list[Edge] = []
    for count, step in enumerate(steps):
        head = trace.layers[step[0]]
        split = head.op == "split"
        for slot, source in enumerate(head.inputs):
            if source in inside:
                maker, place = first + inside[source], steps[inside[source]].index(source)
                place = place if trace.layers[source].op == "split" else 0
            else:
                maker, place = outside.index((source, part[count])), 0
            edges.append(Edge(maker, first + count, slot, place, channels[source]))
        made = step if split else step[-1:]
        ends = [reader for index in made for reader in readers[index] if reader not in inside]
        within = any(reader in inside for index in made for reader in readers[index])
        also = dict.fromkeys(trace.layers[reader].block for reader in ends) if within else {}
        nodes.append(
            Node(
                _node_kind(head),
                head.name,
                lines(trace, block, step, rows, readers, channels)
                + (() if not also else (f"also to {next(iter(also))}",)),
                _shape(trace, step),
                tuple(channels[source] for source in head.inputs),
                tuple(channels[index] for index in made),
                tuple(rows[trace.layers[index].name] for index in step),
                family(head),
                is_linear(trace, step, readers),
                SYMBOLS.get(head.op, ""),
                elements(trace.layers[step[-1]].out_shape) // max(channels[step[-1]], 1),
            )
        )
    return tuple(nodes), tuple(edges)


def _parts(trace: Trace, steps: Sequence[Sequence[int]], inside: dict[int, int]) -> list[int]:
    """Which part each step belongs to: parts have nothing in common but maps from outside."""
    part = list(range(len(steps)))
    for number, step in enumerate(steps):
        for source in trace.layers[step[0]].inputs:
            if source in inside:
                old, new = part[number], part[inside[source]]
                part = [new if each == old else each for each in part]
    return part


def _shape(trace: Trace, step: Sequence[int]) -> str:
    head, last = trace.layers[step[0]], trace.layers[step[-1]]
    if head.op == "split" or (_node_kind(head) == "combine" and last.out_shape in head.in_shapes):
        return ""
    return write(last.out_shape, "shape")


def _from_outside(layer: Layer, channels: int, count: int) -> Node:
    """With several, each says where it is from."""
    says = (f"from {layer.block}",) if count > 1 else ()
    return Node(
        "outside",
        layer.name,
        says,
        write(layer.out_shape, "shape"),
        (channels,),
        (channels,),
        positions=elements(layer.out_shape) // max(channels, 1),
    )


def _node_kind(layer: Layer) -> str:
    if layer.op in SYMBOLS or (layer.op == "elementwise" and len(layer.inputs) > 1):
        return "combine"
    return "wire" if layer.op in WIRES else "op"


def _channels(trace: Trace) -> list[int]:
    """The channels of what each layer makes; of tokens, their features."""
    axes: list[int] = []
    for layer in trace.layers:
        rank = len(layer.out_shape)
        source = axes[layer.inputs[0]] if layer.inputs else 0
        if layer.op in WINDOWED:
            axis = channel_axis(layer)
        elif layer.op in ("linear", "matmul", "attention", "embedding", "layer_norm", "rms_norm"):
            axis = rank - 1
        elif layer.op == "permute" and source in layer.axes:
            axis = layer.axes.index(source)
        elif layer.in_shapes and len(layer.in_shapes[0]) != rank:
            axis = rank - 1 if source and source == len(layer.in_shapes[0]) - 1 else 0
        else:
            axis = source
        axes.append(min(axis, max(rank - 1, 0)))
    return [
        layer.out_shape[axis] if layer.out_shape else 1
        for layer, axis in zip(trace.layers, axes, strict=True)
    ]
