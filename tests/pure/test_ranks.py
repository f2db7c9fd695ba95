"""Rank correlations: by hand, with ties, and by scipy."""

from math import sqrt
from typing import Any

import pytest

from mobilenet_lab.ranks import kendall, spearman, twice_ranks


def test_ranks_of_ties_are_the_mean_of_their_places() -> None:
    assert twice_ranks([30, 10, 20, 20]) == [8, 2, 5, 5]
    assert twice_ranks([]) == []


@pytest.mark.parametrize(
    ("left", "right", "tau", "rho"),
    [
        ([1, 2, 3], [10, 20, 30], 1, 1),
        ([1, 2, 3], [3, 2, 1], -1, -1),
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6, 0.8),  # 5 pairs agree, 1 does not; 1 - 6 * 2 / 60
        # ties: 4 pairs agree, none does not; each side has 5 of 6 pairs untied
        ([1, 2, 2, 3], [1, 2, 3, 3], 4 / 5, 15 / 18),
        ([1, 1, 2], [5, 6, 7], 2 / sqrt(2 * 3), sqrt(3) / 2),
        # these two by scipy 1.17's kendalltau and spearmanr
        (
            [3, 3, 0, 2, 4, 3, 3, 2, 3],
            [0.5, -0.5, -1, 0, -1, -1.5, 0, -1, 0],
            0.07302967433402215,
            0.07597371763975863,
        ),
        (
            [1, 4, 0, 2, 0, 3, 3, 3, 5],
            [1, -0.5, -1.5, 1.5, -2, 1, 1, -2, 1.5],
            0.31750031750047625,
            0.40611740927275763,
        ),
        ([10**30, 10**30 + 1], [0, 1], 1, 1),  # no rounding before the last step
    ],
)
def test_by_hand(left: list[Any], right: list[Any], tau: float, rho: float) -> None:
    assert kendall(left, right) == pytest.approx(tau, rel=1e-14)
    assert spearman(left, right) == pytest.approx(rho, rel=1e-14)


@pytest.mark.parametrize("sides", [([], []), ([1], [2]), ([1, 1], [1, 2]), ([1, 2], [3, 3])])
def test_nothing_is_said_where_one_side_has_no_order(sides: tuple[list[int], list[int]]) -> None:
    assert kendall(*sides) is None
    assert spearman(*sides) is None


def test_sides_are_equally_long() -> None:
    for coefficient in (kendall, spearman):
        with pytest.raises(ValueError, match=r"longer|shorter"):
            coefficient([1, 2, 3], [1, 2])
