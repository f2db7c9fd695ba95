"""Activations that write over their input: the same scores and gradients, less to keep."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilenet_lab import registry
from mobilenet_lab.blocks_torch import ACTIVATIONS, OUT_OF_PLACE, activation

from .cases import images

NAMES: dict[str, dict[str, Any]] = {
    "mobilenet_v3_large": {"width": 0.35},
    "mixnet_s": {"width": 0.5},
    "resnet18": {},
    "ghostnet": {"width": 0.5},
    "shufflenet_v2": {"size": "0.5x"},
}


def in_place(module: nn.Module) -> list[Any]:
    return [part for part in module.modules() if getattr(part, "inplace", False)]


def trained(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Scores, and the gradients of the weights and of the image."""
    x = x.clone().requires_grad_()
    torch.manual_seed(0)  # of dropout
    scores = module(x)
    scores.square().sum().backward()
    return [scores, *(part.grad for part in (x, *module.parameters()) if part.grad is not None)]


@pytest.mark.parametrize("name", NAMES)
def test_training_is_the_same_out_of_place(name: str) -> None:
    module = registry.build(name, classes=5, **NAMES[name]).double().train()
    other = copy.deepcopy(module)
    assert len(in_place(module)) > 8
    for part in in_place(other):
        part.inplace = False
    x = images(2, (3, 64, 64)).double()
    mine, expected = trained(module, x), trained(other, x)
    assert len(mine) == len(list(module.parameters())) + 2
    for one, another in zip(mine, expected, strict=True):
        torch.testing.assert_close(one, another, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_only_what_can_writes_over_its_input(kind: str) -> None:
    x = torch.linspace(-4, 8, 24).reshape(1, 4, 2, 3)
    given = x.clone()
    expected = activation(kind)(given)
    assert torch.equal(given, x), "without being asked"
    got = activation(kind, inplace=True)(given)
    assert torch.equal(got, expected)
    assert torch.equal(given, x if kind in OUT_OF_PLACE else expected)
