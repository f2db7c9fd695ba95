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
(squeeze-and-excitation), the field is the map's, and it is marked as gated; so is a map that was
normalised with statistics of the whole of it.

Where values change places so that units have no rows and columns any more (the tokens of a
transformer), no field is told.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm, prod
from typing import Any, NamedTuple

from mobilenet_lab.errors import MisalignedError
from mobilenet_lab.layers import CONVS, LAYOUTS, TRANSPOSED, Layer, Shape, Trace

WINDOWS = (*CONVS, "max_pool", "avg_pool")
ADAPTIVE = ("adaptive_avg_pool", "adaptive_max_pool")
RESAMPLING = (*ADAPTIVE, "upsample")
SHIFTED = frozenset(
    (*LAYOUTS, "matmul", "attention", "linear", "embedding", "layer_norm", "reduce")
)
"""Operations that hand a field on only where they leave rows and columns as they are."""
WHOLE_MAP = ("group_norm", "instance_norm")
"""Norms whose statistics are those of the whole map."""
ALONG = ("softmax", "elementwise")
"""Operations that may work along rows or columns (a running sum, say); their `axes` tell."""
MOVING = SHIFTED.union(WINDOWS, TRANSPOSED, RESAMPLING, WHOLE_MAP, ALONG, ("flatten", "unknown"))
"""Operations whose units may see elsewhere than those they read; any other hands a field on."""
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
    """What one unit of a layer sees along each axis of the input; an axis is None if it is all."""

    axes: tuple[Axis | None, ...]
    """(vertical, horizontal) of an image; other inputs have one axis or three."""
    gated: bool = False
    """A gate on the way has seen the whole image."""
    places: tuple[int, ...] = ()
    """Which axes of the shape these are, where the channels do not come first."""

    @property
    def vertical(self) -> Axis | None:
        return self.axes[0]

    @property
    def horizontal(self) -> Axis | None:
        return self.axes[-1]

    @property
    def size(self) -> tuple[int, ...] | None:
        """Height and width in input pixels; None if there is no limit."""
        known = [axis.size for axis in self.axes if axis is not None]
        return tuple(known) if len(known) == len(self.axes) else None

    def units(self, shape: Shape) -> tuple[int, ...]:
        """How many units a map of `shape` has along each axis; one where it has none."""
        if self.places:
            return tuple(shape[place] for place in self.places)
        return shape[1:] if len(shape) == len(self.axes) + 1 else (1,) * len(self.axes)

    def covering(self, image: Sequence[int], units: Sequence[int]) -> int:
        """How many units of a map of `units` (H x W) have a field that covers `image` (H x W)."""
        return prod(
            count if axis is None else axis.covering(pixels, count)
            for axis, pixels, count in zip(self.axes, image, units, strict=True)
        )


ONE = (1, 1, 1)
PIXEL = Axis((0,), (0,), 1)


def receptive_fields(trace: Trace) -> list[Field]:
    """The field of every layer, in the trace's order.

    Raises:
        MisalignedError: branches meet whose units look at different places of the input, or units
            have no rows and columns any more.
    """
    fields: list[Field] = []
    constant = constants(trace)
    for layer in trace.layers:
        inputs = [fields[index] for index in layer.inputs if index not in constant]
        fields.append(layer_field(layer, inputs))
    return fields


def constants(trace: Trace) -> set[int]:
    """Layers that are the same for every image: a parameter, and what is made of such only."""
    found: set[int] = set()
    for number, layer in enumerate(trace.layers):
        if layer.op != "input" and found.issuperset(layer.inputs):
            found.add(number)
    return found


