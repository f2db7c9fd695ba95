"""SSDLite over tensors: the twin of `ssdlite`."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from mobilenet_lab.architectures import mobilenet_v2_torch, mobilenet_v3_torch
from mobilenet_lab.architectures.mobilenet_v2 import HEAD
from mobilenet_lab.architectures.ssdlite import (
    BACKBONES,
    COORDINATES,
    EACH,
    LEAST,
    RATIOS,
    STEPS_FIT,
    STYLES,
    WIDENED,
    Extra,
    Style,
)
from mobilenet_lab.blocks_torch import ConvNormAct, activation
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.detection.ssd_torch import SsdPredictor
from mobilenet_lab.errors import UnknownNameError


class V2(mobilenet_v2_torch.Features):
    """MobileNetV2's stem and blocks, and its last convolution as `head`."""

    def __init__(self, width: float, in_channels: int, scaled: bool) -> None:
        super().__init__(width, in_channels)
        c = make_divisible(HEAD * (width if scaled else max(width, 1.0)))
        self.head = ConvNormAct(self.channels, c, 1, act="relu6")
        self.channels = c


class Shrink(nn.Sequential):
    """N x c_in x H x W to N x c x H/2 x W/2 (rounded up)."""

    def __init__(self, c_in: int, row: Extra, style: Style, width: float) -> None:
        hidden, c = row
        if style.scaled:
            hidden, c = (max(int(each * width), LEAST) for each in row)
        last = None if style.linear else "relu6"
        conv = partial(ConvNormAct, eps=style.eps, momentum=style.momentum)
        super().__init__()
        self.reduce = conv(c_in, hidden, 1, act="relu6")
        self.depthwise = conv(hidden, hidden, 3, stride=2, groups=hidden, act="relu6")
        self.project = conv(hidden, c, 1, act=last)
        self.channels = c


class Head(nn.Sequential):
    """N x c_in x H x W to N x c x H x W predictions."""

    def __init__(self, c_in: int, c: int, plain: bool, style: Style) -> None:
        super().__init__()
        if not plain:
            self.depthwise = nn.Sequential()
            self.depthwise.conv = nn.Conv2d(
                c_in, c_in, 3, padding=1, groups=c_in, bias=style.head_bias
            )
            self.depthwise.norm = nn.BatchNorm2d(c_in, style.eps, style.momentum)
            self.depthwise.act = activation(style.head_act, inplace=True)
        self.predict = nn.Conv2d(c_in, c, 1)


class SSDLite(SsdPredictor):
    """N x in_channels x H x W images to the detections on each.

    In training mode and with `raw`, twelve maps: six of boxes * classes, six of boxes * 4 channels.
    """

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 4,
        in_channels: int = 3,
        *,
        backbone: str = "mobilenet_v2",
        size: str = "large",
        reduced_tail: bool = False,
        style: str = "pytorch-ssd",
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise UnknownNameError("backbone", backbone, BACKBONES)
        if style not in STYLES:
            raise UnknownNameError("style", style, STYLES)
        how = STYLES[style]
        self.classes = classes
        self.scales, self.ratios, self.finest = how.boxes.scales, RATIOS, how.boxes.finest
        self.steps, self.steps_fit = how.boxes.steps, STEPS_FIT
        self.score_threshold, self.iou_threshold, self.candidates, self.most = how.kept

        self.backbone: V2 | mobilenet_v3_torch.Features
        if backbone == "mobilenet_v2":
            self.backbone = V2(width, in_channels, how.scaled)
        else:
            self.backbone = mobilenet_v3_torch.Features(
                width,
                in_channels,
                size=size,
                scaling=how.scaling,
                reduced_tail=reduced_tail,
                eps=how.eps,
                momentum=how.momentum,
            )
        self.widened = WIDENED[size if backbone == "mobilenet_v3" else backbone]
        first: Any = self.backbone.get_submodule(f"{self.widened}.0")
        channels = [first.depthwise.conv.in_channels, self.backbone.channels]
        self.extras = nn.ModuleList()
        for row in how.extras:
            shrink = Shrink(channels[-1], row, how, width)
            self.extras.append(shrink)
            channels.append(shrink.channels)

        self.class_heads, self.box_heads = nn.ModuleList(), nn.ModuleList()
        for number, c in enumerate(channels, start=1):
            boxes = len(how.boxes.finest) if number == 1 and how.boxes.finest else EACH
            plain = how.plain_last and number == len(channels)
            self.class_heads.append(Head(c, boxes * classes, plain, how))
            self.box_heads.append(Head(c, boxes * COORDINATES, plain, how))

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = []
        for name, part in self.backbone.named_children():
            if name == self.widened:
                finest, x = widened(part, x)
                maps.append(finest)
            else:
                x = part(x)
        maps.append(x)
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        scores = [head(x) for head, x in zip(self.class_heads, maps, strict=True)]
        offsets = [head(x) for head, x in zip(self.box_heads, maps, strict=True)]
        return (*scores, *offsets)


def widened(stage: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the first block of a stage has widened `x` to, and what the stage makes of it."""
    first, *rest = stage
    wide = x if first.expand is None else first.expand(x)
    x = first.depthwise(wide)
    if getattr(first, "se", None) is not None:
        x = first.se(x)
    x = first.project(x)
    for block in rest:
        x = block(x)
    return wide, x


build = SSDLite
