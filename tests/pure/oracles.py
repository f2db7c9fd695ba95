"""Slow, obvious counterparts of what the package computes with formulas.

They walk, count and collect; none of them imports the package.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple


def walk(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int, ceil: bool = False
) -> list[int]:
    """First position of every window along one padded axis; position 0 is the first of padding.

    In ceil mode a window may hang out by less than a stride, unless it starts beyond the input
    (torch.nn.MaxPool2d: "sliding windows that would start in the right padded region are
    ignored").
    """
    padded = size + before + after
    starts = []
    start = 0
    while True:
        lacking = start + dilation * (kernel - 1) - (padded - 1)
        if lacking > 0 and not (ceil and lacking < stride):
            return starts
        if ceil and start >= size + before:
            return starts
        starts.append(start)
        start += stride


class Counted(NamedTuple):
    """What a convolution was seen to do."""

    height: int
    width: int
    multiplications: int
    weights: int


def convolve(
    c_in: int,
    c_out: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
    dilation: tuple[int, int],
    groups: int,
) -> Counted:
    """Every multiplication of a grouped convolution, one by one; those with padding included."""
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    rows, columns = (walk(n, k, s, *p, d) for n, k, s, p, d in axes)
    weights = set()
    multiplications = 0
    for _ in product(rows, columns):
        for out in range(c_out):
            group = out * groups // c_out
            for channel in range(c_in):
                if channel * groups // c_in != group:
                    continue
                for tap in product(range(kernel[0]), range(kernel[1])):
                    multiplications += 1
                    weights.add((out, channel, *tap))
    return Counted(len(rows), len(columns), multiplications, len(weights))


# Receptive fields: a unit is the set of input pixels that it depends on, as the bits of an int.


def pixels(count: int) -> list[int]:
    """The input itself: each unit sees one pixel."""
    return [1 << index for index in range(count)]


def union(units: Sequence[int], reads: Iterable[int]) -> int:
    """All that some units see; a unit outside the map is padding and sees nothing."""
    seen = 0
    for index in reads:
        if 0 <= index < len(units):
            seen |= units[index]
    return seen


def slide(
    units: Sequence[int], kernel: int, stride: int, before: int, after: int, dilation: int
) -> list[int]:
    """What the units of a convolution or pool see."""
    return [
        union(units, (start - before + dilation * tap for tap in range(kernel)))
        for start in walk(len(units), kernel, stride, before, after, dilation)
    ]


def pool_to(units: Sequence[int], outputs: int) -> list[int]:
    """Adaptive pooling: output i averages every unit that its share of the axis touches."""
    seen = []
    for i in range(outputs):
        first, end = i * len(units) / outputs, (i + 1) * len(units) / outputs
        seen.append(union(units, (u for u in range(len(units)) if u + 1 > first and u < end)))
    return seen


def repeat(units: Sequence[int], scale: int) -> list[int]:
    """Nearest upsampling by a whole number."""
    return [seen for seen in units for _ in range(scale)]


def interpolate(units: Sequence[int], scale: int) -> list[int]:
    """Bilinear upsampling by a whole number: each pixel centre lies between two units' centres."""
    seen = []
    for i in range(scale * len(units)):
        place = (2 * i + 1 - scale) / (2 * scale)
        seen.append(union(units, (u for u in range(-1, len(units) + 1) if abs(u - place) < 1)))
    return seen


def ends(seen: int) -> tuple[int, int]:
    """First and last pixel of a set that is not empty."""
    return (seen & -seen).bit_length() - 1, seen.bit_length() - 1


# Memory


def live(
    sizes: Sequence[int],
    inputs: Sequence[Sequence[int]],
    views: Sequence[bool],
    outputs: Sequence[int],
) -> list[int]:
    """Elements held while each step of a program runs.

    A step reads the results `inputs`, and writes one of `sizes` elements or hands on a view of
    its first input. A buffer is held while its step runs, and until nothing later reads it.
    """
    steps = range(len(sizes))

    def buffer(step: int) -> int:
        return buffer(inputs[step][0]) if views[step] else step

    def held(made: int, now: int) -> bool:
        read_later = any(
            buffer(source) == made for step in steps if step >= now for source in inputs[step]
        )
        is_answer = any(buffer(step) == made for step in outputs)
        return made == now or (made < now and (read_later or is_answer))

    return [
        sum(sizes[made] for made in steps if not views[made] and held(made, now)) for now in steps
    ]
