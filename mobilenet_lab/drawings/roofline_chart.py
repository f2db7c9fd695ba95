"""`roofline`: what bounds each layer of a network on a machine, its arithmetic or its memory."""

from fractions import Fraction
from math import log10
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullLocator

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.drawings.canvas import (
    LINE,
    PAGE,
    SMALL,
    Heading,
    Theme,
    chart,
    describe,
    room,
    text_width,
)
from mobilenet_lab.drawings.cost_bars import QUANTITIES, fitting, spent_by_family
from mobilenet_lab.drawings.memory_chart import apart, leader
from mobilenet_lab.errors import LabError
from mobilenet_lab.families import FAMILIES
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import write
from mobilenet_lab.rooflines import LEFT_OUT, Machine, Timed, machine, timed
from mobilenet_lab.verbs.common import CONVENTION, heading, unknown_operations

HEIGHT = 370.0
MARKERS = {
    "standard": "s",
    "expand": "^",
    "depthwise": "o",
    "pointwise": "D",
    "gate": "X",
    "grouped": "P",
    "linear": "v",
    "product": "*",
    "other": "h",
}
"""What tells the families apart without colour."""
LARGEST = 220.0
"""Area of the mark with the largest share of time, in square points."""
LABELS = 5
"""How many marks have their name beside."""
EDGE, ABOVE, BELOW = 16.0, 34.0, 40.0
"""Room left of the marks, above the roof and below the lowest mark, in points."""
LEFT_OF_RIDGE, COLUMN = 130.0, 165.0
"""Room for what is said about the memory, and for names right of all marks."""


class Mark(NamedTuple):
    """A row with MACs, under the roof."""

    timed: Timed
    kind: str
    """The family in which it spends the most MACs."""
    share: float
    """Of the predicted time of the network."""

    @property
    def intensity(self) -> float:
        """FLOPs per byte moved."""
        row = self.timed.row
        return row.flops / row.memory

    @property
    def performance(self) -> float:
        """FLOP/s."""
        return float(self.timed.performance)


class Times(NamedTuple):
    """The least time of a network, in seconds, and parts of it."""

    total: Fraction
    memory_bound: Fraction
    without_macs: Fraction


