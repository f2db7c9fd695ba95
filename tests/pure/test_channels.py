"""Rounding rules for channel counts, against their statement in words and printed networks."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lab.channels import even_split, floor_channels, make_divisible
from mobilenet_lab.errors import LabError


def nearest_multiple(value: Fraction, divisor: int) -> int:
    """The rule in words: nearest multiple, ties up, at least one divisor, at least 90%."""
    multiples = range(divisor, int(value) + 2 * divisor + 1, divisor)
    closest = min(multiples, key=lambda m: (abs(m - value), -m))
    return closest if closest >= Fraction(9, 10) * value else closest + divisor


@given(st.integers(1, 40_000), st.sampled_from([4, 8, 16]))
def test_make_divisible_is_the_nearest_multiple_of_90_percent(eighths: int, divisor: int) -> None:
    value = Fraction(eighths, 8)
    assert make_divisible(float(value), divisor) == nearest_multiple(value, divisor)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        # V2 (arXiv 1801.04381) at widths 0.35 ... 1.4, as TF-slim and torchvision have it
        (32 * 0.35, 16),
        (24 * 0.35, 8),
        (16 * 0.35, 8),
        (64 * 0.35, 24),
        (96 * 0.35, 32),
        (24 * 0.5, 16),
        (24 * 0.75, 24),
        (32 * 1.4, 48),
        (24 * 1.4, 32),
        (1280 * 1.4, 1792),
        # 90% to the last bit is not below 90%
        (80 / 9, 8),
        (320 / 9, 32),
        # squeezes of V3's gates (arXiv 1905.02244): a quarter of the expansion
        (16 / 4, 8),
        (72 / 4, 24),
        (120 / 4, 32),
        (240 / 4, 64),
        (480 / 4, 120),
        # ties go up; below 90% one more step
        (4, 8),
        (12, 16),
        (20, 24),
        (10, 16),
        (9, 16),
        (8.5, 8),
        (0.001, 8),
    ],
)
def test_make_divisible_of_printed_networks(value: float, rounded: int) -> None:
    assert make_divisible(value) == rounded


@pytest.mark.parametrize("value", [0, -1, -0.5, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", [make_divisible, floor_channels])
def test_a_count_that_is_not_positive_and_finite_is_refused(rule, value: float) -> None:
    with pytest.raises(LabError, match="positive and finite"):
        rule(value)


def test_floor_channels_cuts_and_keeps_eight() -> None:
    assert [floor_channels(32 * width) for width in (1, 0.75, 0.5, 0.25, 0.1)] == [32, 24, 16, 8, 8]
    assert floor_channels(64 * 0.3) == 19
    assert floor_channels(12.5, least=4) == 12
    assert floor_channels(0.5, least=1) == 1


@given(st.integers(1, 300), st.integers(1, 12))
def test_even_split_is_even_and_gives_the_rest_to_the_first(channels: int, parts: int) -> None:
    if parts > channels:
        with pytest.raises(LabError, match="cannot be split"):
            even_split(channels, parts)
        return
    split = even_split(channels, parts)
    assert len(split) == parts
    assert sum(split) == channels
    assert set(split[1:]) <= {channels // parts}
    assert split[0] == channels // parts + channels % parts


def test_even_split_of_printed_networks() -> None:
    # MixNet-S (arXiv 1907.09595): 240 channels for 3 kernels, 1200 for 5
    assert even_split(240, 3) == (80, 80, 80)
    assert even_split(1200, 5) == (240,) * 5
    assert even_split(200, 3) == (68, 66, 66)


@pytest.mark.parametrize("parts", [0, -1, 5])
def test_even_split_into_no_or_too_many_parts_is_refused(parts: int) -> None:
    with pytest.raises(LabError, match="cannot be split"):
        even_split(4, parts)
