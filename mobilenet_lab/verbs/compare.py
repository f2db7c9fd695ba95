"""`compare`: networks side by side."""

from math import prod
from typing import Any, NamedTuple

from mobilenet_lab.analysis import Analysis, Row, analyse, gather
from mobilenet_lab.errors import LabError
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import (
    CONVENTION,
    NOT_COUNTED,
    facts,
    heading,
    spread,
    unknown_operations,
    unused_parameters,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Compared(NamedTuple):
    """One stage of each network; None where a network has no such stage."""

    name: str
    rows: tuple[Row | None, ...]

    def ratio(self, index: int, quantity: str) -> float | None:
        """Network `index` over the first, in params or macs."""
        first, other = self.rows[0], self.rows[index]
        if first is None or other is None or not getattr(first, quantity):
            return None
        quotient: float = getattr(other, quantity) / getattr(first, quantity)
        return quotient


def compare(*networks: Network, **options: Any) -> Table:
    """Parameters and MACs of two networks or more, stage by stage, with ratios to the first.

    Of more than two, the ratios are those of the MACs.

    Networks whose stages have the same names (one architecture at several widths, say) are
    aligned by stage; others by stride, the input pixels between the units of a stage's output.
    Each option is one value for all, or a list with one for each.

    Raises:
        UnknownNameError: no such network or option.
        LabError: fewer than two networks, a list that does not fit, or a value of no use.
    """
    if not 2 <= len(networks) <= len(LETTERS):
        raise LabError(f"compare takes 2 to {len(LETTERS)} networks, not {len(networks)}")
    analyses = [
        analyse(traced(network, **each))
        for network, each in zip(networks, spread(options, len(networks)), strict=True)
    ]
    names = [tuple(row.name for row in analysis.by("stage")) for analysis in analyses]
    by_stage = len(set(names)) == 1
    sides = [_by_name(analysis) if by_stage else _by_stride(analysis) for analysis in analyses]
    keys = sorted({key for side in sides for key in side}, key=lambda key: key[0])
    rows = [Compared(key[1], tuple(side.get(key) for side in sides)) for key in keys]
    traces = [analysis.trace for analysis in analyses]
    legend = [f"{letter}: {heading(trace)}" for letter, trace in zip(LETTERS, traces, strict=False)]
    return Table(
        _title([trace.name or "network" for trace in traces]),
        _columns(len(traces), "stage" if by_stage else "stride"),
        tuple(rows),
        Compared(
            "at least" if any(trace.unknown for trace in traces) else "total",
            tuple(analysis.total for analysis in analyses),
        ),
        f"MACs by convention {CONVENTION}",
        (
            *legend,
            "Ratios: to A.",
            NOT_COUNTED,
            *(
                f"{letter}: {note}"
                for letter, trace in zip(LETTERS, traces, strict=False)
                for note in (*unknown_operations(trace), *unused_parameters(trace))
            ),
        ),
        {"networks": [facts(trace) for trace in traces], "convention": CONVENTION},
    )


def _title(names: list[str]) -> str:
    if len(set(names)) == 1:
        return f"{names[0]} at {len(names)} settings"
    return f"{', '.join(names[:-1])} and {names[-1]}"


Key = tuple[float, str]


def _by_name(analysis: Analysis) -> dict[Key, Row]:
    return {(place, row.name): row for place, row in enumerate(analysis.by("stage"))}


def _by_stride(analysis: Analysis) -> dict[Key, Row]:
    """Stages together whose outputs have the same distance between units."""
    strides = {row.name: _stride(row) for row in analysis.by("stage")}
    return gather(analysis.rows, lambda row: strides[row.stage])


def _stride(row: Row) -> Key:
    if row.field is None:
        return float("inf"), "unknown"
    jumps = [axis.jump for axis in row.field.axes if axis is not None]
    if len(jumps) < len(row.field.axes):
        return float("inf"), "pooled"
    text = str(jumps[0]) if len(set(jumps)) == 1 else "×".join(map(str, jumps))
    return float(prod(jumps)), f"/{text}"


def _columns(networks: int, title: str) -> tuple[Column, ...]:
    columns = [Column("name", title, "text", lambda row: row.name)]
    for index, letter in enumerate(LETTERS[:networks]):
        for quantity, short in (("params", "params"), ("macs", "MACs")):
            columns.append(_count(index, letter, quantity, short))
            if index and (quantity == "macs" or networks == 2):
                columns.append(_ratio(index, letter, quantity, short))
    return tuple(columns)


def _count(index: int, letter: str, quantity: str, title: str) -> Column:
    def value(row: Compared) -> int | None:
        mine = row.rows[index]
        return None if mine is None else mine.known(getattr(mine, quantity))

    return Column(f"{quantity}_{letter.lower()}", f"{title} {letter}", "short", value)


def _ratio(index: int, letter: str, quantity: str, title: str) -> Column:
    key = f"{quantity}_ratio_{letter.lower()}"
    return Column(key, f"{letter}/A", "ratio", lambda row: row.ratio(index, quantity), title)
