"""`field`: what one unit of each layer can see."""

from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

from mobilenet_lab.analysis import known_fields
from mobilenet_lab.layers import CONVS, Layer, Shape, Sizes
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.receptive_field import ADAPTIVE, WINDOWS, Field
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import WHOLE, facts, field_size, heading


class Seen(NamedTuple):
    """The receptive field of one layer; pairs are (vertical, horizontal), in input pixels."""

    name: str
    window: str
    """Kernel, stride and dilation: "3×3 /2"."""
    out_shape: Shape
    size: tuple[int, ...] | str | None
    """WHOLE if there is no limit, None if branches are misaligned."""
    jump: tuple[int | Fraction, ...] | None
    start: tuple[int | Fraction, ...] | None
    sees: str
    """Which units see the whole image."""


COLUMNS = (
    Column("name", "layer", "text", lambda row: row.name),
    Column("window", "window", "text", lambda row: row.window, "kernel, stride, dilation"),
    Column("output", "output", "shape", lambda row: row.out_shape, "channels × height × width"),
    Column("field", "field", "pair", lambda row: row.size, "pixels that one unit sees"),
    Column("jump", "jump", "pair", lambda row: row.jump, "pixels between neighbouring units"),
    Column("start", "start", "pair", lambda row: row.start, "centre of the first unit, in pixels"),
    Column("sees", "sees", "text", lambda row: row.sees, "whether the whole image is in sight"),
)


def field(network: Network, *, all_layers: bool = False, **options: Any) -> Table:
    """Receptive field, jump and start along a network.

    Shown are the layers with a window or a global pool, and whatever else changes the field;
    `all_layers` shows every one.

    Raises:
        UnknownNameError: no such network or option.
        LabError: an option's value is of no use.
    """
    trace = traced(network, **options)
    fields = known_fields(trace)
    rows = []
    for index, (layer, seen) in enumerate(zip(trace.layers, fields, strict=True)):
        before = [fields[source] for source in layer.inputs]
        if all_layers or (
            index and (layer.op in WINDOWS or any(seen != other for other in before))
        ):
            rows.append(_seen(layer, seen, trace.input_shape))
    notes = [
        f"Pixels of the input. Field {WHOLE}: without limit, behind a global pool.",
        "Sees: all, every unit sees the whole image; some, those near the centre do.",
    ]
    if any(seen is not None and seen.gated for seen in fields):
        notes.append("*: a gate on the way has seen the whole image; the field is the map's.")
    if None in fields:
        notes.append(
            "–: branches are misaligned or values changed places, so that no one field is true."
        )
    return Table(
        f"Receptive fields of {heading(trace)}",
        COLUMNS,
        tuple(rows),
        notes=tuple(notes),
        facts=facts(trace),
    )


def _seen(layer: Layer, field: Field | None, image: Shape) -> Seen:
    known = [axis for axis in field.axes if axis is not None] if field and field.size else []
    return Seen(
        layer.name,
        window(layer),
        layer.out_shape,
        field_size(field),
        tuple(axis.jump for axis in known) or None,
        tuple(axis.start for axis in known) or None,
        _sees(layer, field, image),
    )


def _sees(layer: Layer, field: Field | None, image: Shape) -> str:
    if field is None:
        return ""
    units = field.units(layer.out_shape)
    gated = "*" if field.gated else ""
    covering, all_units = field.covering(image[1:], units), prod(units)
    return ("all" if covering == all_units else "some" if covering else "") + gated


def window(layer: Layer) -> str:
    """Kernel, stride and dilation, as they are usually written: "3×3 /2"; else the operation."""
    if layer.op in ADAPTIVE and set(layer.out_shape[1:]) == {1}:
        return "global pool"
    if layer.kernel is None:
        return layer.mode if layer.op in NAMED else layer.op.replace("_", " ")
    text = "×".join(map(str, layer.kernel))
    if set(layer.stride) != {1}:
        text += f" /{_sizes(layer.stride)}"
    if set(layer.dilation) != {1}:
        text += f" dilation {_sizes(layer.dilation)}"
    return text if layer.op in CONVS else f"{text} {layer.op.replace('_', ' ')}"


NAMED = ("elementwise", "reduce", "unknown")
"""Operations that are told by their mode."""


def _sizes(sizes: Sizes) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))
