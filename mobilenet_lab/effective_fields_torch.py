"""Gradients of one unit of a module with respect to its input."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Watched(NamedTuple):
    """A module, and the part of it whose output is looked at."""

    module: nn.Module
    path: str
    call: int
    """At which of its calls; the first is 1."""


class _Reached(Exception):
    """What was looked for is there, and the rest need not run."""

    def __init__(self, value: Any) -> None:
        super().__init__("reached")
        self.value = value


def mean_gradient(
    watched: Watched,
    image_shape: tuple[int, ...],
    shape: tuple[int, ...],
    place: Mapping[int, int],
    images: int,
    seed: int,
) -> Any:
    """The gradient of one unit: absolute values, summed over C and averaged over `images` images.

    Images are of `image_shape` (C x H x W) and normal noise from `seed`; the output that is looked
    at is of `shape`, the unit at `place` (axis of the shape -> index), and all its values are
    summed. H x W, as a NumPy array of float64.

    Raises:
        RuntimeError: the module does not come to what is looked at, or it has another shape.
    """
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros(image_shape[1:], dtype=torch.float64)
    unit = (0, *[place.get(axis, slice(None)) for axis in range(len(shape))])
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(images):
            image = torch.randn(1, *image_shape, generator=random).requires_grad_()
            value = _output(watched, image)
            if tuple(value.shape) != (1, *shape):
                raise RuntimeError(f"it gives {tuple(value.shape[1:])}, not {tuple(shape)}")
            (slope,) = torch.autograd.grad(value[unit].sum(), image, allow_unused=True)
            if slope is not None:
                total += slope[0].double().abs().sum(0)
    return (total / images).numpy()


def _output(watched: Watched, image: Tensor) -> Tensor:
    """What the part gives when the module is given `image`; nothing after that is run."""
    calls = 0

    def look(part: nn.Module, inputs: Any, value: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == watched.call:
            raise _Reached(value)

    hook = watched.module.get_submodule(watched.path).register_forward_hook(look)
    try:
        watched.module(image)
    except _Reached as reached:
        if isinstance(reached.value, Tensor):
            return reached.value
        raise RuntimeError(f"it gives {type(reached.value).__name__}, not a tensor") from None
    finally:
        hook.remove()
    raise RuntimeError("it takes no part")
