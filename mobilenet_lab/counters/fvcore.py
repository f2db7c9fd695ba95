"""fvcore's FlopCountAnalysis."""

import warnings
from collections import Counter

import torch
from torch import nn

from mobilenet_lab.counters import taken_apart

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # fvcore and iopath use torch.jit.script
    from fvcore.nn import FlopCountAnalysis


def count(
    module: nn.Module, image: torch.Tensor | tuple[torch.Tensor, ...]
) -> dict[str, Counter[str]]:
    """fvcore's counts by module path and operator ("conv", "linear", "batch_norm" ...).

    `module` is run once on `image` (N x C x H x W; several inputs as a tuple) as it is: put it in
    eval mode first.
    A path holds the sum of what lies inside it; "" is the whole.
    """
    analysis = FlopCountAnalysis(module, image)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none")
    with taken_apart():
        return dict(analysis.by_module_and_operator())
