"""Networks whose maps are not yet their answer, and how boxes come of maps."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mobilenet_lab.detection.priors import Prior
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


def as_tensor(priors: Sequence[Prior], like: Tensor) -> Tensor:
    """priors x 4: centre and size, of the type and on the device of `like`."""
    return torch.tensor(priors, dtype=like.dtype, device=like.device)


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
    # each begins with none, for there may be no class at all
    kept_boxes, kept_scores = [boxes[:0]], [scores[:0].flatten()]
    kept_labels = [torch.zeros(0, dtype=torch.long, device=boxes.device)]
    for label, column in enumerate(scores.unbind(1), start=first_label):
        above = (column > score_threshold).nonzero().flatten()
        order = column[above].argsort(descending=True, stable=True)
        best = above[order[:candidates]]
        kept_boxes.append(boxes[best])
        kept_scores.append(column[best])
        kept_labels.append(torch.full_like(best, label))
    found = Detections(torch.cat(kept_boxes), torch.cat(kept_scores), torch.cat(kept_labels))
    keep = batched_nms(found.boxes, found.scores, found.labels, iou_threshold)[:most]
    return Detections(*(part[keep] for part in found))
