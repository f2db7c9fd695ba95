"""Blocks drawn to scale: every operation once, heights as channels, texts as the rows' numbers."""

import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Patch, PathPatch, Polygon, Rectangle
from matplotlib.text import Text

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.drawings.blocks import block
from mobilenet_lab.drawings.blocks_steps import Graph, graph, graph_of, typical
from mobilenet_lab.drawings.canvas import PAGE, THEMES
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Layer, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.networks import trace

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def with_gid(ax: Axes, kind: str, number: int = 0) -> dict[str, Any]:
    """The artists of one kind in one block, by the rest of their name."""
    start = f"{kind}:{number}:"
    found: dict[str, Any] = {}
    for artist in (*ax.patches, *ax.texts):
        gid = artist.get_gid() or ""
        if gid.startswith(start):
            assert gid not in found
            found[gid.removeprefix(start)] = artist
    return found


def sides(op: Polygon) -> tuple[float, float]:
    """Heights of an operation's left and right side."""
    corners = op.get_xy()
    return corners[1][1] - corners[0][1], corners[2][1] - corners[3][1]


def points_a_channel(ax: Axes) -> float:
    """What the scale beside the legend says."""
    (bar,) = [patch for patch in ax.patches if patch.get_gid() == "scale"]
    (text,) = [text for text in ax.texts if text.get_gid() == "scale:words"]
    assert isinstance(bar, Rectangle)
    return bar.get_height() / int(text.get_text().split()[0].replace(",", ""))


def numbers(texts: list[Text], unit: str) -> list[int]:
    """The counts of a unit in texts."""
    found = [re.fullmatch(rf"([\d,]+) {unit}", text.get_text()) for text in texts]
    return [int(match[1].replace(",", "")) for match in found if match]


# Steps


@pytest.fixture(scope="module")
def analyses() -> dict[str, Analysis]:
    return {name: analyse(trace(name)) for name in registry.NETWORKS}


def test_steps_hold_every_layer_once_and_every_number(analyses: dict[str, Analysis]) -> None:
    for name, analysis in analyses.items():
        for row in analysis.by("block"):
            made = graph_of(analysis, row.name)
            layers = [each.name for node in made.nodes for each in node.rows]
            mine = [each.name for each in analysis.rows if each.block == row.name]
            assert sorted(layers) == sorted(mine), (name, row.name)
            assert sum(node.params for node in made.nodes) == row.params, (name, row.name)
            assert sum(node.macs for node in made.nodes) == row.macs, (name, row.name)
            assert made.row == row


def of_layer(made: Graph, layer: str) -> Any:
    (node,) = [node for node in made.nodes if node.name == f"{made.row.name}.{layer}"]
    return node


def test_a_step_says_what_it_does() -> None:
    network = trace("mobilenet_v2")
    made = graph(network, "stage2.1")
    assert of_layer(made, "expand.conv").lines == (
        "expand",
        "1×1",
        "norm · relu6",
        "3,744 params",
        "10,838,016 MACs",
    )
    assert of_layer(made, "project.conv").lines[2] == "norm · linear"
    assert of_layer(made, "add").lines == ("add",)
    down = graph(network, "stage3.0")
    assert of_layer(down, "depthwise.conv").lines[1] == "3×3 /2 g=144"
    alexnet = graph(trace("alexnet"), "conv2")
    assert alexnet.nodes[1].lines[:3] == ("convolution", "5×5 g=2", "bias · relu")
    assert graph(trace("googlenet"), "pool1").nodes[1].lines == ("max pool", "3×3 /2")
    gate = graph(trace("mobilenet_v3_large"), "stage3.1")
    assert [node.lines[0] for node in gate.nodes if node.family == "gate"] == [
        "global",
        "se.reduce",
        "se.expand",
        "multiply",
    ]


