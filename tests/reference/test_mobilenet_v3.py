"""MobileNetV3 against torchvision's (its scaling) and timm's (TF-slim's scaling)."""

import pytest
import timm
from torchvision import models
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

from .foreign import after_training, assert_same_scores, copy_by_order
from .foreign import parameters_and_macs as counted

SIZES = ("large", "small")


def torchvision_model(size: str, width: float = 1.0, **variant: bool):
    make = {"large": models.mobilenet_v3_large, "small": models.mobilenet_v3_small}[size]
    return make(weights=None, width_mult=width, **variant)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("width", "variant"),
    [(1.0, {}), (0.35, {}), (1.3, {}), (1.0, {"reduced_tail": True}), (1.0, {"dilated": True}),
     (0.6, {"reduced_tail": True, "dilated": True})],
)  # fmt: skip
def test_same_scores_with_torchvision_s_weights(
    size: str, width: float, variant: dict[str, bool]
) -> None:
    theirs = after_training(torchvision_model(size, width, **variant))
    ours = registry.build(f"mobilenet_v3_{size}", width=width, **variant)
    assert_same_scores(copy_by_order(theirs, ours), theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("width", [0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 2.0])
@pytest.mark.parametrize("variant", [{}, {"reduced_tail": True, "dilated": True}])
def test_same_parameters_and_macs_as_torchvision(
    size: str, width: float, variant: dict[str, bool]
) -> None:
    trace = registry.trace(f"mobilenet_v3_{size}", width=width, resolution=(64, 97), **variant)
    total = analyse(trace).total
    assert (total.params, total.macs) == counted(
        torchvision_model(size, width, **variant), (3, 64, 97)
    )


@pytest.mark.parametrize(
    ("name", "network", "options"),
    [
        ("mobilenetv3_large_075", "mobilenet_v3_large", {"width": 0.75, "scaling": "slim"}),
        ("mobilenetv3_large_100", "mobilenet_v3_large", {}),
        ("mobilenetv3_small_075", "mobilenet_v3_small", {"width": 0.75, "scaling": "slim"}),
        ("tf_mobilenetv3_large_minimal_100", "mobilenet_v3_large_minimal", {}),
        ("tf_mobilenetv3_small_minimal_100", "mobilenet_v3_small_minimal", {}),
    ],
)
def test_same_parameters_as_timm(name: str, network: str, options: dict[str, object]) -> None:
    theirs = timm.create_model(name)
    total = analyse(registry.trace(network, **options)).total
    assert total.params == sum(each.numel() for each in theirs.parameters())


def test_the_two_scalings_agree_at_width_1() -> None:
    for size in SIZES:
        name = f"mobilenet_v3_{size}"
        one, other = (registry.trace(name, scaling=each) for each in ("torchvision", "slim"))
        assert one.layers == other.layers


@pytest.mark.parametrize(("size", "width"), [("small", 1.0), ("small", 0.5), ("large", 1.4)])
def test_hidden_features_of_one_s_own(size: str, width: float) -> None:
    """As many as asked for at any width; torchvision's parts make the same network."""
    rows, _ = _mobilenet_v3_conf(f"mobilenet_v3_{size}", width_mult=width)
    theirs = after_training(MobileNetV3(rows, 1280))
    options = {"width": width, "hidden": 1280}
    ours = registry.build(f"mobilenet_v3_{size}", **options)
    assert_same_scores(copy_by_order(theirs, ours), theirs)
    total = analyse(registry.trace(f"mobilenet_v3_{size}", resolution=64, **options)).total
    assert (total.params, total.macs) == counted(theirs, (3, 64, 64))
