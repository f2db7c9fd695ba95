"""`costs` and `memory`: where a network spends what it costs, and what it holds at once."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MaxNLocator

from mobilenet_lab.analysis import Analysis, Row, analyse, macs
from mobilenet_lab.drawings.canvas import (
    MARGIN,
    PAGE,
    SMALL,
    TEXT,
    Heading,
    Theme,
    describe,
    sheet,
    text_width,
)
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.families import FAMILIES, families, family
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import (
    CONVENTION,
    heading,
    unknown_operations,
    unused_parameters,
)

HATCHES = {
    "standard": "",
    "expand": "////",
    "depthwise": "....",
    "pointwise": "\\\\\\\\",
    "gate": "xxxx",
    "grouped": "++++",
    "linear": "----",
    "product": "oooo",
    "other": "||||",
}
"""What tells the families apart without colour."""
HATCH_INK = (0.0, 0.0, 0.0, 0.4)
MOST_ROWS = 600
"""More would be a figure that no file format holds."""
ROW, BAR = 12.5, 7.0
"""Heights of a row and of the bar in it, in points."""
GAP = 4.0
"""Between a bar and its number."""
SHORTEST = 64.0
"""Room for a bar; panels that leave less go below each other."""
LONGEST_NAME = 170.0


class Quantity(NamedTuple):
    """What bars can stand for."""

    title: str
    unit: str
    count: Callable[[Row], int]


QUANTITIES = {
    "params": Quantity("parameters", "", lambda row: row.params),
    "macs": Quantity("MACs", "", lambda row: row.macs),
    "activations": Quantity("activations", "elements written", lambda row: row.activations),
    "memory": Quantity("memory traffic", "bytes of {}", lambda row: row.memory),
}


class Bar(NamedTuple):
    """A row's bar of one quantity."""

    row: Row
    amount: int | None
    """None: nobody knows."""
    share: float | None
    """Of the panel's total."""
    parts: tuple[tuple[str, int], ...]
    """(family, its count), in the order of FAMILIES; what costs nothing is left out."""

    @property
    def text(self) -> str:
        """What stands at its end."""
        said = write(self.amount, "count")
        return f"{said} · {write(self.share, 'share')}" if self.amount and self.share else said


class Panel(NamedTuple):
    """The bars of one quantity."""

    key: str
    title: str
    unit: str
    total: int
    at_least: bool
    bars: tuple[Bar, ...]

    @property
    def said(self) -> str:
        """Its total, in words."""
        return f"{'at least' if self.at_least else 'total'} {self.total:,} {self.unit}".strip()

    @property
    def text_room(self) -> float:
        """What the widest number needs."""
        return max(text_width(bar.text, SMALL) for bar in self.bars) + GAP

    def scale(self, room: float) -> float:
        """Points for one unit, so that each bar and the number at its end fit into `room`."""
        return min(
            [
                (room - GAP - text_width(bar.text, SMALL)) / bar.amount
                for bar in self.bars
                if bar.amount
            ],
            default=0.0,
        )