def test_what_others_read_too_is_a_step_of_its_own() -> None:
    net = Net()
    with net.block("swish"):
        x = net.conv2d(net.input(3, 8), 4, 3)
        answer = net.mul(x, net.act(x, "sigmoid"))
    made = graph(net.trace(answer))
    assert [node.lines[0] for node in made.nodes if node.rows] == [
        "convolution",
        "sigmoid",
        "multiply",
    ]
    assert flaws(block(net.trace(answer)).figure) == []


@pytest.mark.parametrize(
    ("network", "name", "linear"),
    [
        ("mobilenet_v2", "stage2.1", ["project.conv"]),
        ("resnet50", "stage2.1", ["restore.conv"]),
        ("mixnet_s", "stage3.1", ["project.conv.0", "project.conv.1"]),
        ("mobilenet_v1", "stage1.0", []),
        ("shufflenet_v2", "stage2.1", ["depthwise.conv"]),
    ],
)
def test_linear_layers_are_those_that_no_activation_follows(
    network: str, name: str, linear: list[str]
) -> None:
    made = graph(trace(network), name)
    assert [node.name for node in made.nodes if node.linear] == [f"{name}.{one}" for one in linear]


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("mobilenet_v2", "stage2.1"),
        ("mobilenet_v3_large", "stage3.1"),
        ("resnet50", "stage2.1"),
        ("googlenet", "inception3a"),
        ("replknet_31b", "stage1.0"),
        ("vgg16", "stage3"),
        ("lenet5", "f6"),
        ("alexnet", "classifier"),
    ],
)
def test_the_typical_block_is_the_one_that_comes_most_often(network: str, name: str) -> None:
    assert typical(trace(network)) == name


# Figures


@pytest.fixture(params=registry.NETWORKS)
def drawn(request: pytest.FixtureRequest) -> tuple[Graph, Axes]:
    network = trace(request.param)
    return graph(network), block(network)


def channels(shape: tuple[int, ...]) -> int:
    return shape[0]


def test_every_network_is_drawn_true(drawn: tuple[Graph, Axes]) -> None:
    made, ax = drawn
    network, name = made.trace, made.row.name
    layers = {layer.name: layer for layer in network.layers}
    assert flaws(ax.figure) == []

    steps = {node.name: node for node in made.nodes if node.rows}
    ops = with_gid(ax, "op")
    assert sorted(ops) == sorted(steps)

    scale = points_a_channel(ax)
    for each, op in ops.items():
        head, last = layers[each], layers[steps[each].rows[-1].name]
        read = [channels(shape) for shape in head.in_shapes]
        left = max(read) if head.op in ("add", "mul") else sum(read)
        right = left if head.op == "split" else channels(last.out_shape)
        assert sides(op) == pytest.approx((left * scale, right * scale)), each
        assert bool(op.get_hatch()) == steps[each].linear

    for each in steps:
        maps = with_gid(ax, "map")
        bars = [maps[f"{each}:{part}"] for part in range(len(steps[each].parts))]
        heights = [bar.get_height() for bar in bars]
        assert sum(heights) == pytest.approx(sides(ops[each])[1])
        corners = ops[each].get_xy()
        assert (bars[0].get_y() + heights[0], bars[-1].get_y()) == pytest.approx(
            (corners[2][1], corners[3][1])
        )
        assert heights == pytest.approx([part * scale for part in steps[each].parts])

    words = list(with_gid(ax, "words").values())
    assert sum(numbers(words, "params")) == made.row.params
    assert sum(numbers(words, "MACs")) == made.row.macs
    for each, node in steps.items():
        mine = [text.get_text() for key, text in with_gid(ax, "words").items() if each in key]
        kernel = layers[each].kernel
        assert kernel is None or any("×".join(map(str, kernel)) in text for text in mine)
        if layers[each].op.startswith("conv"):
            assert numbers([text for text in words if text.get_text() in mine], "params")
            assert f"{node.params:,} params" in mine
            assert f"{node.macs:,} MACs" in mine

    for patch in ax.patches:
        box = patch.get_path().get_extents(patch.get_patch_transform())
        assert -0.01 <= box.x0 <= box.x1 <= PAGE + 0.01

    says = ax.figure.alt
    assert name in says
    assert f"{made.row.params:,} parameters, {made.row.macs:,} MACs" in says
    assert "MACs by convention paper" in " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("mixnet_s", {"block": "stage5.1", "width": 0.75, "resolution": (160, 288)}),
        ("lraspp_mobilenet_v3_large", {"block": "head"}),
        ("yolov5n", {"block": "neck,backbone.6_c3"}),
        ("ssdlite300_mobilenet_v2", {"block": "class_heads.0"}),
        (EXAMPLES / "transformer.toml", {}),
        (EXAMPLES / "signal.toml", {}),
        (EXAMPLES / "small.toml", {"block": "branches"}),
    ],
)
def test_nothing_overlaps(theme: str, network: Any, options: dict[str, Any]) -> None:
    assert flaws(block(network, theme=theme, **options).figure) == []


