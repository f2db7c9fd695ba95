"""An image with its pixels as axes, rectangles on it, and a column of words beside it.

All is in pixels of the input: the centre of the first is (0, 0), rows count downwards.
"""

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mobilenet_lab.drawings.canvas import LINE, PAGE, SMALL, TEXT, text_height, wrapped
from mobilenet_lab.layers import Pair

Spans = tuple[Pair, Pair]
"""First and last pixel, vertical and horizontal."""
HEIGHT = 290.0
"""Of the image, at most, in points."""
AROUND = 50.0
"""What axes take beside the image, in points."""
GAP = 24.0
BEYOND = 0.6
"""How much of what lies outside of the image is shown, in sides of the image."""


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
    size: tuple[float, float]
    """Of a figure of its own, in points."""

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
    if ax is None:
        room, most = PAGE - AROUND, HEIGHT
    else:
        box = ax.get_window_extent()
        room, most = (side / ax.figure.dpi * 72 for side in (box.width, box.height))
    column = min(column, room / 2)
    free = room - column - (panels - 1) * GAP
    scale = min(free / (panels * (right - left)), (most - above) / (bottom - top))
    high = (bottom - top) * scale
    below = max(least - high, 0.0)
    size = PAGE, above + high + below + 90
    return View(image, left, right, top, bottom, panels, column, scale, above, below, size)


def _shown(first: int, last: int, side: int) -> Pair:
    most = round(BEYOND * side)
    margin = max(1, side // 50)
    before, after = (min(max(over, 0), most) for over in (-first, last - side + 1))
    return -before - margin, side - 1 + after + margin


def lay(ax: Axes, view: View) -> None:
    """Axes of pixels for every panel."""
    height, width = view.image
    ax.set(
        xlim=(view.left, view.end + view.column / view.scale),
        ylim=(view.bottom + view.below / view.scale, view.top - view.above / view.scale),
        aspect="equal",
        anchor="NW",
    )
    ax.set_xlabel("column (pixels)", loc="left")
    ax.set_ylabel("row (pixels)", loc="top")
    across = _ticks(width, int(width * view.scale / 30))
    ax.set_xticks(
        [tick + panel * view.step for panel in range(view.panels) for tick in across],
        [str(tick) for _ in range(view.panels) for tick in across],
    )
    ax.set_yticks(_ticks(height, int(height * view.scale / 20)))
    ax.spines[["left", "bottom"]].set_visible(False)


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
        ax.text(x, middle, text, va="center", size=TEXT, linespacing=LINE)


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


def legend(ax: Axes, view: View, handles: Sequence[Any]) -> None:
    """What the signs mean, at the foot of the column."""
    ax.legend(
        handles=list(handles),
        loc="lower left",
        bbox_to_anchor=(view.end + 12 / view.scale, ax.get_ylim()[0]),
        bbox_transform=ax.transData,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=1.6,
        labelspacing=0.5,
        fontsize=SMALL,
    )
