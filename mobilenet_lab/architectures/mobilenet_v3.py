"""MobileNetV3: searched blocks, squeeze-and-excitation, h-swish and a cheaper last stage.

Idea: V2's inverted residual stays; a search (platform-aware NAS for the blocks, NetAdapt for the
widths) chose kernel, expansion and activation of each. Some blocks gate their channels
(squeeze-and-excitation on the expanded map). h-swish replaces swish in the deep half. The last
expensive 1x1 moves behind the pool, where it sees one position instead of 49.

Deviations from the paper: the squeeze is a quarter of the expansion rounded by make_divisible, as
in all code that the published weights fit (the text says one quarter). Table 2 ticks SE at the
last convolution of Small; no implementation has it. The head's two 1x1 convolutions behind the
pool are linear layers here, as in torchvision: the same numbers.

Width is scaled in two ways in practice (`scaling`):
- "torchvision": the expanded channels are scaled and rounded by themselves; so are the last 1280
  (1024), also below width 1.
- "slim": the expanded channels are the scaled input times the ratio of width 1, rounded; the last
  1280 (1024) are kept below width 1. TF-slim (fine-grained), timm and the paper's table do so.
"""

from itertools import groupby
from typing import NamedTuple

from mobilenet_lab.blocks import squeeze_excite
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.sources import Paper, published_rows

PAPER = Paper("Searching for MobileNetV3", "Howard et al.", 2019, "arXiv 1905.02244")


class Row(NamedTuple):
    """A row of Table 1 or 2: one block. Rows of one output width make a stage."""

    k: int
    """kernel"""
    exp: int
    """expanded channels"""
    c: int
    """output channels"""
    se: bool
    """squeeze-and-excitation"""
    nl: str
    """non-linearity: RE (ReLU) or HS (h-swish)"""
    s: int
    """stride"""
    tap: str = ""


class Table(NamedTuple):
    """What one of the two tables prints."""

    rows: tuple[Row, ...]
    head: int
    """channels of the last convolution before the pool"""
    last: int
    """channels behind the pool"""


SE, __ = True, False
STEM = 16
TABLE_1 = Table(
    (
        #   k  exp    c  SE   NL  s
        Row(3, 16, 16, __, "RE", 1, "C1"),
        Row(3, 64, 24, __, "RE", 2),
        Row(3, 72, 24, __, "RE", 1, "C2"),
        Row(5, 72, 40, SE, "RE", 2),
        Row(5, 120, 40, SE, "RE", 1),
        Row(5, 120, 40, SE, "RE", 1, "C3"),
        Row(3, 240, 80, __, "HS", 2),
        Row(3, 200, 80, __, "HS", 1),
        Row(3, 184, 80, __, "HS", 1),
        Row(3, 184, 80, __, "HS", 1),
        Row(3, 480, 112, SE, "HS", 1),
        Row(3, 672, 112, SE, "HS", 1, "C4"),
        Row(5, 672, 160, SE, "HS", 2),
        Row(5, 960, 160, SE, "HS", 1),
        Row(5, 960, 160, SE, "HS", 1, "C5"),
    ),
    head=960,
    last=1280,
)
TABLE_2 = Table(
    (
        #   k  exp   c  SE   NL  s
        Row(3, 16, 16, SE, "RE", 2, "C2"),
        Row(3, 72, 24, __, "RE", 2),
        Row(3, 88, 24, __, "RE", 1, "C3"),
        Row(5, 96, 40, SE, "HS", 2),
        Row(5, 240, 40, SE, "HS", 1),
        Row(5, 240, 40, SE, "HS", 1),
        Row(5, 120, 48, SE, "HS", 1),
        Row(5, 144, 48, SE, "HS", 1, "C4"),
        Row(5, 288, 96, SE, "HS", 2),
        Row(5, 576, 96, SE, "HS", 1),
        Row(5, 576, 96, SE, "HS", 1, "C5"),
    ),
    head=576,
    last=1024,
)
TABLES = {"large": TABLE_1, "small": TABLE_2}
NONLINEARITIES = {"RE": "relu", "HS": "hardswish"}
SCALINGS = ("torchvision", "slim")
EPS, MOMENTUM = 1e-3, 1e-2
DROPOUT = 0.2


