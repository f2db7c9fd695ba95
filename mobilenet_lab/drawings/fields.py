"""Receptive fields: how they grow along networks, and one of them on an image."""

from collections.abc import Sequence
from math import inf, nan, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
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
    Note,
    Spans,
    View,
    extent,
    legend,
    notes,
    opened,
    put,
    rectangle,
    sheet_size,
    spread_out,
    view,
)
from mobilenet_lab.effective_fields import Unit, chosen, clipped, spans
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import TRANSPOSED, Layer, Pair, Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.receptive_field import ADAPTIVE, WINDOWS, Field, constants
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import heading, spread
from mobilenet_lab.verbs.field import window

MARKERS = "osD^vP*"
"""Of several networks, in the order of CYCLE."""
STEPS = (*WINDOWS, *TRANSPOSED, *ADAPTIVE)
"""What is counted along a network: convolutions and pools."""


# Along networks


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


# On an image


class Branch(NamedTuple):
    """One of several fields that meet in a layer."""

    windows: str
    """What stands in the branch: "3×3"."""
    spans: Spans
    """What the unit sees through it."""


def branches(seen: Unit) -> list[Branch]:
    """The different fields that meet in a unit's, the largest first; none if there is only one.

    Looked for is where branches last met before the layer, as long as the field is the same; in a
    branch that sees as much as all of them, further.
    """
    found: dict[Spans, dict[str, None]] = {}
    _look_back(seen, seen.layer_index, found, set())
    if len(found) < 2:
        return []
    largest = sorted(found, key=_pixels, reverse=True)
    return [Branch(" · ".join(found[spans]), spans) for spans in largest]


def _look_back(seen: Unit, index: int, found: dict[Spans, dict[str, None]], met: set[int]) -> bool:
    """Notes the fields that meet before a layer; whether several do."""
    whole = _spans(seen, index)
    sources = _sources(seen, index)
    while len(sources) == 1 and _spans(seen, sources[0]) == whole:
        index = sources[0]
        sources = _sources(seen, index)
    if len(sources) < 2:
        return False
    if index in met:
        return True
    met.add(index)
    common = set.intersection(*[_before(seen, source) for source in sources])
    for source in sources:
        mine = _spans(seen, source)
        if mine != whole or not _look_back(seen, source, found, met):
            found.setdefault(mine, {}).setdefault(_windows(seen, source, common))
    return True


def _pixels(spans: Spans) -> int:
    return prod(_sides_of(spans))


def _spans(seen: Unit, index: int) -> Spans:
    field = seen.fields[index]
    assert field is not None
    return spans(field, seen.place)


def _sources(seen: Unit, index: int) -> list[int]:
    """The layers that a layer reads whose field has a limit: no gate, no parameter."""
    fields = ((source, seen.fields[source]) for source in seen.trace.layers[index].inputs)
    return [source for source, field in fields if field is not None and field.size is not None]


def _before(seen: Unit, index: int) -> set[int]:
    """All layers that a layer depends on, and itself."""
    found, ways = set[int](), [index]
    while ways:
        if (layer := ways.pop()) not in found:
            found.add(layer)
            ways += seen.trace.layers[layer].inputs
    return found


def _windows(seen: Unit, index: int, common: set[int]) -> str:
    """The windows of a branch, back to where it began; those of 1×1 only if there are no others."""
    told: list[Layer] = []
    while index not in common:
        layer = seen.trace.layers[index]
        if layer.kernel is not None:
            told.insert(0, layer)
        sources = _sources(seen, index)
        if not sources:
            break
        index = max(sources, key=lambda source: _pixels(_spans(seen, source)))
    wide = [layer for layer in told if set(layer.kernel or ()) != {1}]
    if len(wide) > 2:
        return f"{len(wide)} windows"
    return " + ".join(map(window, wide or told[-1:])) or "identity"


