"""MixNet: depthwise convolutions of several kernel sizes side by side.

Idea: large kernels see more and small ones see finer; a depthwise convolution need not choose.
MixConv splits the channels into parts and gives each part a kernel of its own (3, 5, 7 ...). A
search then picks the kernels of each block; the rest is V2's inverted residual, at times with a
gate, with swish, or with its 1x1 convolutions in two groups. MixNet-L is MixNet-M 1.3 times as
wide.

Deviations from the paper: it draws its networks without expansions, gates and groups; the rows here
are those of the authors' code, which also has a 9x9 where the drawing of S stops at 7x7 (the last
120-channel blocks). The squeeze is a part of the block's input channels, not of the expanded ones.
The last convolution keeps its 1536 channels at any width. Padding is half the kernel on all sides
(the code has TensorFlow's), and batch norm has PyTorch's constants (the code: decay 0.99, eps
0.001); both as in timm, and neither changes a count. The printed FLOPS lie above the MACs of these
networks, whose parameters are the printed ones; why, is not known.
"""

from itertools import groupby
from typing import NamedTuple

from mobilenet_lab.blocks import classifier, squeeze_excite
from mobilenet_lab.channels import even_split, make_divisible
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper(
    "MixConv: Mixed Depthwise Convolutional Kernels", "Tan & Le", 2019, "arXiv 1907.09595"
)


class Row(NamedTuple):
    """A line of the authors' code: n blocks alike."""

    t: int
    """expansion factor"""
    c: int
    """output channels"""
    n: int
    """repeats (1 where the stride is 2)"""
    s: int
    """stride"""
    a: int
    """groups of the expansion"""
    p: int
    """groups of the projection"""
    se: float
    """squeeze channels per input channel of the block; 0 is no gate"""
    nl: str
    """non-linearity: RE (ReLU) or SW (swish)"""
    k: tuple[int, ...]
    """depthwise kernels, one for each part of the channels"""
    tap: str = ""


class Table(NamedTuple):
    """The blocks of a network, and what differs around them."""

    rows: tuple[Row, ...]
    stem: int
    dropout: float


# fmt: off
MIXNET_S = Table(
    (
        #   t   c   n  s  a  p  SE    NL    k
        Row(1, 16,  1, 1, 1, 1, 0,    "RE", (3,), "C1"),
        Row(6, 24,  1, 2, 2, 2, 0,    "RE", (3,)),
        Row(3, 24,  1, 1, 2, 2, 0,    "RE", (3,), "C2"),
        Row(6, 40,  1, 2, 1, 1, 0.5,  "SW", (3, 5, 7)),
        Row(6, 40,  3, 1, 2, 2, 0.5,  "SW", (3, 5), "C3"),
        Row(6, 80,  1, 2, 1, 2, 0.25, "SW", (3, 5, 7)),
        Row(6, 80,  2, 1, 1, 2, 0.25, "SW", (3, 5)),
        Row(6, 120, 1, 1, 2, 2, 0.5,  "SW", (3, 5, 7)),
        Row(3, 120, 2, 1, 2, 2, 0.5,  "SW", (3, 5, 7, 9), "C4"),
        Row(6, 200, 1, 2, 1, 1, 0.5,  "SW", (3, 5, 7, 9, 11)),
        Row(6, 200, 2, 1, 1, 2, 0.5,  "SW", (3, 5, 7, 9), "C5"),
    ),
    stem=16,
    dropout=0.2,
)
MIXNET_M = Table(
    (
        #   t   c   n  s  a  p  SE    NL    k
        Row(1, 24,  1, 1, 1, 1, 0,    "RE", (3,), "C1"),
        Row(6, 32,  1, 2, 2, 2, 0,    "RE", (3, 5, 7)),
        Row(3, 32,  1, 1, 2, 2, 0,    "RE", (3,), "C2"),
        Row(6, 40,  1, 2, 1, 1, 0.5,  "SW", (3, 5, 7, 9)),
        Row(6, 40,  3, 1, 2, 2, 0.5,  "SW", (3, 5), "C3"),
        Row(6, 80,  1, 2, 1, 1, 0.25, "SW", (3, 5, 7)),
        Row(6, 80,  3, 1, 2, 2, 0.25, "SW", (3, 5, 7, 9)),
        Row(6, 120, 1, 1, 1, 1, 0.5,  "SW", (3,)),
        Row(3, 120, 3, 1, 2, 2, 0.5,  "SW", (3, 5, 7, 9), "C4"),
        Row(6, 200, 1, 2, 1, 1, 0.5,  "SW", (3, 5, 7, 9)),
        Row(6, 200, 3, 1, 1, 2, 0.5,  "SW", (3, 5, 7, 9), "C5"),
    ),
    stem=24,
    dropout=0.25,
)
# fmt: on
SIZES = {"s": (MIXNET_S, 1.0), "m": (MIXNET_M, 1.0), "l": (MIXNET_M, 1.3)}
"""Size -> table, and by how much its channels are multiplied."""
NONLINEARITIES = {"RE": "relu", "SW": "silu"}
HEAD = 1536


