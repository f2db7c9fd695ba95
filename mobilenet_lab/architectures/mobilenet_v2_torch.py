"""MobileNetV2 over tensors: the twin of `mobilenet_v2`."""

from torch import Tensor, nn

from mobilenet_lab.architectures.mobilenet_v2 import DROPOUT, HEAD, STEM, TABLE_2
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct
from mobilenet_lab.channels import make_divisible


class InvertedResidual(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): widen, filter, project."""

    def __init__(self, c_in: int, t: int, c: int, stride: int) -> None:
        super().__init__()
        wide = c_in * t
        self.expand = ConvNormAct(c_in, wide, 1, act="relu6") if t != 1 else None
        self.depthwise = ConvNormAct(wide, wide, 3, stride, groups=wide, act="relu6")
        self.project = ConvNormAct(wide, c, 1, act=None)
        self.residual = stride == 1 and c_in == c

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self.expand is not None:
            h = self.expand(h)
        h = self.depthwise(h)
        h = self.project(h)
        return x + h if self.residual else h


class Features(nn.Module):
    """N x in_channels x H x W images to the maps C1 ... C5 by name."""

    def __init__(self, width: float, in_channels: int = 3) -> None:
        super().__init__()
        c = make_divisible(STEM * width)
        self.stem = ConvNormAct(in_channels, c, 3, stride=2, act="relu6")
        for number, row in enumerate(TABLE_2, start=1):
            blocks = []
            for i in range(row.n):
                c_in, c = c, make_divisible(row.c * width)
                blocks.append(InvertedResidual(c_in, row.t, c, row.s if i == 0 else 1))
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
        self.channels = c

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        taps = {}
        x = self.stem(x)
        for number, row in enumerate(TABLE_2, start=1):
            x = self.get_submodule(f"stage{number}")(x)
            if row.tap:
                taps[row.tap] = x
        return taps


class MobileNetV2(Features):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(self, width: float = 1.0, classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__(width, in_channels)
        c = make_divisible(HEAD * max(width, 1.0))
        self.head = ConvNormAct(self.channels, c, 1, act="relu6")
        self.classifier = Classifier(c, classes, DROPOUT)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = super().forward(x)["C5"]
        x = self.head(x)
        return self.classifier(x)


build = MobileNetV2
