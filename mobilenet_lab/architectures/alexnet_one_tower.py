"""AlexNet in one tower: fewer kernels, which read all maps, as torchvision has it.

Idea: the two towers of 2012 were there because one GPU could not hold the network. One tower has
about as many parameters without them: its convolutions have no groups, and therefore fewer kernels
in the first two and the fourth.

Deviations from the paper: its footnote prints 384 kernels for the fourth convolution. Built are
the 256 of torchvision and of the author's own code: only they come to the 0.2% more parameters
than in two towers that the text prints (384: 1.4%). The 2.4% fewer connections printed beside it
are 1.4% here. As torchvision does, there are no local response norms, dropout comes before the
two hidden layers and not after them, and an adaptive average pool to 6x6, the identity on 224x224
images, lets other sizes in. The softmax is left out. The paper has no width; `width` scales the
channels and the hidden features, to multiples of 8.
"""

from typing import NamedTuple

from mobilenet_lab.channels import make_divisible
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "One weird trick for parallelizing convolutional neural networks",
    "Krizhevsky",
    2014,
    "arXiv 1404.5997",
)


class Row(NamedTuple):
    """A convolution with ReLU, and whether a pool follows."""

    c: int
    """kernels"""
    k: int
    """kernel"""
    s: int
    """stride"""
    p: int
    """padding"""
    pool: bool
    """a max pool, 3x3 at stride 2"""
    tap: str = ""
    """the map before the pool"""


CONVOLUTIONS = (
    #    c   k  s  p  pool
    Row(64, 11, 4, 2, True, "C2"),
    Row(192, 5, 1, 2, True, "C3"),
    Row(384, 3, 1, 1, False),
    Row(256, 3, 1, 1, False),
    Row(256, 3, 1, 1, True, "C4"),
)
POOLED = 6
HIDDEN = 4096
DROPOUT = 0.5


def conv(net: Net, x: Feature, row: Row, c: int) -> Feature:
    """Convolution, ReLU, and where the row says so a max pool."""
    x = net.conv2d(x, c, row.k, row.s, padding=row.p, bias=True)
    x = net.act(x, "relu")
    if row.tap:
        net.tap(row.tap, x)
    return net.max_pool(x, 3, 2) if row.pool else x


def hidden(net: Net, x: Feature, features: int, name: str) -> Feature:
    """Dropout, a fully connected layer, ReLU."""
    with net.scope(name):
        x = net.dropout(x, DROPOUT)
        x = net.linear(x, features)
        return net.act(x, "relu")


def trace(
    width: float = 1.0, resolution: int | Pair = 224, classes: int = 1000, in_channels: int = 3
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out."""
    net = Net()
    x = net.input(in_channels, resolution)
    for number, row in enumerate(CONVOLUTIONS, start=1):
        with net.stage(f"conv{number}"):
            x = conv(net, x, row, make_divisible(row.c * width))
    net.tap("C5", x)
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x, POOLED)
        x = net.flatten(x)
        x = hidden(net, x, make_divisible(HIDDEN * width), name="hidden1")
        x = hidden(net, x, make_divisible(HIDDEN * width), name="hidden2")
        x = net.linear(x, classes)
    return net.trace(x)


A = "alexnet_one_tower"
AT_224 = {"resolution": 224}

PUBLISHED = (
    Published(A, "params", "61.100840 M", "torchvision, AlexNet_Weights", AT_224),
    Published(A, "macs", "0.714 G", "torchvision, AlexNet_Weights", AT_224),
)
