"""GhostNet over tensors: the twin of `ghostnet`."""

from itertools import groupby

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures.ghostnet import (
    CHEAP_KERNEL,
    DIVISOR,
    DROPOUT,
    HEAD,
    HIDDEN,
    STEM,
    TABLE_1,
    Row,
)
from mobilenet_lab.blocks_torch import ConvNormAct, SqueezeExcite
from mobilenet_lab.channels import make_divisible


class GhostModule(nn.Module):
    """N x c_in x H x W to N x c x H x W: half of the channels, and a filtered copy of each."""

    def __init__(self, c_in: int, c: int, act: str | None) -> None:
        super().__init__()
        half = c // 2
        self.primary = ConvNormAct(c_in, half, 1, act=act)
        self.cheap = ConvNormAct(half, half, CHEAP_KERNEL, groups=half, act=act)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary(x)
        return torch.cat((primary, self.cheap(primary)), 1)


class Shortcut(nn.Sequential):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): depthwise, then 1x1."""

    def __init__(self, c_in: int, c: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(c_in, c_in, kernel, stride, groups=c_in, act=None)
        self.pointwise = ConvNormAct(c_in, c, 1, act=None)


class GhostBottleneck(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): expand, project, add."""

    def __init__(self, c_in: int, exp: int, c: int, row: Row, rounded_squeeze: bool) -> None:
        super().__init__()
        self.expand = GhostModule(c_in, exp, "relu")
        self.depthwise = (
            ConvNormAct(exp, exp, row.k, row.s, groups=exp, act=None) if row.s > 1 else None
        )
        squeeze = make_divisible(exp / 4, DIVISOR) if rounded_squeeze else exp // 4
        self.se = SqueezeExcite(exp, squeeze, "relu", "hardsigmoid") if row.se else None
        self.project = GhostModule(exp, c, None)
        same = row.s == 1 and c_in == c
        self.shortcut = None if same else Shortcut(c_in, c, row.k, row.s)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        h = self.expand(h)
        if self.depthwise is not None:
            h = self.depthwise(h)
        if self.se is not None:
            h = self.se(h)
        h = self.project(h)
        if self.shortcut is not None:
            x = self.shortcut(x)
        return x + h


class Classifier(nn.Sequential):
    """N x c_in x H x W to N x classes: pool, a hidden layer at one position, scores."""

    def __init__(self, c_in: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(c_in, HIDDEN)
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(DROPOUT)
        self.linear = nn.Linear(HIDDEN, classes)


class GhostNet(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        rounded_squeeze: bool = True,
    ) -> None:
        super().__init__()
        c = make_divisible(STEM * width, DIVISOR)
        self.stem = ConvNormAct(in_channels, c, 3, stride=2)
        stages = []
        for _, rows in groupby(TABLE_1, key=lambda row: row.c):
            blocks = []
            for row in rows:
                exp = make_divisible(row.exp * width, DIVISOR)
                c_in, c = c, make_divisible(row.c * width, DIVISOR)
                blocks.append(GhostBottleneck(c_in, exp, c, row, rounded_squeeze))
            stages.append(nn.Sequential(*blocks))
        self.stages = len(stages)
        for number, stage in enumerate(stages, start=1):
            self.add_module(f"stage{number}", stage)
        head = make_divisible(HEAD * width, DIVISOR)
        self.head = ConvNormAct(c, head, 1)
        self.classifier = Classifier(head, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.head(x)
        return self.classifier(x)


build = GhostNet
