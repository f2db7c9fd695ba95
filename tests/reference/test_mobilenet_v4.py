"""MobileNetV4 against timm's: same weights, same answers; same counts at every width."""

import pytest
import timm
from timm.models.mobilenetv3 import _gen_mobilenet_v4
from torch import nn

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

from .foreign import after_training, assert_same_scores, channels, copy_by_order
from .foreign import parameters_and_macs as counted

SIZES = ("conv_small", "conv_medium")


def v4(size: str, width: float = 1.0, **options: int) -> nn.Module:
    """timm's; it registers three widths of the small one, and makes all by the same function."""
    return _gen_mobilenet_v4(f"mobilenetv4_{size}", width, **options)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("width", [0.35, 1.0])
def test_same_scores_with_the_same_weights(size: str, width: float) -> None:
    theirs = after_training(v4(size, width))
    ours = registry.build(f"mobilenet_v4_{size}", width=width)
    assert_same_scores(copy_by_order(theirs, ours), theirs)


def test_same_scores_with_few_classes_and_one_channel() -> None:
    theirs = after_training(v4("conv_small", num_classes=5, in_chans=1), in_channels=1)
    ours = registry.build("mobilenet_v4_conv_small", classes=5, in_channels=1)
    assert_same_scores(copy_by_order(theirs, ours), theirs, in_channels=1)


@pytest.mark.parametrize(
    ("name", "ours", "params", "macs"),
    [
        ("mobilenetv4_conv_small", "mobilenet_v4_conv_small", 3_774_024, 186_005_568),
        ("mobilenetv4_conv_medium", "mobilenet_v4_conv_medium", 9_715_512, 1_080_244_224),
    ],
)
def test_the_registered_ones_are_these(name: str, ours: str, params: int, macs: int) -> None:
    """Each at the resolution of its table."""
    trace = registry.trace(ours)
    total = analyse(trace).total
    assert (total.params, total.macs) == (params, macs)
    assert counted(timm.create_model(name, pretrained=False), trace.input_shape) == (params, macs)


@pytest.mark.parametrize(
    ("size", "width"),
    [("conv_small", 0.1), ("conv_small", 0.9), ("conv_small", 1.3), ("conv_medium", 0.6)],
)
def test_same_parameters_and_macs(size: str, width: float) -> None:
    trace = registry.trace(f"mobilenet_v4_{size}", width=width, resolution=(65, 97))
    total = analyse(trace).total
    assert (total.params, total.macs) == counted(v4(size, width), (3, 65, 97))


@pytest.mark.parametrize("percent", range(5, 200, 39))
def test_same_channels_at_any_width(percent: int) -> None:
    """Rounding rules differ at odd widths first."""
    width = percent / 100
    layers = registry.trace("mobilenet_v4_conv_small", width=width).layers
    convolutions = [layer for layer in layers if layer.op == "conv2d"]
    assert [layer.out_shape[0] for layer in convolutions] == channels(v4("conv_small", width))
