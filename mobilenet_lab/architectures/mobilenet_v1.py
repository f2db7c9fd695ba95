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
from mobilenet_lab.net import Net
from mobilenet_lab.published import Paper
from mobilenet_lab.trace import Feature, Pair, Trace

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
    block = separable if separable_blocks else full
    x = net.input(in_channels, resolution)
    x = net.conv(x, floor_channels(STEM * width), 3, stride=2, act=activation, name="stem")
    for number, row in enumerate(TABLE_1, start=1):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                with net.block(str(i)):
                    stride = row.s if i == 0 else 1
                    x = block(net, x, floor_channels(row.c * width), stride, activation)
        if row.tap:
            net.tap(row.tap, x)
    x = classifier(net, x, classes)
    return net.trace(x)


PUBLISHED = ()
