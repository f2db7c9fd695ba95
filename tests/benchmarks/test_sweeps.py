"""Many resolutions at once as NumPy arrays, and a whole sweep, in configurations a second.

Each answer is compared with traces made anew: all of the sweep's, some of the arrays'.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mobilenet_lab import registry
from mobilenet_lab.resolutions import Counts, Replay, counts
from mobilenet_lab.verbs.sweep import sweep

ROUNDS = 15
AIM = 500_000
"""Configurations a second."""
MANY = 200_000


def expected(name: str, **options: Any) -> Counts:
    return counts(registry.trace(name, **options))


def reported(
    what: str, report: list[tuple[str, ...]], configurations: int, times: list[float], aim: float
) -> None:
    """A line of configurations a second: ours, what we are measured by, the ratio."""
    ours = configurations / statistics.median(times)
    report.append((what, f"{ours:,.0f}", f"{aim:,.0f}", f"{ours / aim:.1f} x"))


def timed(benchmark: Any, call: Callable[[], Any]) -> list[float]:
    times: list[float] = []

    def run() -> None:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=2)
    return times[2:]


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mixnet_l"])
def test_rectangles_as_arrays(benchmark: Any, report: list[tuple[str, ...]], name: str) -> None:
    """From the trace on: it is read once in every round."""
    generator = np.random.default_rng(0)
    heights, widths = generator.integers(32, 2049, (2, MANY))
    trace = registry.trace(name)
    found = Replay(trace).at(heights, widths)
    for number in range(0, MANY, MANY // 50):
        sides = int(heights[number]), int(widths[number])
        one = Counts(found.params, *(int(numbers[number]) for numbers in found[1:]))
        assert one == expected(name, resolution=sides)
    times = timed(benchmark, lambda: Replay(trace).at(heights, widths))
    reported(f"{name}: H x W a second / aim", report, MANY, times, AIM)


def test_squares_as_an_array(benchmark: Any, report: list[tuple[str, ...]]) -> None:
    sides = np.arange(32, 32 + MANY)
    trace = registry.trace("mobilenet_v2")
    times = timed(benchmark, lambda: Replay(trace).at(sides))
    reported("mobilenet_v2: squares a second / aim", report, MANY, times, AIM)


def test_sweep(benchmark: Any, report: list[tuple[str, ...]]) -> None:
    """26 widths at 30 resolutions, against a trace and its totals for each."""
    lists = {"width": [n / 20 for n in range(5, 31)], "resolution": list(range(96, 561, 16))}

    def each() -> list[Counts]:
        return [
            expected("mobilenet_v2", width=width, resolution=resolution)
            for width in lists["width"]
            for resolution in lists["resolution"]
        ]

    started = time.perf_counter()
    one_by_one = each()
    seconds = time.perf_counter() - started
    assert [row.counts for row in sweep("mobilenet_v2", **lists).rows] == one_by_one
    times = timed(benchmark, lambda: sweep("mobilenet_v2", **lists))
    aim = len(one_by_one) / seconds
    reported("mobilenet_v2: sweep a second / a trace for each", report, len(one_by_one), times, aim)
