"""SSDLite320 on MobileNetV3 against torchvision's: same weights, same maps, boxes and counts."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import ssdlite
from mobilenet_lab.counters import fvcore
from mobilenet_lab.detection.predictor_torch import Detections, by_prior
from mobilenet_lab.detection.ssd_torch import COORDINATES, SsdPredictor

from .foreign import copy_by_order, images

NAME = "ssdlite320_mobilenet_v3_large"
SIDE = 320


def torchvision_model(**options: Any) -> Any:
    """Without weights from the net; it takes images as they are, of 320 x 320."""
    theirs: Any = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, **options)
    theirs.transform.image_mean, theirs.transform.image_std = [0.0] * 3, [1.0] * 3
    return theirs


@torch.no_grad()
def trained(**options: Any) -> Any:
    """Batch norms and heads as they might be after training: some scores and offsets are large."""
    theirs = torchvision_model(**options)
    random = torch.Generator().manual_seed(0)
    for part in theirs.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.uniform_(1.0, 3.0, generator=random)
            part.bias.uniform_(-1.0, 1.0, generator=random)
            part.momentum = 1.0  # the statistics become those of the next batch
    theirs.train().backbone(images(4, 3, SIDE, SIDE, seed=2))
    raw = theirs.head(list(theirs.backbone(images(4, 3, SIDE, SIDE, seed=2)).values()))
    for head, values in (
        (theirs.head.classification_head, raw["cls_logits"]),
        (theirs.head.regression_head, raw["bbox_regression"]),
    ):
        for part in head.module_list:
            part[1].weight *= 2.0 / values.std()
            part[1].bias.uniform_(-0.5, 0.5, generator=random)
    return theirs.eval()


def pair(**options: Any) -> tuple[Any, Any]:
    theirs = trained(**({"num_classes": options["classes"]} if "classes" in options else {}))
    ours: Any = copy_by_order(theirs, registry.build(NAME, **options))
    return theirs, ours


def maps(theirs: Any, x: Tensor) -> dict[str, Tensor]:
    """Class scores and offsets, N x priors x values, as the heads give them."""
    found: dict[str, Tensor] = theirs.head(list(theirs.backbone(x).values()))
    return found


@pytest.mark.parametrize("size", [(320, 320), (97, 161)])
def test_same_maps_with_the_same_weights(size: tuple[int, int]) -> None:
    theirs, ours = pair()
    x = images(2, 3, *size)
    with torch.no_grad():
        expected, got = maps(theirs, x), ours.maps(x)
    for name, mine, values in (
        ("cls_logits", got[:6], 91),
        ("bbox_regression", got[6:], COORDINATES),
    ):
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(
            by_prior(mine, values), expected[name], rtol=1e-4, atol=1e-4 * scale
        )
        assert (expected[name][0] - expected[name][1]).abs().max() > 1e-2 * scale


def test_the_maps_have_these_channels_and_sides() -> None:
    theirs = torchvision_model().eval()
    with torch.no_grad():
        features = theirs.backbone(torch.zeros(1, 3, SIDE, SIDE)).values()
    trace = registry.trace(NAME)
    ours = [trace.layers[trace.taps[f"map{number}"]].out_shape for number in range(1, 7)]
    assert ours == [tuple(each.shape[1:]) for each in features]
    assert [shape[0] for shape in ours] == [672, 480, 512, 256, 256, 128]
    assert [shape[1] for shape in ours] == [20, 10, 5, 3, 2, 1]


@pytest.mark.parametrize("size", [(320, 320), (128, 320), (97, 161)])
def test_same_default_boxes(size: tuple[int, int]) -> None:
    theirs = torchvision_model().eval()
    x = torch.zeros(1, 3, *size)
    with torch.no_grad():
        features = list(theirs.backbone(x).values())
        (expected,) = theirs.anchor_generator(ImageList(x, [size]), features)
    priors = torch.tensor(ssdlite.priors(registry.trace(NAME, resolution=size)))
    corners = torch.cat((priors[:, :2] - priors[:, 2:] / 2, priors[:, :2] + priors[:, 2:] / 2), 1)
    torch.testing.assert_close(corners, expected, rtol=0, atol=1e-4)
    if size == (320, 320):
        assert len(priors) == 3_234


def assert_same_detections(mine: Detections, theirs: dict[str, Tensor]) -> None:
    torch.testing.assert_close(mine.labels, theirs["labels"], rtol=0, atol=0)
    torch.testing.assert_close(mine.scores, theirs["scores"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine.boxes, theirs["boxes"], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("classes", [91, 3])
def test_same_boxes_scores_and_labels(classes: int) -> None:
    theirs, ours = (each.double() for each in pair(classes=classes))
    x = images(2, 3, SIDE, SIDE).double()
    with torch.no_grad():
        expected, got = theirs(list(x)), ours(x)
        alone = ours(x[1:])
    assert len(expected) == len(got) == 2
    for mine, other in zip(got, expected, strict=True):
        assert len(mine.labels) > 100
        assert_same_detections(mine, other)
    assert_same_detections(alone[0], expected[1])
    assert not torch.equal(got[0].boxes, got[1].boxes)


def test_same_boxes_of_the_same_maps() -> None:
    """With random maps: boxes far out, tiny and huge, and scores near 0 and 1."""
    theirs, ours = torchvision_model(num_classes=5).eval(), registry.build(NAME, classes=5).eval()
    assert isinstance(ours, SsdPredictor)
    random = torch.Generator().manual_seed(4)
    sides = [20, 10, 5, 3, 2, 1]
    raw = [
        3 * torch.randn(1, 6 * values, side, side, generator=random, dtype=torch.float64)
        for values in (5, COORDINATES)
        for side in sides
    ]
    raw[6 + 1] *= 20  # beyond the limit of growth
    heads = {
        "cls_logits": by_prior(raw[:6], 5),
        "bbox_regression": by_prior(raw[6:], COORDINATES),
    }
    x = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float64)
    anchors = theirs.anchor_generator(ImageList(x, [(SIDE, SIDE)]), raw[6:])
    (expected,) = theirs.postprocess_detections(heads, anchors, [(SIDE, SIDE)])
    (got,) = ours.answer(tuple(raw), x)
    assert len(got.labels) == 300
    assert_same_detections(got, expected)


def test_same_constants_of_the_batch_norms() -> None:
    theirs, ours = (
        [(part.eps, part.momentum) for part in each.modules() if isinstance(part, nn.BatchNorm2d)]
        for each in (torchvision_model(), registry.build(NAME))
    )
    assert ours == theirs
    assert set(ours) == {(1e-3, 0.03)}


def test_the_same_boxes_are_kept() -> None:
    theirs, ours = torchvision_model(), registry.build(NAME)
    assert isinstance(ours, SsdPredictor)
    assert (ours.score_threshold, ours.iou_threshold, ours.candidates, ours.most) == (
        theirs.score_thresh,
        theirs.nms_thresh,
        theirs.topk_candidates,
        theirs.detections_per_img,
    )


@pytest.mark.parametrize("classes", [91, 3])
def test_same_parameters_and_macs(classes: int) -> None:
    theirs = torchvision_model(num_classes=classes).eval()

    class Layers(nn.Module):
        """Without its resizing and its boxes."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = theirs.backbone, theirs.head

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return maps(self, x)

    operators: Any = fvcore.count(Layers(), torch.zeros(1, 3, SIDE, SIDE))[""]
    total = analyse(registry.trace(NAME, classes=classes)).total
    assert total.params == sum(map(torch.numel, theirs.parameters()))
    assert total.macs == operators["conv"]
    if classes == 91:
        assert (total.params, total.macs) == (3_440_060, 583_171_904)


def test_without_the_reduced_tail_as_with_a_pretrained_backbone() -> None:
    from torchvision.models import mobilenet_v3_large
    from torchvision.models.detection.ssdlite import SSDLiteHead, _mobilenet_extractor

    def norm(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)

    backbone = _mobilenet_extractor(mobilenet_v3_large(weights=None, norm_layer=norm), 6, norm)
    heads = SSDLiteHead([672, 960, 512, 256, 256, 128], [6] * 6, 91, norm)
    theirs = sum(map(torch.numel, [*backbone.parameters(), *heads.parameters()]))
    assert analyse(registry.trace(NAME, reduced_tail=False)).total.params == theirs
