"""RepLKNet: a few depthwise convolutions as large as 31x31 in place of many small ones.

Idea: a depthwise convolution stays affordable at any kernel, so each block has one large enough to
see most of its map. 1x1 convolutions and a feed-forward block behind it mix the channels, as in a
transformer. A large kernel alone trains badly; beside it runs a 5x5, and since both are linear it
is added to the large kernel once training is over.

Deviations from the paper: none in RepLKNet-31B. `merged` is the network as it is used, where the
large convolution has a bias and no batch norm; merged=False is the one that is trained, two
convolutions with a batch norm each. Stochastic depth, which acts in training alone, is left out.
No 5x5 stands beside a kernel that is no larger (`kernels="3-3-3-3"`). `width` multiplies all
channels and rounds them; 1.5 is the paper's RepLKNet-31L, other widths are not in the paper.
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published, published_rows

PAPER = Paper(
    "Scaling Up Your Kernels to 31x31: Revisiting Large Kernel Design in CNNs",
    "Ding et al.",
    2022,
    "arXiv 2203.06717",
)


class Row(NamedTuple):
    """A stage: as many pairs of a large-kernel block and a feed-forward block."""

    b: int
    """pairs"""
    c: int
    """channels"""
    tap: str


STAGES = (
    #    B    C
    Row(2, 128, "C2"),
    Row(2, 256, "C3"),
    Row(18, 512, "C4"),
    Row(2, 1024, "C5"),
)
"""B and C of section 4.2."""
KERNELS = {
    "3-3-3-3": (3, 3, 3, 3),
    "7-7-7-7": (7, 7, 7, 7),
    "13-13-13-13": (13, 13, 13, 13),
    "25-25-25-13": (25, 25, 25, 13),
    "31-29-27-13": (31, 29, 27, 13),
}
"""K of Table 5: a kernel for each stage."""
SMALL_KERNEL = 5
FEED_FORWARD = 4


def stem(net: Net, x: Feature, c: int) -> Feature:
    """To a quarter of the sides, with some detail on the way (Figure 4)."""
    with net.stage("stem", role="stem"):
        x = net.conv(x, c, 3, 2)
        x = net.conv(x, c, 3, groups=c, name="depthwise")
        x = net.conv(x, c, 1, name="pointwise")
        net.tap("C1", x)
        return net.conv(x, c, 3, 2, groups=c, name="down")


def large_kernel(net: Net, x: Feature, k: int, merged: bool) -> Feature:
    """A depthwise convolution of kernel `k`; in training with a 5x5 beside it (guideline 3)."""
    c = x.channels
    with net.scope("depthwise"):
        if merged:
            x = net.conv2d(x, c, k, groups=c, bias=True)
        else:
            large = net.conv(x, c, k, groups=c, act=None, name="large")
            if k > SMALL_KERNEL:
                small = net.conv(x, c, SMALL_KERNEL, groups=c, act=None, name="small")
                large = net.add(large, small)
            x = large
        return net.act(x, "relu")


def replk_block(net: Net, x: Feature, k: int, merged: bool) -> Feature:
    """Norm, 1x1, large depthwise, 1x1, and a shortcut around all (Figure 4)."""
    h = x
    h = net.batch_norm(h)
    h = net.conv(h, x.channels, 1, name="pointwise1", role="pointwise")
    h = large_kernel(net, h, k, merged)
    h = net.conv(h, x.channels, 1, act=None, name="pointwise2", role="pointwise")
    return net.add(x, h)


def feed_forward(net: Net, x: Feature) -> Feature:
    """Norm, 1x1 to four times the channels, 1x1 back, and a shortcut around all (Figure 4)."""
    h = x
    h = net.batch_norm(h)
    h = net.conv(h, x.channels * FEED_FORWARD, 1, act="gelu", name="expand")
    h = net.conv(h, x.channels, 1, act=None, name="project")
    return net.add(x, h)


def transition(net: Net, x: Feature, c: int) -> Feature:
    """1x1 to the next stage's channels, and half of the sides."""
    x = net.conv(x, c, 1, name="pointwise")
    return net.conv(x, c, 3, 2, groups=c, name="depthwise")


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    kernels: str = "31-29-27-13",
    merged: bool = True,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    `kernels` is one of KERNELS; `merged` has the 5x5s added to the large kernels.

    Raises:
        UnknownNameError: there are no such kernels.
    """
    if kernels not in KERNELS:
        raise UnknownNameError("kernels", kernels, KERNELS)
    net = Net()
    x = net.input(in_channels, resolution)
    x = stem(net, x, make_divisible(STAGES[0].c * width))
    for number, (row, k) in enumerate(zip(STAGES, KERNELS[kernels], strict=True), start=1):
        if number > 1:
            with net.stage(f"transition{number - 1}"):
                x = transition(net, x, make_divisible(row.c * width))
        with net.stage(f"stage{number}"):
            for i in range(row.b):
                with net.block(str(2 * i)):
                    x = replk_block(net, x, k, merged)
                with net.block(str(2 * i + 1)):
                    x = feed_forward(net, x)
        net.tap(row.tap, x)
    x = net.batch_norm(x)
    x = classifier(net, x, classes)
    return net.trace(x)


B31 = "replknet_31b"
README = "DingXiaoH/RepLKNet-pytorch, README.md"
TABLE_5 = "arXiv 2203.06717, Table 5"
OTHERS = "open-mmlab/mmpretrain, configs/replknet/README.md"


def _table_5(kernels: str, params: str, macs: str, unexplained: str = "") -> tuple[Published, ...]:
    """A row. Its parameters fit a network whose batch norms are folded into convolutions.

    What is left of a batch norm then is one vector, a bias. Those in front of a block leave none,
    which is too little to tell in the first four rows.
    """
    how = {"width": 1.0, "resolution": 224, "kernels": kernels}
    vectors = 2 if unexplained else 1
    return (
        Published(B31, "params", params, TABLE_5, how, (), vectors, unexplained),
        Published(B31, "macs", macs, TABLE_5, how),
    )


# fmt: off
PUBLISHED = (
    *published_rows(B31, "params", README, [(1.0, 224, "79 M"), (1.5, 384, "172 M")]),
    *published_rows(B31, "macs", README,
                    [(1.0, 224, "15.3 G"), (1.0, 384, "45.1 G"), (1.5, 384, "96.0 G")]),
    *_table_5("3-3-3-3", "71.8 M", "12.9 G"),
    *_table_5("7-7-7-7", "72.2 M", "13.1 G"),
    *_table_5("13-13-13-13", "73.7 M", "13.4 G"),
    *_table_5("25-25-25-13", "78.2 M", "14.8 G"),
    *_table_5("31-29-27-13", "79.3 M", "15.3 G",
              "79,527,272; 79,388,776 once all batch norms are folded, which is 79.3 if cut"),
    *published_rows(B31, "params", OTHERS, [(1.0, 224, "79.86 M"), (1.5, 384, "172.67 M")],
                    merged=False),
    *published_rows(B31, "macs", OTHERS, [(1.0, 224, "15.64 G")], merged=False,
                    unexplained="15,431,298,048; 15,637,521,408 with the 5 for each value of a "
                                "batch norm that fvcore counts in training mode"),
)
# fmt: on
