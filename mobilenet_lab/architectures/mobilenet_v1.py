"""MobileNetV1: a network of depthwise-separable convolutions.

Idea: a 3x3 convolution that filters and mixes channels at once is split in two: a depthwise 3x3
that filters each channel by itself and a pointwise 1x1 that mixes them. That costs 1/d + 1/9 of
the full convolution to d channels. Two dials, a width and a resolution, trade accuracy for cost.

Deviations from the paper: Table 1 prints stride 2 for the last depthwise convolution, but its own
next row is still 7x7, which takes stride 1. Channels scale by TF-slim's rule (cut, at least 8).
The activation is the paper's ReLU; TF-slim, Keras and timm trained theirs with ReLU6
(`activation="relu6"`).
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.channels import floor_channels
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    "Howard et al.",
    2017,
    "arXiv 1704.04861",
)


class Row(NamedTuple):
    """Consecutive blocks of Table 1 with one width; the first of them takes the stride."""

    c: int
    """output channels"""
    n: int
    """repeats"""
    s: int
    """stride"""
    tap: str = ""


STEM = 32
TABLE_1 = (
    #    c  n  s
    Row(64, 1, 1, "C1"),
    Row(128, 1, 2),
    Row(128, 1, 1, "C2"),
    Row(256, 1, 2),
    Row(256, 1, 1, "C3"),
    Row(512, 1, 2),
    Row(512, 5, 1, "C4"),
    Row(1024, 1, 2),
    Row(1024, 1, 1, "C5"),
)


def separable(net: Net, x: Feature, c: int, stride: int, act: str) -> Feature:
    """3x3 depthwise, then 1x1 pointwise, each with batch norm and activation (Figure 3, right)."""
    h = x
    h = net.conv(h, h.channels, 3, stride, groups=h.channels, act=act, name="depthwise")
    h = net.conv(h, c, 1, act=act, name="pointwise")
    return h


def full(net: Net, x: Feature, c: int, stride: int, act: str) -> Feature:
    """One full 3x3 convolution, which the paper compares with (Table 4)."""
    return net.conv(x, c, 3, stride, act=act, name="full")


def features(
    net: Net, x: Feature, width: float, separable_blocks: bool = True, activation: str = "relu"
) -> Feature:
    """Stem and blocks, without the classifier; C1 ... C5 are tapped."""
    block = separable if separable_blocks else full
    x = net.conv(x, floor_channels(STEM * width), 3, stride=2, act=activation, name="stem")
    for number, row in enumerate(TABLE_1, start=1):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                with net.block(str(i)):
                    stride = row.s if i == 0 else 1
                    x = block(net, x, floor_channels(row.c * width), stride, activation)
        if row.tap:
            net.tap(row.tap, x)
    return x


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    separable_blocks: bool = True,
    activation: str = "relu",
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    x = features(net, x, width, separable_blocks, activation)
    x = classifier(net, x, classes)
    return net.trace(x)


V1, FULL = "mobilenet_v1", "mobilenet_v1_full_conv"
SLIM = "TF-slim, mobilenet_v1.md, float and 8-bit"
FACES = "arXiv 1704.04861, Table 14 (FaceNet distillation)"
EMBEDDING = "the paper does not give the size of the embedding in the classifier's place"

# fmt: off
PUBLISHED = (
    *published_rows(FULL, "params", "arXiv 1704.04861, Table 4", [(1.0, 224, "29.3 M")]),
    *published_rows(FULL, "macs", "arXiv 1704.04861, Table 4", [(1.0, 224, "4866 M")],
                    without=("classifier",)),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 4", [(1.0, 224, "4.2 M")]),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 4", [(1.0, 224, "569 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 5, narrow", [(0.75, 224, "2.6 M")]),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 5, narrow", [(0.75, 224, "325 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 5, shallow", [(1.0, 224, "2.9 M")],
                    without=("stage7",)),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 5, shallow", [(1.0, 224, "307 M")],
                    without=("stage7",)),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 6",
                    [(1.0, 224, "4.2 M"), (0.75, 224, "2.6 M"), (0.5, 224, "1.3 M"),
                     (0.25, 224, "0.5 M")]),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 6",
                    [(1.0, 224, "569 M"), (0.75, 224, "325 M"), (0.5, 224, "149 M"),
                     (0.25, 224, "41 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 7", [(1.0, 224, "4.2 M")]),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 7",
                    [(1.0, 224, "569 M"), (1.0, 192, "418 M"), (1.0, 160, "290 M"),
                     (1.0, 128, "186 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 8", [(1.0, 224, "4.2 M")]),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 8", [(1.0, 224, "569 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 9", [(0.5, 160, "1.32 M")],
                    batch_norm_vectors=0),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 9", [(0.5, 160, "76 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 10 (Stanford Dogs)",
                    [(1.0, 224, "3.3 M"), (0.75, 224, "1.9 M"), (1.0, 192, "3.3 M"),
                     (0.75, 192, "1.9 M")], classes=120),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 10 (ImageNet's 1000 classes)",
                    [(1.0, 224, "569 M"), (0.75, 224, "325 M"), (1.0, 192, "418 M"),
                     (0.75, 192, "239 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 12 (face attributes)",
                    [(1.0, 224, "3.2 M"), (0.5, 224, "0.8 M"), (0.25, 224, "0.2 M")],
                    without=("classifier",)),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 12 (face attributes)",
                    [(1.0, 224, "568 M"), (0.5, 224, "149 M"), (1.0, 128, "185 M"),
                     (0.5, 128, "48 M")], without=("classifier",)),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 12 (face attributes)",
                    [(0.25, 224, "45 M"), (0.25, 128, "15 M")], without=("classifier",),
                    unexplained="no count gives it; Table 6 prints 41 M for the first"),
    *published_rows(V1, "macs", "arXiv 1704.04861, Table 14, row 4, printed as 128 pixels",
                    [(0.75, 160, "166 M")]),
    *published_rows(V1, "params", "arXiv 1704.04861, Table 14, row 4, printed as 128 pixels",
                    [(0.75, 160, "3.4 M")], without=("classifier",), unexplained=EMBEDDING),
    *published_rows(V1, "params", FACES,
                    [(1.0, 160, "4.9 M"), (1.0, 128, "5.5 M"), (0.75, 128, "3.8 M")],
                    without=("classifier",), unexplained=EMBEDDING),
    *published_rows(V1, "macs", FACES, [(1.0, 128, "185 M")], without=("classifier",)),
    *published_rows(V1, "macs", FACES, [(1.0, 160, "286 M")], without=("classifier",),
                    unexplained="less than the layers before any embedding take"),
    *published_rows(V1, "macs", FACES, [(0.75, 128, "108 M")], without=("classifier",),
                    unexplained="106.0 M, and 2.0 M for an embedding as large as the printed "
                                "parameters leave; the other rows do not add up so"),
    *published_rows(V1, "params", SLIM,
                    [(1.0, 224, "4.24 M"), (0.75, 224, "2.59 M"), (0.5, 224, "1.34 M"),
                     (0.25, 224, "0.47 M")], classes=1001, batch_norm_vectors=3),
    *published_rows(V1, "macs", SLIM,
                    [(1.0, 224, "569 M"), (1.0, 192, "418 M"), (1.0, 160, "291 M"),
                     (1.0, 128, "186 M"), (0.5, 192, "110 M"), (0.5, 160, "77 M"),
                     (0.5, 128, "49 M"), (0.25, 224, "41 M"), (0.25, 160, "21 M"),
                     (0.25, 128, "14 M")]),
    *published_rows(V1, "macs", SLIM,
                    [(0.75, 224, "317 M"), (0.75, 192, "233 M"), (0.75, 160, "162 M"),
                     (0.75, 128, "104 M")], without=("stem",)),
    *published_rows(V1, "macs", SLIM, [(0.5, 224, "150 M")],
                    unexplained="149,497,088 gives 150 only if rounded twice (149.5); "
                                "Table 6 of the paper prints 149"),
    *published_rows(V1, "macs", SLIM, [(0.25, 192, "34 M")],
                    unexplained="misprint: 30,212,608"),
    *published_rows(V1, "params", "arXiv 1801.04381, Table 4", [(1.0, 224, "4.2 M")]),
    *published_rows(V1, "macs", "arXiv 1801.04381, Table 4", [(1.0, 224, "575 M")],
                    unexplained="568,740,352 by the V1 paper's own count"),
    *published_rows(V1, "macs", "arXiv 1707.01083, Table 5",
                    [(1.0, 224, "569 M"), (0.75, 224, "325 M"), (0.5, 224, "149 M"),
                     (0.25, 224, "41 M")]),
    *published_rows(V1, "params", "arXiv 2404.10518, Table 6", [(1.0, 224, "4.2 M")]),
    *published_rows(V1, "macs", "arXiv 2404.10518, Table 6", [(1.0, 224, "0.6 G")]),
)
# fmt: on
