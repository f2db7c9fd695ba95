"""Whose a checkpoint is, and so which images it expects and which details it was trained with.

A file of tensors says neither. Who made it shows in the names of the tensors; where two authors
use the same names, in a JSON or in the file's name.
"""

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.preprocessing import Preprocessing

LAB = "mobilenet_lab"
TORCHVISION = "torchvision"
TIMM = "timm"
TENSORFLOW = "tensorflow"
"""Trained in TensorFlow by a paper's authors, then converted: timm's tf_ models and those of
efficientnet_pytorch. They pad as TensorFlow does and have its eps in batch norm."""
ORIGINS = (LAB, TORCHVISION, TIMM, TENSORFLOW)


class Preset(NamedTuple):
    """What the images of a checkpoint go through, at any resolution."""

    crop: float
    """Share of the shorter side that the network sees."""
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's channels, as everybody rounds them."""
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
"""Values from -1 to 1, as TensorFlow's models take them."""
USUAL = {
    TORCHVISION: Preset(0.875, "bilinear", *IMAGENET),
    TIMM: Preset(0.875, "bicubic", *IMAGENET),
    TENSORFLOW: Preset(0.875, "bilinear", *HALF),
}
PARTICULAR = {
    # its module maps ImageNet's statistics to these before the first layer (transform_input)
    (TORCHVISION, "googlenet_torchvision"): Preset(0.875, "bilinear", *HALF),
    (TIMM, "mobilenet_v1"): Preset(0.875, "bicubic", *HALF),
    (TIMM, "mobilenet_v4_conv_medium"): Preset(0.95, "bicubic", *IMAGENET),
    (TIMM, "resnet18"): Preset(0.95, "bicubic", *IMAGENET),
    (TIMM, "resnet50"): Preset(0.95, "bicubic", *IMAGENET),
    (TIMM, "vgg16"): Preset(0.875, "bilinear", *IMAGENET),
    (TENSORFLOW, "efficientnet_lite0"): Preset(0.875, "bicubic", *HALF),
    (TENSORFLOW, "mixnet_s"): Preset(0.875, "bicubic", *IMAGENET),
    (TENSORFLOW, "mixnet_m"): Preset(0.875, "bicubic", *IMAGENET),
    (TENSORFLOW, "mixnet_l"): Preset(0.875, "bicubic", *IMAGENET),
}
"""Where a network's usual checkpoint differs; tests hold both tables to torchvision and timm."""

THEIRS = {
    "mobilenet_v1": {TIMM: "mobilenetv1_100"},
    "mobilenet_v2": {TORCHVISION: "mobilenet_v2", TIMM: "mobilenetv2_100"},
    "mobilenet_v3_large": {
        TORCHVISION: "mobilenet_v3_large",
        TIMM: "mobilenetv3_large_100",
        TENSORFLOW: "tf_mobilenetv3_large_100",
    },
    "mobilenet_v3_small": {
        TORCHVISION: "mobilenet_v3_small",
        TIMM: "mobilenetv3_small_100",
        TENSORFLOW: "tf_mobilenetv3_small_100",
    },
    "mobilenet_v3_large_minimal": {TENSORFLOW: "tf_mobilenetv3_large_minimal_100"},
    "mobilenet_v3_small_minimal": {TENSORFLOW: "tf_mobilenetv3_small_minimal_100"},
    "mixnet_s": {TIMM: "mixnet_s", TENSORFLOW: "tf_mixnet_s"},
    "mixnet_m": {TIMM: "mixnet_m", TENSORFLOW: "tf_mixnet_m"},
    "mixnet_l": {TIMM: "mixnet_l", TENSORFLOW: "tf_mixnet_l"},
    "mnasnet_a1": {TIMM: "semnasnet_100"},
    "mnasnet_b1": {TORCHVISION: "mnasnet1_0", TIMM: "mnasnet_100"},
    "efficientnet_lite0": {TIMM: "efficientnet_lite0", TENSORFLOW: "tf_efficientnet_lite0"},
    "mobilenet_v4_conv_small": {TIMM: "mobilenetv4_conv_small"},
    "mobilenet_v4_conv_medium": {TIMM: "mobilenetv4_conv_medium"},
    "resnet18": {TORCHVISION: "resnet18", TIMM: "resnet18"},
    "resnet50": {TORCHVISION: "resnet50", TIMM: "resnet50"},
    "googlenet_torchvision": {TORCHVISION: "googlenet"},
    "shufflenet_v2": {TORCHVISION: "shufflenet_v2_x1_0"},
    "ghostnet": {TIMM: "ghostnet_100"},
    "alexnet_one_tower": {TORCHVISION: "alexnet"},
    "vgg16": {TORCHVISION: "vgg16", TIMM: "vgg16"},
}
"""Network -> what torchvision and timm call it (the latter has the converted ones, too)."""


