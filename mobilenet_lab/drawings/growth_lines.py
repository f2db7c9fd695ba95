"""How the receptive field grows along networks, layer by layer."""

from collections.abc import Sequence
from math import inf, nan
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mobilenet_lab.analysis import known_fields
from mobilenet_lab.drawings.canvas import (
    CYCLE,
    LINE,
    PAGE,
    SMALL,
    Heading,
    Theme,
    chart,
    describe,
    text_height,
    text_width,
    wrapped,
)
from mobilenet_lab.drawings.pixels import (
    BELOW,
    RIGHT,
    extent,
    put,
    sheet_size,
    spread_out,
)
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import TRANSPOSED, Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.receptive_field import ADAPTIVE, WINDOWS, Field, constants
from mobilenet_lab.verbs.common import heading, spread

MARKERS = "osD^vP*"
"""Of several networks, in the order of CYCLE."""
STEPS = (*WINDOWS, *TRANSPOSED, *ADAPTIVE)
"""What is counted along a network: convolutions and pools."""


class Step(NamedTuple):
    """The layers that lie behind so many windows."""

    depth: int
    """Convolutions and pools on the longest way from the input."""
    low: float
    """The smallest field among them, in pixels; not a number if no one field is true."""
    high: float
    """The largest."""


class Growth(NamedTuple):
    """How the field grows along one axis of a network."""

    steps: list[Step]
    """From the input on, without layers that have seen everything."""
    pools: list[int]
    """Depths at which the whole image is seen first: global pools, those of gates, too."""
    whole: list[int]
    """Depths from the pool to the answer, if that has seen the whole image."""
    depths: list[int]
    """Of every layer."""
    unknown: int
    """Layers of which no one field is true."""

    @property
    def known(self) -> list[Step]:
        return [step for step in self.steps if step.high == step.high]


def growth_along(trace: Trace, axis: int) -> Growth:
    """The fields of a network by depth; `axis` 0 is vertical, -1 horizontal."""
    constant = constants(trace)
    sizes = [nan if field is None else _size(field, axis) for field in known_fields(trace)]
    depths: list[int] = []
    found: dict[int, list[float]] = {}
    pools: dict[int, None] = {}
    for index, layer in enumerate(trace.layers):
        sources = [source for source in layer.inputs if source not in constant]
        # a gate comes in from the side: it does not lengthen the way
        way = [source for source in sources if sizes[source] != inf] or sources
        depths.append(max([depths[source] for source in way], default=0) + (layer.op in STEPS))
        if index in constant:
            continue
        if sizes[index] != inf:
            found.setdefault(depths[index], []).append(sizes[index])
        elif any(sizes[source] != inf for source in sources):
            pools[depths[index]] = None
    whole = {depths[index] for index in _answered(trace, sizes)}
    steps = [_step(*each) for each in sorted(found.items())]
    unknown = sum(size != size for sizes in found.values() for size in sizes)
    return Growth(steps, [*pools], sorted(whole), depths, unknown)


def _size(field: Field, axis: int) -> float:
    seen = field.axes[axis]
    return inf if seen is None else seen.size


def _step(depth: int, sizes: list[float]) -> Step:
    known = [size for size in sizes if size == size]
    return Step(depth, min(known, default=nan), max(known, default=nan))


def _answered(trace: Trace, sizes: Sequence[float]) -> set[int]:
    """The layers with the whole image in sight from which the network's answers come."""
    ways, found = [*trace.outputs], set[int]()
    while ways:
        index = ways.pop()
        if sizes[index] == inf and index not in found:
            found.add(index)
            ways += trace.layers[index].inputs
    return found


