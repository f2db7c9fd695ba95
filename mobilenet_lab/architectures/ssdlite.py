"""SSDLite: detection in one shot, with separable heads, on MobileNetV2 or V3.

Idea: SSD sets default boxes of several shapes on every position of six maps, the coarser the map
the larger the boxes. For each box one convolution says what it shows, another how it is off.
SSDLite makes these 3x3 convolutions separable, and those that lead to the coarse maps, too. The
finest map is taken inside a block: what the first block of stride 32 has widened at stride 16.

Deviations from the paper: V2's paper gives neither the extra layers nor the default boxes. Three
builds fill them in (`style`), and each of them runs on either backbone here:
- "pytorch-ssd": the build of many PyTorch tutorials. The extra layers are V2's blocks; the last
  map has 64 channels and plain 1x1 heads; the other heads' depthwise convolutions have a bias.
- "torchvision": the extra layers end with an activation, the last map has 128 channels.
- "tensorflow": TensorFlow's object detection, which the papers counted. As torchvision's, but the
  finest map has three boxes at each position, and the width scales the extra layers and V2's last
  convolution, too. What no count sees is torchvision's here (TensorFlow pads "same", orders its
  boxes otherwise and scores them with sigmoids).

Elsewhere the width scales the backbone only. Channels are rounded as in the backbones
(pytorch-ssd's V2 cuts them), and V2's batch norms keep its eps in every style. `classes` counts
the background, number 0. The outputs are six maps of class scores, then six of box offsets.
"""

from typing import NamedTuple

from mobilenet_lab.architectures import mobilenet_v2, mobilenet_v3
from mobilenet_lab.channels import floor_channels, make_divisible
from mobilenet_lab.detection.priors import Prior, ssd_priors
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import published_rows

PAPER = mobilenet_v2.PAPER


class Extra(NamedTuple):
    """A layer that halves the map: 1x1 to `hidden`, 3x3 depthwise of stride 2, 1x1 to `c`."""

    hidden: int
    c: int


class Boxes(NamedTuple):
    """The default boxes, as shares of the image's sides."""

    scales: tuple[float, ...]
    """one for each map and one beyond"""
    steps: tuple[int, ...] = ()
    """pixels between the positions of an image of STEPS_FIT; elsewhere its side over the map's"""
    finest: tuple[tuple[float, float], ...] = ()
    """(scale, ratio) of the finest map's boxes, where they are others"""


class Kept(NamedTuple):
    """Which boxes are kept in the end."""

    score_threshold: float
    iou_threshold: float
    candidates: int
    """of each class, before suppression"""
    most: int
    """of all classes"""


class Style(NamedTuple):
    """What the builds do differently."""

    extras: tuple[Extra, ...]
    linear: bool
    """the extra layers end without an activation"""
    head_bias: bool
    """of the heads' depthwise convolutions"""
    head_act: str
    plain_last: bool
    """1x1 heads on the coarsest map"""
    scaled: bool
    """the width scales the extra layers and V2's last convolution"""
    scaling: str
    """of V3's widths"""
    boxes: Boxes
    kept: Kept
    eps: float
    momentum: float


EXTRAS_320 = (Extra(256, 512), Extra(128, 256), Extra(128, 256), Extra(64, 128))
BOXES_320 = Boxes((0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0))
KEPT_320 = Kept(0.001, 0.55, candidates=300, most=300)
TORCHVISION = Style(
    EXTRAS_320,
    linear=False,
    head_bias=False,
    head_act="relu6",
    plain_last=False,
    scaled=False,
    scaling="torchvision",
    boxes=BOXES_320,
    kept=KEPT_320,
    eps=1e-3,
    momentum=0.03,
)
STYLES = {
    "pytorch-ssd": Style(
        (*EXTRAS_320[:3], Extra(64, 64)),
        linear=True,
        head_bias=True,
        head_act="relu",
        plain_last=True,
        scaled=False,
        scaling="torchvision",
        boxes=Boxes(
            (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1),  # 60, 105 ... 330 pixels of 300
            (16, 32, 64, 100, 150, 300),
        ),
        kept=Kept(0.01, 0.45, candidates=200, most=200),
        eps=1e-5,
        momentum=0.1,
    ),
    "torchvision": TORCHVISION,
    "tensorflow": TORCHVISION._replace(
        scaled=True,
        scaling="slim",
        boxes=BOXES_320._replace(finest=((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))),
    ),
}
STEPS_FIT = (300, 300)
RATIOS = (2.0, 3.0)
EACH = 2 + 2 * len(RATIOS)
"""Boxes at a position: two squares, and each ratio lying and standing."""
COORDINATES = 4
LEAST = 16
"""Channels of a scaled extra layer."""
BACKBONES = ("mobilenet_v2", "mobilenet_v3")
WIDENED = {"mobilenet_v2": "stage6", "large": "stage6", "small": "stage5"}
"""V2 or the size of V3 -> the stage whose first block gives the finest map."""