def inverted_residual(
    net: Net,
    x: Feature,
    row: Row,
    exp: int,
    c: int,
    stride: int,
    dilation: int,
    squeeze_divisor: int,
    eps: float,
) -> Feature:
    """V2's block with a kernel, a gate and a non-linearity of its own (Figure 4)."""
    act = NONLINEARITIES[row.nl]
    h = x
    if exp != x.channels:
        h = net.conv(h, exp, 1, act=act, eps=eps, name="expand")
    h = net.conv(
        h, exp, row.k, stride, dilation=dilation, groups=exp, act=act, eps=eps, name="depthwise"
    )
    if row.se:
        squeeze = make_divisible(exp / 4, squeeze_divisor)
        h = squeeze_excite(net, h, squeeze, "relu", "hardsigmoid")
    h = net.conv(h, c, 1, act=None, eps=eps, name="project")
    return net.add(x, h) if row.s == 1 and x.channels == c else h


def minimal(row: Row) -> Row:
    """The row of the minimalistic networks: no 5x5, no gate, no h-swish."""
    return row._replace(k=3, se=False, nl="RE")


def features(
    net: Net,
    x: Feature,
    width: float,
    size: str = "large",
    scaling: str = "torchvision",
    minimalistic: bool = False,
    reduced_tail: bool = False,
    dilated: bool = False,
    squeeze_divisor: int = 8,
    eps: float = EPS,
    reduced_entry: bool = False,
) -> Feature:
    """Stem and blocks, without the last convolution; C1 ... C5 are tapped.

    The options are those of `trace`; `squeeze_divisor` 1 leaves the squeeze unrounded, and
    `reduced_entry` halves the expansion that leads into the last stage (as DeepLab's code does).

    Raises:
        UnknownNameError: no such size or scaling.
    """
    if size not in TABLES:
        raise UnknownNameError("size", size, TABLES)
    if scaling not in SCALINGS:
        raise UnknownNameError("scaling", scaling, SCALINGS)
    table, half = TABLES[size], 2 if reduced_tail else 1
    c_in = STEM  # at width 1
    act = last_activation(minimalistic)
    x = net.conv(x, make_divisible(STEM * width), 3, stride=2, act=act, eps=eps, name="stem")
    stages = [list(rows) for _, rows in groupby(table.rows, key=lambda row: row.c)]
    for number, rows in enumerate(stages, start=1):
        tail = number == len(stages)
        with net.stage(f"stage{number}"):
            for i, printed in enumerate(rows):
                row = minimal(printed) if minimalistic else printed
                exp, c = row.exp, row.c
                if tail:  # the first expansion still belongs to the stage before
                    entry = 2 if reduced_entry else 1
                    exp, c = exp // (half if i else entry), c // half
                stride, dilation = (1, 2) if tail and dilated else (row.s, 1)
                if scaling == "slim":
                    wide = make_divisible(x.channels * exp / c_in)
                else:
                    wide = make_divisible(exp * width)
                with net.block(str(i)):
                    thin = make_divisible(c * width)
                    x = inverted_residual(
                        net, x, row, wide, thin, stride, dilation, squeeze_divisor, eps
                    )
                c_in = c
        if rows[-1].tap:
            net.tap(rows[-1].tap, x)
    return x


def last_activation(minimalistic: bool) -> str:
    """Of the stem, the last convolution and the hidden layer."""
    return "relu" if minimalistic else "hardswish"


