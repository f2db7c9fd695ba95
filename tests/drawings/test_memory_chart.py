"""Live memory along networks: the areas are what the rows say, every stage is named."""

from itertools import groupby, pairwise
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from networks import NAMES, fitting

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings.memory_chart import PARTS, Held, apart, held, memory
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net


def areas(ax: Axes) -> dict[str, StepPatch]:
    """What is drawn of each part that is held, and the outline `live`."""
    return {str(patch.get_gid()): patch for patch in ax.patches if isinstance(patch, StepPatch)}


def texts(ax: Axes) -> str:
    return "\n".join([ax.get_xlabel(), ax.get_title("left"), *(t.get_text() for t in ax.texts)])


def check(ax: Axes, trace: Trace, dtype: str = "float32") -> None:
    analysis = analyse(trace, dtype)
    live = [row.live for row in analysis.rows]
    steps = held(analysis)
    assert [(step.name, step.live) for step in steps] == [(r.name, r.live) for r in analysis.rows]
    drawn = areas(ax)
    assert list(drawn["live"].get_data().values) == live
    for part in PARTS:
        sizes = [getattr(step, part) for step in steps]
        assert (part in drawn) == any(sizes)
        if part in drawn:
            above, edges, below = drawn[part].get_data()
            assert list(above - below) == sizes
            assert list(edges) == [0.5 + place for place in range(len(steps) + 1)]
    peak = max(live)
    (mark,) = (line for line in ax.lines if isinstance(line, Line2D) and line.get_gid() == "peak")
    assert (*mark.get_xdata(), *mark.get_ydata()) == (live.index(peak) + 1, peak)
    assert f"peak {peak:,} bytes\nin {analysis.rows[live.index(peak)].name}" in texts(ax)
    assert f"{peak:,} bytes of {dtype}, in {steps[live.index(peak)].name}" in ax.figure.alt
    assert ax.get_ylim()[0] == 0
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        stage for stage, _ in groupby(row.stage for row in analysis.rows)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_network(name: str) -> None:
    trace = registry.trace(name)
    ax = memory(trace)
    check(ax, trace)
    assert flaws(ax.figure) == []


def test_odd_settings_in_the_dark() -> None:
    settings = fitting("lraspp_mobilenet_v3_small", {"width": 0.35, "resolution": (96, 416)})
    ax = memory("lraspp_mobilenet_v3_small", theme="dark", dtype="float16", **settings)
    check(ax, registry.trace("lraspp_mobilenet_v3_small", **settings), "float16")
    assert flaws(ax.figure) == []


def test_a_skip_is_kept_through_its_block() -> None:
    steps = {step.name: step for step in held(analyse(registry.trace("mobilenet_v2")))}
    skip, wide, narrow = (4 * channels * 56 * 56 for channels in (24, 144, 24))
    assert steps["stage2.1.expand.conv"] == Held("stage2.1.expand.conv", skip + wide, 0, 0)
    assert steps["stage2.1.depthwise.conv"][1:] == (wide + wide, skip, 0)
    assert steps["stage2.1.project.conv"][1:] == (wide + narrow, skip, 0)
    assert steps["stage2.1.add"][1:] == (skip + narrow + narrow, 0, 0)
    assert steps["stage2.0.depthwise.conv"].kept == 0  # its block has no skip


def test_finished_outputs_are_kept_to_the_end() -> None:
    net = Net()
    x = net.input(2, 5)
    first = net.conv2d(x, 3, 1, name="first")
    second = net.conv2d(x, 4, 1, name="second")
    third = net.flatten(second, name="view")
    last = net.linear(third, 7, name="last")
    found = held(analyse(net.trace(first, last)))
    # elements: x 50, first 75, second 100 (and its view), last 7
    assert found == (
        Held("first", 4 * 125, 0, 0),
        Held("second", 4 * 150, 0, 4 * 75),
        Held("view", 4 * 100, 0, 4 * 75),
        Held("last", 4 * 107, 0, 4 * 75),
    )
    assert set(areas(memory(net.trace(first, last)))) == {"used", "outputs", "live"}


def test_many_stages_are_told_and_left_out() -> None:
    net = Net()
    x = net.input(3, 8)
    for number in range(120):
        with net.stage(f"stage{number}"):
            x = net.act(x, "relu", name="act")
            x = net.act(x, "relu", name="more") if number % 7 == 0 else x
    ax = memory(net.trace(x))
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert f"{120 - len(shown)} short stages are not named" in ax.get_xlabel()
    assert {f"stage{number}" for number in range(0, 120, 7)} <= set(shown)
    assert flaws(ax.figure) == []


def test_one_layer_and_a_long_name() -> None:
    net = Net()
    x = net.input(3, 8)
    ax = memory(net.trace(net.conv2d(x, 4, 3, name="a_convolution_with_a_long_name" * 5)))
    assert flaws(ax.figure) == []


def test_parameters_are_told_beside() -> None:
    total = analyse(registry.trace("vgg16")).total
    ax = memory("vgg16")
    assert f"Parameters, beside these: {4 * total.params:,} bytes, 21.5x the peak." in texts(ax)


def test_an_axes_given_is_drawn_on() -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert memory("lenet5", ax=right) is right
    assert figure.axes == [left, right]
    assert not left.patches


@pytest.mark.parametrize("options", [{"dtype": "float"}, {"theme": "grey"}, {"widht": 1}])
def test_what_is_not_known_is_said(options: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError):
        memory("mobilenet_v2", **options)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([2.0, 5.0], [2.0, 5.0]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([0.0, 0.0, 0.0], [0.5, 1.5, 2.5]),
        ([10.0, 10.0], [8.5, 9.5]),
        ([4.0, 4.2, 4.4, 9.0], [3.2, 4.2, 5.2, 9.0]),
        ([3.0, 3.9, 3.9], [2.6, 3.6, 4.6]),
        ([], []),
    ],
)
def test_labels_are_moved_as_little_as_it_takes(places: list[float], expected: list[float]) -> None:
    moved = apart(places, 1, 0, 10)
    assert moved == pytest.approx(expected)
    assert all(after - before >= 1 - 1e-9 for before, after in pairwise(moved))
