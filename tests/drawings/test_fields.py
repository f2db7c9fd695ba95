"""Receptive fields as pictures: drawn extents against the fields that the tables tell."""

from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from networks import NAMES, fitting

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import known_fields
from mobilenet_lab.drawings.canvas import SMALL, text_height
from mobilenet_lab.drawings.fields import branches, field, growth
from mobilenet_lab.drawings.growth_lines import growth_along
from mobilenet_lab.drawings.pixels import spread_out
from mobilenet_lab.effective_fields import chosen
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.networks import trace
from mobilenet_lab.receptive_field import ADAPTIVE, WINDOWS

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ODD: dict[str, Any] = {"width": 0.35, "resolution": (161, 225)}


def drawn(ax: Axes, gid: str) -> Any:
    """The one artist that is called so."""
    (found,) = ax.findobj(lambda artist: artist.get_gid() == gid)
    return found


def pixels(rectangle: Rectangle) -> tuple[tuple[float, float], tuple[float, float]]:
    """First and last pixel that a rectangle covers, vertical and horizontal."""
    left, top = rectangle.get_xy()
    bottom, right = top + rectangle.get_height(), left + rectangle.get_width()
    return (top + 0.5, bottom - 0.5), (left + 0.5, right - 0.5)


def words(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.findobj(Text))


# Every network: no text overlaps another, and what is drawn is what the rows say


@pytest.mark.parametrize("name", NAMES)
def test_growth_of_every_network(name: str) -> None:
    """The largest field at each depth is drawn; the last is written; odd ones in dark."""
    number = NAMES.index(name)
    options, theme = (fitting(name, ODD), "dark") if number % 2 else ({}, "light")
    made = trace(name, **options)
    ax = growth(made, theme=theme)
    line = growth_along(made, 0)
    largest: dict[int, int] = {}
    for depth, seen in zip(line.depths, known_fields(made), strict=True):
        if seen is not None and seen.vertical is not None:
            largest[depth] = max(largest.get(depth, 0), seen.vertical.size)
    points = {x: y for x, y in zip(*drawn(ax, "growth 0").get_data(), strict=True) if y == y}
    assert points == largest
    last = max(largest)
    assert f"{largest[last]:,} px after {last}" in words(ax)
    assert f"{largest[last]:,} pixels after {last} windows" in ax.figure.alt
    assert flaws(ax.figure) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_field_of_every_network(name: str) -> None:
    """A rectangle for each branch, clipped, as far as its axes say; the others in dark."""
    number = NAMES.index(name)
    options, theme = ({}, "light") if number % 2 else (fitting(name, ODD), "dark")
    made = trace(name, **options)
    random = Random(number)
    seen = chosen(made)
    unit = tuple(random.randrange(count) for count in seen.units)
    ax = field(made, layer=seen.layer.name, unit=f"{unit[0]},{unit[1]}", theme=theme)
    axes = known_fields(made)[seen.layer_index].axes
    expected = [axis.span(place) for axis, place in zip(axes, unit, strict=True)]
    sides = made.input_shape[1:]
    inside = [
        (max(lo, 0), min(hi, side - 1)) for (lo, hi), side in zip(expected, sides, strict=True)
    ]
    rectangles = [
        patch for patch in ax.patches if str(patch.get_gid()).startswith(("field ", "padding "))
    ]
    whole = next(patch for patch in rectangles if patch.get_gid().startswith("field "))
    assert [*pixels(whole)] == inside
    over = [patch for patch in rectangles if patch.get_gid().startswith("padding ")]
    assert [*pixels(over[0])] == expected if over else inside == expected
    centre = [(lo + hi) / 2 for lo, hi in expected]
    assert [*drawn(ax, "centre").get_xydata()[0]] == centre[::-1]
    said = " ".join(words(ax).split())
    size = "×".join(str(axis.size) for axis in axes)
    assert f"unit {unit[0]},{unit[1]} of" in said
    assert f"field {size} px" in said
    assert f"field {size} px" in ax.figure.alt
    assert flaws(ax.figure) == []


# Growth


