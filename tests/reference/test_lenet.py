"""LeNet-5 against its paper's numbers, and both forms against the same written in another way."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from twins.interpreter import run

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import lenet
from mobilenet_lab.errors import LabError, VanishedError
from mobilenet_lab.layers import Pair
from mobilenet_lab.verification import verify

from .foreign import copy_by_order, images
from .foreign import parameters_and_macs as counted

NAME = "lenet5"
LAYERS = ("c1", "s2", "c3", "s4", "c5", "f6", "output")


def in_common_use(classes: int = 10, columns: int = 1) -> nn.Module:
    """As it is usually written."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120 * columns, 84), nn.Tanh(), nn.Linear(84, classes)),
    )


@pytest.mark.parametrize(("resolution", "columns"), [((32, 32), 1), ((41, 60), 3 * 8)])
def test_same_scores_as_the_form_in_common_use(resolution: Pair, columns: int) -> None:
    theirs = in_common_use(7, columns).eval()
    ours = copy_by_order(theirs, registry.build(NAME, classes=7, resolution=resolution))
    x = images(3, 1, *resolution)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))
    total = analyse(registry.trace(NAME, classes=7, resolution=resolution)).total
    assert (total.params, total.macs) == counted(theirs, (1, *resolution))


def test_totals() -> None:
    totals = [analyse(registry.trace(NAME, original=form)).total for form in (False, True)]
    assert [(total.params, total.macs) for total in totals] == [
        (61_706, 416_520),
        (60_850, 328_096),
    ]


# The original form


def test_table_1_is_as_the_text_says() -> None:
    """Three contiguous maps, four contiguous ones, four that are not, all; each is read by ten."""
    first, second, third = lenet.TABLE_1[:6], lenet.TABLE_1[6:12], lenet.TABLE_1[12:15]
    for rows, length in ((first, 3), (second, 4)):
        rings = {frozenset((start + i) % 6 for i in range(length)) for start in range(6)}
        assert {frozenset(row) for row in rows} == rings
    for row in third:
        assert len(set(row)) == 4
        assert {(b - a) % 6 for a, b in zip(row, (*row[1:], row[0]), strict=True)} == {1, 2}
    assert lenet.TABLE_1[15:] == ((0, 1, 2, 3, 4, 5),)
    readers = [sum(source in row for row in lenet.TABLE_1) for source in range(6)]
    assert readers == [10] * 6


def test_printed_shapes_and_connections() -> None:
    """MACs and biases; a unit of S2 or S4 has four inputs and a bias."""
    analysis = analyse(registry.trace(NAME, original=True))
    shapes = {row.name: row.out_shape for row in analysis.by("stage")}
    assert shapes == {
        "c1": (6, 28, 28),
        "s2": (6, 14, 14),
        "c3": (16, 10, 10),
        "s4": (16, 5, 5),
        "c5": (120, 1, 1),
        "f6": (84,),
        "output": (10,),
    }
    connections = dict.fromkeys(LAYERS, 0)
    for row in analysis.rows:
        if row.op == "avg_pool":
            connections[row.stage] += 4 * row.activations
        elif row.op in ("conv2d", "linear"):
            macs = 0 if row.stage in ("s2", "s4") else row.macs
            connections[row.stage] += macs + row.activations
    printed = (122_304, 5_880, 151_600, 2_000, 48_120, 10_164)
    assert tuple(connections.values())[:-1] == printed
    # the printed total counts the output layer's distances, one connection for each of 84 inputs
    assert sum(printed) + 10 * 84 == 340_908


@torch.no_grad()
def by_masks(ours: nn.Module, x: Tensor) -> Tensor:
    """The original form with a full C3 that has zeros where Table 1 has no cross."""

    def subsample(x: Tensor, name: str) -> Tensor:
        scale = ours.get_submodule(f"{name}.scale")
        sums = F.avg_pool2d(x, 2, divisor_override=1)
        return (scale.weight.view(1, -1, 1, 1) / 4 * sums + scale.bias.view(1, -1, 1, 1)).tanh()

    weight, bias = torch.zeros(16, 6, 5, 5), torch.zeros(16)
    for number, row in enumerate(lenet.TABLE_1):
        part = ours.get_submodule(f"c3.map{number}")
        weight[number, list(row)], bias[number] = part.weight[0], part.bias
    x = subsample(ours.get_submodule("c1.conv")(x).tanh(), "s2")
    x = subsample(F.conv2d(x, weight, bias).tanh(), "s4")
    x = ours.get_submodule("c5.conv")(x).tanh().flatten(1)
    return ours.output(ours.get_submodule("f6.linear")(x).tanh())


@pytest.mark.parametrize("resolution", [(32, 32), (41, 60)])
def test_same_scores_as_with_masks(resolution: Pair) -> None:
    settings: dict[str, Any] = {"original": True, "classes": 7, "resolution": resolution}
    trace, ours = registry.trace(NAME, **settings), registry.build(NAME, **settings).eval()
    with torch.no_grad():
        for part in ours.modules():
            if isinstance(part, nn.Conv2d):
                part.weight *= 3
        x = images(3, 1, *resolution)
        torch.testing.assert_close(ours(x), by_masks(ours, x))
        torch.testing.assert_close(ours(x), run(trace, ours.get_submodule, x)[0])
        assert (ours(x)[0] - ours(x)[1]).abs().max() > 0.01
    verification = verify(NAME, **settings)
    assert verification.ok, verification.differing


def test_the_original_has_one_width() -> None:
    for make in (registry.trace, registry.build):
        with pytest.raises(LabError, match=r"no width 0\.5"):
            make(NAME, width=0.5, original=True)


# Sizes


def test_c5_makes_a_map_of_a_larger_image() -> None:
    trace = registry.trace(NAME, resolution=(48, 36))
    assert trace.layer("c5.conv").out_shape == (120, 5, 2)
    assert trace.layer("f6.linear").in_shapes == ((1200,),)


def test_the_image_must_be_32_pixels_at_least() -> None:
    with pytest.raises(VanishedError, match="the smallest resolution that works is 32x32"):
        registry.trace(NAME, resolution=31)
    for resolution in (31, (32, 31), (1, 99)):
        with pytest.raises(LabError):
            registry.build(NAME, resolution=resolution)
