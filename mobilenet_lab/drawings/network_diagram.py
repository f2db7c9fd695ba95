"""A whole network on a page: a row for each block, equal ones folded, maps and channels to scale.

Rows run from the input down. At the left flows what one row hands to the next, and in lanes beside
it what is handed to later ones: taps of detectors, skips between blocks.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Arc, Circle, FancyBboxPatch, Polygon, Rectangle

from mobilenet_lab.drawings.canvas import (
    MARGIN,
    PAGE,
    SMALL,
    TEXT,
    Heading,
    describe,
    sheet,
    text_width,
)
from mobilenet_lab.drawings.network_folding import Link, laid
from mobilenet_lab.drawings.network_legend import DOT, THICK, Legend
from mobilenet_lab.drawings.network_lines import Line, goes_down, is_output, rows, shown_sides
from mobilenet_lab.drawings.network_summary import Step, Summary
from mobilenet_lab.drawings.network_words import SPACE, cut, fitted, pieces, words_width
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Network, trace
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import CONVENTION, heading, unknown_operations

ROW, GAP = 25.0, 3.0
"""Height of a row, and what is left between large maps."""
LARGEST, SMALLEST = 48.0, 20.0
"""The longest side of a map, in points: SMALLEST where large maps are many."""
LANE, SPINE = 7.0, 9.0
"""Distance of two lanes, and of the rows' own line from the last lane and from the texts."""
WORDS = 240.0
"""Room that the words of a row may ask for; longer ones are shortened."""
HEADER = 15.0
"""Height of the line of columns' titles, and of that of a section."""
NUMBERS, SHARES = 43.0, 34.0
"""Widths of the columns of MACs and of shares."""


BAR, LONGEST = 64.0, 150.0
"""The bar of the most channels: its least and greatest length."""


class Place(NamedTuple):
    """Where things are, in points."""

    spine: float
    text: float
    room: float
    """Width of the texts."""
    map: float
    """The middle of the maps."""
    bar: float
    """The left end of the bars."""
    macs: float
    share: float
    """The right ends of the numbers."""
    scale: float
    """Points for one pixel."""
    channel: float
    """Points for one channel: the longest bar takes what room the texts leave."""
    tops: tuple[float, ...]
    """The upper end of each row, from the top of the first downwards."""
    heights: tuple[float, ...]


