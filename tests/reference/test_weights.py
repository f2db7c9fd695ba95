"""Checkpoints of torchvision and timm, random ones, in our modules: the answers are the same."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from mobilenet_lab import registry
from mobilenet_lab.errors import LabError
from mobilenet_lab.weights import in_running_order, load_weights, read_checkpoint

from .foreign import after_training, images

CASES = [
    ("mobilenet_v2", models.mobilenet_v2),
    ("mobilenet_v3_large", models.mobilenet_v3_large),
    ("mobilenet_v3_small", models.mobilenet_v3_small),
    ("resnet18", models.resnet18),
    ("resnet50", models.resnet50),
    ("mobilenet_v3_large", timm.models.mobilenetv3.mobilenetv3_large_100),
    ("mobilenet_v3_small", timm.models.mobilenetv3.mobilenetv3_small_100),
    ("mixnet_s", timm.models.efficientnet.mixnet_s),
    ("efficientnet_lite0", timm.models.efficientnet.efficientnet_lite0),
    ("mobilenet_v4_conv_small", timm.models.mobilenetv3.mobilenetv4_conv_small),
]


def foreign(make: Callable[..., nn.Module], classes: int = 7) -> nn.Module:
    return after_training(make(num_classes=classes))


def without_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def with_eps_of(theirs: nn.Module, ours: nn.Module) -> nn.Module:
    """A checkpoint does not hold it: V3's is 1e-3 here and at torchvision, 1e-5 at timm."""
    norms = [
        [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        for module in (ours, theirs)
    ]
    for mine, other in zip(*norms, strict=True):
        mine.eps = other.eps
    return ours


def assert_same_answers(ours: nn.Module, theirs: nn.Module) -> None:
    x = images(2, 3, 65, 97)
    with torch.no_grad():
        expected, got = theirs(x), ours.eval()(x)
    scale = float(expected.abs().max())
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * scale)
    assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale


@pytest.mark.parametrize(
    ("name", "make"), CASES, ids=[f"{make.__module__.split('.')[0]}-{name}" for name, make in CASES]
)
def test_a_checkpoint_fits_by_order(
    name: str, make: Callable[..., nn.Module], tmp_path: Path
) -> None:
    """Also without its batch counters, and in the order in which the foreign layers run."""
    theirs = foreign(make)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    state = read_checkpoint(tmp_path / "theirs.pt")
    ours = registry.build(name, classes=7)
    assert_same_answers(with_eps_of(theirs, load_weights(ours, state)), theirs)
    loaded = without_counters(ours.state_dict())
    for other in (without_counters(state), in_running_order(theirs, (3, 32, 32))):
        again = without_counters(load_weights(registry.build(name, classes=7), other).state_dict())
        assert again.keys() == loaded.keys()
        assert all(torch.equal(again[key], loaded[key]) for key in loaded)


def test_timm_s_hidden_layer_is_a_convolution_and_ours_linear() -> None:
    theirs = dict(foreign(timm.models.mobilenetv3.mobilenetv3_small_100).state_dict())
    ours = load_weights(registry.build("mobilenet_v3_small", classes=7), theirs).state_dict()
    assert theirs["conv_head.weight"].shape == (1024, 576, 1, 1)
    assert ours["classifier.hidden.weight"].shape == (1024, 576)
    assert torch.equal(ours["classifier.hidden.weight"], theirs["conv_head.weight"][:, :, 0, 0])


def test_a_safetensors_file_goes_through_the_model_it_is_of(tmp_path: Path) -> None:
    """It lists its tensors by name, which a batch norm's bias before its weight gives away."""
    theirs = foreign(models.mobilenet_v2)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    state = read_checkpoint(tmp_path / "theirs.safetensors")
    ours = registry.build("mobilenet_v2", classes=7)
    with pytest.raises(LabError, match="tensor 1: "):
        load_weights(ours, state)
    fresh = models.mobilenet_v2(num_classes=7)
    fresh.load_state_dict(state)
    assert_same_answers(load_weights(ours, fresh.state_dict()), theirs)


def test_another_network_is_refused_by_its_first_difference() -> None:
    theirs = models.mobilenet_v2(width_mult=1.4).state_dict()
    with pytest.raises(LabError, match=r"^tensor 1: stem\.conv\.weight takes 32×3×3×3, ") as error:
        load_weights(registry.build("mobilenet_v2"), theirs)
    assert str(error.value) == (
        "tensor 1: stem.conv.weight takes 32×3×3×3, features.0.0.weight has 48×3×3×3 "
        "(314 tensors to fill, 314 given)"
    )


def test_other_classes_are_refused_at_the_last_layer() -> None:
    theirs = models.mobilenet_v2(num_classes=9).state_dict()
    sentence = "classifier.linear.weight takes 1000×1280, classifier.1.weight has 9×1280"
    with pytest.raises(LabError, match=f"^tensor 313: {sentence}"):
        load_weights(registry.build("mobilenet_v2"), theirs)
