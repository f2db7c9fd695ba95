"""Rows, roll-ups, memory and liveness of a trace."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NAMES, fitting
from oracles import live

from mobilenet_lab import registry
from mobilenet_lab.analysis import (
    DTYPES,
    LEVELS,
    VIEWS,
    Analysis,
    Row,
    analyse,
    known_fields,
    live_elements,
)
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.layers import Feature, Trace
from mobilenet_lab.net import Net

SUMMED = ("params", "macs", "flops", "activations", "memory")


def row(analysis: Analysis, name: str) -> Row:
    return next(row for row in analysis.rows if row.name == name)


# Roll-ups


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", LEVELS)
def test_each_level_adds_up_to_the_total(name: str, level: str) -> None:
    settings = fitting(name, {"width": 0.75, "resolution": (160, 97)})
    analysis = analyse(registry.trace(name, **settings))
    groups = analysis.by(level)
    for quantity in SUMMED:
        layers = sum(getattr(row, quantity) for row in analysis.rows)
        assert sum(getattr(row, quantity) for row in groups) == layers
        assert getattr(analysis.total, quantity) == layers
    peak = max(row.live for row in analysis.rows)
    assert max(row.live for row in groups) == analysis.total.live == peak
    assert len({row.name for row in groups}) == len(groups)
    if level != "layer":
        for group in groups:
            members = [row for row in analysis.rows if getattr(row, level) == group.name]
            assert group.params == sum(member.params for member in members)
            assert group.macs == sum(member.macs for member in members)
            assert group.op == f"{len(members)} layers"


def test_stages_read_and_write_what_their_ends_do() -> None:
    analysis = analyse(registry.trace("mobilenet_v2"))
    shapes = {row.name: (row.in_shape, row.out_shape) for row in analysis.by("stage")}
    assert list(shapes) == ["stem", *(f"stage{n}" for n in range(1, 8)), "head", "classifier"]
    assert shapes["stem"] == ((3, 224, 224), (32, 112, 112))
    assert shapes["stage3"] == ((24, 56, 56), (32, 28, 28))
    assert shapes["classifier"] == ((1280, 7, 7), (1000,))
    roles = {row.name: row for row in analysis.by("role")}
    assert set(roles) == {"stem", "expand", "depthwise", "project", "add", "head", "classifier"}
    assert roles["expand"].in_shape is roles["expand"].out_shape is roles["expand"].field is None
    blocks = [row for row in analysis.by("block") if row.stage == "stage4"]
    assert [row.name for row in blocks] == [f"stage4.{n}" for n in range(4)]
    assert [row.field.size for row in blocks if row.field] == [(75 + 32 * n,) * 2 for n in range(4)]


def test_the_input_has_no_row_and_every_other_layer_one() -> None:
    trace = registry.trace("mobilenet_v2")
    names = [row.name for row in analyse(trace).rows]
    assert names == [layer.name for layer in trace.layers[1:]]


def test_unknown_levels_and_types_are_refused() -> None:
    trace = registry.trace("mobilenet_v1")
    with pytest.raises(UnknownNameError, match="level 'stages': did you mean stage"):
        analyse(trace).by("stages")
    with pytest.raises(UnknownNameError, match="dtype 'float23': did you mean float"):
        analyse(trace, "float23")


def test_a_network_without_layers_has_no_numbers() -> None:
    net = Net()
    trace = net.trace(net.input(3, 8))
    with pytest.raises(LabError, match="without layers"):
        _ = analyse(trace).total


# One row by hand


def mixed() -> tuple[Net, Feature]:
    """4x6x5 -> grouped 3x3 with bias to 8 channels -> norm, act, pool, flatten, linear."""
    net = Net()
    x = net.input(4, (6, 5))
    x = net.conv2d(x, 8, 3, groups=2, bias=True)
    x = net.batch_norm(x)
    x = net.act(x, "relu")
    x = net.add(x, x)
    x = net.adaptive_avg_pool(x)
    x = net.dropout(net.flatten(x))
    return net, net.linear(x, 10)


def test_every_number_of_small_rows() -> None:
    net, x = mixed()
    analysis = analyse(net.trace(x), "float16")
    numbers = {
        row.name: (row.params, row.macs, row.activations, row.memory) for row in analysis.rows
    }
    assert numbers == {
        # 3 x 3 x 4/2 x 8 weights + 8; each weight at 30 positions; 120 in, 240 out
        "conv": (152, 4320, 240, 2 * (120 + 152 + 240)),
        "norm": (16, 0, 240, 2 * (240 + 16 + 240)),
        "act": (0, 0, 240, 2 * 480),
        # both operands are read, although they are one tensor
        "add": (0, 0, 240, 2 * 720),
        "pool": (0, 0, 8, 2 * 248),
        "flatten": (0, 0, 0, 0),
        "dropout": (0, 0, 0, 0),
        "linear": (90, 80, 10, 2 * (8 + 90 + 10)),
    }
    total = analysis.total
    assert (total.params, total.macs, total.flops) == (258, 4400, 8800)
    conv = row(analysis, "conv")
    assert conv.intensity == 8640 / 1024
    assert row(analysis, "flatten").intensity is None
    assert row(analysis, "act").intensity == 0


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_memory_is_in_bytes_of_the_type(dtype: str) -> None:
    trace = registry.trace("mobilenet_v2", resolution=96)
    ours, bytes_ = analyse(trace, dtype), {"float64": 8, "float32": 4, "int8": 1}.get(dtype, 2)
    for mine, one in zip(ours.rows, analyse(trace, "int8").rows, strict=True):
        assert (mine.memory, mine.live) == (bytes_ * one.memory, bytes_ * one.live)
        assert mine._replace(memory=one.memory, live=one.live) == one
    assert ours.dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_intensity_is_flops_over_bytes(name: str) -> None:
    for each in analyse(registry.trace(name)).by("block"):
        assert each.intensity == float(Fraction(2 * each.macs, each.memory))


def test_a_depthwise_layer_is_bound_by_memory() -> None:
    """V2's stage3.1: 9 MACs for every value read and written, against 27 for its projection."""
    analysis = analyse(registry.trace("mobilenet_v2"))
    depthwise = row(analysis, "stage3.1.depthwise.conv")
    project = row(analysis, "stage3.1.project.conv")
    assert depthwise.macs == 9 * 192 * 28 * 28 == 1_354_752
    assert depthwise.memory == 4 * (2 * 192 * 784 + 9 * 192)
    assert project.memory == 4 * (192 * 784 + 192 * 32 + 32 * 784)
    assert depthwise.intensity == 2 * 1_354_752 / 1_211_136
    assert project.intensity == 2 * 4_816_896 / 727_040


