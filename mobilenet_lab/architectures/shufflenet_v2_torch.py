"""ShuffleNetV2 over tensors: the twin of `shufflenet_v2`."""

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures.shufflenet_v2 import HEAD, SIZES, STEM, TABLE_5
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct
from mobilenet_lab.errors import UnknownNameError


class BasicUnit(nn.Module):
    """N x c x H x W to the same: one half passes by, the other is filtered; then all is mixed."""

    def __init__(self, c: int) -> None:
        super().__init__()
        half = c // 2
        self.pointwise1 = ConvNormAct(half, half, 1)
        self.depthwise = ConvNormAct(half, half, 3, groups=half, act=None)
        self.pointwise2 = ConvNormAct(half, half, 1)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        left, h = x.chunk(2, 1)
        h = self.pointwise1(h)
        h = self.depthwise(h)
        h = self.pointwise2(h)
        return self.shuffle(torch.cat((left, h), 1))


class DownUnit(nn.Module):
    """N x c_in x H x W to N x c x H/2 x W/2 (rounded up), by two branches."""

    def __init__(self, c_in: int, c: int, halves: bool) -> None:
        super().__init__()
        half = c // 2
        c_left = half if halves else c_in
        self.left_depthwise = ConvNormAct(c_in, c_in, 3, 2, groups=c_in, act=None)
        self.left_pointwise = ConvNormAct(c_in, c_left, 1)
        self.pointwise1 = ConvNormAct(c_in, half, 1)
        self.depthwise = ConvNormAct(half, half, 3, 2, groups=half, act=None)
        self.pointwise2 = ConvNormAct(half, c - c_left, 1)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        left = x
        left = self.left_depthwise(left)
        left = self.left_pointwise(left)
        h = x
        h = self.pointwise1(h)
        h = self.depthwise(h)
        h = self.pointwise2(h)
        return self.shuffle(torch.cat((left, h), 1))


class ShuffleNetV2(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        size: str = "1x",
        halves: bool = True,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise UnknownNameError("size", size, SIZES)
        column = SIZES.index(size)
        self.stem = ConvNormAct(in_channels, STEM, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        c = STEM
        for number, row in enumerate(TABLE_5, start=2):
            c_in, c = c, row.c[column]
            units = [BasicUnit(c) for _ in range(row.n - 1)]
            self.add_module(f"stage{number}", nn.Sequential(DownUnit(c_in, c, halves), *units))
        self.head = ConvNormAct(c, HEAD[column], 1)
        self.classifier = Classifier(HEAD[column], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.pool(x)
        for number in range(2, len(TABLE_5) + 2):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.head(x)
        return self.classifier(x)


build = ShuffleNetV2
