"""AlexNet: the deep network, split over two GPUs, that won ImageNet in 2012.

Idea: a large network learns better features than people design, if it can be trained in days:
ReLUs, which do not saturate, and two GPUs make it fast; dropout keeps its 60 million parameters
from learning the images by heart. Each GPU has half of the kernels, and convolutions 2, 4 and 5
read their own half only, which is a convolution in two groups.

Deviations from the paper: it prints images of 224x224. They give its 55x55 maps if sizes are
rounded up, as its code did; rounded down, as here and in later code, 227x227 does. The padding of
the other convolutions is not printed; their sizes tell it. The local response norm reaches over
the border of the halves, as its formula says. torch divides that formula's alpha by n, so alpha
is 5 x 0.0001 here. The softmax at the end is left out. The paper has no width; `width` scales the
channels and the hidden features, to multiples of 8.

The first fully connected layer reads the flattened map, so a built network takes images of one
`resolution` only. Figure 2 prints 253,440 neurons for the first layer; 55 x 55 x 96 are 290,400.
"""

from typing import NamedTuple

from mobilenet_lab.channels import make_divisible
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "ImageNet Classification with Deep Convolutional Neural Networks",
    "Krizhevsky et al.",
    2012,
    "NIPS 2012",
)


class Row(NamedTuple):
    """A convolution of section 3.5, and what follows its ReLU."""

    c: int
    """kernels, on both GPUs together"""
    k: int
    """kernel"""
    s: int
    """stride"""
    p: int
    """padding"""
    groups: int
    """2 where a kernel reads the maps of its own GPU only"""
    lrn: bool
    """a local response norm"""
    pool: bool
    """a max pool, 3x3 at stride 2, whose windows overlap"""
    tap: str = ""
    """the map before the pool"""


SECTION_3_5 = (
    #    c   k  s  p  groups  lrn  pool
    Row(96, 11, 4, 0, 1, True, True, "C2"),
    Row(256, 5, 1, 2, 2, True, True, "C3"),
    Row(384, 3, 1, 1, 1, False, False),
    Row(384, 3, 1, 1, 2, False, False),
    Row(256, 3, 1, 1, 2, False, True, "C4"),
)
HIDDEN = 4096
DROPOUT = 0.5
LRN = (5, 5 * 1e-4, 0.75, 2.0)
"""channels looked at, alpha (n times the paper's), beta, k"""


def conv(net: Net, x: Feature, row: Row, c: int) -> Feature:
    """Convolution, ReLU, and where the row says so local response norm and max pool."""
    x = net.conv2d(x, c, row.k, row.s, padding=row.p, groups=row.groups, bias=True)
    x = net.act(x, "relu")
    if row.lrn:
        x = net.local_response_norm(x, *LRN)
    if row.tap:
        net.tap(row.tap, x)
    return net.max_pool(x, 3, 2) if row.pool else x


def hidden(net: Net, x: Feature, features: int, name: str) -> Feature:
    """A fully connected layer, ReLU, dropout."""
    with net.scope(name):
        x = net.linear(x, features)
        x = net.act(x, "relu")
        return net.dropout(x, DROPOUT)


def trace(
    width: float = 1.0, resolution: int | Pair = 227, classes: int = 1000, in_channels: int = 3
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    for number, row in enumerate(SECTION_3_5, start=1):
        with net.stage(f"conv{number}"):
            x = conv(net, x, row, make_divisible(row.c * width))
    net.tap("C5", x)
    with net.stage("classifier", role="classifier"):
        x = net.flatten(x)
        x = hidden(net, x, make_divisible(HIDDEN * width), name="hidden1")
        x = hidden(net, x, make_divisible(HIDDEN * width), name="hidden2")
        x = net.linear(x, classes)
    return net.trace(x)


A = "alexnet"
AT_227 = {"resolution": 227}
TWO_DIGITS = "724,406,816, which is 720 M in two digits"

PUBLISHED = (
    Published(A, "params", "60 M", "NIPS 2012, abstract", AT_227),
    Published(A, "params", "60 M", "arXiv 1704.04861, Table 9", AT_227),
    Published(A, "macs", "720 M", "arXiv 1704.04861, Table 9", AT_227, unexplained=TWO_DIGITS),
    Published(A, "macs", "720 M", "arXiv 1707.01083, Table 6", AT_227, unexplained=TWO_DIGITS),
)
