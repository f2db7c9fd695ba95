"""The alpha x rho grid: a network at every width and resolution."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from mobilenet_lab import registry
from mobilenet_lab.drawings.canvas import (
    PAGE,
    SMALL,
    Heading,
    Theme,
    chart,
    describe,
    text_width,
)
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import CONVENTION
from mobilenet_lab.verbs.ranges import values
from mobilenet_lab.verbs.settings import Swept, counted, is_list, problems, seen


def many(what: str, value: Any) -> list[Any]:
    """The values of an option given as one, as several, or as a text like "0.25,0.5,1".

    Raises:
        LabError: a text that is no such list.
    """
    if isinstance(value, str):
        return values(what, value)
    if is_list(value) or isinstance(value, tuple | set):
        return list(value)
    return [value]


QUANTITIES = {
    "macs": ("MACs", f"MACs by convention {CONVENTION}"),
    "params": ("parameters", "learned parameters, the same at every resolution"),
    "activations": ("activations", "elements written by all layers, per image"),
    "live": ("live activations", "elements held at once, at the peak, per image"),
}
"""What a cell tells: its unit, and what that means."""
WIDTHS = (0.25, 0.5, 0.75, 1.0)
"""Table 6 of arXiv 1704.04861."""
SEVENTHS = range(4, 11)
"""Of the network's own resolution: 128, 160, 192 and 224 of 224, as in Table 7 there; larger ones
where those do not work."""
NUMBERS = 7
"""A cell's number in points, if there is room."""


def grid(
    network: Network,
    *,
    of: str = "macs",
    width: Any = None,
    resolution: Any = None,
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """A network at every width multiplier (alpha) and resolution (rho): a number in each cell.

    `of` is one of QUANTITIES; `width` and `resolution` are lists, or texts like "0.25,0.5,1" and
    "128:224:32". Without them, the paper's of MobileNetV1 are taken, in proportion to the network's
    own resolution. A network without a width has one row. Cells are coloured by the logarithm.

    Raises:
        UnknownNameError: no such network, option, quantity or theme.
        LabError: an option's value is of no use, no combination works, or the network is a finished
            trace.
    """
    if of not in QUANTITIES:
        raise UnknownNameError("quantity", of, QUANTITIES)
    swept, image = _swept(network, width, resolution, options)
    name, own = image.name or swept.name, image.input_shape[1:]
    rows = swept.lists.get("width", [swept.fixed.get("width")])
    columns = [seen("resolution", side) for side in swept.lists["resolution"]]
    found = [getattr(row, of) for row in swept.rows]
    cells = numpy.array([numpy.nan if n is None else n for n in found], float)
    cells = cells.reshape(len(rows), len(columns))
    unit, meaning = QUANTITIES[of]
    subtitle = ". ".join([meaning, *_kept(swept), *problems(swept)])
    numbers = [write(n, "short") for n in found]
    room = (PAGE - 130) / len(columns)
    shown = max(map(text_width, numbers)) <= room - 4 and len(rows) <= 40
    if not shown:
        subtitle += ". Too many cells for their numbers: see the colour"
    heading = Heading(f"{name}: {unit} by {_axes(rows)}", f"{subtitle.rstrip('.')}.")
    size = PAGE, 120.0 + min(max(len(rows) * 30, 60), 400)
    with chart(ax, theme, heading, size) as (ax, look):
        low, high = numpy.nanmin(cells), numpy.nanmax(cells)
        scale = (LogNorm if 0 < low < high else Normalize)(low, high)
        mesh = ax.imshow(
            numpy.ma.masked_invalid(cells),
            cmap=look.shades,
            norm=scale,
            aspect="auto",
            origin="lower",
            gid="cells",
        )
        if shown:
            _numbers(ax, look, cells, numbers, scale)
        _settings(ax, rows, columns, own)
        bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, aspect=16)
        ticks = round_numbers(low, high)
        bar.set_ticks(ticks, labels=list(map(short, ticks)), minor=False)
        bar.ax.minorticks_off()
        bar.set_label(unit)
        bar.outline.set_visible(False)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        told = [row for row in swept.rows if row.counts]
        least, most = (f(told, key=lambda row: getattr(row, of)) for f in (min, max))
        describe(
            ax,
            f"{name}: {unit} at {len(rows)} widths and {len(columns)} resolutions, from "
            f"{getattr(least, of):,} to {getattr(most, of):,}.",
        )
    return ax


def _axes(rows: Sequence[Any]) -> str:
    return "width and resolution" if len(rows) > 1 else "resolution"


