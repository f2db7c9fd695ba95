"""EfficientNet-Lite0 against timm's; timm registers width 1 and makes others by the same function.

The tf_ variant has the same layers. It pads as TensorFlow does, which on odd sides is what
symmetric padding does.
"""

from typing import Any

import pytest
import timm
import torch
from timm.models.efficientnet import _gen_efficientnet_lite
from torch import nn

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

from .foreign import after_training, assert_same_scores, channels, copy_by_order, images
from .foreign import parameters_and_macs as counted

NAME = "efficientnet_lite0"
WIDTHS = (0.25, 0.35, 0.75, 1.3)


def lite(width: float = 1.0) -> nn.Module:
    return _gen_efficientnet_lite(NAME, width)


@pytest.mark.parametrize("width", [0.25, 1.0, 2.0])
def test_same_scores_with_the_same_weights(width: float) -> None:
    """At width 2 stem and first stage are equally wide, and a residual joins them."""
    theirs = after_training(lite(width))
    assert_same_scores(copy_by_order(theirs, registry.build(NAME, width=width)), theirs)


def test_few_classes_and_one_channel() -> None:
    options: dict[str, Any] = {"num_classes": 7, "in_chans": 1}
    theirs = after_training(timm.create_model(NAME, pretrained=False, **options), 1)
    ours = registry.build(NAME, classes=7, in_channels=1)
    assert_same_scores(copy_by_order(theirs, ours), theirs, in_channels=1)


@pytest.mark.parametrize("width", WIDTHS)
def test_same_parameters_and_macs(width: float) -> None:
    total = analyse(registry.trace(NAME, width=width, resolution=(97, 66))).total
    assert (total.params, total.macs) == counted(lite(width), (3, 97, 66))


def test_the_known_totals() -> None:
    """The parameters are those of the authors' own test."""
    total = analyse(registry.trace(NAME)).total
    assert (total.params, total.macs) == (4_652_008, 385_187_552)


@pytest.mark.parametrize("percent", range(5, 200, 13))
def test_same_channels_at_any_width(percent: int) -> None:
    """Stem and head stay as they are."""
    layers = registry.trace(NAME, width=percent / 100).layers
    convolutions = [layer.out_shape[0] for layer in layers if layer.op == "conv2d"]
    with torch.device("meta"):
        theirs = lite(percent / 100)
    assert convolutions == channels(theirs)
    assert (convolutions[0], convolutions[-1]) == (32, 1280)


def test_tensorflow_s_variant_differs_by_padding_and_eps() -> None:
    """65 pixels stay odd to the last stride: 33, 17, 9, 5, 3."""
    theirs = after_training(timm.create_model(f"tf_{NAME}", pretrained=False))
    ours = copy_by_order(theirs, registry.build(NAME))
    for norm in ours.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eps = 1e-3
    for side, same in ((65, True), (64, False)):
        x = images(2, 3, side, side)
        with torch.no_grad():
            expected, got = theirs(x), ours(x)
        scale = float(expected.abs().max())
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-4 * scale) is same
