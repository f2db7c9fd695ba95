"""Adapters that run the public counters on an nn.Module; they know no architecture."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def taken_apart() -> Iterator[None]:
    """While open, nn.MultiheadAttention and transformer layers run layer by layer.

    Without gradients PyTorch does them in one operator, for which every tool that watches
    operators counts 0.
    """
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
