"""The legend of a network diagram: samples of its scales, marks and colours."""

from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from mobilenet_lab.drawings.canvas import MARGIN, PAGE, SMALL, text_width
from mobilenet_lab.drawings.network_lines import is_output, shown_sides
from mobilenet_lab.drawings.network_summary import Summary
from mobilenet_lab.families import FAMILIES
from mobilenet_lab.reports.table import write

if TYPE_CHECKING:
    from mobilenet_lab.drawings.network_diagram import Diagram

DOT = 1.4
"""Width of the dot that stands for a map smaller than it, in points."""
THICK = 5.0
"""Of a bar, in points."""


class Legend:
    """What the marks mean, with samples of the scales; in as many lines as they need."""

    def __init__(self, diagram: "Diagram") -> None:
        self.items: list[tuple[str, str]] = []
        lines = diagram.lines
        families = {step.family for line in lines for step in line.summary.steps if step.family} - {
            "other",
            "gate",
        }
        self.items += [("shades", "")]
        side = max([max(shown_sides(line)) for line in lines])
        units = "pixels" if len(diagram.trace.input_shape) > 2 else "positions"
        if side:
            self.items.append(("map", f"{_round(side / 2)} {units}"))
        if any(0 < max(shown_sides(line)) * diagram.at.scale < DOT for line in lines):
            self.items.append(("dot", "smaller map"))
        most = max([line.channels for line in lines])
        self.items.append(("channels", f"{_round(most / 2)} channels"))
        if any(line.summary.skip for line in lines):
            self.items.append(("skip", "skip inside the block"))
        if any(line.summary.gate for line in lines):
            self.items.append(("diamond", "gate; SE: squeeze-and-excitation"))
        if not all(is_output(tag) for line in lines for tag in line.tags):
            self.items.append(("tap", "name of a landmark"))
        self.items += [(name, FAMILIES[name]) for name in FAMILIES if name in families]
        self.widths = [
            self.room(diagram, kind) + text_width(text, SMALL) + 14 for kind, text in self.items
        ]
        self.places, x, y = [], MARGIN, 0.0
        for width in self.widths:
            if x + width > PAGE - MARGIN and x > MARGIN:
                x, y = MARGIN, y + 14
            self.places.append((x, y))
            x += width
        self.height = y + 14

    def room(self, diagram: "Diagram", kind: str) -> float:
        """What a sample needs before its text."""
        lines, at = diagram.lines, diagram.at
        if kind == "map":
            return _round(max(max(shown_sides(line)) for line in lines) / 2) * at.scale + 4
        if kind == "channels":
            return _round(max(line.channels for line in lines) / 2) * at.channel + 4
        marks = {"shades": 128.0, "skip": 18.0, "diamond": 10.0, "dot": 7.0, "tap": 20.0}
        return marks.get(kind, 14.0)

    def draw(self, diagram: "Diagram") -> None:
        """Draws it under the rows."""
        ax, look = diagram.ax, diagram.look
        for (kind, text), (x, down) in zip(self.items, self.places, strict=True):
            y = MARGIN + self.height - down - 7
            room = self.room(diagram, kind)
            diagram.text(x + room, y, text, color=look.muted, gid=f"legend:{kind}")
            if kind == "shades":
                self.shades(diagram, x, y)
            elif kind == "map":
                diagram.line([x, x + room - 4], [y, y], color=look.ink, lw=1, gid="scale:map")
                for end in (x, x + room - 4):
                    diagram.line([end, end], [y - 2, y + 2], color=look.ink, lw=1)
            elif kind == "channels":
                ax.add_artist(
                    Rectangle(
                        (x, y - THICK / 2),
                        room - 4,
                        THICK,
                        facecolor=look.faint,
                        edgecolor=look.muted,
                        lw=0.6,
                        gid="scale:channels",
                    )
                )
            elif kind == "skip":
                diagram.node(x + 5, y, Summary((), (), True, False), False)
            elif kind == "dot":
                diagram.dot(x + 3, y)
            elif kind == "diamond":
                diagram.gate(x + 4, y)
            elif kind == "tap":
                diagram.badge(x + 2, y, "C3")
            else:
                diagram.line([x, x + 10], [y, y], color=look.family(kind), lw=2.4)

    def shades(self, diagram: "Diagram", x: float, y: float) -> None:
        """The colours of the shares, from none to the largest."""
        width, steps = 50.0, 25
        diagram.text(x, y, "share 0", color=diagram.look.muted)
        left = x + text_width("share 0", SMALL) + 3
        for step in range(steps):
            diagram.ax.add_artist(
                Rectangle(
                    (left + step * width / steps, y - 3),
                    width / steps + 0.2,
                    6,
                    facecolor=diagram.shades(step / (steps - 1)),
                    lw=0,
                )
            )
        diagram.text(left + width + 3, y, write(diagram.most, "share"), color=diagram.look.muted)


def _round(value: float) -> int:
    """The largest of 1, 2, 5, 10 ... that is not above."""
    best = 1
    for power in range(12):
        for digit in (1, 2, 5):
            if digit * 10**power <= value:
                best = digit * 10**power
    return best
