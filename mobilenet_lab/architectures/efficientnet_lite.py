"""EfficientNet-Lite: EfficientNet-B0 without what phones and accelerators do badly.

Idea: EfficientNet is MnasNet's search once more, its answer (B0) then made deeper, wider and finer
in one fixed proportion. Lite takes away what quantises badly or lacks support: the gates
(squeeze-and-excitation) go, swish becomes ReLU6. Stem and head keep their width when the rest
grows. What is left is MobileNetV2's block with 5x5 kernels in half the stages.

Deviations: the paper has no Lite; its Table 1 gives the rows, the README and code of the authors
the three changes. Table 1 prints each stage's input resolution; the stride is read off it. Width
changes the rows only, `width` 1 is Lite0; the depth coefficient of Lite1 ... Lite4 is not built.
At width 2 the first stage has as many channels as the stem, and so a residual (as in both codes).
Padding is symmetric and batch norm PyTorch's, as in timm's efficientnet_lite0; the authors' code
and timm's tf_efficientnet_lite0 pad as TensorFlow does and have eps 1e-3: the same sizes, other
scores.
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    "Tan and Le",
    2019,
    "arXiv 1905.11946",
)


class Row(NamedTuple):
    """A stage of Table 1: n blocks alike; the first of them takes the stride."""

    t: int
    """expansion factor: MBConv6 has 6"""
    k: int
    """kernel"""
    c: int
    """output channels"""
    n: int
    """layers"""
    s: int
    """stride"""
    tap: str = ""


STEM = 32
TABLE_1 = (
    #   t  k    c  n  s
    Row(1, 3, 16, 1, 1, "C1"),
    Row(6, 3, 24, 2, 2, "C2"),
    Row(6, 5, 40, 2, 2, "C3"),
    Row(6, 3, 80, 3, 2),
    Row(6, 5, 112, 3, 1, "C4"),
    Row(6, 5, 192, 4, 2),
    Row(6, 3, 320, 1, 1, "C5"),
)
HEAD = 1280
DROPOUT = 0.2


def mbconv(net: Net, x: Feature, t: int, k: int, c: int, stride: int) -> Feature:
    """1x1 expansion (unless t = 1), k x k depthwise, linear 1x1 projection."""
    h = x
    if t != 1:
        h = net.conv(h, x.channels * t, 1, act="relu6", name="expand")
    h = net.conv(h, h.channels, k, stride, groups=h.channels, act="relu6", name="depthwise")
    h = net.conv(h, c, 1, act=None, name="project")
    return net.add(x, h) if stride == 1 and x.channels == c else h


def trace(
    width: float = 1.0, resolution: int | Pair = 224, classes: int = 1000, in_channels: int = 3
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    x = net.conv(x, STEM, 3, stride=2, act="relu6", name="stem")
    for number, row in enumerate(TABLE_1, start=1):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                with net.block(str(i)):
                    stride = row.s if i == 0 else 1
                    x = mbconv(net, x, row.t, row.k, make_divisible(row.c * width), stride)
        if row.tap:
            net.tap(row.tap, x)
    x = net.conv(x, HEAD, 1, act="relu6", name="head")
    x = classifier(net, x, classes, DROPOUT)
    return net.trace(x)


LITE0 = "efficientnet_lite0"
README = "tensorflow/tpu, models/official/efficientnet/lite/README.md"
CARD = "timm, model card of tf_efficientnet_lite0.in1k"

# fmt: off
PUBLISHED = (
    *published_rows(LITE0, "params", README, [(1.0, 224, "4.7 M")]),
    *published_rows(LITE0, "macs", README, [(1.0, 224, "407 M")],
                    unexplained="385,187,552 by convolutions and the linear layer; the README "
                                "does not say what else it counts"),
    *published_rows(LITE0, "params", CARD, [(1.0, 224, "4.7 M")]),
    *published_rows(LITE0, "macs", CARD, [(1.0, 224, "0.4 G")]),
)
# fmt: on
