"""Boxes are looked at best first and no further than needed; what is found is the same."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import batched_nms as nms_of_classes
from torchvision.ops import nms

from mobilenet_lab.detection import predictor_torch
from mobilenet_lab.detection.predictor_torch import Detections, select
from mobilenet_lab.detection.ssd_torch import default_boxes

SIZE = (200, 300)


def boxes(count: int, seed: int, largest: float) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    centres, sides = (torch.rand(count, 2, generator=random, dtype=torch.float64) for _ in "cs")
    centres, sides = centres * 300, 1 + sides * largest
    return torch.cat((centres - sides / 2, centres + sides / 2), 1)


def one_by_one(
    boxes: Tensor, scores: Tensor, threshold: float, iou: float, candidates: int, most: int
) -> list[tuple[float, int, list[float]]]:
    """Every class by itself, all of its boxes; then the best."""
    boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([SIZE[1], SIZE[0]] * 2))
    found = []
    for label in range(scores.shape[1]):
        column = scores[:, label]
        best = [n for n in column.argsort(descending=True).tolist() if column[n] > threshold]
        best = best[:candidates]
        kept = nms(boxes[best], column[best], iou).tolist()
        found += [(float(column[best[n]]), label + 7, boxes[best[n]].tolist()) for n in kept]
    return sorted(found, reverse=True)[:most]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("candidates", "most", "largest"), [(400, 10, 200.0), (400, 10, 5.0), (20, 300, 60.0)]
)
def test_as_if_all_were_looked_at(seed: int, candidates: int, most: int, largest: float) -> None:
    """With 40 of 1,600 looked at first, and more where large boxes leave fewer than 10."""
    given = boxes(500, seed, largest)
    random = torch.Generator().manual_seed(seed + 10)
    scores = torch.rand(500, 4, generator=random, dtype=torch.float64)
    got = select(
        given,
        scores,
        SIZE,
        score_threshold=0.1,
        iou_threshold=0.02,
        candidates=candidates,
        most=most,
        first_label=7,
    )
    rows = [
        (float(score), int(label), box.tolist()) for box, score, label in zip(*got, strict=True)
    ]
    assert rows == one_by_one(given, scores, 0.1, 0.02, candidates, most)
    assert rows


def test_no_more_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far apart: the first four times as many are enough. All at one place: all are looked at."""
    looked: list[int] = []

    def counted(boxes: Tensor, *rest: Any) -> Any:
        looked.append(len(boxes))
        return real(boxes, *rest)

    real: Any = nms_of_classes
    monkeypatch.setattr(predictor_torch, "batched_nms", counted)
    corner = torch.arange(600.0)[:, None].expand(-1, 4) * 3
    apart = corner + torch.tensor([0.0, 0.0, 2.0, 2.0])
    scores = torch.linspace(1, 0.5, 600)
    labels = torch.zeros(600, dtype=torch.long)
    found = predictor_torch.thinned(Detections(apart, scores, labels), 0.5, most=20)
    assert (looked, len(found.labels)) == ([80], 20)
    looked.clear()
    same = apart[:1].expand(600, -1)
    found = predictor_torch.thinned(Detections(same, scores, labels), 0.5, most=20)
    assert (looked, len(found.labels)) == ([80, 320, 600], 1)


def test_default_boxes_are_made_once_and_serve_gradients_afterwards() -> None:
    default_boxes.cache_clear()
    arguments = ((5, 7),), SIZE, (0.2, 0.4), (2.0,)
    with torch.inference_mode():
        first = default_boxes(*arguments)
    assert default_boxes(*arguments) is first
    assert not first.is_inference()
    assert first.shape == (5 * 7 * 4, 4)
