"""One block as a graph of steps: what is drawn of it, before anything has a place.

A convolution or linear layer with the norm and activation that follow it is one step; pools, sums,
concatenations ... are one each. Every layer of the block is in exactly one step.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mobilenet_lab.analysis import MACS, WEIGHTS, Row, analyse, channel_axis
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.families import family
from mobilenet_lab.formulas import elements
from mobilenet_lab.layers import ACTIVATIONS, CONVS, LAYOUTS, NORMS, TRANSPOSED, Layer, Trace
from mobilenet_lab.reports.table import write

MOST = 48
"""Steps beyond which a diagram cannot be read."""
WINDOWED = (*CONVS, *TRANSPOSED)
WEIGHTED = (*WINDOWED, "linear")
FOLLOWERS = (*NORMS, *ACTIVATIONS, "dropout", "flatten")
"""What belongs to the step of the layer before, if nothing else reads that layer."""
SYMBOLS = {"add": "+", "mul": "×"}
WIRES = ("concat", "split", "channel_shuffle", *LAYOUTS)
"""Operations that move channels and compute nothing."""
HANDS_ON = (*NORMS, *WIRES, "dropout", "flatten")
"""What stands between a layer and its activation without ending the search for one."""
TITLES = {
    "max_pool": "max pool",
    "avg_pool": "average pool",
    "mul": "multiply",
    "channel_shuffle": "shuffle",
    "adaptive_avg_pool": "average pool",
    "adaptive_max_pool": "max pool",
}


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
    """A step, or a map that comes from outside the block."""

    kind: str
    """outside, op, wire (moves channels only) or combine (sums or multiplies equals)."""
    name: str
    lines: tuple[str, ...]
    """What is written under it."""
    shape: str
    """Of the map that it makes, as it is written; of a split the step's lines say it."""
    slots: tuple[int, ...]
    """Channels of each map that it reads."""
    parts: tuple[int, ...]
    """Channels of what it makes; several of a split."""
    rows: tuple[Row, ...] = ()
    family: str = "other"
    linear: bool = False
    """Weights whose sums meet no activation before the next weights, sum or the block's end."""
    symbol: str = ""
    collapsed: bool = False
    """It makes one number of each channel, of a map that has more."""

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
    rows = {row.name: row for row in analyse(trace).rows}
    row = next(row for row in analyse(trace).by("block") if row.name == name)
    steps = _steps(trace, name)
    if len(steps) > MOST:
        raise LabError(_too_large(trace, name, len(steps), members))
    return Graph(trace, row, *_nodes(trace, name, steps, rows))


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
    inside = {index for step in steps for index in step}
    outside = sorted({s for i in inside for s in trace.layers[i].inputs if s not in inside})
    maker = {index: (number, 0) for number, index in enumerate(outside)}
    nodes = [_from_outside(trace.layers[i], channels[i], len(outside)) for i in outside]
    edges: list[Edge] = []
    for step in steps:
        number = len(nodes)
        head = trace.layers[step[0]]
        split = head.op == "split"
        for part, index in enumerate(step):
            maker[index] = (number, part if split else 0)
        for slot, source in enumerate(head.inputs):
            edges.append(Edge(maker[source][0], number, slot, maker[source][1], channels[source]))
        made = step if split else step[-1:]
        ends = [reader for index in made for reader in readers[index] if reader not in inside]
        within = any(reader in inside for index in made for reader in readers[index])
        also = dict.fromkeys(trace.layers[reader].block for reader in ends) if within else {}
        nodes.append(
            Node(
                _node_kind(head),
                head.name,
                _lines(trace, block, step, rows, readers, channels)
                + (() if not also else (f"also to {next(iter(also))}",)),
                "" if split else write(trace.layers[step[-1]].out_shape, "shape"),
                tuple(channels[source] for source in head.inputs),
                tuple(channels[index] for index in made),
                tuple(rows[trace.layers[index].name] for index in step),
                family(head),
                _is_linear(trace, step, readers),
                SYMBOLS.get(head.op, ""),
                _collapses(head),
            )
        )
    return tuple(nodes), tuple(edges)


