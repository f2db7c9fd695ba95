"""Diagrams of whole networks: rows, numbers, extents, lanes, and what is refused."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings.canvas import PAGE, Picture
from mobilenet_lab.drawings.network_diagram import network
from mobilenet_lab.drawings.network_folding import Link, channel_axes, folded, laid, numbered
from mobilenet_lab.drawings.network_legend import DOT
from mobilenet_lab.drawings.network_lines import Line, goes_down, rows
from mobilenet_lab.drawings.network_summary import summary
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Feature, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.networks import trace
from mobilenet_lab.reports.table import write

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class Drawn(NamedTuple):
    """What a test looks at, of one drawn network."""

    trace: Trace
    lines: list[Line]
    links: list[Link]
    texts: dict[str, str]
    """By gid; those of one gid one after the other."""
    lefts: list[float]
    """Where the texts of rows begin."""
    boxes: dict[str, tuple[float, float]]
    """Width and height of each rectangle that has a gid."""
    flows: list[float]
    """Where the lines of flow go, from left to right."""
    scale: float
    """Length of the sample of maps."""
    marks: set[str]
    flaws: list[str]
    size: float
    alt: str


@cache
def drawn(name: str) -> Drawn:
    """One network, drawn once for all tests."""
    given = trace(name)
    lines, links, _ = rows(given)
    ax = network(given)
    figure = ax.figure
    assert isinstance(figure, Picture)
    paths = {
        str(line.get_gid()): [*map(float, np.asarray(line.get_xdata()))]
        for line in figure.findobj(Line2D)
    }
    texts: dict[str, str] = {}
    lefts = []
    for text in figure.findobj(Text):
        gid = text.get_gid()
        if gid:
            texts[gid] = f"{texts.get(gid, '')} {text.get_text()}".strip()
            lefts += [] if gid.startswith("legend") else [text.get_position()[0]]
    found = Drawn(
        given,
        lines,
        links,
        texts,
        lefts,
        {
            str(box.get_gid()): (box.get_width(), box.get_height())
            for box in figure.findobj(Rectangle)
            if box.get_gid()
        },
        [x for gid, xs in paths.items() if gid[:4] in ("flow", "lane") for x in xs],
        paths["scale:map"][1] - paths["scale:map"][0],
        {str(artist.get_gid()) for artist in ax.get_children() if artist.get_gid()},
        flaws(figure),
        figure.get_figwidth() * 72,
        figure.alt,
    )
    pyplot.close(figure)
    return found


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_every_layer_is_in_one_row_and_in_its_numbers(name: str) -> None:
    mine = drawn(name)
    lines, texts = mine.lines, mine.texts
    analysis = analyse(mine.trace)
    inside = Counter(index for line in lines for index in line.fold.layers)
    assert inside == Counter(range(len(mine.trace.layers)))
    assert sum(line.share for line in lines) == pytest.approx(1)
    layers = {row.name: row for row in analysis.rows}
    for number, line in enumerate(lines):
        own = [mine.trace.layers[index].name for index in line.fold.layers]
        macs = sum(layers[each].macs for each in own if each in layers)
        assert texts[f"shape:{number}"] == write(line.shape, "shape")
        assert texts.get(f"times:{number}", "×1") == f"×{line.fold.times}"
        if own == ["input"]:
            assert f"macs:{number}" not in texts
            continue
        assert texts[f"macs:{number}"] == write(macs, "short")
        share = write(macs / analysis.total.macs, "share") if macs else "0"
        assert texts[f"share:{number}"] == share
        words = texts[f"does:{number}"].partition("←")[0].strip()
        assert words
    assert len({gid for gid in texts if gid.startswith("name:")}) == len(lines) <= 40


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_extents_are_to_scale(name: str) -> None:
    mine = drawn(name)
    ratios: dict[str, set[float]] = {"side": set(), "channel": set()}
    for number, line in enumerate(mine.lines):
        shape = mine.trace.layers[line.fold.exit].out_shape
        width, _ = mine.boxes[f"channels:{number}"]
        ratios["channel"].add(round(width / shape[0], 9))
        assert (f"map:{number}" in mine.boxes) == (len(shape) == 3)
        if len(shape) == 3:
            width, height = mine.boxes[f"map:{number}"]
            assert (f"dot:{number}" in mine.marks) == (max(width, height) < DOT)
            ratios["side"] |= {round(width / shape[2], 9), round(height / shape[1], 9)}
    assert {kind: len(found) for kind, found in ratios.items()} == {"side": 1, "channel": 1}
    assert mine.scale == pytest.approx(ratios["side"].pop() * _number(mine, "map"))
    width, _ = mine.boxes["scale:channels"]
    assert width == pytest.approx(ratios["channel"].pop() * _number(mine, "channels"))


def _number(mine: Drawn, kind: str) -> int:
    """What the sample of a scale stands for, as the legend says."""
    return int(mine.texts[f"legend:{kind}"].split()[0])


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_everything_that_flows_between_rows_is_drawn_once(name: str) -> None:
    mine = drawn(name)
    place = {
        index: (number, position)
        for number, line in enumerate(mine.lines)
        for unit in line.fold.units
        for position, index in enumerate(unit)
    }
    wanted = {
        (*place[source], place[index][0])
        for index, layer in enumerate(mine.trace.layers)
        for source in layer.inputs
        if place[source][0] < place[index][0]
    }
    found = []
    for gid in mine.marks:
        kind, _, numbers = gid.partition(":")
        if kind in ("flow", "lane"):
            source, end = map(int, numbers.split(":"))
            found.append((*place[source], end))
            assert (kind == "flow") <= (end == place[source][0] + 1)
    assert sorted(found) == sorted(wanted)
    assert 0 < min(mine.flows) < max(mine.flows) + 3 < min(mine.lefts)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_it_fits_on_a_page(name: str) -> None:
    mine = drawn(name)
    assert mine.flaws == []
    assert mine.size == pytest.approx(PAGE)
    assert f"{len(mine.lines)} rows from the input" in mine.alt
    assert write(mine.trace.input_shape, "shape") in mine.alt
    most = max(mine.lines, key=lambda line: line.share)
    assert f"Most MACs: {most.fold.name} {write(most.share, 'share')}" in mine.alt
    assert "MACs of convolutions" in mine.alt


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_marks_taps_and_answers(name: str) -> None:
    mine = drawn(name)
    gates = {line.fold.units[0] for line in mine.lines if line.summary.gate}
    with_pooled_products = {
        line.fold.units[0]
        for line in mine.lines
        if any(
            len(layer.out_shape) == 3 and layer.in_shapes[1][1:] == (1, 1)
            for layer in (mine.trace.layers[index] for index in line.fold.layers)
            if layer.op == "mul"
        )
    }
    assert gates == with_pooled_products
    for number, line in enumerate(mine.lines):
        assert (f"skip:{number}" in mine.marks) == line.summary.skip
        assert (f"gate:{number}" in mine.marks) == line.summary.gate
    tags = [tag.split(" ")[0] for line in mine.lines for tag in line.tags]
    assert tags.count("output") == len(mine.trace.outputs)
    assert {
        part.strip(",") for line in mine.lines for tag in line.tags for part in tag.split()
    } >= {*mine.trace.taps}


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "replknet_31b", "mixnet_s"])
def test_skips_are_where_something_is_added(name: str) -> None:
    mine = drawn(name)
    adds = [
        number
        for number, line in enumerate(mine.lines)
        if "add" in {mine.trace.layers[index].op for index in line.fold.units[0]}
    ]
    assert adds
    assert adds == [number for number, line in enumerate(mine.lines) if line.summary.skip]


def names(name: str) -> list[str]:
    return [line.fold.name for line in drawn(name).lines]


def test_equal_blocks_fold() -> None:
    assert names("mobilenet_v2")[4:9] == [
        *("stage2.1", "stage3.0", "stage3.1–2", "stage4.0", "stage4.1–3")
    ]
    replknet = drawn("replknet_31b").lines
    assert [line.fold.name for line in replknet[8:10]] == ["stage3.0, 2 … 34", "stage3.1, 3 … 35"]
    assert [(line.fold.times, line.fold.run) for line in replknet[8:10]] == [(18, (8, 9))] * 2


def test_a_tap_and_a_difference_break_a_fold() -> None:
    def folds(change: Callable[[Net, int], dict[str, Any]]) -> list[tuple[str, int]]:
        net = Net()
        x = net.input(8, 16)
        for number in range(4):
            with net.block(f"b.{number}"):
                x = net.conv(x, 8, **change(net, number))
            if number == 1 and not change(net, number):
                net.tap("C1", x)
        return [(row.name, row.times) for row in folded(net.trace(x), "block")]

    whole = [("input", 1), ("b.0–1", 2), ("b.2–3", 2)]
    assert folds(lambda net, number: {}) == whole
    assert folds(lambda net, number: {"groups": 1 + number // 2, "name": "c"}) == whole
    assert folds(lambda net, number: {"stride": 1}) == [("input", 1), ("b.0–3", 4)]


def test_a_landmark_inside_of_a_block_breaks_a_fold() -> None:
    def folds(tapped: bool) -> list[str]:
        net = Net()
        x = net.input(8, 16)
        for number in range(3):
            with net.block(f"b.{number}"):
                x = net.conv(x, 8, name="one")
                if tapped and number == 1:
                    net.tap("C1", x)
                x = net.conv(x, 8, name="two")
        return [row.name for row in folded(net.trace(x), "block")]

    assert folds(False) == ["input", "b.0–2"]
    assert folds(True) == ["input", "b.0", "b.1", "b.2"]


def test_an_activation_stands_with_what_it_follows_unless_that_is_a_landmark() -> None:
    def folds(tapped: bool) -> list[str]:
        net = Net()
        x = net.conv2d(net.input(8, 16), 8, 3, name="conv")
        if tapped:
            net.tap("C1", x)
        return [row.name for row in folded(net.trace(net.act(x, "relu", name="act")), "block")]

    assert folds(False) == ["input", "conv, act"]
    assert folds(True) == ["input", "conv", "act"]


def test_blocks_that_do_not_hang_together_are_rows_of_their_own() -> None:
    assert names("yolov5n")[-3:] == ["head.stride8", "head.stride16", "head.stride32"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (["a.1", "a.2", "a.3"], "a.1–3"),
        (["a.0", "a.2", "a.4"], "a.0, 2 … 4"),
        (["a.0", "a.2"], "a.0, 2"),
        (["x_9.b", "x_10.b"], "x_9–10.b"),
        (["left", "right"], "left … right"),
        (["same", "same"], "same"),
    ],
)
def test_names_of_folded_rows(given: list[str], name: str) -> None:
    assert numbered(given) == name


@pytest.mark.parametrize(
    ("name", "row", "text"),
    [
        ("mobilenet_v2", 3, "1×1 → 3×3 dw /2 → 1×1"),
        ("mobilenet_v3_large", 5, "1×1 → 5×5 dw /2 → SE → 1×1"),
        ("mixnet_s", 6, "2 of 1×1 → 3×3|5×5 dw → SE → 2 of 1×1"),
        ("googlenet", 7, "1×1 | 1×1 → 3×3 | 1×1 → 5×5 | 3×3 max pool → 1×1"),
        ("resnet50", 5, "(1×1 → 3×3 /2 → 1×1 | 1×1 /2) → +"),
        ("shufflenet_v2", 4, "1×1 → 3×3 dw → 1×1 → concat → shuffle"),
        ("alexnet", 2, "5×5 in 2 groups → LRN → 3×3 max pool /2"),
        ("lraspp_mobilenet_v3_large", 15, "(1×1 | 1×1 → gate → upsample → 1×1) → +"),
        ("yolov5n_mobilenet_v3_large", 17, "upsample → concat"),
    ],
)
def test_words(name: str, row: int, text: str) -> None:
    mine = drawn(name)
    assert mine.lines[row].summary.text == text
    shown = mine.texts[f"does:{row}"].partition("←")[0]
    assert shown.split() == text.split()


def test_a_branch_inside_a_branch_and_a_knot() -> None:
    net = Net()
    x = net.input(4, 8)
    with net.block("b"):
        a = net.conv2d(x, 4, 3, name="a")
        b = net.max_pool(a, 3, 1, 1, name="p")
        c = net.max_pool(b, 3, 1, 1, name="q")
        y = net.concat(a, b, c)
    assert summary(net.trace(y), range(1, 5)).text == ("3×3 → 3×3 max pool → 3×3 max pool → concat")
    net = Net()
    x = net.input(4, 8)
    with net.block("b"):  # neither in series nor side by side
        a, b = net.conv2d(x, 4, 1, name="a"), net.conv2d(x, 4, 3, name="b")
        c, d = net.add(a, b, name="c"), net.conv2d(b, 4, 5, name="d")
        y = net.add(c, d)
    assert summary(net.trace(y), range(1, 6)).counts[::2] == tuple(
        step for step in summary(net.trace(y), range(1, 6)).steps if step.family
    )


def test_lanes_do_not_share_a_place() -> None:
    lanes = laid([Link(0, 0, (1, 4)), Link(1, 1, (3,)), Link(2, 3, (5,))], lambda link: False)
    assert {link.layer: lane for link, lane in lanes} == {1: 0, 2: 1, 0: 2}
    for name in registry.NETWORKS:
        mine = drawn(name)
        placed = laid(mine.links, goes_down([line.fold for line in mine.lines]))
        for (one, lane), (other, its) in combinations(placed, 2):
            apart = one.ends[-1] < other.start or other.ends[-1] < one.start
            assert apart or lane != its


def dense(layers: int, stage: str = "") -> Trace:
    """Each layer reads all those before it."""
    net = Net()
    read = [net.input(3, 8)]

    def grown(number: int) -> Feature:
        return net.conv(net.concat(*read, name=f"cat{number}"), 8, name=f"conv{number}")

    for number in range(layers):
        if stage:
            with net.stage(stage), net.block(f"{number}"):
                read.append(grown(number))
        else:
            read.append(grown(number))
    return net.trace(read[-1])


def test_too_many_lanes_fold_to_stages_or_are_refused() -> None:
    lines, _, level = rows(dense(30, "dense"))
    assert ([line.fold.name for line in lines], level) == (["input", "dense"], "stage")
    with pytest.raises(LabError, match=r"61 stages that differ .* side by side"):
        network(dense(30))
    with pytest.raises(LabError, match="31 blocks"):
        network(dense(30, "dense"), level="block")


def test_names_that_are_not_known() -> None:
    with pytest.raises(UnknownNameError, match="unknown level 'layer'"):
        network("lenet5", level="layer")
    with pytest.raises(UnknownNameError, match="did you mean lenet5"):
        network("lenet6")
    with pytest.raises(UnknownNameError, match="unknown theme"):
        network("lenet5", theme="sepia")
    with pytest.raises(LabError, match="without layers"):
        network(_only_an_input())


def _only_an_input() -> Trace:
    net = Net()
    return net.trace(net.input(3, 8))


@pytest.mark.parametrize("file", ["signal", "transformer", "small"])
def test_files_and_other_shapes(file: str) -> None:
    path = str(EXAMPLES / f"{file}.toml")
    ax = network(path, theme="dark")
    assert isinstance(ax.figure, Picture)
    assert flaws(ax.figure) == []
    assert sum(line.share for line in rows(trace(path))[0]) == pytest.approx(1)


def test_features_of_tokens_are_their_channels() -> None:
    given = trace(str(EXAMPLES / "transformer.toml"))
    axes = dict(zip([layer.name for layer in given.layers], channel_axes(given), strict=True))
    found = [axes[name] for name in ("patches", "reshape", "tokens", "add", "norm", "map", "head")]
    assert found == [0, 0, 1, 1, 1, 0, 0]


def test_an_axes_and_odd_settings() -> None:
    _, ax = pyplot.subplots()
    assert network("mobilenet_v2", resolution=(96, 320), width=0.35, ax=ax) is ax
    assert isinstance(ax, Axes)
    sides = {
        (round(box.get_width() / box.get_height(), 6))
        for box in ax.findobj(Rectangle)
        if str(box.get_gid()).startswith("map:") and box.get_height()
    }
    assert sides == {round(320 / 96, 6)}


def test_long_names_one_layer_and_no_macs() -> None:
    net = Net()
    x = net.input(3, (8, 1000))
    with net.stage("a_name_that_goes_on_and_on_" * 6):
        x = net.act(x, "relu")
    ax = network(net.trace(x))
    assert isinstance(ax.figure, Picture)
    assert flaws(ax.figure) == []
    assert [line.share for line in rows(net.trace(x))[0]] == [0, 0]
