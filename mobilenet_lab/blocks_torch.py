"""The leaves as nn.Modules, named as `trace.Net` and `blocks` name them."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from mobilenet_lab.errors import UnknownNameError

ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "softmax": partial(nn.Softmax, 1),
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "mish": nn.Mish,
}
OUT_OF_PLACE = ("sigmoid", "gelu", "tanh", "softmax")
"""Activations whose modules cannot write over their input."""


def activation(kind: str, inplace: bool = False) -> nn.Module:
    """An activation by its usual name.

    `inplace` lets it write over its input if its kind can: one map less to fetch and keep, and
    right only where nobody else reads that input.

    Raises:
        UnknownNameError: there is none.
    """
    if kind not in ACTIVATIONS:
        raise UnknownNameError("activation", kind, ACTIVATIONS)
    if inplace and kind not in OUT_OF_PLACE:
        return ACTIVATIONS[kind](inplace=True)
    return ACTIVATIONS[kind]()


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm and (unless None) an activation.

    Maps N x c_in x H x W to N x c_out x H' x W'; the padding keeps the size at stride 1.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        act: str | None = "relu",
        *,
        dilation: int = 1,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        padding = dilation * (kernel - 1) // 2
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(
            c_in, c_out, kernel, stride, padding, dilation, groups, bias=False
        )
        parts["norm"] = nn.BatchNorm2d(c_out, eps, momentum)
        if act is not None:
            parts["act"] = activation(act, inplace=True)
        super().__init__(parts)


class SqueezeExcite(nn.Module):
    """Gates each channel by what the whole map holds; N x c x H x W to the same."""

    def __init__(self, c: int, squeeze: int, act: str = "relu", gate: str = "sigmoid") -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(c, squeeze, 1)
        self.act = activation(act, inplace=True)
        self.expand = nn.Conv2d(squeeze, c, 1)
        self.gate = activation(gate, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(x)
        h = self.reduce(h)
        h = self.act(h)
        h = self.expand(h)
        h = self.gate(h)
        return x * h


class Resize(nn.Module):
    """N x c x H x W to N x c x `size`; corners are not aligned."""

    def __init__(self, mode: str = "nearest") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        return F.interpolate(x, tuple(size), mode=self.mode)


class Classifier(nn.Sequential):
    """Global average pooling, dropout where its rate is not zero, and one linear layer.

    Maps N x c_in x H x W to N x classes.
    """

    def __init__(self, c_in: int, classes: int, dropout: float = 0.0) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["pool"] = nn.AdaptiveAvgPool2d(1)
        parts["flatten"] = nn.Flatten()
        if dropout:
            parts["dropout"] = nn.Dropout(dropout)
        parts["linear"] = nn.Linear(c_in, classes)
        super().__init__(parts)
