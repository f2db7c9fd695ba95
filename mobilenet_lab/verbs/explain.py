"""`explain`: how the numbers of one layer, or of one block, come about."""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from mobilenet_lab import formulas
from mobilenet_lab.analysis import (
    CONSTANT,
    DTYPES,
    SIDES,
    VIEWS,
    known_fields,
    macs,
    params,
    weights,
)
from mobilenet_lab.conventions import PRODUCTS
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.expression import Expression
from mobilenet_lab.formulas import elements
from mobilenet_lab.layers import TRANSPOSED, Layer, Shape, Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.receptive_field import WINDOWS
from mobilenet_lab.reports.table import Column, Table, write
from mobilenet_lab.verbs.common import CONVENTION, NOT_COUNTED, facts, heading
from mobilenet_lab.verbs.field import window

number = Expression.symbol


class Equation(NamedTuple):
    """One quantity: how it is computed, with symbols, with numbers, and what comes out."""

    layer: str
    quantity: str
    symbols: str
    numbers: str
    result: int | None
    """None where it is unknown."""
    unit: str


COLUMNS = (
    Column("layer", "layer", "text", lambda row: row.layer),
    Column("quantity", "quantity", "text", lambda row: row.quantity),
    Column("formula", "formula", "text", lambda row: row.symbols),
    Column("numbers", "with numbers", "text", lambda row: row.numbers),
    Column("result", "result", "count", lambda row: row.result),
    Column("unit", "unit", "text", lambda row: row.unit),
)


def explain(network: Network, layer: str, *, dtype: str = "float32", **options: Any) -> Table:
    """Every number of a layer as its formula, with symbols, with numbers, and the result.

    `layer` is a layer's name, or the path of a stage, block or leaf: then the parameters and
    MACs of each of its layers, and their sum. Memory is in bytes of `dtype`.

    Raises:
        UnknownNameError: no such network, option, dtype or layer.
        LabError: an option's value is of no use.
    """
    if dtype not in DTYPES:
        raise UnknownNameError("dtype", dtype, DTYPES)
    trace = traced(network, **options)
    path = layer.rstrip(".")
    inside = [each for each in trace.layers if each.name.startswith(f"{path}.")]
    if inside:
        title = f"{path}: {len(inside)} layers, to {write(inside[-1].out_shape, 'shape')}"
        equations = [*_sum_of("params", inside, params), *_sum_of("MACs", inside, macs)]
    else:
        one = trace.layer(path)
        told = _unknown(one) if one.op == "unknown" else _known(one)
        read = " and ".join(write(shape, "shape") for shape in one.in_shapes)
        written = write(one.out_shape, "shape")
        title = f"{one.name}: {window(one)}, {f'{read} to {written}' if read else written}"
        equations = [
            *_geometry(one),
            _equation(one, "params", params(one, number)),
            *told,
            *_memory(one, DTYPES[dtype]),
            *_field(trace, one),
        ]
    return Table(
        title,
        COLUMNS,
        tuple(equations),
        subtitle=heading(trace),
        notes=(f"MACs by convention {CONVENTION}", NOT_COUNTED),
        facts=facts(trace),
        layout="equations",
    )


def _known(layer: Layer) -> list[Equation]:
    return [
        _equation(layer, "MACs", macs(layer, number)),
        _equation(layer, "FLOPs", 2 * macs(layer, number), "(2 per MAC)"),
    ]


def _unknown(layer: Layer) -> list[Equation]:
    told = f"what {layer.mode} costs is not known here"
    return [Equation(layer.name, "MACs", told, told, None, "")]


QUANTITIES = {"L": "length", "D": "depth", "H": "height", "W": "width"}


def _geometry(layer: Layer) -> Iterator[Equation]:
    """The size of the map that a window leaves."""
    if layer.kernel is None:
        return
    sides = layer.in_shapes[0][-len(layer.kernel) :]
    for axis, letter in enumerate(SIDES[len(layer.kernel)]):
        before, after = layer.padding[axis]
        window = (
            number(f"{letter}_in", sides[axis]),
            number(f"k_{letter.lower()}", layer.kernel[axis]),
            number("s", layer.stride[axis]),
            (number("p_before", before), number("p_after", after)),
            number("dilation", layer.dilation[axis]),
        )
        if layer.op in TRANSPOSED:
            size = formulas.transposed_size(*window)
        else:
            size = formulas.output_size(*window, layer.ceil_mode)
        yield _equation(layer, QUANTITIES[letter], size, "pixels")


