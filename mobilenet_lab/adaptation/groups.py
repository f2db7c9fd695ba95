"""Which channels of a network stand or fall together, and the network with fewer of them.

Every channel of every layer's output belongs to a class of channels that are one and the same
decision: a depthwise convolution, a norm or an activation hands on the class of its input, a sum
makes one class of two, a convolution begins new ones. A `Group` are the classes that go through
the same layers: an expansion, or the bottleneck that all blocks of a residual chain share. What is
not understood (grouped convolutions, channel shuffles, reshapes) keeps all its channels, as do the
input and the outputs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import ACTIVATIONS, CONVS, Layer, Trace

Form = Mapping[int, int]
"""A number of channels: group -> how often its width counts; FIXED -> channels that stay."""
FIXED = -1


class Group(NamedTuple):
    """Channels that are narrowed together."""

    name: str
    """The first layer that has them for itself."""
    width: int
    classes: tuple[int, ...]
    """In the order of the layer that makes them."""
    layers: tuple[int, ...]
    """Those that write them."""
    readers: tuple[int, ...]
    """Those that write or read them: the cost of no other depends on the width."""


@dataclass(frozen=True)
class Space:
    """A network and what can be narrowed in it."""

    trace: Trace
    groups: tuple[Group, ...]
    channels: tuple[tuple[int, ...], ...]
    """The class of each channel that a layer writes (each value, of a vector)."""
    forms: tuple[Form, ...]
    """How many channels each layer writes."""
    starts: tuple[Form, ...]
    """How many of its input's channels are before those that a layer takes."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the groups, as the network has them."""
        return tuple(group.width for group in self.groups)

    def narrowed(self, widths: Sequence[int]) -> Trace:
        """The network with other widths, one for each group."""
        outer = [self.written(index, widths) for index in range(len(self.trace.layers))]
        layers = [
            self.layer(index, widths, [outer[source] for source in layer.inputs])
            for index, layer in enumerate(self.trace.layers)
        ]
        return replace(self.trace, layers=tuple(layers))

    def written(self, index: int, widths: Sequence[int]) -> tuple[int, ...]:
        """The shape that a layer writes at these widths."""
        return (_counted(self.forms[index], widths), *self.trace.layers[index].out_shape[1:])

    def layer(
        self, index: int, widths: Sequence[int], inputs: Iterable[tuple[int, ...]] | None = None
    ) -> Layer:
        """One layer at these widths; `inputs` are its sources' shapes, where they are known."""
        layer = self.trace.layers[index]
        if inputs is None:
            inputs = [self.written(source, widths) for source in layer.inputs]
        shape = self.written(index, widths)
        return layer._replace(
            in_shapes=tuple(inputs),
            out_shape=shape,
            groups=shape[0] if is_depthwise(layer) else layer.groups,
            start=_counted(self.starts[index], widths) if layer.op in PARTS else layer.start,
        )


def search_space(trace: Trace) -> Space:
    """The groups of a network's channels, in running order.

    Raises:
        LabError: layers share their weights.
    """
    classes, channels = _Classes(), list[list[int]]()
    for layer in trace.layers:
        if not layer.own:
            raise LabError(f"{layer.name} has the weights of another layer: neither is narrowed")
        inputs = [channels[source] for source in layer.inputs]
        channels.append(RULES.get(layer.op, _kept)(classes, layer, inputs))
    for index in trace.outputs:
        classes.keep(channels[index])
    found = tuple(tuple(map(classes.of, each)) for each in channels)
    groups = _groups(trace, found, classes.fixed())
    owner = {one: number for number, group in enumerate(groups) for one in group.classes}
    starts = [
        _form(found[layer.inputs[0]][: layer.start], owner, groups) if layer.op in PARTS else {}
        for layer in trace.layers
    ]
    forms = tuple(_form(each, owner, groups) for each in found)
    return Space(trace, groups, found, forms, tuple(starts))


def is_depthwise(layer: Layer) -> bool:
    """Each channel is filtered by itself, and none is added."""
    return (
        layer.op in CONVS
        and len(layer.out_shape) == len(layer.kernel or ()) + 1
        and layer.groups == layer.in_shapes[0][0] == layer.out_shape[0] > 1
    )


