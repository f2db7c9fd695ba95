"""GhostNet: half of a map's channels are computed, the other half are cheap copies of them.

Idea: many channels of a map look like filtered versions of others. A Ghost module computes half
of its channels with a 1x1 convolution and makes the rest from them with a 3x3 depthwise one, at a
fraction of the cost. A bottleneck is two such modules, one that expands and one that projects;
only where it halves the map does an ordinary depthwise convolution stand between them.

Deviations from the paper: Table 1 prints no kernels; the column here is the authors' code's, which
is MobileNetV3-Large's. A block of stride 1 whose channels stay has no use for it. The squeeze is
a quarter of the expansion rounded to a multiple of 4, and its gate a hard sigmoid, as in the
authors' PyTorch code and in timm. Their TensorFlow code, which gives the paper's numbers, does
not round (`rounded_squeeze=False`) and cuts the gate off at 0 and 1. All channels are multiples of
4, so a module never makes one too many, which the code would cut away. The 1280 channels behind
the pool stay at any width, and the 1x1 convolution that makes them is a linear layer here: the
same numbers.
"""

from itertools import groupby
from typing import NamedTuple

from mobilenet_lab.blocks import squeeze_excite
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "GhostNet: More Features from Cheap Operations", "Han et al.", 2020, "arXiv 1911.11907"
)


class Row(NamedTuple):
    """A row of Table 1: one Ghost bottleneck. Rows of one output width make a stage."""

    k: int
    """depthwise kernel, where the map is halved, and of a shortcut with layers"""
    exp: int
    """expanded channels"""
    c: int
    """output channels"""
    se: bool
    """squeeze-and-excitation"""
    s: int
    """stride"""
    tap: str = ""


SE, __ = True, False
STEM = 16
TABLE_1 = (
    #   k  exp    c  SE  s
    Row(3, 16, 16, __, 1, "C1"),
    Row(3, 48, 24, __, 2),
    Row(3, 72, 24, __, 1, "C2"),
    Row(5, 72, 40, SE, 2),
    Row(5, 120, 40, SE, 1, "C3"),
    Row(3, 240, 80, __, 2),
    Row(3, 200, 80, __, 1),
    Row(3, 184, 80, __, 1),
    Row(3, 184, 80, __, 1),
    Row(3, 480, 112, SE, 1),
    Row(3, 672, 112, SE, 1, "C4"),
    Row(5, 672, 160, SE, 2),
    Row(5, 960, 160, __, 1),
    Row(5, 960, 160, SE, 1),
    Row(5, 960, 160, __, 1),
    Row(5, 960, 160, SE, 1, "C5"),
)
HEAD = 960
HIDDEN = 1280
CHEAP_KERNEL = 3
DIVISOR = 4
DROPOUT = 0.2


def ghost_module(net: Net, x: Feature, c: int, act: str | None, name: str) -> Feature:
    """Half of `c` channels by a 1x1, the other half from these, each by a 3x3 (Figure 2, b)."""
    with net.scope(name):
        half = c // 2
        primary = net.conv(x, half, 1, act=act, name="primary")
        cheap = net.conv(primary, half, CHEAP_KERNEL, groups=half, act=act, name="cheap")
        return net.concat(primary, cheap)


def ghost_bottleneck(
    net: Net, x: Feature, row: Row, exp: int, c: int, rounded_squeeze: bool
) -> Feature:
    """A module that expands, one that projects, and a shortcut around both (Figure 3)."""
    h = x
    h = ghost_module(net, h, exp, "relu", name="expand")
    if row.s > 1:
        h = net.conv(h, exp, row.k, row.s, groups=exp, act=None, name="depthwise")
    if row.se:
        squeeze = make_divisible(exp / 4, DIVISOR) if rounded_squeeze else exp // 4
        h = squeeze_excite(net, h, squeeze, "relu", "hardsigmoid")
    h = ghost_module(net, h, c, None, name="project")
    if row.s > 1 or x.channels != c:
        with net.scope("shortcut"):
            x = net.conv(x, x.channels, row.k, row.s, groups=x.channels, act=None, name="depthwise")
            x = net.conv(x, c, 1, act=None, name="pointwise")
    return net.add(x, h)


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    rounded_squeeze: bool = True,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    `rounded_squeeze` makes the channels inside a gate a multiple of 4.
    """
    net = Net()
    x = net.input(in_channels, resolution)
    x = net.conv(x, make_divisible(STEM * width, DIVISOR), 3, stride=2, name="stem")
    stages = [list(rows) for _, rows in groupby(TABLE_1, key=lambda row: row.c)]
    for number, rows in enumerate(stages, start=1):
        with net.stage(f"stage{number}"):
            for i, row in enumerate(rows):
                exp, c = (make_divisible(each * width, DIVISOR) for each in (row.exp, row.c))
                with net.block(str(i)):
                    x = ghost_bottleneck(net, x, row, exp, c, rounded_squeeze)
        if rows[-1].tap:
            net.tap(rows[-1].tap, x)
    x = net.conv(x, make_divisible(HEAD * width, DIVISOR), 1, name="head")
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x)
        x = net.flatten(x)
        x = net.linear(x, HIDDEN, name="hidden")
        x = net.act(x, "relu")
        x = net.dropout(x, DROPOUT)
        x = net.linear(x, classes)
    return net.trace(x)


GHOSTNET = "ghostnet"
TABLE_7 = "arXiv 1911.11907, Table 7"
CODE = "huawei-noah/Efficient-AI-Backbones"

# fmt: off
PUBLISHED = (
    *published_rows(GHOSTNET, "params", TABLE_7,
                    [(0.5, 224, "2.6 M"), (1.0, 224, "5.2 M"), (1.3, 224, "7.3 M")],
                    rounded_squeeze=False),
    *published_rows(GHOSTNET, "macs", TABLE_7,
                    [(0.5, 224, "42 M"), (1.0, 224, "141 M"), (1.3, 224, "226 M")],
                    rounded_squeeze=False),
    *published_rows(GHOSTNET, "macs", f"{CODE}, tensorflow/readme.md", [(1.0, 224, "141 M")],
                    rounded_squeeze=False),
    *published_rows(GHOSTNET, "macs", f"{CODE}, ghostnet_pytorch/readme.md",
                    [(1.0, 224, "142 M")],
                    unexplained="141,150,512; 141,700,880 if each value that a global pool reads "
                                "counts as one more"),
)
# fmt: on
