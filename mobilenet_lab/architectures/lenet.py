"""LeNet-5: convolutions, subsampling and fully connected layers, learned as one from the pixels.

Idea: what tells characters apart is learned, not designed. A unit reads a small window, all units
of a map share one set of weights, and subsampling makes the exact place matter less and less; so
few parameters do. C5 is a convolution, too: of a larger image it makes a map, not one column.

Deviations from the paper: what is built is the form in common use, with 61,706 parameters: each
map of C3 reads all of S2, S2 and S4 are plain means, and the output is linear. With `original` it
is the paper's: Table 1 says which maps of S2 each map of C3 reads (so there is no other width),
and S2 and S4 multiply by a coefficient and add a bias, both learned for each map, before a tanh.
That coefficient is of the mean, the paper's of the sum, so it is 4 times as large.

Of both forms: the paper's 1.7159 tanh(2/3 a) is a plain tanh here, and the weights around it take
up the factors. Its output layer has distances to 10 fixed codes of 84 pixels; the linear layer can
give the same order of classes (weights the code, bias minus half its square). F6 reads the
flattened map of C5, so a built network takes images of one `resolution` only. The paper has no
width; `width` scales the maps and the units of F6, to whole numbers.

The paper's connections are MACs and biases; S2 and S4 count 4 + 1 for each of their units. The
total that it prints, 340,908, has the 840 of the output layer; the 60,000 parameters have not.
"""

from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "Gradient-Based Learning Applied to Document Recognition",
    "LeCun et al.",
    1998,
    "Proc. IEEE 86",
)

C1, C3, C5, F6 = 6, 16, 120, 84
# the maps of S2 that each map of C3 reads
TABLE_1 = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)


def conv(net: Net, x: Feature, c: int, name: str) -> Feature:
    """5x5 convolution without padding, tanh."""
    with net.scope(name):
        return net.act(net.conv2d(x, c, 5, padding=0, bias=True), "tanh")


def partial_conv(net: Net, x: Feature, name: str) -> Feature:
    """The same, but each map reads only those that Table 1 tells it to."""
    with net.scope(name):
        maps = net.split(x, [1] * x.channels)
        read = []
        for number, sources in enumerate(TABLE_1):
            h = net.concat(*[maps[source] for source in sources], name=f"concat{number}")
            read.append(net.conv2d(h, 1, 5, padding=0, bias=True, name=f"map{number}"))
        return net.act(net.concat(*read), "tanh")


def subsample(net: Net, x: Feature, original: bool, name: str) -> Feature:
    """Means of 2x2; `original`: then a coefficient and a bias for each map, and tanh."""
    with net.scope(name):
        x = net.avg_pool(x, 2)
        if original:
            x = net.conv2d(x, x.channels, 1, groups=x.channels, bias=True, name="scale")
            x = net.act(x, "tanh")
        return x


def trace(
    width: float = 1.0,
    resolution: int | Pair = 32,
    classes: int = 10,
    in_channels: int = 1,
    *,
    original: bool = False,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    Raises:
        LabError: `original` at another width than 1.
    """
    if original and width != 1:
        raise LabError(f"Table 1 is for width 1; the original LeNet-5 has no width {width:g}")
    net = Net()
    x = net.input(in_channels, resolution)
    x = conv(net, x, make_divisible(C1 * width, 1), name="c1")
    x = subsample(net, x, original, name="s2")
    if original:
        x = partial_conv(net, x, name="c3")
    else:
        x = conv(net, x, make_divisible(C3 * width, 1), name="c3")
    x = subsample(net, x, original, name="s4")
    x = conv(net, x, make_divisible(C5 * width, 1), name="c5")
    with net.stage("f6", role="f6"):
        x = net.flatten(x)
        x = net.linear(x, make_divisible(F6 * width, 1))
        x = net.act(x, "tanh")
    x = net.linear(x, classes, name="output")
    return net.trace(x)


L5 = "lenet5"
SECTION = "Proc. IEEE 1998, section II.B"
ORIGINAL = {"resolution": 32, "original": True}
TRAINABLE = (
    ("c1", "0.156 k"),
    ("s2", "0.012 k"),
    ("c3", "1.516 k"),
    ("s4", "0.032 k"),
    ("c5", "48.120 k"),
    ("f6", "10.164 k"),
)
"""Trainable parameters by layer."""

PUBLISHED = (
    *[
        Published(
            L5,
            "params",
            printed,
            f"{SECTION}, {stage.upper()}",
            ORIGINAL,
            without=(*[other for other, _ in TRAINABLE if other != stage], "output"),
        )
        for stage, printed in TRAINABLE
    ],
    Published(L5, "params", "60.000 k", SECTION, ORIGINAL, without=("output",)),
)
