"""GoogLeNet (Inception v1): convolutions of several sizes side by side.

Idea: which kernel a layer needs is not known beforehand, so it has all of them: 1x1, 3x3 and 5x5
convolutions and a pool on the same map, their channels one after another. 1x1 convolutions reduce
the channels before the large kernels, else those would be too dear. No hidden linear layers at
the end but a global average pool. While training, two auxiliary classifiers halfway push gradient
into the lower half.

Deviations from the paper: with `auxiliary` the outputs are the scores, aux1's and aux2's, in
training and in evaluation. The paper gives the local response norms no numbers, Caffe's are
built. The auxiliary pools are adaptive to 4x4, what 5x5 at stride 3 makes of 14x14, so that any
resolution works. The average pool over 7x7 is global, and the softmax at the end is left out.

Table 1 prints 2.7 K parameters and 34 M operations for the first row, a quarter of what a 7x7
convolution takes: theirs was depthwise-separable (arXiv 1610.02357, section 2), as TF-slim's
inception_v2 still has it, with 8 filters for each input channel. `separable_stem` builds that. The
printed operations of the other rows are ours, but for 5a's; most of the printed parameters fit no
count (some are weights without biases, with K = 1024).

`torchvision` differs: batch norm instead of biases and local response norms, 3x3 in the branch
that should have 5x5 (a known slip), 2x2 in the last max pool, half the dropout.
"""

from typing import NamedTuple

from mobilenet_lab.blocks import classifier
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, Published

PAPER = Paper(
    "Going Deeper with Convolutions",
    "Szegedy et al.",
    2014,
    "arXiv 1409.4842",
)


class Row(NamedTuple):
    """An inception module: a row of Table 1, with the output channels of each convolution."""

    name: str
    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce5x5: int
    conv5x5: int
    pool_proj: int


STEM = 64
REDUCE_2, CONV_2 = 64, 192
# stages 3, 4 and 5; a max pool goes before each
TABLE_1 = (
    (
        #         1x1  3x3r  3x3 5x5r 5x5 pool
        Row("3a", 64, 96, 128, 16, 32, 32),
        Row("3b", 128, 128, 192, 32, 96, 64),
    ),
    (
        Row("4a", 192, 96, 208, 16, 48, 64),
        Row("4b", 160, 112, 224, 24, 64, 64),
        Row("4c", 128, 128, 256, 24, 64, 64),
        Row("4d", 112, 144, 288, 32, 64, 64),
        Row("4e", 256, 160, 320, 32, 128, 128),
    ),
    (
        Row("5a", 256, 160, 320, 32, 128, 128),
        Row("5b", 384, 192, 384, 48, 128, 128),
    ),
)
AUXILIARY = {"4a": "aux1", "4d": "aux2"}
AUX_CONV, AUX_HIDDEN, AUX_DROPOUT = 128, 1024, 0.7
LRN = (5, 1e-4, 0.75, 1.0)
"""channels looked at, alpha, beta, k"""
MULTIPLIER = 8
"""filters for each input channel in a separable stem"""
EPS = 1e-3


class Form(NamedTuple):
    """What the paper's network and torchvision's differ in."""

    batch_norm: bool
    """batch norm; else biases, and local response norms around the second convolution"""
    large: int
    """kernel of the "5x5" branch"""
    last_pool: int
    """kernel of the last max pool"""
    dropout: float


PRINTED = Form(batch_norm=False, large=5, last_pool=3, dropout=0.4)
TORCHVISION = Form(batch_norm=True, large=3, last_pool=2, dropout=0.2)


def conv(
    net: Net, x: Feature, form: Form, c: int, kernel: int, stride: int = 1, name: str = "conv"
) -> Feature:
    """Convolution and ReLU: with a bias, or with batch norm between them."""
    if form.batch_norm:
        return net.conv(x, c, kernel, stride, eps=EPS, name=name)
    with net.scope(name):
        return net.act(net.conv2d(x, c, kernel, stride, bias=True), "relu")


def inception(net: Net, x: Feature, form: Form, row: Row) -> Feature:
    """Four branches over one map, their channels one after another (Figure 2b)."""
    a = conv(net, x, form, row.conv1x1, 1, name="conv1x1")
    b = conv(net, x, form, row.reduce3x3, 1, name="reduce3x3")
    b = conv(net, b, form, row.conv3x3, 3, name="conv3x3")
    c = conv(net, x, form, row.reduce5x5, 1, name="reduce5x5")
    c = conv(net, c, form, row.conv5x5, form.large, name="conv5x5")
    d = net.max_pool(x, 3, 1, padding=1)
    d = conv(net, d, form, row.pool_proj, 1, name="pool_proj")
    return net.concat(a, b, c, d)


