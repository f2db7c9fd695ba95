"""The sheet that every figure is drawn on: style, size, heading, description, file formats.

Charts have axes with units. Diagrams are drawn on a sheet whose unit is the point (1/72 inch), so
that what a text needs is known before it is placed (`text_width`).
"""

import io
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from typing import Any, NamedTuple

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.families import COLOURS

FORMATS = ("png", "svg", "pdf")
FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a figure looks the same everywhere."""
TITLE, TEXT, SMALL = 10.0, 8.0, 7.0
"""Sizes of letters, in points."""
PAGE = 520.0
"""Width of a page's text, in points."""
LINE = 1.3
"""Height of a line of text, in letter sizes."""
MARGIN = 6.0
SALT = "mobilenet_lab"
"""Of the names inside an SVG, which would else be random."""
HINTING = 1.07
"""What letters may gain in width when they are fitted to pixels."""


class Theme(NamedTuple):
    """Colours of paper and ink; those of the families are the same on every paper."""

    paper: str
    ink: str
    muted: str
    """Of what is said beside."""
    faint: str
    """Of grids and frames."""
    shades: str
    """The colour map of shares, from little to much."""

    def family(self, name: str) -> str:
        """The colour of a family of layers."""
        return COLOURS[name]


THEMES = {
    "light": Theme("#ffffff", "#1a1a1a", "#5f5f5f", "#d9d9d9", "YlOrBr"),
    "dark": Theme("#16181d", "#ededed", "#a8a8a8", "#3c4048", "YlOrBr_r"),
}
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
"""Colours of several networks in one figure; lines have markers and labels besides."""


def theme_called(name: str) -> Theme:
    """The theme called `name`.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in THEMES:
        raise UnknownNameError("theme", name, THEMES)
    return THEMES[name]


def style(theme: Theme) -> dict[Any, Any]:
    """The style sheet of every figure, as matplotlib's parameters."""
    return {
        "font.family": FONT,
        "font.size": TEXT,
        "axes.titlesize": TITLE,
        "axes.labelsize": TEXT,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "axes.prop_cycle": matplotlib.rcsetup.cycler(color=CYCLE),
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "figure.dpi": 110,
        "savefig.dpi": 150,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "grid.color": theme.faint,
        "grid.linewidth": 0.5,
        "legend.fontsize": SMALL,
        "legend.frameon": False,
        "hatch.linewidth": 0.6,
        "text.parse_math": False,
        "svg.hashsalt": SALT,
    }


@contextmanager
def parameters(ours: dict[Any, Any]) -> Iterator[None]:
    """Sets some of matplotlib's parameters while it is open.

    `rc_context` would restore all others, too: also what Jupyter sets with the first figure.
    """
    before = {key: matplotlib.rcParams[key] for key in ours}
    matplotlib.rcParams.update(ours)
    try:
        yield
    finally:
        matplotlib.rcParams.update(before)


class Picture(Figure):
    """A figure that can say in words what it shows."""

    alt: str = ""
    """For those who do not see it; a page hands it on."""

    def _repr_html_(self) -> str:
        data = b64encode(rendered(self, "png")).decode()
        width = round(self.get_figwidth() * 96)
        return (
            f'<img alt="{escape(self.alt)}" width="{width}" '
            f'style="max-width: 100%; height: auto" src="data:image/png;base64,{data}">'
        )


class Drawing(Axes):
    """The axes of a figure of ours; a notebook that shows them shows the figure, and it once."""

    def _ipython_display_(self) -> None:
        figure = self.get_figure(root=True)
        if figure is None or pyplot.fignum_exists(figure.number):
            return  # Jupyter shows it when the cell ends
        from IPython.display import display

        display(figure)  # type: ignore[no-untyped-call]


def rendered(figure: Figure, format: str) -> bytes:
    """A figure as a file of one of FORMATS: the same bytes for the same figure, without a date.

    Raises:
        UnknownNameError: there is no such format.
    """
    check_format(format)
    says = getattr(figure, "alt", "")
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Description": says, "Software": None},
        "svg": {"Description": says, "Date": None, "Creator": None},
        "pdf": {"Subject": says, "CreationDate": None, "Creator": None, "Producer": None},
    }
    file = io.BytesIO()
    with parameters({"svg.hashsalt": SALT}):
        figure.savefig(
            file,
            format=format,
            metadata=metadata[format],
            facecolor=figure.get_facecolor(),
            dpi=150,
        )
    return file.getvalue()


