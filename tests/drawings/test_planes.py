"""The alpha x rho grid and the plane of published accuracies."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from networks import CLASSIFIERS, NAMES, options

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.accuracies import ACCURACIES, Accuracy
from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings import planes
from mobilenet_lab.drawings.accuracy_chart import Point, accuracy, known, pareto, series
from mobilenet_lab.drawings.canvas import THEMES
from mobilenet_lab.drawings.planes import QUANTITIES, WIDTHS, grid, luminance, readable
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.reports.table import write
from mobilenet_lab.resolutions import counts

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SCALED = [name for name in CLASSIFIERS if "width" in options(name)]
OTHERS = [name for name in NAMES if name not in SCALED]


def found(ax: Axes, prefix: str) -> dict[str, Any]:
    """The artists whose ids begin so."""
    named = {each.get_gid(): each for each in ax.findobj() if each.get_gid()}
    return {gid: each for gid, each in named.items() if gid.startswith(prefix)}


def shown(ax: Axes) -> numpy.ndarray[Any, Any]:
    return ax.images[0].get_array().filled(numpy.nan)


# The grid


@pytest.mark.parametrize("name", SCALED)
def test_a_cell_has_the_number_of_its_trace(name: str) -> None:
    widths, sides = [0.25, 0.5], [224, (256, 320)]
    theme = list(THEMES)[SCALED.index(name) % 2]
    ax = grid(name, width=widths, resolution=sides, theme=theme)
    assert flaws(ax.figure) == []
    expected = [
        [analyse(registry.trace(name, width=alpha, resolution=side)).total.macs for side in sides]
        for alpha in widths
    ]
    assert shown(ax).tolist() == expected
    texts = {gid: text.get_text() for gid, text in found(ax, "cell:").items()}
    assert texts == {
        f"cell:{row}:{column}": write(expected[row][column], "short")
        for row in range(2)
        for column in range(2)
    }
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.25", "0.5"]
    assert [label.get_text().split("\n")[0] for label in ax.get_xticklabels()] == ["224", "256×320"]
    assert f"{expected[0][0]:,} to {expected[1][1]:,}" in ax.figure.alt
    assert "MACs by convention paper" in " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_network_has_a_grid(name: str) -> None:
    side = registry.trace(name).input_shape[1]
    ax = grid(name, resolution=[side], theme=list(THEMES)[OTHERS.index(name) % 2])
    assert flaws(ax.figure) == []
    assert shown(ax)[-1, 0] == counts(registry.trace(name)).macs
    assert shown(ax).shape == (len(WIDTHS) if "width" in options(name) else 1, 1)


@pytest.mark.parametrize("of", QUANTITIES)
def test_each_quantity_is_the_sweeps(of: str) -> None:
    ax = grid("mobilenet_v2", of=of, width="0.5,1", resolution="192:224:32")
    totals = counts(registry.trace("mobilenet_v2", width=0.5, resolution=192))
    assert shown(ax)[0, 0] == getattr(totals, of)
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == QUANTITIES[of][0]


def test_without_settings_the_papers_are_taken() -> None:
    ax = grid("mobilenet_v1")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.25", "0.5", "0.75", "1"]
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "128\nρ = 0.571", "160\nρ = 0.714", "192\nρ = 0.857", "224\nρ = 1"
    ]  # fmt: skip
    assert shown(ax)[3, 3] == 568_740_352
    assert not numpy.isnan(shown(grid("lenet5"))).any()  # larger sides, where smaller vanish


def test_what_does_not_work_is_blank_and_said() -> None:
    ax = grid("lenet5", width=1.0, resolution=[20, 32])
    assert numpy.isnan(shown(ax)).tolist() == [[True, False]]
    texts = [text.get_text().replace("\n", " ") for text in ax.texts]
    assert "–" in texts
    assert "No numbers (–) at 1 of 2 combinations" in " ".join(texts)
    assert flaws(ax.figure) == []


def test_many_cells_have_colours_only() -> None:
    ax = grid("mobilenet_v2", width="0.25:2:0.25", resolution="32:1024:32")
    assert shown(ax).shape == (8, 32)
    assert found(ax, "cell:") == {}
    assert "Too many cells for their numbers" in ax.texts[0].get_text().replace("\n", " ")
    assert flaws(ax.figure) == []


@pytest.mark.parametrize("theme", THEMES)
def test_numbers_are_read_on_every_shade(theme: str) -> None:
    for share in numpy.linspace(0, 1, 101):
        paper = colormaps[THEMES[theme].shades](share)
        ink = [int(readable(paper)[1:3], 16) / 255] * 3
        light, dark = sorted([luminance(paper), luminance(ink)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_files_have_grids() -> None:
    ax = grid(EXAMPLES / "mobilenet_v2.toml", width=[0.5, 1], input="3x192x192", resolution=192)
    assert shown(ax)[1, 0] == counts(registry.trace("mobilenet_v2", resolution=192)).macs
    assert flaws(grid(str(EXAMPLES / "transformer.toml")).figure) == []


def test_a_module_is_read_at_each_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(network: str, *, input: Any) -> Trace:  # what networks.trace does with a factory
        net = Net()
        x = net.input(input[0], tuple(input[1:]))
        return net.trace(net.conv2d(x, 4, 3, padding=0, name="conv"))

    monkeypatch.setattr(planes, "traced", read)
    ax = grid("mine.py:make", input=(3, 98, 98), resolution=[34, "66x34"])
    assert shown(ax).tolist() == [[108 * 32 * 32, 108 * 64 * 32]]


@pytest.mark.parametrize(
    ("network", "given", "says"),
    [
        ("mobilenet_v3", {}, "unknown network"),
        ("mobilenet_v2", {"of": "memory"}, "unknown quantity"),
        ("mobilenet_v2", {"widht": 1}, "did you mean width"),
        ("mobilenet_v2", {"width": []}, "width has no values"),
        ("mobilenet_v2", {"width": "0:1"}, "width is a value"),
        ("mobilenet_v2", {"resolution": "-3"}, "resolution must be"),
        ("mobilenet_v2", {"theme": "sepia"}, "unknown theme"),
        ("googlenet", {"width": "0.5"}, "unknown option of googlenet 'width'"),
        ("lenet5", {"resolution": [8, 12]}, "none of 8 combinations works"),
        (registry.trace("mobilenet_v2"), {}, "finished trace"),
        (str(EXAMPLES / "signal.toml"), {}, "reads 1×8000, which is no image"),
        (3, {}, "a network is"),
    ],
)
def test_a_grid_of_no_use_is_told(network: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(LabError, match=says):
        grid(network, **given)


# Accuracy


@cache
def cost(number: int) -> Any:
    row = ACCURACIES[number]
    return counts(registry.trace(row.network, **row.settings))


@pytest.mark.parametrize(("against", "theme"), [("macs", "light"), ("params", "dark")])
def test_every_printed_accuracy_is_a_point_at_our_count(against: str, theme: str) -> None:
    ax = accuracy(against=against, theme=theme)
    assert flaws(ax.figure) == []
    marks = [each for each in ax.lines if (each.get_gid() or "").startswith("point:")]
    drawn = {line.get_gid(): (line.get_xdata()[0], line.get_ydata()[0]) for line in marks}
    assert len(marks) == len(drawn)
    assert drawn == {
        f"point:{number}": (getattr(cost(number), against), row.top1)
        for number, row in enumerate(ACCURACIES)
    }
    texts = " ".join(text.get_text() for text in ax.texts).replace("\n", " ")
    front = pareto(known((), against))
    for point in front:
        assert f"{point.accuracy.network} {point.accuracy.settings['width']:g}, " in texts
        assert f"{point.top1}% at {write(point.cost, 'short')} [" in texts
    sources = list(dict.fromkeys(row.source for row in ACCURACIES))
    for number, source in enumerate(sources, start=1):
        assert f"[{number}] {source}" in texts
        assert source in ax.figure.alt
    (step,) = found(ax, "front").values()
    assert list(step.get_xdata()) == [point.cost for point in front]
    labels = found(ax, "label:")
    assert [label.get_text() for label in labels.values()] == [
        "abcdefghijklmnopqrstuvwxyz"[number] for number in range(len(front))
    ]
    assert list(labels) == [f"label:{point.gid}" for point in front]
    for gid, label in labels.items():
        assert label.xy == drawn[gid.removeprefix("label:")]


def test_the_legend_names_each_network_and_its_sources() -> None:
    ax = accuracy("mobilenet_v1_full_conv", "mobilenet_v4_conv_small", "vgg16")
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[:3] == ["mobilenet_v1_full_conv [1]", "mobilenet_v4_conv_small [2]", "vgg16 [3]"]
    assert flaws(ax.figure) == []


@pytest.mark.parametrize("name", ["vgg16", "alexnet"])
def test_one_network_is_drawn_alone(name: str) -> None:
    ax = accuracy(name)
    assert len(found(ax, "point:")) == sum(row.network == name for row in ACCURACIES)
    assert flaws(ax.figure) == []


def test_a_trace_has_what_was_printed_of_it() -> None:
    rows = [point.accuracy for point in known([registry.trace("mobilenet_v1", width=0.5)])]
    assert {row.top1 for row in rows} == {63.7, 63.3}


def point(top1: float, cost: int, **settings: Any) -> Point:
    return Point(Accuracy("n", top1, "s", {"width": 1.0, "resolution": 224} | settings), cost)


def test_a_front_is_beaten_by_none() -> None:
    best = [point(50, 10), point(60, 20), point(70, 40)]
    beaten = [point(50, 20), point(59, 20), point(60, 30), point(40, 11), point(69.9, 80)]
    assert pareto([*beaten, *reversed(best)]) == best
    points = known(())
    front = pareto(points)
    for each in points:
        better = [
            other
            for other in points
            if other.cost <= each.cost
            and other.top1 >= each.top1
            and (other.cost, other.top1) != (each.cost, each.top1)
        ]
        assert bool(better) != any(
            (mine.cost, mine.top1) == (each.cost, each.top1) for mine in front
        )


def test_lines_join_resolutions_and_then_widths() -> None:
    points = [
        point(70, 40), point(60, 20, resolution=160),
        point(65, 30, width=0.75), point(50, 10, width=0.5),
    ]  # fmt: skip
    lines = [[each.top1 for each in line] for line in series(points)]
    assert lines == [[60, 70], [50, 65]]
    assert sum(map(len, series(known(())))) == len(ACCURACIES)


@pytest.mark.parametrize(
    ("networks", "given", "says"),
    [
        (["lenet5"], {}, "no published ImageNet accuracy of lenet5"),
        (["mobilenet_v2", "resnet50"], {}, "accuracy of resnet50"),
        (["net.toml"], {}, "accuracy of net.toml"),
        ([registry.trace("mobilenet_v2", width=0.3)], {}, "accuracy of mobilenet_v2"),
        (["mobilenet_v5"], {}, "unknown network"),
        ([], {"against": "live"}, "unknown quantity"),
        ([], {"theme": "sepia"}, "unknown theme"),
    ],
)
def test_what_is_not_published_is_told(networks: Any, given: Any, says: str) -> None:
    with pytest.raises(LabError, match=says):
        accuracy(*networks, **given)


def test_an_axes_given_is_drawn_on() -> None:
    _, (left, right) = pyplot.subplots(1, 2)
    assert grid("mobilenet_v1", ax=left, width=[0.5, 1], resolution=[128, 224]) is left
    assert accuracy("mobilenet_v1", ax=right) is right
