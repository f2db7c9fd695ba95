"""Receptive fields along a trace: which part of the input one unit of each layer can see.

Along one axis, unit i of a layer sees the input pixels lo + i * jump ... hi + i * jump. A window
of kernel k, stride s, dilation d and padding p (before the first unit) turns that into

    lo -= p * jump                 size = hi - lo + 1 grows by d (k - 1) * jump
    hi += (d (k - 1) - p) * jump
    jump *= s

which is the recurrence of Araujo, Norris and Sim ("Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019) with the two ends in place of the centre, so that all is integer.
After an upsampling, neighbouring units may share what they see; the ends then repeat with a
period of several units, and are kept for each of them.

The field is that of an unbounded image: near a border a part of it lies in the padding. It is
the smallest rectangle; a dilated or strided network may look at some of its pixels only.

A part of a split has the field of the whole map: an upper bound, where the map was put together
from channels with different fields.

A global pool sees everything, so its field is no number. Where a gate made from one meets a map
(squeeze-and-excitation), the field is the map's, and it is marked as gated.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

from mobilenet_lab.errors import MisalignedError
from mobilenet_lab.layers import Layer, Trace

WINDOWS = ("conv2d", "max_pool", "avg_pool")
ADAPTIVE = ("adaptive_avg_pool", "adaptive_max_pool")
RESAMPLING = (*ADAPTIVE, "upsample")
MOVING = (*WINDOWS, *RESAMPLING, "flatten")
"""Operations whose units stand elsewhere than those they read; any other hands a field on."""
LONGEST = 4096
"""Units after which the pattern of what they see must repeat."""


class Axis(NamedTuple):
    """The field along one axis: unit q * period + r sees lo[r] + q * advance ... hi[r] + ..."""

    lo: tuple[int, ...]
    hi: tuple[int, ...]
    advance: int
    """Input pixels from one period to the next; where the period is one unit, the jump."""
    coarsest: int = 0
    """The advance of the coarsest map that was upsampled on the way, in input pixels; 0 if none."""

    @property
    def size(self) -> int:
        """Input pixels that a unit sees (the most that any does)."""
        return max(hi - lo + 1 for lo, hi in zip(self.lo, self.hi, strict=True))

    @property
    def jump(self) -> int | Fraction:
        """Input pixels between neighbouring units."""
        return _tidy(Fraction(self.advance, len(self.lo)))

    @property
    def start(self) -> int | Fraction:
        """Centre of the first unit's field; the first pixel's centre is 0."""
        return _tidy(Fraction(self.lo[0] + self.hi[0], 2))

    def span(self, index: int) -> tuple[int, int]:
        """First and last input pixel of unit `index`; below 0 or past the end lies padding."""
        period, phase = divmod(index, len(self.lo))
        offset = period * self.advance
        return self.lo[phase] + offset, self.hi[phase] + offset

    def covering(self, pixels: int, units: int) -> int:
        """How many of `units` units have a field that covers an axis of `pixels` pixels."""
        if self.size < pixels:
            return 0
        spans = map(self.span, range(units))
        return sum(lo <= 0 and hi >= pixels - 1 for lo, hi in spans)


class Field(NamedTuple):
    """What one unit of a layer sees, as (vertical, horizontal); an axis is None if it is all."""

    vertical: Axis | None
    horizontal: Axis | None
    gated: bool = False
    """A gate on the way has seen the whole image."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in input pixels; None if there is no limit."""
        if self.vertical is None or self.horizontal is None:
            return None
        return self.vertical.size, self.horizontal.size

    def covering(self, image: Sequence[int], units: Sequence[int]) -> int:
        """How many units of a map of `units` (H x W) have a field that covers `image` (H x W)."""
        vertical, horizontal = (
            count if axis is None else axis.covering(pixels, count)
            for axis, pixels, count in zip(self[:2], image, units, strict=True)
        )
        return vertical * horizontal


PIXEL = Axis((0,), (0,), 1)


def receptive_fields(trace: Trace) -> list[Field]:
    """The field of every layer, in the trace's order.

    Raises:
        MisalignedError: branches meet whose units look at different places of the input.
    """
    fields: list[Field] = []
    for layer in trace.layers:
        fields.append(layer_field(layer, [fields[index] for index in layer.inputs]))
    return fields


def layer_field(layer: Layer, inputs: Sequence[Field]) -> Field:
    """The field of `layer`, from those of its inputs.

    Raises:
        MisalignedError: as `receptive_fields`.
    """
    if not inputs:
        return Field(PIXEL, PIXEL)
    if len(inputs) > 1:
        return _meet(layer, inputs)
    field = inputs[0]
    if layer.op in MOVING:
        rows = _axis(layer, 0, field.vertical)
        alike = field.horizontal is field.vertical and _is_square(layer)
        return Field(rows, rows if alike else _axis(layer, 1, field.horizontal), field.gated)
    return field


