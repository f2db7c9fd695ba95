"""LR-ASPP against torchvision's: same weights, same scores and masks; same counts at every size."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import segmentation
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf
from torchvision.models.segmentation.lraspp import LRASPPHead, _lraspp_mobilenetv3

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse, known_fields
from mobilenet_lab.errors import LabError, UnknownNameError

from .foreign import after_training, copy_by_order, images
from .foreign import parameters_and_macs as counted

NAMES = ("lraspp_mobilenet_v3_large", "lraspp_mobilenet_v3_small")
SIZES = ((64, 64), (65, 97), (97, 161), (33, 50), (128, 32), (1, 1))
RF2 = {"rf2": True, "classes": 19}
VARIANTS = (
    {},
    {"classes": 1},
    {"output_stride": 32},
    {"filters": 256},
    {"width": 0.35},
    RF2,
    RF2 | {"output_stride": 32, "filters": 256},
)


class Scores(nn.Module):
    """torchvision's network without the dict around its scores."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)["out"]


def theirs(
    name: str,
    width: float = 1.0,
    classes: int = 21,
    filters: int = 128,
    output_stride: int = 16,
    rf2: bool = False,
) -> Scores:
    """The network of torchvision's parts; by default, for Large, the one that it offers itself."""
    kind = name.removeprefix("lraspp_")
    rows, last = _mobilenet_v3_conf(
        kind, width_mult=width, dilated=output_stride == 16, reduced_tail=rf2
    )
    if rf2:  # torchvision keeps the expansion that leads into the halved stage
        rows[-3].expanded_channels //= 2
    network = _lraspp_mobilenetv3(MobileNetV3(rows, last), classes)
    head = network.classifier
    low, high = head.low_classifier.in_channels, head.cbr[0].in_channels
    network.classifier = LRASPPHead(low, high, classes, filters)
    return Scores(network)


def ours(name: str, **options: Any) -> nn.Module:
    module = registry.build(name, **options).eval()
    module.raw = True
    return module


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_same_scores_and_masks_with_the_same_weights(name: str, variant: dict[str, Any]) -> None:
    reference = after_training(theirs(name, **variant))
    module = copy_by_order(reference, ours(name, **variant))
    for height, width in SIZES:
        x = images(2, 3, height, width)
        with torch.no_grad():
            expected, (got,) = reference(x), module(x)
            module.raw = False
            mask = module(x)
            module.raw = True
        scale = float(expected.abs().max())
        assert expected.shape == (2, variant.get("classes", 21), height, width)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * scale)
        assert (expected[0] - expected[1]).abs().max() > 1e-3 * scale
        assert mask.shape == (2, height, width)
        assert torch.equal(mask, got.argmax(1))


def test_large_is_the_one_that_torchvision_offers() -> None:
    offered = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    reference = after_training(Scores(offered))
    module = copy_by_order(reference, ours(NAMES[0]))
    x = images(1, 3, 73, 101)
    with torch.no_grad():
        torch.testing.assert_close(module(x)[0], reference(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("resolution", [(64, 64), (65, 97)])
def test_same_parameters_and_macs(
    name: str, variant: dict[str, Any], resolution: tuple[int, int]
) -> None:
    total = analyse(registry.trace(name, resolution=resolution, **variant)).total
    assert (total.params, total.macs) == counted(theirs(name, **variant), (3, *resolution))


def test_large_has_the_parameters_and_macs_that_torchvision_prints() -> None:
    total = analyse(registry.trace(NAMES[0])).total
    assert (total.params, round(total.macs / 10**6)) == (3_221_538, 2086)


@pytest.mark.parametrize("name", NAMES)
def test_raw_scores_while_training_a_mask_afterwards(name: str) -> None:
    module = registry.build(name, classes=3)
    x = images(2, 3, 64, 96)
    (scores,) = module.train()(x)
    assert scores.shape == (2, 3, 64, 96)
    assert scores.requires_grad
    mask = module.eval()(x[:1])
    assert (mask.shape, mask.dtype) == ((1, 64, 96), torch.int64)
    assert 0 <= int(mask.min()) <= int(mask.max()) < 3


@pytest.mark.parametrize(
    ("resolution", "summed", "upsampled"),
    [
        ((1024, 2048), 675, 691),  # the coarse map sees 659; either upsampling one unit more
        ((511, 733), 675, 691),  # eighths of 64 and 92, sixteenths of 32 and 46
        ((520, 520), None, None),  # 65 of 33: no whole factor, and places drift apart
        ((1, 1), None, None),
    ],
)
def test_the_field_is_known_where_the_maps_line_up(
    resolution: tuple[int, int], summed: int | None, upsampled: int | None
) -> None:
    trace = registry.trace(NAMES[0], resolution=resolution)
    fields = {
        layer.name: field for layer, field in zip(trace.layers, known_fields(trace), strict=True)
    }
    for name, side in (("head.add", summed), ("upsample", upsampled)):
        field = fields[name]
        assert (field.size if field else None) == ((side, side) if side else None)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_options_are_told_alike(name: str) -> None:
    for make in (registry.trace, registry.build):
        with pytest.raises(LabError, match="output_stride is 16 or 32, not 8"):
            make(name, output_stride=8)
        with pytest.raises(UnknownNameError):
            make(name, reduced_tail=True)
