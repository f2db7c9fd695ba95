"""What a row of a network diagram does, in one line: `1×1 → 3×3 dw /2 → SE → 1×1`.

The layers of a row are taken apart in series and in parallel: what every path goes through stands
between arrows, what lies side by side between bars.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from mobilenet_lab.analysis import channel_axis
from mobilenet_lab.families import family
from mobilenet_lab.layers import (
    CONVS,
    TRANSPOSED,
    Layer,
    Sizes,
    Trace,
)
from mobilenet_lab.receptive_field import constants

ARROW, BAR = " → ", " | "
POOLS = ("adaptive_avg_pool", "adaptive_max_pool", "reduce")
SHOWN = frozenset(
    (
        *CONVS,
        *TRANSPOSED,
        *POOLS,
        *("linear", "matmul", "attention", "embedding", "max_pool", "avg_pool"),
        *("upsample", "channel_shuffle", "local_response_norm", "unknown"),
    )
)
"""Operations that are told; norms, activations and layouts only where there is nothing else."""
JOINS = {"add": "+", "mul": "×", "concat": "concat"}
NAMES = {
    "batch_norm": "norm",
    "local_response_norm": "LRN",
    "channel_shuffle": "shuffle",
}


class Step(NamedTuple):
    """One word of a summary."""

    size: str
    kind: str = ""
    family: str = ""
    """Of the layer that it stands for; "" of what only stands between them."""

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.size} {self.kind}" if self.kind else self.size


class Beside(NamedTuple):
    """Branches side by side."""

    branches: tuple["Series", ...]


Series: TypeAlias = tuple["Step | Beside", ...]


class Summary(NamedTuple):
    """What a row does."""

    steps: tuple[Step, ...]
    """The words of its line, in order, with the arrows between them."""
    counts: tuple[Step, ...]
    """The same, shorter: which steps and how many of each."""
    skip: bool
    """Its input goes past it, and is added."""
    gate: bool
    """Squeeze-and-excitation, or another gate that is computed from a pooled map."""

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join([step.text for step in self.steps])


def summary(trace: Trace, unit: Sequence[int]) -> Summary:
    """What the layers of one row do."""
    reader = _Reader(trace, unit)
    series = reader.between(reader.nodes)
    steps = [*_written(series)]
    counted = Counter(step for step in steps if step.family)
    counts: list[Step] = []
    for step, count in counted.items():
        counts += [Step(", ")] if counts else []
        size = f"{count} of {step.size}" if count > 1 else step.size
        counts.append(step._replace(size=size))
    if not steps:
        told = [trace.layers[index] for index in unit if index in reader.nodes]
        names = dict.fromkeys(map(_name, told or [trace.layers[index] for index in unit]))
        steps = counts = [Step(", ".join(names))]
    return Summary(tuple(steps), tuple(counts or steps), reader.skip, reader.gate)


ENTRY, EXIT = -1, 10**9
"""Where what flows through a row comes in and goes out."""


class _Reader:
    """Takes the graph of one row apart, without what does not depend on the input."""

    def __init__(self, trace: Trace, unit: Sequence[int]) -> None:
        self.trace, self.skip, self.gate = trace, False, False
        aside = constants(trace)
        unit = [index for index in unit if index not in aside]
        own = {*unit}
        outside = {source for index in unit for source in trace.layers[index].inputs}
        outside -= own | aside
        self.edges: list[tuple[int, int]] = []
        for index in unit:
            sources = [each for each in trace.layers[index].inputs if each not in aside]
            for source in sources or [ENTRY]:
                entry = source not in own and len(outside) == 1
                self.edges.append((ENTRY if entry else source, index))
        if len(outside) > 1:
            self.edges += [(ENTRY, source) for source in sorted(outside)]
        left = {source for source, _ in self.edges}
        self.edges += [(index, EXIT) for index in unit if index not in left]
        self.outside = outside if len(outside) > 1 else set()
        self.nodes = [ENTRY, *sorted({*unit, *self.outside}), EXIT]

    def between(self, nodes: Sequence[int], branch: bool = False) -> Series:
        """What happens from the first of some nodes to the last, both left out.

        What goes straight from the one to the other is another branch. At the end of a `branch` is
        a join that is told where all its branches are.
        """
        position = {node: number for number, node in enumerate(nodes)}
        past = nodes[0], nodes[-1]
        edges = [
            (a, b) for a, b in self.edges if a in position and b in position and (a, b) != past
        ]
        reach = [0] * len(nodes)
        for a, b in edges:
            reach[position[a]] = max(reach[position[a]], position[b])
        series: list[Step | Beside] = []
        start, furthest = 0, reach[0]
        for number in range(1, len(nodes)):
            if furthest > number:  # something goes past this node
                furthest = max(furthest, reach[number])
                continue
            inner = nodes[start + 1 : number]
            if inner:
                joined = branch and number == len(nodes) - 1
                series += self.parallel(nodes[start], inner, nodes[number], edges, joined)
            if number < len(nodes) - 1:
                series += self.step(nodes[number])
            start, furthest = number, reach[number]
        return tuple(series)

    def parallel(
        self,
        start: int,
        inner: Sequence[int],
        end: int,
        edges: Sequence[tuple[int, int]],
        joined: bool,
    ) -> Series:
        """The branches between two nodes that everything goes through."""
        parts = _components(inner, edges)
        direct = (start, end) in edges
        if len(parts) == 1 and not direct:  # neither in series nor side by side
            return tuple(step for node in inner for step in self.step(node))
        op = self.trace.layers[end].op if end != EXIT and not joined else ""
        gates = [part for part in parts if op == "mul" and self.is_gate(part)]
        told = [
            self.between([start, *part, end], branch=True) for part in parts if part not in gates
        ]
        branches = [branch for branch in told if branch]
        series: list[Step | Beside] = []
        if len(branches) == 1:
            series += branches[0]
        elif branches:
            series.append(_together(branches))
        if gates:
            self.gate = True
            works = [self.trace.layers[node].op for node in gates[0]]
            excited = sum(op in (*CONVS, "linear") for op in works) > 1
            return (*series, Step("SE" if excited else "gate", "", "gate"))
        foreign = len(told) > len(branches) and any(node in self.outside for node in inner)
        if op == "add" and direct and not foreign:
            self.skip = True
            return tuple(series)
        silent = direct or len(told) > len(branches)
        told_apart = {
            "add": True,
            "mul": foreign or len(branches) > 1,
            "concat": silent or not branches,
        }
        if told_apart.get(op):
            series.append(Step(JOINS[op], "", "other"))
        return tuple(series)

    def is_gate(self, part: Sequence[int]) -> bool:
        """Whether a branch into a product is computed from what a pool leaves of the map."""
        ops = [self.trace.layers[node].op for node in part if node not in self.outside]
        return any(op in POOLS for op in ops)

    def step(self, node: int) -> Series:
        """What is told of one layer, if anything."""
        if node in self.outside or self.trace.layers[node].op not in SHOWN:
            return ()
        return (_step(self.trace.layers[node]),)


def _components(nodes: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Nodes in the parts between which there is no edge."""
    part = {node: [node] for node in nodes}
    for a, b in edges:
        if a in part and b in part and part[a] is not part[b]:
            both = sorted(part[a] + part[b])
            part.update(dict.fromkeys(both, both))
    return [*{id(each): each for each in part.values()}.values()]