def roofline(
    network: Network,
    *,
    peak: Any = None,
    bandwidth: Any = None,
    level: str = "layer",
    dtype: str = "float32",
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """A network's layers under the roof of a machine: FLOP/s over FLOPs per byte moved.

    `peak` ("100GFLOPS" or FLOP/s, 2 for each MAC) and `bandwidth` ("20GB/s" or bytes/s) are what
    is known of the machine. Each row of `level` with MACs is a mark, its area in proportion to its
    share of the predicted time. A layer is on the roof; a block, stage or role runs layer after
    layer and is below it where some of these wait for memory. What has no MACs but moves bytes of
    `dtype` (norms, activations) counts in the time. It is a bound: `mobilenet_lab.rooflines` says
    what is left out.

    Raises:
        UnknownNameError: no such network, option, level, dtype or theme.
        LabError: a peak or bandwidth that is missing or of no use, or no layer has MACs.
    """
    on = machine(peak, bandwidth)
    analysis = analyse(traced(network, **options), dtype)
    times = spent(analysis, on)
    points = marks(analysis, on, level)
    name, _, settings = heading(analysis.trace).partition(" · ")
    title = f"{name}: roofline by {level}"
    bounds = (
        f"At least {EngFormatter('s', places=1, sep=' ')(float(times.total))} on "
        f"{_rate(on.peak, 'FLOP/s')} and {_rate(on.bandwidth, 'B/s')}: "
        f"memory-bound {write(float(times.memory_bound / times.total), 'share')} "
        f"(layers without MACs {write(float(times.without_macs / times.total), 'share')})"
    )
    notes = [
        settings,
        f"{bounds}.",
        f"FLOPs: 2 × MACs by convention {CONVENTION}.",
        f"Bytes of {dtype}: each layer's inputs, parameters and outputs, once.",
        f"A bound, no measurement: without {LEFT_OUT}.",
        *unknown_operations(analysis.trace),
    ]
    with chart(ax, theme, Heading(title, "\n".join(notes)), (PAGE, HEIGHT)) as (ax, look):
        ax.set(
            xlabel="arithmetic intensity, FLOPs per byte moved",
            ylabel="performance, FLOP/s",
            xscale="log",
            yscale="log",
        )
        _draw_marks(ax, look, points)
        place = _scaled(ax, on, points)
        _draw_roof(ax, look, on, place)
        _draw_names(ax, look, points, place)
        slowest = ", ".join(
            f"{mark.timed.row.name} ({write(mark.share, 'share')})" for mark in points[:3]
        )
        describe(
            ax,
            f"{title}, {len(points)} marks. {bounds}. The ridge is at {_number(on.ridge)} FLOPs "
            f"per byte. The most time goes to {slowest}.",
        )
    return ax


def spent(analysis: Analysis, on: Machine) -> Times:
    """The least time of all layers, one after the other."""
    layers = timed(analysis, on)
    return Times(
        sum((layer.seconds for layer in layers), Fraction(0)),
        sum((layer.memory_seconds for layer in layers), Fraction(0)),
        sum((layer.seconds for layer in layers if not layer.row.macs), Fraction(0)),
    )


def marks(analysis: Analysis, on: Machine, level: str) -> list[Mark]:
    """The rows of a level that have MACs, the one that takes longest first.

    Raises:
        UnknownNameError: there is no such level.
        LabError: there are none.
    """
    rows = timed(analysis, on, level)
    total = sum(row.seconds for row in rows)
    kinds = spent_by_family(analysis, level, QUANTITIES["macs"])
    found = [
        Mark(each, max(kinds[each.row.name], key=kinds[each.row.name].__getitem__), share)
        for each in rows
        if each.row.macs
        for share in [float(each.seconds / total)]
    ]
    if not found:
        raise LabError(f"no layer of {analysis.trace.name or 'the network'} has MACs: no roofline")
    return sorted(found, key=lambda mark: -mark.share)


def _draw_marks(ax: Axes, look: Theme, points: list[Mark]) -> None:
    """The marks, and a legend below the axes."""
    keys = []
    for kind, label in FAMILIES.items():
        mine = [mark for mark in points if mark.kind == kind]
        if not mine:
            continue
        colour, marker = look.family(kind), MARKERS[kind]
        ax.scatter(
            [mark.intensity for mark in mine],
            [mark.performance for mark in mine],
            [LARGEST * mark.share / points[0].share for mark in mine],
            alpha=0.8,
            edgecolors=look.ink,
            linewidths=0.5,
            zorder=3,
            gid=f"marks:{kind}",
            color=colour,
            marker=marker,
        )
        keys.append(Line2D([], [], color=colour, marker=marker, ls="", markersize=5, label=label))
    ax.legend(
        handles=keys,
        title="Area of a mark: its share of the predicted time.",
        title_fontsize=SMALL,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(0, -0.15),
        borderaxespad=0,
        ncols=min(len(keys), 4),
    )


class _Room(NamedTuple):
    """The axes in points, and where the ridge and the roof are in them."""

    width: float
    height: float
    ridge: float
    steps: tuple[float, float]
    """Points of a decade, along x and y."""


def _scaled(ax: Axes, on: Machine, points: list[Mark]) -> _Room:
    """Sets the limits: marks left of the names' column, and room around the roof and the ridge."""
    _limited(ax, on, points, PAGE * 0.85, HEIGHT * 0.6)  # for labels as wide as they will be
    width, height = room(ax)
    ax.get_legend().set_bbox_to_anchor((0, -36 / height))  # type: ignore[union-attr]
    return _limited(ax, on, points, width, height)


def _limited(ax: Axes, on: Machine, points: list[Mark], width: float, height: float) -> _Room:
    ridge = log10(on.ridge)
    places = [log10(mark.intensity) for mark in points]
    low, high = min(*places, ridge), max(*places, ridge)
    across = width - COLUMN - EDGE
    step = min((across - EDGE) / max(high - low, 0.01), width / 1.5)
    left = low - EDGE / step
    if (ridge - left) * step < LEFT_OF_RIDGE:
        step = min((across - LEFT_OF_RIDGE) / max(high - ridge, 0.01), width / 1.5)
        left = ridge - LEFT_OF_RIDGE / step
    top = log10(on.peak)
    depth = top - min(log10(mark.performance) for mark in points)
    rise = min((height - ABOVE - BELOW) / max(depth, 0.01), height / 1.5)
    highest = top + ABOVE / rise
    ax.set_xlim(10**left, 10 ** (left + width / step))
    ax.set_ylim(10 ** (highest - height / rise), 10**highest)
    for axis, length in ((ax.xaxis, width / step), (ax.yaxis, height / rise)):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if length < 3 else (1.0,)))
        axis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_major_formatter(EngFormatter(sep=" "))
    ax.grid(True)
    return _Room(width, height, (ridge - left) * step, (step, rise))


