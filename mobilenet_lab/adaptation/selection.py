"""Which proposal is kept. All of it is exact: accuracies, proxies and ratios are fractions.

A proposal's value is the accuracy that its network has, or, where no network is trained, a proxy:
what it gives up, below 0. The rules:

ratio     the highest change of the value per cost won (MobileNetV3, arXiv 1905.02244, section 4.2)
value     the highest value, however much cost it wins (NetAdapt, ECCV 2018)
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from mobilenet_lab.adaptation.groups import Space
from mobilenet_lab.adaptation.proposals import Proposal
from mobilenet_lab.adaptation.tables import cost_of, total


class Trial(NamedTuple):
    """A proposal and what it is worth."""

    proposal: Proposal
    value: Fraction


def ratio(trial: Trial, cost: int, value: Fraction) -> Fraction:
    """The change of the value per cost won, from a network of this cost and value."""
    return (trial.value - value) / (cost - trial.proposal.cost)


RULES: Mapping[str, Callable[[Trial, int, Fraction], Fraction]] = {
    "ratio": ratio,
    "value": lambda trial, cost, value: trial.value,
}


def chosen(trials: Sequence[Trial], cost: int, value: Fraction, rule: str) -> int:
    """The index of the trial that is kept, from a network of this cost and value.

    Of equal ones the cheaper network, then the one whose group comes first in running order.
    """
    score = RULES[rule]

    def rank(index: int) -> tuple[Fraction, int, int]:
        trial = trials[index]
        return score(trial, cost, value), -trial.proposal.cost, -trial.proposal.group

    return max(range(len(trials)), key=rank)


# Proxies, where nothing is trained


def _channels(space: Space, widths: Sequence[int], proposal: Proposal) -> Fraction:
    """The share of the group's channels that go."""
    return Fraction(proposal.width - proposal.before, proposal.before)


def _params(space: Space, widths: Sequence[int], proposal: Proposal) -> Fraction:
    """The share of the network's parameters that go."""
    changed = [*widths[: proposal.group], proposal.width, *widths[proposal.group + 1 :]]
    count = cost_of("params")
    before = total(space, widths, count)
    return Fraction(total(space, changed, count) - before, before)


PROXIES: Mapping[str, Callable[[Space, Sequence[int], Proposal], Fraction]] = {
    "channels": _channels,
    "params": _params,
}
"""What stands in for accuracy: none of them has seen an image."""
