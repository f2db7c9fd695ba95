"""YOLOv4 on a MobileNet: where a detector's parameters are, and what separable convolutions save.

Idea: a backbone gives maps at strides 8, 16 and 32. The coarsest is pooled over windows of three
sizes (SPP); a path down to fine and one back up to coarse (PAN) carry what each knows to the
others; every map then predicts three boxes at each cell. With a MobileNet for the backbone, the
neck is nine tenths of the network, for its 3x3 convolutions are dense. Split in a depthwise and a
pointwise one, as the backbone's are, they cost about a ninth (`dense_neck` leaves them whole).

Deviations from the paper: its backbone is CSPDarknet53; here the maps are a MobileNet's C3, C4 and
C5, without the last 1x1. The neck has ReLU6 in place of leaky ReLU, and so has MobileNetV1 in place
of its ReLU. All 3x3 convolutions behind the backbone are separable, those of the heads and those
that halve a map among them. The centre of a box stays in its cell: the factors 1.2, 1.1 and 1.05,
by which the paper's code lets it out, are left out. `width` scales the backbone only.
"""

from collections.abc import Callable
from typing import NamedTuple

from mobilenet_lab.architectures import mobilenet_v1, mobilenet_v2, mobilenet_v3
from mobilenet_lab.detection.priors import Prior, grid_anchors
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "YOLOv4: Optimal Speed and Accuracy of Object Detection",
    "Bochkovskiy et al.",
    2020,
    "arXiv 2004.10934",
)


class Level(NamedTuple):
    """One of the three maps that boxes are predicted from."""

    tap: str
    """the backbone's map"""
    stride: int
    """pixels of the image between cells"""
    c: int
    """channels in the neck; its 3x3 convolutions have twice as many"""
    anchors: tuple[Pair, ...]
    """(width, height) in pixels"""


FINE = Level("C3", 8, 128, ((12, 16), (19, 36), (40, 28)))
MIDDLE = Level("C4", 16, 256, ((36, 75), (76, 55), (72, 146)))
COARSE = Level("C5", 32, 512, ((142, 110), (192, 243), (459, 401)))
LEVELS = (FINE, MIDDLE, COARSE)
SPP_KERNELS = (13, 9, 5)
HEADS = ("head3", "head4", "head5")
BOX = 5
"""Numbers that place a box and say whether there is one."""
ACTIVATION = "relu6"

Block = Callable[[Net, Feature, int, int, str], Feature]
"""A 3x3 convolution to some channels with a stride and an activation, whole or separable."""
BACKBONES: dict[str, Callable[[Net, Feature, float], Feature]] = {
    "mobilenet_v1": lambda net, x, width: mobilenet_v1.features(
        net, x, width, activation=ACTIVATION
    ),
    "mobilenet_v2": mobilenet_v2.features,
    "mobilenet_v3": mobilenet_v3.features,
}


def narrow(net: Net, x: Feature, c: int, name: str) -> Feature:
    """A 1x1 convolution with batch norm and activation."""
    return net.conv(x, c, 1, act=ACTIVATION, name=name, role="narrow")


def alternate(net: Net, x: Feature, c: int, times: int, block: Block) -> Feature:
    """1x1 to `c`, then so many times 3x3 to twice `c` and 1x1 back."""
    x = narrow(net, x, c, "narrow0")
    for i in range(1, times + 1):
        with net.block(f"widen{i}"):
            x = block(net, x, 2 * c, 1, ACTIVATION)
        x = narrow(net, x, c, f"narrow{i}")
    return x


