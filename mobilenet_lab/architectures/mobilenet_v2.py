"""MobileNetV2: inverted residuals with linear bottlenecks.

Idea: ReLU loses information in few channels and keeps it in many. So a block widens first (1x1,
t times as wide), filters where it is wide (3x3 depthwise), and projects back to a thin output
without an activation. The residual joins the thin ends, which is also what has to stay in memory.

Deviations from the paper: the block with t = 1 has no expansion convolution (it would add
12,845,056 MACs); Table 2 does not say so, every implementation agrees. The text speaks of 19
bottlenecks, Table 2 has 17. The last convolution keeps its 1280 channels below width 1. The table
of arXiv's first version misprints the 64-channel row (28x28, stride 1).
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    "Sandler et al.",
    2018,
    "arXiv 1801.04381",
)


class Row(NamedTuple):
    """A row of Table 2: n blocks of one width; the first of them takes the stride."""

    t: int
    """expansion factor"""
    c: int
    """output channels"""
    n: int
    """repeats"""
    s: int
    """stride"""
    tap: str = ""


STEM = 32
TABLE_2 = (
    #   t   c  n  s
    Row(1, 16, 1, 1, "C1"),
    Row(6, 24, 2, 2, "C2"),
    Row(6, 32, 3, 2, "C3"),
    Row(6, 64, 4, 2),
    Row(6, 96, 3, 1, "C4"),
    Row(6, 160, 3, 2),
    Row(6, 320, 1, 1, "C5"),
)
HEAD = 1280
DROPOUT = 0.2


def inverted_residual(net: Net, x: Feature, t: int, c: int, stride: int) -> Feature:
    """1x1 expansion (unless t = 1), 3x3 depthwise, linear 1x1 projection (Table 1, Figure 4)."""
    h = x
    if t != 1:
        h = net.conv(h, x.channels * t, 1, act="relu6", name="expand")
    h = net.conv(h, h.channels, 3, stride, groups=h.channels, act="relu6", name="depthwise")
    h = net.conv(h, c, 1, act=None, name="project")
    return net.add(x, h) if stride == 1 and x.channels == c else h


def features(net: Net, x: Feature, width: float) -> Feature:
    """Stem and blocks, without the last convolution; C1 ... C5 are tapped."""
    x = net.conv(x, make_divisible(STEM * width), 3, stride=2, act="relu6", name="stem")
    for number, row in enumerate(TABLE_2, start=1):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                with net.block(str(i)):
                    stride = row.s if i == 0 else 1
                    x = inverted_residual(net, x, row.t, make_divisible(row.c * width), stride)
        if row.tap:
            net.tap(row.tap, x)
    return x


def last_conv(net: Net, x: Feature, width: float) -> Feature:
    """The 1x1 convolution before the pool, which keeps its channels below width 1."""
    return net.conv(x, make_divisible(HEAD * max(width, 1.0)), 1, act="relu6", name="head")


def trace(
    width: float = 1.0, resolution: int | Pair = 224, classes: int = 1000, in_channels: int = 3
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    x = features(net, x, width)
    x = last_conv(net, x, width)
    x = classifier(net, x, classes, DROPOUT)
    return net.trace(x)


V2 = "mobilenet_v2"
SLIM = "TF-slim, nets/mobilenet/README.md"

# fmt: off
PUBLISHED = (
    *published_rows(V2, "params", "arXiv 1801.04381, Table 4", [(1.0, 224, "3.4 M")],
                    batch_norm_vectors=0),
    *published_rows(V2, "macs", "arXiv 1801.04381, Table 4", [(1.0, 224, "300 M")]),
    *published_rows(V2, "params", "arXiv 1801.04381, Table 4", [(1.4, 224, "6.9 M")],
                    unexplained="6,108,776 (6,060,840 without batch norm), as TF-slim prints"),
    *published_rows(V2, "macs", "arXiv 1801.04381, Table 4", [(1.4, 224, "585 M")],
                    unexplained="582,195,824, as TF-slim prints"),
    *published_rows(V2, "params", "arXiv 1905.02244v5, Table 3",
                    [(1.0, 224, "3.4 M"), (0.35, 224, "1.6 M")], batch_norm_vectors=0),
    *published_rows(V2, "macs", "arXiv 1905.02244v5, Table 3",
                    [(1.0, 224, "300 M"), (0.35, 224, "59.2 M")]),
    *published_rows(V2, "params", "arXiv 2404.10518, Table 6",
                    [(0.5, 224, "2.0 M"), (1.0, 224, "3.5 M"), (1.5, 224, "6.8 M"),
                     (2.0, 224, "11.2 M")]),
    *published_rows(V2, "macs", "arXiv 2404.10518, Table 6",
                    [(0.5, 224, "0.1 G"), (1.0, 224, "0.3 G"), (1.5, 224, "0.7 G"),
                     (2.0, 224, "1.1 G")]),
    *published_rows(V2, "params", SLIM,
                    [(1.4, 224, "6.06 M"), (1.3, 224, "5.34 M"), (1.0, 224, "3.47 M"),
                     (0.75, 224, "2.61 M"), (0.5, 224, "1.95 M"), (0.35, 224, "1.66 M")],
                    batch_norm_vectors=0),
    *published_rows(V2, "macs", SLIM,
                    [(1.4, 224, "582 M"), (1.3, 224, "509 M"),
                     (1.0, 224, "300 M"), (1.0, 192, "221 M"), (1.0, 160, "154 M"),
                     (1.0, 128, "99 M"), (1.0, 96, "56 M"),
                     (0.75, 224, "209 M"), (0.75, 192, "153 M"), (0.75, 160, "107 M"),
                     (0.75, 128, "69 M"), (0.75, 96, "39 M"),
                     (0.5, 224, "97 M"), (0.5, 192, "71 M"), (0.5, 160, "50 M"),
                     (0.5, 128, "32 M"), (0.5, 96, "18 M"),
                     (0.35, 224, "59 M"), (0.35, 192, "43 M"), (0.35, 160, "30 M"),
                     (0.35, 128, "20 M"), (0.35, 96, "11 M")]),
)
# fmt: on