# What must be in memory at once


def test_the_peak_of_mobilenet_v2_by_hand() -> None:
    """stage2.0 widens 16 to 96 channels on 112x112: its norm holds that map twice, nothing else.

    The block has stride 2 and so no residual: its input is free once the expansion has read it.
    """
    analysis = analyse(registry.trace("mobilenet_v2"))
    wide = 96 * 112 * 112
    assert analysis.total.live == 4 * 2 * wide == 9_633_792
    assert row(analysis, "stage2.0.expand.conv").live == 4 * (16 * 112 * 112 + wide)
    assert row(analysis, "stage2.0.expand.norm").live == 4 * 2 * wide
    assert row(analysis, "stage2.0.depthwise.conv").live == 4 * (wide + 96 * 56 * 56)


def test_a_residual_holds_its_skip_through_the_block() -> None:
    """stage2.1: 24 -> 144 -> 24 channels on 56x56, and the 24 of the skip all along."""
    analysis = analyse(registry.trace("mobilenet_v2"))
    thin, wide = 24 * 56 * 56, 144 * 56 * 56
    held = {
        "expand.conv": thin + wide,
        "expand.norm": thin + 2 * wide,
        "expand.act": thin + 2 * wide,
        "depthwise.conv": thin + 2 * wide,
        "depthwise.norm": thin + 2 * wide,
        "depthwise.act": thin + 2 * wide,
        "project.conv": thin + wide + thin,
        "project.norm": thin + 2 * thin,
        "add": thin + 2 * thin,
    }
    assert {name: row(analysis, f"stage2.1.{name}").live for name in held} == {
        name: 4 * elements for name, elements in held.items()
    }


