"""torchinfo's summary."""

from typing import NamedTuple

import torch
from torch import nn
from torchinfo import summary


class Counted(NamedTuple):
    """What torchinfo says of one module."""

    out_shape: tuple[int, ...]
    """Without the batch."""
    params: int
    mult_adds: int


def count(module: nn.Module, image: torch.Tensor) -> dict[str, Counted]:
    """torchinfo's numbers by module path, for the modules without children, in eval mode.

    `module` is run once on `image` (N x C x H x W).
    """
    paths = {id(child): path for path, child in module.named_modules()}
    return {
        paths[info.layer_id]: Counted(tuple(info.output_size[1:]), info.num_params, info.macs)
        for info in summary(module, input_data=image, depth=100, verbose=0).summary_list
        if info.is_leaf_layer
    }
