"""What depthwise-separable convolution saves: the ratio over channels, and the two as areas."""

from collections.abc import Iterable, Sequence
from math import inf, log
from typing import Any, NamedTuple

import numpy
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from mobilenet_lab import registry
from mobilenet_lab.analysis import macs
from mobilenet_lab.drawings.canvas import (
    CYCLE,
    LINE,
    MARGIN,
    PAGE,
    SMALL,
    TEXT,
    Heading,
    Theme,
    chart,
    describe,
    sheet,
    text_height,
    text_width,
)
from mobilenet_lab.drawings.convolutions import mesh
from mobilenet_lab.drawings.planes import many
from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.families import family
from mobilenet_lab.formulas import (
    conv2d_macs,
    elements,
    separable_macs,
    separable_ratio,
)
from mobilenet_lab.net import LARGEST
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import CONVENTION
from mobilenet_lab.verbs.ranges import literal

# The ratio

CHANNELS = tuple(range(1, 2049))
EXAMPLE = "mobilenet_v1"
"""The network whose own layers are marked on the curve."""
MARKERS = "os^Dv*X"


class Mark(NamedTuple):
    """Separable layers of a network that have one kernel and one number of outputs."""

    kernel: int
    channels: int
    ratio: float
    layers: int


def ratio(
    kernel: int | Sequence[int] | str = (3, 5, 7, 9),
    channels: Sequence[int] | str = CHANNELS,
    *,
    ax: Axes | None = None,
    theme: str = "light",
) -> Axes:
    """What a depthwise-separable convolution costs of a standard one: 1/d + 1/k^2.

    Over d, the output `channels`, with a curve for each k x k `kernel` and its limit 1/k^2.
    MobileNetV1's own layers are marked where their kernel is among them.

    Raises:
        UnknownNameError: there is no such theme.
        LabError: a kernel or a number of channels of no use.
    """
    kernels = list(dict.fromkeys(_wholes("kernel", kernel)))
    if len(kernels) > len(CYCLE):
        raise LabError(f"up to {len(CYCLE)} kernels are drawn at once, not {len(kernels)}")
    numbers = numpy.array(sorted(set(_wholes("channels", channels))))
    heading = Heading(
        "Depthwise-separable over standard convolution: 1/d + 1/k²",
        "MACs of a depthwise k×k and a pointwise convolution to d channels, over those of one "
        "standard k×k convolution; weights without bias have the same ratio. Both axes are "
        f"logarithmic. MACs by convention {CONVENTION}.",
    )
    with chart(ax, theme, heading, (PAGE, 330)) as (ax, look):
        for k, colour, marker in zip(kernels, CYCLE, MARKERS, strict=False):
            limit = 1 / elements((k, k))
            ax.plot(
                numbers,
                separable_ratio(k, numbers),
                color=colour,
                lw=1.6,
                gid=f"k={k}",
                marker=marker,
                markersize=4,
                markevery=[-1],
            )
            ax.axhline(limit, color=colour, lw=0.8, ls=(0, (4, 3)), gid=f"limit={k}")
        ax.set(xscale="log", yscale="log")
        most = int(numbers[-1])
        least = int(numbers[0])
        ax.set_xlim(least / 1.05, most * 1.05 if most > least else most * 2)
        _limits(ax, look, kernels)
        marks = [mark for mark in example_marks() if mark.kernel in kernels]
        marks = [mark for mark in marks if least <= mark.channels <= most]
        _mark(ax, look, marks)
        ax.axhline(1, color=look.muted, lw=0.8)
        ax.annotate(
            "as much as a standard convolution",
            (1, 1),
            (-3, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            size=SMALL,
            color=look.muted,
        )
        ax.grid(axis="x", which="major")
        ax.set(xlabel="d: output channels", ylabel="separable / standard, in MACs")
        _plain_ticks(ax)
        told = "; ".join(
            f"k = {k} falls to 1/{elements((k, k))}, {write(separable_ratio(k, most), 'ratio')} "
            f"at {most:,} channels"
            for k in kernels
        )
        describe(ax, f"MACs of a depthwise-separable over a standard convolution: {told}.")
    return ax


def example_marks(network: str = EXAMPLE) -> list[Mark]:
    """The depthwise-separable layers of a network, each against one standard convolution."""
    trace = registry.trace(network)
    found: dict[tuple[int, int], list[float]] = {}
    for index, layer in enumerate(trace.layers):
        if layer.kernel is None or family(layer) != "depthwise":
            continue
        follower = next(
            each
            for each in trace.layers[index + 1 :]
            if each.kernel is not None and family(each) in ("pointwise", "expand")
        )
        standard = conv2d_macs(
            layer.kernel, layer.in_shapes[0][0], follower.out_shape[0], *follower.out_shape[1:]
        )
        share = (macs(layer) + macs(follower)) / standard
        found.setdefault((layer.kernel[0], follower.out_shape[0]), []).append(share)
    return [Mark(k, d, shares[0], len(shares)) for (k, d), shares in sorted(found.items())]


def _wholes(what: str, value: Any) -> list[int]:
    numbers = many(what, value)
    if not numbers:
        raise LabError(f"{what} has no values")
    return [_whole(what, number) for number in numbers]


def _whole(what: str, value: Any) -> int:
    """A whole number from 1, as a number or as a text."""
    number = literal(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= LARGEST:
        raise LabError(f"{what} must be a whole number from 1 to {LARGEST:,}, not {quoted(value)}")
    return number


def _limits(ax: Axes, look: Theme, kernels: Sequence[int]) -> None:
    """Names the curves at the right of the axes, where they end."""
    low, high = min(1 / elements((k, k)) for k in kernels) / 1.25, 2.3
    ax.set_ylim(low, high)
    points = ax.bbox.height / ax.figure.dpi * 72 / log(high / low)
    free = -inf
    for k in sorted(kernels, reverse=True):
        place = -log(elements((k, k))) * points
        text = max(place, free + SMALL * LINE)
        ax.annotate(
            f"k = {k}: to 1/{elements((k, k))}",
            (1, 1 / elements((k, k))),
            (5, text - place),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            size=SMALL,
        )
        free = text


def _mark(ax: Axes, look: Theme, marks: Sequence[Mark]) -> None:
    if not marks:
        return
    ax.plot(
        [mark.channels for mark in marks],
        [mark.ratio for mark in marks],
        marker="o",
        mfc=look.paper,
        mec=look.ink,
        ms=5,
        ls="none",
        gid="marks",
        label=f"layers of {EXAMPLE}: d and ratio",
    )
    below = ScaledTranslation(0, -3 / 72, ax.figure.dpi_scale_trans)
    ax.legend(
        loc="upper right",
        bbox_to_anchor=(1, 1),
        bbox_transform=ax.get_yaxis_transform() + below,
        borderaxespad=0,
    )
    for mark in marks:
        ax.annotate(
            f"{mark.channels}\n{mark.ratio:.3f}",
            (mark.channels, mark.ratio),
            (0, 6),
            textcoords="offset points",
            ha="center",
            size=SMALL,
            linespacing=1.1,
        )


def _plain_ticks(ax: Axes) -> None:
    """Ticks as a reader says them: 1, 2, 4 ... channels, and 1/2, 1/5 ... of the cost."""
    low, high = ax.get_xlim()
    powers = [2**power for power in range(40) if low <= 2**power <= high]
    ax.set_xticks(powers, [f"{power:,}" for power in powers], minor=False)
    ax.set_xticks([], minor=True)
    low, high = ax.get_ylim()
    parts = [part for part in _steps() if low <= 1 / part <= high]
    ax.set_yticks(
        [1 / part for part in parts], [f"1/{part:,}" if part > 1 else "1" for part in parts]
    )
    ax.set_yticks([], minor=True)


def _steps() -> Iterable[int]:
    return (digit * 10**power for power in range(9) for digit in (1, 2, 5))


# Areas

WIDE = 300.0
"""Points that the two rectangles of a pair are wide."""
APART = 22.0
"""Points between them, and from there to what is said of them."""
STEEPEST = 2.0
"""The larger side of one cd rectangle over the smaller one."""


class Count(NamedTuple):
    """A count of MACs as `tiles` x `tiles` rectangles of cd, perhaps each with 9c beside it."""

    symbols: str
    value: int
    positions: int
    """Along one side of the output."""
    tiles: int
    depthwise: bool

    @property
    def label(self) -> str:
        return f"{self.symbols} = {self.value:,}"


class Pairing(NamedTuple):
    """A standard count against a depthwise-separable one."""

    title: str
    standard: Count
    separable: Count
    fair: bool

    @property
    def ratio(self) -> float:
        return self.standard.value / self.separable.value


def areas(
    c_in: int = 64,
    c_out: int = 128,
    kernel: int = 3,
    size: int = 3,
    *,
    ax: Axes | None = None,
    theme: str = "light",
) -> Axes:
    """81cd, and 9c + cd, as areas: the comparison that mixes units, and the two fair ones.

    A k x k convolution of c = c_in to d = c_out channels, standard and depthwise-separable, at one
    position of the output and at all size x size of them; every area of the figure has one scale.

    Raises:
        UnknownNameError: there is no such theme.
        LabError: a number of no use.
    """
    c, d = _whole("c_in", c_in), _whole("c_out", c_out)
    kernel, size = _whole("kernel", kernel), _whole("size", size)
    pairs = pairings(c, d, kernel, size)
    share = conv2d_macs(kernel, c, c, 1, 1, groups=c) / conv2d_macs(1, c, d, 1, 1)
    left = max(pair.standard.tiles for pair in pairs)
    right = max(pair.separable.tiles for pair in pairs) * (1 + share)
    labels = max(text_width(pair.separable.label, SMALL, "bold") for pair in pairs)
    across = min(WIDE / (left + right), (WIDE - labels) / left)
    tile = across, across * min(max(c / d, 1 / STEEPEST), STEEPEST)
    strip = across * share
    middle = MARGIN + WIDE + APART - max(labels, right * across)
    text = MARGIN + WIDE + 2 * APART
    heights = [max(pair.standard.tiles * tile[1], 3.6 * TEXT * LINE) + 36 for pair in pairs]
    total = sum(heights) + MARGIN
    heading = Heading(
        f"{pairs[0].standard.symbols} against {pairs[0].separable.symbols}: what is compared?",
        f"MACs of a {kernel}×{kernel} convolution of c = {c:,} to d = {d:,} channels, standard and "
        f"depthwise-separable.\nEqual areas are equally many MACs. "
        f"MACs by convention {CONVENTION}.",
    )
    with sheet(ax, theme, heading, (PAGE, total)) as (ax, look):
        top = total
        for pair, height in zip(pairs, heights, strict=True):
            ax.text(MARGIN, top, pair.title, va="top", size=TEXT, weight="bold")
            below = top - text_height("", TEXT) - 3
            _count(ax, look, pair.standard, MARGIN, below, tile, 0)
            _count(ax, look, pair.separable, middle, below, tile, strip)
            _verdict(ax, look, pair, text, below)
            if pair is pairs[0]:
                _areas_key(ax, look, kernel, text, below - 5.4 * TEXT * LINE)
            top -= height
        told = "; ".join(
            f"{pair.title}: {pair.standard.label} against {pair.separable.label}, "
            f"{write(pair.ratio, 'ratio')}"
            for pair in pairs
        )
        describe(ax, f"Areas of MACs at c = {c}, d = {d}. {told}.")
    return ax


def pairings(c: int, d: int, kernel: int, size: int) -> tuple[Pairing, ...]:
    """The comparison that mixes units and the two fair ones; of one position, that alone."""

    def standard(side: int) -> Count:
        symbols = f"{_factor(conv2d_macs(kernel, 1, 1, side, side))}cd"
        return Count(symbols, conv2d_macs(kernel, c, d, side, side), side, kernel * side, False)

    def separable(side: int) -> Count:
        depthwise = _factor(conv2d_macs(kernel, 1, 1, side, side))
        pointwise = _factor(conv2d_macs(1, 1, 1, side, side))
        symbols = f"{depthwise}c + {pointwise}cd"
        return Count(symbols, separable_macs(kernel, c, d, side, side), side, side, True)

    outputs = f"{size}×{size} output positions"
    one = Pairing("Fair: one output position, or the weights", standard(1), separable(1), True)
    if size == 1:
        return (one,)
    return (
        Pairing(f"Mixed: {outputs} against one", standard(size), separable(1), False),
        one,
        Pairing(f"Fair: {outputs}", standard(size), separable(size), True),
    )


def _factor(number: int) -> str:
    """A factor before a symbol; 1 is not written."""
    return "" if number == 1 else f"{number}"


def _count(
    ax: Axes,
    look: Theme,
    count: Count,
    left: float,
    top: float,
    tile: tuple[float, float],
    strip: float,
) -> None:
    """The rectangle of a count, and under it what it is."""
    width, height = tile
    high = count.tiles * height
    colours = [look.family("pointwise"), look.family("depthwise")]
    if not count.depthwise:
        colours = [look.family("standard"), ""]
    wide = count.tiles * (width + strip)
    if count.depthwise:
        for column in range(count.tiles):
            x = left + column * (width + strip)
            ax.add_patch(
                Rectangle((x, top - high), width, high, fc=colours[0], lw=0, gid="area:pointwise")
            )
            ax.add_patch(
                Rectangle(
                    (x + width, top - high), strip, high, fc=colours[1], lw=0, gid="area:depthwise"
                )
            )
    else:
        ax.add_patch(
            Rectangle((left, top - high), wide, high, fc=colours[0], lw=0, gid="area:standard")
        )
    for tiles, weight in ((count.tiles, 0.5), (count.positions, 0.5 if count.depthwise else 1.8)):
        if min(wide, high) / tiles >= 3:
            mesh(ax, left, top, wide, high, (tiles, tiles), look.paper, weight, zorder=2)
    ax.text(
        left,
        top - high - 3,
        count.label,
        va="top",
        size=SMALL,
        weight="bold",
    )


def _verdict(ax: Axes, look: Theme, pair: Pairing, left: float, top: float) -> None:
    colour = look.ink if pair.fair else look.muted
    size = 2 * TEXT
    ax.text(left, top, write(pair.ratio, "ratio"), va="top", size=size, weight="bold", color=colour)
    note = "fewer MACs" if pair.fair else "but the two count different things"
    ax.text(
        left,
        top - size * LINE,
        f"= {pair.standard.symbols} / ({pair.separable.symbols})\n{note}",
        va="top",
        size=SMALL,
        linespacing=LINE,
        color=colour,
    )


def _areas_key(ax: Axes, look: Theme, kernel: int, left: float, top: float) -> None:
    """What the rectangles are made of."""
    weights = _factor(elements((kernel, kernel)))
    for number, (name, what) in enumerate(
        (
            ("standard", f"standard: {kernel}×{kernel} tiles of cd a position"),
            ("pointwise", "pointwise: one tile of cd a position"),
            ("depthwise", f"depthwise: a strip of {weights}c beside it"),
        )
    ):
        y = top - number * (SMALL * LINE + 2)
        ax.add_patch(Rectangle((left, y - SMALL), SMALL, SMALL, fc=look.family(name), lw=0))
        ax.text(left + SMALL + 4, y - SMALL / 2, what, va="center_baseline", size=SMALL)
