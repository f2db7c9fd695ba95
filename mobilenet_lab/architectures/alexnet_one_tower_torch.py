"""AlexNet in one tower over tensors: the twin of `alexnet_one_tower`."""

from collections import OrderedDict

from torch import nn

from mobilenet_lab.architectures.alexnet_one_tower import CONVOLUTIONS, DROPOUT, HIDDEN, POOLED, Row
from mobilenet_lab.channels import make_divisible


class Conv(nn.Sequential):
    """N x c_in x H x W to N x c x H' x W': convolution, ReLU, and the pool where there is one."""

    def __init__(self, c_in: int, c: int, row: Row) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(c_in, c, row.k, row.s, row.p)
        parts["act"] = nn.ReLU(inplace=True)
        if row.pool:
            parts["pool"] = nn.MaxPool2d(3, stride=2)
        super().__init__(parts)


class Hidden(nn.Sequential):
    """N x f_in to N x f: dropout, a fully connected layer, ReLU."""

    def __init__(self, f_in: int, f: int) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["dropout"] = nn.Dropout(DROPOUT)
        parts["linear"] = nn.Linear(f_in, f)
        parts["act"] = nn.ReLU(inplace=True)
        super().__init__(parts)


class AlexNetOneTower(nn.Sequential):
    """N x in_channels x H x W images to N x classes scores (logits)."""

    def __init__(self, width: float = 1.0, classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        c = in_channels
        for number, row in enumerate(CONVOLUTIONS, start=1):
            c_in, c = c, make_divisible(row.c * width)
            self.add_module(f"conv{number}", Conv(c_in, c, row))
        f = make_divisible(HIDDEN * width)
        classifier: OrderedDict[str, nn.Module] = OrderedDict()
        classifier["pool"] = nn.AdaptiveAvgPool2d(POOLED)
        classifier["flatten"] = nn.Flatten()
        classifier["hidden1"] = Hidden(c * POOLED**2, f)
        classifier["hidden2"] = Hidden(f, f)
        classifier["linear"] = nn.Linear(f, classes)
        self.classifier = nn.Sequential(classifier)


build = AlexNetOneTower