def last_conv(
    net: Net,
    x: Feature,
    width: float,
    size: str = "large",
    scaling: str = "torchvision",
    minimalistic: bool = False,
    reduced_tail: bool = False,
    eps: float = EPS,
) -> Feature:
    """The 1x1 convolution before the pool; torchvision takes six times what the last block gives,
    TF-slim scales the printed channels."""
    c = 6 * x.channels
    if scaling == "slim":
        c = make_divisible(TABLES[size].head // (2 if reduced_tail else 1) * width)
    return net.conv(x, c, 1, act=last_activation(minimalistic), eps=eps, name="head")


def trace(
    width: float = 1.0,
    resolution: int | Pair = 224,
    classes: int = 1000,
    in_channels: int = 3,
    *,
    size: str = "large",
    scaling: str = "torchvision",
    minimalistic: bool = False,
    reduced_tail: bool = False,
    dilated: bool = False,
    hidden: int | None = None,
    eps: float = EPS,
) -> Trace:
    """The network over shapes: in_channels x H x W in, `classes` scores out.

    `size` is large (Table 1) or small (Table 2); `scaling` one of SCALINGS, which differ where the
    width is not 1. `reduced_tail` halves the last stage and what follows, `dilated` keeps its map
    at stride 16 (both for detection and segmentation, as torchvision does them). `hidden` features
    behind the pool take the place of the table's, at any width. `eps` is batch norm's: timm's
    weights were trained with 1e-5.

    Raises:
        UnknownNameError: no such size or scaling.
    """
    net = Net()
    x = net.input(in_channels, resolution)
    x = features(
        net,
        x,
        width,
        size,
        scaling,
        minimalistic,
        reduced_tail,
        dilated,
        squeeze_divisor=8,
        eps=eps,
    )
    x = last_conv(net, x, width, size, scaling, minimalistic, reduced_tail, eps)
    if hidden is None:
        hidden = TABLES[size].last // (2 if reduced_tail else 1)
        if scaling == "torchvision" or width > 1:
            hidden = make_divisible(hidden * width)
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x)
        x = net.flatten(x)
        x = net.linear(x, hidden, name="hidden")
        x = net.act(x, last_activation(minimalistic))
        x = net.dropout(x, DROPOUT)
        x = net.linear(x, classes)
    return net.trace(x)


LARGE, SMALL = "mobilenet_v3_large", "mobilenet_v3_small"
SLIM = "TF-slim, nets/mobilenet/README.md"
FIRST = "arXiv 1905.02244v1, Table 3"
DRAFT = "arXiv 1905.02244 before v5, Table 3"
TABLE_3, TABLE_9 = "arXiv 1905.02244v5, Table 3", "arXiv 1905.02244v5, Table 9"
AS_SLIM = {"scaling": "slim"}
# Small of the drafts had Large's 1280 features behind the pool; some counts of it were kept
SMALL_1280 = {"scaling": "slim", "hidden": 1280}
ALL_ELSE = "Table 9 has 217; a count that adds products, sums and divisions halves to 219.4"
STRIDE = (
    "66.2 M if also stride 2 comes one block later: version 1 of the paper prints 1 for the block "
    "of 96; at width 0.75 that is not so"
)
ROUNDED_UP = "ours rounded up, as no other row of the table is"

