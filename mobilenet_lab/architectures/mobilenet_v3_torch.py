"""MobileNetV3 over tensors: the twin of `mobilenet_v3`."""

from itertools import groupby

from torch import Tensor, nn

from mobilenet_lab.architectures.mobilenet_v3 import (
    DROPOUT,
    EPS,
    MOMENTUM,
    NONLINEARITIES,
    SCALINGS,
    STEM,
    TABLES,
    Row,
)
from mobilenet_lab.blocks_torch import ConvNormAct, SqueezeExcite, activation
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError


def conv(c_in: int, c_out: int, k: int, stride: int = 1, **more: int | str | None) -> ConvNormAct:
    """The leaf with V3's batch norm."""
    return ConvNormAct(c_in, c_out, k, stride, eps=EPS, momentum=MOMENTUM, **more)  # type: ignore[arg-type]


class InvertedResidual(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): V2's block with a gate."""

    def __init__(
        self, c_in: int, exp: int, c: int, row: Row, stride: int, dilation: int, minimalistic: bool
    ) -> None:
        super().__init__()
        k = 3 if minimalistic else row.k
        act = "relu" if minimalistic else NONLINEARITIES[row.nl]
        self.expand = conv(c_in, exp, 1, act=act) if exp != c_in else None
        self.depthwise = conv(exp, exp, k, stride, groups=exp, dilation=dilation, act=act)
        self.se = (
            SqueezeExcite(exp, make_divisible(exp / 4), "relu", "hardsigmoid")
            if row.se and not minimalistic
            else None
        )
        self.project = conv(exp, c, 1, act=None)
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


class Classifier(nn.Sequential):
    """N x c_in x H x W to N x classes: pool, a hidden layer at one position, scores."""

    def __init__(self, c_in: int, hidden: int, classes: int, act: str) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(c_in, hidden)
        self.act = activation(act)
        self.dropout = nn.Dropout(DROPOUT)
        self.linear = nn.Linear(hidden, classes)


class MobileNetV3(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        size: str = "large",
        scaling: str = "torchvision",
        minimalistic: bool = False,
        reduced_tail: bool = False,
        dilated: bool = False,
    ) -> None:
        super().__init__()
        if size not in TABLES:
            raise UnknownNameError("size", size, TABLES)
        if scaling not in SCALINGS:
            raise UnknownNameError("scaling", scaling, SCALINGS)
        table, slim = TABLES[size], scaling == "slim"
        act = "relu" if minimalistic else "hardswish"
        c, unscaled = make_divisible(STEM * width), STEM
        self.stem = conv(in_channels, c, 3, stride=2, act=act)
        last_width = table.rows[-1].c
        stages = []
        for _, rows in groupby(table.rows, key=lambda row: row.c):
            blocks: list[nn.Module] = []
            for row in rows:
                tail = row.c == last_width
                exp = row.exp // 2 if reduced_tail and tail and blocks else row.exp
                out = row.c // 2 if reduced_tail and tail else row.c
                wide = make_divisible(c * exp / unscaled if slim else exp * width)
                stride, dilation = (1, 2) if dilated and tail else (row.s, 1)
                c_in, c, unscaled = c, make_divisible(out * width), out
                blocks.append(InvertedResidual(c_in, wide, c, row, stride, dilation, minimalistic))
            stages.append(nn.Sequential(*blocks))
        self.stages = len(stages)
        for number, stage in enumerate(stages, start=1):
            self.add_module(f"stage{number}", stage)
        head, hidden = table.head, table.last
        if reduced_tail:
            head, hidden = head // 2, hidden // 2
        head = make_divisible(head * width) if slim else 6 * c
        if not slim or width > 1:
            hidden = make_divisible(hidden * width)
        self.head = conv(c, head, 1, act=act)
        self.classifier = Classifier(head, hidden, classes, act)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.head(x)
        return self.classifier(x)


build = MobileNetV3
