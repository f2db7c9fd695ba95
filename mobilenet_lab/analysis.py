"""A trace -> rows with every number, and their sums by block, stage and role.

Counting convention: MACs are the multiply-accumulates of convolutions, linear layers and matrix
products, without bias, norms, activations, pooling or additions (`conventions.paper`). FLOPs are
twice that. All counts are exact integers, per image. Where an operation is unknown to the lab, the
sums that it belongs to are "at least" so many.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal, NamedTuple, TypeVar

from mobilenet_lab.errors import LabError, MisalignedError, UnknownNameError
from mobilenet_lab.formulas import (
    Number,
    attention_macs,
    bytes_moved,
    conv_macs,
    conv_params,
    elements,
    embedding_params,
    linear_macs,
    linear_params,
    matmul_macs,
    norm_params,
)
from mobilenet_lab.layers import CONVS, NORMS, TRANSPOSED, Layer, Shape, Trace
from mobilenet_lab.receptive_field import MOVING, Field, constants, layer_field
from mobilenet_lab.sources import LEARNED_VECTORS, Published

Level = Literal["stage", "block", "layer", "role"]
LEVELS: tuple[Level, ...] = ("stage", "block", "layer", "role")
DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes per element."""
VIEWS = frozenset(("flatten", "dropout", "split", "reshape", "permute", "slice", "expand"))
"""Operations that hand on what is there: they write nothing and need no memory of their own."""
CONSTANT = ("parameter", "constant")
"""What does not depend on the input, and is no activation."""

Wrap = Callable[[str, int], Number]
"""Turns (symbol, value) into what a formula computes with: the value, or an Expression."""


def _value(symbol: str, value: int) -> int:
    return value


def params(layer: Layer, number: Wrap = _value) -> Number:
    """Learned parameters of one layer; none where its weights are counted at another."""
    return weights(layer, number) if layer.own else 0


def weights(layer: Layer, number: Wrap = _value) -> Number:
    """Weights that one layer works with, wherever they are counted."""
    count = WEIGHTS.get(layer.op)
    return count(layer, number) if count else 0


def macs(layer: Layer, number: Wrap = _value) -> Number:
    """Multiply-accumulates of a convolution, a linear layer or a matrix product, else none."""
    count = MACS.get(layer.op)
    return count(layer, number) if count else 0


def channel_axis(layer: Layer) -> int:
    """Which axis of a layer's input holds its channels."""
    if layer.kernel is not None:
        return len(layer.in_shapes[0]) - len(layer.kernel) - 1
    return layer.axes[0] if layer.axes else 0


SIDES = {1: "L", 2: "HW", 3: "DHW"}
"""The letters of the axes along which windows of so many dimensions move."""
KERNEL = {1: ("k_l",), 2: ("k_h", "k_w"), 3: ("k_d", "k_h", "k_w")}
OUT = {1: ("L_out",), 2: ("H_out", "W_out"), 3: ("D_out", "H_out", "W_out")}
IN = {1: ("L_in",), 2: ("H_in", "W_in"), 3: ("D_in", "H_in", "W_in")}
"""Symbols of a kernel's extents and of the positions at which it works."""


def _window(layer: Layer, number: Wrap) -> tuple[list[Number], Number, Number, Number]:
    """Kernel, C_in, C_out and groups of a convolution."""
    kernel = layer.kernel
    assert kernel is not None
    axis = -len(kernel) - 1
    return (
        list(map(number, KERNEL[len(kernel)], kernel)),
        number("C_in", layer.in_shapes[0][axis]),
        number("C_out", layer.out_shape[axis]),
        number("g", layer.groups),
    )


def _conv_weights(layer: Layer, number: Wrap) -> Number:
    return conv_params(*_window(layer, number), layer.bias)


def _conv_macs(layer: Layer, number: Wrap) -> Number:
    return _at_positions(layer, number, layer.out_shape, OUT)


def _transposed_macs(layer: Layer, number: Wrap) -> Number:
    return _at_positions(layer, number, layer.in_shapes[0], IN)


def _at_positions(
    layer: Layer, number: Wrap, shape: Shape, symbols: Mapping[int, Sequence[str]]
) -> Number:
    """What a convolution does at every position of `shape`, in all images that are before it."""
    kernel, c_in, c_out, groups = _window(layer, number)
    sides = len(kernel)
    positions = list(map(number, symbols[sides], shape[-sides:]))
    once = conv_macs(kernel, c_in, c_out, positions, groups)
    images = elements(shape[: -sides - 1])
    return once if images == 1 else once * number("images", images)


def _linear_weights(layer: Layer, number: Wrap) -> Number:
    return linear_params(*_features(layer, number), layer.bias)


