"""Rooflines: every layer with MACs once, on the roof, as large as its share of the time."""

from math import log10
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import same_color
from networks import NAMES, fitting

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings.roofline_chart import LABELS, MARKERS, marks, roofline, spent
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.families import COLOURS, FAMILIES, family
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.rooflines import machine, timed

PHONE = {"peak": "100GFLOPS", "bandwidth": "20GB/s"}
ON = machine(**PHONE)


def drawn(ax: Axes) -> dict[str, PathCollection]:
    """The marks of each family."""
    return {
        str(marked.get_gid()).removeprefix("marks:"): marked
        for marked in ax.collections
        if isinstance(marked, PathCollection)
    }


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def check(ax: Axes, trace: Trace) -> None:
    """Every layer with MACs is a mark of its family, on the roof; areas are shares of time."""
    analysis = analyse(trace)
    layers = {layer.name: layer for layer in trace.layers}
    seconds = {row.name: max(2 * row.macs / 1e11, row.memory / 2e10) for row in analysis.rows}
    kinds = {kind: mark.get_offsets().tolist() for kind, mark in drawn(ax).items()}
    areas = {kind: mark.get_sizes().tolist() for kind, mark in drawn(ax).items()}
    expected: dict[str, list[tuple[float, float, float]]] = {}
    for row in analysis.rows:
        if row.macs:
            intensity = 2 * row.macs / row.memory
            expected.setdefault(family(layers[row.name]), []).append(
                (intensity, min(1e11, intensity * 2e10), seconds[row.name])
            )
    assert set(kinds) == set(expected)
    ratio = max(map(max, areas.values())) / max(s for each in expected.values() for _, _, s in each)
    for kind, each in expected.items():
        found = sorted(
            (*at, area / ratio) for at, area in zip(kinds[kind], areas[kind], strict=True)
        )
        assert len(found) == len(each)
        for mine, theirs in zip(found, sorted(each), strict=True):
            assert mine == pytest.approx(theirs)
    heading = "\n".join(texts(ax))
    waiting = sum(
        seconds[row.name] for row in analysis.rows if 2 * row.macs / 1e11 < row.memory / 2e10
    )
    idle = sum(seconds[row.name] for row in analysis.rows if not row.macs)
    total = sum(seconds.values())
    assert f"memory-bound {waiting / total:.1%} (layers without MACs {idle / total:.1%})" in heading
    slowest = sorted((row for row in analysis.rows if row.macs), key=lambda r: -seconds[r.name])
    row = slowest[0]
    assert f"{row.name} {seconds[row.name] / total:.1%}" in texts(ax)
    named = [text for text in texts(ax) if text.endswith("%")]
    assert len(named) == min(LABELS, len(slowest))
    assert f"{row.name} ({seconds[row.name] / total:.1%})" in ax.figure.alt


