"""What a search has come to, as a table of its iterations."""

import shlex
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from mobilenet_lab.adaptation import trajectory as records
from mobilenet_lab.adaptation.groups import Space
from mobilenet_lab.adaptation.plan import COST_WORDS, told
from mobilenet_lab.adaptation.trajectory import Iteration, Point, Trajectory
from mobilenet_lab.layers import Trace
from mobilenet_lab.reports.table import Column, Table, write
from mobilenet_lab.verbs.common import CONVENTION, NOT_COUNTED

COST_ONLY = (
    "Cost only: no network was trained and no image was looked at. In the place of accuracy stands "
    "{}, so nothing here knows how well the network will do."
)
STANDS_IN = {
    "channels": "the share of a group's channels that goes",
    "params": "the share of the parameters that goes",
}
CHOOSING = "on training images that were held out to choose between proposals"
VALIDATION = "on validation images, which neither trained nor chose"
RATIO = "points of percent of accuracy (of the proxy) won per percent of the first cost won"


class Row(NamedTuple):
    """One iteration; the first row is the network before any."""

    number: int
    point: Point
    start: Point
    iteration: Iteration | None = None
    ratio: Fraction | None = None

    @property
    def share(self) -> float:
        """Of the first cost."""
        return self.point.cost / self.start.cost


def rows(trajectory: Trajectory) -> tuple[Row, ...]:
    """The network before the search, and one row for each iteration."""
    start = trajectory.start
    found = [Row(0, start, start)]
    for number, each in enumerate(trajectory.iterations, start=1):
        ratio = trajectory.ratio(number) * start.cost
        found.append(Row(number, each.point, start, each, ratio))
    return tuple(found)


def report(
    trajectory: Trajectory, space: Space, trace: Trace, folder: Path | None, notes: Sequence[str]
) -> Table:
    """The iterations of a search; `space` is of the whole network, `trace` the narrowed one."""
    plan, last, start = trajectory.plan, trajectory.last, trajectory.start
    share = write(last.cost / start.cost, "share")
    by = "NetAdapt" if plan.proxy is None else "cost only, without training"
    return Table(
        f"{plan.network}, narrowed by {by}: {share} of its {COST_WORDS[plan.cost]}",
        (*_columns(plan.cost), *(_values() if plan.proxy is None else _proxy(plan.proxy))),
        rows(trajectory),
        subtitle=(
            f"From {told(start.cost, plan.cost)} to {told(last.cost, plan.cost)}; the budget is "
            f"{told(trajectory.budget, plan.cost)}. Each row: the proposal that was kept."
        ),
        notes=(*_told(trajectory), *_kept(trajectory, folder), *notes, *_units(plan.cost)),
        facts={
            "network": plan.network,
            "settings": dict(trace.settings),
            "plan": plan.to_dict(),
            "recipe": dict(trajectory.recipe),
            "budget": trajectory.budget,
            "trains": plan.proxy is None,
            "widths": {
                group.name: [group.width, width]
                for group, width in zip(space.groups, trajectory.widths(space.widths), strict=True)
            },
        },
    )


def _columns(cost: str) -> tuple[Column, ...]:
    def proposal(key: str) -> Column:
        title = {"name": "layer", "before": "from", "width": "to"}[key]
        kind = "text" if key == "name" else "count"

        def value(row: Row) -> object:
            return row.iteration and getattr(row.iteration.winner.proposal, key)

        return Column(key, title, kind, value, "channels" if kind == "count" else "")  # type: ignore[arg-type]

    price = (
        Column("cost", "ms", "number", lambda row: row.point.cost / 10**6, "of the network")
        if cost == "latency"
        else Column("cost", COST_WORDS[cost], "count", lambda row: row.point.cost, "of the network")
    )
    return (
        Column("iteration", "iteration", "count", lambda row: row.number),
        *map(proposal, ("name", "before", "width")),
        price,
        Column("share", "share", "share", lambda row: row.share, "of the first cost"),
        Column(
            "proposals",
            "proposals",
            "count",
            lambda row: row.iteration and len(row.iteration.trials),
            "tried in the iteration",
        ),
    )


def _values() -> tuple[Column, ...]:
    return (
        Column("choosing", "choosing", "share", lambda row: float(row.point.value), CHOOSING),
        Column(
            "accuracy",
            "validation",
            "share",
            lambda row: None if row.point.accuracy is None else float(row.point.accuracy),
            VALIDATION,
        ),
        Column("ratio", "ratio", "number", _ratio, RATIO),
    )


def _proxy(proxy: str) -> tuple[Column, ...]:
    return (
        Column(
            "proxy", f"proxy: {proxy}", "number", lambda row: float(row.point.value), "given up"
        ),
        Column("ratio", "ratio", "number", _ratio, RATIO),
    )


def _ratio(row: Row) -> float | None:
    return None if row.ratio is None else float(row.ratio)


def _told(trajectory: Trajectory) -> tuple[str, ...]:
    """What the values mean, and what became of the accuracy."""
    plan, start, last = trajectory.plan, trajectory.start, trajectory.last
    if plan.proxy is not None:
        return (COST_ONLY.format(STANDS_IN[plan.proxy]),)
    assert start.accuracy is not None
    assert last.accuracy is not None
    return (
        f"Validation accuracy: {write(float(start.accuracy), 'share')} before, "
        f"{write(float(last.accuracy), 'share')} after, without a long fine-tuning.",
        f"Choosing: {CHOOSING}, after the short fine-tuning; it is flattered by being chosen by. "
        f"Validation: {VALIDATION}.",
    )


def _kept(trajectory: Trajectory, folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    network = shlex.quote(str(folder / records.NETWORK))
    if trajectory.plan.proxy is not None:
        return (f"Kept: {network}. To look at: mobilenet-lab summary {network}",)
    model = shlex.quote(str(folder / records.MODEL))
    data = shlex.quote(str(trajectory.recipe["data"]))
    return (
        f"Kept: {network}, {model}. The long fine-tuning: "
        f"mobilenet-lab train {data} --model {network} --weights {model}",
    )


def _units(cost: str) -> tuple[str, ...]:
    if cost == "macs":
        return (f"MACs by convention {CONVENTION}", NOT_COUNTED)
    if cost == "latency":
        return ("ms: sums of measured times of convolutions and linear layers, looked up.",)
    return (
        ("Bytes: inputs, parameters and outputs of each layer, float32.",)
        if cost == "bytes"
        else ()
    )