def backbone_maps(
    net: Net,
    x: Feature,
    width: float,
    backbone: str,
    size: str,
    reduced_tail: bool,
    style: Style,
) -> list[Feature]:
    """The widened map of stride 16, and the last map of stride 32."""
    if backbone == "mobilenet_v2":
        x = mobilenet_v2.features(net, x, width)
        if style.scaled:
            c = make_divisible(mobilenet_v2.HEAD * width)
            x = net.conv(x, c, 1, act="relu6", name="head")
        else:
            x = mobilenet_v2.last_conv(net, x, width)
    else:
        x = mobilenet_v3.features(
            net, x, width, size, style.scaling, reduced_tail=reduced_tail, eps=style.eps
        )
        x = mobilenet_v3.last_conv(
            net, x, width, size, style.scaling, reduced_tail=reduced_tail, eps=style.eps
        )
    stage = WIDENED[size if backbone == "mobilenet_v3" else backbone]
    try:
        finest = net.feature(f"backbone.{stage}.0.expand.act")
    except UnknownNameError:  # next to no width: nothing to widen
        finest = net.feature("C4")
    return [finest, x]


def extra(net: Net, x: Feature, row: Extra, style: Style, width: float) -> Feature:
    """1x1 to fewer channels, 3x3 depthwise of stride 2, 1x1."""
    hidden, c = row
    if style.scaled:
        hidden, c = (floor_channels(each * width, LEAST) for each in row)
    last, eps = None if style.linear else "relu6", style.eps
    h = x
    h = net.conv(h, hidden, 1, act="relu6", eps=eps, name="reduce")
    h = net.conv(h, hidden, 3, 2, groups=hidden, act="relu6", eps=eps, name="depthwise")
    h = net.conv(h, c, 1, act=last, eps=eps, name="project")
    return h


def head(net: Net, x: Feature, channels: int, plain: bool, style: Style) -> Feature:
    """3x3 depthwise (unless `plain`), then 1x1: `channels` predictions at each position."""
    h = x
    if not plain:
        with net.scope("depthwise"):
            h = net.conv2d(h, h.channels, 3, groups=h.channels, bias=style.head_bias)
            h = net.batch_norm(h, style.eps)
            h = net.act(h, style.head_act)
    return net.conv2d(h, channels, 1, bias=True, name="predict")


def trace(
    width: float = 1.0,
    resolution: int | Pair = 300,
    classes: int = 4,
    in_channels: int = 3,
    *,
    backbone: str = "mobilenet_v2",
    size: str = "large",
    reduced_tail: bool = False,
    style: str = "pytorch-ssd",
) -> Trace:
    """The network over shapes: in_channels x H x W in, six class maps and six box maps out.

    Each has `classes` or 4 channels for every box of a position. `backbone` is one of BACKBONES;
    `size` (large or small) and `reduced_tail` (a last stage of half the channels) are V3's.
    `style` is one of STYLES.

    Raises:
        UnknownNameError: no such backbone, size or style.
    """
    if backbone not in BACKBONES:
        raise UnknownNameError("backbone", backbone, BACKBONES)
    if style not in STYLES:
        raise UnknownNameError("style", style, STYLES)
    how = STYLES[style]
    net = Net()
    x = net.input(in_channels, resolution)
    with net.part("backbone"):
        maps = backbone_maps(net, x, width, backbone, size, reduced_tail, how)
    with net.stage("extras", role="extras"):
        for i, row in enumerate(how.extras):
            with net.block(str(i)):
                maps.append(extra(net, maps[-1], row, how, width))
    for number, x in enumerate(maps, start=1):
        net.tap(f"map{number}", x)
    each = [len(how.boxes.finest) or EACH, *[EACH] * len(how.extras), EACH]
    outputs = []
    for name, values in (("class_heads", classes), ("box_heads", COORDINATES)):
        with net.stage(name, role="head"):
            for i, (x, boxes) in enumerate(zip(maps, each, strict=True)):
                plain = how.plain_last and x is maps[-1]
                with net.block(str(i)):
                    outputs.append(head(net, x, boxes * values, plain, how))
    return net.trace(*outputs)