def network(
    network: Network,
    *,
    level: str | None = None,
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """Draws a network from its trace: one row for each block or run of equal blocks.

    `level` is "block" or "stage"; unless it is given, blocks, or stages where the blocks would be
    too many to follow. Further options are those of the network (width, resolution ...).

    Raises:
        UnknownNameError: no such network, option, level or theme.
        LabError: the rows are more than fit on a page.
    """
    found = trace(network, **options)
    lines, flow, rows_are = rows(found, level)
    lanes = laid(flow, goes_down([line.fold for line in lines]))
    return Diagram(found, lines, flow, lanes, rows_are).drawn(ax, theme)


class Diagram:
    """Everything that is drawn of one network."""

    def __init__(
        self,
        trace: Trace,
        lines: Sequence[Line],
        flow: Sequence[Link],
        lanes: Sequence[tuple[Link, int]],
        level: str,
    ) -> None:
        self.level = level
        self.trace, self.lines, self.flow, self.lanes = trace, lines, flow, lanes
        self.named = {
            line.fold.section
            for one, line in pairwise(lines)
            if one.fold.section == line.fold.section
        } - {""}
        self.at = self.place()
        self.height = self.at.tops[-1] + self.at.heights[-1]

    def place(self) -> Place:
        """Room for everything on the width of a page."""
        count = 1 + max([number for _, number in self.lanes], default=-1)
        spine = MARGIN + count * LANE + SPINE
        longest = max([max(shown_sides(line)) for line in self.lines]) or 1
        scale = LARGEST / longest
        tall = [self.tall(line, scale) for line in self.lines]
        if sum(tall) > 1.4 * ROW * len(tall):
            scale = SMALLEST / longest
            tall = [self.tall(line, scale) for line in self.lines]
        widest = max([shown_sides(line)[0] for line in self.lines]) * scale
        shapes = max([text_width(write(line.shape, "shape"), SMALL) for line in self.lines])
        half = max(widest, text_width("map", SMALL)) / 2
        share = PAGE - MARGIN
        macs = share - SHARES
        text = spine + SPINE + 10
        free = macs - NUMBERS - 2 * half - text - 24
        least = max(BAR, shapes)
        room = min(max(map(self.wanted, range(len(self.lines)))), free - least)
        longest = min(free - room, LONGEST)
        bar = macs - NUMBERS - 6 - longest
        middle = bar - half - 10
        room = middle - half - 8 - text
        tops, y = [], HEADER
        for number, line in enumerate(self.lines):
            y += HEADER if self.opens(number) else 0
            tops.append(y)
            y += self.tall(line, scale)
        most = max([line.channels for line in self.lines])
        return Place(
            spine,
            text,
            room,
            middle,
            bar,
            macs,
            share,
            scale,
            min(longest, LONGEST) / most,
            tuple(tops),
            tuple(tall),
        )

    def wanted(self, number: int) -> float:
        """What the texts of a row would like to have."""
        line = self.lines[number]
        name = text_width(self.called(line), TEXT) + 8
        times = text_width(f"×{line.fold.times}", TEXT, "bold") + 6 if line.fold.times > 1 else 0
        tags = sum([text_width(tag, SMALL) + 10 for tag in line.tags])
        does = words_width(self.told(number, line.summary.steps))
        if does > WORDS:
            does = min(WORDS, words_width(self.told(number, line.summary.counts)))
        return max(name + times + tags, does) + 4

    def called(self, line: Line) -> str:
        """The name of a row below that of its section."""
        section = line.fold.section
        return (
            line.fold.name.removeprefix(f"{section}.") if section in self.named else line.fold.name
        )

    def told(self, number: int, steps: Sequence[Step]) -> list[Step]:
        """What a row does, and which landmarks come to it from far."""
        names = {index: name for name, index in self.trace.taps.items()}
        far = [
            names[link.layer]
            for link, _ in self.lanes
            if number in link.ends and link.layer in names
        ]
        told = [*steps] if self.lines[number].share or not self.is_input(number) else []
        return [*told, *([Step(f"  ← {', '.join(far)}")] if far else [])]

    def is_input(self, number: int) -> bool:
        """Whether it is what the network is given."""
        return self.trace.layers[self.lines[number].fold.exit].op == "input"

    def tall(self, line: Line, scale: float) -> float:
        """The height of a row."""
        return max(ROW, shown_sides(line)[1] * scale + GAP)

    def opens(self, number: int) -> bool:
        """Whether a section begins with this row."""
        section = self.lines[number].fold.section
        before = self.lines[number - 1].fold.section if number else ""
        return section in self.named and section != before

    def drawn(self, ax: Axes | None, theme: str) -> Axes:
        """Draws it all."""
        notes = [
            f"MACs by convention {CONVENTION}; a row ×n is counted n times",
            *unknown_operations(self.trace),
        ]
        title = Heading(heading(self.trace), "\n".join(notes))
        legend = Legend(self)
        with sheet(ax, theme, title, (PAGE, self.height + legend.height + 2 * MARGIN)) as (
            ax,
            look,
        ):
            self.ax, self.look = ax, look
            self.top = self.height + legend.height + 2 * MARGIN
            most = max([line.share for line in self.lines])
            self.shades = matplotlib.colormaps[look.shades]
            self.most = most or 1.0
            self.titles()
            self.sections()
            self.runs()
            self.flows()
            for number, line in enumerate(self.lines):
                self.row(number, line)
            legend.draw(self)
        describe(ax, self.said())
        return ax

    def y(self, number: int) -> float:
        """The middle of a row."""
        return self.top - self.at.tops[number] - self.at.heights[number] / 2

    def colour(self, line: Line) -> Any:
        """The colour of a row's share; none of what costs nothing."""
        return self.shades(line.share / self.most) if line.macs else "none"

    def line(self, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
        """A line through points."""
        self.ax.add_artist(Line2D(x, y, **style))

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """A text whose middle is at `y`."""
        settings = {"va": "center_baseline", "size": SMALL, "color": self.look.ink, **style}
        self.ax.text(x, y, text, **settings)

    def titles(self) -> None:
        """What the columns hold."""
        y = self.top - HEADER / 2
        at, style = self.at, {"color": self.look.muted, "size": SMALL}
        self.text(at.text, y, self.level, **style)
        self.text(at.map, y, "map", ha="center", **style)
        self.text(at.bar, y, "output, channels", **style)
        self.text(at.macs, y, "MACs", ha="right", **style)
        self.text(at.share, y, "share", ha="right", **style)

    def sections(self) -> None:
        """A tint behind the rows of a part (a backbone, say) and its name over them."""
        number = 0
        while number < len(self.lines):
            if not self.opens(number):
                number += 1
                continue
            section, first = self.lines[number].fold.section, number
            while number < len(self.lines) and self.lines[number].fold.section == section:
                number += 1
            top = self.top - self.at.tops[first] + HEADER
            bottom = self.top - self.at.tops[number - 1] - self.at.heights[number - 1]
            left = self.at.spine + SPINE
            self.ax.add_artist(
                Rectangle(
                    (left, bottom),
                    PAGE - MARGIN + 3 - left,
                    top - bottom,
                    facecolor=self.look.faint,
                    alpha=0.28,
                    linewidth=0,
                    zorder=0.5,
                )
            )
            style = {"color": self.look.muted, "weight": "bold"}
            self.text(self.at.text, top - HEADER / 2, fitted(section, self.at.room), **style)

    def runs(self) -> None:
        """A bracket along several rows that are repeated together."""
        for first, last in sorted({line.fold.run for line in self.lines}):
            if first == last:
                continue
            x, arm = self.at.text + self.at.room + 2, 3.0
            up, down = self.y(first) + ROW / 2 - 3, self.y(last) - ROW / 2 + 3
            self.line([x - arm, x, x, x - arm], [up, up, down, down], color=self.look.muted, lw=0.8)

    def flows(self) -> None:
        """What goes from row to row, and in lanes beside them."""
        look, spine = self.look, self.at.spine
        straight = goes_down([line.fold for line in self.lines])
        for link in self.flow:
            if straight(link):
                up, down = self.y(link.start) - 3, self.y(link.start + 1) + 3
                self.line(
                    [spine, spine],
                    [up, down + 2],
                    color=look.ink,
                    lw=1.0,
                    gid=f"flow:{link.layer}:{link.start + 1}",
                    solid_capstyle="butt",
                )
                self.head(spine, down, "down")
        for link, lane in self.lanes:
            x, reach = spine - SPINE - lane * LANE, 4.0
            start, end = self.y(link.start) - 1.5, self.y(link.ends[-1]) + 1.5
            self.line(
                [spine - 3, x + reach, x, x, x + reach, spine - 3],
                [start, start, start - reach, end + reach, end, end],
                color=look.muted,
                lw=1.0,
                gid=f"lane:{link.layer}:{link.ends[-1]}",
                solid_joinstyle="round",
                zorder=1.5,
            )
            self.head(spine - 2.5, end, "right")
            for other in link.ends[:-1]:
                y = self.y(other) + 1.5
                self.line(
                    [x, x + reach, spine - 3],
                    [y + reach, y, y],
                    color=look.muted,
                    lw=1.0,
                    gid=f"lane:{link.layer}:{other}",
                    zorder=1.5,
                )
                self.head(spine - 2.5, y, "right")

    def head(self, x: float, y: float, way: str) -> None:
        """The head of an arrow with its point at (x, y)."""
        points = {
            "down": [(x, y), (x - 2, y + 4), (x + 2, y + 4)],
            "right": [(x, y), (x - 4, y + 2), (x - 4, y - 2)],
        }[way]
        colour = self.look.ink if way == "down" else self.look.muted
        self.ax.add_artist(Polygon(points, facecolor=colour, linewidth=0, zorder=2))

    def row(self, number: int, line: Line) -> None:
        """One row: its node, texts, map, bar and numbers."""
        y, at, look = self.y(number), self.at, self.look
        self.node(at.spine, y, line.summary, any(map(is_output, line.tags)), f":{number}")
        self.name(number, line, y + 5.5)
        self.words(number, line.summary, y - 5)
        wide, high = [side * at.scale for side in shown_sides(line)]
        if line.map:
            high = high or THICK
            dot = max(wide, high) < DOT
            if dot:
                self.dot(at.map, y, f"dot:{number}")
            self.ax.add_artist(
                Rectangle(
                    (at.map - wide / 2, y - high / 2),
                    wide,
                    high,
                    facecolor=self.colour(line),
                    edgecolor=look.muted,
                    linewidth=0 if dot else 0.6,
                    gid=f"map:{number}",
                )
            )
        self.ax.add_artist(
            Rectangle(
                (at.bar, y - 3 - THICK),
                line.channels * at.channel,
                THICK,
                facecolor=self.colour(line),
                edgecolor=look.muted,
                linewidth=0.6,
                gid=f"channels:{number}",
            )
        )
        self.text(at.bar, y + 5.5, write(line.shape, "shape"), gid=f"shape:{number}")
        if not self.is_input(number):
            macs = write(line.macs, "short")
            self.text(at.macs, y, macs, ha="right", color=look.muted, gid=f"macs:{number}")
            share = "–" if line.macs is None else write(line.share, "share") if line.macs else "0"
            self.text(at.share, y, share, ha="right", gid=f"share:{number}")

    def node(self, x: float, y: float, does: Summary, answers: bool, gid: str = "") -> None:
        """The point of a row on the line of flow, with the marks of a skip and a gate."""
        look = self.look
        if does.skip:
            self.ax.add_artist(
                Arc(
                    (x, y),
                    13,
                    17,
                    theta1=-90,
                    theta2=90,
                    color=look.muted,
                    lw=1.0,
                    gid=f"skip{gid}",
                )
            )
        if does.gate:
            self.gate(x + 10.5, y, f"gate{gid}")
        face = look.ink if answers else look.paper
        self.ax.add_artist(Circle((x, y), 3, facecolor=face, edgecolor=look.ink, lw=1.0, zorder=3))
        if does.skip:
            style: dict[str, Any] = {"color": look.ink, "lw": 0.8, "zorder": 3.5}
            self.line([x - 1.7, x + 1.7], [y, y], **style)
            self.line([x, x], [y - 1.7, y + 1.7], **style)

    def dot(self, x: float, y: float, gid: str = "dot") -> None:
        """What stands for a map that is too small to be seen."""
        self.ax.add_artist(Circle((x, y), DOT / 2, facecolor=self.look.ink, lw=0, gid=gid))

    def gate(self, x: float, y: float, gid: str = "gate") -> None:
        """The mark of a gate."""
        points = [(x, y + 3), (x + 3, y), (x, y - 3), (x - 3, y)]
        colour = self.look.family("gate")
        self.ax.add_artist(Polygon(points, facecolor=colour, linewidth=0, zorder=3, gid=gid))

    def name(self, number: int, line: Line, y: float) -> None:
        """Its name, how often it comes, and its tags."""
        at, fold = self.at, line.fold
        times = f"×{fold.times}" if fold.times > 1 else ""
        tags = [*line.tags]
        widths = [text_width(tag, SMALL) + 10 for tag in tags]
        taken = sum(widths) + (text_width(times, TEXT, "bold") + 6 if times else 0)
        while tags and taken > at.room * 0.7:
            tags.pop(0)
            taken -= widths.pop(0)
        name = fitted(self.called(line), at.room - taken - 4, TEXT)
        self.text(at.text, y, name, size=TEXT, gid=f"name:{number}")
        x = at.text + text_width(name, TEXT) + 5
        if times:
            self.text(x, y, times, size=TEXT, weight="bold", gid=f"times:{number}")
            x += text_width(times, TEXT, "bold") + 6
        for tag, width in zip(tags, widths, strict=True):
            self.badge(x + 3, y, tag)
            x += width

    def badge(self, x: float, y: float, tag: str) -> None:
        """A name in a frame."""
        look, width = self.look, text_width(tag, SMALL)
        answer = is_output(tag)
        self.ax.add_artist(
            FancyBboxPatch(
                (x, y - 4),
                width,
                8,
                boxstyle="round,pad=1.2",
                facecolor=look.ink if answer else look.paper,
                edgecolor=look.ink if answer else look.muted,
                linewidth=0.6,
            )
        )
        self.text(x, y, tag, color=look.paper if answer else look.ink)

    def words(self, number: int, does: Summary, y: float) -> None:
        """What a row does; each step is underlined in the colour of its family."""
        room, x = self.at.room, self.at.text
        steps = self.told(number, does.steps)
        if words_width(steps) > room:
            steps = cut(self.told(number, does.counts), room)
        for before, step, after in pieces(steps):
            piece = f"{before}{step.text}{after}"
            self.text(x, y, piece, gid=f"does:{number}")
            if step.family not in ("", "other"):
                left = text_width(f"{before}|", SMALL) - text_width("|", SMALL)
                self.line(
                    [x + left, x + text_width(f"{before}{step.text}", SMALL)],
                    [y - 5.2, y - 5.2],
                    color=self.look.family(step.family),
                    lw=1.6,
                    solid_capstyle="butt",
                )
            x += text_width(piece, SMALL) + SPACE

    def said(self) -> str:
        """The figure in words."""
        times = [
            f"{line.fold.name} ×{line.fold.times}" for line in self.lines if line.fold.times > 1
        ]
        most = sorted(self.lines, key=lambda line: -line.share)[:3]
        shares = ", ".join(f"{line.fold.name} {write(line.share, 'share')}" for line in most)
        outputs = " and ".join(
            write(self.trace.layers[index].out_shape, "shape") for index in self.trace.outputs
        )
        lanes = f" {len(self.lanes)} outputs are also read further down." if self.lanes else ""
        folds = f" Folded: {', '.join(times)}." if times else ""
        return (
            f"Network diagram of {heading(self.trace)}: {len(self.lines)} rows from the input "
            f"{write(self.trace.input_shape, 'shape')} to {outputs}.{folds}{lanes} "
            f"Most MACs: {shares}. {CONVENTION}."
        )
