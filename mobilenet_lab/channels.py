"""Rounding rules for scaled channel counts, and nothing else."""

import math

from mobilenet_lab.errors import LabError


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` (ties up), at least `divisor`, never below 90% of `value`.

    The rule of MobileNetV2 and later (TF-slim's `_make_divisible`, torchvision and timm alike).

    Raises:
        LabError: `value` is not a positive, finite number.
    """
    if not (math.isfinite(value) and value > 0):
        raise LabError(f"a channel count must be positive and finite, not {value:g}")
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * value:
        rounded += divisor
    return rounded


def floor_channels(value: float, least: int = 8) -> int:
    """`value` cut to an integer, at least `least`: MobileNetV1's rule in TF-slim.

    Raises:
        LabError: `value` is not a positive, finite number.
    """
    if not (math.isfinite(value) and value > 0):
        raise LabError(f"a channel count must be positive and finite, not {value:g}")
    return max(int(value), least)


def even_split(channels: int, parts: int) -> tuple[int, ...]:
    """`channels` in `parts` parts as even as can be; the remainder goes to the first.

    The rule of MixConv (arXiv 1907.09595, as in its TPU code).

    Raises:
        LabError: there are fewer channels than parts.
    """
    if not 1 <= parts <= channels:
        raise LabError(f"{channels} channels cannot be split into {parts} parts")
    share = channels // parts
    return (channels - share * (parts - 1), *[share] * (parts - 1))
