"""An image with its pixels as axes, rectangles on it, and a column of words beside it.

All is in pixels of the input: the centre of the first is (0, 0), rows count downwards.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mobilenet_lab.drawings.canvas import (
    LINE,
    PAGE,
    SMALL,
    TEXT,
    TITLE,
    Heading,
    Theme,
    chart,
    text_height,
    wrapped,
)
from mobilenet_lab.layers import Pair

Spans = tuple[Pair, Pair]
"""First and last pixel, vertical and horizontal."""
HEIGHT = 290.0
"""Of the image, at most, in points."""
LEFT, BELOW, RIGHT = 44.0, 34.0, 6.0
"""What ticks and labels take around an image, in points."""
GAP = 24.0
BEYOND, CUT = 0.7, 0.15
"""In sides of the image: what is shown of a field outside of it, and what if that is not all."""


class View(NamedTuple):
    """What is shown of the input: the image and what a field reaches into the padding."""

    image: Pair
    """Height and width."""
    left: float
    right: float
    top: float
    bottom: float
    panels: int
    """Images side by side."""
    column: float
    """Width of the column, in points."""
    scale: float
    """Points for one pixel."""
    above: float
    """Room above the images, in points."""
    below: float
    """Room below them, in points: where the column needs it."""

    @property
    def box(self) -> tuple[float, float]:
        """Width and height of the axes, in points."""
        high = (self.bottom - self.top) * self.scale
        wide = (self.end - self.left) * self.scale + self.column
        return wide, self.above + high + self.below

    def holds(self, spans: Spans) -> bool:
        """Whether all of a field is shown."""
        (top, bottom), (left, right) = spans
        return self.top <= top <= bottom <= self.bottom and self.left <= left <= right <= self.right

    @property
    def step(self) -> float:
        """Pixels from one panel to the next."""
        return self.right - self.left + GAP / self.scale

    @property
    def end(self) -> float:
        """The right end of the last panel."""
        return self.right + (self.panels - 1) * self.step


def view(
    image: Pair,
    reach: Spans,
    ax: Axes | None,
    panels: int = 1,
    column: float = 190.0,
    least: float = 120.0,
    above: float = 0.0,
) -> View:
    """What is shown of an image when a field reaches over `reach`.

    The column is at least `least` points high.
    """
    height, width = image
    (first, last), (start, end) = reach
    top, bottom = _shown(first, last, height)
    left, right = _shown(start, end, width)
    room, most = (PAGE - LEFT - RIGHT, HEIGHT) if ax is None else extent(ax)
    column = min(column, room / 2)
    free = room - column - (panels - 1) * GAP
    scale = min(free / (panels * (right - left)), (most - above) / (bottom - top))
    below = max(least - (bottom - top) * scale, 0.0)
    return View(image, left, right, top, bottom, panels, column, scale, above, below)


def sheet_size(
    heading: Heading, box: tuple[float, float], left: float, below: float
) -> tuple[float, float]:
    """Size of a figure in which axes of a size have a heading, and room for ticks and labels."""
    lines = len(wrapped(heading.subtitle, 0.75 * PAGE, SMALL))
    above = 14 + TITLE * LINE + lines * SMALL * LINE
    return max(left + box[0] + RIGHT, PAGE), below + box[1] + above


def put(ax: Axes, box: tuple[float, float], left: float, below: float) -> None:
    """Places axes of a figure of their own, in points from its lower left corner.

    The layouts of matplotlib take axes of equal scales for as large as they were before they were
    made equal, and cut labels off.
    """
    figure = ax.figure
    assert isinstance(figure, Figure)
    figure.set_layout_engine("none")
    wide, high = figure.get_size_inches() * 72
    ax.set_position((left / wide, below / high, box[0] / wide, box[1] / high))


def extent(ax: Axes) -> tuple[float, float]:
    """Width and height of axes, in points."""
    box = ax.get_window_extent()
    return max(box.width / ax.figure.dpi * 72, 1.0), max(box.height / ax.figure.dpi * 72, 1.0)


def _shown(first: int, last: int, side: int) -> Pair:
    """The first and last pixel that are shown along one axis."""
    margin = max(1, side // 50)
    overs = (max(over, 0) for over in (-first, last - side + 1))
    before, after = (over if over <= BEYOND * side else round(CUT * side) for over in overs)
    return -before - margin, side - 1 + after + margin


@contextmanager
def opened(
    ax: Axes | None, theme: str, heading: Heading, view: View
) -> Iterator[tuple[Axes, Theme]]:
    """A chart whose axes are pixels."""
    size = sheet_size(heading, view.box, LEFT, BELOW) if ax is None else extent(ax)
    with chart(ax, theme, heading, size) as (drawn, look):
        yield drawn, look
        _lay(drawn, view)
        if ax is None:
            put(drawn, view.box, LEFT, BELOW)


def _lay(ax: Axes, view: View) -> None:
    """Axes of pixels for every panel."""
    height, width = view.image
    ax.set(
        xlim=(view.left, view.end + view.column / view.scale),
        ylim=(view.bottom + view.below / view.scale, view.top - view.above / view.scale),
        aspect="equal",
        anchor="NW",
    )
    ax.spines.bottom.set_position(("data", view.bottom))
    ax.set_xlabel("column (pixels)", loc="left")
    ax.set_ylabel("row (pixels)", loc="top")
    across = _ticks(width, int(width * view.scale / 30))
    ax.set_xticks(
        [tick + panel * view.step for panel in range(view.panels) for tick in across],
        [str(tick) for _ in range(view.panels) for tick in across],
    )
    ax.set_yticks(_ticks(height, int(height * view.scale / 20)))
    ax.spines[:].set_visible(False)


def _ticks(side: int, most: int) -> list[int]:
    if side == 1 or most < 2:
        return [0]
    places = MaxNLocator(min(most, 8), integer=True).tick_values(0, side - 1)
    return [int(place) for place in places if 0 <= place < side]


def rectangle(
    ax: Axes,
    view: View,
    spans: Sequence[tuple[float, float]],
    gid: str,
    panel: int = 0,
    **look: Any,
) -> None:
    """The pixels of `spans`, as a rectangle around the whole of them, cut off where the view is."""
    (top, bottom), (left, right) = spans
    shift = panel * view.step
    corner = left - 0.5 + shift, top - 0.5
    drawn = ax.add_patch(Rectangle(corner, right - left + 1, bottom - top + 1, gid=gid, **look))
    seen = view.left + shift - 0.5, view.top - 0.5
    size = view.right - view.left + 1, view.bottom - view.top + 1
    drawn.set_clip_path(Rectangle(seen, *size, transform=ax.transData))


class Note(NamedTuple):
    """Words in the column, and the point that they are about."""

    text: str
    at: tuple[float, float]
    colour: str


def notes(ax: Axes, view: View, said: Sequence[Note]) -> None:
    """Words beside what they are about, with a line to it."""
    pixel = 1 / view.scale
    order = sorted(said, key=lambda note: note.at[1])
    texts = ["\n".join(wrapped(note.text, view.column - 26, TEXT)) for note in order]
    middles = spread_out(
        [note.at[1] for note in order],
        [text_height(text) * pixel for text in texts],
        view.top,
    )
    x = view.end + 22 * pixel
    for note, text, middle in zip(order, texts, middles, strict=True):
        ax.plot(
            (note.at[0], x - 8 * pixel, x - 3 * pixel),
            (note.at[1], middle, middle),
            color=note.colour,
            linewidth=0.8,
            zorder=4,
        )
        said_there = ax.text(x, middle, text, va="center", size=TEXT, linespacing=LINE)
        said_there.set_in_layout(False)


def spread_out(
    wanted: Sequence[float], heights: Sequence[float], least: float, most: float = inf
) -> list[float]:
    """Middles of texts one below the other, as near as there is room to where they are wanted.

    None begins before `least`; none ends after `most`, if all have room until there.
    """
    placed: list[float] = []
    end = least
    for middle, height in zip(wanted, heights, strict=True):
        placed.append(max(middle, end + height / 2))
        end = placed[-1] + height / 2
    end = max(most, least + sum(heights))
    for number in reversed(range(len(placed))):
        placed[number] = min(placed[number], end - heights[number] / 2)
        end = placed[number] - heights[number] / 2
    return placed


SIGN = 40
"""What the sign of a line takes of the legend's width, in points."""


def legend_height(text: str, column: float) -> float:
    """What a line of the legend needs with the gap before it, in points."""
    return len(wrapped(text, column - SIGN, SMALL)) * SMALL * LINE + 0.5 * SMALL


def legend(ax: Axes, view: View, handles: Sequence[Any]) -> None:
    """What the signs mean, at the foot of the column."""
    for handle in handles:
        handle.set_label("\n".join(wrapped(handle.get_label(), view.column - SIGN, SMALL)))
    drawn = ax.legend(
        handles=list(handles),
        loc="lower left",
        bbox_to_anchor=(view.end + 12 / view.scale, view.bottom + view.below / view.scale),
        bbox_transform=ax.transData,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=1.6,
        labelspacing=0.5,
        fontsize=SMALL,
    )
    drawn.set_in_layout(False)
