"""MobileNetV1 over tensors: the twin of `mobilenet_v1`."""

from torch import Tensor, nn

from mobilenet_lab.architectures.mobilenet_v1 import STEM, TABLE_1
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct


class Separable(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): depthwise, then pointwise."""

    def __init__(self, c_in: int, c: int, stride: int, act: str) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(c_in, c_in, 3, stride, groups=c_in, act=act)
        self.pointwise = ConvNormAct(c_in, c, 1, act=act)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        h = self.depthwise(h)
        h = self.pointwise(h)
        return h


class Full(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): one 3x3 convolution."""

    def __init__(self, c_in: int, c: int, stride: int, act: str) -> None:
        super().__init__()
        self.full = ConvNormAct(c_in, c, 3, stride, act=act)

    def forward(self, x: Tensor) -> Tensor:
        return self.full(x)


class Features(nn.Module):
    """N x in_channels x H x W images to the maps C1 ... C5 by name."""

    def __init__(
        self,
        width: float,
        in_channels: int = 3,
        *,
        separable_blocks: bool = True,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        block = Separable if separable_blocks else Full
        c = max(int(STEM * width), 8)
        self.stem = ConvNormAct(in_channels, c, 3, stride=2, act=activation)
        for number, row in enumerate(TABLE_1, start=1):
            blocks = []
            for i in range(row.n):
                c_in, c = c, max(int(row.c * width), 8)
                blocks.append(block(c_in, c, row.s if i == 0 else 1, activation))
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
        self.channels = c

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        taps = {}
        x = self.stem(x)
        for number, row in enumerate(TABLE_1, start=1):
            x = self.get_submodule(f"stage{number}")(x)
            if row.tap:
                taps[row.tap] = x
        return taps


class MobileNetV1(Features):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        separable_blocks: bool = True,
        activation: str = "relu",
    ) -> None:
        super().__init__(
            width, in_channels, separable_blocks=separable_blocks, activation=activation
        )
        self.classifier = Classifier(self.channels, classes)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = super().forward(x)["C5"]
        return self.classifier(x)


build = MobileNetV1
