"""The boxes that a detector corrects: where they stand and how large they are, in pure Python.

Every detector here predicts corrections to fixed boxes, so many at each position of each of its
maps. They come in the order of the predictions: map by map, row by row, column by column, and at
each position in the order of the table.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, sqrt
from typing import NamedTuple

from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Pair


class Prior(NamedTuple):
    """A box by its centre and size, in pixels of the input image."""

    x: float
    y: float
    width: float
    height: float


def ssd_priors(
    maps: Sequence[Pair],
    image: Pair,
    scales: Sequence[float],
    ratios: Sequence[float] = (2.0, 3.0),
    steps: Sequence[int] = (),
    *,
    finest: Sequence[tuple[float, float]] = (),
    inside: bool = False,
) -> list[Prior]:
    """SSD's default boxes (arXiv 1512.02325, section 2.2) for maps and an image of (height, width).

    `scales` are shares of the image's sides, one for each map and a last one beyond. At each
    position: a square of the map's scale, a square of the geometric mean with the next, and for
    each aspect ratio one lying and one standing box of the map's scale. No side is larger than
    the image's. `steps` are the pixels between positions; without, the image's side over the
    map's. `finest` are (scale, ratio) of the first map's boxes, where they are others. `inside`
    brings centres beyond the image back to its edge.

    Raises:
        LabError: the scales or steps do not fit the maps.
    """
    if len(scales) != len(maps) + 1 or len(steps) not in (0, len(maps)):
        raise LabError(
            f"{len(maps)} maps need {len(maps) + 1} scales and no steps or {len(maps)}, "
            f"not {len(scales)} and {len(steps)}"
        )
    height, width = image
    priors = []
    for number, ((rows, columns), (scale, following)) in enumerate(
        zip(maps, pairwise(scales), strict=True)
    ):
        between = sqrt(scale * following)
        sides = [(scale, scale), (between, between)]
        for ratio in ratios:
            longer, shorter = scale * sqrt(ratio), scale / sqrt(ratio)
            sides += [(longer, shorter), (shorter, longer)]
        if finest and number == 0:
            sides = [(share * sqrt(ratio), share / sqrt(ratio)) for share, ratio in finest]
        sizes = [(min(across, 1.0) * width, min(down, 1.0) * height) for across, down in sides]
        down = steps[number] if steps else height / rows
        across = steps[number] if steps else width / columns
        right, bottom = (width, height) if inside else (inf, inf)
        priors += [
            Prior(min((column + 0.5) * across, right), min((row + 0.5) * down, bottom), *size)
            for row in range(rows)
            for column in range(columns)
            for size in sizes
        ]
    return priors


def grid_anchors(
    maps: Sequence[Pair], image: Pair, anchors: Sequence[Sequence[tuple[float, float]]]
) -> list[Prior]:
    """YOLO's anchors: for each map some sizes (width, height in pixels), at every cell's centre.

    Raises:
        LabError: there are not as many groups of anchors as maps.
    """
    if len(anchors) != len(maps):
        raise LabError(f"{len(maps)} maps need as many groups of anchors, not {len(anchors)}")
    height, width = image
    return [
        Prior((column + 0.5) * width / columns, (row + 0.5) * height / rows, *size)
        for (rows, columns), sizes in zip(maps, anchors, strict=True)
        for row in range(rows)
        for column in range(columns)
        for size in sizes
    ]