def origin_of(names: Collection[str], path: Path, card: Any = None) -> str:
    """Whose checkpoint the file at `path` is, by its tensors' names; `card` as `timm_card` reads.

    ResNets of timm have torchvision's names and count as torchvision's without a card.
    """
    if any(name.startswith("_conv_stem.") for name in names):
        return TENSORFLOW  # efficientnet_pytorch
    if card is not None or any(name.startswith(("conv_stem.", "pre_logits.")) for name in names):
        architecture = card["architecture"] if card else path.name
        return TENSORFLOW if architecture.startswith("tf_") else TIMM
    return TORCHVISION


def settings_of(origin: str, network: str) -> dict[str, Any]:
    """Options of `network` without which these weights would be another function."""
    if network == "mobilenet_v1" and origin == TIMM:
        return {"activation": "relu6"}
    if network.startswith("mobilenet_v3") and origin in (TIMM, TENSORFLOW):
        return {"scaling": "slim", "eps": 1e-5 if origin == TIMM else 1e-3}
    return {}


def expected(origin: str, network: str, image_shape: tuple[int, int, int]) -> Preprocessing:
    """How images become C x H x W for the usual checkpoint of `network`; C is 1 or 3.

    Raises:
        LabError: images do not have so many channels.
    """
    usual = USUAL.get(origin, USUAL[TORCHVISION])
    preset = PARTICULAR.get((origin, network), usual)
    channels, height, width = image_shape
    if channels not in (1, 3):
        raise LabError(f"an image has 1 channel or 3; this network reads {channels}")
    mean, std = preset.mean, preset.std
    if channels == 1:
        mean, std = (sum(mean) / 3,), (sum(std) / 3,)
    resize = math.floor(max(height, width) / preset.crop)
    return Preprocessing(resize, (height, width), mean, std, preset.interpolation)


class Card(NamedTuple):
    """The JSON beside a checkpoint of ours."""

    network: str
    settings: dict[str, Any]
    classes: tuple[str, ...]
    preprocessing: Preprocessing


def read_card(weights: Path) -> Card | None:
    """What the JSON of the same name beside a .safetensors file says; None without one.

    Raises:
        LabError: it cannot be read, or is not as the lab writes it.
    """
    path = weights.with_suffix(".json")
    if weights.suffix.lower() != ".safetensors" or not path.exists():
        return None
    found = _read_json(path)
    if not isinstance(found, dict) or found.get("format") != 1:
        raise LabError(f"{path} does not describe a checkpoint of the lab")
    network, settings, classes = (found.get(key) for key in ("network", "settings", "classes"))
    if (
        not isinstance(network, str)
        or not isinstance(settings, dict)
        or not isinstance(classes, list)
        or not all(isinstance(name, str) for name in classes)
    ):
        raise LabError(f"{path} does not say network, settings and classes as the lab writes them")
    try:
        preprocessing = Preprocessing.from_dict(found.get("preprocessing"))
    except LabError as error:
        raise LabError(f"{path}: {error}") from None
    lists = {key: tuple(x) if isinstance(x, list) else x for key, x in settings.items()}
    return Card(network, lists, tuple(classes), preprocessing)


def timm_card(weights: Path) -> dict[str, Any] | None:
    """timm's config.json beside its model.safetensors or pytorch_model.bin; None without one.

    Raises:
        LabError: it cannot be read.
    """
    path = weights.with_name("config.json")
    if weights.name not in ("model.safetensors", "pytorch_model.bin") or not path.exists():
        return None
    found = _read_json(path)
    known = isinstance(found, dict) and isinstance(found.get("architecture"), str)
    return found if known and isinstance(found.get("pretrained_cfg"), dict) else None


def of_timm_card(card: dict[str, Any]) -> Preprocessing | None:
    """The preprocessing that timm's JSON asks for; None where it is none of ours."""
    said = card["pretrained_cfg"]
    try:
        _, height, width = said["input_size"]
        resize = math.floor(max(height, width) / said["crop_pct"])
        found = Preprocessing(
            resize, (height, width), (*said["mean"],), (*said["std"],), said["interpolation"]
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return found if said.get("crop_mode", "center") == "center" else None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise LabError(f"{path} is no JSON") from None
