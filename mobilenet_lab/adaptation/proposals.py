"""What NetAdapt may do next: for each group, the largest width that wins a step."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from mobilenet_lab.adaptation.groups import Space
from mobilenet_lab.adaptation.tables import Cost, Widths, table, total


class Proposal(NamedTuple):
    """One group made narrower."""

    group: int
    name: str
    before: int
    """Its width."""
    width: int
    """Its new one."""
    cost: int
    """Of the whole network then."""


def narrower(width: int, divisor: int = 8) -> range:
    """The widths below one: the multiples of `divisor` that `make_divisible` gives, widest first.

    None of a width that is not above `divisor`. 1 is none of them: of one channel, a depthwise
    convolution is an ordinary one.
    """
    return range((width - 1) // divisor * divisor, 1, -divisor)


def least(space: Space, divisor: int) -> tuple[int, ...]:
    """Every group at its narrowest."""
    return tuple(min([width, *narrower(width, divisor)]) for width in space.widths)


def cost_table(space: Space, widths: Sequence[int], cost: Cost, divisor: int) -> tuple[Widths, ...]:
    """What the network costs with each group at each narrower width, the others as they are."""
    return table(space, widths, cost, [narrower(width, divisor) for width in widths])


def proposals(
    space: Space, widths: Sequence[int], entries: Sequence[Widths], target: int
) -> list[Proposal]:
    """For each group its largest width at which the network costs no more than `target`."""
    found = []
    for number, (group, before, costs) in enumerate(
        zip(space.groups, widths, entries, strict=True)
    ):
        fitting = [width for width, cost in costs.items() if cost <= target]
        if fitting:
            width = max(fitting)
            found.append(Proposal(number, group.name, before, width, costs[width]))
    return found


def targets(cost: int, budget: int, step: int) -> Iterator[int]:
    """What the next network may cost: a step less, never less than the budget asks for.

    Where no group can win the step alone, half of it is tried, and half of that.
    """
    while step:
        yield max(budget, cost - step)
        step //= 2


def step_of(start: int, share: Fraction, decay: Fraction, iteration: int) -> int:
    """What iteration 1, 2, 3 ... is to win at least: a share of the first cost, which decays."""
    return max(1, int(start * share * decay ** (iteration - 1)))


def next_proposals(
    space: Space, widths: Sequence[int], cost: Cost, divisor: int, budget: int, step: int
) -> tuple[int, list[Proposal]]:
    """The target of the next iteration and the proposals that reach it; none if nothing wins."""
    now, entries = total(space, widths, cost), cost_table(space, widths, cost, divisor)
    for target in targets(now, budget, step):
        found = proposals(space, widths, entries, target)
        if found:
            return target, found
    return now, []