# fmt: off
PUBLISHED = (
    *published_rows(LARGE, "params", FIRST, [(1.0, 224, "5.4 M"), (0.75, 224, "4 M")], **AS_SLIM),
    *published_rows(LARGE, "macs", FIRST, [(0.75, 224, "155 M")], **AS_SLIM),
    *published_rows(LARGE, "macs", FIRST, [(1.0, 224, "219 M")], unexplained=ALL_ELSE),
    *(row for source in (FIRST, DRAFT) for row in (
        *published_rows(SMALL, "params", source, [(1.0, 224, "2.9 M"), (0.75, 224, "2.4 M")],
                        **SMALL_1280),
        *published_rows(SMALL, "macs", source, [(0.75, 224, "44 M")], **SMALL_1280),
        *published_rows(SMALL, "macs", source, [(1.0, 224, "66 M")], **SMALL_1280,
                        unexplained=STRIDE),
    )),
    *published_rows(LARGE, "params", TABLE_3, [(1.0, 224, "5.4 M"), (0.75, 224, "4.0 M")],
                    **AS_SLIM),
    *published_rows(LARGE, "macs", TABLE_3, [(0.75, 224, "155 M")], **AS_SLIM),
    *published_rows(LARGE, "macs", TABLE_3, [(1.0, 224, "219 M")], unexplained=ALL_ELSE),
    *published_rows(SMALL, "params", TABLE_3, [(1.0, 224, "2.5 M"), (0.75, 224, "2.0 M")],
                    **AS_SLIM),
    *published_rows(SMALL, "macs", TABLE_3, [(1.0, 224, "56 M")]),
    *published_rows(SMALL, "macs", TABLE_3, [(0.75, 224, "44 M")], **SMALL_1280),
    *published_rows(LARGE, "params", TABLE_9,
                    [(1.0, 224, "5.4 M"), (0.75, 224, "4.0 M"), (0.5, 224, "2.6 M")], **AS_SLIM),
    # TF-slim keeps the 1280 above width 1, too; the MACs beside it are those of 1600
    *published_rows(LARGE, "params", TABLE_9, [(1.25, 224, "7.5 M")], scaling="slim", hidden=1280),
    *published_rows(LARGE, "params", TABLE_9, [(0.35, 224, "2.2 M")], **AS_SLIM,
                    unexplained=ROUNDED_UP),
    *published_rows(LARGE, "macs", TABLE_9,
                    [(1.25, 224, "356 M"), (1.0, 224, "217 M"), (0.75, 224, "155 M"),
                     (0.5, 224, "69 M"), (1.0, 256, "282 M"), (1.0, 192, "160 M"),
                     (1.0, 160, "112 M"), (1.0, 128, "73 M"), (1.0, 96, "43 M")], **AS_SLIM),
    *published_rows(LARGE, "macs", TABLE_9, [(0.35, 224, "40 M")], **AS_SLIM,
                    unexplained=ROUNDED_UP),
    *published_rows(SMALL, "params", TABLE_9,
                    [(1.25, 224, "3.6 M"), (1.0, 224, "2.5 M"), (0.75, 224, "2.0 M"),
                     (0.5, 224, "1.6 M"), (0.35, 224, "1.4 M")], **AS_SLIM),
    *published_rows(SMALL, "macs", TABLE_9,
                    [(1.25, 224, "91 M"), (1.0, 224, "57 M"), (0.5, 224, "21 M"),
                     (0.35, 224, "12 M"), (1.0, 160, "30 M"), (1.0, 128, "20 M"),
                     (1.0, 96, "12 M")], **AS_SLIM),
    *published_rows(SMALL, "macs", TABLE_9, [(0.75, 224, "44 M"), (1.0, 256, "74 M")],
                    **SMALL_1280),
    *published_rows(LARGE, "params", "arXiv 2404.10518, Table 6", [(0.5, 224, "2.7 M")],
                    **AS_SLIM),
    *published_rows(LARGE, "macs", "arXiv 2404.10518, Table 6", [(0.5, 224, "0.1 G")], **AS_SLIM),
    *published_rows(LARGE, "params", SLIM, [(1.0, 224, "5.4 M"), (0.75, 224, "4.0 M")], **AS_SLIM),
    *published_rows(LARGE, "macs", SLIM, [(1.0, 224, "217 M"), (0.75, 224, "155 M")], **AS_SLIM),
    *published_rows(LARGE, "params", f"{SLIM}, 8-bit", [(1.0, 224, "5.4 M")]),
    *published_rows(LARGE, "macs", f"{SLIM}, 8-bit", [(1.0, 224, "217 M")]),
    *published_rows(SMALL, "params", SLIM, [(1.0, 224, "2.9 M"), (0.75, 224, "2.4 M")],
                    **SMALL_1280),
    *published_rows(SMALL, "macs", SLIM, [(0.75, 224, "44 M")], **SMALL_1280),
    *published_rows(SMALL, "macs", SLIM, [(1.0, 224, "66 M")], **SMALL_1280, unexplained=STRIDE),
    *published_rows(SMALL, "params", f"{SLIM}, 8-bit", [(1.0, 224, "2.9 M")], **SMALL_1280),
    *published_rows(SMALL, "macs", f"{SLIM}, 8-bit", [(1.0, 224, "66 M")], **SMALL_1280,
                    unexplained=STRIDE),
    *published_rows(f"{LARGE}_minimal", "params", SLIM, [(1.0, 224, "3.9 M")]),
    *published_rows(f"{LARGE}_minimal", "macs", SLIM, [(1.0, 224, "209 M")]),
    *published_rows(f"{LARGE}_minimal", "params", f"{SLIM}, 8-bit", [(1.0, 224, "3.9 M")]),
    *published_rows(f"{LARGE}_minimal", "macs", f"{SLIM}, 8-bit", [(1.0, 224, "209 M")]),
    *published_rows(f"{SMALL}_minimal", "params", SLIM, [(1.0, 224, "2.0 M")]),
    *published_rows(f"{SMALL}_minimal", "macs", SLIM, [(1.0, 224, "65 M")],
                    unexplained="64.9 M if the last stride 2 came one block later; the parameters "
                                "agree"),
)
# fmt: on
