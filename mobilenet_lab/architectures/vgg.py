"""VGG: nothing but 3x3 convolutions, and many of them.

Idea: two 3x3 convolutions see as much as one 5x5, three as much as one 7x7, with fewer weights
(27 C^2 instead of 49 C^2) and more ReLUs. So every kernel is 3x3 (in column C a few are 1x1), the
depth grows from 11 layers with weights to 19 (A to E), and after each pool the channels double, up
to 512.

Deviations from the paper: as in torchvision, an adaptive average pool to 7x7 before the fully
connected layers, the identity on 224x224 images, lets other sizes in; the paper makes convolutions
of those layers instead. The softmax at the end is left out. The paper has no width; `width` scales
the channels and the hidden features, to multiples of 8.
"""

from typing import NamedTuple

from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "Simonyan and Zisserman",
    2014,
    "arXiv 1409.1556",
)


class Column(NamedTuple):
    """A column of Table 1: the convolutions before each of the five max pools."""

    kernels: tuple[tuple[int, ...], ...]
    """3 is the table's conv3, 1 its conv1"""
    lrn: bool = False
    """a local response norm after the first"""


CHANNELS = (64, 128, 256, 512, 512)
TABLE_1 = {
    "A": Column(((3,), (3,), (3, 3), (3, 3), (3, 3))),
    "A-LRN": Column(((3,), (3,), (3, 3), (3, 3), (3, 3)), lrn=True),
    "B": Column(((3, 3), (3, 3), (3, 3), (3, 3), (3, 3))),
    "C": Column(((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))),
    "D": Column(((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))),
    "E": Column(((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3))),
}
POOLED = 7
HIDDEN = 4096
DROPOUT = 0.5
LRN = (5, 5 * 1e-4, 0.75, 2.0)
"""channels looked at, alpha (n times that of AlexNet's paper), beta, k"""


def conv(net: Net, x: Feature, c: int, kernel: int, name: str) -> Feature:
    """Convolution and ReLU."""
    with net.scope(name, role="conv"):
        return net.act(net.conv2d(x, c, kernel, bias=True), "relu")


def hidden(net: Net, x: Feature, features: int, name: str) -> Feature:
    """A fully connected layer, ReLU, dropout."""
    with net.scope(name):
        x = net.linear(x, features)
        x = net.act(x, "relu")
        return net.dropout(x, DROPOUT)


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    configuration: str = "D",
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    Raises:
        UnknownNameError: `configuration` is no column of TABLE_1.
    """
    if configuration not in TABLE_1:
        raise UnknownNameError("configuration", configuration, TABLE_1)
    kernels, lrn = TABLE_1[configuration]
    net = Net()
    x = net.input(in_channels, resolution)
    for number, c in enumerate(CHANNELS, start=1):
        with net.stage(f"stage{number}"):
            for i, kernel in enumerate(kernels[number - 1], start=1):
                x = conv(net, x, make_divisible(c * width), kernel, name=f"conv{i}")
            if lrn and number == 1:
                x = net.local_response_norm(x, *LRN)
            if number > 1:  # the first stage works at the size of the image
                net.tap(f"C{number - 1}", x)
            x = net.max_pool(x, 2)
    net.tap("C5", x)
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x, POOLED)
        x = net.flatten(x)
        x = hidden(net, x, make_divisible(HIDDEN * width), name="hidden1")
        x = hidden(net, x, make_divisible(HIDDEN * width), name="hidden2")
        x = net.linear(x, classes)
    return net.trace(x)


V16 = "vgg16"
AT_224 = {"resolution": 224}
MORE_DIGITS = "15,346,630,656; the ResNet paper's 15.3 x 10^9 with more digits"

# fmt: off
PUBLISHED = (
    Published(V16, "params", "138 M", "arXiv 1409.1556, Table 2", AT_224),
    Published(V16, "params", "138 M", "arXiv 1704.04861, Table 8", AT_224),
    # the 19.6 that is printed beside it for 19 layers has the fully connected ones, too
    Published(V16, "macs", "15.3 B", "arXiv 1512.03385, section 4.1 (FLOPs)", AT_224,
              without=("classifier",)),
    Published(V16, "macs", "15300 M", "arXiv 1704.04861, Table 8", AT_224,
              without=("classifier",), unexplained=MORE_DIGITS),
    Published(V16, "macs", "15300 M", "arXiv 1707.01083, Table 6", AT_224,
              without=("classifier",), unexplained=MORE_DIGITS),
    Published(V16, "params", "138.357544 M", "torchvision, VGG16_Weights", AT_224),
    Published(V16, "macs", "15.47 G", "torchvision, VGG16_Weights", AT_224),
)
# fmt: on
