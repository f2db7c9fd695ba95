"""A trace -> rows with every number, and their sums by block, stage and role.

Counting convention: MACs are the multiply-accumulates of convolutions and linear layers, without
bias, batch norm, activations, pooling or additions (`conventions.paper`). FLOPs are twice that.
All counts are exact integers, per image.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal, NamedTuple, TypeVar

from mobilenet_lab.errors import LabError, MisalignedError, UnknownNameError
from mobilenet_lab.formulas import (
    Number,
    batch_norm_params,
    bytes_moved,
    conv2d_macs,
    conv2d_params,
    elements,
    linear_macs,
    linear_params,
)
from mobilenet_lab.layers import Layer, Shape, Trace
from mobilenet_lab.receptive_field import MOVING, Field, layer_field
from mobilenet_lab.sources import LEARNED_VECTORS, Published

Level = Literal["stage", "block", "layer", "role"]
LEVELS: tuple[Level, ...] = ("stage", "block", "layer", "role")
DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes per element."""
VIEWS = ("flatten", "dropout", "split")
"""Operations that hand on what is there: they write nothing and need no memory of their own."""

Wrap = Callable[[str, int], Number]
"""Turns (symbol, value) into what a formula computes with: the value, or an Expression."""


def _value(symbol: str, value: int) -> int:
    return value


def params(layer: Layer, number: Wrap = _value) -> Number:
    """Learned parameters of one layer."""
    if layer.op == "conv2d":
        return conv2d_params(*_kernel_and_channels(layer, number), bias=layer.bias)
    if layer.op == "linear":
        return linear_params(*_features(layer, number), bias=layer.bias)
    if layer.op == "batch_norm":
        return batch_norm_params(number("C", layer.in_shapes[0][0]))
    return 0


def macs(layer: Layer, number: Wrap = _value) -> Number:
    """Multiply-accumulates of one layer: of a convolution or a linear layer, else none."""
    if layer.op == "conv2d":
        kernel, c_in, c_out, groups = _kernel_and_channels(layer, number)
        height, width = layer.out_shape[1:]
        return conv2d_macs(
            kernel, c_in, c_out, number("H_out", height), number("W_out", width), groups
        )
    if layer.op == "linear":
        return linear_macs(*_features(layer, number))
    return 0


def _kernel_and_channels(layer: Layer, number: Wrap) -> tuple[Number, Number, Number, Number]:
    assert layer.kernel is not None
    k_h, k_w = layer.kernel
    return (
        (number("k_h", k_h), number("k_w", k_w)),
        number("C_in", layer.in_shapes[0][0]),
        number("C_out", layer.out_shape[0]),
        number("g", layer.groups),
    )


def _features(layer: Layer, number: Wrap) -> tuple[Number, Number]:
    return number("F_in", layer.in_shapes[0][0]), number("F_out", layer.out_shape[0])


class Row(NamedTuple):
    """The numbers of one layer, or of the layers of one block, stage or role together."""

    name: str
    op: str
    """What the layer does; of a group, how many layers it has."""
    stage: str
    block: str
    role: str
    in_shape: Shape | None
    """Of a group, what its first layer reads."""
    out_shape: Shape | None
    """Of a group, what its last layer writes; None where that means nothing (a role)."""
    params: int
    macs: int
    activations: int
    """Elements written."""
    memory: int
    """Bytes read and written: inputs, parameters and outputs, each once."""
    live: int
    """Bytes of activations that must be kept while it runs, its own and those still needed."""
    field: Field | None
    """What one unit of the output sees; None if no one field is true."""

    @property
    def flops(self) -> int:
        """2 x MACs."""
        return 2 * self.macs

    @property
    def intensity(self) -> float | None:
        """FLOPs (2 x MACs) per byte moved; None where nothing moves."""
        return self.flops / self.memory if self.memory else None


@dataclass(frozen=True)
class Analysis:
    """Every number of a trace: `rows` by layer (the input has none), `by` level, `total`."""

    trace: Trace
    rows: tuple[Row, ...]
    dtype: str

    def by(self, level: str) -> tuple[Row, ...]:
        """The rows of one level: stage, block, layer or role, in running order.

        Raises:
            UnknownNameError: there is no such level.
        """
        if level not in LEVELS:
            raise UnknownNameError("level", level, LEVELS)
        if level == "layer":
            return self.rows
        return tuple(gather(self.rows, attrgetter(level), scattered=level == "role").values())

    @cached_property
    def total(self) -> Row:
        """All rows together; `live` is the peak."""
        return _sum(self.trace.name, self.rows)


