"""Published accuracy against cost, and the front that no other network beats."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import cycle, pairwise
from math import hypot
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox, ScaledTranslation

from mobilenet_lab import registry
from mobilenet_lab.accuracies import ACCURACIES, Accuracy, accuracies, accuracies_of
from mobilenet_lab.drawings.canvas import (
    CYCLE,
    LINE,
    PAGE,
    SMALL,
    Heading,
    Theme,
    chart,
    describe,
    text_width,
    wrapped,
)
from mobilenet_lab.drawings.planes import round_numbers, short
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.reports.table import write
from mobilenet_lab.resolutions import Counts, counts
from mobilenet_lab.verbs.common import CONVENTION

AGAINST = {
    "macs": ("MACs", f"MACs by convention {CONVENTION}"),
    "params": ("parameters", "learned parameters"),
}
MARKERS = "os^Dv<X>Phpd8"


class Point(NamedTuple):
    """A printed accuracy and what the network costs."""

    accuracy: Accuracy
    cost: int

    @property
    def top1(self) -> float:
        return self.accuracy.top1

    @property
    def gid(self) -> str:
        """What its mark in the figure is called."""
        return f"point:{ACCURACIES.index(self.accuracy)}"


def accuracy(
    *networks: Network, against: str = "macs", ax: Axes | None = None, theme: str = "light"
) -> Axes:
    """Published ImageNet top-1 against our exact MACs or parameters, with the Pareto front.

    All networks of which accuracies are known, or those named. A point is one printed number; the
    front are those that no other one beats in both. Lines join one network of one source at
    several resolutions or widths.

    Raises:
        UnknownNameError: no such network, theme or quantity.
        LabError: a network of which no accuracy is known here.
    """
    if against not in AGAINST:
        raise UnknownNameError("quantity", against, AGAINST)
    points = known(networks, against)
    front = pareto(points)
    unit, meaning = AGAINST[against]
    names = list(dict.fromkeys(point.accuracy.network for point in points))
    sources = list(dict.fromkeys(point.accuracy.source for point in points))
    heading = Heading(
        f"Published ImageNet top-1 against {unit}",
        f"A point is one printed accuracy over our exact count: {meaning}. Networks were trained "
        "by different people: small differences mean little.",
    )
    told = [
        f"{_called(point)}: {point.top1}% at {write(point.cost, 'short')} "
        f"[{sources.index(point.accuracy.source) + 1}]"
        for point in front
    ]
    lines = len(names) / 3 + (len(front) + len(sources)) / 2
    with chart(ax, theme, heading, (PAGE, 345 + lines * SMALL * LINE)) as (ax, look):
        _series(ax, points, names, sources)
        ax.step(
            [point.cost for point in front],
            [point.top1 for point in front],
            where="post",
            color=look.ink,
            lw=1,
            gid="front",
            label="Pareto front: none is cheaper and better",
        )
        ax.set(xscale="log", xlabel=unit, ylabel="ImageNet top-1 in %")
        _limits(ax, points)
        ax.grid(axis="y")
        under = _legend(ax)
        title = f"On the front: width, input side: top-1 at {unit} [source]"
        under += _listed(
            ax, look, title, [f"{_letter(n)}  {line}" for n, line in enumerate(told)], under
        )
        _listed(ax, look, "Sources", [f"[{n}] {each}" for n, each in enumerate(sources, 1)], under)
        _letters(ax, points, front)
        describe(
            ax,
            f"Published ImageNet top-1 of {len(points)} settings of {len(names)} networks against "
            f"their {unit}. Pareto front: {'; '.join(told)}. Sources: "
            f"{'; '.join(f'[{n}] {each}' for n, each in enumerate(sources, 1))}.",
        )
    return ax


def known(networks: Sequence[Network], against: str = "macs") -> list[Point]:
    """What has been printed of some networks, or of all, with what each costs.

    Raises:
        UnknownNameError: no such network.
        LabError: a network of which no accuracy is known here.
    """
    numbers: Iterable[int] = range(len(ACCURACIES))
    if networks:
        numbers = dict.fromkeys(
            ACCURACIES.index(row) for network in networks for row in _of(network)
        )
    return [Point(ACCURACIES[each], getattr(_counts(each), against)) for each in numbers]


def _of(network: Network) -> tuple[Accuracy, ...]:
    found: tuple[Accuracy, ...] = ()
    if isinstance(network, Trace):
        found = accuracies_of(network)
    elif isinstance(network, str) and not set(network) & set(":./"):  # those are users' own
        found = accuracies(network)
    if not found:
        name = getattr(network, "name", "") or str(network)
        name = name if isinstance(network, str | Path | Trace) else type(network).__name__
        those = dict.fromkeys(row.network for row in ACCURACIES)
        raise LabError(
            f"no published ImageNet accuracy of {name} is known here; of these it is: "
            f"{', '.join(those)}"
        )
    return found


@cache
def _counts(number: int) -> Counts:
    row = ACCURACIES[number]
    return counts(registry.trace(row.network, **row.settings))


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points that no other is as cheap as and better, or as good as and cheaper; by cost."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.top1)):
        if not front or point.top1 > front[-1].top1:
            front.append(point)
    return front


def series(points: Sequence[Point]) -> list[list[Point]]:
    """The points of one network and source that differ in resolution only, each by cost.

    Those that are alone in that are joined over the widths.
    """
    lines: dict[Any, list[Point]] = {}
    for point in points:
        row = point.accuracy
        rest = [(key, value) for key, value in row.settings.items() if key != "resolution"]
        lines.setdefault((row.network, row.source, *rest), []).append(point)
    alone: dict[Any, list[Point]] = {}
    for (network, source, *_), line in list(lines.items()):
        if len(line) == 1:
            alone.setdefault((network, source), []).extend(line)
    joined = [line for line in lines.values() if len(line) > 1] + list(alone.values())
    return [sorted(line, key=lambda point: (point.cost, point.top1)) for line in joined]


def _series(
    ax: Axes, points: Sequence[Point], names: Sequence[str], sources: Sequence[str]
) -> None:
    """A colour and marker for each network; the numbers of its sources behind its name."""
    looks = dict(zip(names, zip(cycle(CYCLE), cycle(MARKERS), strict=False), strict=False))
    for line in series(points):
        colour, _ = looks[line[0].accuracy.network]
        ax.plot(
            [point.cost for point in line],
            [point.top1 for point in line],
            color=colour,
            lw=0.6,
            alpha=0.7,
            zorder=1.5,
        )
    for name in names:
        mine = [point for point in points if point.accuracy.network == name]
        numbers = sorted({sources.index(point.accuracy.source) + 1 for point in mine})
        colour, marker = looks[name]
        for point in mine:
            ax.plot(
                point.cost,
                point.top1,
                ls="none",
                color=colour,
                marker=marker,
                ms=5,
                mew=0,
                gid=point.gid,
                label=f"{name} {_cited(numbers)}" if point is mine[0] else None,
            )


def _cited(numbers: Sequence[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]"


def _limits(ax: Axes, points: Sequence[Point]) -> None:
    """Room around the points, and round ticks."""
    costs, found = [point.cost for point in points], [point.top1 for point in points]
    beside = 1.15 * (max(costs) / min(costs)) ** 0.03
    ax.set_xlim(min(costs) / beside, max(costs) * beside)
    above = max(0.07 * (max(found) - min(found)), 1)
    ax.set_ylim(min(found) - above, max(found) + above)
    ticks = round_numbers(*ax.get_xlim())
    ax.set_xticks(ticks, list(map(short, ticks)))
    ax.set_xticks([], minor=True)


BELOW = 34.0
"""Points under the axes that ticks and their label take."""


def _legend(ax: Axes) -> float:
    """Which mark is which network, under the axes; gives the points below them that are taken."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    legend = ax.legend(
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -BELOW / 72, figure.dpi_scale_trans),
        borderaxespad=0,
        borderpad=0,
        ncols=3,
        columnspacing=1.2,
        handlelength=1.5,
        labelspacing=0.3,
        title="Networks [sources]",
        alignment="left",
        title_fontproperties={"weight": "bold", "size": SMALL},
    )
    figure.draw_without_rendering()
    return BELOW + legend.get_window_extent().height / figure.dpi * 72 + SMALL


