"""The search itself: narrower by a step, and another, until the budget is met."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from mobilenet_lab.adaptation.groups import Space
from mobilenet_lab.adaptation.plan import Plan, told
from mobilenet_lab.adaptation.proposals import Proposal, least, next_proposals, step_of
from mobilenet_lab.adaptation.selection import PROXIES, Trial, chosen
from mobilenet_lab.adaptation.tables import Cost, total
from mobilenet_lab.adaptation.trajectory import Iteration, Trajectory
from mobilenet_lab.errors import LabError


class Event(NamedTuple):
    """How far a search has come, for whoever shows its progress."""

    iteration: int
    """From 1."""
    done: int
    """Proposals of this iteration that have been tried."""
    proposals: int
    name: str
    """Of the group that was narrowed: of the proposal tried last, or of the one kept."""
    value: Fraction
    cost: int
    """Of that network."""
    kept: bool
    """The iteration is at its end, and this is the proposal that was kept."""
    start: int
    budget: int
    before: int
    """Cost before the iteration."""
    width: int
    """To which it was narrowed."""
    judged_by: str
    """What the value is: accuracy, or the name of the proxy."""


Watch = Callable[[Event], None]
ACCURACY = "accuracy"


class Judge(Protocol):
    """Who tells what proposals are worth."""

    def value(self, number: int, widths: Sequence[int], proposal: Proposal) -> Fraction:
        """What one is worth, in iteration `number`, from a network of these widths."""

    def prefer(self) -> None:
        """Hears that the one judged last is the best so far."""

    def keep(self) -> Fraction | None:
        """Goes on from the best one; its accuracy on the validation images, if anybody looks."""

    def files(self) -> Mapping[str, bytes]:
        """The weights of the network that is kept, and what stands beside them."""


class Proxy:
    """Judges by what is given up, all in all: no image is looked at, nothing is trained."""

    def __init__(self, space: Space, proxy: str, value: Fraction) -> None:
        """`value` is what the network is worth at which the search stands."""
        self._space, self._proxy = space, PROXIES[proxy]
        self._now = self._last = self._best = value

    def value(self, number: int, widths: Sequence[int], proposal: Proposal) -> Fraction:
        """As `Judge`."""
        self._last = self._now + self._proxy(self._space, widths, proposal)
        return self._last

    def prefer(self) -> None:
        """As `Judge`."""
        self._best = self._last

    def keep(self) -> None:
        """As `Judge`."""
        self._now = self._best

    def files(self) -> Mapping[str, bytes]:
        """As `Judge`: none."""
        return {}


def check_reach(space: Space, cost: Cost, plan: Plan, budget: int) -> None:
    """Makes sure that the budget can be met.

    Raises:
        LabError: even the narrowest network costs more.
    """
    narrowest = total(space, least(space, plan.divisor), cost)
    if narrowest > budget:
        start = total(space, space.widths, cost)
        raise LabError(
            f"a budget of {told(budget, plan.cost)} is out of reach: with every width "
            f"that can be narrowed at its least (multiples of {plan.divisor}), {plan.network} "
            f"costs {told(narrowest, plan.cost)}, {narrowest / start:.1%} of what it costs now"
        )


def search(
    space: Space,
    cost: Cost,
    trajectory: Trajectory,
    judge: Judge,
    keep: Callable[[Trajectory], None],
    watch: Watch | None = None,
) -> Trajectory:
    """Goes on from where `trajectory` stands until the budget is met.

    `keep` is called with the trajectory after each iteration.

    Raises:
        LabError: no proposal wins anything, before the budget is met.
    """
    while not trajectory.finished:
        trajectory = trajectory.after(_iteration(space, cost, trajectory, judge, watch))
        keep(trajectory)
    return trajectory


def _iteration(
    space: Space, cost: Cost, trajectory: Trajectory, judge: Judge, watch: Watch | None
) -> Iteration:
    plan, now = trajectory.plan, trajectory.last
    number, start = len(trajectory.iterations) + 1, trajectory.start.cost
    widths = trajectory.widths(space.widths)
    step = step_of(start, plan.exact("step"), plan.exact("decay"), number)
    target, found = next_proposals(space, widths, cost, plan.divisor, trajectory.budget, step)
    if not found:
        raise LabError(
            f"after {number - 1} iterations and {told(now.cost, plan.cost)} no narrower layer "
            f"costs less: the budget of {told(trajectory.budget, plan.cost)} is out of reach"
        )

    def tell(trial: Trial, done: int, kept: bool = False) -> None:
        if watch is not None:
            name, price = trial.proposal.name, trial.proposal.cost
            told_now = (number, done, len(found), name, trial.value, price, kept)
            judged_by = ACCURACY if plan.proxy is None else f"proxy ({plan.proxy})"
            width = trial.proposal.width
            watch(Event(*told_now, start, trajectory.budget, now.cost, width, judged_by))

    trials: list[Trial] = []
    kept = 0
    for proposal in found:
        trials.append(Trial(proposal, judge.value(number, widths, proposal)))
        kept = chosen(trials, now.cost, now.value, plan.rule)
        if kept == len(trials) - 1:
            judge.prefer()
        tell(trials[-1], len(trials))
    accuracy = judge.keep()
    tell(trials[kept], len(trials), kept=True)
    return Iteration(target, tuple(trials), kept, accuracy)
