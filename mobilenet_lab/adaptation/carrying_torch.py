"""Weights carried over into a narrower network: the channels with the largest weights are kept."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from mobilenet_lab.adaptation.groups import Space, is_dense

VECTORS = ("weight", "bias", "running_mean", "running_var")
"""What a layer learns or gathers for each channel that it writes."""


def magnitudes(space: Space, group: int, state: Mapping[str, Tensor]) -> dict[int, float]:
    """The squared L2 norm of the filters that make each class of channels of a group.

    Of channels that several layers make (a residual chain), of all these filters together.
    """
    found = dict.fromkeys(space.groups[group].classes, 0.0)
    for index in space.groups[group].layers:
        layer = space.trace.layers[index]
        if is_dense(layer):
            norms = state[f"{layer.name}.weight"].double().flatten(1).square().sum(1).tolist()
            for one, norm in zip(space.channels[index], norms, strict=True):
                if one in found:
                    found[one] += norm
    return found


def dropped(space: Space, group: int, width: int, state: Mapping[str, Tensor]) -> set[int]:
    """The classes that go when a group is narrowed: those of the smallest norms, the last first."""
    norms = magnitudes(space, group, state)
    classes = sorted(norms, key=lambda one: norms[one], reverse=True)  # stable
    return set(classes[width:])


def carried(space: Space, gone: Collection[int], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of the network without some classes of channels."""
    found = dict(state)
    for index, layer in enumerate(space.trace.layers):
        written = _places(space.channels[index], gone)
        read = _places(space.channels[layer.inputs[0]], gone) if is_dense(layer) else None
        for key in VECTORS:
            name = f"{layer.name}.{key}"
            tensor = found.get(name)
            if tensor is None:
                continue
            if written is not None:
                tensor = tensor[written]
            if key == "weight" and read is not None:
                tensor = tensor[:, read]
            found[name] = tensor.clone()
    return found


def _places(classes: Sequence[int], gone: Collection[int]) -> Tensor | None:
    """Where channels stay; None if all do."""
    kept = [place for place, one in enumerate(classes) if one not in gone]
    return None if len(kept) == len(classes) else torch.tensor(kept)
