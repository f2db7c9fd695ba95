"""What is known of foreign checkpoints, held to torchvision's enums and timm's configurations.

Each network that they have too is loaded as `predict` loads it: the same image, prepared for each
side as it wants it, gives the same scores.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision import models

from mobilenet_lab import registry, weights
from mobilenet_lab.prediction import load
from mobilenet_lab.training.foreign_torch import by_file_name
from mobilenet_lab.training.origins import IMAGENET, THEIRS, TORCHVISION, expected
from mobilenet_lab.training.preprocessing import Preprocessing

from .foreign import after_training

KNOWN = [
    (network, origin, name) for network, them in THEIRS.items() for origin, name in them.items()
]
LARGE = ("vgg16", "alexnet")
"""Their weights would take longer to make than all others; their own tests compare the scores."""


def said_by_torchvision(each: Any) -> Preprocessing:
    said = each.transforms()
    (side,) = said.crop_size
    return Preprocessing(
        said.resize_size[0], (side, side), (*said.mean,), (*said.std,), said.interpolation.value
    )


def said_by_timm(name: str) -> Preprocessing:
    said = timm.get_pretrained_cfg(name)
    _, height, width = said.input_size
    assert said.crop_mode == "center"
    resize = math.floor(max(height, width) / said.crop_pct)
    return Preprocessing(resize, (height, width), said.mean, said.std, said.interpolation)


def theirs(origin: str, name: str) -> nn.Module:
    if origin != TORCHVISION:
        return timm.create_model(name, num_classes=7)
    # as with its weights: it maps what comes in to what it was trained on
    more = {"init_weights": False, "transform_input": True} if name == "googlenet" else {}
    return models.get_model(name, num_classes=7, **more)


def their_preprocessing(origin: str, name: str) -> Preprocessing:
    if origin != TORCHVISION:
        return said_by_timm(name)
    return said_by_torchvision(models.get_model_weights(name).IMAGENET1K_V1)


@pytest.mark.parametrize(("network", "origin", "name"), KNOWN)
def test_the_usual_preprocessing(network: str, origin: str, name: str) -> None:
    """Of the first weights of torchvision, and of those that timm takes by itself."""
    shape = registry.trace(network).input_shape
    ours, said = expected(origin, network, shape), their_preprocessing(origin, name)
    if name == "googlenet":  # below its module, and so with the next test only
        assert (ours.mean, said.mean) == ((0.5,) * 3, IMAGENET[0])
        said = Preprocessing(said.resize, said.crop, ours.mean, ours.std, said.interpolation)
    assert ours == said


def test_no_network_is_left_out() -> None:
    """Each classifier that torchvision or timm has by a like name is in the table."""

    def plain(name: str) -> str:
        return name.replace("_", "").removesuffix("100").removesuffix("torchvision")

    foreign = {plain(name) for name in (*models.list_models(module=models), *timm.list_models())}
    classifiers = [name for name in registry.NETWORKS if registry.task(name) == "classification"]
    others = {"alexnet", "googlenet"}  # the paper's; torchvision's is of another form
    missing = {name for name in classifiers if plain(name) in foreign} - THEIRS.keys() - others
    assert missing == set()


@pytest.mark.parametrize(
    ("network", "origin", "name"), [case for case in KNOWN if case[2] not in LARGE]
)
def test_same_scores_as_loaded(
    network: str, origin: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the eps, the activations and the padding that the weights were trained with."""
    module = after_training(theirs(origin, name))
    state = module.state_dict()
    monkeypatch.setattr(weights, "read_checkpoint", lambda path: state)
    loaded = load(Path(f"{name}-0123.pth"), network, None, {})
    # timm's ResNets are not to be told from torchvision's
    if name not in ("resnet18", "resnet50"):
        assert loaded.preprocessing == expected(
            origin, network, registry.trace(network).input_shape
        )
    image = torch.rand(2, 3, 64, 95, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        answer = module(normalised(image, their_preprocessing(origin, name)))
        got = loaded.module(normalised(image, loaded.preprocessing))
    got = got[0] if isinstance(got, tuple) else got
    answer = answer[0] if isinstance(answer, tuple) else answer
    if name in ("resnet18", "resnet50"):
        assert loaded.preprocessing.mean == their_preprocessing(origin, name).mean
    scale = float(answer.abs().max())
    torch.testing.assert_close(got, answer, rtol=1e-4, atol=1e-4 * scale)
    assert (answer[0] - answer[1]).abs().max() > 1e-3 * scale


def normalised(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (preprocessing.mean, preprocessing.std)
    )
    return (image - mean) / std


def test_all_files_of_torchvision_are_known_by_name() -> None:
    for network, them in THEIRS.items():
        if TORCHVISION not in them:
            continue
        for each in models.get_model_weights(them[TORCHVISION]):
            if each.name == "IMAGENET1K_FEATURES":
                continue  # VGG without a classifier
            found = by_file_name(Path("anywhere") / each.url.rpartition("/")[2])
            assert found is not None
            assert found[0] == f"{type(each).__name__}.{each.name}", network
            assert found[1] == said_by_torchvision(each)
    assert by_file_name(Path("my_own.pth")) is None