def priors(trace: Trace) -> list[Prior]:
    """The default boxes that the outputs of `trace` correct, in the order of the predictions."""
    boxes, (height, width) = _style(trace).boxes, trace.input_shape[1:]
    steps = boxes.steps if (height, width) == STEPS_FIT else ()
    maps = [trace.layers[index].out_shape[1:] for index in trace.outputs[: len(trace.outputs) // 2]]
    return ssd_priors(
        [(rows, columns) for rows, columns in maps],
        (height, width),
        boxes.scales,
        RATIOS,
        steps,
        finest=boxes.finest,
        inside=True,
    )


def _style(trace: Trace) -> Style:
    """The style that `trace` has been made in, which its heads tell."""
    names = {layer.name for layer in trace.layers}
    finest, coarsest = trace.outputs[len(trace.outputs) // 2], trace.outputs[-1]
    plain = trace.layers[coarsest].name.replace("predict", "depthwise.conv") not in names
    each = trace.layers[finest].out_shape[0] // COORDINATES
    return next(
        style
        for style in STYLES.values()
        if style.plain_last == plain and (len(style.boxes.finest) or EACH) == each
    )


V2, V3 = "ssdlite300_mobilenet_v2", "ssdlite320_mobilenet_v3_large"
SMALL = "ssdlite320_mobilenet_v3_small"
BACKBONE = (
    "backbone.stem",
    *(f"backbone.stage{number}" for number in range(1, 8)),
    "backbone.head",
)
T5, T6 = "arXiv 1801.04381, Table 5", "arXiv 1801.04381, Table 6"
V3_T6 = "arXiv 1905.02244v5, Table 6"
COCO = {"classes": 81, "style": "tensorflow"}
"""80 classes and the background."""
IDS = {"classes": 91, "style": "tensorflow"}
"""COCO's class numbers go to 90, ten of them unused."""

# fmt: off
PUBLISHED = (
    *published_rows(V2, "params", T5, [(1.0, 320, "2.1 M")], without=BACKBONE, **COCO),
    *published_rows(V2, "macs", T5, [(1.0, 320, "0.35 B")], without=BACKBONE, **COCO,
                    unexplained="177,617,344, half of it: a product and its addition may count as "
                                "two here, which they do not in the dense head's 1.25 B"),
    *published_rows(V2, "params", T6, [(1.0, 320, "4.3 M")], **COCO),
    *published_rows(V2, "macs", T6, [(1.0, 320, "0.8 B")], **COCO),
    *published_rows(V2, "params", V3_T6, [(1.0, 320, "4.3 M")], **COCO),
    *published_rows(V2, "macs", V3_T6, [(1.0, 320, "0.80 B")], **COCO,
                    unexplained="788,830,144, the 0.8 of V2's paper; 91 classes give 804,397,504, "
                                "but then 4.5 M parameters"),
    *published_rows(V2, "params", V3_T6, [(0.35, 320, "0.93 M"), (0.5, 320, "1.54 M")],
                    batch_norm_vectors=0, **IDS),
    *published_rows(V2, "macs", V3_T6, [(0.35, 320, "0.16 B"), (0.5, 320, "0.27 B")], **IDS),
    *published_rows(V2, "params", "OpenVINO, Open Model Zoo, ssdlite_mobilenet_v2",
                    [(1.0, 300, "4.475 M")], batch_norm_vectors=1, **IDS),
    *published_rows(V3, "params", V3_T6, [(1.0, 320, "4.97 M")], batch_norm_vectors=0,
                    reduced_tail=False, **IDS),
    *published_rows(V3, "macs", V3_T6, [(1.0, 320, "0.62 B")], reduced_tail=False, **IDS,
                    unexplained="613,143,104; 618,140,211 if adding a bias counts as half, batch "
                                "norm folded into one"),
    *published_rows(V3, "params", V3_T6, [(1.0, 320, "3.22 M")], batch_norm_vectors=0, **IDS),
    *published_rows(V3, "macs", V3_T6, [(1.0, 320, "0.51 B")], **IDS),
    *published_rows(SMALL, "params", V3_T6, [(1.0, 320, "2.49 M")], batch_norm_vectors=0,
                    reduced_tail=False, **IDS),
    *published_rows(SMALL, "macs", V3_T6, [(1.0, 320, "0.21 B")], reduced_tail=False, **IDS),
    *published_rows(SMALL, "params", V3_T6, [(1.0, 320, "1.77 M")], batch_norm_vectors=0, **IDS),
    *published_rows(SMALL, "macs", V3_T6, [(1.0, 320, "0.16 B")], **IDS),
    *published_rows(V3, "params", "torchvision, SSDLite320_MobileNet_V3_Large_Weights",
                    [(1.0, 320, "3.440060 M")]),
    *published_rows(V3, "macs", "torchvision, SSDLite320_MobileNet_V3_Large_Weights",
                    [(1.0, 320, "0.583 G")]),
    *published_rows(V3, "params", "TensorFlow, ssdlite_mobilenet_v3_large_320x320_coco.config",
                    [(1.0, 320, "3.22 M")], batch_norm_vectors=0, **IDS),
)
# fmt: on