def costs(
    network: Network,
    *,
    of: str | Sequence[str] = "params,macs",
    level: str = "stage",
    dtype: str = "float32",
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """Bars of what a network costs: a row for each stage, block, layer or role in running order.

    `of` are some of params, macs, activations (elements written) and memory (bytes of `dtype` read
    and written), a list or with commas between. Each has a panel with its own scale from zero;
    at the end of a bar stand the exact number and its share of the panel's total. Colours are the
    families of layers; stages and blocks are stacked of them. Layers that cost nothing in any
    panel are left out, and counted.

    Raises:
        UnknownNameError: no such network, option, quantity, level, dtype or theme.
        LabError: an option's value is of no use, or there are too many rows, or none with a cost.
    """
    keys = _quantities(of)
    analysis = analyse(traced(network, **options), dtype)
    rows = analysis.by(level)
    shown = _shown(rows, keys, level)
    panels = [panel(analysis, level, key, shown) for key in keys]
    title = f"{analysis.trace.name or 'network'}: {_listed([p.title for p in panels])} by {level}"
    subtitle = _subtitle(analysis, keys, len(rows) - len(shown))
    used = {kind for each in panels for bar in each.bars for kind, _ in bar.parts}
    layout = _Layout(panels, [kind for kind in FAMILIES if kind in used], level)
    with sheet(ax, theme, Heading(title, subtitle), (PAGE, layout.height)) as (ax, look):
        layout.draw(ax, look)
        described = [f"{each.title}: {each.said}{_most(each)}" for each in panels]
        describe(ax, f"Bars of {title}. {'; '.join(described)}.")
    return ax


def _quantities(of: str | Sequence[str]) -> list[str]:
    asked = of.split(",") if isinstance(of, str) else of
    if not isinstance(asked, Sequence) or not all(isinstance(key, str) for key in asked):
        raise LabError(f"of is some of {', '.join(QUANTITIES)}, not {quoted(of)}")
    keys = list(dict.fromkeys(key.strip() for key in asked))
    if not any(keys):
        raise LabError(f"bars need a quantity: {', '.join(QUANTITIES)}")
    for key in keys:
        if key not in QUANTITIES:
            raise UnknownNameError("quantity", key, QUANTITIES)
    return keys


def _shown(rows: tuple[Row, ...], keys: Iterable[str], level: str) -> list[Row]:
    """The rows that are drawn: all but layers without any cost."""
    shown = [
        row
        for row in rows
        if level != "layer" or row.unknown or any(QUANTITIES[key].count(row) for key in keys)
    ]
    if not shown:
        raise LabError(f"no layer has any {_listed([QUANTITIES[key].title for key in keys])}")
    if len(shown) > MOST_ROWS:
        coarser = "level block, stage or role" if level == "layer" else "level stage or role"
        raise LabError(f"{len(shown):,} bars are too many (at most {MOST_ROWS}): ask for {coarser}")
    return shown


def panel(analysis: Analysis, level: str, key: str, rows: Iterable[Row]) -> Panel:
    """The bars of one of QUANTITIES for rows of a level."""
    quantity = QUANTITIES[key]
    total = quantity.count(analysis.total)
    spent = spent_by_family(analysis, level, quantity)
    bars = []
    for row in rows:
        count = quantity.count(row)
        known = row.known(count) if key == "macs" else count
        kinds = spent.get(row.name, {})
        parts = tuple((kind, kinds[kind]) for kind in FAMILIES if kinds.get(kind))
        bars.append(Bar(row, known, count / total if total else None, parts))
    unit = quantity.unit.format(analysis.dtype)
    at_least = key == "macs" and analysis.total.unknown > 0
    return Panel(key, quantity.title, unit, total, at_least, tuple(bars))


def spent_by_family(
    analysis: Analysis, level: str, quantity: Quantity
) -> dict[str, dict[str, int]]:
    """Row of a level -> family -> count; a role has one family, as in the tables."""
    spent: dict[str, dict[str, int]] = {}
    of_roles = families(analysis.trace)
    for row, kind in zip(analysis.rows, layer_families(analysis.trace), strict=True):
        name = row.name if level == "layer" else getattr(row, level)
        kind = of_roles[row.role] if level == "role" else kind
        kinds = spent.setdefault(name, {})
        kinds[kind] = kinds.get(kind, 0) + quantity.count(row)
    return spent


def layer_families(trace: Trace) -> list[str]:
    """The family of each layer but inputs: without MACs (a norm, say), that of its role."""
    of_roles = families(trace)
    return [
        family(layer) if macs(layer) else of_roles[layer.role]
        for layer in trace.layers
        if layer.op != "input"
    ]


def _subtitle(analysis: Analysis, keys: Iterable[str], left_out: int) -> str:
    trace = analysis.trace
    said = [heading(trace).partition(" · ")[2]]
    if "macs" in keys:
        said.append(f"MACs by convention {CONVENTION}")
        said += unknown_operations(trace)
    if "memory" in keys:
        said.append("Memory traffic: inputs, parameters and outputs of each layer, each once.")
    if "params" in keys:
        said += unused_parameters(trace)
    if left_out:
        said.append(f"Left out: {left_out} layer{'s'[: left_out > 1]} without any of these costs.")
    return "\n".join(said)


def _most(panel: Panel) -> str:
    """The longest bar, in words."""
    bar = max(panel.bars, key=lambda bar: bar.amount or 0)
    return f", most in {bar.row.name} ({write(bar.share, 'share')})" if bar.amount else ""


def _listed(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])


