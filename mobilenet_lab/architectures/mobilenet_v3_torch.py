"""MobileNetV3 over tensors: the twin of `mobilenet_v3`."""

from collections.abc import Callable
from functools import partial
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


class InvertedResidual(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): V2's block with a gate."""

    def __init__(
        self,
        c_in: int,
        exp: int,
        c: int,
        row: Row,
        stride: int,
        dilation: int,
        minimalistic: bool,
        squeeze_divisor: int,
        conv: Callable[..., ConvNormAct],
    ) -> None:
        super().__init__()
        k = 3 if minimalistic else row.k
        act = "relu" if minimalistic else NONLINEARITIES[row.nl]
        self.expand = conv(c_in, exp, 1, act=act) if exp != c_in else None
        self.depthwise = conv(exp, exp, k, stride, groups=exp, dilation=dilation, act=act)
        squeeze = make_divisible(exp / 4, squeeze_divisor)
        gated = row.se and not minimalistic
        self.se = SqueezeExcite(exp, squeeze, "relu", "hardsigmoid") if gated else None
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


class Features(nn.Module):
    """N x in_channels x H x W images to the maps C1 ... C5 by name, and "head" if it has one."""

    def __init__(
        self,
        width: float,
        in_channels: int = 3,
        *,
        size: str = "large",
        scaling: str = "torchvision",
        minimalistic: bool = False,
        reduced_tail: bool = False,
        dilated: bool = False,
        squeeze_divisor: int = 8,
        eps: float = EPS,
        momentum: float = MOMENTUM,
        head: bool = True,
        reduced_entry: bool = False,
    ) -> None:
        super().__init__()
        if size not in TABLES:
            raise UnknownNameError("size", size, TABLES)
        if scaling not in SCALINGS:
            raise UnknownNameError("scaling", scaling, SCALINGS)
        table, slim = TABLES[size], scaling == "slim"
        act = "relu" if minimalistic else "hardswish"
        conv = partial(ConvNormAct, eps=eps, momentum=momentum)
        c, unscaled = make_divisible(STEM * width), STEM
        self.stem = conv(in_channels, c, 3, stride=2, act=act)
        last_width = table.rows[-1].c
        self.taps: list[str] = []
        for _, group in groupby(table.rows, key=lambda row: row.c):
            blocks: list[nn.Module] = []
            for row in group:
                tail = row.c == last_width
                halved = reduced_tail if blocks else reduced_entry
                exp = row.exp // 2 if halved and tail else row.exp
                out = row.c // 2 if reduced_tail and tail else row.c
                wide = make_divisible(c * exp / unscaled if slim else exp * width)
                stride, dilation = (1, 2) if dilated and tail else (row.s, 1)
                c_in, c, unscaled = c, make_divisible(out * width), out
                block = InvertedResidual(
                    c_in, wide, c, row, stride, dilation, minimalistic, squeeze_divisor, conv
                )
                blocks.append(block)
            self.taps.append(row.tap)
            self.add_module(f"stage{len(self.taps)}", nn.Sequential(*blocks))
        self.channels = c
        self.head = None
        if head:
            unscaled = table.head // 2 if reduced_tail else table.head
            self.channels = make_divisible(unscaled * width) if slim else 6 * c
            self.head = conv(c, self.channels, 1, act=act)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        taps = {}
        x = self.stem(x)
        for number, tap in enumerate(self.taps, start=1):
            x = self.get_submodule(f"stage{number}")(x)
            if tap:
                taps[tap] = x
        if self.head is not None:
            taps["head"] = self.head(x)
        return taps


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


class MobileNetV3(Features):
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
        hidden: int | None = None,
        eps: float = EPS,
    ) -> None:
        super().__init__(
            width,
            in_channels,
            size=size,
            scaling=scaling,
            minimalistic=minimalistic,
            reduced_tail=reduced_tail,
            dilated=dilated,
            eps=eps,
        )
        if hidden is None:
            hidden = TABLES[size].last // 2 if reduced_tail else TABLES[size].last
            if scaling == "torchvision" or width > 1:
                hidden = make_divisible(hidden * width)
        act = "relu" if minimalistic else "hardswish"
        self.classifier = Classifier(self.channels, hidden, classes, act)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = super().forward(x)["head"]
        return self.classifier(x)


build = MobileNetV3
