"""A table of times, measured: each convolution and linear layer by itself, at a grid of widths.

Norms, activations and what is between layers are left out, so the sum is less than the network's
time. Layers of the same shapes are measured once.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch.utils.benchmark import Timer

from mobilenet_lab.adaptation.groups import Space, is_depthwise
from mobilenet_lab.adaptation.proposals import narrower
from mobilenet_lab.adaptation.tables import channels, is_timed
from mobilenet_lab.interpreter_torch import module_of
from mobilenet_lab.layers import Layer

Clock = Callable[[Layer], float]
"""Milliseconds of one layer on one image."""
Watch = Callable[[Iterable[tuple[str, Layer]], int], Iterable[tuple[str, Layer]]]
QUARTERS = 4
SECONDS = 0.05
"""For each measurement."""


def clock(layer: Layer) -> float:
    """The median of some runs, in eval mode, on noise."""
    module = module_of(layer).eval()
    image = torch.randn(1, *layer.in_shapes[0])
    with torch.inference_mode():
        timer = Timer("module(image)", globals={"module": module, "image": image})
        timer.timeit(2)  # warms up
        return float(timer.blocked_autorange(min_run_time=SECONDS).median) * 1000


def measured(
    space: Space, divisor: int, watch: Watch = lambda items, _: items, clock: Clock = clock
) -> dict[str, dict[str, float]]:
    """What `tables.read_times` reads under "milliseconds", for all widths of a search."""
    places = [*_grid(space, divisor)]
    known: dict[Layer, float] = {}
    found: dict[str, dict[str, float]] = {}
    for name, layer in watch(places, len(places)):
        shapes = layer._replace(name="", inputs=(), stage="", block="", role="")
        if shapes not in known:
            known[shapes] = clock(layer)
        inner, outer = channels(layer)
        found.setdefault(name, {})[f"{inner}x{outer}"] = known[shapes]
    return found


def _grid(space: Space, divisor: int) -> Iterator[tuple[str, Layer]]:
    """Each timed layer between its groups' full and least widths, inputs and outputs apart."""
    steps = [_widths(space, divisor, quarter) for quarter in range(QUARTERS + 1)]
    for index, layer in enumerate(space.trace.layers):
        if not is_timed(layer):
            continue
        source = layer.inputs[0]
        made: dict[tuple[int, int], Layer] = {}
        for inner in steps:
            for outer in [inner] if is_depthwise(layer) else steps:
                one = space.layer(index, outer, [space.written(source, inner)])
                made.setdefault(channels(one), one)
        yield from ((layer.name, one) for one in made.values())


def _widths(space: Space, divisor: int, quarter: int) -> tuple[int, ...]:
    """All groups at a quarter, a half ... of their widths; at the least for 0."""
    found = []
    for width in space.widths:
        options = sorted([width, *narrower(width, divisor)])
        found.append(options[(len(options) - 1) * quarter // QUARTERS])
    return tuple(found)
