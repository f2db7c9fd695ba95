"""Networks whose maps are not yet their answer, and how boxes come of maps."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mobilenet_lab.errors import MissingPackageError

try:  # not when boxes are looked for: an import does not go well with a trace by torch.jit
    from torchvision.ops import batched_nms
except ModuleNotFoundError:
    batched_nms = None


class Predictor(nn.Module):
    """Gives its maps while training, and its answer in eval mode.

    A subclass says how in `maps` and `answer`. With `raw` set to True it gives its maps in eval
    mode, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw = False

    def forward(self, x: Tensor) -> Any:
        maps = self.maps(x)
        return maps if self.training or self.raw else self.answer(maps, x)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the layers, in the order of the trace's."""
        raise NotImplementedError

    def answer(self, maps: tuple[Tensor, ...], x: Tensor) -> Any:
        """What they say of the images `x`."""
        raise NotImplementedError


class Detections(NamedTuple):
    """The boxes found on one image, best first."""

    boxes: Tensor
    """n x 4: left, top, right, bottom in pixels of the input image"""
    scores: Tensor
    """n, from 0 to 1"""
    labels: Tensor
    """n class numbers"""


def by_prior(maps: Iterable[Tensor], values: int) -> Tensor:
    """Maps of N x (anchors * values) x H x W as one N x priors x values, in the order of priors."""
    flat = [part.permute(0, 2, 3, 1).reshape(len(part), -1, values) for part in maps]
    return torch.cat(flat, 1)


def corners(centres: Tensor, sizes: Tensor) -> Tensor:
    """Boxes ... x 4 (left, top, right, bottom) from ... x 2 centres and ... x 2 sizes."""
    return torch.cat((centres - sizes / 2, centres + sizes / 2), -1)


def select(
    boxes: Tensor,
    scores: Tensor,
    size: Sequence[int],
    *,
    score_threshold: float,
    iou_threshold: float,
    candidates: int,
    most: int,
    first_label: int = 0,
) -> Detections:
    """What is left of boxes (n x 4) with scores (n x classes) on an image of `size` (H, W).

    Boxes are cut at the image's edge; of each class the best `candidates` above the threshold
    stay, non-maximum suppression thins them class by class, and the best `most` are kept.

    Raises:
        MissingPackageError: torchvision is not installed.
    """
    if batched_nms is None:
        raise MissingPackageError("torchvision", "detection", "finding boxes")
    height, width = size
    limits = boxes.new_tensor((width, height, width, height))
    boxes = boxes.clamp(min=0).minimum(limits)
    seen = (scores > score_threshold).any(1)  # most boxes are of no class
    boxes, scores = boxes[seen], scores[seen]
    best, places = scores.topk(min(candidates, len(scores)), 0)
    above = (best > score_threshold).nonzero(as_tuple=True)
    chosen, order = best[above].sort(descending=True, stable=True)
    found = Detections(boxes[places[above][order]], chosen, above[1][order] + first_label)
    return thinned(found, iou_threshold, most)


def thinned(found: Detections, iou_threshold: float, most: int) -> Detections:
    """What non-maximum suppression, class by class, leaves of boxes, and of that the best `most`.

    The boxes come best first. Only a better box suppresses one, so the rest need not be looked at
    when the first ones give enough.
    """
    tried = 4 * most
    while True:
        first = Detections(*(part[:tried] for part in found))
        keep = batched_nms(first.boxes, first.scores, first.labels, iou_threshold)[:most]
        if len(keep) == most or tried >= len(found.labels):
            return Detections(*(part[keep] for part in first))
        tried *= 4
