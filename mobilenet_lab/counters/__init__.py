"""Adapters that run the public counters on an nn.Module; they know no architecture."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def taken_apart() -> Iterator[None]:
    """While open, nn.MultiheadAttention and transformer layers run layer by layer.

    Without gradients PyTorch does them in one operator, for which every tool that watches
    operators counts 0.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """While open, the module is in eval mode, and a detector gives its maps."""
    training = {part: part.training for part in module.modules()}
    raw = getattr(module, "raw", None)
    try:
        if raw is not None:  # a detector's boxes are no layers
            module.raw = True  # type: ignore[assignment]
        module.eval()
        yield
    finally:
        for part, mode in training.items():
            part.training = mode
        if raw is not None:
            module.raw = raw
