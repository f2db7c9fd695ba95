"""MobileNetV2 against torchvision's: same weights, same answers; same counts at every width."""

import pytest
from torchvision.models import mobilenet_v2

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

from .foreign import after_training, assert_same_scores, channels, copy_by_order
from .foreign import parameters_and_macs as counted

WIDTHS = (0.1, 0.25, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, 2.0)


@pytest.mark.parametrize("width", [0.25, 0.35, 0.75, 1.0, 1.4])
def test_same_scores_with_the_same_weights(width: float) -> None:
    theirs = after_training(mobilenet_v2(weights=None, width_mult=width))
    ours = copy_by_order(theirs, registry.build("mobilenet_v2", width=width))
    assert_same_scores(ours, theirs)


def test_same_scores_with_few_classes() -> None:
    theirs = after_training(mobilenet_v2(weights=None, num_classes=5))
    assert_same_scores(copy_by_order(theirs, registry.build("mobilenet_v2", classes=5)), theirs)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("resolution", [(224, 224), (97, 130)])
def test_same_parameters_and_macs(width: float, resolution: tuple[int, int]) -> None:
    theirs = mobilenet_v2(weights=None, width_mult=width)
    total = analyse(registry.trace("mobilenet_v2", width=width, resolution=resolution)).total
    assert (total.params, total.macs) == counted(theirs, (3, *resolution))


@pytest.mark.parametrize("percent", range(5, 200, 13))
def test_same_channels_at_any_width(percent: int) -> None:
    """Rounding rules differ at odd widths first."""
    width = percent / 100
    theirs = mobilenet_v2(weights=None, width_mult=width)
    layers = registry.trace("mobilenet_v2", width=width).layers
    convolutions = [layer for layer in layers if layer.op == "conv2d"]
    assert [layer.out_shape[0] for layer in convolutions] == channels(theirs)