def growth(
    *networks: Network, ax: Axes | None = None, theme: str = "light", **options: Any
) -> Axes:
    """The side of the receptive field along networks, in pixels of the input.

    Along stand the windows (convolutions and pools) on the longest way from the input. Where
    branches run side by side, their fields are a range. The side is the vertical one; where the
    horizontal one is another, that is drawn, too. What has seen the whole image stands above.

    `options` are those of `networks.trace`; a list has one value for each network.

    Raises:
        LabError: as `networks.trace`, or no layer's field is known.
    """
    if not networks:
        raise LabError("growth is drawn of one network or of several")
    each = spread(options, len(networks))
    traces = [traced(network, **mine) for network, mine in zip(networks, each, strict=True)]
    lines = [growth_along(trace, 0) for trace in traces]
    wide = [growth_along(trace, -1) for trace in traces]
    for trace, line in zip(traces, lines, strict=True):
        if len(line.known) < 2 and not line.whole:
            raise LabError(f"{_name(trace)}: no layer's receptive field is known")
    says = _growth_heading(traces, lines, wide)
    left = 78.0 if any(line.pools for line in lines) else 54.0
    words = [*map(_end_text, traces, lines), *["side\npx"] * len({*_image_sides(traces)})]
    column = sum(text_height(text, SMALL) for text in words)
    own = PAGE - left - RIGHT, max(230.0, column + ROW * (2 + len(lines)))
    room = own if ax is None else extent(ax)
    size = sheet_size(says, own, left, BELOW) if ax is None else room
    with chart(ax, theme, says, size) as (drawn, look):
        if ax is None:
            put(drawn, own, left, BELOW)
        ax = drawn
        frame = _frame(ax, room, traces, lines, wide)
        sides = _sides(ax, look, frame, traces)
        for number, line in enumerate(lines):
            _line(ax, number, line, wide[number])
            _seen_whole(ax, frame, number, line)
        _ends(ax, look, frame, traces, lines, sides)
        _taps(ax, look, frame)
        _growth_axes(ax, look, frame, lines)
        describe(ax, " ".join(map(_told, traces, lines)))
    return ax


def _name(trace: Trace) -> str:
    return trace.name or "network"


def _growth_heading(traces: list[Trace], lines: list[Growth], wide: list[Growth]) -> Heading:
    steps = [step for line in lines for step in line.steps]
    notes = ["The largest field behind so many convolutions and pools, on the longest way."]
    if any(step.low < step.high for step in steps):
        notes.append("Shaded: parallel branches, from the smallest field on.")
    if any(line.steps != other.steps for line, other in zip(lines, wide, strict=True)):
        notes.append("Drawn through: vertical; dashed: horizontal.")
    if any(line.pools for line in lines):
        notes.append("Hollow: pools that see the whole image, those of gates, too.")
    if unknown := sum([line.unknown for line in lines]):
        notes.append(
            f"{unknown} layers are left out: branches are misaligned or values changed places, so "
            "that no one field is true."
        )
    title = f"Receptive field along {_name(traces[0]) if len(traces) == 1 else 'networks'}"
    return Heading(title, "\n".join([*map(heading, traces), " ".join(notes)]))


def _told(trace: Trace, line: Growth) -> str:
    """A growth in words."""
    last, side = line.known[-1], trace.input_shape[1:2]
    past = [step.depth for step in line.known if side and step.high > side[0]]
    return (
        f"Receptive field along {heading(trace)}: {last.high:,} pixels after {last.depth} windows"
        + (f", larger than the image's {side[0]} after {past[0]}" if past else "")
        + (f"; of {line.unknown} layers no one field is true" if line.unknown else "")
        + ("; the answer sees the whole image." if line.whole else ".")
    )


class _Frame(NamedTuple):
    """Where things stand in the chart of growth."""

    networks: int
    deepest: int
    """The last depth; to the right of it are the names."""
    highest: float
    """The largest of all that is drawn to scale."""
    roof: float
    """Where the rows of taps begin, in pixels as all heights."""
    band: float
    """Where what sees the whole image begins."""
    top: float
    point: tuple[float, float]
    """One point, in depths and in pixels."""
    taps: list["_Tap"]
    """Of a single network."""

    def row(self, number: int) -> float:
        """The middle of a network's row in the band."""
        return self.top - (self.top - self.band) * (number + 0.5) / self.networks


ROW = SMALL * LINE
ROWS = 4
"""Of names of taps, at most."""
GAP = 26.0
"""Points between the end of a line and its name."""