def layer_field(layer: Layer, inputs: Sequence[Field]) -> Field:
    """The field of `layer`, from those of its inputs.

    Raises:
        MisalignedError: as `receptive_fields`.
    """
    if not inputs:
        if layer.op != "input" or not 2 <= len(layer.out_shape) <= 4:
            raise MisalignedError(f"{layer.name} is no map of pixels")
        return Field((PIXEL,) * (len(layer.out_shape) - 1))
    if layer.op in SHIFTED:
        return _shifted(layer, inputs)
    if len(inputs) > 1:
        return _meet(layer, inputs)
    field = inputs[0]
    if layer.op in WHOLE_MAP or layer.op in ALONG:
        return _together(layer, field)
    if layer.op in MOVING:
        if field.places or layer.op == "unknown":
            raise MisalignedError(_no_rows(layer))
        axes = field.axes
        first = _axis(layer, 0, axes[0])
        if axes.count(axes[0]) == len(axes) and _is_square(layer):
            return Field((first,) * len(axes), field.gated)
        rest = [_axis(layer, place, axes[place]) for place in range(1, len(axes))]
        return Field((first, *rest), field.gated)
    return field


def _no_rows(layer: Layer) -> str:
    return f"{layer.name}: values change places, so that no one receptive field is true"


def _places(field: Field) -> tuple[int, ...]:
    """The axes of the shape along which units stand."""
    return field.places or tuple(range(1, len(field.axes) + 1))


def _together(layer: Layer, field: Field) -> Field:
    """What is made from other values of its row or its map has seen more than its own field."""
    if field.units(layer.in_shapes[0]) != field.units(layer.out_shape):
        raise MisalignedError(_no_rows(layer))
    touched = layer.op in WHOLE_MAP or set(layer.axes) & set(_places(field))
    return field._replace(gated=True) if touched else field


def _shifted(layer: Layer, inputs: Sequence[Field]) -> Field:
    """The field where an operation leaves rows and columns as they are."""
    field, shape = inputs[0], layer.in_shapes[0]
    if all(axis is None for each in inputs for axis in each.axes):
        return Field(field.axes)  # wherever it goes, it has seen everything
    places = _places(field)
    vector = len(shape) == 1 and not field.places
    if len(inputs) == 1 and (vector or len(shape) > places[-1]):
        match layer.op:
            case "linear" if vector or len(shape) - 1 not in places:
                return field
            case "layer_norm":
                touched = set(layer.axes) & set(places) and not vector
                return field._replace(gated=True) if touched else field
            case "reduce" if not vector:
                return _reduced(layer, field, places)
            case "permute" if layer.axes:
                moved = tuple(layer.axes.index(place) for place in places)
                usual = moved == tuple(range(1, len(field.axes) + 1))
                if list(moved) == sorted(moved):
                    return field._replace(places=() if usual else moved)
            case "slice" if not vector:
                return _sliced(layer, field, places)
            case "pad" if not vector:
                return _padded(layer, field, places)
            case "expand" if layer.out_shape == shape:
                return field
    raise MisalignedError(_no_rows(layer))


def _reduced(layer: Layer, field: Field, places: tuple[int, ...]) -> Field:
    """A mean over all rows and columns sees everything; one over channels, what each unit sees."""
    kept = len(layer.out_shape) == len(layer.in_shapes[0])
    if set(places) <= set(layer.axes):
        return Field((None,) * len(field.axes))
    if not set(places) & set(layer.axes) and kept:
        return field
    raise MisalignedError(_no_rows(layer))


def _sliced(layer: Layer, field: Field, places: tuple[int, ...]) -> Field:
    """A part of the rows is a window of one pixel that starts later, and may leave pixels out."""
    place = layer.axes[0]
    if len(layer.out_shape) < len(layer.in_shapes[0]):  # one row has no rows any more
        raise MisalignedError(_no_rows(layer))
    if place not in places:
        return field
    axes = list(field.axes)
    number = places.index(place)
    seen = axes[number]
    if seen is not None:
        axes[number] = _slid(seen, 1, layer.stride[0], -layer.start, 1)
    return field._replace(axes=tuple(axes))


def _padded(layer: Layer, field: Field, places: tuple[int, ...]) -> Field:
    axes = [
        seen if seen is None else _slid(seen, 1, 1, layer.padding[place][0], 1)
        for place, seen in zip(places, field.axes, strict=True)
    ]
    return field._replace(axes=tuple(axes))