def test_depth_counts_windows_on_the_longest_way() -> None:
    """Branches side by side share their depths; a gate does not lengthen the way."""
    net = Net()
    x = net.conv2d(net.input(4, 32), 4, 3, name="stem")
    near = net.conv2d(x, 4, 1, name="near")
    far = net.conv2d(net.conv2d(x, 4, 5, name="far1"), 4, 3, name="far2")
    x = net.concat(near, far)
    gate = net.conv2d(net.adaptive_avg_pool(x, name="gate"), 2, 1, name="squeeze")
    gate = net.act(net.conv2d(gate, 8, 1, name="excite"), "sigmoid")
    x = net.mul(x, gate)
    made = net.trace(net.adaptive_avg_pool(net.conv2d(x, 4, 3, name="last"), name="pool"))
    line = growth_along(made, 0)
    assert [tuple(step) for step in line.steps] == [
        (0, 1, 1),
        (1, 3, 3),
        (2, 3, 7),
        (3, 9, 9),
        (4, 11, 11),
    ]
    assert line.pools == [4, 5]
    assert line.whole == [5]
    ax = growth(made)
    assert [*drawn(ax, "pools 0").get_xdata()] == [4, 5]
    assert "whole image" in words(ax)
    assert "the answer sees the whole image" in ax.figure.alt


def test_several_networks_with_options_for_each() -> None:
    names = "mobilenet_v2", "googlenet", "mobilenet_v2", "resnet50", "mixnet_s"
    ax = growth(*names, resolution=[224, 160, 96, 224, 224])
    looks = {
        (line.get_color(), line.get_marker())
        for line in ax.lines
        if str(line.get_gid()).startswith("growth")
    }
    assert len(looks) == len(names)
    sides = {line.get_ydata()[0] for line in ax.lines if str(line.get_gid()).startswith("side")}
    assert sides == {224, 160, 96}
    assert words(ax).count("491 px after 52") == 2
    assert flaws(ax.figure) == []


def test_the_horizontal_side_is_drawn_where_it_is_another() -> None:
    net = Net()
    made = net.trace(net.conv2d(net.input(3, (20, 40)), 4, (3, 7)))
    ax = growth(made)
    assert [*drawn(ax, "growth 0").get_ydata()] == [1, 3]
    assert [*drawn(ax, "wide 0").get_ydata()] == [1, 7]
    assert "dashed: horizontal" in words(ax)
    assert flaws(ax.figure) == []


def test_layers_without_a_field_are_gaps_and_are_told() -> None:
    ax = growth(EXAMPLES / "transformer.toml")
    assert [*drawn(ax, "growth 0").get_ydata()][:2] == [1, 8]
    assert "no one field is true" in " ".join(words(ax).split())
    assert "no one field is true" in ax.figure.alt
    assert flaws(ax.figure) == []


def test_a_signal_grows_along_its_one_axis() -> None:
    ax = growth(EXAMPLES / "signal.toml")
    sizes = [
        seen.axes[0].size
        for seen in known_fields(trace(EXAMPLES / "signal.toml"))
        if seen and seen.size
    ]
    assert max(drawn(ax, "growth 0").get_ydata()) == max(sizes)
    assert flaws(ax.figure) == []


def test_taps_stand_at_their_layers() -> None:
    made = registry.trace("mobilenet_v2")
    ax = growth(made)
    depths = growth_along(made, 0).depths
    places = {text.get_text(): text.get_position()[0] for text in ax.texts}
    for tap, index in made.taps.items():
        assert places[tap] == depths[index]
        before = [layer for layer in made.layers[: index + 1] if layer.op in (*WINDOWS, *ADAPTIVE)]
        assert depths[index] == len(before)  # V2 is one chain of windows


def test_growth_inside_of_given_axes() -> None:
    figure, axes = pyplot.subplots(1, 2)
    assert growth("lenet5", ax=axes[0]) is axes[0]
    assert field("lenet5", ax=axes[1]) is axes[1]
    assert figure.axes == [*axes]


# On an image


def test_kernels_side_by_side_are_several_fields() -> None:
    made = registry.trace("mixnet_s")
    name = next(
        layer.name
        for layer in made.layers
        if layer.op == "concat" and len(layer.inputs) == 3 and "depthwise" in layer.name
    )
    seen = chosen(made, name)
    joined = made.layers[seen.layer_index]
    expected = {}
    for source in joined.inputs:
        axis = known_fields(made)[source].vertical
        expected[made.layers[source].kernel] = axis.span(seen.place[0])
    ax = field(made, layer=name)
    found = {}
    for patch in ax.patches:
        if str(patch.get_gid()).startswith("field "):
            side = int(patch.get_gid().removeprefix("field ").partition("×")[0])
            found[side, side] = pixels(patch)[0]
    assert found == expected
    said = words(ax)
    for (side, _), (lo, hi) in expected.items():
        assert f"{side}×{side}" in said
        assert f": {hi - lo + 1}×{hi - lo + 1} px" in said
    gated = " ".join(words(field(made, layer="stage4.0.se.mul")).split())
    assert "a gate on the way has seen the whole image" in gated


