"""VGG over tensors: the twin of `vgg`."""

from collections import OrderedDict

from torch import nn

from mobilenet_lab.architectures.vgg import CHANNELS, DROPOUT, HIDDEN, LRN, POOLED, TABLE_1
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import UnknownNameError


class ConvAct(nn.Sequential):
    """N x c_in x H x W to N x c x H x W: convolution and ReLU."""

    def __init__(self, c_in: int, c: int, kernel: int) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(c_in, c, kernel, padding=kernel // 2)
        parts["act"] = nn.ReLU(inplace=True)
        super().__init__(parts)


class Stage(nn.Sequential):
    """N x c_in x H x W to N x c x H/2 x W/2 (rounded down): convolutions and a max pool."""

    def __init__(self, c_in: int, c: int, kernels: tuple[int, ...], lrn: bool) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for i, kernel in enumerate(kernels, start=1):
            parts[f"conv{i}"] = ConvAct(c_in if i == 1 else c, c, kernel)
        if lrn:
            parts["lrn"] = nn.LocalResponseNorm(*LRN)
        parts["pool"] = nn.MaxPool2d(2)
        super().__init__(parts)


class Hidden(nn.Sequential):
    """N x f_in to N x f: a fully connected layer, ReLU, dropout."""

    def __init__(self, f_in: int, f: int) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["linear"] = nn.Linear(f_in, f)
        parts["act"] = nn.ReLU(inplace=True)
        parts["dropout"] = nn.Dropout(DROPOUT)
        super().__init__(parts)


class VGG(nn.Sequential):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        *,
        configuration: str = "D",
    ) -> None:
        super().__init__()
        if configuration not in TABLE_1:
            raise UnknownNameError("configuration", configuration, TABLE_1)
        column = TABLE_1[configuration]
        c = in_channels
        for i, kernels in enumerate(column.kernels):
            c_in, c = c, make_divisible(CHANNELS[i] * width)
            self.add_module(f"stage{i + 1}", Stage(c_in, c, kernels, column.lrn and i == 0))
        f = make_divisible(HIDDEN * width)
        classifier: OrderedDict[str, nn.Module] = OrderedDict()
        classifier["pool"] = nn.AdaptiveAvgPool2d(POOLED)
        classifier["flatten"] = nn.Flatten()
        classifier["hidden1"] = Hidden(c * POOLED**2, f)
        classifier["hidden2"] = Hidden(f, f)
        classifier["linear"] = nn.Linear(f, classes)
        self.classifier = nn.Sequential(classifier)


build = VGG