class _Layout:
    """Where everything is, in points from the lower left."""

    HEAD = 38.0
    """Of a panel: its title, its total, its scale."""

    def __init__(self, panels: list[Panel], kinds: list[str], level: str) -> None:
        self.panels, self.level = panels, level
        self.rows = [bar.row for bar in panels[0].bars]
        self.names = [fitting(row.name, LONGEST_NAME) for row in self.rows]
        self.left = MARGIN + max(text_width(name, SMALL) for name in self.names) + 2 * GAP
        needed = max(panel.text_room for panel in panels) + SHORTEST
        abreast = max(1, min(len(panels), int((PAGE - self.left) / needed)))
        self.bands = ceil(len(panels) / abreast)
        self.abreast = ceil(len(panels) / self.bands)
        self.room = (PAGE - self.left - MARGIN) / self.abreast - 2 * GAP
        self.legend = _legend(kinds)
        self.band = self.HEAD + ROW * len(self.rows) + 2 * GAP
        self.above = ROW * len(self.legend) + GAP
        self.height = self.above + self.bands * self.band

    def draw(self, ax: Axes, look: Theme) -> None:
        for line, entries in enumerate(self.legend):
            for x, kind in entries:
                y = self.height - ROW * (line + 0.5)
                _rectangle(ax, look, (x, y - BAR / 2), 14, kind, gid=f"key:{kind}")
                ax.text(x + 18, y, FAMILIES[kind], size=SMALL, va="center_baseline")
        for number, panel in enumerate(self.panels):
            band, place = divmod(number, self.abreast)
            top = self.height - self.above - band * self.band
            x = self.left + place * (self.room + 2 * GAP)
            if place == 0:
                self._names(ax, look, top)
            self._panel(ax, look, panel, x, top)

    def _y(self, top: float, index: int) -> float:
        """The middle of a row."""
        return top - self.HEAD - ROW * (index + 0.5)

    def _names(self, ax: Axes, look: Theme, top: float) -> None:
        for index, name in enumerate(self.names):
            y = self._y(top, index)
            ax.text(self.left - 2 * GAP, y, name, size=SMALL, ha="right", va="center_baseline")
        ends = [
            index
            for index, (one, other) in enumerate(pairwise(self.rows))
            if one.stage != other.stage
        ]
        if self.level in ("block", "layer") and len(ends) < len(self.rows) / 2:
            for index in ends:
                y = self._y(top, index) - ROW / 2
                ax.plot([MARGIN, PAGE - MARGIN], [y, y], color=look.faint, lw=0.5, zorder=0.5)

    def _panel(self, ax: Axes, look: Theme, panel: Panel, x: float, top: float) -> None:
        scale = panel.scale(self.room)
        ax.text(x, top - 4, panel.title, size=TEXT, weight="bold", va="top")
        ax.text(x, top - 15, panel.said, size=SMALL, color=look.muted, va="top")
        base = top - self.HEAD
        end = base - ROW * len(self.rows)
        most = max(bar.amount or 0 for bar in panel.bars)
        for tick in _ticks(most, scale):
            at = x + tick * scale
            ax.plot([at, at], [base, end], color=look.faint, lw=0.5, zorder=0.6)
            ax.text(
                at,
                base + 2,
                EngFormatter(sep=" ")(tick),
                size=SMALL - 1,
                color=look.muted,
                ha="center" if tick else "left",
            )
        ax.plot([x, x], [base, end], color=look.muted, lw=0.8, zorder=3)
        for index, bar in enumerate(panel.bars):
            y = self._y(top, index)
            at = x
            for kind, count in bar.parts:
                gid = f"bar:{panel.key}:{bar.row.name}:{kind}"
                _rectangle(ax, look, (at, y - BAR / 2), count * scale, kind, gid)
                at += count * scale
            ax.text(
                at + GAP,
                y,
                bar.text,
                size=SMALL,
                va="center_baseline",
                color=look.ink if bar.amount else look.muted,
                gid=f"number:{panel.key}:{bar.row.name}",
                bbox={"facecolor": look.paper, "edgecolor": "none", "pad": 0.5},
            )


def _legend(kinds: Iterable[str]) -> list[list[tuple[float, str]]]:
    """Lines of (left end, family)."""
    lines: list[list[tuple[float, str]]] = [[]]
    x = MARGIN
    for kind in kinds:
        width = 18 + text_width(FAMILIES[kind], SMALL) + 3 * GAP
        if lines[-1] and x + width > PAGE:
            lines.append([])
            x = MARGIN
        lines[-1].append((x, kind))
        x += width
    return lines


def _rectangle(
    ax: Axes, look: Theme, corner: tuple[float, float], width: float, kind: str, gid: str
) -> None:
    ax.add_patch(
        Rectangle(
            corner,
            width,
            BAR,
            facecolor=look.family(kind),
            edgecolor=HATCH_INK,
            linewidth=0,
            hatch=HATCHES[kind],
            zorder=2,
            gid=gid,
        )
    )


def _ticks(most: int, scale: float) -> list[float]:
    """Round numbers on the scale of bars up to `most`, with room for their labels."""
    if not most:
        return []
    places = MaxNLocator(nbins=max(1, min(4, int(most * scale / 36))), integer=True)
    return [float(tick) for tick in places.tick_values(0, most) if tick <= most]


def fitting(name: str, room: float) -> str:
    """The end of a name that is too long."""
    if text_width(name, SMALL) <= room:
        return name
    while text_width(f"…{name}", SMALL) > room:
        name = name[1:]
    return f"…{name}"
