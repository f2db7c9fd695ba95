"""`memory`: the activations that must be kept while each layer of a network runs."""

from itertools import groupby
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from mobilenet_lab.analysis import DTYPES, VIEWS, Analysis, analyse, lifetimes
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
from mobilenet_lab.drawings.cost_bars import fitting
from mobilenet_lab.formulas import elements
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import heading

HEIGHT = 290.0
HEADROOM = 1.38
"""What is above the peak, for its label and the legend."""
PARTS = {
    "used": ("inputs and output of the layer", 0.3, ""),
    "kept": ("kept for later layers (skips, branches)", 0.6, "////"),
    "outputs": ("outputs of the network", 0.8, "...."),
}
"""What is held, as the legend calls it; its place in the theme's shades; its hatch."""
RULE = (
    "A feature is held from the layer that makes it to the last that reads it; "
    "nothing is fused or done in place."
)


class Held(NamedTuple):
    """Bytes of activations that are kept while one layer runs."""

    name: str
    used: int
    """What the layer reads and writes."""
    kept: int
    """What only a later layer reads: skips, branches, taps."""
    outputs: int
    """Finished outputs of the network."""

    @property
    def live(self) -> int:
        """All of it."""
        return self.used + self.kept + self.outputs


def held(analysis: Analysis) -> tuple[Held, ...]:
    """What is held while each layer (the inputs are none) runs; together it is the row's `live`."""
    layers = analysis.trace.layers
    ends = lifetimes(analysis.trace)
    sizes = [elements(layer.out_shape) * DTYPES[analysis.dtype] for layer in layers]
    owners: list[int] = []
    found = []
    for index, layer in enumerate(layers):
        owners.append(owners[layer.inputs[0]] if layer.op in VIEWS else index)
        if layer.op == "input":
            continue
        touched = {owners[source] for source in (*layer.inputs, index)}
        bytes_of = {"used": 0, "kept": 0, "outputs": 0}
        for maker, end in enumerate(ends[: index + 1]):
            if end is not None and end >= index:
                past = "outputs" if end == len(layers) else "kept"
                bytes_of["used" if maker in touched else past] += sizes[maker]
        found.append(Held(layer.name, **bytes_of))
    return tuple(found)


