"""The trajectory of a NetAdapt search: accuracy against cost, step by step."""

from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from mobilenet_lab.adaptation.plan import COST_WORDS, told
from mobilenet_lab.adaptation.trajectory import Trajectory
from mobilenet_lab.drawings.canvas import (
    CYCLE,
    PAGE,
    Heading,
    Theme,
    chart,
    describe,
    rendered,
)
from mobilenet_lab.drawings.cost_bars import fitting
from mobilenet_lab.output import write_file
from mobilenet_lab.reports.table import write

PICTURE = "trajectory.png"
HEIGHT = 300.0
LONGEST_NAME = 150.0
"""In points, in small letters."""
CHOOSING, VALIDATION = CYCLE[0], CYCLE[1]
WITHOUT = "Cost only, nothing was trained: the proxy ({}) says nothing about accuracy."


def trajectory(search: Trajectory, *, ax: Axes | None = None, theme: str = "light") -> Axes:
    """Accuracy over cost of a search: all proposals, and those that were kept, joined.

    Where nothing was trained, what was given up stands in the place of accuracy.

    Raises:
        UnknownNameError: no such theme.
    """
    plan, points = search.plan, search.points
    trained = plan.proxy is None
    share = write(search.last.cost / search.start.cost, "share")
    name = fitting(Path(plan.network).name, LONGEST_NAME)
    title = f"{name}: narrowed to {share} of its {COST_WORDS[plan.cost]}"
    tried = sum(len(each.trials) for each in search.iterations)
    notes = [f"{len(search.iterations)} iterations, {tried} proposals; time runs to the left."]
    notes.append(
        "Choosing: training images held out to choose by. Validation: images that chose nothing."
        if trained
        else WITHOUT.format(plan.proxy)
    )
    with chart(ax, theme, Heading(title, " ".join(notes)), (PAGE, HEIGHT)) as (ax, look):
        _draw_budget(ax, look, search)
        ax.plot(
            [trial.proposal.cost for each in search.iterations for trial in each.trials],
            [float(trial.value) for each in search.iterations for trial in each.trials],
            ls="",
            marker="o",
            ms=3,
            alpha=0.45,
            color=look.muted,
            label="proposals",
            gid="proposals",
        )
        kept = "kept (choosing)" if trained else "kept"
        ax.plot(
            [point.cost for point in points],
            [float(point.value) for point in points],
            marker="o",
            ms=5,
            lw=1.3,
            color=CHOOSING,
            label=kept,
            gid="kept",
        )
        if trained:
            ax.plot(
                [point.cost for point in points],
                [float(point.accuracy or 0) for point in points],
                marker="s",
                ms=4,
                ls="--",
                lw=1.3,
                color=VALIDATION,
                label="kept (validation)",
                gid="validation",
            )
        _label(ax, search)
        ax.grid(axis="y")
        ax.figure.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower right", ncols=4)
        describe(ax, _alt(search, title))
    return ax


def save(folder: Path, search: Trajectory) -> None:
    """Writes the picture into the folder of a search.

    Raises:
        LabError: it cannot be written.
    """
    matplotlib.use("agg")
    figure = trajectory(search).figure.figure
    try:
        write_file(folder / PICTURE, rendered(figure, "png"), force=True)
    finally:
        pyplot.close(figure)


def _label(ax: Axes, search: Trajectory) -> None:
    cost = search.plan.cost
    costs = [search.budget, *(point.cost for point in search.points)]
    beside = 0.04 * (max(costs) - min(costs)) or 1
    lowest = min(costs + [t.proposal.cost for each in search.iterations for t in each.trials])
    ax.set_xlim(lowest - beside, max(costs) + beside)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7))
    if cost == "latency":
        ax.set_xlabel("measured time, ms")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10**6:g}"))
    else:
        ax.set_xlabel(COST_WORDS[cost])
        ax.xaxis.set_major_formatter(EngFormatter(sep=" "))
    if search.plan.proxy is None:
        ax.set_ylabel("accuracy")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    else:
        ax.set_ylabel(f"given up: {search.plan.proxy} (no accuracy)")


def _draw_budget(ax: Axes, look: Theme, search: Trajectory) -> None:
    ax.axvline(search.budget, color=look.muted, lw=0.8, ls=":", label="budget", gid="budget")


def _alt(search: Trajectory, title: str) -> str:
    plan, start, last = search.plan, search.start, search.last
    if plan.proxy is not None:
        told_proxy = WITHOUT.format(plan.proxy)
        return f"{title}, by cost alone, in {len(search.iterations)} iterations. {told_proxy}"
    assert start.accuracy is not None
    assert last.accuracy is not None
    names = ", ".join(each.winner.proposal.name for each in search.iterations[:5])
    return (
        f"{title}. From {told(start.cost, plan.cost)} and a validation accuracy of "
        f"{write(float(start.accuracy), 'share')} in {len(search.iterations)} iterations to "
        f"{told(last.cost, plan.cost)} and {write(float(last.accuracy), 'share')}; the budget is "
        f"{told(search.budget, plan.cost)}. Narrowed first: {names}."
    )
