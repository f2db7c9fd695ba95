"""Rank correlations: whether two numbers put things in the same order. Ties are taken as such.

Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945; Spearman's coefficient is
Pearson's of the ranks, equal values sharing the mean of theirs.
"""

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from typing import Any


def kendall(left: Sequence[Any], right: Sequence[Any]) -> float | None:
    """Kendall's tau-b, from -1 to 1: pairs in the same order less pairs in opposite order.

    (C - D) / sqrt(pairs untied on the left x pairs untied on the right); None where one side has
    no two different values.

    Raises:
        ValueError: the sides are not equally long.
    """
    pairs = combinations(zip(left, right, strict=True), 2)
    signs = [(_sign(a, c), _sign(b, d)) for (a, b), (c, d) in pairs]
    untied = sum(one != 0 for one, _ in signs) * sum(other != 0 for _, other in signs)
    return sum(one * other for one, other in signs) / sqrt(untied) if untied else None


def spearman(left: Sequence[Any], right: Sequence[Any]) -> float | None:
    """Spearman's rho, from -1 to 1; None where one side has no two different values.

    Raises:
        ValueError: the sides are not equally long.
    """
    middle = len(left) + 1  # of twice the ranks
    pairs = list(zip(twice_ranks(left), twice_ranks(right), strict=True))
    shared = sum((one - middle) * (other - middle) for one, other in pairs)
    spreads = [sum((rank - middle) ** 2 for rank in side) for side in zip(*pairs, strict=True)]
    if not spreads or 0 in spreads:
        return None
    return shared / sqrt(spreads[0] * spreads[1])


def twice_ranks(values: Sequence[Any]) -> list[int]:
    """Twice the rank of each value, from 2 up: whole numbers also where equal ones share a mean."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed([*enumerate(ordered, start=1)])}
    last = {value: place for place, value in enumerate(ordered, start=1)}
    return [first[value] + last[value] for value in values]


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)
