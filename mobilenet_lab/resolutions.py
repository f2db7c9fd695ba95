"""One trace, counted again at many resolutions at once.

A trace records one forward pass. At another resolution the layers and channels are the same; only
the sides of the maps are others. So a trace is read once, without numbers: which sides there are
and how each follows from another, and how many multiply-accumulates, elements written and elements
held there are for each position of a map. What is left to compute at a resolution is a dozen sides
and a few sums of coefficient x H x W, for ints or for whole arrays.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import reduce
from math import prod
from operator import index, mul
from typing import Any, NamedTuple, TypeAlias

from mobilenet_lab.analysis import VIEWS, lifetimes, live_elements, macs, params
from mobilenet_lab.errors import LabError, ShapeError, VanishedError, quoted
from mobilenet_lab.formulas import Number, elements, output_size
from mobilenet_lab.layers import ACTIVATIONS, Layer, Pair, Trace
from mobilenet_lab.net import LARGEST
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.receptive_field import ADAPTIVE, RESAMPLING, WINDOWS

LARGEST_INT64 = 2**63 - 1

Area: TypeAlias = Pair
"""Height and width of a map, each as the number of a side."""
Areas: TypeAlias = Mapping[Area, int]
"""A sum of coefficient x H x W."""


class Counts(NamedTuple):
    """The totals of a network per image, at one resolution (ints) or at many (arrays)."""

    params: int
    """Learned parameters, the same at every resolution."""
    macs: Number
    """Multiply-accumulates of convolutions and linear layers (`conventions.paper`)."""
    activations: Number
    """Elements written."""
    live: Number
    """Elements of activations held at once, at the peak (`analysis.live_elements`)."""


def counts_at(network: Network, heights: Any, widths: Any = None, **options: Any) -> Counts:
    """The totals of a network at one resolution or at many.

    `heights` and `widths` are the sides of the input in pixels: ints, or what NumPy makes arrays
    of integers from, which broadcast; without `widths` the input is square. Options are those of
    `registry.trace`. Every number is that of a trace made at the resolution, exactly. Where int64
    could not hold one, arrays of Python's ints come back (dtype object).

    The layers are those of the trace. A function of your own that chooses layers by the
    resolution needs a trace for each.

    Raises:
        UnknownNameError: no such network or option.
        VanishedError: a map has no pixel left at some resolution; the message names the first.
        ShapeError: maps do not meet at some resolution; the message names the first.
        LabError: a side is no whole number from 1, or the trace does not say how a size follows
            from the input's: upsampling to a given size, a vector of all values of a map.
    """
    return Replay(traced(network, **options)).at(heights, widths)


def counts(trace: Trace) -> Counts:
    """The totals of a trace as it stands."""
    return Counts(
        sum(map(params, trace.layers)),
        sum(map(macs, trace.layers)),
        sum(elements(layer.out_shape) for layer in trace.layers if _writes(layer)),
        max(live_elements(trace)),
    )


class Side(NamedTuple):
    """One side of a map: what `rule` makes of another side."""

    source: int
    """The number of the other side; 0 and 1 are the input's height and width."""
    rule: tuple[Any, ...]
    """A function and its further arguments; equal for sides that follow alike."""
    layer: int
    """The first layer that gives it."""


class Meeting(NamedTuple):
    """Two maps that have to have one size."""

    layer: int
    first: Area
    other: Area
    gate: bool
    """The other may also have one value per channel."""


RESIZING = (*WINDOWS, *RESAMPLING)
OF_IMAGES = (
    *("conv2d", "linear", "batch_norm", "local_response_norm", *ACTIVATIONS),
    *("max_pool", "avg_pool", *RESAMPLING),
    *("add", "mul", "concat", "split", "channel_shuffle", "flatten", "dropout"),
)
"""Operations that leave the sides of a map as they are, or say how they follow."""
HEIGHT, WIDTH, ONE = 0, 1, 2
"""Numbers of sides that every network has."""


