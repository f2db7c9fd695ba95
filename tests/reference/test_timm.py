"""MobileNetV1 against timm's, and TensorFlow's padding rule against timm's layers.

timm rounds scaled channels to multiples of 8 (`make_divisible`), we cut as TF-slim does. The
table's channels are multiples of 32, so at multiples of a quarter both rules leave them alone.
timm's V1 was trained with ReLU6 and has it still; ours has the paper's ReLU unless told.
"""

from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from timm.models.efficientnet import _gen_mobilenet_v1
from torch import nn
from twins.interpreter import run

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.channels import floor_channels, make_divisible
from mobilenet_lab.layers import Pair, Trace
from mobilenet_lab.net import Net

from .foreign import after_training, assert_same_scores, channels, copy_by_order, images
from .foreign import parameters_and_macs as counted


def v1(width: float = 1.0, **options: Any) -> nn.Module:
    """timm's; it registers widths 1 and 1.25, and makes the others by the same function."""
    return _gen_mobilenet_v1("mobilenetv1_100", width, **options)


def ours_at(width: float) -> list[int]:
    layers = registry.trace("mobilenet_v1", width=width).layers
    return [layer.out_shape[0] for layer in layers if layer.op == "conv2d"]


@pytest.mark.parametrize("width", [0.25, 0.5, 0.75, 1.0, 1.25])
def test_same_scores_with_the_same_weights(width: float) -> None:
    theirs = after_training(v1(width))
    ours = registry.build("mobilenet_v1", width=width, activation="relu6")
    assert_same_scores(copy_by_order(theirs, ours), theirs)


def test_same_scores_with_the_paper_s_relu() -> None:
    theirs = after_training(v1(act_layer=nn.ReLU))
    assert_same_scores(copy_by_order(theirs, registry.build("mobilenet_v1")), theirs)


def test_the_registered_ones_are_these() -> None:
    for name, width in (("mobilenetv1_100", 1.0), ("mobilenetv1_125", 1.25)):
        theirs = after_training(timm.create_model(name, pretrained=False))
        ours = registry.build("mobilenet_v1", width=width, activation="relu6")
        assert_same_scores(copy_by_order(theirs, ours), theirs)


def test_relu6_is_not_relu() -> None:
    """The weights above drive activations past 6; else the two tests would be one."""
    theirs = after_training(v1())
    with pytest.raises(AssertionError, match="not close"):
        assert_same_scores(copy_by_order(theirs, registry.build("mobilenet_v1")), theirs)


@pytest.mark.parametrize(
    ("width", "resolution"),
    [
        (1.0, (224, 224)),
        *((width, (97, 130)) for width in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)),
    ],
)
def test_same_parameters_and_macs(width: float, resolution: Pair) -> None:
    total = analyse(registry.trace("mobilenet_v1", width=width, resolution=resolution)).total
    assert (total.params, total.macs) == counted(v1(width), (3, *resolution))


@pytest.mark.parametrize("width", [0.1, 0.35, 0.6, 0.9, 1.3, 1.4])
def test_other_widths_differ_by_the_rounding_alone(width: float) -> None:
    table = ours_at(1.0)
    theirs, ours = channels(v1(width)), ours_at(width)
    assert theirs == [make_divisible(c * width) for c in table]
    assert ours == [floor_channels(c * width) for c in table]
    assert ours != theirs


sides = st.integers(1, 30)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
windows = {"size": st.tuples(sides, sides), "kernel": pairs, "stride": pairs}


@settings(max_examples=100, deadline=None)
@given(**windows, dilation=pairs)
def test_same_convolution(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> None:
    """TensorFlow's rule at any stride: the odd pixel is padded after."""
    conv = Conv2dSame(2, 4, kernel, stride, dilation=dilation, groups=2)
    net = Net()
    options = {"padding": "same", "dilation": dilation, "groups": 2, "bias": True}
    out = net.conv2d(net.input(2, size), 4, kernel, stride, **options)
    check(net.trace(out), conv, size)


@settings(max_examples=100, deadline=None)
@given(**windows)
def test_same_pools(size: Pair, kernel: Pair, stride: Pair) -> None:
    for record, pool in (
        (Net.max_pool, MaxPool2dSame(kernel, stride)),
        (Net.avg_pool, AvgPool2dSame(kernel, stride, count_include_pad=True)),
    ):
        net = Net()
        out = record(net, net.input(2, size), kernel, stride, "same")
        check(net.trace(out), pool, size)


def check(trace: Trace, module: nn.Module, size: Pair) -> None:
    x = images(2, 2, *size)
    with torch.no_grad():
        (ours,) = run(trace, lambda _: module, x)
        torch.testing.assert_close(ours, module(x))
