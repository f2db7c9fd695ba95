"""ResNet over tensors: the twin of `resnet`."""

from torch import Tensor, nn

from mobilenet_lab.architectures.resnet import STEM, TABLE_1, Basic
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct


class BasicBlock(nn.Module):
    """N x c_in x H x W to N x c x H/stride x W/stride (rounded up): two 3x3, and a shortcut."""

    def __init__(self, c_in: int, c: int, stride: int) -> None:
        super().__init__()
        same = stride == 1 and c_in == c
        self.first = ConvNormAct(c_in, c, 3, stride)
        self.second = ConvNormAct(c, c, 3, act=None)
        self.downsample = None if same else ConvNormAct(c_in, c, 1, stride, act=None)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        h = self.second(h)
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.act(h + shortcut)


class BottleneckBlock(nn.Module):
    """N x c_in x H x W to N x restored x H/stride x W/stride (rounded up): 1x1, 3x3, 1x1."""

    def __init__(self, c_in: int, c: int, restored: int, stride: int, stride_in_1x1: bool) -> None:
        super().__init__()
        same = stride == 1 and c_in == restored
        self.reduce = ConvNormAct(c_in, c, 1, stride if stride_in_1x1 else 1)
        self.bottleneck = ConvNormAct(c, c, 3, 1 if stride_in_1x1 else stride)
        self.restore = ConvNormAct(c, restored, 1, act=None)
        self.downsample = None if same else ConvNormAct(c_in, restored, 1, stride, act=None)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.reduce(x)
        h = self.bottleneck(h)
        h = self.restore(h)
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.act(h + shortcut)


class ResNet(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        depth: int = 50,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        c = STEM
        self.stem = ConvNormAct(in_channels, c, 7, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = [f"stage{number}" for number in range(2, 6)]
        stride = 1
        for name, row in zip(self.stages, TABLE_1[depth], strict=True):
            blocks: list[nn.Module] = []
            for _ in range(row.n):
                if isinstance(row, Basic):
                    blocks.append(BasicBlock(c, row.c, stride))
                    c = row.c
                else:
                    blocks.append(BottleneckBlock(c, row.c, row.restored, stride, stride_in_1x1))
                    c = row.restored
                stride = 1
            self.add_module(name, nn.Sequential(*blocks))
            stride = 2
        self.classifier = Classifier(c, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.pool(x)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.classifier(x)


build = ResNet