def _axis(layer: Layer, axis: int, seen: Axis | None) -> Axis | None:
    """What `layer` makes of one axis (0 vertical, 1 horizontal) of its input's field."""
    if seen is None:
        return None
    if layer.op in WINDOWS:
        assert layer.kernel is not None
        kernel, stride, dilation = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
        before = layer.padding[axis][0]
        if len(seen.lo) == 1:
            lo, hi, jump = seen.lo[0], seen.hi[0], seen.advance
            reach = dilation * (kernel - 1)
            return Axis(
                (lo - before * jump,), (hi + (reach - before) * jump,), jump * stride, seen.coarsest
            )
        return _gather(
            seen,
            1,
            stride,
            lambda i: [i * stride - before + dilation * tap for tap in range(kernel)],
        )
    units = (layer.in_shapes[0][1:] or (1, 1))[axis]
    outputs = (layer.out_shape[1:] or (1, 1))[axis]
    if units == outputs:
        return seen
    if outputs == 1 and layer.op != "upsample":
        return None
    step = gcd(units, outputs)
    if outputs // step * len(seen.lo) > LONGEST:
        raise MisalignedError(
            f"{layer.name}: what units see repeats only after {outputs // step} of them, "
            "so that no one receptive field is true"
        )
    reads = {"upsample": _nearest if layer.mode == "nearest" else _bilinear}.get(
        layer.op, _adaptive
    )
    made = _gather(seen, outputs // step, units // step, lambda i: reads(i, units, outputs))
    return made._replace(coarsest=max(made.coarsest, made.advance)) if outputs > units else made


def _gather(axis: Axis, outputs: int, units: int, reads: Callable[[int], Iterable[int]]) -> Axis:
    """The axis of outputs that each read some units of `axis`: `outputs` for every `units`."""
    repeats = len(axis.lo) // gcd(len(axis.lo), units)
    spans = [[axis.span(unit) for unit in reads(i)] for i in range(outputs * repeats)]
    return Axis(
        tuple(min(lo for lo, _ in seen) for seen in spans),
        tuple(max(hi for _, hi in seen) for seen in spans),
        axis.advance * units * repeats // len(axis.lo),
        axis.coarsest,
    )


def _adaptive(i: int, units: int, outputs: int) -> range:
    """Window i of adaptive pooling: floor(i n / m) ... ceil((i + 1) n / m) - 1."""
    return range(i * units // outputs, -(-(i + 1) * units // outputs))


def _nearest(i: int, units: int, outputs: int) -> range:
    """The unit floor(i n / m)."""
    return range(i * units // outputs, i * units // outputs + 1)


def _bilinear(i: int, units: int, outputs: int) -> range:
    """The two units around (i + 1/2) n / m - 1/2, or the one it falls on."""
    twice = (2 * i + 1) * units - outputs
    below, rest = divmod(twice, 2 * outputs)
    return range(below, below + (2 if rest else 1))


def _is_square(layer: Layer) -> bool:
    """Whether `layer` treats both axes alike."""
    pairs: tuple[Any, ...] = (layer.in_shapes[0][1:], layer.out_shape[1:])
    if layer.op in WINDOWS:
        pairs = (layer.kernel, layer.stride, layer.padding, layer.dilation)
    return not [pair for pair in pairs if pair and pair[0] != pair[1]]


def _meet(layer: Layer, inputs: Sequence[Field]) -> Field:
    """The field where branches meet: of all that see a part, marked if one sees the whole."""
    gated = any(field.gated or None in field[:2] for field in inputs)
    rows = _merge(layer, [field.vertical for field in inputs])
    alike = all(field.vertical is field.horizontal for field in inputs)
    columns = rows if alike else _merge(layer, [field.horizontal for field in inputs])
    return Field(rows, columns, gated and (rows, columns) != (None, None))


def _merge(layer: Layer, branches: Sequence[Axis | None]) -> Axis | None:
    """The smallest axis that holds all branches that have a limit."""
    axes = list(dict.fromkeys(axis for axis in branches if axis is not None))
    if len(axes) < 2:
        return axes[0] if axes else None
    period = lcm(*[len(axis.lo) for axis in axes])
    advances = {axis.advance * period // len(axis.lo) for axis in axes}
    if len(advances) > 1:
        jumps = " and ".join(map(str, sorted({axis.jump for axis in axes})))
        raise MisalignedError(
            f"{layer.name}: branches meet with {jumps} pixels between their units, "
            "so that no one receptive field is true"
        )
    # what was upsampled cannot be centred better than the coarse grid that it repeated
    slack = max([axis.coarsest for axis in axes])
    lows, highs = [], []
    for unit in range(period):
        spans = [axis.span(unit) for axis in axes]
        centres = [lo + hi for lo, hi in spans]
        apart = (max(centres) - min(centres)) / 2
        if apart > slack:
            raise MisalignedError(
                f"{layer.name}: branches meet whose units look at places {apart:g} pixels "
                "apart, so that no one receptive field is true"
            )
        lows.append(min(spans)[0])
        highs.append(max([hi for _, hi in spans]))
    return Axis(tuple(lows), tuple(highs), advances.pop(), slack)


def _tidy(number: int | Fraction) -> int | Fraction:
    return number.numerator if number.denominator == 1 else number