def edge(ax: Axes, source: int, target: int) -> list[Patch]:
    return [
        patch
        for key, patch in with_gid(ax, "edge").items()
        if key.startswith(f"{source}:{target}:")
    ]


def test_the_skip_leads_over_everything_from_the_input_to_the_sum() -> None:
    ax = block("mobilenet_v2", block="stage2.1")
    made = graph(trace("mobilenet_v2"), "stage2.1")
    (skip,) = edge(ax, 0, len(made.nodes) - 1)
    assert isinstance(skip, PathPatch)
    line = skip.get_path().vertices
    ops = with_gid(ax, "op")
    tallest = ops["stage2.1.depthwise.conv"].get_xy()[:, 1].max()
    assert line[:, 1].max() > tallest
    first, last = ops["stage2.1.expand.conv"].get_xy(), ops["stage2.1.add"].get_xy()
    assert line[0][0] == pytest.approx(first[0][0], abs=5)
    assert last[0][0] < line[-1][0] < last[2][0]
    assert [text.get_text() for text in ax.texts].count("skip") == 1
    assert "skip" not in [text.get_text() for text in block("mobilenet_v1").texts]


def test_the_gate_stands_beside_the_path_that_it_multiplies() -> None:
    ops = with_gid(block("mobilenet_v3_large", block="stage3.1"), "op")
    main = ops["stage3.1.depthwise.conv"].get_xy()[:, 1]
    for part in ("pool", "reduce", "expand"):
        assert ops[f"stage3.1.se.{part}"].get_xy()[:, 1].min() > main.max()
    times, project = ops["stage3.1.se.mul"].get_xy(), ops["stage3.1.project.conv"].get_xy()
    assert times[:, 1].mean() == pytest.approx(project[:, 1].mean())


def test_kernels_have_ribbons_as_high_as_their_channels() -> None:
    ax = block("mixnet_s", block="stage5.1")
    made = graph(trace("mixnet_s"), "stage5.1")
    scale = points_a_channel(ax)
    parts = [
        each
        for each in made.edges
        if made.nodes[each.target].name.startswith("stage5.1.depthwise.conv.")
    ]
    assert [each.channels for each in parts] == [90, 90, 90, 90]
    for each in parts:
        (ribbon,) = edge(ax, each.source, each.target)
        outline = ribbon.get_path().vertices
        start = outline[outline[:, 0] == outline[:, 0].min()][:, 1]
        assert start.max() - start.min() == pytest.approx(90 * scale)