def check_format(format: str) -> None:
    """Raises UnknownNameError if figures are not written so."""
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS, f"known: {', '.join(FORMATS)}")


class Heading(NamedTuple):
    """What stands over a figure: its title, and a line or more on units and convention."""

    title: str
    subtitle: str = ""


@contextmanager
def chart(
    ax: Axes | None, theme: str, heading: Heading, size: tuple[float, float]
) -> Iterator[tuple[Axes, Theme]]:
    """Axes with units, `size` (width, height) in points; a figure of its own if `ax` is None.

    While it is open, the style sheet is in force.

    Raises:
        UnknownNameError: there is no such theme.
    """
    look = theme_called(theme)
    with parameters(style(look)):
        if ax is None:
            ax = _figure(size, layout="constrained").add_subplot(axes_class=Drawing)
        width = ax.bbox.width / ax.figure.dpi * 72
        lines = wrapped(heading.subtitle, max(width, size[0] * 0.75), SMALL)
        ax.set_title(
            heading.title, loc="left", fontweight="bold", pad=8 + len(lines) * SMALL * LINE
        )
        ax.annotate(
            "\n".join(lines),
            (0, 1),
            (0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            va="bottom",
            fontsize=SMALL,
            linespacing=LINE,
            color=look.muted,
        )
        yield ax, look


@contextmanager
def sheet(
    ax: Axes | None, theme: str, heading: Heading, size: tuple[float, float]
) -> Iterator[tuple[Axes, Theme]]:
    """Empty axes whose unit is the point, from (0, 0) at the lower left to `size`.

    The heading has room of its own above. On a given `ax` the whole is scaled to fit in.

    Raises:
        UnknownNameError: there is no such theme.
    """
    look = theme_called(theme)
    width, height = size
    title = wrapped(heading.title, width - 2 * MARGIN, TITLE, "bold")
    lines = wrapped(heading.subtitle, width - 2 * MARGIN, SMALL)
    above = len(title) * TITLE * LINE + len(lines) * SMALL * LINE + 2 * MARGIN
    with parameters(style(look)):
        if ax is None:
            figure = _figure((width, height + above))
            ax = figure.add_axes((0.0, 0.0, 1.0, 1.0), axes_class=Drawing)
        ax.set(xlim=(0, width), ylim=(0, height + above), aspect="equal")
        ax.axis("off")
        top = height + above - MARGIN
        ax.text(
            MARGIN, top, "\n".join(title), va="top", size=TITLE, weight="bold", linespacing=LINE
        )
        ax.text(
            MARGIN,
            top - len(title) * TITLE * LINE,
            "\n".join(lines),
            va="top",
            size=SMALL,
            color=look.muted,
            linespacing=LINE,
        )
        yield ax, look


def _figure(size: tuple[float, float], **layout: Any) -> Figure:
    width, height = size
    return pyplot.figure(FigureClass=Picture, figsize=(width / 72, height / 72), **layout)


def room(ax: Axes) -> tuple[float, float]:
    """Width and height that the layout of its figure leaves to a chart's axes, in points."""
    figure = ax.figure.figure
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    points = 72 / ax.figure.dpi
    return ax.bbox.width * points, ax.bbox.height * points


def describe(ax: Axes, alt: str) -> None:
    """Adds what `ax` shows, in words, to its figure's description (`figure.alt`)."""
    figure = ax.figure
    before = getattr(figure, "alt", "")
    figure.alt = f"{before} {alt}".strip()  # type: ignore[union-attr]


@cache
def text_width(text: str, size: float = TEXT, weight: str = "normal") -> float:
    """What the longest line of a text needs, in points."""
    font = FontProperties(family=FONT, size=size, weight=weight)
    measure = TextToPath().get_text_width_height_descent
    widest = max(float(measure(line, font, ismath=False)[0]) for line in text.split("\n"))
    return widest * HINTING


def text_height(text: str, size: float = TEXT) -> float:
    """What the lines of a text need, in points."""
    return (text.count("\n") + 1) * size * LINE


def wrapped(text: str, room: float, size: float, weight: str = "normal") -> list[str]:
    """The lines of a text in `room` points; a word that is longer has a line of its own."""
    lines: list[str] = []
    for paragraph in text.split("\n") if text else []:
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size, weight) > room:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines
