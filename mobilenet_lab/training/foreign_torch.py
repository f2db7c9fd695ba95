"""Foreign checkpoints: their tensors in order, what they tell, and what they need of a module."""

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.origins import THEIRS, TORCHVISION
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.weights import COUNTER

TENSORFLOW_EPS = 1e-3


def flattened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors`, of which timm's VGG has hidden layers as convolutions that see a whole map."""
    return {
        name: value.flatten(1) if value.ndim > 1 and name.startswith("pre_logits.") else value
        for name, value in tensors.items()
    }


def in_order(
    tensors: Mapping[str, Tensor], ours: nn.Module, network: str, path: Path
) -> Mapping[str, Tensor]:
    """`tensors` in the order of the layers; a .safetensors file has them sorted by name.

    Names that are `ours` need no order. Of others, torchvision's model or timm's tells it.

    Raises:
        LabError: no model here has these names.
    """
    if path.suffix.lower() != ".safetensors" or _names(tensors) == _names(ours.state_dict()):
        return tensors
    for origin, name in THEIRS.get(network, {}).items():
        order = _order_of(origin, name)
        if set(_names(order)) == set(_names(tensors)):
            return {key: tensors[key] for key in order if key in tensors}
    raise LabError(
        f"{path} has lost the order of its layers (.safetensors sorts by name), and no model "
        f"of torchvision or timm installed here for {network} has these names: load it there "
        "and torch.save its state_dict()"
    )


def classes_and_channels(tensors: Mapping[str, Tensor], ours: nn.Module) -> tuple[int, int]:
    """How many classes the last layer tells apart, and how many channels the first one reads.

    Raises:
        LabError: there is no layer with weights.
    """
    order = [*ours.state_dict()] if _names(tensors) == _names(ours.state_dict()) else [*tensors]
    weights = [tensors[name] for name in order if name in tensors and tensors[name].ndim > 1]
    if not weights:
        raise LabError("the file holds no weights of a convolution or linear layer")
    return weights[-1].shape[0], weights[0].shape[1]


def without_values(build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` makes, with names and shapes alone."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build()


def weight_shapes(tensors: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    """Shapes of convolutions and linear layers, in the file's order; a 1x1 as a linear layer."""
    shapes = [tuple(value.shape) for value in tensors.values() if value.ndim > 1]
    return [shape[:2] if shape[2:] == (1, 1) else shape for shape in shapes]


def as_tensorflow(module: nn.Module) -> nn.Module:
    """`module` with TensorFlow's padding, the odd pixel after the image, and its eps."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = TENSORFLOW_EPS
        elif isinstance(part, nn.Conv2d) and max(part.stride) > 1 and part.padding != (0, 0):
            part.padding = (0, 0)
            part.register_forward_pre_hook(_pad)
    return module


def by_file_name(path: Path) -> tuple[str, Preprocessing] | None:
    """The weights that torchvision publishes in a file of this name, and their preprocessing."""
    from torchvision import models

    for name in models.list_models(module=models):
        for each in models.get_model_weights(name):
            if each.url.rpartition("/")[2] == path.name:
                said = each.transforms()
                found = Preprocessing(
                    said.resize_size[0],
                    (said.crop_size[0], said.crop_size[0]),
                    tuple(said.mean),
                    tuple(said.std),
                    said.interpolation.value,
                )
                return f"{type(each).__name__}.{each.name}", found
    return None


def _pad(conv: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    assert isinstance(conv, nn.Conv2d)
    pads: list[int] = []  # of the last dimension first
    for axis in (1, 0):
        side, kernel, stride = inputs[0].shape[2 + axis], conv.kernel_size[axis], conv.stride[axis]
        reach = (math.ceil(side / stride) - 1) * stride + conv.dilation[axis] * (kernel - 1) + 1
        total = max(reach - side, 0)
        pads += [total // 2, total - total // 2]
    return (F.pad(inputs[0], pads),)


def _order_of(origin: str, name: str) -> list[str]:
    """Names of the tensors of their model, none if it is not installed."""
    make: Any
    try:
        if origin == TORCHVISION:
            from torchvision import models

            options = {"init_weights": False} if name == "googlenet" else {}
            make = partial(models.get_model, name, **options)
        else:
            import timm

            make = partial(timm.create_model, name)
    except ModuleNotFoundError:
        return []
    return [*without_values(make).state_dict()]


def _names(names: Any) -> set[str]:
    return {name for name in names if not name.endswith(COUNTER)}