def test_branches_stand_in_the_order_of_their_sum() -> None:
    ops = with_gid(block("googlenet", block="inception3a"), "op")
    last = ["conv1x1.conv", "conv3x3.conv", "conv5x5.conv", "pool_proj.conv"]
    heights = [ops[f"inception3a.{each}"].get_xy()[:, 1].mean() for each in last]
    assert heights == sorted(heights, reverse=True)
    net = Net()
    x = net.input(3, 8)
    with net.block("two"):
        first = net.conv2d(x, 4, 3, name="first")
        second = net.conv2d(x, 6, 3, name="second")
        answer = net.concat(second, first)
    ops = with_gid(block(net.trace(answer)), "op")
    assert ops["two.second"].get_xy()[:, 1].min() > ops["two.first"].get_xy()[:, 1].max()


def test_several_blocks_have_one_scale() -> None:
    ax = block("mobilenet_v2", "resnet50", block=["stage2.1", "stage3.1"], resolution=[96, 64])
    scale = points_a_channel(ax)
    spindle, hourglass = with_gid(ax, "op", 0), with_gid(ax, "op", 1)
    assert sides(spindle["stage2.1.expand.conv"]) == pytest.approx((24 * scale, 144 * scale))
    assert sides(hourglass["stage3.1.reduce.conv"]) == pytest.approx((512 * scale, 128 * scale))
    assert "mobilenet_v2, block stage2.1" in ax.figure.alt
    assert "resnet50, block stage3.1" in ax.figure.alt
    assert flaws(ax.figure) == []


def test_one_network_shows_several_of_its_blocks() -> None:
    for names in (["stage2.0", "stage2.1"], "stage2.0, stage2.1"):
        ax = block("mobilenet_v2", block=names)
        assert "stage2.0.expand.conv" in with_gid(ax, "op", 0)
        assert "stage2.1.expand.conv" in with_gid(ax, "op", 1)
    ax = block("mobilenet_v1", block="stage2.0", width=[1.0, 0.5])
    full, half = with_gid(ax, "op", 0), with_gid(ax, "op", 1)
    depthwise = "stage2.0.depthwise.conv"
    assert sides(full[depthwise])[0] == pytest.approx(2 * sides(half[depthwise])[0])


def test_it_draws_on_axes_that_are_given() -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert block("mobilenet_v2", ax=left) is left
    assert not [*right.patches, *right.texts]
    assert "stage2.1" in figure.alt


def recorded(layers: int) -> Trace:
    """A network of one block, without stages."""
    net = Net()
    x = net.input(3, 32)
    for number in range(layers):
        x = net.conv2d(x, 8, 3, name=f"conv{number}")
    return net.trace(x)


def unlike(network: Trace, **fields: Any) -> Trace:
    """The same network with other fields in all its layers but the input."""
    layers: tuple[Layer, ...] = tuple(
        layer if layer.op == "input" else layer._replace(**fields) for layer in network.layers
    )
    return Trace(layers, network.outputs, network.taps, network.name)


def test_a_single_layer_and_an_unknown_one_are_drawn() -> None:
    one = recorded(1)
    assert flaws(block(one).figure) == []
    odd = block(unlike(one, op="unknown", mode="fft", kernel=None))
    assert {"fft", "– params", "– MACs"} <= {text.get_text() for text in odd.texts}
    assert "at least" in odd.figure.alt


def test_what_cannot_be_drawn_is_said() -> None:
    for call, says in (
        (lambda: block(), "name a network"),
        (lambda: block("mobilenet_v2", block="stage2"), "is a stage, its blocks are stage2.0"),
        (lambda: block("mobilenet_v2", block="stage2.1.expand.conv"), "its block is stage2.1"),
        (lambda: block("mobilenet_v2", "resnet50", block=["a", "b", "c"]), "3 values for 2"),
        (lambda: block(unlike(recorded(60), block="all")), "all has 60 operations, more than"),
    ):
        with pytest.raises(LabError, match=says):
            call()
    with pytest.raises(UnknownNameError, match=r"unknown block 'stage2\.9': did you mean stage2"):
        block("mobilenet_v2", block="stage2.9")
    with pytest.raises(UnknownNameError, match="unknown theme"):
        block("mobilenet_v2", theme="sepia")