def _together(branches: Sequence[Series]) -> Step | Beside:
    """Branches side by side; kernels of one kind as one step, `3×3|5×5 dw`."""
    single = [branch[0] for branch in branches if len(branch) == 1]
    steps = [step for step in single if isinstance(step, Step)]
    if len(steps) == len(branches) and len({(step.kind, step.family) for step in steps}) == 1:
        sizes = [step.size for step in steps]
        if len(set(sizes)) > 1:
            return steps[0]._replace(size="|".join(sizes))
    return Beside(tuple(branches))


def _written(series: Series, arrow: str = ARROW) -> Iterator[Step]:
    """The words of a series, with arrows, bars and brackets between them."""
    for number, part in enumerate(series):
        if number:
            yield Step(arrow)
        if isinstance(part, Step):
            yield part
            continue
        branches = part.branches
        alone = len(series) == 1
        if len(set(branches)) == 1:
            yield Step(f"{len(branches)} of ")
            branches, alone = branches[:1], len(branches[0]) == 1
        if not alone:
            yield Step("(")
        for place, branch in enumerate(branches):
            if place:
                yield Step(BAR)
            yield from _written(branch)
        if not alone:
            yield Step(")")


def _step(layer: Layer) -> Step:
    if layer.op in ("unknown", "reduce"):
        return Step(layer.mode or layer.op, "", family(layer))
    if layer.kernel is None:
        return Step(_pooled(layer) or _name(layer), "", family(layer))
    kind = []
    if layer.groups > 1:
        whole = layer.groups == layer.in_shapes[0][channel_axis(layer)]
        kind.append("dw" if whole else f"in {layer.groups} groups")
    if layer.op in TRANSPOSED:
        kind.append("transposed")
    if layer.op in ("max_pool", "avg_pool"):
        kind = [f"{layer.op[:3]} pool"]
    if max(layer.stride) > 1:
        kind.append(f"/{_size(layer.stride)}")
    if max(layer.dilation) > 1:
        kind.append(f"dilated {_size(layer.dilation)}")
    kernel = "×".join(map(str, layer.kernel))
    if len(layer.kernel) == 1:
        kernel = f"conv {kernel}"
    return Step(kernel, " ".join(kind), family(layer))


def _pooled(layer: Layer) -> str:
    if layer.op not in ("adaptive_avg_pool", "adaptive_max_pool"):
        return ""
    sides = layer.out_shape[1:]
    kind = layer.op[len("adaptive_") :][:3]
    return f"global {kind} pool" if set(sides) == {1} else f"{kind} pool to {_size(sides)}"


def _size(sizes: Sizes) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))


def _name(layer: Layer) -> str:
    """An operation as a reader calls it."""
    if layer.op in ("elementwise", "reduce", "unknown") and layer.mode:
        return layer.mode
    return NAMES.get(layer.op, layer.op.replace("_", " "))
