"""Blocks of networks drawn to scale: channels as height, time from left to right."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, PathPatch, Polygon, Rectangle

from mobilenet_lab.drawings.blocks_bands import Band, again, clipped, folded, held
from mobilenet_lab.drawings.blocks_curves import ribbon, rounded
from mobilenet_lab.drawings.blocks_layout import ROUND, Layout, Path, Place, Point, Strip
from mobilenet_lab.drawings.blocks_steps import Graph, Node, graph
from mobilenet_lab.drawings.canvas import (
    LINE,
    MARGIN,
    PAGE,
    SMALL,
    TEXT,
    Heading,
    Theme,
    describe,
    sheet,
    text_width,
    wrapped,
)
from mobilenet_lab.errors import LabError
from mobilenet_lab.families import FAMILIES
from mobilenet_lab.networks import Network, trace
from mobilenet_lab.verbs.common import CONVENTION, heading, spread

HEIGHTS = (150.0, 130.0, 110.0, 95.0, 80.0, 65.0)
"""Of the widest map: the first at which the blocks fit ENOUGH."""
ENOUGH = 560.0
"""Height of all blocks together, in points, above which maps are drawn smaller."""
ROOM = PAGE - 2 * MARGIN
MOST_EXTRA = 44.0
"""By how much a column may be wider than its texts need."""
ASCENT = SMALL * 0.95
"""From the top of a line of text to its baseline."""
FAINT = 0.8
"""Opacity of what only moves channels."""
HATCH = "////"
BETWEEN = 16.0
"""Between bands and blocks."""
LEGEND = 13.0
"""Height of a row of the legend."""
SCALE = 34.0
"""Room of the scale's bar."""


