"""MobileNetV4: one block with two optional depthwise convolutions, for every kind of hardware.

Idea: the universal inverted bottleneck (UIB) is V2's inverted residual with a second place for a
depthwise convolution, before the expansion. Each of the two may be left out, which makes four
blocks: IB (V2's own), ConvNext (only the first), ExtraDW (both), FFN (neither). A search chose
among them. Early stages take full convolutions, which keep hardware busier where channels are few
and maps large. ReLU only, no gates: those cost more to run than to count.

Deviations from the paper: none in the blocks. Where Conv-S begins with pairs of a 3x3 and a 1x1,
both have a ReLU, as in the authors' code; a FusedIB there would end linear, at the same cost. The
first depthwise has no activation behind it, and takes the stride where there is no second. The
paper scales no width; ours is timm's rule: a block expands to its scaled input times the printed
ratio, the stem keeps its channels below width 1, the last 1280 always.
"""

from typing import NamedTuple

from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "MobileNetV4: Universal Models for the Mobile Ecosystem",
    "Qin et al.",
    2024,
    "arXiv 2404.10518",
)


class Row(NamedTuple):
    """A row of Table 11 or 12: one block. 0 is a dash."""

    block: str
    """Conv, FusedIB, or a UIB by its name: ExtraDW, IB, ConvNext, FFN"""
    k1: int
    """kernel of the depthwise before the expansion"""
    k2: int
    """kernel of the depthwise after it; of the full convolution in Conv and FusedIB"""
    exp: int
    """expanded channels"""
    c: int
    """output channels"""
    s: int
    """stride"""


class Table(NamedTuple):
    """The blocks of one network, a tuple for each resolution, and the resolution it starts from."""

    stages: tuple[tuple[Row, ...], ...]
    resolution: int


STEM = 32
TABLE_11 = Table(
    (
        (
            #          k1 k2  exp    c  s
            Row("Conv", 0, 3, 0, 32, 2),
            Row("Conv", 0, 1, 0, 32, 1),
        ),
        (
            Row("Conv", 0, 3, 0, 96, 2),
            Row("Conv", 0, 1, 0, 64, 1),
        ),
        (
            Row("ExtraDW", 5, 5, 192, 96, 2),
            Row("IB", 0, 3, 192, 96, 1),
            Row("IB", 0, 3, 192, 96, 1),
            Row("IB", 0, 3, 192, 96, 1),
            Row("IB", 0, 3, 192, 96, 1),
            Row("ConvNext", 3, 0, 384, 96, 1),
        ),
        (
            Row("ExtraDW", 3, 3, 576, 128, 2),
            Row("ExtraDW", 5, 5, 512, 128, 1),
            Row("IB", 0, 5, 512, 128, 1),
            Row("IB", 0, 5, 384, 128, 1),
            Row("IB", 0, 3, 512, 128, 1),
            Row("IB", 0, 3, 512, 128, 1),
        ),
    ),
    resolution=224,
)
TABLE_12 = Table(
    (
        (
            #             k1 k2  exp   c  s
            Row("FusedIB", 0, 3, 128, 48, 2),
        ),
        (
            Row("ExtraDW", 3, 5, 192, 80, 2),
            Row("ExtraDW", 3, 3, 160, 80, 1),
        ),
        (
            Row("ExtraDW", 3, 5, 480, 160, 2),
            Row("ExtraDW", 3, 3, 640, 160, 1),
            Row("ExtraDW", 3, 3, 640, 160, 1),
            Row("ExtraDW", 3, 5, 640, 160, 1),
            Row("ExtraDW", 3, 3, 640, 160, 1),
            Row("ConvNext", 3, 0, 640, 160, 1),
            Row("FFN", 0, 0, 320, 160, 1),
            Row("ConvNext", 3, 0, 640, 160, 1),
        ),
        (
            Row("ExtraDW", 5, 5, 960, 256, 2),
            Row("ExtraDW", 5, 5, 1024, 256, 1),
            Row("ExtraDW", 3, 5, 1024, 256, 1),
            Row("ExtraDW", 3, 5, 1024, 256, 1),
            Row("FFN", 0, 0, 1024, 256, 1),
            Row("ConvNext", 3, 0, 1024, 256, 1),
            Row("ExtraDW", 3, 5, 512, 256, 1),
            Row("ExtraDW", 5, 5, 1024, 256, 1),
            Row("FFN", 0, 0, 1024, 256, 1),
            Row("FFN", 0, 0, 1024, 256, 1),
            Row("ConvNext", 5, 0, 512, 256, 1),
        ),
    ),
    resolution=256,
)
TABLES = {"conv_small": TABLE_11, "conv_medium": TABLE_12}
HEAD = 960
HIDDEN = 1280