def _from_outside(layer: Layer, channels: int, count: int) -> Node:
    """With several, each says where it is from."""
    says = (f"from {layer.block}",) if count > 1 else ()
    return Node(
        "outside", layer.name, says, write(layer.out_shape, "shape"), (channels,), (channels,)
    )


def _node_kind(layer: Layer) -> str:
    if layer.op in SYMBOLS or (layer.op == "elementwise" and len(layer.inputs) > 1):
        return "combine"
    return "wire" if layer.op in WIRES else "op"


def _collapses(layer: Layer) -> bool:
    """Whether it makes one number of each channel of a map."""
    if not layer.in_shapes or len(layer.out_shape) < 2:
        return False
    return set(layer.out_shape[1:]) == {1} != set(layer.in_shapes[0][1:])


def _is_linear(trace: Trace, step: Sequence[int], readers: Sequence[Sequence[int]]) -> bool:
    """Whether a layer of weights has no activation before the next weights, sum or end."""
    if trace.layers[step[0]].op not in WEIGHTED:
        return False
    ahead = [step[0]]
    while ahead:
        for reader in readers[ahead.pop()]:
            if trace.layers[reader].op in ACTIVATIONS:
                return False
            if trace.layers[reader].op in HANDS_ON:
                ahead.append(reader)
    return True


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


# What is written under a step


def _lines(
    trace: Trace,
    block: str,
    step: Sequence[int],
    rows: dict[str, Row],
    readers: Sequence[Sequence[int]],
    channels: Sequence[int],
) -> tuple[str, ...]:
    layers = [trace.layers[index] for index in step]
    head = layers[0]
    if head.op == "split":
        sizes = [channels[index] for index in step]
        equal = len(set(sizes)) == 1
        return ("split", f"{len(sizes)} × {sizes[0]}" if equal else " + ".join(map(str, sizes)))
    follow = [_follower(layer) for layer in layers[1:]]
    if head.bias:
        follow.insert(0, "bias")
    if _is_linear(trace, step, readers):
        follow.append("linear")
    lines = (*_title(head, block), _how(head), " · ".join(follow), *_cost(layers, rows))
    return tuple(line for line in lines if line)


def _follower(layer: Layer) -> str:
    return "norm" if layer.op in NORMS else layer.op.replace("_", " ")


def _title(layer: Layer, block: str) -> tuple[str, ...]:
    """What it is called: a layer of weights by its name in the block, in two lines if long."""
    if layer.op not in WEIGHTED:
        if _collapses(layer):
            return ("global", TITLES.get(layer.op, layer.op))
        title = layer.mode if layer.op in ("unknown", "elementwise", "reduce") else ""
        return (title or TITLES.get(layer.op, layer.op.replace("_", " ")),)
    path = layer.name.removeprefix(f"{block}.").split(".")
    name = ".".join(part for part in path if part not in ("conv", "linear"))
    if not name or layer.name == block:
        return ("convolution",) if layer.op in WINDOWED else ()
    if len(name) > 15 and "." in name:
        front, _, last = name.rpartition(".")
        return (front, last)
    return (name,)


def _how(layer: Layer) -> str:
    """Kernel, stride, dilation and groups."""
    if layer.op == "linear":
        return "fully connected"
    if layer.op == "upsample":
        scale = f"×{write(layer.scale, 'pair')} " if layer.scale else ""
        return f"{scale}{layer.mode}"
    words = [write(layer.kernel, "shape")] if layer.kernel else []
    if layer.kernel and set(layer.stride) != {1}:
        words.append(f"/{write(layer.stride, 'pair')}")
    if set(layer.dilation) != {1}:
        words.append(f"d={write(layer.dilation, 'pair')}")
    if layer.groups > 1:
        words.append(f"g={layer.groups:,}")
    if layer.op in TRANSPOSED:
        words.append("transposed")
    return " ".join(words)


def _cost(layers: Sequence[Layer], rows: dict[str, Row]) -> tuple[str, ...]:
    mine = [rows[layer.name] for layer in layers]
    if layers[0].op == "unknown":
        return ("– params", "– MACs")
    lines = []
    if any(layer.op in WEIGHTS for layer in layers):
        lines.append(f"{sum(row.params for row in mine):,} params")
    if layers[0].op in MACS:
        lines.append(f"{sum(row.macs for row in mine):,} MACs")
    return tuple(lines)
