"""Stages, blocks and roles of a network of which only the paths of its layers are known."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mobilenet_lab.layers import ACTIVATIONS, CONVS, NORMS, TRANSPOSED, Layer

MOST = 0.5
"""A part with more than this share of the layers is opened: its own parts are the stages."""


class Place(NamedTuple):
    """Where a layer stands among the modules."""

    name: str
    module: str
    """The path of the innermost module around it, or of the module that it is."""


def arranged(layers: Sequence[Layer], places: Sequence[Place]) -> tuple[Layer, ...]:
    """The layers with stage, block and role.

    A stage is a part of the network, a block a part of a stage. A part in which most of the layers
    lie (`features`, `backbone`) is opened up. A function called between stages belongs to the one
    before it.
    """
    opened = _opened([place.module for place in places])
    arranged, stage, block = [], "", ""
    for layer, place in zip(layers, places, strict=True):
        between = place.module in opened and layer.op != "input"
        if not between or not stage:
            stage = _part_of(place.name, opened)
            block = _part_of(place.module, opened | {stage}) if place.module != stage else stage
        arranged.append(layer._replace(stage=stage, block=block, role=role(layer)))
        if layer.op == "input":  # what follows it is no part of it
            stage = ""
    return tuple(arranged)


def _opened(modules: Sequence[str]) -> set[str]:
    """The paths whose parts are stages: the network itself, and what holds most of it."""
    opened = {""}
    while True:
        sizes = Counter(_part_of(path, opened) for path in modules if path not in opened)
        largest, count = max(sizes.items(), key=lambda item: item[1], default=("", 0))
        inside = {path for path in modules if path.startswith(f"{largest}.")}
        if count <= MOST * len(modules) or not inside:
            return opened
        opened.add(largest)


def _part_of(path: str, opened: set[str]) -> str:
    """The shortest beginning of a path that is not opened."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        beginning = ".".join(parts[:length])
        if beginning not in opened:
            return beginning
    return path


def role(layer: Layer) -> str:
    """What a layer is for, as far as its operation tells."""
    if layer.op in CONVS and layer.kernel is not None:
        channels = layer.in_shapes[0][-len(layer.kernel) - 1]
        if layer.groups == channels > 1:
            return "depthwise"
        return "pointwise" if set(layer.kernel) == {1} else "conv"
    kinds = {"norm": NORMS, "activation": ACTIVATIONS, "transposed conv": TRANSPOSED}
    for kind, ops in kinds.items():
        if layer.op in ops:
            return kind
    return "pool" if layer.op.endswith("pool") else layer.op