def memory(
    network: Network,
    *,
    dtype: str = "float32",
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """Live activation memory along a network: bytes of `dtype` held while each layer runs.

    The layer's own inputs and output are told from what is kept for later layers, as a residual's
    skip through its block, and from finished outputs. The peak is marked.

    Raises:
        UnknownNameError: no such network, option, dtype or theme.
        LabError: an option's value is of no use.
    """
    analysis = analyse(traced(network, **options), dtype)
    steps = held(analysis)
    peak = max(steps, key=lambda step: step.live)
    weights = analysis.total.params * DTYPES[dtype]
    name, _, settings = heading(analysis.trace).partition(" · ")
    beside = f"Parameters, beside these: {weights:,} bytes"
    if weights:
        beside += f", {write(weights / peak.live, 'ratio')} the peak"
    kept = f"; {peak.kept:,} of them are kept for later layers" if peak.kept else ""
    title = f"{name}: live activation memory"
    with chart(ax, theme, Heading(title, f"{settings}\n{RULE}\n{beside}."), (PAGE, HEIGHT)) as (
        ax,
        look,
    ):
        _areas(ax, look, steps)
        ax.set(
            xlim=(0.5, len(steps) + 0.5),
            ylim=(0, peak.live * HEADROOM),
            ylabel=f"activations held, bytes of {dtype}",
        )
        ax.yaxis.set_major_formatter(EngFormatter(unit="B", sep=" "))
        ax.legend(loc="upper left", ncols=3, borderaxespad=0, columnspacing=1.4)
        _stages(ax, look, [row.stage for row in analysis.rows])
        _mark(ax, look, steps.index(peak) + 1, len(steps), peak)
        describe(
            ax,
            f"{title} of {len(steps)} layers in running order. The peak is {peak.live:,} bytes of "
            f"{dtype}, in {peak.name}{kept}. {beside}.",
        )
    return ax


def _areas(ax: Axes, look: Theme, steps: tuple[Held, ...]) -> None:
    """One area on the other; those of nothing are left out."""
    edges = [0.5 + place for place in range(len(steps) + 1)]
    below = [0] * len(steps)
    for part, (label, shade, hatch) in PARTS.items():
        mine = [getattr(step, part) for step in steps]
        if any(mine):
            above = [one + other for one, other in zip(below, mine, strict=True)]
            ax.stairs(
                above,
                edges,
                baseline=below,
                fill=True,
                facecolor=matplotlib.colormaps[look.shades](shade),
                edgecolor=(0, 0, 0, 0.45),
                linewidth=0,
                hatch=hatch,
                label=label,
                gid=part,
            )
            below = above
    ax.stairs(below, edges, baseline=None, color=look.ink, linewidth=0.8, gid="live")


def _mark(ax: Axes, look: Theme, place: int, count: int, peak: Held) -> None:
    left = place <= count / 2
    ax.plot([place], [peak.live], "o", color=look.ink, markersize=4, gid="peak")
    ax.annotate(
        f"peak {peak.live:,} bytes\nin {fitting(peak.name, PAGE * 0.35)}",
        (place, peak.live),
        (0, 5),
        textcoords="offset points",
        ha="left" if left else "right",
        va="bottom",
        fontsize=SMALL,
    )


class Span(NamedTuple):
    """A stage along the x axis: its first layer and the one past its last."""

    name: str
    first: int
    end: int

    @property
    def middle(self) -> float:
        """Where its label would stand."""
        return (self.first + self.end - 1) / 2


def _stages(ax: Axes, look: Theme, stages: list[str]) -> None:
    """Names along the x axis: level if all fit so, else upright, apart, with a line to each."""
    spans: list[Span] = []
    for name, members in groupby(stages):
        first = spans[-1].end if spans else 1
        spans.append(Span(name, first, first + len(list(members))))
    for span in spans[1:]:
        ax.axvline(span.first - 0.5, ymax=1 / HEADROOM, color=look.faint, linewidth=0.5, zorder=0.5)
    point = len(stages) / room(ax)[0]
    named = [span for span in spans if span.name]
    level = all(
        text_width(span.name, SMALL) + 4 <= (span.end - span.first) / point for span in named
    )
    line = SMALL * LINE * point
    widest = sorted(named, key=lambda span: span.first - span.end)[: int(len(stages) / line)]
    shown = named if level else sorted(widest, key=lambda span: span.first)
    middles = [span.middle for span in shown]
    places = middles if level else apart(middles, line, 0.5, len(stages) + 0.5)
    ax.set_xticks(places, [fitting(span.name, 90) for span in shown])
    ax.tick_params(axis="x", length=0, rotation=0 if level else 90, pad=3 if level else 11)
    for middle, place in zip([] if level else middles, places, strict=False):
        ax.annotate(
            "",
            (middle, 0),
            ((place - middle) / point, -11),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            arrowprops=leader(look),
        )
    left_out = len(named) - len(shown)
    more = f"; {left_out} short stages are not named" if left_out else ""
    ax.set_xlabel(f"{len(stages)} layers in running order, by stage{more}")


def leader(look: Theme) -> dict[str, Any]:
    """The line from a label to what it is the label of."""
    return {"arrowstyle": "-", "color": look.muted, "lw": 0.5, "shrinkA": 0, "shrinkB": 0}


def apart(places: list[float], least: float, low: float, high: float) -> list[float]:
    """Sorted places moved as little as it takes to be `least` apart, inside [low, high].

    Neighbours that touch are moved as one, to the mean of where they would be.
    """
    groups: list[list[float]] = []  # where each one's first place would be

    def start(group: list[float]) -> float:
        mean = sum(group) / len(group)
        return min(max(mean, low + least / 2), high - least * (len(group) - 0.5))

    for place in places:
        groups.append([place])
        while len(groups) > 1 and start(groups[-2]) + least * len(groups[-2]) > start(groups[-1]):
            last = groups.pop()
            groups[-1] += [one - least * len(groups[-1]) for one in last]
    return [start(group) + least * place for group in groups for place in range(len(group))]
