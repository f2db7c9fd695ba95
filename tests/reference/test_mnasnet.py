"""MnasNet-A1 against timm's semnasnet, MnasNet-B1 against torchvision's mnasnet and timm's.

timm registers a few widths, and makes the others by the same functions.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import timm
import torch
from timm.models.efficientnet import _gen_mnasnet_a1, _gen_mnasnet_b1
from torch import nn
from torchvision.models import MNASNet, mnasnet1_0

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

from .foreign import after_training, assert_same_scores, channels, copy_by_order
from .foreign import parameters_and_macs as counted

Foreign: TypeAlias = Callable[[float], nn.Module]

A1, B1 = "mnasnet_a1", "mnasnet_b1"
WIDTHS = (0.25, 0.35, 0.75, 1.3)


def timm_a1(width: float) -> nn.Module:
    return _gen_mnasnet_a1("semnasnet_100", width)


def timm_b1(width: float) -> nn.Module:
    return _gen_mnasnet_b1("mnasnet_100", width)


def torchvision_b1(width: float) -> nn.Module:
    return MNASNet(width)


SOURCES = ((A1, timm_a1), (B1, timm_b1), (B1, torchvision_b1))


@pytest.mark.parametrize("width", [0.25, 1.3])
@pytest.mark.parametrize(("name", "foreign"), SOURCES)
def test_same_scores_with_the_same_weights(name: str, foreign: Foreign, width: float) -> None:
    """At width 0.25 stem and first stage are equally wide, and still no residual joins them."""
    theirs = after_training(foreign(width))
    assert_same_scores(copy_by_order(theirs, registry.build(name, width=width)), theirs)


def test_the_registered_ones_are_these() -> None:
    for name, theirs in (
        (A1, timm.create_model("semnasnet_100", pretrained=False)),
        (B1, timm.create_model("mnasnet_100", pretrained=False)),
        (B1, mnasnet1_0(weights=None)),
    ):
        theirs = after_training(theirs)
        assert_same_scores(copy_by_order(theirs, registry.build(name)), theirs)


def test_few_classes_and_one_channel() -> None:
    options: dict[str, Any] = {"num_classes": 7, "in_chans": 1}
    theirs = after_training(timm.create_model("semnasnet_100", pretrained=False, **options), 1)
    ours = registry.build(A1, classes=7, in_channels=1)
    assert_same_scores(copy_by_order(theirs, ours), theirs, in_channels=1)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("name", "foreign"), SOURCES)
def test_same_parameters_and_macs(name: str, foreign: Foreign, width: float) -> None:
    total = analyse(registry.trace(name, width=width, resolution=(97, 66))).total
    assert (total.params, total.macs) == counted(foreign(width), (3, 97, 66))


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [(A1, 3_887_038, 311_579_072), (B1, 4_383_312, 314_415_872)],
)
def test_the_known_totals(name: str, params: int, macs: int) -> None:
    total = analyse(registry.trace(name)).total
    assert (total.params, total.macs) == (params, macs)


@pytest.mark.parametrize("percent", range(5, 200, 26))
@pytest.mark.parametrize(("name", "foreign"), SOURCES)
def test_same_channels_at_any_width(name: str, foreign: Foreign, percent: int) -> None:
    """Gates among them: a quarter of what goes into the block."""
    layers = registry.trace(name, width=percent / 100).layers
    convolutions = [layer for layer in layers if layer.op == "conv2d"]
    with torch.device("meta"):
        theirs = foreign(percent / 100)
    assert [layer.out_shape[0] for layer in convolutions] == channels(theirs)


def norms(module: nn.Module) -> set[tuple[float, float | None]]:
    parts = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    return {(part.eps, part.momentum) for part in parts}


def test_same_batch_norm_as_torchvision_s() -> None:
    """Its momentum does not show in scores."""
    theirs, ours = mnasnet1_0(weights=None), registry.build(B1)
    assert norms(ours) == norms(theirs) == {(1e-5, 1 - 0.9997)}


@pytest.mark.parametrize("width", [0.02, 0.05])
def test_only_a_tiny_b1_tells_timm_from_torchvision(width: float) -> None:
    """Where the last two stages are equally wide, torchvision's has a residual, timm's has not."""
    theirs = after_training(torchvision_b1(width))
    ours = copy_by_order(theirs, registry.build(B1, width=width))
    assert_same_scores(ours, theirs)
    with pytest.raises(AssertionError, match="not close"):
        assert_same_scores(ours, copy_by_order(theirs, timm_b1(width)))
