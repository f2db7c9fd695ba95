"""YOLOv5n: a detector written as a list of rows, and the same with MobileNetV3 in front.

Idea: the network is a list. Each row names the rows it reads, a module and its arguments; two
multiples scale all repeats and channels, so that one list makes five sizes. A backbone gives maps
at strides 8, 16 and 32. A pyramid goes down to fine and back up to coarse (FPN and PAN), with C3
blocks, which send half of the channels around their bottlenecks. One 1x1 for each of the three
maps then predicts, for each of three anchors at each cell, a box, whether it is one, and its class.

Deviations from the paper: there is none; the list is the code's (6.0 and later), `config="stock"`.
On MobileNetV3-Large ("mobilenet_v3_large") rows 0-8 are replaced by an empty slot and the
backbone's maps at strides 4, 8, 16 and 32, the last after its 1x1 to 960 channels; so the rest is
numbered from 5. The backbone's squeeze is a quarter without rounding and its batch norm has
PyTorch's eps, as in the tutorial that this list is from. Row 18 of that list reads row 5, the map
before the 1x1 that halves its channels; stock YOLOv5 reads the one after it, which is row 6 here
("mobilenet_v3_large_stock"). `width` scales the backbone only; `size` is YOLOv5's own scale.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from mobilenet_lab.architectures import mobilenet_v3
from mobilenet_lab.detection.priors import Prior, grid_anchors
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper("YOLOv5 by Ultralytics", "Jocher", 2020, "zenodo 3908559")


class Row(NamedTuple):
    """A row of the list: what it reads, and what it does `n` times (times the depth)."""

    i: int
    """its number"""
    source: tuple[int, ...]
    """the rows that it reads; -1 is the one before"""
    n: int
    """repeats"""
    module: str
    arguments: tuple[Any, ...]
    """of Conv: channels, kernel, stride, padding; of C3: channels, whether with shortcuts; of
    SPPF: channels, kernel; of Upsample: size, scale, mode; of Concat: the axis"""
    tap: str = ""


class Config(NamedTuple):
    """The rows in two parts: those that a MobileNet replaces, and the rest."""

    backbone: tuple[Row, ...]
    """empty if the rows are MobileNetV3's"""
    neck: tuple[Row, ...]
    detect: Row
    """reads the maps that are predicted from, fine to coarse"""


STOCK = Config(
    (
        #   i  from   n  module  arguments
        Row(0, (-1,), 1, "Conv", (64, 6, 2, 2), "C1"),
        Row(1, (-1,), 1, "Conv", (128, 3, 2)),
        Row(2, (-1,), 3, "C3", (128,), "C2"),
        Row(3, (-1,), 1, "Conv", (256, 3, 2)),
        Row(4, (-1,), 6, "C3", (256,), "C3"),
        Row(5, (-1,), 1, "Conv", (512, 3, 2)),
        Row(6, (-1,), 9, "C3", (512,), "C4"),
        Row(7, (-1,), 1, "Conv", (1024, 3, 2)),
        Row(8, (-1,), 3, "C3", (1024,), "C5"),
    ),
    (
        Row(9, (-1,), 1, "SPPF", (1024, 5)),
        Row(10, (-1,), 1, "Conv", (512, 1, 1)),
        Row(11, (-1,), 1, "Upsample", (None, 2, "nearest")),
        Row(12, (-1, 6), 1, "Concat", (1,)),
        Row(13, (-1,), 3, "C3", (512, False)),
        Row(14, (-1,), 1, "Conv", (256, 1, 1)),
        Row(15, (-1,), 1, "Upsample", (None, 2, "nearest")),
        Row(16, (-1, 4), 1, "Concat", (1,)),
        Row(17, (-1,), 3, "C3", (256, False), "P3"),
        Row(18, (-1,), 1, "Conv", (256, 3, 2)),
        Row(19, (-1, 14), 1, "Concat", (1,)),
        Row(20, (-1,), 3, "C3", (512, False), "P4"),
        Row(21, (-1,), 1, "Conv", (512, 3, 2)),
        Row(22, (-1, 10), 1, "Concat", (1,)),
        Row(23, (-1,), 3, "C3", (1024, False), "P5"),
    ),
    Row(24, (17, 20, 23), 1, "Detect", ()),
)
MOBILENET_TAPS = {1: "C2", 2: "C3", 3: "C4", 4: "C5"}
"""Rows 1-4 of the list below; row 0 is an empty slot."""
ON_MOBILENET = Config(
    (),
    (
        #   i  from   n  module  arguments
        Row(5, (-1,), 1, "SPPF", (1024, 5)),
        Row(6, (-1,), 1, "Conv", (512, 1, 1)),
        Row(7, (-1,), 1, "Upsample", (None, 2, "nearest")),
        Row(8, (-1, 3), 1, "Concat", (1,)),
        Row(9, (-1,), 3, "C3", (512, False)),
        Row(10, (-1,), 1, "Conv", (256, 1, 1)),
        Row(11, (-1,), 1, "Upsample", (None, 2, "nearest")),
        Row(12, (-1, 2), 1, "Concat", (1,)),
        Row(13, (-1,), 3, "C3", (256, False), "P3"),
        Row(14, (-1,), 1, "Conv", (256, 3, 2)),
        Row(15, (-1, 10), 1, "Concat", (1,)),
        Row(16, (-1,), 3, "C3", (512, False), "P4"),
        Row(17, (-1,), 1, "Conv", (512, 3, 2)),
        Row(18, (-1, 5), 1, "Concat", (1,)),
        Row(19, (-1,), 3, "C3", (1024, False), "P5"),
    ),
    Row(20, (13, 16, 19), 1, "Detect", ()),
)
AS_STOCK = Row(18, (-1, 6), 1, "Concat", (1,))
CONFIGS = {
    "stock": STOCK,
    "mobilenet_v3_large": ON_MOBILENET,
    "mobilenet_v3_large_stock": ON_MOBILENET._replace(
        neck=tuple(AS_STOCK if row.i == AS_STOCK.i else row for row in ON_MOBILENET.neck)
    ),
}


