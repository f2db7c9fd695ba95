"""The Mermaid flow charts of the networks' pages as SVG, drawn here: no script is loaded.

One box to a line, top down; what flows further than to the next box goes round on the right.
"""

import re
from html import escape, unescape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTH, HEIGHT, STEP, LANE = 340, 30, 48, 18
Arrow = tuple[int, int]


def read(text: str) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Box -> the lines in it, and the arrows.

    Raises:
        ValueError: a line is something else.
    """
    boxes, arrows = {}, []
    for line in filter(None, map(str.strip, text.splitlines())):
        if box := re.fullmatch(r'(\w+)\["(.*)"\]', line):
            boxes[box[1]] = [unescape(part) for part in box[2].split("<br>")]
        elif arrow := re.fullmatch(r"(\w+) --> (\w+)", line):
            arrows.append((arrow[1], arrow[2]))
        elif line != "flowchart TD":
            raise ValueError(f"not a box, and not an arrow: {line}")
    return boxes, arrows


def lanes(arrows: list[Arrow]) -> dict[Arrow, int]:
    """Which lane each arrow takes: no two run beside each other in one; short ones first."""
    taken: dict[Arrow, int] = {}
    for start, end in sorted(arrows, key=lambda arrow: arrow[1] - arrow[0]):
        beside = {lane for (a, b), lane in taken.items() if a <= end and start <= b}
        taken[start, end] = next(lane for lane in range(len(arrows)) if lane not in beside)
    return taken


def svg(text: str) -> str:
    """The flow chart as an SVG element that takes its colours from the page."""
    boxes, named = read(text)
    place = {name: index for index, name in enumerate(boxes)}
    arrows = [(place[start], place[end]) for start, end in named]
    far = lanes([arrow for arrow in arrows if arrow[1] != arrow[0] + 1])
    width = WIDTH + LANE * (1 + max(far.values(), default=-1)) + 12
    height = STEP * (len(boxes) - 1) + HEIGHT + 2
    parts = [
        f'<svg class="flowchart" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>From {escape(next(iter(boxes.values()))[0])} through {len(boxes)} stages</title>",
    ]
    for start, end in arrows:
        top, bottom = STEP * start + HEIGHT + 1, STEP * end + 1
        if end == start + 1:
            line = f"M 40 {top} V {bottom - 2}"
            tip = f"M 36 {bottom - 7} l 4 6 l 4 -6 z"
        else:
            out, into = top - 8, bottom + 8
            x = WIDTH + LANE * (1 + far[start, end])
            line = f"M {WIDTH} {out} H {x - 6} q 6 0 6 6 V {into - 6} q 0 6 -6 6 H {WIDTH + 3}"
            tip = f"M {WIDTH + 8} {into - 4} l -7 4 l 7 4 z"
        parts.append(f'<path class="flow" d="{line}"/><path class="tip" d="{tip}"/>')
    for index, (name, *facts) in enumerate(boxes.values()):
        y = STEP * index + 1
        middle = y + HEIGHT / 2 + 5
        parts += [
            f'<rect x="1" y="{y}" width="{WIDTH - 1}" height="{HEIGHT}" rx="4"/>',
            f'<text x="12" y="{middle}">{escape(name)}</text>',
            f'<text x="{WIDTH - 12}" y="{middle}" class="fact">{escape(" ".join(facts))}</text>',
        ]
    return "\n".join([*parts, "</svg>"])


class Mermaid(SphinxDirective):
    """The fence ```mermaid."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            drawn = svg("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", f'<div class="flowchart">{drawn}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("mermaid", Mermaid)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
