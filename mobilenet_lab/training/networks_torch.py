"""A network made ready for training: pretrained weights, a new head, what is frozen."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mobilenet_lab.errors import LabError
from mobilenet_lab.training import foreign_torch, origins
from mobilenet_lab.weights import load_weights, read_checkpoint

Build = Callable[[int], nn.Module]
"""Makes a network of so many classes."""


def asked_by_weights(path: str, network: str) -> dict[str, Any]:
    """Options of `network` without which the weights of a file would be another function.

    Raises:
        LabError: the file cannot be read, or the weights need layers that no option gives.
    """
    card, timm = origins.read_card(Path(path)), origins.timm_card(Path(path))
    if card is not None:
        return {key: value for key, value in card.settings.items() if key not in OF_IMAGES}
    origin = origins.origin_of(foreign_torch.flattened(read_checkpoint(path)), Path(path), timm)
    if origin == origins.TENSORFLOW:
        raise LabError(
            f"{path} was trained with TensorFlow's padding, which `predict` knows and a run's "
            "checkpoint cannot say: take weights of torchvision or timm"
        )
    return origins.settings_of(origin, network)


OF_IMAGES = ("resolution", "in_channels", "classes")
"""Settings that follow from a run's images."""


def pretrained(build: Build, classes: int, path: str, network: str) -> nn.Module:
    """The network with the weights of a file; layers whose size depends on the classes are new,
    where the file is of another number of classes.

    Raises:
        LabError: the file cannot be read, or is of another network.
    """
    module = build(classes)
    head = class_layers(build, module, classes)
    found = foreign_torch.flattened(read_checkpoint(path))
    try:
        tensors = foreign_torch.in_order(found, module, network, Path(path))
        theirs = _classes(tensors, head, classes)
        source = module if theirs == classes else build(theirs)
        load_weights(source, tensors)
    except LabError as error:
        raise LabError(f"the weights of {path} are of another network: {error}") from None
    if source is not module:
        kept = source.state_dict()
        with torch.no_grad():
            for name, target in module.state_dict().items():
                if name not in head:
                    target.copy_(kept[name])
    return module


def class_layers(build: Build, module: nn.Module, classes: int) -> list[str]:
    """The tensors whose shape depends on the number of classes, those of auxiliary heads, too."""
    with torch.device("meta"):
        other = build(classes + 1).state_dict()
    return [name for name, value in module.state_dict().items() if value.shape != other[name].shape]


def _classes(tensors: Mapping[str, Tensor], head: list[str], otherwise: int) -> int:
    """The number of classes of a checkpoint: by our name for the last layer, else its last one."""
    last = tensors.get(head[-1], [*tensors.values()][-1])
    return last.shape[0] if last.dim() and len(last) else otherwise


def freeze_all_but(module: nn.Module, head: str) -> None:
    """Leaves only the part called `head` to be trained."""
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(_within(name, head))


def training_mode(module: nn.Module, head: str | None) -> None:
    """Training mode; of a network that is frozen but for `head`, of that alone."""
    module.train()
    if head is not None:
        for name, part in module.named_modules():
            part.training = _within(name, head)


def has_trained_statistics(module: nn.Module) -> bool:
    """Whether a batch norm is trained."""
    return any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) and part.weight.requires_grad
        for part in module.modules()
    )


def _within(name: str, head: str) -> bool:
    return f"{name}.".startswith(f"{head}.")


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name; those with weight decay first."""
    free = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return dict(sorted(free.items(), key=lambda item: not decays(item[1])))


def decays(parameter: Tensor) -> bool:
    """A weight, and not the bias or the norm of a channel."""
    return parameter.dim() > 1


def parameter_groups(
    parameters: Mapping[str, nn.Parameter], weight_decay: float
) -> list[dict[str, Any]]:
    """What an optimiser takes: `trained` parameters, in that order."""
    groups = [
        {
            "params": [value for value in parameters.values() if decays(value) is decayed],
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for decayed in (True, False)
    ]
    return [group for group in groups if group["params"]]