def _frame(
    ax: Axes,
    room: tuple[float, float],
    traces: list[Trace],
    lines: list[Growth],
    wide: list[Growth],
) -> _Frame:
    """The frame in axes of so many points (width, height)."""
    width, height = room
    deepest = max(1, *[depth for line in lines for depth in line.depths])
    highest = max([step.high for line in (*lines, *wide) for step in line.known])
    sides = _image_sides(traces)
    highest = max([highest, *[side for side in sides if side < 3 * highest]])
    texts = [*map(_end_text, traces, lines), "height of the image"]
    column = max([text_width(text, SMALL) for text in texts]) + GAP
    shown = deepest / (1 - min(column / width, 0.6))
    taps = _landmarks(traces[0], lines[0], shown / width) if len(traces) == 1 else []
    band = 1 - max(8.0 * len(traces), ROW) / height if any(line.pools for line in lines) else 1.0
    rows = max([tap.row + 1.5 for tap in taps], default=0.6)
    roof = band - rows * ROW / height
    top = highest / roof
    ax.set(xlim=(0, shown), ylim=(0, top))
    point = shown / width, top / height
    return _Frame(len(traces), deepest, highest, highest, band * top, top, point, taps)


def _end_text(trace: Trace, line: Growth) -> str:
    last = line.known[-1]
    name = "\n".join(wrapped(_name(trace), 130, SMALL))
    return f"{name}\n{last.high:,} px after {last.depth}"