class Multiples(NamedTuple):
    """What repeats and channels are multiplied by."""

    depth: float
    width: float


SIZES = {
    "n": Multiples(0.33, 0.25),
    "s": Multiples(0.33, 0.50),
    "m": Multiples(0.67, 0.75),
    "l": Multiples(1.0, 1.0),
    "x": Multiples(1.33, 1.25),
}
STRIDES = (8, 16, 32)
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""(width, height) in pixels, three for each map."""
BOX = 5
"""Numbers that place a box and say whether there is one."""
EPS, MOMENTUM = 1e-3, 3e-2
BACKBONE_EPS, BACKBONE_MOMENTUM = 1e-5, 0.1


def rounded_up(channels: float) -> int:
    """The next multiple of 8."""
    return 8 * ceil(channels / 8)


def repeats(n: int, depth: float) -> int:
    """Of a row that repeats `n` times at depth 1."""
    return max(round(n * depth), 1)


def leaf(net: Net, x: Feature, c: int, k: int, s: int = 1, p: int | None = None) -> Feature:
    """Convolution, batch norm, SiLU; the padding `p` is half of the kernel unless given."""
    x = net.conv2d(x, c, k, s, padding=p)
    x = net.batch_norm(x, EPS)
    return net.act(x, "silu")


def conv(net: Net, x: Feature, c: int, k: int, name: str) -> Feature:
    """The same as a part of a row."""
    with net.scope(name):
        return leaf(net, x, c, k)


def c3(net: Net, x: Feature, c: int, n: int, shortcut: bool = True) -> Feature:
    """Half of the channels through `n` bottlenecks, half around them, and a 1x1 over both."""
    h = conv(net, x, c // 2, 1, name="main")
    for i in range(n):
        with net.scope(f"bottlenecks.{i}"):
            b = conv(net, h, c // 2, 1, name="conv1")
            b = conv(net, b, c // 2, 3, name="conv2")
            h = net.add(h, b) if shortcut else b
    around = conv(net, x, c // 2, 1, name="around")
    return conv(net, net.concat(h, around), c, 1, name="merge")


def sppf(net: Net, x: Feature, c: int, k: int) -> Feature:
    """A max pool three times in a row, and a 1x1 over all that it gave: windows k, 2k-1, 3k-2."""
    h = conv(net, x, x.channels // 2, 1, name="reduce")
    pooled = [h]
    for i in (1, 2, 3):
        pooled.append(net.max_pool(pooled[-1], k, 1, k // 2, name=f"pool{i}"))
    return conv(net, net.concat(*pooled), c, 1, name="merge")


def named(row: Row) -> str:
    """What a row is called: 9_c3."""
    return f"{row.i}_{row.module.lower()}"


def read(row: Row, made: Mapping[int, Feature]) -> list[Feature]:
    """What a row reads of what has been made, by number."""
    return [made[row.i - 1 if i == -1 else i] for i in row.source]


def run(net: Net, row: Row, xs: Sequence[Feature], depth: float, width: float) -> Feature:
    """One row on what it reads."""
    x, name = xs[0], named(row)
    if row.module == "Concat":
        return net.concat(*xs, name=name)
    if row.module == "Upsample":
        size, scale, mode = row.arguments
        return net.upsample(x, scale, size=size, mode=mode, name=name)
    c, *more = row.arguments
    c = rounded_up(c * width)
    with net.block(name):
        if row.module == "Conv":
            return leaf(net, x, c, *more)
        if row.module == "SPPF":
            return sppf(net, x, c, *more)
        return c3(net, x, c, repeats(row.n, depth), *more)


def trace(
    width: float = 1.0,
    resolution: int | Pair = 640,
    classes: int = 80,
    in_channels: int = 3,
    *,
    config: str = "mobilenet_v3_large",
    size: str = "n",
) -> Trace:
    """The network over shapes: in_channels x H x W in, three maps out.

    The maps, at strides 8, 16 and 32, have 3 x (5 + `classes`) channels: for each anchor a box,
    whether it is one, and its class. `config` is one of CONFIGS, `size` one of SIZES.

    Raises:
        UnknownNameError: no such config or size.
        ShapeError: the sides do not halve well enough for the maps to meet again.
    """
    if config not in CONFIGS:
        raise UnknownNameError("config", config, CONFIGS)
    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    rows, (depth, multiple) = CONFIGS[config], SIZES[size]
    net = Net()
    x = net.input(in_channels, resolution)
    made = {-1: x}
    if not rows.backbone:
        with net.part("backbone"):
            x = mobilenet_v3.features(net, x, width, squeeze_divisor=1, eps=BACKBONE_EPS)
            net.tap("C5", mobilenet_v3.last_conv(net, x, width, eps=BACKBONE_EPS))
        made |= {i: net.feature(tap) for i, tap in MOBILENET_TAPS.items()}
    for stage, part, channels in (
        ("backbone", rows.backbone, multiple * width),
        ("neck", rows.neck, multiple),
    ):
        for row in part:
            with net.stage(stage, role=row.module.lower()):
                made[row.i] = run(net, row, read(row, made), depth, channels)
            if row.tap:
                net.tap(row.tap, made[row.i])
    with net.stage("head", role="detect"):
        maps = [
            net.conv2d(x, len(sizes) * (BOX + classes), 1, bias=True, name=f"stride{stride}")
            for x, stride, sizes in zip(read(rows.detect, made), STRIDES, ANCHORS, strict=True)
        ]
    return net.trace(*maps)


def priors(trace: Trace) -> list[Prior]:
    """The anchors at every cell of the maps, in the order of the predictions."""
    shapes = [trace.layers[output].out_shape for output in trace.outputs]
    maps = [(height, width) for _, height, width in shapes]
    # cells are a stride apart, also where the last of them reaches over the image's edge
    rows, columns = maps[0]
    return grid_anchors(maps, (rows * STRIDES[0], columns * STRIDES[0]), ANCHORS)


N = "yolov5n"
ON_LARGE = ("yolov5n_mobilenet_v3_large", "yolov5n_mobilenet_v3_stock")
LOG = "ultralytics/yolov5, printed summary of yolov5n"
AT_640 = {"resolution": 640, "classes": 80}
STAGES = ("stem", *(f"stage{number}" for number in range(1, 7)), "head")
ALL_BUT_HEAD = (*(f"backbone.{stage}" for stage in STAGES), "neck")

# fmt: off
PUBLISHED = (
    Published(N, "params", "1.9 M", "ultralytics/yolov5, README.md", AT_640),
    Published(N, "params", "1.872157 M", LOG, AT_640),
    # fused: each batch norm becomes the bias of the convolution before it
    Published(N, "params", "1.867405 M", f"{LOG}, fused", AT_640, batch_norm_vectors=1),
    # of the MobileNet versions nothing is printed; they share the head, with the same channels
    *[Published(network, "params", "115.005 k", f"{LOG}, row 24 (Detect)", AT_640,
                without=ALL_BUT_HEAD)
      for network in ON_LARGE],
)
# fmt: on
