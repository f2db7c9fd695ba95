"""The rows of a network diagram with their numbers, read off a trace."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings.network_folding import (
    Fold,
    Link,
    channel_axes,
    folded,
    laid,
    links,
    sides,
)
from mobilenet_lab.drawings.network_summary import Summary, summary
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Shape, Trace
from mobilenet_lab.reports.table import write

LEVELS = ("block", "stage")
MOST_ROWS, MOST_LANES = 60, 12
"""What a reader can follow on one page."""
OUTPUT = "output"
"""The tag of an answer of the network."""


class Line(NamedTuple):
    """One row of the diagram, with its numbers."""

    fold: Fold
    summary: Summary
    shape: Shape
    """What it hands on."""
    channels: int
    map: Shape
    """The other extents of its shape; () of a vector."""
    macs: int | None
    """Those of all repetitions; None if nothing is known of them."""
    share: float
    """Of the MACs of the network."""
    tags: tuple[str, ...]
    """Names of its taps, with their shape where they are not its output; "output"."""


def rows(trace: Trace, level: str | None = None) -> tuple[list[Line], list[Link], str]:
    """The rows of a diagram with their numbers, what flows between them, and their level.

    Raises:
        UnknownNameError: there is no such level.
        LabError: the rows, or the lanes beside them, are too many.
    """
    if level is not None and level not in LEVELS:
        raise UnknownNameError("level", level, LEVELS, f"known: {', '.join(LEVELS)}")
    for tried in LEVELS if level is None else (level,):
        folds = folded(trace, tried)
        flow = links(trace, folds)
        lanes = laid(flow, goes_down(folds))
        count = 1 + max([number for _, number in lanes], default=-1)
        if len(folds) <= MOST_ROWS and count <= MOST_LANES:
            return _lines(trace, folds), flow, tried
    raise LabError(
        f"{trace.name or 'the network'} has {len(folds)} {tried}s that differ and {count} "
        f"connections side by side, a diagram at most {MOST_ROWS} and {MOST_LANES}: "
        f"`summary --level stage` shows them"
    )


def goes_down(folds: Sequence[Fold]) -> Callable[[Link], bool]:
    """What tells whether a link goes from a row's output to the next row."""
    return lambda link: folds[link.start].exit == link.layer and link.ends[0] == link.start + 1


def _lines(trace: Trace, folds: Sequence[Fold]) -> list[Line]:
    analysis = analyse(trace)
    numbers = {row.name: row for row in analysis.rows}
    axes = channel_axes(trace)
    taps: dict[int, list[str]] = {}
    for name, index in trace.taps.items():
        taps.setdefault(index, []).append(name)
    lines = []
    for fold in folds:
        own = [trace.layers[index] for index in fold.layers]
        counted = [numbers[layer.name] for layer in own if layer.op != "input"]
        macs = sum([row.macs for row in counted])
        known = macs if macs or not any(row.unknown for row in counted) else None
        last = trace.layers[fold.exit]
        tags = []
        for index in fold.layers:
            shape = trace.layers[index].out_shape
            beside = f" {write(shape, 'shape')}" if index != fold.exit else ""
            if index in taps:
                tags.append(f"{', '.join(taps[index])}{beside}")
            if index in trace.outputs:
                tags.append(f"{OUTPUT}{beside}")
        lines.append(
            Line(
                fold,
                summary(trace, fold.units[0]),
                last.out_shape,
                last.out_shape[axes[fold.exit]],
                sides(last.out_shape, axes[fold.exit]),
                known if counted else None,
                macs / analysis.total.macs if analysis.total.macs else 0.0,
                tuple(tags),
            )
        )
    return lines


def shown_sides(line: Line) -> tuple[float, float]:
    """Width and height of a row's map in pixels; one side of a sequence, none of a vector."""
    if not line.map:
        return 0, 0
    return line.map[-1], line.map[-2] if len(line.map) > 1 else 0


def is_output(tag: str) -> bool:
    """Whether a tag says that it is an answer."""
    return tag.split(" ")[0] == OUTPUT