def field(
    network: Network,
    *,
    layer: str | None = None,
    unit: Pair | str | None = None,
    image: str | Path | None = None,
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """The receptive field of one unit, on the input.

    `layer` is its name; without one, the end of a block whose field fits into the image. `unit` is
    (row, column) or "3,4", without one in the middle. `image` is a file of a picture, which is cut
    and scaled to the input. Where branches with several fields meet, each is drawn. `options` are
    those of `networks.trace`.

    Raises:
        UnknownNameError: no such layer.
        LabError: as `networks.trace`; a field that is unknown or without limit, a unit outside of
            the map, a picture that cannot be read.
    """
    seen = chosen(traced(network, **options), layer, unit)
    # under each other: a word for every branch, and the legend
    least = 60 + 2 * text_height("") * max(1, len(branches(seen)))
    shown = view(seen.image, seen.spans, ax, least=least)
    with opened(ax, theme, _field_heading(seen), shown) as (ax, look):
        picture = _landscape(seen.image, look) if image is None else _picture(image, seen.image)
        height, width = seen.image
        ax.imshow(picture, extent=(-0.5, width - 0.5, height - 0.5, -0.5), zorder=0, gid="image")
        notes(ax, shown, _rectangles(ax, shown, seen))
        legend(ax, shown, _centres(ax, look, shown, seen))
        describe(ax, _field_told(seen))
    return ax


def _field_heading(seen: Unit) -> Heading:
    return Heading(
        f"What a unit of {seen.layer.name} sees",
        f"{heading(seen.trace)}\n{numbers(seen)}",
    )


def numbers(seen: Unit) -> str:
    """Everything about the field of a unit, in words."""
    known = [axis for axis in seen.field.axes if axis is not None]
    rows, columns = (f"{lo} to {hi}" for lo, hi in seen.clipped)
    return (
        f"unit {_pair(seen.place)} of {write(seen.units, 'shape')} · "
        f"field {write(seen.field.size, 'shape')} px · "
        f"jump {write(tuple(axis.jump for axis in known), 'pair')} px · "
        f"start {write(tuple(axis.start for axis in known), 'pair')} (centre of the first unit) · "
        f"of the image: rows {rows}, columns {columns}, "
        f"{write(_sides_of(seen.clipped), 'shape')} px"
        + (" · a gate on the way has seen the whole image" if seen.field.gated else "")
    )


def _pair(place: Pair) -> str:
    return f"{place[0]},{place[1]}"


def _sides_of(spans: Spans) -> Pair:
    (top, bottom), (left, right) = spans
    return max(bottom - top + 1, 0), max(right - left + 1, 0)


def _field_told(seen: Unit) -> str:
    several = [
        f"{branch.windows} {write(_sides_of(branch.spans), 'shape')}" for branch in branches(seen)
    ]
    told = f" Branches: {', '.join(several)}." if several else ""
    return (
        f"Receptive field in {heading(seen.trace)}, layer {seen.layer.name}: {numbers(seen)}.{told}"
    )


def _rectangles(ax: Axes, shown: View, seen: Unit) -> list[Note]:
    """Draws the field, and those of branches; gives what is to be said of each."""
    several = branches(seen)
    if not several or several[0].spans != seen.spans:
        several.insert(0, Branch("all" if several else "field", seen.spans))
    said: list[Note] = []
    outlined: list[Spans] = []
    for number, branch in enumerate(several):
        colour = CYCLE[(number + 1) % len(CYCLE)]
        inside = clipped(branch.spans, seen.image)
        if inside != branch.spans:
            rectangle(
                ax,
                shown,
                branch.spans,
                f"padding {branch.windows}",
                facecolor=(*to_rgb(colour), 0.08 if number == 0 else 0.0),
                edgecolor=colour,
                linestyle=(0, (3, 2)),
                linewidth=1.0,
            )
        if min(_sides_of(inside)) > 0 and inside not in outlined:
            outlined.append(inside)
            rectangle(
                ax,
                shown,
                inside,
                f"field {branch.windows}",
                facecolor=(*to_rgb(colour), 0.16 if number == 0 else 0.0),
                edgecolor=colour,
                linewidth=1.5,
            )
        (top, _), (_, right) = branch.spans
        at = min(right + 0.5, shown.right), max(top - 0.5, shown.top)
        text = f"{branch.windows}: {write(_sides_of(branch.spans), 'shape')} px"
        said.append(Note(text, at, colour))
    return said


NEIGHBOURS = 8
"""Centres are shown of so many units on each side; of all, in a map that is not much larger."""


def _centres(ax: Axes, look: Theme, shown: View, seen: Unit) -> list[Any]:
    """Draws the centre of the unit's field, and those of its neighbours; gives their legend."""
    rows, columns = (
        range(units)
        if units <= 4 * NEIGHBOURS
        else range(max(place - NEIGHBOURS, 0), min(place + NEIGHBOURS + 1, units))
        for place, units in zip(seen.place, seen.units, strict=True)
    )
    places = [(row, column) for row in rows for column in columns]
    centres = [[sum(span) / 2 for span in spans(seen.field, place)] for place in places]
    grid: dict[str, Any] = {
        "color": look.ink,
        "linestyle": "none",
        "marker": ".",
        "markersize": 2.5,
    }
    ax.plot([x for _, x in centres], [y for y, _ in centres], gid="grid", clip_on=True, **grid)
    y, x = (sum(span) / 2 for span in seen.spans)
    mark: dict[str, Any] = {
        "color": look.ink,
        "linestyle": "none",
        "marker": "+",
        "markersize": 9,
        "mew": 1.6,
    }
    ax.plot([x], [y], gid="centre", zorder=5, **mark)
    known = [axis for axis in seen.field.axes if axis is not None]
    jump = write(tuple(axis.jump for axis in known), "pair")
    handles: list[Any] = [
        Line2D([], [], label="centre of what the unit sees", **mark),
        Line2D([], [], label=f"centres of other units, {jump} px apart", **grid),
    ]
    if seen.clipped != seen.spans:
        dashed: dict[str, Any] = {"fill": False, "linestyle": (0, (3, 2)), "edgecolor": look.ink}
        further = "" if shown.holds(seen.spans) else ", cut off here"
        handles.append(Patch(label=f"what lies in the padding{further}", **dashed))
    return handles


def _landscape(image: Pair, look: Theme) -> Any:
    """A calm picture of hills under a sun, height x width x RGB, in the colours of the theme."""
    height, width = image
    rows, columns = numpy.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    ink = 0.10 + 0.12 * rows
    ink[(rows - 0.26) ** 2 + ((columns - 0.76) * width / height) ** 2 < 0.012] = 0.34
    for crest, wave, shade in ((0.58, 5.0, 0.28), (0.72, 8.0, 0.36), (0.86, 4.0, 0.44)):
        hill = rows > crest + 0.06 * numpy.sin(wave * columns + 20 * crest)
        ink[hill] = shade
    paper, muted = numpy.array(to_rgb(look.paper)), numpy.array(to_rgb(look.muted))
    return paper + ink[..., None] * (muted - paper)


def _picture(path: str | Path, image: Pair) -> Any:
    """A picture from a file, cut and scaled to the image's height and width."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            return numpy.asarray(ImageOps.fit(opened.convert("RGB"), image[::-1]))
    except OSError as error:
        reason = error.strerror or "it is no picture that is known here"
    except (ValueError, SyntaxError, Image.DecompressionBombError):
        reason = "it is damaged, or too large"
    raise LabError(f"cannot read the picture {path}: {reason}")
