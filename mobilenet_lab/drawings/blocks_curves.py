"""The outlines of what leads from one map of a block to another."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.path import Path

from mobilenet_lab.drawings.blocks_layout import Point


def ribbon(points: Sequence[Point], thickness: float) -> Path:
    """A band around the points, level at each of them."""
    half = thickness / 2
    upper = [(x, y + half) for x, y in points]
    lower = [(x, y - half) for x, y in reversed(points)]
    vertices, codes = [upper[0]], [Path.MOVETO]
    for before, after in [*pairwise(upper), (upper[-1], lower[0])]:
        _bend(vertices, codes, before, after)
    for before, after in pairwise(lower):
        _bend(vertices, codes, before, after)
    return Path([*vertices, upper[0]], [*codes, Path.CLOSEPOLY])


def _bend(vertices: list[Point], codes: list[Any], before: Point, after: Point) -> None:
    if before[0] == after[0] or before[1] == after[1]:
        vertices.append(after)
        codes.append(Path.LINETO)
        return
    middle = (before[0] + after[0]) / 2
    vertices += [(middle, before[1]), (middle, after[1]), after]
    codes += [Path.CURVE4] * 3


def rounded(points: Sequence[Point], radius: float = 4.0) -> Path:
    """A line through the points with rounded corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        vertices += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _towards(start: Point, end: Point, most: float) -> Point:
    length = max(abs(end[0] - start[0]) + abs(end[1] - start[1]), 1e-9)
    share = min(most / length, 0.5)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
