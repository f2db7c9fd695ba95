"""Planes of settings: the alpha x rho grid, and published accuracy against cost."""

from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import cycle, pairwise
from math import hypot
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
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
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import write
from mobilenet_lab.resolutions import Counts, counts
from mobilenet_lab.verbs.common import CONVENTION
from mobilenet_lab.verbs.ranges import values
from mobilenet_lab.verbs.settings import Swept, counted, is_list, problems, seen


def many(what: str, value: Any) -> list[Any]:
    """The values of an option given as one, as several, or as a text like "0.25,0.5,1".

    Raises:
        LabError: a text that is no such list.
    """
    if isinstance(value, str):
        return values(what, value)
    if is_list(value) or isinstance(value, tuple | set):
        return list(value)
    return [value]


# The alpha x rho grid

QUANTITIES = {
    "macs": ("MACs", f"MACs by convention {CONVENTION}"),
    "params": ("parameters", "learned parameters, the same at every resolution"),
    "activations": ("activations", "elements written by all layers, per image"),
    "live": ("live activations", "elements held at once, at the peak, per image"),
}
"""What a cell tells: its unit, and what that means."""
WIDTHS = (0.25, 0.5, 0.75, 1.0)
"""Table 6 of arXiv 1704.04861."""
SEVENTHS = range(4, 11)
"""Of the network's own resolution: 128, 160, 192 and 224 of 224, as in Table 7 there; larger ones
where those do not work."""
NUMBERS = 7
"""A cell's number in points, if there is room."""


def grid(
    network: Network,
    *,
    of: str = "macs",
    width: Any = None,
    resolution: Any = None,
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """A network at every width multiplier (alpha) and resolution (rho): a number in each cell.

    `of` is one of QUANTITIES; `width` and `resolution` are lists, or texts like "0.25,0.5,1" and
    "128:224:32". Without them, the paper's of MobileNetV1 are taken, in proportion to the network's
    own resolution. A network without a width has one row. Cells are coloured by the logarithm.

    Raises:
        UnknownNameError: no such network, option, quantity or theme.
        LabError: an option's value is of no use, no combination works, or the network is a finished
            trace.
    """
    if of not in QUANTITIES:
        raise UnknownNameError("quantity", of, QUANTITIES)
    swept, image = _swept(network, width, resolution, options)
    name, own = image.name or swept.name, image.input_shape[1:]
    rows = swept.lists.get("width", [swept.fixed.get("width")])
    columns = [seen("resolution", side) for side in swept.lists["resolution"]]
    found = [getattr(row, of) for row in swept.rows]
    cells = numpy.array([numpy.nan if n is None else n for n in found], float)
    cells = cells.reshape(len(rows), len(columns))
    unit, meaning = QUANTITIES[of]
    subtitle = ". ".join([meaning, *_kept(swept), *problems(swept)])
    numbers = [write(n, "short") for n in found]
    room = (PAGE - 130) / len(columns)
    shown = max(map(text_width, numbers)) <= room - 4 and len(rows) <= 40
    if not shown:
        subtitle += ". Too many cells for their numbers: see the colour"
    heading = Heading(f"{name}: {unit} by {_axes(rows)}", f"{subtitle.rstrip('.')}.")
    size = PAGE, 120.0 + min(max(len(rows) * 30, 60), 400)
    with chart(ax, theme, heading, size) as (ax, look):
        low, high = numpy.nanmin(cells), numpy.nanmax(cells)
        scale = (LogNorm if 0 < low < high else Normalize)(low, high)
        mesh = ax.imshow(
            numpy.ma.masked_invalid(cells),
            cmap=look.shades,
            norm=scale,
            aspect="auto",
            origin="lower",
            gid="cells",
        )
        if shown:
            _numbers(ax, look, cells, numbers, scale)
        _settings(ax, rows, columns, own)
        bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, aspect=16)
        ticks = _round(low, high)
        bar.set_ticks(ticks, labels=list(map(_tick, ticks)), minor=False)
        bar.ax.minorticks_off()
        bar.set_label(unit)
        bar.outline.set_visible(False)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        told = [row for row in swept.rows if row.counts]
        least, most = (f(told, key=lambda row: getattr(row, of)) for f in (min, max))
        describe(
            ax,
            f"{name}: {unit} at {len(rows)} widths and {len(columns)} resolutions, from "
            f"{getattr(least, of):,} to {getattr(most, of):,}.",
        )
    return ax


def _axes(rows: Sequence[Any]) -> str:
    return "width and resolution" if len(rows) > 1 else "resolution"


