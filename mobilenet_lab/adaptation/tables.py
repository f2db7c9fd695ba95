"""What a network costs at every width of every group: NetAdapt's lookup tables.

Costs are whole numbers: MACs, parameters, bytes moved (float32, as `analysis` counts them) or
nanoseconds. MACs, parameters and bytes are counted; nanoseconds come from a file of measured times.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mobilenet_lab.adaptation.groups import Space, is_dense, is_depthwise
from mobilenet_lab.analysis import CONSTANT, DTYPES, VIEWS, macs, params, weights
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.formulas import bytes_moved, elements
from mobilenet_lab.layers import Layer, Shape

Cost: TypeAlias = Callable[[Layer], int]
"""What one layer costs."""
Widths: TypeAlias = Mapping[int, int]
"""Width of a group -> what the whole network then costs."""
Times: TypeAlias = Mapping[str, Mapping[tuple[int, int], int]]
"""Layer -> channels in and out -> nanoseconds."""
COSTS = ("macs", "params", "bytes", "latency")
LARGEST_FILE = 50_000_000
MOST_MILLISECONDS = 10**9


def cost_of(cost: str, times: Times | None = None) -> Cost:
    """How a layer is priced; `latency` by measured times.

    Raises:
        UnknownNameError: there is no such cost.
        LabError: times are missing, or given for another cost.
    """
    if cost not in COSTS:
        raise UnknownNameError("cost", str(cost), COSTS)
    if (cost == "latency") != (times is not None):
        needed = "needs a table of measured times" if times is None else "takes no table of times"
        raise LabError(f"cost {cost} {needed} (latency)")
    if times is not None:
        return lambda layer: _time(layer, times)
    exact: dict[str, Cost] = {"macs": _macs, "params": _params, "bytes": _bytes}
    return exact[cost]


def total(space: Space, widths: Sequence[int], cost: Cost) -> int:
    """What the network costs at these widths."""
    return sum(cost(space.layer(index, widths)) for index in range(len(space.trace.layers)))


def table(
    space: Space, widths: Sequence[int], cost: Cost, choices: Sequence[Sequence[int]]
) -> tuple[Widths, ...]:
    """What the network costs with one group at each of its `choices`, all others at `widths`."""
    now = [cost(space.layer(index, widths)) for index in range(len(space.trace.layers))]
    whole = sum(now)
    found = []
    for number, (group, options) in enumerate(zip(space.groups, choices, strict=True)):
        rest = whole - sum(now[index] for index in group.readers)
        entries = {}
        for option in options:
            changed = [*widths[:number], option, *widths[number + 1 :]]
            entries[option] = rest + sum(
                cost(space.layer(index, changed)) for index in group.readers
            )
        found.append(entries)
    return tuple(found)


def _macs(layer: Layer) -> int:
    return int(macs(layer))


def _params(layer: Layer) -> int:
    return int(params(layer))


def _bytes(layer: Layer) -> int:
    """As a row of `analysis.analyse`."""
    if layer.op in ("input", *VIEWS, *CONSTANT):
        return 0
    read = sum(int(elements(shape)) for shape in layer.in_shapes)
    written = int(elements(layer.out_shape))
    used = written if layer.op == "embedding" else int(weights(layer))
    return int(bytes_moved(read, used, written, DTYPES["float32"]))


# Measured times


def channels(layer: Layer) -> tuple[int, int]:
    """What comes in and what goes out."""
    return _outer(layer.in_shapes[0]), _outer(layer.out_shape)


def _outer(shape: Shape) -> int:
    return shape[0]


def is_timed(layer: Layer) -> bool:
    """A layer whose time depends on its widths and is looked up: a convolution or a linear one."""
    return is_dense(layer) or is_depthwise(layer)


def _time(layer: Layer, times: Times) -> int:
    if not is_timed(layer):
        return 0
    if layer.name not in times:
        raise LabError(f"the table of times says nothing of {layer.name}")
    measured, (inner, outer) = times[layer.name], channels(layer)
    if (inner, outer) in measured:
        return measured[inner, outer]
    if is_depthwise(layer):
        points = {one: time for (one, other), time in measured.items() if one == other}
        low, high = _around(layer, sorted(points), inner)
        return round(_between(inner, low, high, points[low], points[high]))
    ins = _around(layer, sorted({one for one, _ in measured}), inner)
    outs = _around(layer, sorted({one for _, one in measured}), outer)
    try:
        rows = [
            _between(outer, *outs, measured[one, outs[0]], measured[one, outs[1]]) for one in ins
        ]
    except KeyError:
        raise LabError(
            f"the table of times of {layer.name} has no {inner}x{outer}, nor the corners "
            f"{ins[0]}x{outs[0]} to {ins[1]}x{outs[1]} around it"
        ) from None
    return round(_between(inner, *ins, *rows))


def _around(layer: Layer, grid: Sequence[int], value: int) -> tuple[int, int]:
    """The measured widths below and above one."""
    place = bisect_right(grid, value)
    if place and grid[place - 1] == value:
        return value, value
    if not 0 < place < len(grid):
        raise LabError(
            f"the table of times of {layer.name} has {', '.join(map(str, grid)) or 'no'} channels, "
            f"which {value} are not among or between"
        )
    return grid[place - 1], grid[place]


def _between(value: int, low: int, high: int, first: float, second: float) -> float:
    return first if low == high else first + (second - first) * (value - low) / (high - low)


def read_times(path: str | Path) -> Times:
    """A table of times: {"milliseconds": {"stem.conv": {"3x32": 0.41, "3x24": 0.33}}}.

    "3x32" are channels in and out. What lies between measured numbers is interpolated linearly.

    Raises:
        LabError: it cannot be read, or is no such table.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    try:
        found = json.loads(content) if len(content) <= LARGEST_FILE else None
    except (ValueError, RecursionError):
        found = None
    layers = found.get("milliseconds") if isinstance(found, dict) else None
    if not isinstance(layers, dict) or not all(isinstance(one, dict) for one in layers.values()):
        raise LabError(
            f"{path} is no table of times, like "
            '{"milliseconds": {"stem.conv": {"3x32": 0.41, "3x24": 0.33}}}'
        )
    return {
        name: dict(_entry(path, name, key, value) for key, value in entries.items())
        for name, entries in layers.items()
    }


def _entry(path: str | Path, name: str, key: str, value: Any) -> tuple[tuple[int, int], int]:
    sides = key.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdecimal() for side in sides):
        raise LabError(f"{path}: {name} has {quoted(key)}, not channels in and out like 16x32")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= MOST_MILLISECONDS:
        raise LabError(f"{path}: {name} {key} takes {quoted(value)}, which is no milliseconds")
    return (int(sides[0][:9]), int(sides[1][:9])), round(value * 10**6)
