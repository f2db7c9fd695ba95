"""What is told of measured times, with times given by hand; nothing is timed here."""

import subprocess
import sys
from fractions import Fraction

import pytest

from mobilenet_lab.analysis import Row
from mobilenet_lab.latency import interleaved
from mobilenet_lab.measured import (
    Measured,
    Time,
    columns,
    correlations,
    time_of,
    told_ranks,
    told_whole,
    warnings,
)


def measured(name: str, macs: int, memory: int, bound: int, seconds: float) -> Measured:
    row = Row(name, "", "", "", "", None, None, 0, macs, 0, memory, 0, None)
    return Measured(name, row, Fraction(bound), time_of([seconds]))


def test_a_time_is_the_median_and_the_quartiles() -> None:
    assert time_of([5.0]) == Time(5, 5, 5)
    assert time_of([4.0, 1.0, 3.0, 2.0, 5.0]) == Time(3, 2, 4)
    assert time_of([3.0, 1.0]) == Time(2, 1.5, 2.5)
    assert Time(4, 3, 5).noise == 0.5
    assert Time(0, 0, 0).noise == 0


def test_jobs_take_turns() -> None:
    called: list[str] = []

    def job(name: str) -> str:
        called.append(name)
        return f"{name}{called.count(name)}"

    seen: list[int] = []

    def watch(items: list[int], total: int) -> list[int]:
        seen.append(total)
        return items

    results = interleaved([lambda: job("a"), lambda: job("b")], 3, watch)
    assert called == ["a", "b"] * 3
    assert results == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]
    assert seen == [6]


def test_what_a_row_reaches() -> None:
    row = measured("x", 3_000, 400, 2, 4.0)
    assert row.macs_per_second == 750
    assert row.over_bound == 2
    assert measured("x", 0, 0, 0, 4.0).macs_per_second is None
    assert measured("x", 0, 0, 0, 4.0).over_bound is None
    shown = {column.key: column.value(row) for column in columns("network", None)}
    assert shown == {
        "name": "x",
        "macs": 3_000,
        "memory": 400,
        "intensity": 15,
        "roofline_ms": 2_000,
        "ms": 4_000,
        "iqr_ms": 0,
        "ratio": 2,
        "gmacs": 750e-9,
    }
    shares = columns("layer", measured("layers", 1, 1, 1, 16.0))[-1]
    assert (shares.key, shares.value(row)) == ("share", 0.25)


def test_correlations_are_with_the_measured_time() -> None:
    rows = [
        measured("a", 1, 30, 1, 10.0),
        measured("b", 2, 20, 3, 20.0),
        measured("c", 3, 10, 2, 30.0),
    ]
    ranks = correlations(rows)
    assert ranks == {
        "macs": {"kendall": 1, "spearman": 1},
        "memory": {"kendall": -1, "spearman": -1},
        "roofline": {"kendall": pytest.approx(1 / 3), "spearman": 0.5},
    }
    assert told_ranks(ranks) == (
        "Order against measured time (Kendall's tau-b, Spearman's rho): MACs 1.000, 1.000; "
        "bytes -1.000, -1.000; roofline 0.333, 0.500.",
    )
    assert told_ranks({}) == ()
    same = [measured(name, 1, 1, 1, 1.0) for name in "abc"]
    assert "MACs –, –; bytes –, –" in told_ranks(correlations(same))[0]


def test_the_whole_stands_beside_the_sum() -> None:
    (told,) = told_whole(measured("layers", 1, 1, 1, 0.005), Time(0.004, 0.004, 0.0045))
    assert told.startswith(
        "The network as its module runs it: 4 ms (IQR 0.5); its layers one after the other, each "
        "timed: 5 ms (IQR 0), 125.0% of that."
    )
    assert told_whole(None, None) == ()


QUIET = {"load_before": 0.0, "threads": 1, "processors": 2}


def noisy(name: str, spread: float) -> Measured:
    return measured(name, 1, 1, 1, 1.0)._replace(time=Time(1, 1, 1 + spread))


def test_a_warning_of_noise() -> None:
    assert [*warnings([noisy("a", 0.09)], Time(1, 1, 1), QUIET)] == []
    (told,) = warnings([noisy("a", 0.11), noisy("b", 0.01)], None, QUIET)
    assert told.startswith("Warning: too noisy to tell small differences: the quartiles of a are")
    (told,) = warnings([noisy(name, 0.2) for name in "abcde"], Time(1, 0, 1), QUIET)
    assert "of a, b, c and 3 more are" in told


def test_a_warning_of_load() -> None:
    assert [*warnings([], None, QUIET | {"load_before": 1.0})] == []
    assert [*warnings([], None, QUIET | {"load_before": None})] == []
    (told,) = warnings([], None, QUIET | {"load_before": 1.3})
    assert told == (
        "Warning: the machine was busy: load average 1.3 before the run, 1 threads asked for, "
        "2 processors."
    )


def test_without_torch_bench_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from mobilenet_lab.cli import app; app(['bench', 'mobilenet_v2'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: bench needs torch, which is not installed: pip install 'mobilenet-lab[torch]'\n"
    )
