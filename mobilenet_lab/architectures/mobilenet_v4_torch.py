"""MobileNetV4 over tensors: the twin of `mobilenet_v4`."""

from torch import Tensor, nn

from mobilenet_lab.architectures.mobilenet_v4 import HEAD, HIDDEN, STEM, TABLES, Row
from mobilenet_lab.blocks_torch import ConvNormAct
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError


class UniversalBottleneck(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): filter, widen, filter, project.

    Either filter may be missing; the last that is there takes the stride.
    """

    def __init__(self, c_in: int, exp: int, c: int, row: Row) -> None:
        super().__init__()
        first, second = (1, row.s) if row.k2 else (row.s, 1)
        self.start = ConvNormAct(c_in, c_in, row.k1, first, c_in, act=None) if row.k1 else None
        self.expand = ConvNormAct(c_in, exp, 1)
        self.depthwise = ConvNormAct(exp, exp, row.k2, second, exp) if row.k2 else None
        self.project = ConvNormAct(exp, c, 1, act=None)
        self.residual = row.s == 1 and c_in == c

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self.start is not None:
            h = self.start(h)
        h = self.expand(h)
        if self.depthwise is not None:
            h = self.depthwise(h)
        h = self.project(h)
        return x + h if self.residual else h


class FusedBottleneck(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): widen and mix, project."""

    def __init__(self, c_in: int, exp: int, c: int, row: Row) -> None:
        super().__init__()
        self.fused = ConvNormAct(c_in, exp, row.k2, row.s)
        self.project = ConvNormAct(exp, c, 1, act=None)
        self.residual = row.s == 1 and c_in == c

    def forward(self, x: Tensor) -> Tensor:
        h = x
        h = self.fused(h)
        h = self.project(h)
        return x + h if self.residual else h


class FullConv(nn.Sequential):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): one full convolution."""

    def __init__(self, c_in: int, c: int, row: Row) -> None:
        super().__init__()
        self.conv = ConvNormAct(c_in, c, row.k2, row.s)


class Classifier(nn.Sequential):
    """N x c_in x H x W to N x classes: pool, a hidden 1x1 at the one position, scores."""

    def __init__(self, c_in: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden = ConvNormAct(c_in, HIDDEN, 1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(HIDDEN, classes)


class MobileNetV4(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        size: str = "conv_small",
    ) -> None:
        super().__init__()
        if size not in TABLES:
            raise UnknownNameError("size", size, TABLES)
        self.stages = len(TABLES[size].stages)
        c, unscaled = make_divisible(STEM * max(width, 1.0)), STEM
        self.stem = ConvNormAct(in_channels, c, 3, stride=2)
        for number, rows in enumerate(TABLES[size].stages, start=1):
            blocks: list[nn.Module] = []
            for row in rows:
                c_in, c = c, make_divisible(row.c * width)
                if row.block == "Conv":
                    blocks.append(FullConv(c_in, c, row))
                else:
                    wide = make_divisible(c_in * (row.exp / unscaled))
                    fused = row.block == "FusedIB"
                    kind = FusedBottleneck if fused else UniversalBottleneck
                    blocks.append(kind(c_in, wide, c, row))
                unscaled = row.c
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
        c_in, c = c, make_divisible(HEAD * width)
        self.head = ConvNormAct(c_in, c, 1)
        self.classifier = Classifier(c, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.head(x)
        return self.classifier(x)


build = MobileNetV4
