"""AlexNet over tensors: the twin of `alexnet`."""

from collections import OrderedDict

from torch import nn

from mobilenet_lab.architectures.alexnet import DROPOUT, HIDDEN, LRN, SECTION_3_5, Row
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import VanishedError


class Conv(nn.Sequential):
    """N x c_in x H x W to N x c x H' x W': convolution, ReLU, and what the row adds."""

    def __init__(self, c_in: int, c: int, row: Row) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(c_in, c, row.k, row.s, row.p, groups=row.groups)
        parts["act"] = nn.ReLU()
        if row.lrn:
            parts["lrn"] = nn.LocalResponseNorm(*LRN)
        if row.pool:
            parts["pool"] = nn.MaxPool2d(3, stride=2)
        super().__init__(parts)


class Hidden(nn.Sequential):
    """N x f_in to N x f: a fully connected layer, ReLU, dropout."""

    def __init__(self, f_in: int, f: int) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["linear"] = nn.Linear(f_in, f)
        parts["act"] = nn.ReLU()
        parts["dropout"] = nn.Dropout(DROPOUT)
        super().__init__(parts)


class AlexNet(nn.Sequential):
    """N x in_channels x H x W images to N x classes scores (logits); H x W is `resolution`.

    Raises:
        VanishedError: nothing is left of so small an image.
    """

    def __init__(
        self,
        width: float = 1.0,
        resolution: int | tuple[int, int] = 227,
        classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        c = in_channels
        for number, row in enumerate(SECTION_3_5, start=1):
            c_in, c = c, make_divisible(row.c * width)
            self.add_module(f"conv{number}", Conv(c_in, c, row))
        rows, columns = (resolution, resolution) if isinstance(resolution, int) else resolution
        pixels = last_side(rows) * last_side(columns)
        f = make_divisible(HIDDEN * width)
        classifier: OrderedDict[str, nn.Module] = OrderedDict()
        classifier["flatten"] = nn.Flatten()
        classifier["hidden1"] = Hidden(c * pixels, f)
        classifier["hidden2"] = Hidden(f, f)
        classifier["linear"] = nn.Linear(f, classes)
        self.classifier = nn.Sequential(classifier)


def last_side(side: int) -> int:
    """What the first convolution and the three pools leave of a side; the others keep it."""
    left = (side - 11) // 4 + 1
    for _ in range(3):
        left = (left - 3) // 2 + 1
    if left < 1:
        raise VanishedError(f"nothing is left of an image side of {side}")
    return left


build = AlexNet
