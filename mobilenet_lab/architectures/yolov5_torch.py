"""YOLOv5 over tensors: the twin of `yolov5`."""

from collections.abc import Mapping, Sequence
from math import ceil

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures.mobilenet_v3 import TABLE_1
from mobilenet_lab.architectures.mobilenet_v3_torch import Features
from mobilenet_lab.architectures.yolov5 import (
    ANCHORS,
    BACKBONE_EPS,
    BACKBONE_MOMENTUM,
    BOX,
    CONFIGS,
    EPS,
    MOBILENET_TAPS,
    MOMENTUM,
    SIZES,
    STRIDES,
    Row,
)
from mobilenet_lab.blocks_torch import ConvNormAct
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.detection.predictor_torch import corners
from mobilenet_lab.detection.yolo_torch import Cells, YoloPredictor
from mobilenet_lab.errors import UnknownNameError


class Conv(ConvNormAct):
    """N x c_in x H x W to N x c x H/s x W/s. The printed padding is (k - 1) // 2, also of 6x6."""

    def __init__(self, c_in: int, c: int, k: int = 1, s: int = 1, p: int | None = None) -> None:
        super().__init__(c_in, c, k, s, act="silu", eps=EPS, momentum=MOMENTUM)


class Bottleneck(nn.Module):
    """N x c x H x W to the same: 1x1, 3x3, and a residual if it has a shortcut."""

    def __init__(self, c: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = Conv(c, c, 1)
        self.conv2 = Conv(c, c, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x)
        h = self.conv2(h)
        return x + h if self.shortcut else h


class C3(nn.Module):
    """N x c_in x H x W to N x c x H x W: half through `n` bottlenecks, half around them."""

    def __init__(self, c_in: int, c: int, n: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = c // 2
        self.main = Conv(c_in, hidden)
        self.bottlenecks = nn.Sequential(*[Bottleneck(hidden, shortcut) for _ in range(n)])
        self.around = Conv(c_in, hidden)
        self.merge = Conv(2 * hidden, c)

    def forward(self, x: Tensor) -> Tensor:
        h = self.main(x)
        h = self.bottlenecks(h)
        return self.merge(torch.cat((h, self.around(x)), 1))


class SPPF(nn.Module):
    """N x c_in x H x W to N x c x H x W: the map, and its largest values near and far."""

    def __init__(self, c_in: int, c: int, k: int) -> None:
        super().__init__()
        hidden = c_in // 2
        self.reduce = Conv(c_in, hidden)
        self.pool1 = nn.MaxPool2d(k, 1, k // 2)
        self.pool2 = nn.MaxPool2d(k, 1, k // 2)
        self.pool3 = nn.MaxPool2d(k, 1, k // 2)
        self.merge = Conv(4 * hidden, c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        near = self.pool1(x)
        further = self.pool2(near)
        far = self.pool3(further)
        return self.merge(torch.cat((x, near, further, far), 1))


class Concat(nn.Module):
    """Features one after another along an axis of N x C x H x W."""

    def __init__(self, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *features: Tensor) -> Tensor:
        return torch.cat(features, self.axis)


class Rows(nn.ModuleDict):
    """Some rows of a list, each under its number and module: 9_c3.

    `channels` says how many each row that is read gives, and is told how many these give.
    """

    def __init__(
        self, rows: Sequence[Row], channels: dict[int, int], depth: float, width: float
    ) -> None:
        super().__init__()
        self.rows = rows
        for row in rows:
            c_in = sum(channels[row.i + i if i < 0 else i] for i in row.source)
            if row.module == "Concat":
                channels[row.i] = c_in
                self[self.key(row)] = Concat(*row.arguments)
                continue
            if row.module == "Upsample":
                channels[row.i] = c_in
                self[self.key(row)] = nn.Upsample(*row.arguments)
                continue
            c, *more = row.arguments
            c = channels[row.i] = ceil(c * width / 8) * 8
            if row.module == "Conv":
                self[self.key(row)] = Conv(c_in, c, *more)
            elif row.module == "SPPF":
                self[self.key(row)] = SPPF(c_in, c, *more)
            else:
                self[self.key(row)] = C3(c_in, c, max(round(row.n * depth), 1), *more)

    @staticmethod
    def key(row: Row) -> str:
        return f"{row.i}_{row.module.lower()}"

    def forward(self, made: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """All that was made before, by number, and what these rows make of it."""
        made = dict(made)
        for row in self.rows:
            x = [made[row.i + i if i < 0 else i] for i in row.source]
            made[row.i] = self[self.key(row)](*x)
        return made


class YOLOv5(YoloPredictor):
    """N x in_channels x H x W images to maps N x 3 (5 + classes) x H/s x W/s, s of 8, 16, 32."""

    strides, anchors = STRIDES, ANCHORS

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 80,
        in_channels: int = 3,
        *,
        config: str = "mobilenet_v3_large",
        size: str = "n",
    ) -> None:
        super().__init__()
        if config not in CONFIGS:
            raise UnknownNameError("config", config, CONFIGS)
        if size not in SIZES:
            raise UnknownNameError("size", size, SIZES)
        rows, (depth, multiple) = CONFIGS[config], SIZES[size]
        channels = {-1: in_channels}
        self.backbone: Features | Rows
        if rows.backbone:
            self.backbone = Rows(rows.backbone, channels, depth, multiple * width)
        else:
            self.backbone = Features(
                width,
                in_channels,
                squeeze_divisor=1,
                eps=BACKBONE_EPS,
                momentum=BACKBONE_MOMENTUM,
            )
            tapped = {row.tap: make_divisible(row.c * width) for row in TABLE_1.rows}
            tapped["C5"] = self.backbone.channels
            channels |= {i: tapped[tap] for i, tap in MOBILENET_TAPS.items()}
        self.neck = Rows(rows.neck, channels, depth, multiple)
        self.detect = rows.detect.source
        self.head = nn.ModuleDict()
        for i, stride, sizes in zip(self.detect, STRIDES, ANCHORS, strict=True):
            predictions = len(sizes) * (BOX + classes)
            self.head[f"stride{stride}"] = nn.Conv2d(channels[i], predictions, 1)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        made = {-1: x}
        if isinstance(self.backbone, Rows):
            made = self.backbone(made)
        else:
            taps = self.backbone(x)
            taps["C5"] = taps["head"]
            made |= {i: taps[tap] for i, tap in MOBILENET_TAPS.items()}
        made = self.neck(made)
        return tuple(head(made[i]) for i, head in zip(self.detect, self.head.values(), strict=True))

    def boxes(self, raw: Tensor, at: Cells) -> Tensor:
        raw = 2 * raw.sigmoid()
        centres = (raw[..., :2] - 0.5 + at.grid) * at.stride
        sizes = raw[..., 2:] ** 2 * at.anchor
        return corners(centres, sizes)


build = YOLOv5
