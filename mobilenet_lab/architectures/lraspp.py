"""LR-ASPP: MobileNetV3's head for semantic segmentation.

Idea: of DeepLab's pyramid of dilated convolutions only the two cheapest parts are left, a 1x1
convolution and a global pool, which gates the other's channels as squeeze-and-excitation does. A
1x1 convolution makes scores of that coarse map and one of a finer map; their sum is upsampled. The
backbone keeps its last stage at stride 16 by dilation.

Deviations from the paper: built as torchvision's. The pool is global (the paper's has windows of
49x49 at strides 16 and 20, and its gates are upsampled). The gate has no bias. The fine map is
that behind the first block of stride 8; DeepLab's code takes the last block's depthwise output. The
dilation begins in the first block of the last stage, TF-slim's in the second. torchvision has no
Small; it is built by the same rules. 21 classes and a side of 520 are those of torchvision's
weights; for Cityscapes ask for 19 and 1024x2048.

The paper's RF2 (`rf2`) halves the last stage and the 1x1 behind it. As in DeepLab's code, and
other than in `mobilenet_v3` and torchvision, the expansion that leads into the stage is halved,
too: only so are Table 7's parameters reproduced. Its MACs count more than convolutions.

Upsampling does not align corners. The head's receptive field is known where its fine map has a
whole number of times the coarse one's sides (at 1024, not at 520); else the two drift apart.
"""

from mobilenet_lab.architectures import mobilenet_v3
from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import published_rows

PAPER = mobilenet_v3.PAPER

FILTERS = 128
OUTPUT_STRIDES = (16, 32)
LOW = {"large": "stage3.0", "small": "stage2.0"}
"""Size -> the block that gives the fine map, the first of stride 8."""


def lite_raspp(net: Net, low: Feature, high: Feature, filters: int, classes: int) -> Feature:
    """Scores at the size of `low`, from it and the gated coarse map `high` (Figure 10)."""
    h = high
    h = net.conv(h, filters, 1, act="relu", name="reduce")
    with net.scope("gate"):
        gate = net.adaptive_avg_pool(high)
        gate = net.conv2d(gate, filters, 1)
        gate = net.act(gate, "sigmoid", name="act")
    h = net.mul(h, gate)
    h = net.upsample(h, size=(low.height, low.width), mode="bilinear")
    low = net.conv2d(low, classes, 1, bias=True, name="low")
    high = net.conv2d(h, classes, 1, bias=True, name="high")
    return net.add(low, high)


def trace(
    width: float = 1.0,
    resolution: int | Pair = 520,
    classes: int = 21,
    in_channels: int = 3,
    *,
    size: str = "large",
    filters: int = FILTERS,
    output_stride: int = 16,
    rf2: bool = False,
) -> Trace:
    """The network over shapes: in_channels x H x W in, a map of classes x H x W scores out.

    `size` (large or small) and `width` are the backbone's, `filters` the channels of the head,
    `output_stride` (16 or 32) that of the coarse map. `rf2` halves the backbone's last stage.

    Raises:
        UnknownNameError: no such size.
        LabError: no such output stride.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise LabError(f"output_stride is 16 or 32, not {quoted(output_stride)}")
    net = Net()
    image = net.input(in_channels, resolution)
    with net.part("backbone"):
        x = mobilenet_v3.features(
            net,
            image,
            width,
            size,
            reduced_tail=rf2,
            dilated=output_stride == 16,
            reduced_entry=rf2,
        )
        x = mobilenet_v3.last_conv(net, x, width, size, reduced_tail=rf2)
    low = net.tap("low", net.feature(f"backbone.{LOW[size]}.project.norm"))
    high = net.tap("high", x)
    with net.stage("head", role="head"):
        x = lite_raspp(net, low, high, filters, classes)
    x = net.upsample(x, size=(image.height, image.width), mode="bilinear")
    return net.trace(x)


LARGE, SMALL = "lraspp_mobilenet_v3_large", "lraspp_mobilenet_v3_small"
TABLE_7 = "arXiv 1905.02244v5, Table 7 (Cityscapes)"
TABLE_8 = "arXiv 1905.02244v5, Table 8 (Cityscapes)"
ZOO = "TensorFlow DeepLab, model_zoo.md (output stride 32)"
WHOLE, HALF = (1024, 2048), (512, 1024)
AT_16 = {"classes": 19, "rf2": True}
AT_32 = {"classes": 19, "output_stride": 32, "rf2": True}


def _more(macs: str) -> str:
    return (
        f"{macs} in DeepLab's code (sides of 1 more, a wider stride-8 tap); h-swish, gates, sums "
        "and the last upsampling come to about the rest, in no count that fits all rows"
    )


# fmt: off
PUBLISHED = (
    *published_rows(LARGE, "params", TABLE_7, [(1.0, WHOLE, "1.51 M")], **AT_16),
    *published_rows(LARGE, "params", TABLE_7, [(1.0, WHOLE, "1.63 M")], filters=256, **AT_16),
    *published_rows(LARGE, "macs", TABLE_7, [(1.0, WHOLE, "9.74 B")], **AT_16,
                    unexplained=_more("9.53 B")),
    *published_rows(LARGE, "macs", TABLE_7, [(1.0, WHOLE, "10.33 B")], filters=256, **AT_16,
                    unexplained=_more("10.13 B")),
    *published_rows(SMALL, "params", TABLE_7, [(1.0, WHOLE, "0.47 M")], **AT_16),
    *published_rows(SMALL, "macs", TABLE_7, [(1.0, WHOLE, "2.90 B")], **AT_16,
                    unexplained=_more("2.78 B")),
    *published_rows(LARGE, "macs", TABLE_8, [(1.0, WHOLE, "9.74 B")], **AT_16,
                    unexplained=_more("9.53 B")),
    *published_rows(LARGE, "macs", TABLE_8, [(1.0, HALF, "2.48 B")], **AT_16,
                    unexplained=_more("2.43 B")),
    *published_rows(LARGE, "macs", TABLE_8, [(1.0, WHOLE, "7.74 B")], **AT_32,
                    unexplained=_more("7.58 B")),
    *published_rows(LARGE, "macs", TABLE_8, [(1.0, HALF, "1.98 B")], **AT_32,
                    unexplained=_more("1.93 B")),
    *published_rows(SMALL, "macs", TABLE_8, [(1.0, WHOLE, "2.90 B")], **AT_16,
                    unexplained=_more("2.78 B")),
    *published_rows(SMALL, "macs", TABLE_8, [(1.0, WHOLE, "2.06 B")], **AT_32,
                    unexplained=_more("1.96 B")),
    *published_rows(SMALL, "macs", TABLE_8, [(1.0, HALF, "0.53 B")], **AT_32,
                    unexplained=_more("0.50 B")),
    *published_rows(LARGE, "macs", ZOO, [(1.0, WHOLE, "15.95 B")], **AT_32,
                    unexplained="about twice Table 8's 7.74 B: FLOPs, it seems"),
    *published_rows(SMALL, "macs", ZOO, [(1.0, WHOLE, "4.63 B")], **AT_32,
                    unexplained="about twice Table 8's 2.06 B: FLOPs, it seems"),
    *published_rows(LARGE, "params", "torchvision, LRASPP_MobileNet_V3_Large_Weights",
                    [(1.0, 520, "3.221538 M")]),
    *published_rows(LARGE, "macs", "torchvision, LRASPP_MobileNet_V3_Large_Weights",
                    [(1.0, 520, "2.086 G")]),
)
# fmt: on