@pytest.mark.parametrize(
    ("name", "layer", "expected"),
    [
        ("googlenet", "inception4a.concat", ["5×5", "3×3 · 3×3 max pool", "1×1"]),
        ("mobilenet_v2", "stage3.1.add", ["3×3", "identity"]),
        ("resnet50", "stage4.0.act", ["3×3 /2", "1×1 /2"]),
        ("mixnet_s", "stage4.0.project.norm", ["7×7 /2", "5×5 /2", "3×3 /2"]),
        ("mobilenet_v1", "stage5.0.pointwise.act", []),
    ],
)
def test_branches_are_called_by_their_windows(name: str, layer: str, expected: list[str]) -> None:
    made = registry.trace(name)
    assert [branch.windows for branch in branches(chosen(made, layer))] == expected


def test_centres_are_a_jump_apart() -> None:
    ax = field("mobilenet_v2")
    seen = chosen(registry.trace("mobilenet_v2"))
    xs = sorted({x for x, _ in drawn(ax, "grid").get_xydata()})
    assert len(xs) == seen.units[1]
    assert {after - before for before, after in pairwise(xs)} == {16}
    assert "16 px apart" in words(ax)


def test_without_a_layer_the_field_fits_into_the_image() -> None:
    for name in ("mobilenet_v2", "googlenet", "lenet5", "yolov5n"):
        seen = chosen(registry.trace(name))
        assert all(a < b for a, b in zip(seen.field.size, seen.image, strict=True))


def test_a_picture_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    pyplot.imsave(path, [[(1.0, 0.0, 0.0)] * 30] * 20)
    image = drawn(field("lenet5", image=path), "image")
    assert image.get_array().shape == (32, 32, 3)
    assert (image.get_array() == (255, 0, 0)).all()
    assert image.get_extent() == [-0.5, 31.5, 31.5, -0.5]


def vector() -> Trace:
    net = Net()
    return net.trace(net.act(net.tensor((3, 9)), "relu"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "stage3.1.ad"}, "unknown layer 'stage3.1.ad': did you mean stage3.1.add"),
        ({"layer": "classifier.linear"}, "classifier.linear: its field has no limit"),
        ({"unit": "14,0"}, "unit 14,0 is none of stage5.0.project.norm: rows are 0 to 13"),
        ({"unit": (0, 14)}, "unit 0,14 is none of"),
        ({"unit": "middle"}, "a unit is a row and a column like 3,4, counted from 0, not 'middle'"),
        ({"unit": (1.5, 1)}, "a unit is a row and a column"),
        ({"unit": (1, -1)}, "a unit is a row and a column"),
        ({"unit": 3}, "a unit is a row and a column"),
        ({"image": "no.png"}, "cannot read the picture no.png: No such file"),
        ({"image": __file__}, "it is no picture that is known here"),
        ({"theme": "pink"}, "unknown theme 'pink'"),
    ],
)
def test_what_cannot_be_drawn(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError) as error:
        field("mobilenet_v2", **options)
    assert message in str(error.value)


def test_networks_that_cannot_be_drawn() -> None:
    with pytest.raises(LabError, match=r"on one image .* reads 3×9"):
        field(vector())
    with pytest.raises(LabError, match="misaligned or values changed places"):
        field("lraspp_mobilenet_v3_large", layer="head.add")
    with pytest.raises(LabError, match="one network or of several"):
        growth()
    with pytest.raises(LabError, match="no layer's receptive field is known"):
        growth(vector())
    with pytest.raises(LabError, match="3 values for 2 networks"):
        growth("lenet5", "lenet5", width=[1, 2, 3])
    with pytest.raises(UnknownNameError, match="mobilenet_v2"):
        growth("mobilenet_v22")


def test_words_in_a_column_keep_apart() -> None:
    placed = spread_out([5.0, 5.0, 90.0, 98.0], [10.0, 10.0, 10.0, 10.0], 0.0, 100.0)
    assert placed == [5.0, 15.0, 85.0, 95.0]
    assert spread_out([50.0, 50.0], [80.0, 80.0], 0.0, 100.0) == [40.0, 120.0]
    assert text_height("one", SMALL) > SMALL
