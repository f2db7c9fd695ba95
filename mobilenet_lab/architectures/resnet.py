"""ResNet: layers learn what to add to their input.

Idea: deeper plain networks train worse, although they could copy a shallower one. So a block of
layers computes a residual, and a shortcut without weights adds the block's input to it: to do
nothing is then easy to learn. From 50 layers on a block is a bottleneck: a 1x1 convolution
reduces the channels, a 3x3 works where they are few, and a 1x1 restores four times as many.

Deviations from the paper: none in `stride_in_1x1=True` ("v1"), where the first 1x1 of a stage
takes the stride, and so drops three positions of four unseen. Without it ("v1.5": torchvision,
timm) the 3x3 takes it: the same parameters, 231,211,008 MACs more at 224 in 50 layers. Shortcuts
are the paper's option B: a 1x1 projection where the shape changes, else the identity.

The receptive field at the last convolution of 50 layers is 427 in v1.5, whose strided 3x3 works
on the finer grid, and 483 in v1 (101 layers: 971 and 1027). TF-slim strides elsewhere again, in
the 3x3 of the last block of the stage before, and comes to 483 and 1027 as well.
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "Deep Residual Learning for Image Recognition",
    "He et al.",
    2015,
    "arXiv 1512.03385",
)


class Basic(NamedTuple):
    """n blocks of two 3x3 convolutions to c channels."""

    c: int
    """output channels of both"""
    n: int
    """repeats"""


class Bottleneck(NamedTuple):
    """n blocks of 1x1 to c channels, 3x3 to c channels, 1x1 to `restored` channels."""

    c: int
    """output channels of the first two"""
    restored: int
    """output channels of the last"""
    n: int
    """repeats"""


Column = tuple[Basic | Bottleneck, ...]

STEM = 64
# one column for each depth; its rows are conv2_x ... conv5_x, our stage2 ... stage5
TABLE_1: dict[int, Column] = {
    18: (Basic(64, 2), Basic(128, 2), Basic(256, 2), Basic(512, 2)),
    34: (Basic(64, 3), Basic(128, 4), Basic(256, 6), Basic(512, 3)),
    50: (
        Bottleneck(64, 256, 3),
        Bottleneck(128, 512, 4),
        Bottleneck(256, 1024, 6),
        Bottleneck(512, 2048, 3),
    ),
    101: (
        Bottleneck(64, 256, 3),
        Bottleneck(128, 512, 4),
        Bottleneck(256, 1024, 23),
        Bottleneck(512, 2048, 3),
    ),
    152: (
        Bottleneck(64, 256, 3),
        Bottleneck(128, 512, 8),
        Bottleneck(256, 1024, 36),
        Bottleneck(512, 2048, 3),
    ),
}


def basic(net: Net, x: Feature, row: Basic, stride: int) -> Feature:
    """Two 3x3 convolutions and a shortcut around them (Figure 5, left)."""
    h = net.conv(x, row.c, 3, stride, name="first")
    h = net.conv(h, row.c, 3, act=None, name="second")
    return join(net, x, h, stride)


def bottleneck(
    net: Net, x: Feature, row: Bottleneck, stride: int, stride_in_1x1: bool = False
) -> Feature:
    """1x1 that reduces, 3x3, 1x1 that restores, and a shortcut around them (Figure 5, right)."""
    early, late = (stride, 1) if stride_in_1x1 else (1, stride)
    h = net.conv(x, row.c, 1, early, name="reduce")
    h = net.conv(h, row.c, 3, late, name="bottleneck")
    h = net.conv(h, row.restored, 1, act=None, name="restore")
    return join(net, x, h, stride)


def join(net: Net, x: Feature, h: Feature, stride: int) -> Feature:
    """h + x, with a projection of x where the shapes differ (option B), and ReLU."""
    if stride != 1 or x.channels != h.channels:
        x = net.conv(x, h.channels, 1, stride, act=None, name="downsample")
    return net.act(net.add(h, x), "relu")


def trace(
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    depth: int = 50,
    stride_in_1x1: bool = False,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    x = net.conv(x, STEM, 7, stride=2, name="stem")
    net.tap("C1", x)
    x = net.max_pool(x, 3, 2, padding=1)
    for number, row in enumerate(TABLE_1[depth], start=2):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                # conv3_1, conv4_1 and conv5_1 halve the map; conv2_x follows the pool
                stride = 2 if number > 2 and i == 0 else 1
                with net.block(str(i)):
                    if isinstance(row, Basic):
                        x = basic(net, x, row, stride)
                    else:
                        x = bottleneck(net, x, row, stride, stride_in_1x1)
        net.tap(f"C{number}", x)
    x = classifier(net, x, classes)
    return net.trace(x)


R18, R50, R50_V1 = "resnet18", "resnet50", "resnet50_v1"
AT_224 = {"resolution": 224}

# fmt: off
PUBLISHED = (
    Published(R18, "macs", "1.8 G", "arXiv 1512.03385, Table 1 (FLOPs)", AT_224),
    Published(R50_V1, "macs", "3.8 G", "arXiv 1512.03385, Table 1 (FLOPs)", AT_224),
    Published(R50_V1, "macs", "3800 M", "arXiv 1807.11164, Table 6", AT_224,
              unexplained="3,857,973,248; the ResNet paper's 3.8 x 10^9 with two more digits"),
    Published(R18, "params", "11.689512 M", "torchvision, ResNet18_Weights", AT_224),
    Published(R18, "macs", "1.814 G", "torchvision, ResNet18_Weights", AT_224),
    Published(R50, "params", "25.557032 M", "torchvision, ResNet50_Weights", AT_224),
    Published(R50, "macs", "4.089 G", "torchvision, ResNet50_Weights", AT_224),
)
# fmt: on
