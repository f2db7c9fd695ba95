"""The forms of a convolution side by side: which input feeds which output, and what it costs."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Rectangle

from mobilenet_lab import registry
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
    text_height,
    text_width,
    wrapped,
)
from mobilenet_lab.drawings.planes import many
from mobilenet_lab.expression import Expression
from mobilenet_lab.formulas import (
    conv2d_macs,
    conv2d_params,
    elements,
)
from mobilenet_lab.layers import Pair
from mobilenet_lab.reports.table import Table, write
from mobilenet_lab.verbs import convolution as verb

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
            mesh(ax, left, upper, wide, high, (form.c_in, form.c_out), look.faint, 0.4, zorder=1)
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
                mesh(ax, *box, (across * columns, down * rows), look.paper, 0.25, zorder=2.1)
                mesh(ax, *box, (across, down), look.paper, 0.9, zorder=2.2)

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
            mesh(ax, start, top, side, side, (columns, rows), look.paper, 0.5, zorder=2.1)
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


def mesh(
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