def _linear_macs(layer: Layer, number: Wrap) -> Number:
    rows = elements(layer.in_shapes[0][:-1])
    f_in, f_out = _features(layer, number)
    return linear_macs(f_in, f_out, number("rows", rows) if rows > 1 else 1)


def _features(layer: Layer, number: Wrap) -> tuple[Number, Number]:
    return number("F_in", layer.in_shapes[0][-1]), number("F_out", layer.out_shape[-1])


def _norm_weights(layer: Layer, number: Wrap) -> Number:
    shape = layer.in_shapes[0]
    axes = layer.axes or (channel_axis(layer),)
    return norm_params(elements([number("C", shape[axis]) for axis in axes]), layer.vectors)


def _embedding_weights(layer: Layer, number: Wrap) -> Number:
    return embedding_params(number("entries", layer.entries), number("F_out", layer.out_shape[-1]))


def _parameter_weights(layer: Layer, number: Wrap) -> Number:
    return elements([number(f"n{axis}", size) for axis, size in enumerate(layer.out_shape)])


def _matmul_macs(layer: Layer, number: Wrap) -> Number:
    """Of vectors, those of matrices with one row or one column."""
    left, right = layer.in_shapes[:2]
    rows = left[-2] if len(left) > 1 else 1
    columns = right[-1] if len(right) > 1 else 1
    return matmul_macs(
        number("rows", rows),
        number("inner", left[-1]),
        number("columns", columns),
        number("matrices", elements(layer.out_shape) // (rows * columns)),
    )


def _attention_macs(layer: Layer, number: Wrap) -> Number:
    query, key, value = layer.in_shapes[:3]
    return attention_macs(
        number("heads", elements(layer.out_shape[:-2])),
        number("queries", query[-2]),
        number("keys", key[-2]),
        number("d_key", key[-1]),
        number("d_value", value[-1]),
    )


WEIGHTS: dict[str, Callable[[Layer, Wrap], Number]] = {
    **dict.fromkeys((*CONVS, *TRANSPOSED), _conv_weights),
    "linear": _linear_weights,
    **dict.fromkeys(NORMS, _norm_weights),
    "embedding": _embedding_weights,
    "parameter": _parameter_weights,
}
MACS: dict[str, Callable[[Layer, Wrap], Number]] = {
    **dict.fromkeys(CONVS, _conv_macs),
    **dict.fromkeys(TRANSPOSED, _transposed_macs),
    "linear": _linear_macs,
    "matmul": _matmul_macs,
    "attention": _attention_macs,
}
"""How the formulas read a layer, by its operation; what is in neither costs nothing."""


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
    """Those that are known: at least so many if `unknown` is not 0."""
    activations: int
    """Elements written."""
    memory: int
    """Bytes read and written: inputs, parameters and outputs, each once."""
    live: int
    """Bytes of activations that must be kept while it runs, its own and those still needed."""
    field: Field | None
    """What one unit of the output sees; None if no one field is true."""
    unknown: int = 0
    """How many of its operations are such that nobody here knows their cost."""

    @property
    def flops(self) -> int:
        """2 x MACs."""
        return 2 * self.macs

    @property
    def intensity(self) -> float | None:
        """FLOPs (2 x MACs) per byte moved; None where nothing moves, or operations are unknown."""
        return self.flops / self.memory if self.memory and not self.unknown else None

    def known(self, count: int) -> int | None:
        """`count` (its MACs, say) unless all that is known of it is nothing."""
        return count if count or not self.unknown else None


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
        learned = params(layer)
        used = learned if layer.own else weights(layer)
        idle = layer.op in VIEWS or layer.op in CONSTANT
        written = 0 if idle else size
        read = 0 if idle else sum([sizes[source] for source in layer.inputs])
        if layer.op == "embedding":  # of its table, the rows that are looked up
            used = size
        rows.append(
            Row(
                layer.name,
                layer.op,
                layer.stage,
                layer.block,
                layer.role,
                layer.in_shapes[0] if layer.in_shapes else None,
                layer.out_shape,
                learned,
                macs(layer),
                written,
                bytes_moved(read, 0 if idle else used, written, width),
                held * width,
                field,
                int(layer.op == "unknown"),
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
    """The receptive field of every layer; None from where no one field is true."""
    fields: list[Field | None] = []
    constant = constants(trace)
    for layer in trace.layers:
        inputs = [fields[index] for index in layer.inputs if index not in constant]
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
    """The last layer to run while each layer's feature is kept, as an index.

    That of an output is past the last layer. None for a view, and for what is there anyway.
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
    for index, layer in enumerate(layers):
        if layer.op in CONSTANT:
            last[index] = None
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
        sum([row.unknown for row in rows]),
    )


def _shared(names: Iterable[str]) -> str:
    """The name that all have, or none."""
    different = set(names)
    return different.pop() if len(different) == 1 else ""
