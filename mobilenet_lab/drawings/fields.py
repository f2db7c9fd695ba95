"""The receptive field of one unit, on an image."""

from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mobilenet_lab.drawings.canvas import (
    CYCLE,
    Heading,
    Theme,
    describe,
    text_height,
)
from mobilenet_lab.drawings.growth_lines import growth as growth  # kinds of figures are found here
from mobilenet_lab.drawings.pixels import (
    Note,
    Spans,
    View,
    legend,
    notes,
    opened,
    rectangle,
    view,
)
from mobilenet_lab.effective_fields import Unit, chosen, clipped, spans
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Layer, Pair
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import heading
from mobilenet_lab.verbs.field import window


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
