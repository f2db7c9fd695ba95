"""Which networks are tried at which settings, and weights that let no mistake hide."""

from typing import Any

import torch
from networks import NAMES, SPINE, fitting
from torch import Tensor, nn

from mobilenet_lab import registry

WIDTHS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
RESOLUTIONS = ((32, 32), (97, 130), (128, 64), (224, 224))
ODD_ONES = (
    {"width": 0.01, "resolution": (1, 1)},
    {"width": 0.6180339887, "resolution": (31, 67)},
    {"width": 2.0, "resolution": (65, 33), "classes": 1},
    {"classes": 7, "resolution": (40, 200)},
    {"in_channels": 1, "resolution": (48, 32)},
    {"in_channels": 12, "classes": 21, "resolution": (47, 47), "width": 0.9},
)


FEW = (
    {"width": 0.35, "resolution": (33, 65), "classes": 7, "in_channels": 1},
    {"width": 1.4, "resolution": (97, 64)},
)


def grid() -> list[tuple[str, dict[str, Any]]]:
    """Every network at several widths, resolutions (rectangles, odd ones), classes and channels."""
    many = [{"width": width, "resolution": (33, 65)} for width in WIDTHS]
    many += [{"resolution": resolution} for resolution in RESOLUTIONS]
    many += [{"width": 0.35, "resolution": resolution} for resolution in RESOLUTIONS]
    cases: list[tuple[str, dict[str, Any]]] = []
    for name in NAMES:
        for each in [*many, *ODD_ONES] if name in SPINE else FEW:
            case = (name, fitting(name, each))
            if case not in cases:
                cases.append(case)
    return cases


def thin(name: str, **settings: Any) -> dict[str, Any]:
    """`settings` with the width that makes network `name` small, where it has widths."""
    return fitting(name, {"width": 0.25, **settings})


def label(value: object) -> str | None:
    """A test's name from its settings: `width=0.5,resolution=33x65`."""
    if not isinstance(value, dict):
        return None
    parts = {k: "x".join(map(str, v)) if isinstance(v, tuple) else v for k, v in value.items()}
    return ",".join(f"{k}={v}" for k, v in parts.items())


def build(name: str, **settings: Any) -> nn.Module:
    """The module of network `name` in eval mode; a detector or segmenter gives its raw maps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _raw(name, registry.build(name, **settings).eval())


def blank(name: str, **settings: Any) -> nn.Module:
    """The same with zeros for weights: enough where only layers and counts are looked at."""
    with torch.device("meta"):
        module = registry.build(name, **settings).eval()
    module.to_empty(device="cpu")
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data.zero_()
    return _raw(name, module)


def _raw(name: str, module: nn.Module) -> nn.Module:
    if registry.task(name) != "classification":
        module.raw = True
    return module


def twin(name: str, **settings: Any) -> nn.Module:
    """The same, with every batch norm as it might be after training (`randomise`)."""
    sized = fitting(name, {"resolution": (64, 64)} | settings)
    shape = registry.trace(name, **settings | {"resolution": sized["resolution"]}).input_shape
    return randomise(build(name, **settings), shape)


def outputs(module: nn.Module, x: Tensor) -> list[Tensor]:
    """All that `module` gives, without gradients."""
    with torch.no_grad():
        given = module(x)
    return [given] if isinstance(given, Tensor) else list(given)


@torch.no_grad()
def randomise(module: nn.Module, shape: tuple[int, ...] = (3, 64, 64)) -> nn.Module:
    """Gives every batch norm a scale, shift and statistics of its own.

    Images of `shape` (C x H x W) are run for them. A fresh norm is the identity, and the identity
    does not tell where it stands. The statistics are near those of the data, so that nothing
    explodes; the weights before are so small that the variance is of the size of eps, so that eps
    counts.
    """
    random = torch.Generator().manual_seed(2)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    # where no norm follows: what hands a signal on through ReLUs (fresh weights let it die out)
    scale = 6**0.5
    for part in reversed(list(module.modules())):
        if isinstance(part, nn.BatchNorm2d):
            scale = 1.6 * part.eps**0.5
        if isinstance(part, nn.Conv2d):
            part.weight *= scale
    for norm in norms:
        norm.weight.uniform_(1.0, 5.0, generator=random)  # past the 6 of ReLU6 at times
        norm.bias.uniform_(-1.0, 2.0, generator=random)
        norm.momentum = 1.0  # the statistics become those of the next batch
    module.train()(images(4, shape, seed=3))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        spread = norm.running_var.sqrt()
        norm.running_mean += 0.3 * spread * torch.randn(spread.shape, generator=random)
        norm.running_var *= torch.empty_like(spread).uniform_(0.5, 2.0, generator=random)
    return module.eval()


def images(count: int, shape: tuple[int, ...], seed: int = 1) -> Tensor:
    """`count` random images of `shape` (C x H x W)."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
