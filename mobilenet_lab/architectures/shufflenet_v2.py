"""ShuffleNetV2: half of the channels pass by, and a shuffle mixes the halves.

Idea: memory traffic and the number of operators decide the time, not MACs alone. So 1x1
convolutions are as wide as their input and not grouped, nothing is added, and each unit works on
one half of the channels while the other half passes untouched. Concatenation and a channel
shuffle give the next unit some of both.

Deviations from the paper: the unit of stride 2 gives half of its output channels in each of its
branches, as in torchvision. The authors' code gives its input's channels in the left branch and
the rest in the right one (`halves=False`), and it is that which Table 5 counts. The last layer has
a bias, as in torchvision; the authors' code has none. The paper's widths are columns of Table 5
with their own channels, not a factor (`size`).
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    "Ma et al.",
    2018,
    "arXiv 1807.11164",
)


class Row(NamedTuple):
    """A stage of Table 5: one unit of stride 2, the others of stride 1."""

    n: int
    """repeats, the first among them"""
    c: tuple[int, int, int, int]
    """output channels, one for each size"""
    tap: str


SIZES = ("0.5x", "1x", "1.5x", "2x")
STEM = 24
TABLE_5 = (
    #   n  0.5x  1x  1.5x  2x
    Row(4, (48, 116, 176, 244), "C3"),
    Row(8, (96, 232, 352, 488), "C4"),
    Row(4, (192, 464, 704, 976), "C5"),
)
HEAD = (1024, 1024, 1024, 2048)


def basic_unit(net: Net, x: Feature) -> Feature:
    """Half passes by, half goes through 1x1, 3x3 depthwise, 1x1 (Figure 3, c)."""
    half = x.channels // 2
    left, h = net.split(x, (half, half))
    h = net.conv(h, half, 1, name="pointwise1", role="pointwise")
    h = net.conv(h, half, 3, groups=half, act=None, name="depthwise")
    h = net.conv(h, half, 1, name="pointwise2", role="pointwise")
    return net.channel_shuffle(net.concat(left, h), 2)


def down_unit(net: Net, x: Feature, c: int, halves: bool) -> Feature:
    """Both branches see all of the input and halve its sides (Figure 3, d)."""
    half = c // 2
    c_left = half if halves else x.channels
    left = x
    left = net.conv(
        left, x.channels, 3, 2, groups=x.channels, act=None, name="left_depthwise", role="depthwise"
    )
    left = net.conv(left, c_left, 1, name="left_pointwise", role="pointwise")
    h = x
    h = net.conv(h, half, 1, name="pointwise1", role="pointwise")
    h = net.conv(h, half, 3, 2, groups=half, act=None, name="depthwise")
    h = net.conv(h, c - c_left, 1, name="pointwise2", role="pointwise")
    return net.channel_shuffle(net.concat(left, h), 2)


def trace(
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    size: str = "1x",
    halves: bool = True,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    Raises:
        UnknownNameError: `size` is none of SIZES.
    """
    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    column = SIZES.index(size)
    net = Net()
    x = net.input(in_channels, resolution)
    x = net.conv(x, STEM, 3, stride=2, name="stem")
    net.tap("C1", x)
    x = net.max_pool(x, 3, 2, padding=1)
    net.tap("C2", x)
    for number, row in enumerate(TABLE_5, start=2):
        with net.stage(f"stage{number}"):
            for i in range(row.n):
                with net.block(str(i)):
                    down = i == 0
                    x = down_unit(net, x, row.c[column], halves) if down else basic_unit(net, x)
        net.tap(row.tap, x)
    x = net.conv(x, HEAD[column], 1, name="head")
    x = classifier(net, x, classes)
    return net.trace(x)


V2 = "shufflenet_v2"
T5 = "arXiv 1807.11164, Table 5"


def _size(size: str) -> dict[str, object]:
    return {"resolution": 224, "size": size, "halves": False}


# fmt: off
PUBLISHED = (
    Published(V2, "params", "1.4 M", T5, _size("0.5x")),
    Published(V2, "params", "2.3 M", T5, _size("1x")),
    Published(V2, "params", "3.5 M", T5, _size("1.5x")),
    Published(V2, "params", "7.4 M", T5, _size("2x")),
    Published(V2, "macs", "41 M", T5, _size("0.5x"),
              unexplained="40,476,448 in either form, which is 40 M"),
    Published(V2, "macs", "146 M", T5, _size("1x")),
    Published(V2, "macs", "299 M", T5, _size("1.5x")),
    Published(V2, "macs", "591 M", T5, _size("2x")),
)
# fmt: on