def is_dense(layer: Layer) -> bool:
    """Each channel that comes out is made of all that go in."""
    if layer.op == "linear":
        return len(layer.in_shapes[0]) == 1
    whole = layer.op in CONVS and layer.groups == 1
    return whole and len(layer.out_shape) == len(layer.kernel or ()) + 1


class _Classes:
    """Classes of channels, by the least number in each."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._fixed: set[int] = set()

    def fresh(self, count: int) -> list[int]:
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return self._parents[first:]

    def of(self, one: int) -> int:
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one

    def tie(self, some: Iterable[int], others: Iterable[int]) -> None:
        for pair in zip(some, others, strict=True):
            first, second = sorted(map(self.of, pair))
            self._parents[second] = first

    def keep(self, some: Iterable[int]) -> None:
        self._fixed.update(some)

    def fixed(self) -> set[int]:
        return set(map(self.of, self._fixed))


Rule = Callable[[_Classes, Layer, list[list[int]]], list[int]]


def _kept(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    """What is not understood neither loses nor gains channels."""
    made = classes.fresh(layer.out_shape[0] if layer.out_shape else 1)
    for some in (*inputs, made):
        classes.keep(some)
    return made


def _weighted(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    if is_dense(layer):
        return classes.fresh(layer.out_shape[0])
    return inputs[0] if is_depthwise(layer) else _kept(classes, layer, inputs)


def _handed_on(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    """Each channel by itself, the first axis being theirs."""
    return inputs[0] if layer.axes in ((), (0,)) else _kept(classes, layer, inputs)


def _tied(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    if len(set(map(len, inputs))) > 1:
        return _kept(classes, layer, inputs)
    for other in inputs[1:]:
        classes.tie(inputs[0], other)
    return inputs[0]


def _concatenated(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    return [one for some in inputs for one in some]


def _part(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    if layer.op == "slice" and layer.axes != (0,):
        return _kept(classes, layer, inputs)
    return inputs[0][layer.start : layer.start + layer.out_shape[0]]


def _flattened(classes: _Classes, layer: Layer, inputs: list[list[int]]) -> list[int]:
    places = prod(layer.in_shapes[0][1:])
    return [one for one in inputs[0] for _ in range(places)]


PARTS = ("split", "slice")
POOLS = ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
RULES: dict[str, Rule] = {
    **dict.fromkeys((*CONVS, "linear"), _weighted),
    **dict.fromkeys(ACTIVATIONS, _handed_on),
    **dict.fromkeys(("batch_norm", "instance_norm", "local_response_norm"), _handed_on),
    **dict.fromkeys((*POOLS, "upsample", "dropout"), _handed_on),
    **dict.fromkeys(("add", "mul"), _tied),
    "concat": _concatenated,
    **dict.fromkeys(PARTS, _part),
    "flatten": _flattened,
}
"""What an operation does to the classes of its inputs' channels; what is not here keeps them."""


def _groups(trace: Trace, channels: Sequence[Sequence[int]], fixed: set[int]) -> tuple[Group, ...]:
    """The classes that are free, by the layers that write them and how often."""
    written: dict[int, list[int]] = {}
    for index, classes in enumerate(channels):
        for one in classes:
            if one not in fixed:
                written.setdefault(one, []).append(index)
    alike: dict[tuple[int, ...], list[int]] = {}
    for one, places in written.items():
        alike.setdefault(tuple(places), []).append(one)
    shared = Counter(index for layers in alike for index in set(layers))
    groups, names = list[Group](), Counter[str]()
    for layers, members in sorted(alike.items()):
        own = next((index for index in layers if shared[index] == 1), layers[0])
        name = trace.layers[own].name
        names[name] += 1
        writers = tuple(dict.fromkeys(layers))
        readers = [
            index
            for index, layer in enumerate(trace.layers)
            if index in writers or not set(writers).isdisjoint(layer.inputs)
        ]
        number = f":{names[name]}" if names[name] > 1 else ""
        groups.append(
            Group(f"{name}{number}", len(members), tuple(members), writers, tuple(readers))
        )
    return tuple(groups)


def _form(classes: Iterable[int], owner: Mapping[int, int], groups: Sequence[Group]) -> Form:
    counts = Counter(owner.get(one, FIXED) for one in classes)
    return {
        number: count if number == FIXED else count // groups[number].width
        for number, count in counts.items()
    }


def _counted(form: Form, widths: Sequence[int]) -> int:
    return sum(
        count if number == FIXED else count * widths[number] for number, count in form.items()
    )
