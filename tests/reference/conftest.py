"""Tensors are small here: threads would only wait for each other, most on a busy machine."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    """Fresh weights are random, and how far two answers are apart is, too."""
    torch.manual_seed(0)
