"""LR-ASPP over tensors: the twin of `lraspp`."""

from torch import Tensor, nn

from mobilenet_lab.architectures import mobilenet_v3_torch
from mobilenet_lab.architectures.lraspp import FILTERS, LOW, OUTPUT_STRIDES
from mobilenet_lab.architectures.mobilenet_v3 import TABLES
from mobilenet_lab.blocks_torch import ConvNormAct, Resize
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.detection.predictor_torch import Predictor
from mobilenet_lab.errors import LabError


class Gate(nn.Sequential):
    """N x c_in x H x W to N x c x 1 x 1, from 0 to 1: what the whole map says of each channel."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(c_in, c, 1, bias=False)
        self.act = nn.Sigmoid()


class LiteRASPP(nn.Module):
    """A fine map (N x c_low x H x W) and a coarse one (N x c_high x H' x W') to N x classes x H x W
    scores."""

    def __init__(self, c_low: int, c_high: int, filters: int, classes: int) -> None:
        super().__init__()
        self.reduce = ConvNormAct(c_high, filters, 1, act="relu")
        self.gate = Gate(c_high, filters)
        self.upsample = Resize("bilinear")
        self.low = nn.Conv2d(c_low, classes, 1)
        self.high = nn.Conv2d(filters, classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        h = self.reduce(high)
        h = h * self.gate(high)
        h = self.upsample(h, low.shape[2:])
        return self.low(low) + self.high(h)


class LRASPP(Predictor):
    """N x in_channels x H x W images to N x H x W class numbers, or N x classes x H x W scores.

    The scores in training mode, and with `raw`.
    """

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 21,
        in_channels: int = 3,
        *,
        size: str = "large",
        filters: int = FILTERS,
        output_stride: int = 16,
        rf2: bool = False,
    ) -> None:
        super().__init__()
        if output_stride not in OUTPUT_STRIDES:
            raise LabError(f"output_stride is 16 or 32, not {output_stride!r}")
        self.backbone = mobilenet_v3_torch.Features(
            width,
            in_channels,
            size=size,
            dilated=output_stride == 16,
            reduced_tail=rf2,
            reduced_entry=rf2,
        )
        self.low = LOW[size]
        c_low = next(row.c for row in TABLES[size].rows if row.tap == "C3")
        self.head = LiteRASPP(
            make_divisible(c_low * width), self.backbone.channels, filters, classes
        )
        self.upsample = Resize("bilinear")

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        h = self.backbone.stem(x)
        for number in range(1, len(self.backbone.taps) + 1):
            stage = f"stage{number}"
            for i, block in enumerate(self.backbone.get_submodule(stage).children()):
                h = block(h)
                if f"{stage}.{i}" == self.low:
                    low = h
        high = self.backbone.get_submodule("head")(h)
        h = self.head(low, high)
        return (self.upsample(h, x.shape[2:]),)

    def answer(self, maps: tuple[Tensor, ...], x: Tensor) -> Tensor:
        (scores,) = maps
        return scores.argmax(1)


build = LRASPP