def auxiliary_classifier(net: Net, x: Feature, form: Form, classes: int) -> Feature:
    """4x4 average pool, 1x1 convolution, a hidden linear layer, scores (section 5)."""
    x = net.adaptive_avg_pool(x, 4)
    x = conv(net, x, form, AUX_CONV, 1)
    x = net.flatten(x)
    x = net.act(net.linear(x, AUX_HIDDEN, name="hidden"), "relu")
    x = net.dropout(x, AUX_DROPOUT)
    return net.linear(x, classes)


def trace(
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    auxiliary: bool = False,
    separable_stem: bool = False,
    torchvision: bool = False,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out (auxiliary: thrice)."""
    net = Net()
    form = TORCHVISION if torchvision else PRINTED
    outputs = []
    x = net.input(in_channels, resolution)
    if separable_stem:
        with net.stage("stem"):
            x = net.conv2d(x, in_channels * MULTIPLIER, 7, 2, groups=in_channels, name="depthwise")
            x = conv(net, x, form, STEM, 1, name="pointwise")
    else:
        x = conv(net, x, form, STEM, 7, stride=2, name="stem")
    net.tap("C1", x)
    x = net.max_pool(x, 3, 2, ceil_mode=True, name="pool1")
    if not form.batch_norm:
        x = net.local_response_norm(x, *LRN, name="lrn1")
    with net.stage("conv2"):
        x = conv(net, x, form, REDUCE_2, 1, name="reduce3x3")
        x = conv(net, x, form, CONV_2, 3, name="conv3x3")
    if not form.batch_norm:
        x = net.local_response_norm(x, *LRN, name="lrn2")
    net.tap("C2", x)
    for number, rows in enumerate(TABLE_1, start=3):
        kernel = form.last_pool if number == 5 else 3
        x = net.max_pool(x, kernel, 2, ceil_mode=True, name=f"pool{number - 1}")
        for row in rows:
            with net.stage(f"inception{row.name}"):
                x = inception(net, x, form, row)
            if auxiliary and row.name in AUXILIARY:
                with net.stage(AUXILIARY[row.name], role="auxiliary"):
                    outputs.append(auxiliary_classifier(net, x, form, classes))
        net.tap(f"C{number}", x)
    x = classifier(net, x, classes, form.dropout)
    return net.trace(x, *outputs)


G, TV = "googlenet", "googlenet_torchvision"
OPS = (
    ("stem", "34 M"),
    ("conv2", "360 M"),
    ("inception3a", "128 M"),
    ("inception3b", "304 M"),
    ("inception4a", "73 M"),
    ("inception4b", "88 M"),
    ("inception4c", "100 M"),
    ("inception4d", "119 M"),
    ("inception4e", "170 M"),
    ("inception5a", "54 M"),
    ("inception5b", "71 M"),
    ("classifier", "1 M"),
)
"""The last column of Table 1."""
AT_224 = {"resolution": 224}
AS_COUNTED = {"resolution": 224, "separable_stem": True}

# fmt: off
PUBLISHED = (
    *[Published(G, "macs", printed, f"arXiv 1409.4842, Table 1, {stage}", AS_COUNTED,
                without=tuple(other for other, _ in OPS if other != stage),
                unexplained="51,079,168; 1072 K parameters are printed beside it, too many as well"
                            if stage == "inception5a" else "")
      for stage, printed in OPS],
    Published(G, "params", "2.7 k", "arXiv 1409.4842, Table 1, stem", AS_COUNTED,
              without=tuple(other for other, _ in OPS[1:])),
    Published(G, "macs", "1.5 B", "arXiv 1409.4842, section 1", AS_COUNTED),
    Published(G, "params", "6.8 M", "arXiv 1704.04861, Table 8", AT_224,
              unexplained="6,998,552; Table 1's printed parameters add up to 6.8 M"),
    Published(G, "macs", "1550 M", "arXiv 1704.04861, Table 8", AT_224,
              unexplained="1,582,671,872; 1,498,677,248 with the separable stem"),
    Published(G, "macs", "1500 M", "arXiv 1707.01083, Table 6", AT_224,
              unexplained="the paper's own 1.5 billion; 1,498,677,248 with the separable stem"),
    Published(TV, "params", "6.624904 M", "torchvision, GoogLeNet_Weights", AT_224),
    Published(TV, "macs", "1.498 G", "torchvision, GoogLeNet_Weights", AT_224),
)
# fmt: on
