"""MnasNet: an inverted residual of its own for each stage, searched with the phone's latency.

Idea: V2's block stays, its one setting does not. A search measures latency on a phone, not MACs,
and chooses kernel, expansion, repeats, width and squeeze-and-excitation for each stage (all blocks
of a stage are alike). What it finds: 5x5 kernels early, thinner expansions where maps are large,
gates on some stages only. A1 is found with gates allowed, B1 without.

Deviations from the paper: none in the layers. The figures print output shapes; the stride is read
off them. The last convolution keeps its 1280 channels at every width, below 1 and above, as in the
authors' code, torchvision and timm. timm never gives B1's last stage a residual, torchvision does
where channels agree (as here); they do at a few widths below 0.06 only. Batch norm is
torchvision's (eps 1e-5, momentum 1 - 0.9997); the authors' code has 1e-3 and 1 - 0.99, timm 1e-5
and 0.1. The authors pad as TensorFlow does: the same sizes and counts.
"""

from typing import Literal, NamedTuple

from mobilenet_lab.blocks import classifier, squeeze_excite
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "MnasNet: Platform-Aware Neural Architecture Search for Mobile",
    "Tan et al.",
    2018,
    "arXiv 1807.11626",
)


class Row(NamedTuple):
    """A stage of Figure 7: n blocks alike; the first of them takes the stride."""

    t: int
    """expansion factor: MBConv6 has 6; 1 is SepConv, which has no residual either"""
    k: int
    """kernel"""
    se: float
    """SE ratio: squeezed channels to the block's input channels; 0 is no gate"""
    c: int
    """output channels"""
    n: int
    """repeats"""
    s: int
    """stride"""
    tap: str = ""


STEM = 32
FIGURE_7 = (
    #   t  k    se    c  n  s
    Row(1, 3, 0.00, 16, 1, 1, "C1"),
    Row(6, 3, 0.00, 24, 2, 2, "C2"),
    Row(3, 5, 0.25, 40, 3, 2, "C3"),
    Row(6, 3, 0.00, 80, 4, 2),
    Row(6, 3, 0.25, 112, 2, 1, "C4"),
    Row(6, 5, 0.25, 160, 3, 2),
    Row(6, 3, 0.00, 320, 1, 1, "C5"),
)
"""MnasNet-A1."""
MNASNET_B1 = (
    #   t  k    se    c  n  s
    Row(1, 3, 0.00, 16, 1, 1, "C1"),
    Row(3, 3, 0.00, 24, 3, 2, "C2"),
    Row(3, 5, 0.00, 40, 3, 2, "C3"),
    Row(6, 5, 0.00, 80, 3, 2),
    Row(6, 3, 0.00, 96, 2, 1, "C4"),
    Row(6, 5, 0.00, 192, 4, 2),
    Row(6, 3, 0.00, 320, 1, 1, "C5"),
)
"""MnasNet-B1, found without gates; the rows are those of the authors' code."""
TABLES = {"a1": FIGURE_7, "b1": MNASNET_B1}
HEAD = 1280
DROPOUT = 0.2
MOMENTUM = 1 - 0.9997
"""Of batch norm while training, as PyTorch counts it."""


def mbconv(net: Net, x: Feature, t: int, k: int, se: float, c: int, stride: int) -> Feature:
    """1x1 expansion (unless t = 1), k x k depthwise, gate where asked for, linear projection."""
    h = x
    if t != 1:
        h = net.conv(h, x.channels * t, 1, act="relu", name="expand")
    h = net.conv(h, h.channels, k, stride, groups=h.channels, act="relu", name="depthwise")
    if se:
        h = squeeze_excite(net, h, int(x.channels * se))
    h = net.conv(h, c, 1, act=None, name="project")
    return net.add(x, h) if t != 1 and stride == 1 and x.channels == c else h


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    variant: Literal["a1", "b1"] = "a1",
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    x = net.conv(x, make_divisible(STEM * width), 3, stride=2, act="relu", name="stem")
    for number, row in enumerate(TABLES[variant], start=1):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                with net.block(str(i)):
                    c, stride = make_divisible(row.c * width), row.s if i == 0 else 1
                    x = mbconv(net, x, row.t, row.k, row.se, c, stride)
        if row.tap:
            net.tap(row.tap, x)
    x = net.conv(x, HEAD, 1, act="relu", name="head")
    x = classifier(net, x, classes, DROPOUT)
    return net.trace(x)


A1 = "mnasnet_a1"
B1 = "mnasnet_b1"
README = "tensorflow/tpu, models/official/mnasnet/README.md"
TORCHVISION = "torchvision, models/mnasnet.py"

# fmt: off
PUBLISHED = (
    *published_rows(A1, "params", "arXiv 1807.11626, Table 1", [(1.0, 224, "3.9 M")]),
    *published_rows(A1, "macs", "arXiv 1807.11626, Table 1", [(1.0, 224, "312 M")]),
    *published_rows(A1, "params", "arXiv 1905.02244v5, Table 3", [(1.0, 224, "3.9 M")]),
    *published_rows(A1, "macs", "arXiv 1905.02244v5, Table 3", [(1.0, 224, "315 M")],
                    unexplained="311,579,072; 312 M in the paper of MnasNet"),
    *published_rows(A1, "params", README,
                    [(1.4, 224, "6.1 M"), (1.0, 224, "3.9 M"), (0.75, 224, "2.9 M"),
                     (0.5, 224, "2.1 M"), (0.35, 224, "1.7 M")]),
    *published_rows(A1, "macs", f"{README}, text", [(1.0, 224, "312 M")]),
    *published_rows(A1, "macs", f"{README}, table",
                    [(1.4, 224, "591.5 M"), (1.4, 192, "435.1 M"), (1.4, 160, "302.8 M"),
                     (1.4, 128, "194.5 M"), (1.4, 96, "110.3 M"),
                     (1.0, 224, "315.2 M"), (1.0, 192, "232.0 M"), (1.0, 160, "161.6 M"),
                     (1.0, 128, "104.1 M"), (1.0, 96, "59.3 M"),
                     (0.75, 224, "226.7 M"), (0.75, 192, "166.9 M"), (0.75, 160, "116.4 M"),
                     (0.75, 128, "75.0 M"), (0.75, 96, "42.9 M"),
                     (0.5, 224, "105.2 M"), (0.5, 192, "77.6 M"), (0.5, 160, "54.4 M"),
                     (0.5, 128, "35.3 M"), (0.5, 96, "20.5 M"),
                     (0.35, 224, "63.2 M"), (0.35, 192, "46.8 M"), (0.35, 160, "32.9 M"),
                     (0.35, 128, "21.6 M"), (0.35, 96, "12.7 M")],
                    unexplained="0.9 to 2.8% above ours in every row: more than convolutions and "
                                "the linear layer; the text of the same README has 312 M"),
    *published_rows(B1, "params", "torchvision, table of classification weights",
                    [(0.5, 224, "2.2 M"), (0.75, 224, "3.2 M"), (1.0, 224, "4.4 M"),
                     (1.3, 224, "6.3 M")]),
    *published_rows(B1, "macs", f"{TORCHVISION}, _ops",
                    [(0.5, 224, "0.104 G"), (0.75, 224, "0.215 G"), (1.0, 224, "0.314 G"),
                     (1.3, 224, "0.526 G")]),
)
# fmt: on
