"""The learning rate at each step."""

import math

import pytest

from mobilenet_lab.training.schedules import share


def shares(schedule: str, total: int, warmup: int = 0) -> list[float]:
    return [share(schedule, step, total, warmup) for step in range(total)]


def test_constant() -> None:
    assert shares("constant", 4) == [1, 1, 1, 1]


def test_a_tenth_after_each_third() -> None:
    assert shares("step", 6) == [1, 1, 0.1, 0.1, 0.01, 0.01]
    assert shares("step", 7) == [1, 1, 1, 0.1, 0.1, 0.01, 0.01]
    assert shares("step", 1) == [1]


def test_half_a_wave() -> None:
    half = math.sqrt(0.5)
    assert shares("cosine", 4) == pytest.approx([1, (1 + half) / 2, 0.5, (1 - half) / 2], abs=1e-15)
    assert share("cosine", 0, 4) == 1


def test_a_warm_up_rises_to_all_of_it_and_the_wave_begins_there() -> None:
    assert shares("constant", 5, warmup=4) == [0.25, 0.5, 0.75, 1, 1]
    assert shares("cosine", 6, warmup=2) == [0.5, 1, *shares("cosine", 4)]
    assert shares("step", 6, warmup=1) == shares("step", 6)
    assert shares("step", 6, warmup=4)[3:] == [1, 0.01, 0.01]


@pytest.mark.parametrize("warmup", [0, 3])
def test_a_constant_rate_does_not_depend_on_the_end(warmup: int) -> None:
    assert shares("constant", 20, warmup)[:10] == shares("constant", 10, warmup)