def block(
    *networks: Network,
    block: str | list[str] | None = None,
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """Draws blocks of networks one under another, on one scale: points of height per channel.

    Maps are bars as high as they have channels, operations lead from the height that they read to
    the height that they make; each is labelled with kernel, stride, groups, activation, parameters
    and MACs. Hatched layers are linear: no activation follows.

    `block` is the name of a block ("stage2.1"; `summary --level block` shows them), a list of names
    or a text of several with commas: one for each network, or several of one network. Without it
    the block whose structure comes most often is drawn. `options` are those of `networks.trace`;
    one in a list has a value for each network.

    Raises:
        UnknownNameError: no such network, option, block or theme.
        LabError: `block` is a stage or a layer, a list does not fit the networks, or a block has
            too many operations for a diagram.
    """
    graphs = _graphs(networks, block, options)
    strips, bands = _laid_out(graphs)
    captions = _captions(graphs)
    entries, below = _legend(graphs)
    top = _height(bands) + sum(map(_caption_height, captions)) + below
    with sheet(ax, theme, _heading(graphs), (PAGE, top)) as (ax, look):
        for number, (strip, pieces) in enumerate(zip(strips, bands, strict=True)):
            _draw_caption(ax, look, captions[number], top)
            top -= _caption_height(captions[number])
            for band in pieces:
                _draw_band(ax, look, strip, band, top, number)
                top -= band.high - band.low + BETWEEN
        _draw_legend(ax, look, entries, below, strips[0].scale)
        describe(ax, " ".join(map(_said, graphs)))
    return ax


def _graphs(
    networks: Sequence[Network], block: str | list[str] | None, options: dict[str, Any]
) -> list[Graph]:
    if not networks:
        raise LabError("block draws a network's block: name a network")
    if isinstance(block, str) and "," in block:
        block = [name.strip() for name in block.split(",")]
    given = {"block": block, **options}
    lists = [len(value) for value in given.values() if isinstance(value, list)]
    if len(networks) == 1:
        networks = [networks[0]] * max(lists, default=1)
    graphs = []
    for network, mine in zip(networks, spread(given, len(networks)), strict=True):
        name = mine.pop("block")
        graphs.append(graph(trace(network, **mine), name))
    return graphs


# Sizes


def _laid_out(graphs: Sequence[Graph]) -> tuple[list[Strip], list[list[Band]]]:
    """Every block at the largest common scale at which all fit the page."""
    widest = max(graph.widest for graph in graphs)
    for height in HEIGHTS:
        strips = [_strip(graph, height / widest) for graph in graphs]
        bands = [folded(strip, ROOM) for strip in strips]
        if _height(bands) <= ENOUGH:
            break
    return strips, bands


def _strip(graph: Graph, scale: float) -> Strip:
    """A block with columns as wide as the page has room, if it fits in one band."""
    strip = Layout(graph, scale).strip()
    bands = folded(strip, ROOM)
    spare = max(ROOM - 1 - (bands[0].right - bands[0].left), 0.0)  # places are rounded
    columns = Layout(graph, scale, MOST_EXTRA).strip().width - strip.width
    if len(bands) > 1 or not columns:
        return strip
    return Layout(graph, scale, MOST_EXTRA * min(1.0, spare / columns)).strip()


def _height(bands: Sequence[Sequence[Band]]) -> float:
    return sum(band.high - band.low + BETWEEN for each in bands for band in each)


# Texts


def _heading(graphs: Sequence[Graph]) -> Heading:
    how = f"Height: channels. MACs by convention {CONVENTION}."
    if len(graphs) > 1:
        names = dict.fromkeys(graph.trace.name or "network" for graph in graphs)
        return Heading(f"Blocks of {', '.join(names)}", how)
    title, totals = _titles(graphs[0])
    return Heading(title, f"{totals}\n{how}")


def _titles(graph: Graph) -> tuple[str, str]:
    name, _, settings = heading(graph.trace).partition(" · ")
    row = graph.row
    more = "at least " if row.unknown else ""
    costs = f"{more}{row.params:,} parameters, {more}{row.macs:,} MACs"
    return f"{name}, block {row.name}", f"{costs} · {settings}"


def _captions(graphs: Sequence[Graph]) -> list[tuple[list[str], list[str]]]:
    """Title and totals of each of several blocks, in lines."""
    if len(graphs) == 1:
        return [([], [])]
    return [
        (wrapped(title, ROOM, TEXT, "bold"), wrapped(totals, ROOM, SMALL))
        for title, totals in map(_titles, graphs)
    ]


def _caption_height(caption: tuple[list[str], list[str]]) -> float:
    title, totals = caption
    return (len(title) * TEXT + len(totals) * SMALL) * LINE + (6.0 if title else 0.0)


def _draw_caption(ax: Axes, look: Theme, caption: tuple[list[str], list[str]], top: float) -> None:
    title, totals = caption
    if not title:
        return
    ax.text(MARGIN, top, "\n".join(title), va="top", size=TEXT, weight="bold", linespacing=LINE)
    top -= len(title) * TEXT * LINE
    ax.text(
        MARGIN,
        top,
        "\n".join(totals),
        va="top",
        size=SMALL,
        color=look.muted,
        linespacing=LINE,
    )


def _said(graph: Graph) -> str:
    title, totals = _titles(graph)
    steps = [node for node in graph.nodes if node.kind != "outside"]
    told = "; ".join(", ".join(node.lines) for node in steps)
    shapes = [node.shape for node in graph.nodes if node.kind == "outside"]
    ends = f"reads {' and '.join(shapes)}" if shapes else "reads nothing"
    return f"{title} ({totals}) {ends}, {len(steps)} steps: {told}."


# Drawing


class _Frame:
    """Where a band of a strip stands on the sheet."""

    def __init__(self, strip: Strip, band: Band, top: float) -> None:
        self.x = (PAGE - band.left - band.right) / 2
        self.y = top - band.high

    def at(self, points: Sequence[Point]) -> list[Point]:
        return [(x + self.x, y + self.y) for x, y in points]


def _draw_band(ax: Axes, look: Theme, strip: Strip, band: Band, top: float, number: int) -> None:
    frame = _Frame(strip, band, top)
    for path in strip.paths:
        says = "skip" if strip.graph.nodes[path.edge.target].symbol == "+" else ""
        _draw_path(ax, look, path, band, frame, number, says)
    for index in held(strip, band):
        node, place = strip.graph.nodes[index], strip.places[index]
        _draw_node(ax, look, node, place, strip.scale, frame, number)
        _draw_map(ax, look, node, place, strip.scale, frame, f"map:{number}:{node.name}")
    for index in again(strip, band):
        node, place = strip.graph.nodes[index], strip.places[index]
        _draw_map(ax, look, node, place, strip.scale, frame, f"again:{number}:{node.name}")


def _draw_node(
    ax: Axes, look: Theme, node: Node, place: Place, scale: float, frame: _Frame, number: int
) -> None:
    """The operation between two maps, and what is written under it."""
    middle = (place.left + place.right) / 2
    if node.kind == "outside":
        middle = place.right - text_width("\n".join(node.lines), SMALL) / 2
    else:
        left, right = node.reads * scale / 2, node.makes * scale / 2
        corners = [
            (place.left, place.y - left),
            (place.left, place.y + left),
            (place.right, place.y + right),
            (place.right, place.y - right),
        ]
        moves = node.kind in ("wire", "combine")
        ax.add_patch(
            Polygon(
                frame.at(corners),
                closed=True,
                facecolor=look.faint if moves else look.family(node.family),
                alpha=FAINT if moves else 1.0,
                edgecolor=look.paper if not moves else "none",
                hatch=HATCH if node.linear else None,
                linewidth=0.0,
                gid=f"op:{number}:{node.name}",
            )
        )
    if node.kind == "combine":
        _draw_circle(ax, look, node, frame.at([(middle, place.y)])[0])
    for line, words in enumerate(node.lines):
        x, y = frame.at([(middle, place.words - (line + 1) * SMALL * LINE)])[0]
        gid = f"words:{number}:{node.name}:{line}"
        ax.text(x, y - ASCENT, words, ha="center", va="baseline", size=SMALL, gid=gid)


def _draw_circle(ax: Axes, look: Theme, node: Node, centre: Point) -> None:
    """A sum or a product."""
    x, y = centre
    ink = {"edgecolor": look.ink, "linewidth": 0.9}
    ax.add_patch(Circle(centre, ROUND, facecolor=look.paper, zorder=3, **ink))
    arm = ROUND * 0.55
    across = {"+": ((arm, 0), (0, arm)), "×": ((arm, arm), (arm, -arm))}.get(node.symbol, ())
    for dx, dy in across:
        ax.plot([x - dx, x + dx], [y - dy, y + dy], color=look.ink, linewidth=0.9, zorder=4)


def _draw_map(
    ax: Axes, look: Theme, node: Node, place: Place, scale: float, frame: _Frame, gid: str
) -> None:
    """A bar for each part of the map, as high as it has channels, and its shape below."""
    width = 2.4
    x, y = frame.at([(place.right - width / 2, place.y + node.makes * scale / 2)])[0]
    for count, part in enumerate(node.parts):
        y -= part * scale
        edge = look.paper if len(node.parts) > 1 else "none"
        ax.add_patch(
            Rectangle(
                (x, y),
                width,
                part * scale,
                facecolor=look.ink,
                edgecolor=edge,
                linewidth=0.5,
                zorder=2,
                gid=f"{gid}:{count}",
            )
        )
    if node.shape:
        x, y = frame.at([(place.right + place.hang, place.words - ASCENT)])[0]
        ax.text(x, y, node.shape, ha="right", size=SMALL, color=look.muted, gid=f"{gid}:shape")


def _draw_path(
    ax: Axes, look: Theme, path: Path, band: Band, frame: _Frame, number: int, says: str
) -> None:
    points = frame.at(clipped(path, band))
    if not points:
        return
    gid = f"edge:{number}:{path.edge.source}:{path.edge.target}:{path.edge.slot}:{band.start:g}"
    if path.thickness:
        ax.add_patch(
            PathPatch(
                ribbon(points, path.thickness),
                facecolor=look.faint,
                edgecolor="none",
                alpha=FAINT,
                zorder=0.5,
                gid=gid,
            )
        )
        return
    line = {"edgecolor": look.ink, "facecolor": "none", "linewidth": 1.0}
    ax.add_patch(PathPatch(rounded(points), zorder=2.5, gid=gid, **line))
    if path.is_loose and says:
        x = (points[0][0] + points[-1][0]) / 2
        y = max(y for _, y in points)
        box = {"facecolor": look.paper, "edgecolor": "none", "pad": 1.5}
        ax.text(x, y, says, ha="center", va="center", size=SMALL, bbox=box, zorder=3)
    if path.points[-1][0] <= band.stop:
        x, y = points[-1]
        tip = [(x, y), (x - 2.5, y + 5), (x + 2.5, y + 5)]
        ax.add_patch(Polygon(tip, closed=True, facecolor=look.ink, edgecolor="none", zorder=3))


# Legend


def _legend(graphs: Sequence[Graph]) -> tuple[list[tuple[str, str]], float]:
    """Families that are drawn, as (family, text), and the room that legend and scale need."""
    drawn = {node.family for graph in graphs for node in graph.nodes if node.kind == "op"}
    entries = [(name, says) for name, says in FAMILIES.items() if name in drawn]
    if any(node.linear for graph in graphs for node in graph.nodes):
        entries.append(("hatch", "linear: no activation follows"))
    rows = 1
    x = _LEFT
    for _, says in entries:
        x += text_width(says, SMALL) + 24
        if x > PAGE - MARGIN:
            rows, x = rows + 1, _LEFT + text_width(says, SMALL) + 24
    return entries, max(rows * LEGEND, SCALE) + 2 * MARGIN


_LEFT = 100.0
"""Where the legend begins, right of the scale."""


def _draw_legend(
    ax: Axes,
    look: Theme,
    entries: Sequence[tuple[str, str]],
    height: float,
    scale: float,
) -> None:
    channels = _round(SCALE / scale)
    ax.add_patch(
        Rectangle((MARGIN, MARGIN), 2.4, channels * scale, facecolor=look.ink, gid="scale")
    )
    says = f"{channels:,} channels" if channels > 1 else "1 channel"
    middle = MARGIN + channels * scale / 2
    ax.text(MARGIN + 7, middle, says, va="center", size=SMALL, gid="scale:words")
    x, y = _LEFT, height - MARGIN - LEGEND / 2
    for name, says in entries:
        needs = text_width(says, SMALL) + 24
        if x + needs > PAGE - MARGIN and x > _LEFT:
            x, y = _LEFT, y - LEGEND
        hatch = name == "hatch"
        ax.add_patch(
            Rectangle(
                (x, y - 4),
                10,
                8,
                facecolor=look.muted if hatch else look.family(name),
                edgecolor=look.paper,
                hatch=HATCH if hatch else None,
                linewidth=0.0,
            )
        )
        ax.text(x + 14, y, says, va="center", size=SMALL)
        x += needs


def _round(most: float) -> int:
    """The largest of 1, 2, 5, 10, 20 ... that is not more than `most`."""
    size = 1
    while size * 10 <= most:
        size *= 10
    return max(size * step for step in (1, 2, 5) if size * step <= most or step == 1)
