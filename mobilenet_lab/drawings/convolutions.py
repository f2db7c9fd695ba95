"""What a convolution connects and costs: its forms side by side, their ratio, the two as areas."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf, log
from typing import Any, NamedTuple

import numpy
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from mobilenet_lab import registry
from mobilenet_lab.analysis import macs
from mobilenet_lab.drawings.canvas import (
    CYCLE,
    LINE,
    MARGIN,
    PAGE,
    SMALL,
    TEXT,
    Heading,
    Theme,
    chart,
    describe,
    sheet,
    text_height,
    text_width,
    wrapped,
)
from mobilenet_lab.drawings.planes import many
from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.expression import Expression
from mobilenet_lab.families import family
from mobilenet_lab.formulas import (
    conv2d_macs,
    conv2d_params,
    elements,
    separable_macs,
    separable_ratio,
)
from mobilenet_lab.layers import Pair
from mobilenet_lab.net import LARGEST
from mobilenet_lab.reports.table import Table, write
from mobilenet_lab.verbs import convolution as verb
from mobilenet_lab.verbs.common import CONVENTION
from mobilenet_lab.verbs.ranges import literal

# The forms of one convolution

COLUMNS = 5
"""Forms in one line."""
GAP = 12.0
SIDE = 76.0
"""Of the longest matrix, in points."""
DEPTH = 52.0
"""From the inputs down to the outputs, in points."""
BETWEEN = 4.0
"""Points before a heading."""
FEW = 16
"""So many channels are drawn one by one, and so many groups of more."""
FINE = 200
"""Steps of a diagonal at most: more are thinner than a hair."""
SLIMMEST = 0.15
"""The least side of a matrix over the longest one, so that three channels beside 1024 are seen."""


class Form(NamedTuple):
    """One form of a convolution, and what it connects."""

    name: str
    family: str
    kernel: Pair
    c_in: int
    c_out: int
    groups: int
    counts: verb.Form

    @property
    def worked(self) -> tuple[Expression, Expression]:
        """Parameters and MACs as formulas with numbers."""
        number = Expression.symbol
        kernel = number("k_h", self.kernel[0]), number("k_w", self.kernel[1])
        c_in, c_out = number("C_in", self.c_in), number("C_out", self.c_out)
        groups = number("g", self.groups) if self.groups > 1 else 1
        height, width = self.counts.out_shape[1:]
        positions = number("H_out", height), number("W_out", width)
        return (
            conv2d_params(kernel, c_in, c_out, groups),
            conv2d_macs(kernel, c_in, c_out, *positions, groups),
        )


def convolution(
    c_in: int = 8,
    c_out: int = 8,
    kernel: int | Pair | str = 3,
    size: int | Pair | str = 56,
    *,
    groups: int | Sequence[int] | str | None = None,
    ax: Axes | None = None,
    theme: str = "light",
) -> Axes:
    """Standard, grouped, depthwise and pointwise convolution: which input feeds which output.

    Each form is shown as its C_out x C_in matrix of kernels and as lines from inputs to outputs,
    with its parameters and MACs at stride 1 over `size` (a side or (height, width)). Without
    `groups`, two and four are shown where they divide both channel counts.

    Raises:
        UnknownNameError: there is no such theme.
        LabError: a value of no use, or groups that do not divide.
    """
    table, forms = compared(c_in, c_out, kernel, size, groups)
    drawn = [_Drawn(form, max(c_in, c_out)) for form in forms]
    width = (PAGE - 2 * MARGIN + GAP) / min(len(drawn), COLUMNS) - GAP
    lines = _lines(drawn)
    heights = [max(each.height(width) for each in line) for line in lines]
    ending = _sum_lines(table, forms[-1], 2 * width + GAP)
    below = text_height("\n".join(ending), SMALL) + 14
    total = sum(heights) + GAP * (len(lines) - 1) + below + MARGIN
    params, work = forms[1 if len(forms) > 3 else 0].worked
    heading = Heading(
        table.title,
        "Each filled cell is the kernel from one input channel (column) to one output channel "
        "(row); ratios are to standard.\n"
        f"Parameters = {params.symbols}, without bias. "
        f"MACs = parameters{work.symbols.removeprefix(params.symbols)}.\n{table.subtitle}",
    )
    with sheet(ax, theme, heading, (PAGE, total)) as (ax, look):
        top = total
        for line, height in zip(lines, heights, strict=True):
            for number, each in enumerate(line):
                each.draw(ax, look, MARGIN + number * (width + GAP), top, width)
            top -= height + GAP
        left = MARGIN + (len(lines[-1]) - 2) * (width + GAP)
        _bracket(ax, look, left, top + GAP - 4, 2 * width + GAP, ending)
        rows = ", ".join(
            f"{form.name} {form.counts.params:,} parameters and {form.counts.macs:,} MACs"
            for form in forms
        )
        describe(ax, f"{table.title}, as matrices of kernels and lines between channels: {rows}.")
    return ax


def compared(
    c_in: int,
    c_out: int,
    kernel: int | Pair | str = 3,
    size: int | Pair | str = 56,
    groups: int | Sequence[int] | str | None = None,
) -> tuple[Table, list[Form]]:
    """The table of `conv`, and each of its single steps as a form; depthwise, pointwise end it."""
    window, sides = _pair("kernel", kernel), _pair("size", size)
    counts = [] if groups is None else list(dict.fromkeys(many("groups", groups)))
    if not counts and isinstance(c_in, int) and isinstance(c_out, int):
        counts = [g for g in (2, 4) if c_in % g == c_out % g == 0]
    table = verb.conv(c_in, c_out, window, sides, groups=counts)
    *plain, _, depthwise, pointwise = table.rows
    forms = [
        Form(row.name, "grouped" if g > 1 else "standard", window, c_in, c_out, g, row)
        for row, g in zip(plain, (1, *counts), strict=True)
    ]
    forms.append(Form(depthwise.name, "depthwise", window, c_in, c_in, c_in, depthwise))
    forms.append(Form(pointwise.name, "pointwise", (1, 1), c_in, c_out, 1, pointwise))
    return table, forms


def _pair(what: str, value: Any) -> Any:
    if isinstance(value, str):
        return registry.parse_pair(what, value)
    return (value, value) if isinstance(value, int) else value


class _Drawn:
    """One form on the sheet: name, matrix, lines, counts, one under another."""

    def __init__(self, form: Form, most: int) -> None:
        self.form = form
        self.most = most
        self.cell = SIDE / most

    def span(self, channels: int) -> float:
        """Points that so many channels take."""
        return SIDE * max(channels / self.most, SLIMMEST)

    def texts(self, width: float) -> list[tuple[str, str]]:
        """Under the pictures: each line, and whether it is a heading, a formula or a result."""
        counts = self.form.counts
        params, work = (worked.numbers for worked in self.form.worked)
        positions = work.removeprefix(params).strip()
        found = []
        for heading, formula, count, ratio in (
            ("parameters", params, counts.params, counts.params_ratio),
            ("MACs", f"{params}\n{positions}", counts.macs, counts.macs_ratio),
        ):
            share = "" if self.form.name == "standard" else f" ({write(ratio, 'ratio')})"
            found += [(heading, "heading")]
            found += [(line, "formula") for line in wrapped(formula, width, SMALL)]
            result = f"= {write(count, 'count')}{share}"
            found += [(line, "result") for line in wrapped(result, width, SMALL, "bold")]
        return found

    def height(self, width: float) -> float:
        return self.pictures + len(self.texts(width)) * SMALL * LINE + 2 * BETWEEN

    @property
    def pictures(self) -> float:
        """Points from the top down to the texts."""
        return text_height("", TEXT) + 2 * text_height("", SMALL) + SIDE + DEPTH + 2 * SMALL + 26

    def draw(self, ax: Axes, look: Theme, x: float, top: float, width: float) -> None:
        form = self.form
        ax.text(x, top, form.name, va="top", size=TEXT, weight="bold")
        below = top - text_height("", TEXT) - 2
        self.matrix(ax, look, x, below, width)
        below -= text_height("", SMALL) + SIDE + 4
        self.key(ax, look, x, below, width)
        below -= text_height("", SMALL) + 10
        self.lines(ax, look, x + width / 2, below)
        below = top - self.pictures
        for text, kind in self.texts(width):
            below -= BETWEEN if kind == "heading" else 0
            ax.text(
                x,
                below,
                text,
                va="top",
                size=SMALL,
                weight="bold" if kind == "result" else "normal",
                color=look.muted if kind == "heading" else look.ink,
                gid=f"{kind}:{form.name}",
            )
            below -= SMALL * LINE

    # The matrix

    def matrix(self, ax: Axes, look: Theme, x: float, top: float, width: float) -> None:
        form = self.form
        wide, high = self.span(form.c_in), self.span(form.c_out)
        left = x + (width - wide) / 2
        upper = top - text_height("", SMALL) - (SIDE - high) / 2
        one_by_one = self.cell >= 4
        ax.add_patch(
            Rectangle((left, upper - high), wide, high, fill=False, ec=look.muted, lw=0.6, zorder=3)
        )
        ax.text(
            left + wide / 2, upper + 2, f"{form.c_in} in", ha="center", size=SMALL, color=look.muted
        )
        ax.text(
            left - 2,
            upper - high / 2,
            f"{form.c_out} out",
            ha="right",
            va="center",
            rotation=90,
            size=SMALL,
            color=look.muted,
        )
        if one_by_one:
            _grid(ax, left, upper, wide, high, (form.c_in, form.c_out), look.faint, 0.4, zorder=1)
        blocks = [
            [
                (left + a * wide, upper - c * high),
                (left + b * wide, upper - c * high),
                (left + b * wide, upper - d * high),
                (left + a * wide, upper - d * high),
            ]
            for a, b, c, d in filled(form.groups)
        ]
        colour = look.family(form.family)
        ax.add_collection(
            PolyCollection(
                blocks,
                facecolors=colour,
                edgecolors=colour,
                linewidths=0.3,
                gid=f"matrix:{form.name}",
                zorder=2,
            )
        )
        if one_by_one:
            rows, columns = form.kernel if self.cell >= 7 and max(form.kernel) <= 5 else (1, 1)
            across, down = form.c_in // form.groups, form.c_out // form.groups
            for a, b, c, d in filled(form.groups):
                box = left + a * wide, upper - c * high, (b - a) * wide, (d - c) * high
                _grid(ax, *box, (across * columns, down * rows), look.paper, 0.25, zorder=2.1)
                _grid(ax, *box, (across, down), look.paper, 0.9, zorder=2.2)

    def key(self, ax: Axes, look: Theme, x: float, top: float, width: float) -> None:
        """One cell, larger, and what is in it."""
        rows, columns = self.form.kernel
        count = elements(self.form.kernel)
        label = f"{rows}×{columns} weights" if count > 1 else "1 weight"
        side = SMALL + 2
        start = x + (width - side - 3 - text_width(label, SMALL)) / 2
        colour = look.family(self.form.family)
        ax.add_patch(
            Rectangle((start, top - side), side, side, fc=colour, ec=look.muted, lw=0.4, zorder=2)
        )
        if max(rows, columns) <= 7:
            _grid(ax, start, top, side, side, (columns, rows), look.paper, 0.5, zorder=2.1)
        ax.text(start + side + 3, top - side / 2, label, va="center_baseline", size=SMALL)

    # The lines

    def lines(self, ax: Axes, look: Theme, middle: float, top: float) -> None:
        """Inputs above, outputs below; a line for each kernel, or a band for each group."""
        form = self.form
        colour = look.family(form.family)
        upper, lower = top - SMALL, top - SMALL - DEPTH
        ax.text(middle, upper + 5, "inputs", ha="center", size=SMALL, color=look.muted)
        told, weight = "outputs", 0.5
        if max(form.c_in, form.c_out) <= FEW:
            above = _places(middle, self.span(form.c_in), form.c_in)
            below = _places(middle, self.span(form.c_out), form.c_out)
            pairs = [
                ((above[i], upper), (below[o], lower))
                for i, o in connections(form.c_in, form.c_out, form.groups)
            ]
            weight = min(0.5, 32 / len(pairs))
            side = min(5.0, 0.7 * min(self.span(n) / n for n in (form.c_in, form.c_out)))
            for number, (place, y) in enumerate(
                [*((a, upper) for a in above), *((b, lower) for b in below)]
            ):
                ax.add_patch(
                    Rectangle(
                        (place - side / 2, y - side / 2),
                        side,
                        side,
                        fc=colour,
                        ec=look.ink,
                        lw=0.5,
                        zorder=3,
                        gid=f"node:{form.name}:{number}",
                    )
                )
        else:
            shown = min(form.groups, FEW)
            told += f" · {shown} of {form.groups} groups" if shown < form.groups else ""
            bands = _bands(middle, self.span(form.c_in), self.span(form.c_out), shown)
            pairs = []
            if shown == form.groups:
                pairs = [
                    line
                    for a, b, c, d in bands
                    for line in (((a, upper), (d, lower)), ((b, upper), (c, lower)))
                ]
            ax.add_collection(
                PolyCollection(
                    [[(a, upper), (b, upper), (d, lower), (c, lower)] for a, b, c, d in bands],
                    facecolors=colour,
                    edgecolors="none",
                    gid=f"bands:{form.name}",
                    zorder=1,
                )
            )
        ax.add_collection(
            LineCollection(
                pairs, colors=look.muted, linewidths=weight, zorder=2, gid=f"lines:{form.name}"
            )
        )
        ax.text(middle, lower - 5, told, ha="center", va="top", size=SMALL, color=look.muted)


def filled(groups: int) -> list[tuple[float, float, float, float]]:
    """The blocks of a block-diagonal matrix as shares of its sides: left, right, top, bottom.

    A hair's breadth is the least: of more than FINE groups the diagonal is drawn in so many steps.
    """
    steps = min(groups, FINE)
    edges = [step / steps for step in range(steps + 1)]
    return [(a, b, a, b) for a, b in pairwise(edges)]


def connections(c_in: int, c_out: int, groups: int) -> list[tuple[int, int]]:
    """Which input feeds which output: those of the same group."""
    return [
        (i, o)
        for i in range(c_in)
        for o in range(c_out)
        if i // (c_in // groups) == o // (c_out // groups)
    ]


def _lines(drawn: Sequence[_Drawn]) -> list[list[_Drawn]]:
    """The forms in lines of COLUMNS; the last two, which are one convolution, stay together."""
    *before, depthwise, pointwise = drawn
    lines = [before[start : start + COLUMNS] for start in range(0, len(before), COLUMNS)]
    if len(lines[-1]) + 2 > COLUMNS:
        lines.append([])
    lines[-1] += [depthwise, pointwise]
    return lines


def _sum_lines(table: Table, pointwise: Form, room: float) -> list[str]:
    separable = table.rows[-3]
    kernel = table.rows[-2]
    assert kernel.params
    return wrapped(
        f"{separable.name}: depthwise, then pointwise\n"
        f"{write(separable.params, 'count')} parameters, {write(separable.macs, 'count')} MACs\n"
        f"{write(separable.macs_ratio, 'ratio')} the standard = "
        f"1/{pointwise.c_out} + 1/{kernel.params // pointwise.c_in}",
        room,
        SMALL,
    )


def _bracket(
    ax: Axes, look: Theme, left: float, top: float, width: float, lines: Sequence[str]
) -> None:
    ax.plot(
        [left, left, left + width, left + width],
        [top, top - 4, top - 4, top],
        color=look.muted,
        lw=0.8,
        solid_capstyle="butt",
    )
    ax.text(left, top - 7, "\n".join(lines), va="top", size=SMALL, linespacing=LINE)


def _places(middle: float, span: float, count: int) -> list[float]:
    """The middles of so many equal parts."""
    return [middle - span / 2 + (number + 0.5) * span / count for number in range(count)]


def _bands(
    middle: float, above: float, below: float, count: int
) -> list[tuple[float, float, float, float]]:
    """Left and right of each group, at its inputs and at its outputs."""
    share = 0.4 if count > 1 else 0.5
    return [
        (
            a - share * above / count,
            a + share * above / count,
            b - share * below / count,
            b + share * below / count,
        )
        for a, b in zip(_places(middle, above, count), _places(middle, below, count), strict=True)
    ]


def _grid(
    ax: Axes,
    left: float,
    top: float,
    width: float,
    height: float,
    cells: tuple[int, int],
    colour: str,
    weight: float,
    zorder: float,
) -> None:
    """The lines between the cells of a box."""
    columns, rows = cells
    lines = [
        [(left + width * n / columns, top), (left + width * n / columns, top - height)]
        for n in range(1, columns)
    ] + [
        [(left, top - height * n / rows), (left + width, top - height * n / rows)]
        for n in range(1, rows)
    ]
    ax.add_collection(LineCollection(lines, colors=colour, linewidths=weight, zorder=zorder))


# The ratio

CHANNELS = tuple(range(1, 2049))
EXAMPLE = "mobilenet_v1"
"""The network whose own layers are marked on the curve."""
MARKERS = "os^Dv*X"


class Mark(NamedTuple):
    """Separable layers of a network that have one kernel and one number of outputs."""

    kernel: int
    channels: int
    ratio: float
    layers: int


def ratio(
    kernel: int | Sequence[int] | str = (3, 5, 7, 9),
    channels: Sequence[int] | str = CHANNELS,
    *,
    ax: Axes | None = None,
    theme: str = "light",
) -> Axes:
    """What a depthwise-separable convolution costs of a standard one: 1/d + 1/k^2.

    Over d, the output `channels`, with a curve for each k x k `kernel` and its limit 1/k^2.
    MobileNetV1's own layers are marked where their kernel is among them.

    Raises:
        UnknownNameError: there is no such theme.
        LabError: a kernel or a number of channels of no use.
    """
    kernels = list(dict.fromkeys(_wholes("kernel", kernel)))
    if len(kernels) > len(CYCLE):
        raise LabError(f"up to {len(CYCLE)} kernels are drawn at once, not {len(kernels)}")
    numbers = numpy.array(sorted(set(_wholes("channels", channels))))
    heading = Heading(
        "Depthwise-separable over standard convolution: 1/d + 1/k²",
        "MACs of a depthwise k×k and a pointwise convolution to d channels, over those of one "
        "standard k×k convolution; weights without bias have the same ratio. Both axes are "
        "logarithmic.",
    )
    with chart(ax, theme, heading, (PAGE, 330)) as (ax, look):
        for k, colour, marker in zip(kernels, CYCLE, MARKERS, strict=False):
            limit = 1 / elements((k, k))
            ax.plot(
                numbers,
                separable_ratio(k, numbers),
                color=colour,
                lw=1.6,
                gid=f"k={k}",
                marker=marker,
                markersize=4,
                markevery=[-1],
            )
            ax.axhline(limit, color=colour, lw=0.8, ls=(0, (4, 3)), gid=f"limit={k}")
        ax.set(xscale="log", yscale="log")
        most = int(numbers[-1])
        least = int(numbers[0])
        ax.set_xlim(least / 1.05, most * 1.05 if most > least else most * 2)
        _limits(ax, look, kernels)
        marks = [mark for mark in example_marks() if mark.kernel in kernels]
        marks = [mark for mark in marks if least <= mark.channels <= most]
        _mark(ax, look, marks)
        ax.axhline(1, color=look.muted, lw=0.8)
        ax.annotate(
            "as much as a standard convolution",
            (1, 1),
            (-3, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            size=SMALL,
            color=look.muted,
        )
        ax.grid(axis="x", which="major")
        ax.set(xlabel="d: output channels", ylabel="separable / standard, in MACs")
        _plain_ticks(ax)
        told = "; ".join(
            f"k = {k} falls to 1/{elements((k, k))}, {write(separable_ratio(k, most), 'ratio')} "
            f"at {most:,} channels"
            for k in kernels
        )
        describe(ax, f"MACs of a depthwise-separable over a standard convolution: {told}.")
    return ax


def example_marks(network: str = EXAMPLE) -> list[Mark]:
    """The depthwise-separable layers of a network, each against one standard convolution."""
    trace = registry.trace(network)
    found: dict[tuple[int, int], list[float]] = {}
    for index, layer in enumerate(trace.layers):
        if layer.kernel is None or family(layer) != "depthwise":
            continue
        follower = next(
            each
            for each in trace.layers[index + 1 :]
            if each.kernel is not None and family(each) in ("pointwise", "expand")
        )
        standard = conv2d_macs(
            layer.kernel, layer.in_shapes[0][0], follower.out_shape[0], *follower.out_shape[1:]
        )
        share = (macs(layer) + macs(follower)) / standard
        found.setdefault((layer.kernel[0], follower.out_shape[0]), []).append(share)
    return [Mark(k, d, shares[0], len(shares)) for (k, d), shares in sorted(found.items())]


def _wholes(what: str, value: Any) -> list[int]:
    numbers = many(what, value)
    if not numbers:
        raise LabError(f"{what} has no values")
    return [_whole(what, number) for number in numbers]


def _whole(what: str, value: Any) -> int:
    """A whole number from 1, as a number or as a text."""
    number = literal(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= LARGEST:
        raise LabError(f"{what} must be a whole number from 1 to {LARGEST:,}, not {quoted(value)}")
    return number


def _limits(ax: Axes, look: Theme, kernels: Sequence[int]) -> None:
    """Names the curves at the right of the axes, where they end."""
    low, high = min(1 / elements((k, k)) for k in kernels) / 1.25, 2.3
    ax.set_ylim(low, high)
    points = ax.bbox.height / ax.figure.dpi * 72 / log(high / low)
    free = -inf
    for k in sorted(kernels, reverse=True):
        place = -log(elements((k, k))) * points
        text = max(place, free + SMALL * LINE)
        ax.annotate(
            f"k = {k}: to 1/{elements((k, k))}",
            (1, 1 / elements((k, k))),
            (5, text - place),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            size=SMALL,
        )
        free = text


def _mark(ax: Axes, look: Theme, marks: Sequence[Mark]) -> None:
    if not marks:
        return
    ax.plot(
        [mark.channels for mark in marks],
        [mark.ratio for mark in marks],
        marker="o",
        mfc=look.paper,
        mec=look.ink,
        ms=5,
        ls="none",
        gid="marks",
        label=f"layers of {EXAMPLE}: d and ratio",
    )
    below = ScaledTranslation(0, -3 / 72, ax.figure.dpi_scale_trans)
    ax.legend(
        loc="upper right",
        bbox_to_anchor=(1, 1),
        bbox_transform=ax.get_yaxis_transform() + below,
        borderaxespad=0,
    )
    for mark in marks:
        ax.annotate(
            f"{mark.channels}\n{mark.ratio:.3f}",
            (mark.channels, mark.ratio),
            (0, 6),
            textcoords="offset points",
            ha="center",
            size=SMALL,
            linespacing=1.1,
        )


def _plain_ticks(ax: Axes) -> None:
    """Ticks as a reader says them: 1, 2, 4 ... channels, and 1/2, 1/5 ... of the cost."""
    low, high = ax.get_xlim()
    powers = [2**power for power in range(40) if low <= 2**power <= high]
    ax.set_xticks(powers, [f"{power:,}" for power in powers], minor=False)
    ax.set_xticks([], minor=True)
    low, high = ax.get_ylim()
    parts = [part for part in _steps() if low <= 1 / part <= high]
    ax.set_yticks(
        [1 / part for part in parts], [f"1/{part:,}" if part > 1 else "1" for part in parts]
    )
    ax.set_yticks([], minor=True)


def _steps() -> Iterable[int]:
    return (digit * 10**power for power in range(9) for digit in (1, 2, 5))


# Areas

WIDE = 300.0
"""Points that the two rectangles of a pair are wide."""
APART = 22.0
"""Points between them, and from there to what is said of them."""
STEEPEST = 2.0
"""The larger side of one cd rectangle over the smaller one."""


class Count(NamedTuple):
    """A count of MACs as `tiles` x `tiles` rectangles of cd, perhaps each with 9c beside it."""

    symbols: str
    value: int
    positions: int
    """Along one side of the output."""
    tiles: int
    depthwise: bool

    @property
    def label(self) -> str:
        return f"{self.symbols} = {self.value:,}"


class Pairing(NamedTuple):
    """A standard count against a depthwise-separable one."""

    title: str
    standard: Count
    separable: Count
    fair: bool

    @property
    def ratio(self) -> float:
        return self.standard.value / self.separable.value


def areas(
    c: int = 64,
    d: int = 128,
    kernel: int = 3,
    size: int = 3,
    *,
    ax: Axes | None = None,
    theme: str = "light",
) -> Axes:
    """81cd, and 9c + cd, as areas: the comparison that mixes units, and the two fair ones.

    A k x k convolution of c to d channels, standard and depthwise-separable, at one position of the
    output and at all size x size of them; every area of the figure has one scale.

    Raises:
        UnknownNameError: there is no such theme.
        LabError: a number of no use.
    """
    c, d = _whole("c", c), _whole("d", d)
    kernel, size = _whole("kernel", kernel), _whole("size", size)
    pairs = pairings(c, d, kernel, size)
    share = conv2d_macs(kernel, c, c, 1, 1, groups=c) / conv2d_macs(1, c, d, 1, 1)
    left = max(pair.standard.tiles for pair in pairs)
    right = max(pair.separable.tiles for pair in pairs) * (1 + share)
    labels = max(text_width(pair.separable.label, SMALL, "bold") for pair in pairs)
    across = min(WIDE / (left + right), (WIDE - labels) / left)
    tile = across, across * min(max(c / d, 1 / STEEPEST), STEEPEST)
    strip = across * share
    middle = MARGIN + WIDE + APART - max(labels, right * across)
    text = MARGIN + WIDE + 2 * APART
    heights = [max(pair.standard.tiles * tile[1], 3.6 * TEXT * LINE) + 36 for pair in pairs]
    total = sum(heights) + MARGIN
    heading = Heading(
        f"{pairs[0].standard.symbols} against {pairs[0].separable.symbols}: what is compared?",
        f"MACs of a {kernel}×{kernel} convolution of c = {c:,} to d = {d:,} channels, standard and "
        f"depthwise-separable.\nEqual areas are equally many MACs, in the whole figure. "
        f"MACs by convention {CONVENTION}.",
    )
    with sheet(ax, theme, heading, (PAGE, total)) as (ax, look):
        top = total
        for pair, height in zip(pairs, heights, strict=True):
            ax.text(MARGIN, top, pair.title, va="top", size=TEXT, weight="bold")
            below = top - text_height("", TEXT) - 3
            _count(ax, look, pair.standard, MARGIN, below, tile, 0)
            _count(ax, look, pair.separable, middle, below, tile, strip)
            _verdict(ax, look, pair, text, below)
            if pair is pairs[0]:
                _areas_key(ax, look, kernel, text, below - 5.4 * TEXT * LINE)
            top -= height
        told = "; ".join(
            f"{pair.title}: {pair.standard.label} against {pair.separable.label}, "
            f"{write(pair.ratio, 'ratio')}"
            for pair in pairs
        )
        describe(ax, f"Areas of MACs at c = {c}, d = {d}. {told}.")
    return ax


def pairings(c: int, d: int, kernel: int, size: int) -> tuple[Pairing, ...]:
    """The comparison that mixes units and the two fair ones; of one position, that alone."""

    def standard(side: int) -> Count:
        symbols = f"{_factor(conv2d_macs(kernel, 1, 1, side, side))}cd"
        return Count(symbols, conv2d_macs(kernel, c, d, side, side), side, kernel * side, False)

    def separable(side: int) -> Count:
        depthwise = _factor(conv2d_macs(kernel, 1, 1, side, side))
        pointwise = _factor(conv2d_macs(1, 1, 1, side, side))
        symbols = f"{depthwise}c + {pointwise}cd"
        return Count(symbols, separable_macs(kernel, c, d, side, side), side, side, True)

    outputs = f"{size}×{size} output positions"
    one = Pairing("Fair: one output position, or the weights", standard(1), separable(1), True)
    if size == 1:
        return (one,)
    return (
        Pairing(f"Mixed: {outputs} against one", standard(size), separable(1), False),
        one,
        Pairing(f"Fair: {outputs}", standard(size), separable(size), True),
    )


def _factor(number: int) -> str:
    """A factor before a symbol; 1 is not written."""
    return "" if number == 1 else f"{number}"


def _count(
    ax: Axes,
    look: Theme,
    count: Count,
    left: float,
    top: float,
    tile: tuple[float, float],
    strip: float,
) -> None:
    """The rectangle of a count, and under it what it is."""
    width, height = tile
    high = count.tiles * height
    colours = [look.family("pointwise"), look.family("depthwise")]
    if not count.depthwise:
        colours = [look.family("standard"), ""]
    wide = count.tiles * (width + strip)
    if count.depthwise:
        for column in range(count.tiles):
            x = left + column * (width + strip)
            ax.add_patch(
                Rectangle((x, top - high), width, high, fc=colours[0], lw=0, gid="area:pointwise")
            )
            ax.add_patch(
                Rectangle(
                    (x + width, top - high), strip, high, fc=colours[1], lw=0, gid="area:depthwise"
                )
            )
    else:
        ax.add_patch(
            Rectangle((left, top - high), wide, high, fc=colours[0], lw=0, gid="area:standard")
        )
    for tiles, weight in ((count.tiles, 0.5), (count.positions, 0.5 if count.depthwise else 1.8)):
        if min(wide, high) / tiles >= 3:
            _grid(ax, left, top, wide, high, (tiles, tiles), look.paper, weight, zorder=2)
    ax.text(
        left,
        top - high - 3,
        count.label,
        va="top",
        size=SMALL,
        weight="bold",
    )


def _verdict(ax: Axes, look: Theme, pair: Pairing, left: float, top: float) -> None:
    colour = look.ink if pair.fair else look.muted
    size = 2 * TEXT
    ax.text(left, top, write(pair.ratio, "ratio"), va="top", size=size, weight="bold", color=colour)
    note = "fewer MACs" if pair.fair else "but the two count different things"
    ax.text(
        left,
        top - size * LINE,
        f"= {pair.standard.symbols} / ({pair.separable.symbols})\n{note}",
        va="top",
        size=SMALL,
        linespacing=LINE,
        color=colour,
    )


def _areas_key(ax: Axes, look: Theme, kernel: int, left: float, top: float) -> None:
    """What the rectangles are made of."""
    weights = _factor(elements((kernel, kernel)))
    for number, (name, what) in enumerate(
        (
            ("standard", f"standard: {kernel}×{kernel} tiles of cd a position"),
            ("pointwise", "pointwise: one tile of cd a position"),
            ("depthwise", f"depthwise: a strip of {weights}c beside it"),
        )
    ):
        y = top - number * (SMALL * LINE + 2)
        ax.add_patch(Rectangle((left, y - SMALL), SMALL, SMALL, fc=look.family(name), lw=0))
        ax.text(left + SMALL + 4, y - SMALL / 2, what, va="center_baseline", size=SMALL)