def analyse(trace: Trace, dtype: str = "float32") -> Analysis:
    """Every number of `trace`, with memory in bytes of `dtype`.

    Raises:
        UnknownNameError: `dtype` is not one of DTYPES.
    """
    if dtype not in DTYPES:
        raise UnknownNameError("dtype", dtype, DTYPES)
    width = DTYPES[dtype]
    fields = known_fields(trace)
    sizes = [elements(layer.out_shape) for layer in trace.layers]
    live = live_elements(trace)
    rows = []
    for layer, size, field, held in zip(trace.layers, sizes, fields, live, strict=True):
        if layer.op == "input":
            continue
        weights = params(layer)
        view = layer.op in VIEWS
        written = 0 if view else size
        read = 0 if view else sum([sizes[source] for source in layer.inputs])
        rows.append(
            Row(
                layer.name,
                layer.op,
                layer.stage,
                layer.block,
                layer.role,
                layer.in_shapes[0],
                layer.out_shape,
                weights,
                macs(layer),
                written,
                bytes_moved(read, weights, written, width),
                held * width,
                field,
            )
        )
    return Analysis(trace, tuple(rows), dtype)


def as_published(analysis: Analysis, row: Published) -> int:
    """Our number for a published one, counted as that one was."""
    rows = [mine for mine in analysis.rows if mine.stage not in row.without]
    if row.quantity == "macs":
        return sum(mine.macs for mine in rows)
    return sum(
        mine.params // LEARNED_VECTORS * row.batch_norm_vectors
        if mine.op == "batch_norm"
        else mine.params
        for mine in rows
    )


def known_fields(trace: Trace) -> list[Field | None]:
    """The receptive field of every layer; None from where branches are misaligned."""
    fields: list[Field | None] = []
    for layer in trace.layers:
        inputs = [fields[index] for index in layer.inputs]
        if len(inputs) == 1 and layer.op not in MOVING:
            fields.append(inputs[0])
            continue
        seen = [field for field in inputs if field is not None]
        try:
            fields.append(layer_field(layer, seen) if len(seen) == len(inputs) else None)
        except MisalignedError:
            fields.append(None)
    return fields


def live_elements(trace: Trace) -> list[int]:
    """Elements that must be in memory while each layer runs.

    A feature lives from the layer that makes it to the last that reads it (an output to the end);
    both are there while a layer runs. Nothing is fused or done in place; views share their
    input's memory. So a residual's skip counts through the whole of its block.
    """
    live, now = [], 0
    ending = [0] * (len(trace.layers) + 1)
    for index, (layer, end) in enumerate(zip(trace.layers, lifetimes(trace), strict=True)):
        if end is not None:
            size = elements(layer.out_shape)
            now += size
            ending[end] += size
        live.append(now)
        now -= ending[index]
    return live


def lifetimes(trace: Trace) -> list[int | None]:
    """The last layer to run while each layer's feature is kept, as an index; None for a view.

    That of an output is past the last layer.
    """
    layers = trace.layers
    owner: list[int] = []
    last: list[int | None] = []
    for index, layer in enumerate(layers):
        view = layer.op in VIEWS
        owner.append(owner[layer.inputs[0]] if view else index)
        last.append(None if view else index)
        for source in layer.inputs:
            last[owner[source]] = index
    for index in trace.outputs:
        last[owner[index]] = len(layers)
    return last


Key = TypeVar("Key", bound=Hashable)


def gather(
    rows: Iterable[Row], key: Callable[[Row], Key], scattered: bool = False
) -> dict[Key, Row]:
    """One row for all that share a key, in running order; `scattered` groups have no shapes."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {shared: _sum(str(shared), members, scattered) for shared, members in groups.items()}


def _sum(name: str, rows: Sequence[Row], scattered: bool = False) -> Row:
    if not rows:
        raise LabError("a network without layers has no numbers")
    first, last = rows[0], rows[-1]
    return Row(
        name,
        f"{len(rows)} layers",
        _shared(row.stage for row in rows),
        _shared(row.block for row in rows),
        _shared(row.role for row in rows),
        None if scattered else first.in_shape,
        None if scattered else last.out_shape,
        sum([row.params for row in rows]),
        sum([row.macs for row in rows]),
        sum([row.activations for row in rows]),
        sum([row.memory for row in rows]),
        max([row.live for row in rows]),
        None if scattered else last.field,
    )


def _shared(names: Iterable[str]) -> str:
    """The name that all have, or none."""
    different = set(names)
    return different.pop() if len(different) == 1 else ""
