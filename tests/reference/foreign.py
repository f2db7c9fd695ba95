"""Other people's modules: random weights for them, and how many MACs they take."""

from typing import Any

import torch
from torch import Tensor, nn

from mobilenet_lab.counters import fvcore
from mobilenet_lab.weights import load_weights


@torch.no_grad()
def after_training(module: nn.Module, in_channels: int = 3) -> nn.Module:
    """`module` in eval mode, its batch norms with scales, shifts and statistics of their own."""
    random = torch.Generator().manual_seed(0)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(1.0, 5.0, generator=random)
        norm.bias.uniform_(-1.0, 2.0, generator=random)
        norm.momentum = 1.0  # the statistics become those of the next batch
    module.train()(torch.randn(4, in_channels, 64, 64, generator=random))
    return module.eval()


def copy_by_order(source: nn.Module, target: nn.Module) -> nn.Module:
    """`target` in eval mode with the weights of `source`, first to first and last to last.

    Both run the same layers in the same order, so the names do not have to agree; the shapes do.
    """
    return load_weights(target, source.state_dict()).eval()


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_same_scores(ours: nn.Module, theirs: nn.Module, in_channels: int = 3) -> None:
    """Both say the same of several images, rectangles among them, and not of all the same."""
    for height, width in ((64, 64), (65, 97), (32, 160)):
        x = images(2, in_channels, height, width)
        with torch.no_grad():
            expected, got = theirs(x), ours(x)
        scale = float(expected.abs().max())
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * scale)
        assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale


def channels(module: nn.Module) -> list[int]:
    """Output channels of the convolutions, in order."""
    return [part.out_channels for part in module.modules() if isinstance(part, nn.Conv2d)]


def parameters_and_macs(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Learned parameters, and fvcore's conv + linear on one image of `shape` (C x H x W)."""
    operators: Any = fvcore.count(module.eval(), torch.zeros(1, *shape))[""]
    return sum(map(torch.numel, module.parameters())), operators["conv"] + operators["linear"]
