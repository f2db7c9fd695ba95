"""torch.utils.flop_counter's FlopCounterMode."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_lab.counters import taken_apart


def count(module: nn.Module, image: torch.Tensor | tuple[torch.Tensor, ...]) -> int:
    """FLOPs of one forward pass on `image` (N x C x H x W), 2 per multiply-accumulate.

    Several inputs are given as a tuple.
    """
    inputs = image if isinstance(image, tuple) else (image,)
    with taken_apart():
        try:
            return _total(module, inputs, gradients=False)
        except AssertionError:  # it trips over a part that is handed a view of a parameter
            return _total(module, inputs, gradients=True)


def _total(module: nn.Module, inputs: tuple[torch.Tensor, ...], gradients: bool) -> int:
    with torch.set_grad_enabled(gradients), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops()
