"""YOLOv4 on a MobileNet over tensors: the twin of `yolov4`."""

from collections import OrderedDict
from typing import TypeAlias

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures import (
    mobilenet_v1_torch,
    mobilenet_v2_torch,
    mobilenet_v3_torch,
)
from mobilenet_lab.architectures.mobilenet_v1 import TABLE_1 as V1_TABLE
from mobilenet_lab.architectures.mobilenet_v1_torch import Full, Separable
from mobilenet_lab.architectures.mobilenet_v2 import TABLE_2 as V2_TABLE
from mobilenet_lab.architectures.mobilenet_v3 import TABLE_1 as V3_TABLE
from mobilenet_lab.architectures.yolov4 import (
    ACTIVATION,
    BOX,
    COARSE,
    FINE,
    HEADS,
    LEVELS,
    MIDDLE,
    SPP_KERNELS,
)
from mobilenet_lab.blocks_torch import ConvNormAct
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.detection.predictor_torch import corners
from mobilenet_lab.detection.yolo_torch import Cells, YoloPredictor
from mobilenet_lab.errors import UnknownNameError

Block: TypeAlias = type[Separable] | type[Full]


def narrow(c_in: int, c: int) -> ConvNormAct:
    """A 1x1 convolution with batch norm and activation."""
    return ConvNormAct(c_in, c, 1, act=ACTIVATION)


class Alternate(nn.Sequential):
    """N x c_in x H x W to N x c x H x W: 1x1, and so many times 3x3 to twice `c` and 1x1 back."""

    def __init__(self, c_in: int, c: int, times: int, block: Block) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict(narrow0=narrow(c_in, c))
        for i in range(1, times + 1):
            parts[f"widen{i}"] = block(c, 2 * c, 1, ACTIVATION)
            parts[f"narrow{i}"] = narrow(2 * c, c)
        super().__init__(parts)


class SPP(nn.Module):
    """N x c_in x H x W to N x c x H x W: the map beside its largest values over three windows."""

    def __init__(self, c_in: int, c: int, block: Block) -> None:
        super().__init__()
        self.before = Alternate(c_in, c, 1, block)
        self.pool = nn.ModuleDict({str(k): nn.MaxPool2d(k, 1, k // 2) for k in SPP_KERNELS})
        self.after = Alternate((len(SPP_KERNELS) + 1) * c, c, 1, block)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        pooled = [pool(x) for pool in self.pool.values()]
        return self.after(torch.cat((*pooled, x), 1))


class Up(nn.Module):
    """A map of half the size, and the backbone's, to N x c x H x W of the latter's size."""

    def __init__(self, c_coarse: int, c_lateral: int, c: int, block: Block) -> None:
        super().__init__()
        self.reduce = narrow(c_coarse, c)
        self.upsample = nn.Upsample(scale_factor=2)
        self.lateral = narrow(c_lateral, c)
        self.mix = Alternate(2 * c, c, 2, block)

    def forward(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        coarse = self.upsample(self.reduce(coarse))
        lateral = self.lateral(lateral)
        return self.mix(torch.cat((lateral, coarse), 1))


class Down(nn.Module):
    """A map of twice the size, and the coarser one, to N x c x H x W of the latter's size."""

    def __init__(self, c_fine: int, c: int, block: Block) -> None:
        super().__init__()
        self.shrink = block(c_fine, c, 2, ACTIVATION)
        self.mix = Alternate(2 * c, c, 2, block)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        fine = self.shrink(fine)
        return self.mix(torch.cat((fine, coarse), 1))


class Head(nn.Sequential):
    """N x c_in x H x W to N x predictions x H x W."""

    def __init__(self, c_in: int, predictions: int, block: Block) -> None:
        super().__init__()
        self.widen = block(c_in, 2 * c_in, 1, ACTIVATION)
        self.predict = nn.Conv2d(2 * c_in, predictions, 1)


Tapped: TypeAlias = tuple[nn.Module, dict[str, int]]
"""A backbone, which maps images to maps by name, and how many channels each of them has."""


def on_v1(width: float, in_channels: int) -> Tapped:
    """MobileNetV1 without its classifier."""
    features = mobilenet_v1_torch.Features(width, in_channels, activation=ACTIVATION)
    return features, {row.tap: max(int(row.c * width), 8) for row in V1_TABLE}


def on_v2(width: float, in_channels: int) -> Tapped:
    """MobileNetV2 without its last convolution."""
    features = mobilenet_v2_torch.Features(width, in_channels)
    return features, {row.tap: make_divisible(row.c * width) for row in V2_TABLE}


def on_v3(width: float, in_channels: int) -> Tapped:
    """MobileNetV3-Large without its last convolution."""
    features = mobilenet_v3_torch.Features(width, in_channels, head=False)
    return features, {row.tap: make_divisible(row.c * width) for row in V3_TABLE.rows}


BACKBONES = {"mobilenet_v1": on_v1, "mobilenet_v2": on_v2, "mobilenet_v3": on_v3}


class YOLOv4(YoloPredictor):
    """N x in_channels x H x W images to maps N x 3 (5 + classes) x H/s x W/s, s of 8, 16, 32."""

    strides = tuple(level.stride for level in LEVELS)
    anchors = tuple(level.anchors for level in LEVELS)

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 80,
        in_channels: int = 3,
        *,
        backbone: str = "mobilenet_v1",
        dense_neck: bool = False,
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise UnknownNameError("backbone", backbone, BACKBONES)
        block = Full if dense_neck else Separable
        self.backbone, channels = BACKBONES[backbone](width, in_channels)
        c3, c4, c5 = (channels[level.tap] for level in LEVELS)
        self.spp = SPP(c5, COARSE.c, block)
        self.up4 = Up(COARSE.c, c4, MIDDLE.c, block)
        self.up3 = Up(MIDDLE.c, c3, FINE.c, block)
        self.down4 = Down(FINE.c, MIDDLE.c, block)
        self.down5 = Down(MIDDLE.c, COARSE.c, block)
        for name, level in zip(HEADS, LEVELS, strict=True):
            predictions = len(level.anchors) * (BOX + classes)
            self.add_module(name, Head(level.c, predictions, block))

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        taps = self.backbone(x)
        c3, c4, c5 = (taps[level.tap] for level in LEVELS)
        p5 = self.spp(c5)
        p4 = self.up4(p5, c4)
        p3 = self.up3(p4, c3)
        p4 = self.down4(p3, p4)
        p5 = self.down5(p4, p5)
        heads = (self.get_submodule(name) for name in HEADS)
        return tuple(head(p) for head, p in zip(heads, (p3, p4, p5), strict=True))

    def boxes(self, raw: Tensor, at: Cells) -> Tensor:
        centres = (raw[..., :2].sigmoid() + at.grid) * at.stride
        sizes = raw[..., 2:].exp() * at.anchor
        return corners(centres, sizes)


build = YOLOv4
