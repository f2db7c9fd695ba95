"""`latency`: measured times of networks against what promised them, from a recorded run."""

import json
from collections.abc import Sequence
from math import hypot
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

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
)
from mobilenet_lab.drawings.memory_chart import leader
from mobilenet_lab.drawings.planes import short
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.ranks import kendall, spearman
from mobilenet_lab.reports.table import Table, write

AGAINST = {"macs": "MACs", "memory": "bytes moved", "roofline_ms": "roofline, ms"}
"""What times are drawn against: columns of `bench`, and their labels."""
NAMES = {"roofline": "roofline_ms", "bytes": "memory"}
"""Other names of them."""
HEIGHT = 330.0
LIST_COLUMNS = 3
BELOW = 40.0
"""Points under the axes that ticks and their label take."""


class Point(NamedTuple):
    """A network: what was promised, and what was measured."""

    name: str
    promised: float
    ms: float
    iqr_ms: float
    number: int
    """Its place in the order of measured times, from 1."""


def latency(
    run: Table | str | Path, *, against: str = "macs", ax: Axes | None = None, theme: str = "light"
) -> Axes:
    """Measured milliseconds of networks against MACs, memory (bytes moved) or the roofline.

    `run` is what `bench` gave, or the file in which its JSON was saved; nothing is timed. A mark is
    a network, numbered in the order of measured times, with a bar as long as the range between its
    quartiles. On the line all networks would have the median time per MAC (per byte; or the
    roofline's own time); the farther above it, the slower a network is than promised. The heading
    tells the rank correlations.

    Raises:
        UnknownNameError: no such quantity or theme.
        LabError: the file is no saved run of two networks or more.
    """
    quantity = NAMES.get(against, against)
    if quantity not in AGAINST:
        raise UnknownNameError("quantity", against, ("macs", "memory", "roofline"))
    found, conditions = read(run)
    points = points_of(found, quantity)
    promised, ms = [point.promised for point in points], [point.ms for point in points]
    ranks = kendall(promised, ms), spearman(promised, ms)
    label = AGAINST[quantity]
    order = (
        f"Same order as measured: Kendall's τ-b {_told(ranks[0])}, Spearman's ρ {_told(ranks[1])}."
    )
    heading = Heading(
        f"Measured time against {label.partition(',')[0]}", f"{order}\n{_conditions(conditions)}"
    )
    rows = -(-len(points) // LIST_COLUMNS)
    size = (PAGE, HEIGHT + (rows + 2) * SMALL * LINE)
    with chart(ax, theme, heading, size) as (ax, look):
        _draw_line(ax, look, points, quantity)
        _draw_marks(ax, look, points)
        ax.set(xlabel=label, ylabel="measured, ms", xscale="log", yscale="log")
        _limits(ax, points, quantity)
        ax.grid(True)
        ax.legend(loc="upper left")
        _draw_list(ax, points, rows)
        _draw_numbers(ax, look, points)
        describe(
            ax,
            f"{heading.title} of {len(points)} networks. {order} In the order of time: "
            + ", ".join(f"{point.name} {write(point.ms, 'number')} ms" for point in points)
            + ".",
        )
    return ax


def read(run: Table | str | Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of a run by column, and its conditions.

    Raises:
        LabError: it cannot be read, or is no run of two networks or more.
    """
    if isinstance(run, Table):
        whole: Any = {**run.facts, "rows": run.records()}
    elif isinstance(run, str | Path):
        try:
            whole = json.loads(Path(run).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
            raise LabError(f"cannot read {run}: {reason}") from None
    else:
        raise LabError(f"a run is a table or the path of one saved, not {quoted(run)}")
    rows = whole.get("rows") if isinstance(whole, dict) else None
    if not isinstance(rows, list) or whole.get("level") != "network" or not all(map(_is_row, rows)):
        raise LabError(
            "latency draws a run of networks: what `bench` gives with level network, or its JSON"
        )
    if len(rows) < 2:
        raise LabError(f"latency compares two networks or more, not {len(rows)}")
    return rows, whole


def points_of(rows: Sequence[dict[str, Any]], quantity: str) -> list[Point]:
    """The networks, the fastest first.

    Raises:
        LabError: one has none of the quantity.
    """
    for row in rows:
        if not row[quantity] or row[quantity] <= 0 or row["ms"] <= 0:
            raise LabError(f"{row['name']} has no {AGAINST[quantity]} or no time to draw")
    ordered = sorted(rows, key=lambda row: row["ms"])
    return [
        Point(row["name"], row[quantity], row["ms"], row["iqr_ms"], number)
        for number, row in enumerate(ordered, start=1)
    ]


def usual(points: Sequence[Point]) -> float:
    """Milliseconds per unit of what was promised: the median of all."""
    return median(point.ms / point.promised for point in points)


NUMBERS = ("macs", "memory", "roofline_ms", "ms", "iqr_ms")


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("name"), str)
        and all(isinstance(row.get(key), int | float | None) for key in NUMBERS)
        and isinstance(row.get("ms"), int | float)
        and isinstance(row.get("iqr_ms"), int | float)
    )


def _told(coefficient: float | None) -> str:
    return "–" if coefficient is None else f"{coefficient:.3f}"


def _conditions(run: dict[str, Any]) -> str:
    """Machine and setting, as far as the run tells them."""
    told = [str(run[key]) for key in ("processor", "library", "dtype", "device") if key in run]
    told += [f"{key} {run[key]}" for key in ("batch", "threads") if key in run]
    told += ["processor time"] if run.get("clock") == "processor" else []
    return f"{' · '.join(told)}." if told else ""


def _draw_line(ax: Axes, look: Theme, points: Sequence[Point], quantity: str) -> None:
    """Where all would be whose time was as promised."""
    rate = usual(points)
    told = {
        "macs": f"the median: {1 / rate / 1e6:.3g} GMAC/s",
        "memory": f"the median: {1 / rate / 1e6:.3g} GB/s",
        "roofline_ms": f"the median: {rate:.3g} × the roofline",
    }
    ends = [min(p.promised for p in points) / 100, max(p.promised for p in points) * 100]
    lines = [(rate, "-", "usual", told[quantity])]
    if quantity == "roofline_ms":
        lines.append((1.0, ":", "bound", "the roofline itself"))
    for slope, style, gid, label in lines:
        ax.plot(
            ends,
            [slope * end for end in ends],
            style,
            color=look.muted,
            lw=0.9,
            zorder=1.5,
            gid=gid,
            label=label,
            scalex=False,
            scaley=False,
        )


def _draw_marks(ax: Axes, look: Theme, points: Sequence[Point]) -> None:
    ax.errorbar(
        [point.promised for point in points],
        [point.ms for point in points],
        [point.iqr_ms / 2 for point in points],
        fmt="none",
        ecolor=look.muted,
        elinewidth=0.8,
        zorder=2,
    )
    for point in points:
        ax.plot(point.promised, point.ms, "o", color=CYCLE[0], ms=4, mew=0, gid=f"net:{point.name}")


def _limits(ax: Axes, points: Sequence[Point], quantity: str) -> None:
    """Room around the marks, ticks in plain numbers."""
    for axis, values, set_limits in (
        (ax.xaxis, [point.promised for point in points], ax.set_xlim),
        (ax.yaxis, [point.ms for point in points], ax.set_ylim),
    ):
        beside = 1.25 * (max(values) / min(values)) ** 0.05
        set_limits(min(values) / beside, max(values) * beside)
        few = max(values) / min(values) < 1000
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
        axis.set_minor_locator(NullLocator())
        counts = axis is ax.xaxis and quantity != "roofline_ms"
        axis.set_major_formatter(
            FuncFormatter(lambda value, _: short(round(value)))
            if counts
            else FuncFormatter(lambda value, _: f"{value:g}")
        )


def _draw_list(ax: Axes, points: Sequence[Point], rows: int) -> None:
    """Which number is which network, in columns under the axes."""
    for column in range(LIST_COLUMNS):
        part = points[column * rows : (column + 1) * rows]
        if part:
            ax.annotate(
                "\n".join(
                    f"{point.number}  {point.name} {write(point.ms, 'number')} ms" for point in part
                ),
                (0, 0),
                (column * PAGE / LIST_COLUMNS - 30, -BELOW),
                xycoords="axes fraction",
                textcoords="offset points",
                va="top",
                size=SMALL,
                linespacing=LINE,
            )


PLACES = sorted(
    [(dx, dy) for dx in range(-30, 31, 3) for dy in range(-30, 31, 3) if hypot(dx, dy) > 6],
    key=lambda place: hypot(*place),
)
"""Where the middle of a number may stand, in points from its mark, the nearest first."""
FAR = 12.0
"""Points from which on a line leads from the number to its mark."""


def _draw_numbers(ax: Axes, look: Theme, points: Sequence[Point]) -> None:
    """A number at each mark, where it covers no mark and no other number."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles where the axes stand
    scale = figure.dpi / 72
    marks = ax.transData.transform([(point.promised, point.ms) for point in points])
    taken = [Bbox.from_bounds(x - 3 * scale, y - 3 * scale, 6 * scale, 6 * scale) for x, y in marks]
    legend = ax.get_legend()
    assert legend is not None
    taken.append(legend.get_window_extent())
    height = SMALL * scale
    for point, (x, y) in zip(points, marks, strict=True):
        text = str(point.number)
        width = text_width(text, SMALL) * scale

        def box(place: tuple[int, int], x: float = x, y: float = y, width: float = width) -> Bbox:
            left, low = x + place[0] * scale - width / 2, y + place[1] * scale - height / 2
            return Bbox.from_bounds(left, low, width, height)

        free = (place for place in PLACES if not any(map(box(place).overlaps, taken)))
        place = next(free, PLACES[0])
        taken.append(box(place))
        ax.annotate(
            text,
            (point.promised, point.ms),
            place,
            textcoords="offset points",
            ha="center",
            va="center",
            size=SMALL,
            gid=f"number:{point.name}",
        )
        if hypot(*place) > FAR:
            ax.annotate(
                "",
                (point.promised, point.ms),
                place,
                textcoords="offset points",
                arrowprops=leader(look) | {"shrinkA": 4, "shrinkB": 2},
            )