def _axis(layer: Layer, axis: int, seen: Axis | None) -> Axis | None:
    """What `layer` makes of one axis (0 vertical, 1 horizontal) of its input's field."""
    if seen is None:
        return None
    if layer.op in WINDOWS:
        assert layer.kernel is not None
        kernel, stride, dilation = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
        return _slid(seen, kernel, stride, layer.padding[axis][0], dilation)
    if layer.op in TRANSPOSED:
        return _transposed(layer, axis, seen)
    units = (layer.in_shapes[0][1:] or ONE)[axis]
    outputs = (layer.out_shape[1:] or ONE)[axis]
    if units == outputs:
        return seen
    if outputs == 1 and layer.op != "upsample":
        return None
    if layer.op == "upsample" and layer.mode not in UPSAMPLED:
        raise MisalignedError(
            f"{layer.name}: what units of {layer.mode} upsampling see is not known"
        )
    step = gcd(units, outputs)
    if outputs // step * len(seen.lo) > LONGEST:
        raise MisalignedError(
            f"{layer.name}: what units see repeats only after {outputs // step} of them, "
            "so that no one receptive field is true"
        )
    reads = UPSAMPLED[layer.mode] if layer.op == "upsample" else _adaptive
    made = _gather(seen, outputs // step, units // step, lambda i: reads(i, units, outputs))
    return made._replace(coarsest=max(made.coarsest, made.advance)) if outputs > units else made


def _slid(seen: Axis, kernel: int, stride: int, before: int, dilation: int) -> Axis:
    """What a window of `kernel` sees that starts `before` units ahead of the first."""
    if kernel == stride == 1 and before == 0:
        return seen
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


def _transposed(layer: Layer, axis: int, seen: Axis) -> Axis:
    """Output i of a transposed convolution reads the units u with i = u s - p + d t for a tap t."""
    assert layer.kernel is not None
    kernel, stride, dilation = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
    before = layer.padding[axis][0]

    def reads(i: int) -> list[int]:
        taps = [i + before - dilation * tap for tap in range(kernel)]
        return [place // stride for place in taps if place % stride == 0]

    if not all(map(reads, range(stride))):
        raise MisalignedError(
            f"{layer.name}: a stride larger than the kernel leaves units that see nothing"
        )
    made = _gather(seen, stride, 1, reads)
    return made._replace(coarsest=max(made.coarsest, made.advance)) if stride > 1 else made


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


UPSAMPLED = {"nearest": _nearest, "bilinear": _bilinear}
"""What a unit reads, by the way of upsampling."""


def _is_square(layer: Layer) -> bool:
    """Whether `layer` treats both axes alike."""
    pairs: tuple[Any, ...] = (layer.in_shapes[0][1:], layer.out_shape[1:])
    if layer.kernel is not None:
        pairs = (layer.kernel, layer.stride, layer.padding, layer.dilation)
    return not [sizes for sizes in pairs if sizes and sizes.count(sizes[0]) < len(sizes)]


def _meet(layer: Layer, inputs: Sequence[Field]) -> Field:
    """The field where branches meet: of all that see a part, marked if one sees the whole."""
    maps = [field for field in inputs if None not in field.axes] or inputs
    places, sides = maps[0].places, len(maps[0].axes)
    moved = any(field.places != places or len(field.axes) != sides for field in maps)
    if moved or layer.kernel is not None or (layer.op == "concat" and layer.axes):
        raise MisalignedError(_no_rows(layer))
    gated = any(field.gated or None in field.axes for field in inputs)
    columns = list(zip(*[field.axes for field in inputs], strict=True))
    first = _merge(layer, columns[0])
    alike = all(column == columns[0] for column in columns)
    rest = [first] * (sides - 1) if alike else [_merge(layer, each) for each in columns[1:]]
    axes = (first, *rest)
    return Field(axes, gated and any(axis is not None for axis in axes), places)


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
