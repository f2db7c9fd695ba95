"""GhostNet against timm's: same weights, same answers; same counts at every width."""

from typing import Any

import pytest
import timm
from timm.models.ghostnet import _create_ghostnet
from torch import nn

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.layers import Pair

from .foreign import after_training, assert_same_scores, copy_by_order
from .foreign import parameters_and_macs as counted

THEIRS = {0.5: "ghostnet_050", 1.0: "ghostnet_100", 1.3: "ghostnet_130"}
BETWEEN = (0.1, 0.25, 0.35, 0.6, 0.75, 0.9, 1.1, 1.4, 2.0)
"""Widths that timm makes by the same function, and has no name for."""


def ghostnet(width: float, **options: Any) -> nn.Module:
    if width in THEIRS:
        return timm.create_model(THEIRS[width], pretrained=False, **options)
    return _create_ghostnet("ghostnet_100", width=width, **options)


@pytest.mark.parametrize("width", [*THEIRS, 0.1, 0.75])
def test_same_scores_with_the_same_weights(width: float) -> None:
    theirs = after_training(ghostnet(width))
    assert_same_scores(copy_by_order(theirs, registry.build("ghostnet", width=width)), theirs)


def test_same_scores_with_few_classes_and_other_images() -> None:
    theirs = after_training(ghostnet(0.5, num_classes=5, in_chans=4), in_channels=4)
    ours = registry.build("ghostnet", width=0.5, classes=5, in_channels=4)
    assert_same_scores(copy_by_order(theirs, ours), theirs, in_channels=4)


@pytest.mark.parametrize("width", [*THEIRS, *BETWEEN])
@pytest.mark.parametrize("resolution", [(64, 64), (65, 97)])
def test_same_parameters_and_macs(width: float, resolution: Pair) -> None:
    total = analyse(registry.trace("ghostnet", width=width, resolution=resolution)).total
    assert (total.params, total.macs) == counted(ghostnet(width), (3, *resolution))


@pytest.mark.parametrize(
    ("width", "params", "macs"),
    [
        (0.5, 2_587_292, 42_328_152),
        (1.0, 5_182_508, 141_150_512),
        (1.3, 7_358_820, 227_003_256),
    ],
)
def test_the_widths_have_these_numbers(width: float, params: int, macs: int) -> None:
    total = analyse(registry.trace("ghostnet", width=width)).total
    assert (total.params, total.macs) == (params, macs)


@pytest.mark.parametrize("width", [*THEIRS, *BETWEEN])
def test_the_squeeze_of_the_tensorflow_code_is_a_quarter(width: float) -> None:
    """A unit of the squeeze costs two weights per channel and a bias."""
    rounded, exact = (
        registry.trace("ghostnet", width=width, rounded_squeeze=each) for each in (True, False)
    )
    extra_params = extra_macs = 0
    for ours, theirs in zip(rounded.layers, exact.layers, strict=True):
        if theirs.name.endswith("se.reduce"):
            channels, squeeze = theirs.in_shapes[0][0], theirs.out_shape[0]
            assert 4 * squeeze == channels
            extra = ours.out_shape[0] - squeeze
            extra_params += extra * (2 * channels + 1)
            extra_macs += extra * 2 * channels
        elif not theirs.name.endswith(("se.act", "se.expand")):
            assert ours == theirs
    totals = analyse(rounded).total, analyse(exact).total
    assert totals[0].params - totals[1].params == extra_params
    assert totals[0].macs - totals[1].macs == extra_macs