def _swept(
    network: Network, width: Any, resolution: Any, options: dict[str, Any]
) -> tuple[Swept, Trace]:
    """The network at every combination, and at its own resolution."""
    if isinstance(network, Trace):
        raise LabError("a finished trace has one width and resolution; give the network's name")
    name = str(network) if isinstance(network, str | Path) else ""
    own = traced(name or network, **options)
    if len(own.input_shape) != 3:
        raise LabError(
            f"{own.name or 'the network'} reads {write(own.input_shape, 'shape')}, which is no "
            "image and has no resolution"
        )
    has_width = name.endswith(".toml")
    make: Any = name
    if name in registry.NETWORKS:
        has_width = "width" in registry.options(name)
    elif not has_width:  # a factory or a module, which takes an input
        make = partial(_at, network, own.input_shape[0])
    if "input" in options:
        options = {key: value for key, value in options.items() if key != "input"}
        options |= {} if callable(make) else {"in_channels": own.input_shape[0]}
    lists = {}
    if width is not None or has_width:
        lists["width"] = many("width", WIDTHS if width is None else width)
    usual = partial(_usual, make, own.input_shape[1:], options)
    lists["resolution"] = many("resolution", usual() if resolution is None else resolution)
    return counted(make, lists | options), own


def _usual(make: Any, own: tuple[int, ...], options: dict[str, Any]) -> list[tuple[int, ...]]:
    """The first four resolutions around the network's own at which it works."""
    step = 32 if min(own) >= 96 else 4
    found: list[tuple[int, ...]] = []
    for seventh in SEVENTHS:
        sides = tuple(max(round(side * seventh / 7 / step), 1) * step for side in own)
        sides = own if seventh == 7 else sides
        try:
            if callable(make):
                make(resolution=sides, **options)
            else:
                traced(make, **options | {"resolution": sides})
        except LabError:
            continue
        found.append(sides)
    return found[:4]


def _at(network: Any, channels: int, *, resolution: Any, **options: Any) -> Trace:
    """A factory's network or a module on an image of one resolution."""
    sides = registry.CHECKS["resolution"]("resolution", resolution)
    return traced(network, input=(channels, *sides), **options)


def _kept(swept: Swept) -> list[str]:
    """The settings that all cells share."""
    return [f"{key.replace('_', ' ')} {value}" for key, value in swept.fixed.items()]


def _numbers(ax: Axes, look: Theme, cells: Any, numbers: Sequence[str], norm: Normalize) -> None:
    shades = colormaps[look.shades]
    for index, text in enumerate(numbers):
        row, column = divmod(index, cells.shape[1])
        value = cells[row, column]
        colour = look.ink if numpy.isnan(value) else readable(shades(norm(value)))
        ax.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            size=NUMBERS,
            color=colour,
            gid=f"cell:{row}:{column}",
        )


def readable(colour: Sequence[float]) -> str:
    """Black or white, whichever is read better on a colour (WCAG 2's contrast)."""
    light = luminance(colour)
    return "#000000" if (light + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance of an sRGB colour, from 0 to 1 (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _settings(
    ax: Axes, rows: Sequence[Any], columns: Sequence[tuple[int, int]], own: tuple[int, ...]
) -> None:
    """Ticks: each width, and each resolution with its share of the network's own."""
    labels = [_resolution(sides, own) for sides in columns]
    room = (PAGE - 130) / len(columns)
    every = max(1, -(-int(max(map(partial(text_width, size=SMALL), labels)) + 4) // int(room)))
    ax.set_xticks(range(len(columns))[::every], labels[::every])
    ax.set_xlabel("input in pixels, and resolution multiplier ρ of the network's own")
    if rows == [None]:
        ax.set_yticks([])
        return
    every = max(1, len(rows) // 30)
    ax.set_yticks(range(len(rows))[::every], [f"{float(alpha):g}" for alpha in rows[::every]])
    ax.set_ylabel("width multiplier α")


def _resolution(sides: tuple[int, int], own: tuple[int, ...]) -> str:
    shares = {round(side / whole, 6) for side, whole in zip(sides, own, strict=True)}
    rho = f"\nρ = {shares.pop():.3g}" if len(shares) == 1 else ""
    return f"{write(sides, 'pair')}{rho}"


def round_numbers(low: float, high: float) -> list[int]:
    """Up to six round numbers from low to high, or the two themselves."""
    for digits in ((1,), (1, 3), (1, 2, 5), range(1, 10), range(10, 100)):
        steps = [digit * 10**power // 10 for power in range(1, 16) for digit in digits]
        inside = sorted({step for step in steps if low <= step <= high})
        if len(inside) > 2:
            return inside[:: -(-len(inside) // 6)]
    return sorted({int(low), int(high)})


def short(count: int) -> str:
    """A round number with its unit: 30 M."""
    unit, size = next((each for each in SIZES if count >= each[1]), ("", 1))
    return f"{count / size:.4g} {unit}".strip()


SIZES = (("G", 10**9), ("M", 10**6), ("k", 10**3))
