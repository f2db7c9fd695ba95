"""The tables of the MobileNet papers, typed row by row, and a calculator that shares no code.

Each function gives {part: (parameters, MACs)} with batch norm's two learned vectors, a bias only
in the classifier, and MACs of convolutions and the linear layer.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

Counts: TypeAlias = dict[str, tuple[int, int]]

# arXiv 1704.04861, Table 1: depthwise stride, pointwise output. The last depthwise row is printed
# with stride 2; its output, 7x7 like its input, needs 1. The part is where the lab files the row.
V1_STEM = 32
V1_ROWS = (
    ("stage1", 1, 64),
    ("stage2", 2, 128),
    ("stage3", 1, 128),
    ("stage4", 2, 256),
    ("stage5", 1, 256),
    ("stage6", 2, 512),
    ("stage7", 1, 512),
    ("stage7", 1, 512),
    ("stage7", 1, 512),
    ("stage7", 1, 512),
    ("stage7", 1, 512),
    ("stage8", 2, 1024),
    ("stage9", 1, 1024),
)

# arXiv 1801.04381, Table 2: t, c, n, s
V2_STEM = 32
V2_ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
V2_HEAD = 1280


def cut(channels: float) -> int:
    """TF-slim's rule for V1."""
    return max(int(channels), 8)


def nearest_eight(channels: float) -> int:
    """V2's rule: the multiple of 8 nearest, a tie upwards; one more if that loses over 10%."""
    rounded = min(
        range(8, int(channels) + 17, 8), key=lambda multiple: (abs(multiple - channels), -multiple)
    )
    return rounded if 10 * rounded >= 9 * channels else rounded + 8


class _Sum:
    """Adds convolutions up by part while the map shrinks."""

    def __init__(self, in_channels: int, height: int, width: int) -> None:
        self.channels, self.height, self.width = in_channels, height, width
        self.counts: Counts = {}

    def add(self, part: str, params: int, macs: int) -> None:
        had = self.counts.get(part, (0, 0))
        self.counts[part] = (had[0] + params, had[1] + macs)

    def conv(self, part: str, kernel: int, c: int, stride: int = 1) -> None:
        self._conv(part, kernel * kernel * self.channels * c, c, stride)

    def depthwise(self, part: str, stride: int) -> None:
        self._conv(part, 9 * self.channels, self.channels, stride)

    def _conv(self, part: str, weights: int, c: int, stride: int) -> None:
        # symmetric padding: half the side, rounded up
        self.height = (self.height + stride - 1) // stride
        self.width = (self.width + stride - 1) // stride
        self.channels = c
        self.add(part, weights + 2 * c, weights * self.height * self.width)

    def classifier(self, classes: int) -> Counts:
        weights = self.channels * classes
        self.add("classifier", weights + classes, weights)
        return self.counts


def mobilenet_v1(
    width: float = 1.0,
    height: int = 224,
    across: int = 224,
    classes: int = 1000,
    in_channels: int = 3,
    full: bool = False,
    by_kind: bool = False,
) -> Counts:
    """By stage, or by kind of layer (stem, depthwise, pointwise, classifier)."""
    net = _Sum(in_channels, height, across)
    net.conv("stem", 3, cut(V1_STEM * width), 2)
    for part, stride, c in V1_ROWS:
        if full:
            net.conv(part, 3, cut(c * width), stride)
        else:
            net.depthwise("depthwise" if by_kind else part, stride)
            net.conv("pointwise" if by_kind else part, 1, cut(c * width))
    return net.classifier(classes)


def mobilenet_v2(
    width: float = 1.0,
    height: int = 224,
    across: int = 224,
    classes: int = 1000,
    in_channels: int = 3,
    rows: Iterable[tuple[int, int, int, int]] = V2_ROWS,
    expand_always: bool = False,
    scale: Callable[[float], int] = nearest_eight,
) -> Counts:
    """By stage; `expand_always` gives the t = 1 block an expansion that it should not have."""
    net = _Sum(in_channels, height, across)
    net.conv("stem", 3, scale(V2_STEM * width), 2)
    for number, (t, c, n, s) in enumerate(rows, start=1):
        part = f"stage{number}"
        for i in range(n):
            if t > 1 or expand_always:
                net.conv(part, 1, net.channels * t)
            net.depthwise(part, s if i == 0 else 1)
            net.conv(part, 1, scale(c * width))
    net.conv("head", 1, scale(V2_HEAD * width) if width > 1 else V2_HEAD)
    return net.classifier(classes)


def total(counts: Counts) -> tuple[int, int]:
    """Parameters and MACs of all parts."""
    return sum(params for params, _ in counts.values()), sum(macs for _, macs in counts.values())