def _listed(ax: Axes, look: Theme, title: str, items: Sequence[str], under: float) -> float:
    """A list in two columns, so many points under the axes; gives what it takes."""
    room = PAGE / 2 - 24
    lines = [wrapped(item, room - 8, SMALL) for item in items]
    half = -(-len(lines) // 2)
    columns = [[line for item in part for line in item] for part in (lines[:half], lines[half:])]
    for part, left, top in (
        ([title], 0.0, under),
        (columns[0], 0.0, under + SMALL * LINE),
        (columns[1], room, under + SMALL * LINE),
    ):
        if part:
            ax.annotate(
                "\n".join(part),
                (0, 0),
                (left, -top),
                xycoords="axes fraction",
                textcoords="offset points",
                va="top",
                size=SMALL,
                linespacing=LINE,
                weight="bold" if part == [title] else "normal",
                color=look.ink,
            )
    return (1 + max(map(len, columns))) * SMALL * LINE * 1.02 + SMALL


def _called(point: Point) -> str:
    settings = point.accuracy.settings
    return f"{point.accuracy.network} {settings['width']:g}, {settings['resolution']}"


def _letter(number: int) -> str:
    """a, b ... z, aa, ab ..."""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)


PLACES = sorted(
    [(dx, dy) for dy in range(1, 22, 2) for dx in (-3, -5, -8, -12, 3)],
    key=lambda place: hypot(*place) + 10 * (place[0] > 0),
)
"""Where a letter may stand, in points from its mark, the best first: above a front and on its
left nothing else is."""


def _letters(ax: Axes, points: Sequence[Point], front: Sequence[Point]) -> None:
    """A letter at each point of the front, where it covers no mark, line or other letter."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles where the axes stand
    scale = figure.dpi / 72
    taken = [
        Bbox.from_bounds(x - 2.5 * scale, y - 2.5 * scale, 5 * scale, 5 * scale)
        for x, y in ax.transData.transform([(point.cost, point.top1) for point in points])
    ]
    corners = ax.transData.transform([(point.cost, point.top1) for point in front])
    for (left, low), (right, high) in pairwise(corners):
        taken += [
            Bbox.from_extents(left, low - 1, right, low + 1),
            Bbox.from_extents(right - 1, low, right + 1, high),
        ]
    for number, (point, (x, y)) in enumerate(zip(front, corners, strict=True)):
        text = _letter(number)
        width = text_width(text, SMALL) * scale
        boxes = {
            (dx, dy): Bbox.from_bounds(
                x + dx * scale - (width if dx < 0 else 0), y + dy * scale, width, SMALL * scale
            )
            for dx, dy in PLACES
        }
        free = [place for place, box in boxes.items() if not any(map(box.overlaps, taken))]
        dx, dy = (*free, PLACES[0])[0]
        taken.append(boxes[dx, dy])
        ax.annotate(
            text,
            (point.cost, point.top1),
            (dx, dy),
            textcoords="offset points",
            ha="right" if dx < 0 else "left",
            size=SMALL,
            gid=f"label:{point.gid}",
        )
