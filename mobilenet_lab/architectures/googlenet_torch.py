"""GoogLeNet (Inception v1) over tensors: the twin of `googlenet`."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from mobilenet_lab.architectures.googlenet import (
    AUX_CONV,
    AUX_DROPOUT,
    AUX_HIDDEN,
    AUXILIARY,
    CONV_2,
    EPS,
    LRN,
    MULTIPLIER,
    PRINTED,
    REDUCE_2,
    STEM,
    TABLE_1,
    TORCHVISION,
    Form,
    Row,
)
from mobilenet_lab.blocks_torch import Classifier, ConvNormAct


class ConvAct(nn.Sequential):
    """Convolution with a bias, and ReLU; the padding keeps the size at stride 1."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2)
        parts["act"] = nn.ReLU()
        super().__init__(parts)


def conv(form: Form, c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Module:
    """N x c_in x H x W to N x c_out x H/stride x W/stride (rounded up)."""
    if form.batch_norm:
        return ConvNormAct(c_in, c_out, kernel, stride, eps=EPS)
    return ConvAct(c_in, c_out, kernel, stride)


class SeparableStem(nn.Module):
    """N x c_in x H x W to N x c_out x H/2 x W/2 (rounded up): 7x7 depthwise, then 1x1."""

    def __init__(self, form: Form, c_in: int, c_out: int) -> None:
        super().__init__()
        c = c_in * MULTIPLIER
        self.depthwise = nn.Conv2d(c_in, c, 7, stride=2, padding=3, groups=c_in, bias=False)
        self.pointwise = conv(form, c, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(x)
        return self.pointwise(x)


class SecondConv(nn.Module):
    """N x c_in x H x W to N x c_out x H x W: 1x1 that reduces, then 3x3."""

    def __init__(self, form: Form, c_in: int, reduce: int, c_out: int) -> None:
        super().__init__()
        self.reduce3x3 = conv(form, c_in, reduce, 1)
        self.conv3x3 = conv(form, reduce, c_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce3x3(x)
        return self.conv3x3(x)


class Inception(nn.Module):
    """N x c_in x H x W to N x (the four branches' channels) x H x W."""

    def __init__(self, form: Form, c_in: int, row: Row) -> None:
        super().__init__()
        self.conv1x1 = conv(form, c_in, row.conv1x1, 1)
        self.reduce3x3 = conv(form, c_in, row.reduce3x3, 1)
        self.conv3x3 = conv(form, row.reduce3x3, row.conv3x3, 3)
        self.reduce5x5 = conv(form, c_in, row.reduce5x5, 1)
        self.conv5x5 = conv(form, row.reduce5x5, row.conv5x5, form.large)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.pool_proj = conv(form, c_in, row.pool_proj, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv1x1(x)
        b = self.conv3x3(self.reduce3x3(x))
        c = self.conv5x5(self.reduce5x5(x))
        d = self.pool_proj(self.pool(x))
        return torch.cat([a, b, c, d], dim=1)


class AuxiliaryClassifier(nn.Module):
    """N x c_in x H x W to N x classes scores."""

    def __init__(self, form: Form, c_in: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = conv(form, c_in, AUX_CONV, 1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(AUX_CONV * 4 * 4, AUX_HIDDEN)
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(AUX_DROPOUT)
        self.linear = nn.Linear(AUX_HIDDEN, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        x = self.conv(x)
        x = self.flatten(x)
        x = self.hidden(x)
        x = self.act(x)
        x = self.dropout(x)
        return self.linear(x)


class GoogLeNet(nn.Module):
    """N x in_channels x H x W images to N x classes scores (logits).

    With `auxiliary`, to a tuple of three such scores: the network's, aux1's and aux2's.
    """

    def __init__(
        self,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        auxiliary: bool = False,
        separable_stem: bool = False,
        torchvision: bool = False,
    ) -> None:
        super().__init__()
        form = TORCHVISION if torchvision else PRINTED
        self.stem = (
            SeparableStem(form, in_channels, STEM)
            if separable_stem
            else conv(form, in_channels, STEM, 7, stride=2)
        )
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.lrn1 = None if form.batch_norm else nn.LocalResponseNorm(*LRN)
        self.conv2 = SecondConv(form, STEM, REDUCE_2, CONV_2)
        self.lrn2 = None if form.batch_norm else nn.LocalResponseNorm(*LRN)
        self.pool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        stage_3, stage_4, stage_5 = TABLE_1
        c = self._add_stage(form, CONV_2, stage_3)
        self.pool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        c = self._add_stage(form, c, stage_4)
        self.pool4 = nn.MaxPool2d(form.last_pool, stride=2, ceil_mode=True)
        c = self._add_stage(form, c, stage_5)
        self.auxiliary = auxiliary
        if auxiliary:
            for row in stage_4:
                if row.name in AUXILIARY:
                    head = AuxiliaryClassifier(form, channels(row), classes)
                    self.add_module(AUXILIARY[row.name], head)
        self.classifier = Classifier(c, classes, form.dropout)

    def _add_stage(self, form: Form, c: int, rows: tuple[Row, ...]) -> int:
        """Adds the modules of one stage, to which c channels come; the channels that leave it."""
        for row in rows:
            self.add_module(f"inception{row.name}", Inception(form, c, row))
            c = channels(row)
        return c

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        auxiliary: list[Tensor] = []
        x = self.stem(x)
        x = self.pool1(x)
        if self.lrn1 is not None:
            x = self.lrn1(x)
        x = self.conv2(x)
        if self.lrn2 is not None:
            x = self.lrn2(x)
        for pool, rows in zip((self.pool2, self.pool3, self.pool4), TABLE_1, strict=True):
            x = pool(x)
            for row in rows:
                x = self.get_submodule(f"inception{row.name}")(x)
                if self.auxiliary and row.name in AUXILIARY:
                    auxiliary.append(self.get_submodule(AUXILIARY[row.name])(x))
        x = self.classifier(x)
        return (x, *auxiliary) if self.auxiliary else x


def channels(row: Row) -> int:
    """What an inception module hands on: the channels of its four branches."""
    return row.conv1x1 + row.conv3x3 + row.conv5x5 + row.pool_proj


build = GoogLeNet
