"""SSD's boxes and scores out of its maps."""

from collections.abc import Sequence
from functools import lru_cache
from math import log
from typing import Any

import torch
from torch import Tensor

from mobilenet_lab.detection.predictor_torch import (
    Detections,
    Predictor,
    by_prior,
    corners,
    select,
)
from mobilenet_lab.detection.priors import ssd_priors

COORDINATES = 4
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
"""What a correction of a centre, and of a size, is multiplied by."""
MOST_GROWTH = log(1000 / 16)
"""A side grows by the exponential of this at most (torchvision's limit): no box is infinite."""


def corrected(priors: Tensor, offsets: Tensor) -> Tensor:
    """Boxes ... x 4 (left, top, right, bottom) from priors ... x 4 and offsets ... x 4.

    Centres move by shares of the prior's sides, sides grow exponentially (arXiv 1512.02325,
    section 2.2, with the variances of its code).
    """
    centres, sides = priors[..., :2], priors[..., 2:]
    centres = centres + CENTRE_VARIANCE * offsets[..., :2] * sides
    sides = sides * (SIZE_VARIANCE * offsets[..., 2:]).clamp(max=MOST_GROWTH).exp()
    return corners(centres, sides)


@lru_cache(maxsize=16)
def default_boxes(*arguments: Any, **options: Any) -> Tensor:
    """priors x 4 (centre and size) in float64 on the CPU: `ssd_priors`, once for each size."""
    with torch.inference_mode(False):  # gradients may be asked for at the next image
        return torch.tensor(ssd_priors(*arguments, **options), dtype=torch.float64)


class SsdPredictor(Predictor):
    """Gives maps of boxes * classes channels, then as many of boxes * 4; detections in eval mode.

    Class 0 is the background, so the labels are from 1.
    """

    classes: int
    scales: tuple[float, ...]
    """as `ssd_priors` takes them, like the next three"""
    ratios: tuple[float, ...]
    steps: tuple[int, ...] = ()
    finest: tuple[tuple[float, float], ...] = ()
    steps_fit: tuple[int, ...] = ()
    """(height, width) of the images that `steps` are for; others go without"""
    score_threshold = 0.01
    iou_threshold = 0.45
    candidates = 200
    """Of each class, the boxes that go into non-maximum suppression."""
    most = 200

    def priors(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """priors x 4 (centre and size, in pixels) of maps on an image of `size` (H, W)."""
        height, width = size
        return default_boxes(
            tuple((part.shape[2], part.shape[3]) for part in maps),
            (height, width),
            self.scales,
            self.ratios,
            self.steps if tuple(size) == self.steps_fit else (),
            finest=self.finest,
            inside=True,
        ).to(maps[0])

    def decode(self, maps: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Boxes N x n x 4 (left, top, right, bottom) and scores N x n x classes."""
        half = len(maps) // 2
        offsets = by_prior(maps[half:], COORDINATES)
        boxes = corrected(self.priors(maps[half:], size), offsets)
        return boxes, by_prior(maps[:half], self.classes).softmax(-1)

    def answer(self, maps: tuple[Tensor, ...], x: Tensor) -> list[Detections]:
        """What was found on each image; a box may be found as more than one class."""
        size = x.shape[2:]
        return [
            select(
                boxes,
                scores[:, 1:],
                size,
                score_threshold=self.score_threshold,
                iou_threshold=self.iou_threshold,
                candidates=self.candidates,
                most=self.most,
                first_label=1,
            )
            for boxes, scores in zip(*self.decode(maps, size), strict=True)
        ]