def _swept(
    network: Network, width: Any, resolution: Any, options: dict[str, Any]
) -> tuple[Swept, Trace]:
    """The network at every combination, and at its own resolution."""
    if isinstance(network, Trace):
        raise LabError("a finished trace has one width and resolution; give the network's name")
    name = str(network) if isinstance(network, str | Path) else ""
    own = traced(name or network, **options)
    if len(own.input_shape) != 3:
        raise LabError(
            f"{own.name or 'the network'} reads {write(own.input_shape, 'shape')}, which is no "
            "image and has no resolution"
        )
    has_width = name.endswith(".toml")
    make: Any = name
    if name in registry.NETWORKS:
        has_width = "width" in registry.options(name)
    elif not has_width:  # a factory or a module, which takes an input
        make = partial(_at, network, own.input_shape[0])
    if "input" in options:
        options = {key: value for key, value in options.items() if key != "input"}
        options |= {} if callable(make) else {"in_channels": own.input_shape[0]}
    lists = {}
    if width is not None or has_width:
        lists["width"] = many("width", WIDTHS if width is None else width)
    usual = partial(_usual, make, own.input_shape[1:], options)
    lists["resolution"] = many("resolution", usual() if resolution is None else resolution)
    return counted(make, lists | options), own


def _usual(make: Any, own: tuple[int, ...], options: dict[str, Any]) -> list[tuple[int, ...]]:
    """The first four resolutions around the network's own at which it works."""
    step = 32 if min(own) >= 96 else 4
    found: list[tuple[int, ...]] = []
    for seventh in SEVENTHS:
        sides = tuple(max(round(side * seventh / 7 / step), 1) * step for side in own)
        sides = own if seventh == 7 else sides
        try:
            if callable(make):
                make(resolution=sides, **options)
            else:
                traced(make, **options | {"resolution": sides})
        except LabError:
            continue
        found.append(sides)
    return found[:4]


def _at(network: Any, channels: int, *, resolution: Any, **options: Any) -> Trace:
    """A factory's network or a module on an image of one resolution."""
    sides = registry.CHECKS["resolution"]("resolution", resolution)
    return traced(network, input=(channels, *sides), **options)


def _kept(swept: Swept) -> list[str]:
    """The settings that all cells share."""
    return [f"{key.replace('_', ' ')} {value}" for key, value in swept.fixed.items()]


def _numbers(ax: Axes, look: Theme, cells: Any, numbers: Sequence[str], norm: Normalize) -> None:
    shades = colormaps[look.shades]
    for index, text in enumerate(numbers):
        row, column = divmod(index, cells.shape[1])
        value = cells[row, column]
        colour = look.ink if numpy.isnan(value) else readable(shades(norm(value)))
        ax.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            size=NUMBERS,
            color=colour,
            gid=f"cell:{row}:{column}",
        )


def readable(colour: Sequence[float]) -> str:
    """Black or white, whichever is read better on a colour (WCAG 2's contrast)."""
    light = luminance(colour)
    return "#000000" if (light + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance of an sRGB colour, from 0 to 1 (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _settings(
    ax: Axes, rows: Sequence[Any], columns: Sequence[tuple[int, int]], own: tuple[int, ...]
) -> None:
    """Ticks: each width, and each resolution with its share of the network's own."""
    labels = [_resolution(sides, own) for sides in columns]
    room = (PAGE - 130) / len(columns)
    every = max(1, -(-int(max(map(partial(text_width, size=SMALL), labels)) + 4) // int(room)))
    ax.set_xticks(range(len(columns))[::every], labels[::every])
    ax.set_xlabel("input in pixels, and resolution multiplier ρ of the network's own")
    if rows == [None]:
        ax.set_yticks([])
        return
    every = max(1, len(rows) // 30)
    ax.set_yticks(range(len(rows))[::every], [f"{float(alpha):g}" for alpha in rows[::every]])
    ax.set_ylabel("width multiplier α")


def _resolution(sides: tuple[int, int], own: tuple[int, ...]) -> str:
    shares = {round(side / whole, 6) for side, whole in zip(sides, own, strict=True)}
    rho = f"\nρ = {shares.pop():.3g}" if len(shares) == 1 else ""
    return f"{write(sides, 'pair')}{rho}"


def _round(low: float, high: float) -> list[int]:
    """Up to six round numbers from low to high, or the two themselves."""
    for digits in ((1,), (1, 3), (1, 2, 5), range(1, 10), range(10, 100)):
        steps = [digit * 10**power // 10 for power in range(1, 16) for digit in digits]
        inside = sorted({step for step in steps if low <= step <= high})
        if len(inside) > 2:
            return inside[:: -(-len(inside) // 6)]
    return sorted({int(low), int(high)})


def _tick(count: int) -> str:
    """A round number with its unit: 30 M."""
    unit, size = next((each for each in SIZES if count >= each[1]), ("", 1))
    return f"{count / size:.4g} {unit}".strip()


SIZES = (("G", 10**9), ("M", 10**6), ("k", 10**3))

# Accuracy

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
    ticks = _round(*ax.get_xlim())
    ax.set_xticks(ticks, list(map(_tick, ticks)))
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
