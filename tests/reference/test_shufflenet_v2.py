"""ShuffleNetV2 against torchvision's: same weights, same answers; same counts at every size."""

import pytest
from torch import nn
from torchvision import models

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

from .foreign import after_training, assert_same_scores, copy_by_order
from .foreign import parameters_and_macs as counted

THEIRS = {
    "0.5x": models.shufflenet_v2_x0_5,
    "1x": models.shufflenet_v2_x1_0,
    "1.5x": models.shufflenet_v2_x1_5,
    "2x": models.shufflenet_v2_x2_0,
}


def shufflenet(size: str, **options: int) -> nn.Module:
    return THEIRS[size](weights=None, **options)


@pytest.mark.parametrize("size", THEIRS)
def test_same_scores_with_the_same_weights(size: str) -> None:
    theirs = after_training(shufflenet(size))
    assert_same_scores(copy_by_order(theirs, registry.build("shufflenet_v2", size=size)), theirs)


def test_same_scores_with_few_classes() -> None:
    theirs = after_training(shufflenet("1x", num_classes=5))
    assert_same_scores(copy_by_order(theirs, registry.build("shufflenet_v2", classes=5)), theirs)


@pytest.mark.parametrize("size", THEIRS)
@pytest.mark.parametrize("resolution", [(64, 64), (65, 97)])
def test_same_parameters_and_macs(size: str, resolution: tuple[int, int]) -> None:
    total = analyse(registry.trace("shufflenet_v2", size=size, resolution=resolution)).total
    assert (total.params, total.macs) == counted(shufflenet(size), (3, *resolution))


@pytest.mark.parametrize(
    ("size", "params"),
    [("0.5x", 1_366_792), ("1x", 2_278_604), ("1.5x", 3_503_624), ("2x", 7_393_996)],
)
def test_the_sizes_have_these_parameters(size: str, params: int) -> None:
    assert analyse(registry.trace("shufflenet_v2", size=size)).total.params == params


@pytest.mark.parametrize(
    ("size", "params"), [("1x", 2_278_760), ("1.5x", 3_506_720), ("2x", 7_402_600)]
)
def test_and_the_authors_code_these_without_the_last_bias(size: str, params: int) -> None:
    trace = registry.trace("shufflenet_v2", size=size, halves=False)
    assert analyse(trace).total.params - 1000 == params