def mix_conv(
    net: Net,
    x: Feature,
    c: int,
    kernels: tuple[int, ...],
    stride: int = 1,
    *,
    depthwise: bool = False,
    act: str | None,
    name: str,
) -> Feature:
    """Each part of the channels has a kernel of its own, then one norm for all (section 3.1).

    Depthwise it is MixConv; of 1x1 kernels it is a pointwise convolution in groups. The remainder
    of an uneven split goes to the first part. One kernel makes an ordinary convolution.
    """
    if len(kernels) == 1:
        groups = x.channels if depthwise else 1
        return net.conv(x, c, kernels[0], stride, groups=groups, act=act, name=name)
    with net.scope(name):
        sizes = even_split(c, len(kernels))
        parts = net.split(x, even_split(x.channels, len(kernels)))
        mixed = []
        for i, (part, size, k) in enumerate(zip(parts, sizes, kernels, strict=True)):
            groups = part.channels if depthwise else 1
            mixed.append(net.conv2d(part, size, k, stride, groups=groups, name=f"conv.{i}"))
        x = net.concat(*mixed)
        x = net.batch_norm(x)
        return net.act(x, act) if act else x


def inverted_residual(net: Net, x: Feature, row: Row, c: int) -> Feature:
    """V2's block with mixed kernels, 1x1 convolutions in groups and, unless `se` is 0, a gate."""
    act = NONLINEARITIES[row.nl]
    h = x
    if row.t != 1:
        h = mix_conv(net, h, x.channels * row.t, (1,) * row.a, act=act, name="expand")
    h = mix_conv(net, h, h.channels, row.k, row.s, depthwise=True, act=act, name="depthwise")
    if row.se:
        h = squeeze_excite(net, h, int(x.channels * row.se), act)
    h = mix_conv(net, h, c, (1,) * row.p, act=None, name="project")
    return net.add(x, h) if row.s == 1 and x.channels == c else h


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    size: str = "s",
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    `size` is s, m or l (m with 1.3 times the channels); `width` multiplies on top of it.

    Raises:
        UnknownNameError: no such size.
    """
    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    table, multiplier = SIZES[size]
    width = multiplier * width
    net = Net()
    x = net.input(in_channels, resolution)
    x = net.conv(x, make_divisible(table.stem * width), 3, stride=2, act="relu", name="stem")
    stages = [list(rows) for _, rows in groupby(table.rows, key=lambda row: row.c)]
    for number, rows in enumerate(stages, start=1):
        with net.stage(f"stage{number}"):
            blocks = [row for row in rows for _ in range(row.n)]
            for i, row in enumerate(blocks):
                with net.block(str(i)):
                    x = inverted_residual(net, x, row, make_divisible(row.c * width))
        if rows[-1].tap:
            net.tap(rows[-1].tap, x)
    x = net.conv(x, HEAD, 1, act="relu", name="head")
    x = classifier(net, x, classes, table.dropout)
    return net.trace(x)


S, M, L = "mixnet_s", "mixnet_m", "mixnet_l"
TAN = "arXiv 1907.09595, Table 2"

# fmt: off
PUBLISHED = (
    *published_rows(S, "params", TAN, [(1.0, 224, "4.1 M")]),
    *published_rows(M, "params", TAN, [(1.0, 224, "5.0 M")]),
    *published_rows(L, "params", TAN, [(1.0, 224, "7.3 M")]),
    *published_rows(S, "macs", TAN, [(1.0, 224, "256 M")],
                    unexplained="239,173,360 in the authors' network, as timm has it"),
    *published_rows(M, "macs", TAN, [(1.0, 224, "360 M")],
                    unexplained="339,172,672 in the authors' network, as timm has it; 353 M by "
                                "Caffe2, which counts more than convolutions"),
    *published_rows(L, "macs", TAN, [(1.0, 224, "565 M")],
                    unexplained="555,251,792 in the authors' network, as timm has it"),
)
# fmt: on
