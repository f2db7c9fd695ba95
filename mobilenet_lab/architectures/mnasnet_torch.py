"""MnasNet over tensors: the twin of `mnasnet`."""

from typing import Literal

from torch import Tensor, nn

from mobilenet_lab.architectures.mnasnet import DROPOUT, HEAD, MOMENTUM, STEM, TABLES
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct, SqueezeExcite
from mobilenet_lab.channels import make_divisible


class MBConv(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): widen, filter, project."""

    def __init__(self, c_in: int, t: int, k: int, se: float, c: int, stride: int) -> None:
        super().__init__()
        wide = c_in * t
        self.expand = ConvNormAct(c_in, wide, 1, momentum=MOMENTUM) if t != 1 else None
        self.depthwise = ConvNormAct(wide, wide, k, stride, groups=wide, momentum=MOMENTUM)
        self.se = SqueezeExcite(wide, int(c_in * se)) if se else None
        self.project = ConvNormAct(wide, c, 1, act=None, momentum=MOMENTUM)
        self.residual = t != 1 and stride == 1 and c_in == c

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self.expand is not None:
            h = self.expand(h)
        h = self.depthwise(h)
        if self.se is not None:
            h = self.se(h)
        h = self.project(h)
        return x + h if self.residual else h


class MnasNet(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        variant: Literal["a1", "b1"] = "a1",
    ) -> None:
        super().__init__()
        c = make_divisible(STEM * width)
        self.stem = ConvNormAct(in_channels, c, 3, stride=2, momentum=MOMENTUM)
        self.stages = len(TABLES[variant])
        for number, row in enumerate(TABLES[variant], start=1):
            blocks = []
            for i in range(row.n):
                c_in, c = c, make_divisible(row.c * width)
                blocks.append(MBConv(c_in, row.t, row.k, row.se, c, row.s if i == 0 else 1))
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
        self.head = ConvNormAct(c, HEAD, 1, momentum=MOMENTUM)
        self.classifier = Classifier(HEAD, classes, DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.head(x)
        return self.classifier(x)


build = MnasNet