def _line(ax: Axes, number: int, line: Growth, wide: Growth) -> None:
    colour, marker = _look(number)
    depths = [step.depth for step in line.steps]
    lows, highs = ([step[place] for step in line.steps] for place in (1, 2))
    if lows != highs:
        ax.fill_between(
            depths, lows, highs, color=colour, alpha=0.25, linewidth=0, gid=f"range {number}"
        )
    ax.plot(
        depths,
        highs,
        color=colour,
        linewidth=1.4,
        marker=marker,
        markersize=3.4,
        markevery=max(1, len(depths) // 26),
        gid=f"growth {number}",
    )
    if wide.steps != line.steps:
        ax.plot(
            [step.depth for step in wide.steps],
            [step.high for step in wide.steps],
            "--",
            color=colour,
            linewidth=1.0,
            gid=f"wide {number}",
        )


def _seen_whole(ax: Axes, frame: _Frame, number: int, line: Growth) -> None:
    """Pools that see the whole image, and the way from one to the answer, in the band on top."""
    colour, marker = _look(number)
    row = frame.row(number)
    ax.plot(
        line.pools,
        [row] * len(line.pools),
        linestyle="none",
        marker=marker,
        markersize=3.4,
        color=colour,
        fillstyle="none",
        gid=f"pools {number}",
    )
    if line.whole:
        before = [step for step in line.known if step.depth <= line.whole[0]][-1]
        ax.plot((before.depth, line.whole[0]), (before.high, row), ":", color=colour, linewidth=1.2)
        ends = line.whole[0], line.whole[-1]
        ax.plot(ends, (row, row), color=colour, linewidth=1.4, gid=f"whole {number}")


def _look(number: int) -> tuple[str, str]:
    """Colour and marker of a network, told apart by both."""
    rounds = number // len(CYCLE)
    return CYCLE[number % len(CYCLE)], MARKERS[(number + rounds) % len(MARKERS)]


def _image_sides(traces: list[Trace]) -> list[int]:
    return [side for trace in traces for side in trace.input_shape[1:]]


def _sides(ax: Axes, look: Theme, frame: _Frame, traces: list[Trace]) -> dict[str, float]:
    """Lines at the sides of the images; what is to be said of them, and where they are."""
    said: dict[str, float] = {}
    for trace in traces:
        sides = trace.input_shape[1:]
        words = ("height", "width") if len(sides) == 2 and len({*sides}) > 1 else ("side",) * 9
        for side, word in zip(sides, words, strict=False):
            if side <= frame.highest:
                said[f"{word} of the image\n{side:,} px"] = side
    for row in {*said.values()}:
        ax.plot((0, frame.deepest), (row, row), "-.", color=look.muted, lw=0.8, gid=f"side {row}")
    return said


def _ends(
    ax: Axes,
    look: Theme,
    frame: _Frame,
    traces: list[Trace],
    lines: list[Growth],
    sides: dict[str, float],
) -> None:
    """The name of each network where its line ends, and the sides of the images."""
    across, up = frame.point
    texts = [*map(_end_text, traces, lines), *sides]
    wanted = [*[line.known[-1].high for line in lines], *sides.values()]
    heights = [text_height(text, SMALL) * up for text in texts]
    order = sorted(range(len(texts)), key=lambda number: -wanted[number])
    middles = spread_out(
        [-wanted[number] for number in order],
        [heights[number] for number in order],
        -frame.roof,
        0.0,
    )
    x = frame.deepest + GAP * across
    for number, middle in zip(order, middles, strict=True):
        is_side = number >= len(lines)
        start = frame.deepest if is_side else lines[number].known[-1].depth
        colour, marker = (look.muted, "") if is_side else _look(number)
        ax.plot(
            (start, frame.deepest + 6 * across, x - 7 * across),
            (wanted[number], -middle, -middle),
            color=colour,
            linewidth=0.7,
            linestyle=(0, (1, 1.5)),
            marker=marker,
            markersize=3.4,
            markevery=[2],
        )
        text = ax.text(
            x,
            -middle,
            texts[number],
            va="center",
            size=SMALL,
            linespacing=LINE,
            color=look.muted if is_side else look.ink,
        )
        text.set_in_layout(False)


class _Tap(NamedTuple):
    """A landmark of the network, above the lines."""

    text: str
    depth: int
    middle: float
    """Of the text; further in than its depth, where it would leave the axes."""
    row: int


def _landmarks(trace: Trace, line: Growth, across: float) -> list[_Tap]:
    """The taps of a network, or where its stages end, in rows in which no two meet.

    `across` is a point in depths.
    """
    marks = trace.taps or {layer.stage: number for number, layer in enumerate(trace.layers)}
    named: dict[int, list[str]] = {}
    for name, index in marks.items():
        if name and trace.layers[index].op != "input":
            named.setdefault(line.depths[index], []).append(name)
    ends, placed = [0.0] * ROWS, list[_Tap]()
    for depth, names in sorted(named.items()):
        text = ", ".join(names) if len(names) < 3 else f"{names[0]} … {names[-1]}"
        half = text_width(text, SMALL) * across / 2
        middle = max(depth, half)
        row = next((row for row, end in enumerate(ends) if end <= middle - half), None)
        if row is not None:
            ends[row] = middle + half + 4 * across
            placed.append(_Tap(text, depth, middle, row))
    return placed


def _taps(ax: Axes, look: Theme, frame: _Frame) -> None:
    up = frame.point[1]
    for text, depth, middle, row in frame.taps:
        ax.plot((depth, depth), (0, frame.roof), color=look.faint, lw=0.7, zorder=0)
        y = frame.roof + (row * ROW + 5) * up
        behind = {"facecolor": look.paper, "edgecolor": "none", "pad": 1.0}
        ax.text(middle, y, text, ha="center", size=SMALL, color=look.muted, bbox=behind)


def _growth_axes(ax: Axes, look: Theme, frame: _Frame, lines: list[Growth]) -> None:
    depths = MaxNLocator(10, integer=True).tick_values(0, frame.deepest)
    ax.set_xticks([depth for depth in depths if depth <= frame.deepest])
    sizes = MaxNLocator(6, integer=True).tick_values(0, frame.highest)
    ticks = {float(size): f"{size:,.0f}" for size in sizes if 0 <= size <= frame.highest}
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines.bottom.set_bounds(0, frame.deepest)
    ax.spines.left.set_bounds(0, frame.roof)
    if any(line.pools for line in lines):
        middle = (frame.band + frame.top) / 2
        ticks[middle] = "whole image"
        ax.fill_between(
            (0, frame.deepest), frame.band, frame.top, color=look.faint, alpha=0.5, lw=0, zorder=0
        )
    ax.set_yticks([*ticks], [*ticks.values()])
    ax.set_xlabel("convolutions and pools on the longest way from the input", loc="left")
    ax.set_ylabel("side of the receptive field (pixels)")
