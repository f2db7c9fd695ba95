"""LeNet-5 over tensors: the twin of `lenet`."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures.lenet import C1, C3, C5, F6, TABLE_1
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import LabError, VanishedError


class ConvAct(nn.Sequential):
    """N x c_in x H x W to N x c x (H - 4) x (W - 4): 5x5 convolution, tanh."""

    def __init__(self, c_in: int, c: int) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(c_in, c, 5)
        parts["act"] = nn.Tanh()
        super().__init__(parts)


class PartialConvAct(nn.Module):
    """N x 6 x H x W to N x 16 x (H - 4) x (W - 4): each map reads those of its row in Table 1."""

    def __init__(self) -> None:
        super().__init__()
        for number, sources in enumerate(TABLE_1):
            self.add_module(f"map{number}", nn.Conv2d(len(sources), 1, 5))
        self.act = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        maps = [
            self.get_submodule(f"map{number}")(x[:, sources])
            for number, sources in enumerate(map(list, TABLE_1))
        ]
        return self.act(torch.cat(maps, 1))


class Subsample(nn.Sequential):
    """N x c x H x W to N x c x H/2 x W/2 (rounded down): means; `original`: scaled, then tanh."""

    def __init__(self, c: int, original: bool) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["pool"] = nn.AvgPool2d(2)
        if original:
            parts["scale"] = nn.Conv2d(c, c, 1, groups=c)
            parts["act"] = nn.Tanh()
        super().__init__(parts)


class LeNet5(nn.Sequential):
    """N x in_channels x H x W images to N x classes scores (logits); H x W is `resolution`.

    Raises:
        LabError: `original` at another width than 1.
        VanishedError: nothing is left of so small an image.
    """

    def __init__(
        self,
        width: float = 1.0,
        resolution: int | tuple[int, int] = 32,
        classes: int = 10,
        in_channels: int = 1,
        *,
        original: bool = False,
    ) -> None:
        super().__init__()
        if original and width != 1:
            raise LabError(f"Table 1 is for width 1; the original LeNet-5 has no width {width:g}")
        c1, c3, c5, f6 = (make_divisible(c * width, 1) for c in (C1, C3, C5, F6))
        rows, columns = (resolution, resolution) if isinstance(resolution, int) else resolution
        self.c1 = ConvAct(in_channels, c1)
        self.s2 = Subsample(c1, original)
        self.c3 = PartialConvAct() if original else ConvAct(c1, c3)
        self.s4 = Subsample(c3, original)
        self.c5 = ConvAct(c3, c5)
        hidden: OrderedDict[str, nn.Module] = OrderedDict()
        hidden["flatten"] = nn.Flatten()
        hidden["linear"] = nn.Linear(c5 * last_side(rows) * last_side(columns), f6)
        hidden["act"] = nn.Tanh()
        self.f6 = nn.Sequential(hidden)
        self.output = nn.Linear(f6, classes)


def last_side(side: int) -> int:
    """What three convolutions and two subsamplings leave of a side."""
    left = ((side - 4) // 2 - 4) // 2 - 4
    if left < 1:
        raise VanishedError(f"nothing is left of an image side of {side}")
    return left


build = LeNet5