def test_views_an_unread_feature_and_an_answer() -> None:
    net = Net()
    x = net.input(4, 1)
    a, b = net.split(x, [1, 3])
    net.act(a, "tanh", name="unread")
    answer = net.act(b, "relu", name="answer")
    y = net.conv2d(answer, 8, 1)
    z = net.conv2d(y, 1, 1, name="end")
    #                     input  two views  unread  answer  conv  end
    assert live_elements(net.trace(answer, z)) == [4, 4, 4, 5, 7, 11, 12]
    assert live_elements(net.trace(z)) == [4, 4, 4, 5, 7, 11, 9]


@st.composite
def graphs(draw: st.DrawFn) -> Trace:
    """Some layers that read any earlier features, and some answers."""
    net = Net()
    features = [net.input(draw(st.integers(1, 6)), 1)]
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["act", "conv", "add", "concat", "split", "dropout", "flat"]))
        x = draw(st.sampled_from(features))
        name = f"{kind}{number}"
        if kind == "conv" and len(x.shape) == 3:
            features.append(net.conv2d(x, draw(st.integers(1, 9)), 1, name=name))
        elif kind == "add":
            like = [y for y in features if y.shape == x.shape]
            features.append(net.add(x, draw(st.sampled_from(like)), name=name))
        elif kind == "concat":
            like = [y for y in features if y.shape[1:] == x.shape[1:]]
            features.append(net.concat(x, draw(st.sampled_from(like)), x, name=name))
        elif kind == "split" and x.channels > 1:
            first = draw(st.integers(1, x.channels - 1))
            features += net.split(x, [first, x.channels - first], name=name)
        elif kind == "dropout":
            features.append(net.dropout(x, name=name))
        elif kind == "flat":
            features.append(net.flatten(x, name=name))
        else:
            features.append(net.act(x, "relu", name=name))
    answers = draw(st.lists(st.sampled_from(features), min_size=1, max_size=2))
    return net.trace(*answers)


@given(graphs())
def test_liveness_is_what_holding_buffers_by_hand_gives(trace: Trace) -> None:
    sizes = [layer.out_shape[0] for layer in trace.layers]
    views = [layer.op in ("split", "dropout", "flatten") for layer in trace.layers]
    inputs = [layer.inputs for layer in trace.layers]
    held = live(sizes, inputs, views, trace.outputs)
    assert live_elements(trace) == held
    assert [row.live for row in analyse(trace, "int8").rows] == held[1:]
    assert {"split", "dropout", "flatten", "reshape", "permute", "slice", "expand"} == VIEWS


@given(graphs())
def test_any_graph_adds_up_at_every_level(trace: Trace) -> None:
    analysis = analyse(trace)
    if not analysis.rows:
        return
    for level in LEVELS:
        for quantity in SUMMED:
            parts = sum(getattr(row, quantity) for row in analysis.by(level))
            assert parts == getattr(analysis.total, quantity)


# Fields that are not known


def test_a_misaligned_meeting_leaves_the_field_unknown_from_there_on() -> None:
    net = Net()
    x = net.input(1, 9)
    a = net.conv2d(x, 1, 3, 2, padding=0, name="a")
    b = net.conv2d(x, 1, 2, 2, padding=0, name="b")
    y = net.conv2d(net.add(a, b), 1, 1, name="after")
    side = net.conv2d(a, 1, 1, name="side")
    trace = net.trace(net.add(y, side, name="again"))
    known = {
        layer.name: field is not None
        for layer, field in zip(trace.layers, known_fields(trace), strict=True)
    }
    unknown = {"add", "after", "again"}
    assert {name for name, is_known in known.items() if not is_known} == unknown
    analysis = analyse(trace)
    assert {row.name for row in analysis.rows if row.field is None} == unknown
    assert analysis.total.macs == 9 * 16 + 4 * 16 + 16 + 16
