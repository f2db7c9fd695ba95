"""What a reader would stumble over in a figure, measured with the renderer."""

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text

Extents = tuple[float, float, float, float]
"""Left, lower, right and upper end, in pixels."""
SLACK = 0.5
"""Pixels by which two boxes may touch."""


def shown_texts(figure: Figure) -> list[Text]:
    """Every text that is drawn, tick labels too; a text without letters is none."""
    figure.draw_without_rendering()
    of_ticks: set[Text] = set()
    drawn: list[Text] = []
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                of_ticks |= {tick.label1, tick.label2}
            of_ticks.add(axis.label)
            of_ticks.add(axis.get_offset_text())
            if ax.axison and axis.get_visible():
                for tick in axis._update_ticks():
                    drawn += [tick.label1, tick.label2]
                drawn += [axis.label, axis.get_offset_text()]
    drawn += [text for text in figure.findobj(Text) if text not in of_ticks]
    return [text for text in dict.fromkeys(drawn) if text.get_visible() and text.get_text().strip()]


def flaws(figure: Figure) -> list[str]:
    """One sentence for each text that leaves the canvas or overlaps another."""
    texts = shown_texts(figure)
    boxes = [text.get_window_extent() for text in texts]
    extents = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]  # read often
    canvas = figure.bbox
    found = [
        f"{text.get_text()!r} leaves the canvas"
        for text, box in zip(texts, boxes, strict=True)
        if not (
            canvas.x0 - SLACK <= box.x0
            and box.x1 <= canvas.x1 + SLACK
            and canvas.y0 - SLACK <= box.y0
            and box.y1 <= canvas.y1 + SLACK
        )
    ]
    found += [
        f"{one.get_text()!r} overlaps {other.get_text()!r}"
        for (one, box), (other, its) in combinations(zip(texts, extents, strict=True), 2)
        if _overlap(box, its)
    ]
    return found


def _overlap(one: Extents, other: Extents) -> bool:
    """Whether two boxes share more than SLACK in both directions."""
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > SLACK
        and min(one[3], other[3]) - max(one[1], other[1]) > SLACK
    )
