"""YOLO's boxes and scores out of its maps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mobilenet_lab.detection.predictor_torch import Detections, Predictor, by_prior, select


class Cells(NamedTuple):
    """What each prediction refers to, in the order of `by_prior`."""

    grid: Tensor
    """n x 2: column and row of its cell"""
    stride: Tensor
    """n x 1: pixels of the image between cells"""
    anchor: Tensor
    """n x 2: width and height in pixels"""


def cells(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    anchors: Sequence[Sequence[tuple[float, float]]],
) -> Cells:
    """The cells of maps N x C x H x W, of their type and on their device."""
    parts = []
    for part, stride, sizes in zip(maps, strides, anchors, strict=True):
        rows, columns = (torch.arange(side, device=part.device) for side in part.shape[2:])
        row, column = torch.meshgrid(rows, columns, indexing="ij")
        corner = torch.stack((column, row), -1).reshape(-1, 1, 2).to(part.dtype)
        grid = corner.expand(-1, len(sizes), -1).reshape(-1, 2)
        anchor = corner.new_tensor(sizes).repeat(len(corner), 1)
        parts.append(Cells(grid, torch.full_like(grid[:, :1], stride), anchor))
    return Cells(*(torch.cat(same) for same in zip(*parts, strict=True)))


class YoloPredictor(Predictor):
    """Gives maps of anchors * (4 + 1 + classes) channels, and detections in eval mode.

    At each cell and for each anchor: where the box is, whether there is one, and of which class.
    A subclass says how the box is read in `boxes`.
    """

    strides: Sequence[int]
    anchors: Sequence[Sequence[tuple[float, float]]]
    """(width, height) in pixels, so many for each map"""
    score_threshold = 0.25
    iou_threshold = 0.45
    most = 300
    candidates = 1000
    """Of each class, the boxes that go into non-maximum suppression."""

    def boxes(self, raw: Tensor, at: Cells) -> Tensor:
        """N x n x 4 corners, in pixels, from N x n x 4 predictions."""
        raise NotImplementedError

    def decode(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Boxes N x n x 4 (left, top, right, bottom) and scores N x n x classes."""
        raw = by_prior(maps, maps[0].shape[1] // len(self.anchors[0]))
        boxes = self.boxes(raw[..., :4], cells(maps, self.strides, self.anchors))
        return boxes, raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()

    def answer(self, maps: tuple[Tensor, ...], x: Tensor) -> list[Detections]:
        """What was found on each image; a box may be found as more than one class."""
        return [
            select(
                boxes,
                scores,
                x.shape[2:],
                score_threshold=self.score_threshold,
                iou_threshold=self.iou_threshold,
                candidates=self.candidates,
                most=self.most,
            )
            for boxes, scores in zip(*self.decode(maps), strict=True)
        ]
