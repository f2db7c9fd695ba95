"""A strip folded to the width of a page: bands one under another."""

from itertools import pairwise
from typing import NamedTuple

from mobilenet_lab.drawings.blocks_layout import GAP, ROUND, SHAPE, TRACK, Path, Point, Strip
from mobilenet_lab.drawings.canvas import SMALL, text_height, text_width

BAND = 4
"""What one band more costs, where each cut costs the cube of what crosses it."""


class Band(NamedTuple):
    """A piece of a strip from one x to another, and how far what it shows reaches."""

    start: float
    stop: float
    left: float
    right: float
    low: float
    high: float
    drop: float
    """By how much the lines over everything else run lower than on the whole strip."""
    over: float
    """Lines above this height drop."""


def folded(strip: Strip, room: float) -> list[Band]:
    """A strip in few pieces that `room` allows, cut where little crosses."""
    stops = [x for place in strip.places for x in (place.left, place.right)]
    blocked = [(place.left, place.right) for place in strip.places]
    blocked += [bend for path in strip.paths for bend in _bends(path)]
    inner = {x for x in stops if not any(a + 0.01 < x < b - 0.01 for a, b in blocked)}
    free = sorted(inner | {0.0, strip.width})
    best: dict[float, tuple[int, float, list[Band]]] = {0.0: (0, 0.0, [])}
    for x, nearest in zip(free[1:], free, strict=False):
        tries = []
        for before in free[: free.index(x)]:
            band = _band(strip, before, x)
            wide = band.right - band.left
            if wide <= room or before == nearest:
                cost, widest, bands = best[before]
                cost += BAND + _crossings(strip, x) ** 3
                tries.append((cost, max(widest, wide), [*bands, band]))
        best[x] = min(tries)
    return best[strip.width][2]


def _bends(path: Path) -> list[tuple[float, float]]:
    pairs = pairwise(path.points)
    return [(a[0], b[0]) for a, b in pairs if a[1] != b[1] and a[0] != b[0]]


def _crossings(strip: Strip, x: float) -> int:
    return sum(path.points[0][0] < x <= path.points[-1][0] for path in strip.paths)


def held(strip: Strip, band: Band) -> list[int]:
    """The nodes that stand in a band."""
    return [
        number
        for number, place in enumerate(strip.places)
        if band.start <= place.left and place.right <= band.stop
    ]


def again(strip: Strip, band: Band) -> list[int]:
    """The nodes whose map a band begins with, though they stand in the one before."""
    if not band.start:
        return []
    return [number for number, place in enumerate(strip.places) if place.right == band.start]


def clipped(path: Path, band: Band) -> tuple[Point, ...]:
    """The points of a path that lie in a band; where it is cut it runs level."""
    start, stop = max(path.points[0][0], band.start), min(path.points[-1][0], band.stop)
    if start >= stop:
        return ()
    points = [(x, y - band.drop if y > band.over else y) for x, y in path.points]
    inner = [point for point in points if start <= point[0] <= stop]
    before = [point for point in points if point[0] < start]
    after = [point for point in points if point[0] > stop]
    head = [(start, before[-1][1])] if before else []
    tail = [(stop, after[0][1])] if after else []
    return (*head, *inner, *tail)


def _band(strip: Strip, start: float, stop: float) -> Band:
    whole = Band(start, stop, start, stop, 0.0, 0.0, 0.0, float("inf"))
    boxes = [_box(strip, number, True) for number in held(strip, whole)]
    boxes += [_box(strip, number, False) for number in again(strip, whole)]
    for path in strip.paths:
        if path.thickness:
            half = path.thickness / 2
            boxes += [(x, x, y - half, y + half) for x, y in clipped(path, whole)]
    high = max([box[3] for box in boxes], default=0.0)
    tracks = [y for path in strip.paths for _, y in clipped(path, whole) if y > high + 1]
    drop = min(tracks, default=high) - high - GAP if tracks else 0.0
    return Band(
        start,
        stop,
        min([start, *(box[0] for box in boxes)]),
        max([stop, *(box[1] for box in boxes)]),
        min([box[2] for box in boxes], default=0.0),
        max(tracks) - drop + TRACK / 2 if tracks else high,
        drop,
        high + 1,
    )


def _box(strip: Strip, number: int, words: bool) -> tuple[float, float, float, float]:
    """Left, right, low and high of a node with its shape, and what is written under it."""
    node, place = strip.graph.nodes[number], strip.places[number]
    shape = text_width(node.shape, SMALL) if node.shape else 0.0
    half = max(node.makes, node.reads if words else 0) * strip.scale / 2
    below = SHAPE + (text_height("\n".join(node.lines), SMALL) if words and node.lines else 0.0)
    return (
        min(place.left if words else place.right, place.right + place.hang - shape),
        place.right + place.hang,
        min(place.y - half, place.words - below),
        place.y + max(half, ROUND if node.kind == "combine" else 0.0),
    )
