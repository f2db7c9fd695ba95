"""The roofline model, exactly, on a machine of 8 FLOP/s and 2 bytes/s."""

from fractions import Fraction
from typing import Any

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import LEVELS, Row, analyse
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.rooflines import Machine, bandwidth_rate, machine, peak_rate, timed

TOY = Machine(8, 2)


def row(macs: int, memory: int) -> Row:
    return Row("x", "conv2d", "", "", "", None, None, 0, macs, 0, memory, 0, None)


def test_the_ridge_is_where_both_bounds_meet() -> None:
    assert TOY.ridge == 4
    assert Machine(1, 3).ridge == Fraction(1, 3)
    assert [TOY.attainable(intensity) for intensity in (1, 4, Fraction(9, 2))] == [2, 8, 8]


@pytest.mark.parametrize(
    ("macs", "memory", "seconds", "bound"),
    [
        (40, 10, 10, "compute"),  # 80 FLOPs in 10 s, 10 bytes in 5 s
        (4, 10, 5, "memory"),
        (20, 10, 5, "compute"),  # on the ridge
        (0, 3, Fraction(3, 2), "memory"),
        (0, 0, 0, "memory"),
        (1, 0, Fraction(1, 4), "compute"),
    ],
)
def test_a_layer_takes_the_longer_of_both(
    macs: int, memory: int, seconds: Fraction, bound: str
) -> None:
    assert TOY.seconds(row(macs, memory)) == seconds
    assert TOY.bound(row(macs, memory)) == bound


def test_every_level_has_the_same_total() -> None:
    analysis = analyse(registry.trace("mobilenet_v3_small"))
    on = machine("100GFLOPS", "20GB/s")
    layers = timed(analysis, on)
    assert [each.row for each in layers] == list(analysis.rows)
    assert [each.seconds for each in layers] == [
        max(Fraction(2 * each.macs, 10**11), Fraction(each.memory, 2 * 10**10))
        for each in analysis.rows
    ]
    waiting = sum(each.seconds for each in layers if each.row.macs * 2 * 20 < each.row.memory * 100)
    for level in LEVELS:
        rows = timed(analysis, on, level)
        assert [each.row for each in rows] == list(analysis.by(level))
        assert sum(each.seconds for each in rows) == sum(each.seconds for each in layers)
        assert sum(each.memory_seconds for each in rows) == waiting
        for each in rows:
            assert each.performance * each.seconds == each.row.flops
    # a block waits where a layer of it does: it is slower than one layer with all of its bytes
    assert any(each.seconds > on.seconds(each.row) for each in timed(analysis, on, "block"))


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        ("100GFLOPS", 10**11),
        ("1.5 TFLOP/s", 15 * 10**11),
        ("100 gflops", 10**11),
        ("4 TOPS", 4 * 10**12),
        (".5MFLOPs/s", 500_000),
        ("1e3 kFLOPS", 10**6),
        (" 7 FLOPS ", 7),
        (12, 12),
        (2.5, Fraction(5, 2)),
        (Fraction(10, 3), Fraction(10, 3)),
    ],
)
def test_a_peak_is_read_exactly(given: Any, rate: Any) -> None:
    assert peak_rate(given) == rate


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        ("20GB/s", 2 * 10**10),
        ("20 gBps", 2 * 10**10),
        ("900 MiB/s", 900 * 2**20),
        ("1.5KiB/s", 1536),
        ("3B/s", 3),
        (1e10, 10**10),
    ],
)
def test_a_bandwidth_is_read_exactly(given: Any, rate: Any) -> None:
    assert bandwidth_rate(given) == rate


@pytest.mark.parametrize(
    "given",
    [
        *("", "100", "fast", "20GB/s", "-5GFLOPS", "100GMACS", "1e99PFLOPS", "٣GFLOPS", "0GFLOPS"),
        *(0, -1, 0.5, float("nan"), float("inf"), True, 10**400, [1], None, "GFLOPS", "1 2FLOPS"),
    ],
)
def test_what_is_no_peak_is_refused(given: Any) -> None:
    with pytest.raises(LabError, match=r"^[^\n]*FLOP/s \(2 for each MAC\), like 100GFLOPS"):
        machine(given, "20GB/s")


@pytest.mark.parametrize("given", ["20GB", "20Gb/s", "20gb/s", "100GFLOPS", "0B/s", -3, None, "20"])
def test_what_is_no_bandwidth_is_refused(given: Any) -> None:
    with pytest.raises(LabError, match=r"^[^\n]*bytes/s, like 20GB/s"):
        machine("100GFLOPS", given)


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="stage"):
        timed(analyse(registry.trace("lenet5")), TOY, "stages")
