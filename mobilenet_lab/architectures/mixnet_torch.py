"""MixNet over tensors: the twin of `mixnet`."""

from itertools import groupby

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures.mixnet import HEAD, NONLINEARITIES, SIZES, Row
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct, SqueezeExcite, activation
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError


def shares(channels: int, parts: int) -> list[int]:
    """Equal shares of the channels; the first has what is left over, too."""
    share, rest = divmod(channels, parts)
    return [share + rest] + [share] * (parts - 1)


class MixConv(nn.Module):
    """N x c_in x H x W to N x c_out x H/stride x W/stride (rounded up): a kernel for each part."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernels: tuple[int, ...],
        stride: int,
        depthwise: bool,
        act: str | None,
    ) -> None:
        super().__init__()
        self.sizes = shares(c_in, len(kernels))
        self.conv = nn.ModuleList()
        for a, b, k in zip(self.sizes, shares(c_out, len(kernels)), kernels, strict=True):
            groups = a if depthwise else 1
            self.conv.append(nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False))
        self.norm = nn.BatchNorm2d(c_out)
        self.act = activation(act, inplace=True) if act is not None else None

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(x, self.sizes, dim=1)
        x = torch.cat([conv(part) for conv, part in zip(self.conv, parts, strict=True)], dim=1)
        x = self.norm(x)
        return self.act(x) if self.act is not None else x


def mix_conv(
    c_in: int,
    c_out: int,
    kernels: tuple[int, ...],
    stride: int = 1,
    *,
    depthwise: bool = False,
    act: str | None,
) -> nn.Module:
    """A MixConv, or an ordinary convolution where there is one kernel."""
    if len(kernels) > 1:
        return MixConv(c_in, c_out, kernels, stride, depthwise, act)
    return ConvNormAct(c_in, c_out, kernels[0], stride, groups=c_in if depthwise else 1, act=act)


class InvertedResidual(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): V2's block with MixConv."""

    def __init__(self, c_in: int, row: Row, c: int) -> None:
        super().__init__()
        wide = c_in * row.t
        act = NONLINEARITIES[row.nl]
        self.expand = mix_conv(c_in, wide, (1,) * row.a, act=act) if row.t != 1 else None
        self.depthwise = mix_conv(wide, wide, row.k, row.s, depthwise=True, act=act)
        self.se = SqueezeExcite(wide, int(c_in * row.se), act) if row.se else None
        self.project = mix_conv(wide, c, (1,) * row.p, act=None)
        self.residual = row.s == 1 and c_in == c

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self.expand is not None:
            h = self.expand(h)
        h = self.depthwise(h)
        if self.se is not None:
            h = self.se(h)
        h = self.project(h)
        return x + h if self.residual else h


class MixNet(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self, width: float = 1.0, classes: int = 1000, in_channels: int = 3, *, size: str = "s"
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise UnknownNameError("size", size, SIZES)
        table, multiplier = SIZES[size]
        width = multiplier * width
        c = make_divisible(table.stem * width)
        self.stem = ConvNormAct(in_channels, c, 3, stride=2, act="relu")
        stages = [list(rows) for _, rows in groupby(table.rows, key=lambda row: row.c)]
        for number, rows in enumerate(stages, start=1):
            blocks = []
            for row in rows:
                for _ in range(row.n):
                    c_in, c = c, make_divisible(row.c * width)
                    blocks.append(InvertedResidual(c_in, row, c))
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
        self.stages = len(stages)
        self.head = ConvNormAct(c, HEAD, 1, act="relu")
        self.classifier = Classifier(HEAD, classes, table.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.head(x)
        return self.classifier(x)


build = MixNet