def spp(net: Net, x: Feature, c: int, block: Block) -> Feature:
    """The map beside its largest values over windows of three sizes, between convolutions."""
    with net.stage("spp"):
        with net.block("before"):
            x = alternate(net, x, c, 1, block)
        with net.scope("pool"):
            pooled = [net.max_pool(x, k, 1, k // 2, name=str(k)) for k in SPP_KERNELS]
        x = net.concat(*pooled, x)
        with net.block("after"):
            return alternate(net, x, c, 1, block)


def up(net: Net, name: str, coarse: Feature, lateral: Feature, c: int, block: Block) -> Feature:
    """What the coarser map knows, beside the backbone's map, at the latter's size."""
    with net.stage(name):
        coarse = net.upsample(narrow(net, coarse, c, "reduce"), 2)
        lateral = narrow(net, lateral, c, "lateral")
        x = net.concat(lateral, coarse)
        with net.block("mix"):
            return alternate(net, x, c, 2, block)


def down(net: Net, name: str, fine: Feature, coarse: Feature, c: int, block: Block) -> Feature:
    """What the finer map knows, beside the coarser one, at the latter's size."""
    with net.stage(name):
        with net.block("shrink"):
            fine = block(net, fine, c, 2, ACTIVATION)
        x = net.concat(fine, coarse)
        with net.block("mix"):
            return alternate(net, x, c, 2, block)


def head(net: Net, name: str, x: Feature, c: int, predictions: int, block: Block) -> Feature:
    """A 3x3 convolution, and a 1x1 to the predictions."""
    with net.stage(name, role="head"):
        with net.block("widen"):
            x = block(net, x, c, 1, ACTIVATION)
        return net.conv2d(x, predictions, 1, bias=True, name="predict")


def trace(
    width: float = 1.0,
    resolution: int | Pair = 416,
    classes: int = 80,
    in_channels: int = 3,
    *,
    backbone: str = "mobilenet_v1",
    dense_neck: bool = False,
) -> Trace:
    """The network over shapes: in_channels x H x W in, three maps out.

    The maps, at strides 8, 16 and 32, have 3 x (5 + `classes`) channels: for each anchor a box,
    whether it is one, and its class. `backbone` is one of BACKBONES; `dense_neck` leaves the 3x3
    convolutions of neck and heads whole.

    Raises:
        UnknownNameError: no such backbone.
        ShapeError: the sides do not halve well enough for the maps to meet again.
    """
    if backbone not in BACKBONES:
        raise UnknownNameError("backbone", backbone, BACKBONES)
    block = mobilenet_v1.full if dense_neck else mobilenet_v1.separable
    net = Net()
    x = net.input(in_channels, resolution)
    with net.part("backbone"):
        BACKBONES[backbone](net, x, width)
    c3, c4, c5 = (net.feature(level.tap) for level in LEVELS)
    p5 = spp(net, c5, COARSE.c, block)
    p4 = up(net, "up4", p5, c4, MIDDLE.c, block)
    p3 = up(net, "up3", p4, c3, FINE.c, block)
    p4 = down(net, "down4", p3, p4, MIDDLE.c, block)
    p5 = down(net, "down5", p4, p5, COARSE.c, block)
    maps = []
    for name, x, level in zip(HEADS, (p3, p4, p5), LEVELS, strict=True):
        predictions = len(level.anchors) * (BOX + classes)
        maps.append(head(net, name, x, 2 * level.c, predictions, block))
    return net.trace(*maps)


def priors(trace: Trace) -> list[Prior]:
    """The anchors at every cell of the maps, in the order of the predictions."""
    shapes = [trace.layers[output].out_shape for output in trace.outputs]
    maps = [(height, width) for _, height, width in shapes]
    # cells are a stride apart, also where the last of them reaches over the image's edge
    rows, columns = maps[0]
    image = (rows * FINE.stride, columns * FINE.stride)
    return grid_anchors(maps, image, [level.anchors for level in LEVELS])


SUMMARY = "bubbliiiing/mobilenet-yolov4-pytorch, test.py"
AT_416 = {"resolution": 416, "classes": 80}

# fmt: off
PUBLISHED = tuple(
    Published(f"yolov4_{network}", "params", printed, SUMMARY, AT_416)
    for network, printed in (
        ("mobilenet_v1", "12.692029 M"),
        ("mobilenet_v2", "10.801149 M"),
        ("mobilenet_v3", "11.729069 M"),
        ("mobilenet_v1_dense", "40.952893 M"),
        ("mobilenet_v2_dense", "39.062013 M"),
        ("mobilenet_v3_dense", "39.989933 M"),
    )
)
# fmt: on