class Replay:
    """A trace that has been read, ready to be counted at any resolution.

    Raises:
        LabError: the trace does not say how a size follows from the input's.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.sides: list[Side] = []
        """From number 2 on."""
        self.meetings: list[Meeting] = []
        self._numbers: dict[tuple[int, tuple[Any, ...]], int] = {}
        self._constants = {self._side(HEIGHT, (_constant, 1), 0)}
        self.areas: list[Area] = []
        """What each layer gives."""
        for number, layer in enumerate(trace.layers):
            self.areas.append(self._area(number, layer))
        self.params = sum(map(params, trace.layers))
        self.macs, self.activations = Counter[Area](), Counter[Area]()
        for layer, area in zip(trace.layers, self.areas, strict=True):
            channels, *sides = layer.out_shape
            if worked := macs(layer):
                self.macs[area] += worked // prod(sides)
            if _writes(layer):
                self.activations[area] += channels
        self.peaks = _peaks(trace, self.areas)

    def at(self, heights: Any, widths: Any = None) -> Counts:
        """The totals at one resolution or at many, as `counts_at`."""
        heights = _checked("heights", heights)
        widths = heights if widths is None else _checked("widths", widths)
        zero = _zero(heights, widths)
        values = self._values(heights, widths)
        spans = [_span(value) for value in values]
        if not self._works(values, spans):
            raise self._failure(*self._first_failing(values, zero))
        larger: Callable[[Number, Number], Number] = max
        if _is_array(zero):
            import numpy

            larger = numpy.maximum
            if self._bound([most for _, most in spans]) > LARGEST_INT64:
                values = [side.astype(object) if _is_array(side) else side for side in values]
        products: dict[Area, Number] = {}

        def total(areas: Areas) -> Number:
            for area in areas:
                if area not in products:
                    products[area] = values[area[0]] * values[area[1]]
            return sum([times * products[area] for area, times in areas.items()], start=zero)

        peak = reduce(larger, map(total, self.peaks))
        return Counts(self.params, total(self.macs), total(self.activations), peak)

    # Reading

    def _area(self, number: int, layer: Layer) -> Area:
        """Which sides the feature of a layer has; a vector is 1 x 1."""
        if layer.op == "input" and len(layer.out_shape) == 3:
            return HEIGHT, WIDTH
        if layer.op not in OF_IMAGES or len(layer.out_shape) not in (1, 3):
            raise LabError(
                f"{self._called()}: {layer.name} is no operation on maps of an image, so that the "
                "trace does not say how its size follows: trace the network at each resolution"
            )
        first, *others = [self.areas[source] for source in layer.inputs]
        gate = layer.op == "mul"
        self.meetings += [Meeting(number, first, other, gate) for other in others if other != first]
        if layer.op == "flatten":
            if not self._constants.issuperset(first):
                raise LabError(
                    f"{self._called()}: {layer.name} makes a vector of all values of a map, so "
                    "that what follows fits one size only: trace the network at each resolution"
                )
            return ONE, ONE
        if layer.op in RESIZING:
            height, width = (self._follow(number, layer, axis, first[axis]) for axis in (0, 1))
            return height, width
        return first

    def _follow(self, number: int, layer: Layer, axis: int, source: int) -> int:
        """The number of the side that a window or a resampling makes of side `source`."""
        if layer.op == "upsample" and layer.scale is None:
            raise LabError(
                f"{self._called()}: {layer.name} upsamples to a given size, and the trace does not "
                "say how that follows from the input's: trace the network at each resolution"
            )
        if layer.op in ADAPTIVE or source in self._constants:
            side = self._side(HEIGHT, (_constant, layer.out_shape[1 + axis]), number)
            self._constants.add(side)
            return side
        if layer.scale is not None:
            return self._side(source, (mul, layer.scale[axis]), number)
        assert layer.kernel is not None
        kernel, stride, dilation = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
        padding = layer.padding[axis]
        if stride == 1 and sum(padding) == dilation * (kernel - 1):
            return source
        if layer.same and dilation > 1 and layer.op != "conv2d":
            raise LabError(
                f"{self._called()}: {layer.name} is a dilated pool whose padding follows from its "
                "input's size, which not every size allows: trace the network at each resolution"
            )
        if layer.same:
            return self._side(source, (_ceil_ratio, stride), number)
        window = (output_size, kernel, stride, padding, dilation, layer.ceil_mode)
        return self._side(source, window, number)

    def _side(self, source: int, rule: tuple[Any, ...], layer: int) -> int:
        key = source, rule
        if key not in self._numbers:
            self._numbers[key] = 2 + len(self.sides)
            self.sides.append(Side(source, rule, layer))
        return self._numbers[key]

    # Counting

    def _values(self, heights: Number, widths: Number) -> list[Number]:
        """Every side; those that follow alike from one array are one array."""
        values = [heights, widths]
        made: dict[tuple[int, tuple[Any, ...]], Number] = {}
        for side in self.sides:
            source = values[side.source]
            key = id(source), side.rule
            if key not in made:
                function, *arguments = side.rule
                made[key] = function(source, *arguments)
            values.append(made[key])
        return values

    def _works(self, values: list[Number], spans: list[tuple[int, int]]) -> bool:
        """Whether every side is a size, and all maps meet."""
        if any(least < 1 or most > LARGEST for least, most in spans):
            return False
        return not any(_any(_misses(meeting, values)) for meeting in self.meetings)

    def _first_failing(self, values: list[Number], zero: Number) -> Pair:
        """The first resolution that does not work."""
        fails = zero != 0
        for value in values:
            fails = fails | (value < 1) | (value > LARGEST)
        for meeting in self.meetings:
            fails = fails | _misses(meeting, values)
        height, width = (zero + side for side in values[:2])
        if not _is_array(fails):
            return height, width
        first = fails.argmax()
        return int(height.flat[first]), int(width.flat[first])

    def _failure(self, height: int, width: int) -> ShapeError:
        """Why a resolution does not work: the first layer that fails there."""
        values = self._values(height, width)
        errors: dict[int, ShapeError] = {}
        for side, value in zip(self.sides, values[2:], strict=True):
            if value < 1:
                errors.setdefault(side.layer, VanishedError("nothing is left of the map"))
            elif value > LARGEST:
                errors.setdefault(side.layer, ShapeError(f"a side is larger than {LARGEST:,}"))
        for meeting in self.meetings:
            if _misses(meeting, values):
                sizes = (
                    "x".join(str(values[side]) for side in area)
                    for area in (meeting.first, meeting.other)
                )
                told = ShapeError(f"maps of {' and '.join(sizes)} do not meet")
                errors.setdefault(meeting.layer, told)
        layer = min(errors)
        path = self.trace.layers[layer].name
        return type(errors[layer])(f"{self._called()} at {height}x{width}: {path}: {errors[layer]}")

    def _bound(self, largest: list[int]) -> int:
        """What no total exceeds, where each side is as large as it gets."""
        sums = (self.macs, self.activations, *self.peaks)
        return max(
            sum(times * largest[high] * largest[wide] for (high, wide), times in areas.items())
            for areas in sums
        )

    def _called(self) -> str:
        return self.trace.name or "the network"


def _writes(layer: Layer) -> bool:
    return layer.op != "input" and layer.op not in VIEWS


def _peaks(trace: Trace, areas: list[Area]) -> list[Areas]:
    """What is held while each layer runs, without what is at no resolution the most."""
    held: dict[Area, int] = {}
    ending: list[list[int]] = [[] for _ in range(len(trace.layers) + 1)]
    states: dict[frozenset[tuple[Area, int]], Areas] = {}
    for number, (layer, end) in enumerate(zip(trace.layers, lifetimes(trace), strict=True)):
        if end is not None:
            held[areas[number]] = held.get(areas[number], 0) + layer.out_shape[0]
            ending[end].append(number)
        states[frozenset(held.items())] = held.copy()
        for ended in ending[number]:
            held[areas[ended]] -= trace.layers[ended].out_shape[0]
    peaks: list[Areas] = []
    for state in sorted(states.values(), key=lambda state: sum(state.values()), reverse=True):
        needed = [(area, times) for area, times in state.items() if times]
        if not any(all(peak.get(area, 0) >= times for area, times in needed) for peak in peaks):
            peaks.append(dict(needed))
    return peaks


def _misses(meeting: Meeting, values: list[Number]) -> Number:
    """Where the two maps of a meeting differ."""
    pairs = list(zip(meeting.first, meeting.other, strict=True))
    (a, b), (c, d) = [(values[first], values[other]) for first, other in pairs]
    differ = (a != b) | (c != d)
    return differ & ((b != 1) | (d != 1)) if meeting.gate else differ


def _constant(side: Number, value: int) -> int:
    return value


def _ceil_ratio(side: Number, stride: int) -> Number:
    return -(-side // stride)


def _is_array(value: Number) -> bool:
    return hasattr(value, "dtype")


def _any(value: Number) -> bool:
    return bool(value.any()) if _is_array(value) else value


def _span(value: Number) -> tuple[int, int]:
    """The least and the most of some sides."""
    if not _is_array(value):
        return value, value
    return (int(value.min()), int(value.max())) if value.size else (1, 1)


def _zero(heights: Number, widths: Number) -> Number:
    """0 for each resolution."""
    try:
        return 0 * heights * widths
    except ValueError:
        raise LabError(
            f"heights and widths of shapes {heights.shape} and {widths.shape} do not broadcast"
        ) from None


def _checked(what: str, sides: Any) -> Number:
    """Sides of the input as an int or an int64 array."""
    number: Number
    try:
        least = most = number = index(sides)
    except TypeError:
        import numpy

        try:
            number = numpy.asarray(sides)
        except ValueError:
            raise LabError(f"{what} must be whole numbers in rows of one length") from None
        if number.dtype.kind not in "iu":
            raise LabError(f"{what} must be whole numbers, not {quoted(sides)}") from None
        least, most = _span(number)
        number = number.astype(numpy.int64, copy=False)
    for side in (least, most):
        if not 1 <= side <= LARGEST or isinstance(sides, bool):
            told = sides if isinstance(sides, bool) else side
            raise LabError(
                f"{what} must be whole numbers from 1 to {LARGEST:,}, not {quoted(told)}"
            )
    return number