def _draw_roof(ax: Axes, look: Theme, on: Machine, place: _Room) -> None:
    """The machine: its bandwidth as a slope, its peak level, the ridge between them."""
    ridge, peak = float(on.ridge), float(on.peak)
    left, right = ax.get_xlim()
    ax.plot(
        [left, ridge, right],
        [left * float(on.bandwidth), peak, peak],
        color=look.ink,
        linewidth=1.2,
        zorder=2,
        gid="roof",
    )
    ax.plot([ridge, ridge], [ax.get_ylim()[0], peak], ":", color=look.muted, lw=0.8, gid="ridge")
    step, rise = place.steps
    visible = max(0.0, place.ridge - (place.height - ABOVE) / rise * step)
    at = max((visible + place.ridge) / 2, LEFT_OF_RIDGE - 30)
    roof = place.height - ABOVE
    for text, x, y, side, base in (
        (
            f"memory {_rate(on.bandwidth, 'B/s')}",
            at - 10,
            roof - (place.ridge - at) / step * rise + 6,
            "right",
            "bottom",
        ),
        (f"peak {_rate(on.peak, 'FLOP/s')}", place.width, roof + 4, "right", "bottom"),
        ("memory-bound", place.ridge - 5, 4, "right", "bottom"),
        (
            f"compute-bound from {_number(on.ridge)} FLOPs/byte",
            place.ridge + 5,
            4,
            "left",
            "bottom",
        ),
    ):
        ax.annotate(text, (x, y), xycoords="axes points", ha=side, va=base, fontsize=SMALL)


def _draw_names(ax: Axes, look: Theme, points: list[Mark], place: _Room) -> None:
    """Names of the marks that take longest, in a column right of all marks."""
    named = sorted(points[:LABELS], key=lambda mark: (mark.performance, mark.intensity))
    roof, top = place.height - ABOVE, float(ax.get_ylim()[1])
    heights = [place.height - log10(top / mark.performance) * place.steps[1] for mark in named]
    line = SMALL * LINE * 1.3
    places = apart([min(y - 22, roof) for y in heights], line, 18, roof - 8)
    x = place.width - COLUMN + 8
    for mark, y in zip(named, places, strict=True):
        share = f" {write(mark.share, 'share')}"
        name = fitting(mark.timed.row.name, COLUMN - 10 - text_width(share, SMALL))
        ax.annotate(name + share, (x, y), xycoords="axes points", va="center", fontsize=SMALL)
        ax.annotate(
            "",
            (mark.intensity, mark.performance),
            (x - 3, y),
            textcoords="axes points",
            arrowprops=leader(look),
        )


def _rate(value: int | Fraction, unit: str) -> str:
    return EngFormatter(unit, sep=" ")(float(value))


def _number(value: Fraction) -> str:
    return f"{float(value):.3g}"
