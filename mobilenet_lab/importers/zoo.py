"""The papers' blocks that a file can use by name, each with plain arguments."""

from collections.abc import Callable
from typing import NamedTuple

from mobilenet_lab.architectures import (
    efficientnet_lite,
    ghostnet,
    mixnet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    mobilenet_v4,
    resnet,
    shufflenet_v2,
)
from mobilenet_lab.blocks import classifier, squeeze_excite
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Feature
from mobilenet_lab.net import Net


class Block(NamedTuple):
    """A function over shapes, and what of its arguments the width multiplies."""

    make: Callable[..., Feature]
    channels: tuple[str, ...]
    numbered: bool = True
    """It is called 0, 1, 2 ... where the file gives it no name; others open a scope themselves."""


def inverted_residual_v3(
    net: Net, x: Feature, k: int, exp: int, c: int, se: bool = False, nl: str = "RE", s: int = 1
) -> Feature:
    """A row of MobileNetV3's Tables 1 and 2."""
    if nl not in mobilenet_v3.NONLINEARITIES:
        raise UnknownNameError("non-linearity", nl, mobilenet_v3.NONLINEARITIES)
    row = mobilenet_v3.Row(k, exp, c, se, nl, s)
    return mobilenet_v3.inverted_residual(net, x, row, exp, c, s, 1, 8, mobilenet_v3.EPS)


def universal_bottleneck(
    net: Net, x: Feature, exp: int, c: int, k1: int = 0, k2: int = 0, s: int = 1
) -> Feature:
    """A row of MobileNetV4's Tables 11 and 12; a kernel of 0 is no depthwise convolution."""
    return mobilenet_v4.universal_bottleneck(
        net, x, mobilenet_v4.Row("", k1, k2, exp, c, s), exp, c
    )


def fused_bottleneck(net: Net, x: Feature, exp: int, c: int, k: int = 3, s: int = 1) -> Feature:
    """An inverted residual whose expansion is a full convolution (MobileNetV4)."""
    return mobilenet_v4.fused_bottleneck(net, x, mobilenet_v4.Row("", 0, k, exp, c, s), exp, c)


def basic(net: Net, x: Feature, c: int, stride: int = 1) -> Feature:
    """ResNet's block of two 3x3 convolutions."""
    return resnet.basic(net, x, resnet.Basic(c, 1), stride)


def bottleneck(net: Net, x: Feature, c: int, restored: int, stride: int = 1) -> Feature:
    """ResNet's block of 1x1, 3x3 and 1x1."""
    return resnet.bottleneck(net, x, resnet.Bottleneck(c, restored, 1), stride)


def ghost_bottleneck(
    net: Net, x: Feature, k: int, exp: int, c: int, se: bool = False, s: int = 1
) -> Feature:
    """A row of GhostNet's Table 1."""
    return ghostnet.ghost_bottleneck(net, x, ghostnet.Row(k, exp, c, se, s), exp, c, True)


BLOCKS: dict[str, Block] = {
    "squeeze_excite": Block(squeeze_excite, ("squeeze",), numbered=False),
    "classifier": Block(classifier, (), numbered=False),
    "mix_conv": Block(mixnet.mix_conv, ("c",), numbered=False),
    "ghost_module": Block(ghostnet.ghost_module, ("c",), numbered=False),
    "separable": Block(mobilenet_v1.separable, ("c",)),
    "inverted_residual": Block(mobilenet_v2.inverted_residual, ("c",)),
    "inverted_residual_v3": Block(inverted_residual_v3, ("exp", "c")),
    "universal_bottleneck": Block(universal_bottleneck, ("exp", "c")),
    "fused_bottleneck": Block(fused_bottleneck, ("exp", "c")),
    "mbconv": Block(mnasnet.mbconv, ("c",)),
    "mbconv_lite": Block(efficientnet_lite.mbconv, ("c",)),
    "basic": Block(basic, ("c",)),
    "bottleneck": Block(bottleneck, ("c", "restored")),
    "basic_unit": Block(shufflenet_v2.basic_unit, ()),
    "down_unit": Block(shufflenet_v2.down_unit, ("c",)),
    "ghost_bottleneck": Block(ghost_bottleneck, ("exp", "c")),
}