def universal_bottleneck(net: Net, x: Feature, row: Row, exp: int, c: int) -> Feature:
    """V2's inverted residual with two places for a depthwise convolution (Figure 4)."""
    h = x
    if row.k1:
        stride = 1 if row.k2 else row.s
        h = net.conv(h, h.channels, row.k1, stride, groups=h.channels, act=None, name="start")
    h = net.conv(h, exp, 1, name="expand")
    if row.k2:
        h = net.conv(h, h.channels, row.k2, row.s, groups=h.channels, name="depthwise")
    h = net.conv(h, c, 1, act=None, name="project")
    return net.add(x, h) if row.s == 1 and x.channels == c else h


def fused_bottleneck(net: Net, x: Feature, row: Row, exp: int, c: int) -> Feature:
    """An inverted residual whose expansion and depthwise are one full convolution."""
    h = x
    h = net.conv(h, exp, row.k2, row.s, name="fused")
    h = net.conv(h, c, 1, act=None, name="project")
    return net.add(x, h) if row.s == 1 and x.channels == c else h


def trace(
    width: float = 1.0,
    resolution: int | Pair | None = None,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    size: str = "conv_small",
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    `size` is conv_small (Table 11) or conv_medium (Table 12); without a resolution each takes the
    one that its table begins with, 224 or 256.

    Raises:
        UnknownNameError: no such size.
    """
    if size not in TABLES:
        raise UnknownNameError("size", size, TABLES)
    table = TABLES[size]
    net = Net()
    x = net.input(in_channels, table.resolution if resolution is None else resolution)
    c_in = STEM  # at width 1
    x = net.conv(x, make_divisible(STEM * max(width, 1.0)), 3, stride=2, name="stem")
    net.tap("C1", x)
    for number, rows in enumerate(table.stages, start=1):
        with net.stage(f"stage{number}"):
            for i, row in enumerate(rows):
                c = make_divisible(row.c * width)
                with net.block(str(i)):
                    if row.block == "Conv":
                        x = net.conv(x, c, row.k2, row.s)
                    else:
                        exp = make_divisible(x.channels * row.exp / c_in)
                        fused = row.block == "FusedIB"
                        block = fused_bottleneck if fused else universal_bottleneck
                        x = block(net, x, row, exp, c)
                c_in = row.c
        net.tap(f"C{number + 1}", x)
    x = net.conv(x, make_divisible(HEAD * width), 1, name="head")
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x)
        x = net.conv(x, HIDDEN, 1, name="hidden")
        x = net.flatten(x)
        x = net.linear(x, classes)
    return net.trace(x)


SMALL, MEDIUM = "mobilenet_v4_conv_small", "mobilenet_v4_conv_medium"
TABLE_6 = "arXiv 2404.10518, Table 6"

# fmt: off
PUBLISHED = (
    *published_rows(SMALL, "params", TABLE_6, [(1.0, 224, "3.8 M")]),
    *published_rows(SMALL, "macs", TABLE_6, [(1.0, 224, "0.2 G")]),
    *published_rows(MEDIUM, "params", TABLE_6, [(1.0, 256, "9.2 M")],
                    unexplained="9,715,512 (9,647,608 without batch norm), as in timm"),
    *published_rows(MEDIUM, "macs", TABLE_6, [(1.0, 256, "1.0 G")]),
)
# fmt: on