def inside(ax: Axes) -> bool:
    """Whether every mark is between the limits."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    return all(
        left < x < right and bottom < y < top
        for mark in drawn(ax).values()
        for x, y in mark.get_offsets().tolist()
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_network(name: str) -> None:
    trace = registry.trace(name)
    ax = roofline(trace, **PHONE)
    check(ax, trace)
    assert inside(ax)
    assert flaws(ax.figure) == []


@pytest.mark.parametrize(
    ("peak", "bandwidth", "level"),
    [("9PFLOPS", "1KB/s", "block"), ("1kFLOPS", "5PB/s", "layer"), (3, 2, "stage")],
)
def test_extreme_machines(peak: Any, bandwidth: Any, level: str) -> None:
    settings = fitting("googlenet", {"resolution": (128, 320), "classes": 3})
    ax = roofline(
        "googlenet", peak=peak, bandwidth=bandwidth, level=level, theme="dark", **settings
    )
    assert inside(ax)
    assert flaws(ax.figure) == []


def test_the_roof_is_the_machine() -> None:
    ax = roofline("mobilenet_v2", **PHONE)
    lines = {line.get_gid(): line for line in ax.lines}
    (left, ridge, right), (low, peak, level) = lines["roof"].get_data()
    assert (ridge, peak, level) == (5, 1e11, 1e11)
    assert low == pytest.approx(left * 2e10)
    assert (left, right) == ax.get_xlim()
    assert set(lines["ridge"].get_xdata()) == {5}
    for said in ("peak 100 GFLOP/s", "memory 20 GB/s", "compute-bound from 5 FLOPs/byte"):
        assert said in texts(ax)
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_a_block_is_below_the_roof_where_its_layers_wait() -> None:
    analysis = analyse(registry.trace("mobilenet_v2"))
    blocks = marks(analysis, ON, "block")
    assert {mark.timed.row.name for mark in blocks} == {
        r.name for r in analysis.by("block") if r.macs
    }
    for mark in blocks:
        assert log10(mark.performance) <= log10(min(1e11, mark.intensity * 2e10)) + 1e-9
    (expanding,) = (mark for mark in blocks if mark.timed.row.name == "stage2.0")
    assert expanding.kind == "expand"
    assert expanding.performance < 0.95 * min(1e11, expanding.intensity * 2e10)
    total = sum(each.seconds for each in timed(analysis, ON))
    assert expanding.share == pytest.approx(float(expanding.timed.seconds / total))


def test_layers_without_macs_count_in_the_time() -> None:
    analysis = analyse(registry.trace("mobilenet_v2"))
    times = spent(analysis, ON)
    with_macs = sum(mark.timed.seconds for mark in marks(analysis, ON, "layer"))
    assert times.total == with_macs + times.without_macs
    assert 0 < times.without_macs < times.memory_bound < times.total


def test_families_look_different_without_colour() -> None:
    assert set(MARKERS) == set(FAMILIES)
    assert len(set(MARKERS.values())) == len(MARKERS)
    ax = roofline("mobilenet_v3_small", **PHONE)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [FAMILIES[kind] for kind in drawn(ax)]
    for kind, mark in drawn(ax).items():
        assert same_color(mark.get_facecolor()[0][:3], COLOURS[kind])


def test_what_is_left_out_is_said() -> None:
    heading = "\n".join(texts(roofline("lenet5", dtype="int8", **PHONE)))
    assert "A bound, no measurement: without caches, launch overheads" in heading
    assert "Bytes of int8" in heading
    assert "2 × MACs by convention paper" in heading


def test_one_layer() -> None:
    net = Net()
    x = net.input(3, 8)
    ax = roofline(net.trace(net.conv2d(x, 4, 3, name="a_long_name_of_a_layer" * 4)), **PHONE)
    assert inside(ax)
    assert flaws(ax.figure) == []


def test_without_macs_there_is_no_roofline() -> None:
    net = Net()
    trace = net.trace(net.act(net.input(3, 8), "relu"))
    with pytest.raises(LabError, match="no layer of the network has MACs"):
        roofline(trace, **PHONE)


def test_an_axes_given_is_drawn_on() -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert roofline("lenet5", ax=right, **PHONE) is right
    assert figure.axes == [left, right]
    assert not left.collections


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a machine: the machine's peak is in FLOP/s"),
        ({"peak": "1GFLOPS"}, "needs a machine: the machine's bandwidth is in bytes/s"),
        ({"peak": "20GB/s", "bandwidth": "20GB/s"}, "peak is in FLOP/s .*, not '20GB/s'"),
        (PHONE | {"level": "stages"}, "unknown level"),
        (PHONE | {"dtype": "float"}, "unknown dtype"),
    ],
)
def test_what_is_missing_or_not_known_is_said(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LabError, match=words):
        roofline("lenet5", **options)


def test_a_theme_that_is_not_known_is_said() -> None:
    with pytest.raises(UnknownNameError, match="theme"):
        roofline("lenet5", theme="grey", **PHONE)
