"""RepLKNet over tensors: the twin of `replknet`."""

from torch import Tensor, nn

from mobilenet_lab.architectures.replknet import FEED_FORWARD, KERNELS, SMALL_KERNEL, STAGES
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError


class Stem(nn.Sequential):
    """N x c_in x H x W to N x c x H/4 x W/4 (rounded up twice)."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(c_in, c, 3, 2)
        self.depthwise = ConvNormAct(c, c, 3, groups=c)
        self.pointwise = ConvNormAct(c, c, 1)
        self.down = ConvNormAct(c, c, 3, 2, groups=c)


class Transition(nn.Sequential):
    """N x c_in x H x W to N x c x H/2 x W/2 (rounded up)."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.pointwise = ConvNormAct(c_in, c, 1)
        self.depthwise = ConvNormAct(c, c, 3, 2, groups=c)


class MergedKernel(nn.Sequential):
    """N x c x H x W to the same: one depthwise convolution with a bias."""

    def __init__(self, c: int, k: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, k, padding=k // 2, groups=c)
        self.act = nn.ReLU()


class ParallelKernels(nn.Module):
    """N x c x H x W to the same: the sum of a large and, where it is larger than that, a 5x5."""

    def __init__(self, c: int, k: int) -> None:
        super().__init__()
        self.large = ConvNormAct(c, c, k, groups=c, act=None)
        self.small = (
            ConvNormAct(c, c, SMALL_KERNEL, groups=c, act=None) if k > SMALL_KERNEL else None
        )
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        h = self.large(x)
        if self.small is not None:
            h = h + self.small(x)
        return self.act(h)


class RepLKBlock(nn.Module):
    """N x c x H x W to the same: each channel looks around, between two 1x1s that mix them."""

    def __init__(self, c: int, k: int, merged: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c)
        self.pointwise1 = ConvNormAct(c, c, 1)
        self.depthwise = MergedKernel(c, k) if merged else ParallelKernels(c, k)
        self.pointwise2 = ConvNormAct(c, c, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        h = self.norm(h)
        h = self.pointwise1(h)
        h = self.depthwise(h)
        h = self.pointwise2(h)
        return x + h


class FeedForward(nn.Module):
    """N x c x H x W to the same: 1x1s to four times the channels and back."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c)
        self.expand = ConvNormAct(c, c * FEED_FORWARD, 1, act="gelu")
        self.project = ConvNormAct(c * FEED_FORWARD, c, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        h = self.norm(h)
        h = self.expand(h)
        h = self.project(h)
        return x + h


class RepLKNet(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        kernels: str = "31-29-27-13",
        merged: bool = True,
    ) -> None:
        super().__init__()
        if kernels not in KERNELS:
            raise UnknownNameError("kernels", kernels, KERNELS)
        c = make_divisible(STAGES[0].c * width)
        self.stem = Stem(in_channels, c)
        self.parts: list[str] = []
        for number, row in enumerate(STAGES, start=1):
            c_in, c = c, make_divisible(row.c * width)
            if number > 1:
                self.add_part(f"transition{number - 1}", Transition(c_in, c))
            k = KERNELS[kernels][number - 1]
            blocks: list[nn.Module] = []
            for _ in range(row.b):
                blocks += [RepLKBlock(c, k, merged), FeedForward(c)]
            self.add_part(f"stage{number}", nn.Sequential(*blocks))
        self.norm = nn.BatchNorm2d(c)
        self.classifier = Classifier(c, classes)

    def add_part(self, name: str, part: nn.Module) -> None:
        """A child that runs after those added before it."""
        self.add_module(name, part)
        self.parts.append(name)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for name in self.parts:
            x = self.get_submodule(name)(x)
        x = self.norm(x)
        return self.classifier(x)


build = RepLKNet
