"""Effective receptive fields: how strongly each pixel moves a unit, inside of what it can see."""

from pathlib import Path
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Patch

from mobilenet_lab.drawings.canvas import (
    CYCLE,
    LINE,
    SMALL,
    Heading,
    Theme,
    describe,
    wrapped,
)
from mobilenet_lab.drawings.fields import numbers
from mobilenet_lab.drawings.pixels import View, legend, legend_height, opened, rectangle, view
from mobilenet_lab.effective_fields import SHARE, Effective, effective_field
from mobilenet_lab.layers import Pair
from mobilenet_lab.networks import Network
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.common import heading

NORM = PowerNorm(0.5, 0, 1)
"""The square root of the gradient: what is weak far from the centre is seen, too."""
SCALE = 95.0
"""Height of the scale of colours, in points."""
SHADES = (0.0, 0.01, 0.1, 0.5, 1.0)
"""What the scale of colours names, as shares of the largest."""


def effective(
    network: Network,
    *,
    layer: str | None = None,
    unit: Pair | str | None = None,
    images: int = 16,
    weights: str | Path | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    theme: str = "light",
    **options: Any,
) -> Axes:
    """The effective receptive field of a unit, beside the theoretical one; needs PyTorch.

    It is the gradient of the unit with respect to the input: absolute values, averaged over
    `images` inputs of normal noise (Luo et al., NIPS 2016). The network is as it is initialised
    from `seed`; with a file of `weights`, it is drawn with those beside. A module that is given
    has its own weights. `layer` and `unit` are as in `field`, `options` those of `networks.trace`.

    Raises:
        LabError: as `effective_fields.effective_field`.
        MissingPackageError: torch is not installed.
    """
    asked = {"layer": layer, "unit": unit, "images": images, "seed": seed, **options}
    # the given ones first: a file of no use is told at once
    given = [] if weights is None else [effective_field(network, weights=weights, **asked)]
    found = [effective_field(network, **asked), *given]
    seen = found[0].unit
    lines = max(len(_above(each, len(found))) for each in found)
    column = 160.0 / len(found) + 20
    shown = view(
        seen.image,
        seen.spans,
        ax,
        panels=len(found),
        column=column,
        least=SCALE + 30 + sum(legend_height(text, column) for text in _words(found).values()),
        above=lines * SMALL * LINE + 4,
    )
    with opened(ax, theme, _heading(found), shown) as (ax, look):
        for panel, each in enumerate(found):
            _panel(ax, look, shown, panel, each)
        _scale(ax, look, shown)
        edges = _edges(look)
        signs = [Patch(label=text, **edges[kind]) for kind, text in _words(found).items()]
        legend(ax, shown, signs)
        describe(ax, _told(found))
    return ax


def _heading(found: list[Effective]) -> Heading:
    first = found[0]
    return Heading(
        f"What moves a unit of {first.unit.layer.name}",
        f"{heading(first.unit.trace)}\n{numbers(first.unit)}\n"
        f"Colour: mean absolute gradient over {first.images} inputs of normal noise, scale of "
        "square roots.",
    )


def _told(found: list[Effective]) -> str:
    seen = found[0].unit
    each = "; ".join(f"{one.weights}: {_held(one)}" for one in found)
    return (
        f"Effective receptive field in {heading(seen.trace)}, layer {seen.layer.name}, "
        f"{numbers(seen)}. {each}."
    )


def _held(one: Effective) -> str:
    """How much of the gradient lies in how small a square."""
    side = one.side()
    return f"{SHARE:.0%} of the gradient in {side}×{side} px"


def _above(one: Effective, panels: int) -> list[str]:
    """What stands above a map."""
    return wrapped(f"{one.weights}: {_held(one)}", 280 / panels, SMALL)


def _edges(look: Theme) -> dict[str, dict[str, Any]]:
    """How the rectangles are drawn."""
    return {
        "image": {"fill": False, "edgecolor": look.muted, "linewidth": 0.6},
        "field": {"fill": False, "edgecolor": CYCLE[0], "linewidth": 1.5},
        "padding": {
            "fill": False,
            "edgecolor": CYCLE[0],
            "linewidth": 1.0,
            "linestyle": (0, (3, 2)),
        },
        "square": {
            "fill": False,
            "edgecolor": look.ink,
            "linewidth": 1.2,
            "linestyle": (0, (1, 1.2)),
        },
    }


def _panel(ax: Axes, look: Theme, shown: View, panel: int, one: Effective) -> None:
    """One map of gradients with the theoretical field and the square that holds most of it."""
    height, width = shown.image
    shift = panel * shown.step
    ax.imshow(
        one.gradient / one.gradient.max(),
        cmap=look.shades,
        norm=NORM,
        extent=(shift - 0.5, shift + width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
        gid=f"gradient {panel}",
    )
    rectangles: dict[str, Any] = {
        "image": ((0, height - 1), (0, width - 1)),
        "padding": one.unit.spans,
        "field": one.unit.clipped,
        "square": _square(one),
    }
    for kind, spans in rectangles.items():
        rectangle(ax, shown, spans, f"{kind} {panel}", panel, **_edges(look)[kind])
    text = "\n".join(_above(one, shown.panels))
    row = shown.top - 3 / shown.scale
    ax.text(shown.left + shift, row, text, va="bottom", size=SMALL, linespacing=LINE)


def _square(one: Effective) -> list[tuple[float, float]]:
    """The square that holds SHARE of the gradient, as first and last pixels."""
    side = one.side()
    return [((lo + hi - side + 1) / 2, (lo + hi + side - 1) / 2) for lo, hi in one.unit.spans]


def _words(found: list[Effective]) -> dict[str, str]:
    """What the rectangles of each kind are."""
    seen = found[0].unit
    assert seen.field.size is not None
    words = {
        "field": f"theoretical field, {write(seen.field.size, 'shape')} px",
        "padding": "what of it lies in the padding",
        "square": f"square with {SHARE:.0%} of the gradient",
    }
    if seen.spans == seen.clipped:
        del words["padding"]
    return words


def _scale(ax: Axes, look: Theme, shown: View) -> None:
    """The colours and what they stand for, at the head of the column."""
    point = 1 / shown.scale
    left, top = shown.end + 12 * point, shown.top + 2 * SMALL * LINE * point
    height = SCALE * point
    ax.text(
        left,
        shown.top,
        "gradient, as a share\nof the largest",
        va="top",
        size=SMALL,
        linespacing=LINE,
    )
    top += 4 * point
    ax.imshow(
        numpy.linspace(1, 0, 96)[:, None] ** 2,
        cmap=look.shades,
        norm=NORM,
        extent=(left, left + 9 * point, top + height, top),
        aspect="auto",
        interpolation="nearest",
        gid="scale",
    )
    for share in SHADES:
        row = top + height * (1 - share**0.5)
        ax.plot((left + 9 * point, left + 12 * point), (row, row), color=look.muted, lw=0.6)
        ax.text(left + 14 * point, row, f"{share:g}", va="center", size=SMALL)