def _memory(layer: Layer, bytes_per_element: int) -> Iterator[Equation]:
    """Elements written and bytes moved."""
    if layer.op in VIEWS or layer.op in CONSTANT or not layer.in_shapes:
        yield _equation(layer, "activations", 0, "elements: nothing is written")
        yield _equation(layer, "memory", 0, "bytes: nothing is moved")
        return
    written = formulas.elements(_symbols(layer, layer.out_shape, "out"))
    places = (
        ["in"] if len(layer.in_shapes) == 1 else [f"in{n + 1}" for n in range(len(layer.in_shapes))]
    )
    inputs = [
        _symbols(layer, shape, place) for shape, place in zip(layer.in_shapes, places, strict=True)
    ]
    read = reduce(add, map(formulas.elements, inputs))
    # of an embedding's table, the rows that are looked up
    used = elements(layer.out_shape) if layer.op == "embedding" else weights(layer)
    moved = formulas.bytes_moved(
        read, number("params", used), written, number("bytes", bytes_per_element)
    )
    yield _equation(layer, "activations", written, "elements written")
    yield _equation(layer, "memory", moved, "bytes read and written")


def _field(trace: Trace, layer: Layer) -> Iterator[Equation]:
    """The recurrence of the receptive field, where a window slides over units of one period."""
    if layer.op not in WINDOWS or layer.kernel is None:
        return
    before = known_fields(trace)[layer.inputs[0]]
    if before is None or before.size is None or before.places:
        return
    letters = SIDES[len(before.axes)]
    axes = {
        f" {QUANTITIES[letter]}": axis for letter, axis in zip(letters, before.axes, strict=True)
    }
    if len(set(before.axes)) == 1 and _is_square(layer):
        axes = {"": before.axes[0]}
    for index, (which, axis) in enumerate(axes.items()):
        if axis is None or len(axis.lo) > 1:
            continue
        jump = number("jump_in", axis.advance)
        size = formulas.field_size(
            number("field_in", axis.size),
            number("k", layer.kernel[index]),
            number("dilation", layer.dilation[index]),
            jump,
        )
        yield _equation(layer, f"field{which}", size, "pixels of the input")
        step = formulas.field_jump(jump, number("s", layer.stride[index]))
        yield _equation(layer, f"jump{which}", step, "pixels between units")


def _sum_of(quantity: str, layers: list[Layer], count: Callable[..., Any]) -> Iterator[Equation]:
    """One quantity of each layer that has any, and the sum."""
    parts = [_equation(layer, quantity, count(layer, number)) for layer in layers]
    parts = [part for part in parts if part.result]
    yield from parts
    numbers = " + ".join(f"{part.result:,}" for part in parts) or "0"
    least = quantity == "MACs" and any(layer.op == "unknown" for layer in layers)
    total = sum(part.result or 0 for part in parts)
    yield Equation("in all", quantity, "the sum", numbers, total, "at least" if least else "")


def _equation(layer: Layer, quantity: str, value: Expression | int, unit: str = "") -> Equation:
    if isinstance(value, Expression):
        return Equation(layer.name, quantity, value.symbols, value.numbers, value.value, unit)
    return Equation(layer.name, quantity, str(value), str(value), value, unit)


def _symbols(layer: Layer, shape: Shape, which: str) -> list[Expression]:
    letters: Sequence[str] = LETTERS.get(len(shape), "")
    if not letters or layer.op in PRODUCTS:  # matrices have no height and width
        letters = [f"n{axis}" for axis in range(len(shape))]
    return [
        number(f"{letter}_{which}", extent) for letter, extent in zip(letters, shape, strict=True)
    ]


LETTERS = {1: "F", 3: "CHW", 4: "CDHW"}
"""What the extents of a shape are called; of other shapes they are numbered."""


def _is_square(layer: Layer) -> bool:
    return all(
        len(set(sizes)) == 1 for sizes in (layer.kernel, layer.stride, layer.dilation) if sizes
    )
