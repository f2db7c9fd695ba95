"""ResNet against torchvision's: same weights, same answers; same counts at every depth."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import resnet, resnet_torch
from mobilenet_lab.layers import Pair, Trace
from mobilenet_lab.receptive_field import receptive_fields

from .foreign import after_training, assert_same_scores, channels, copy_by_order
from .foreign import parameters_and_macs as counted

NAMES = ("resnet18", "resnet50")


def field_of_last_map(trace: Trace) -> Any:
    return receptive_fields(trace)[trace.taps["C5"]].size


def stride_in_1x1(module: nn.Module) -> nn.Module:
    """torchvision's 3x3 strides moved to the 1x1 before them, as in the paper."""
    for part in module.modules():
        if isinstance(part, models.resnet.Bottleneck):
            part.conv1.stride, part.conv2.stride = part.conv2.stride, (1, 1)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_same_scores_with_the_same_weights(name: str) -> None:
    theirs = after_training(getattr(models, name)(weights=None, num_classes=5))
    assert_same_scores(copy_by_order(theirs, registry.build(name, classes=5)), theirs)


def test_same_scores_with_the_stride_in_the_1x1() -> None:
    theirs = after_training(stride_in_1x1(models.resnet50(weights=None, num_classes=5)))
    assert_same_scores(copy_by_order(theirs, registry.build("resnet50_v1", classes=5)), theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [(64, 64), (65, 97)])
def test_same_parameters_and_macs(name: str, resolution: Pair) -> None:
    theirs = getattr(models, name)(weights=None)
    total = analyse(registry.trace(name, resolution=resolution)).total
    assert (total.params, total.macs) == counted(theirs, (3, *resolution))


@pytest.mark.parametrize(
    ("depth", "params", "billions"),
    [
        (18, 11_689_512, "1.814"),
        (34, 21_797_672, "3.664"),
        (50, 25_557_032, "4.089"),
        (101, 44_549_160, "7.801"),
        (152, 60_192_808, "11.514"),
    ],
)
def test_every_column_of_the_table(depth: int, params: int, billions: str) -> None:
    """What torchvision prints of its weights (num_params and _ops)."""
    trace = resnet.trace(depth=depth)
    total = analyse(trace).total
    assert total.params == params
    assert f"{total.macs / 1e9:.3f}" == billions
    with torch.device("meta"):
        theirs, twin = getattr(models, f"resnet{depth}")(), resnet_torch.build(depth=depth)
    for module in (theirs, twin):
        assert sum(map(torch.numel, module.parameters())) == params
    ours = [layer.out_shape[0] for layer in trace.layers if layer.op == "conv2d"]
    assert ours == channels(theirs) == channels(twin)


def test_where_the_stride_is_changes_the_work_and_the_field() -> None:
    late, early = registry.trace("resnet50"), registry.trace("resnet50_v1")
    first, second = analyse(late).total, analyse(early).total
    assert first.params == second.params == 25_557_032
    assert (first.macs, second.macs) == (4_089_184_256, 3_857_973_248)
    assert field_of_last_map(late) == (427, 427)
    assert field_of_last_map(early) == (483, 483)
    assert field_of_last_map(registry.trace("resnet18")) == (435, 435)
    for early_stride, size in ((False, 971), (True, 1027)):
        deep = resnet.trace(depth=101, stride_in_1x1=early_stride)
        assert field_of_last_map(deep) == (size, size)
