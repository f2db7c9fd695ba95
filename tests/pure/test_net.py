"""The tape: names, shapes, scopes, and what it refuses."""

import numpy as np
import pytest

from mobilenet_lab.errors import LabError, ShapeError, UnknownNameError, VanishedError
from mobilenet_lab.layers import ACTIVATIONS, OPS, Feature, Layer
from mobilenet_lab.net import Net


def image(channels: int = 4, resolution: int | tuple[int, int] = 8) -> tuple[Net, Feature]:
    net = Net()
    return net, net.input(channels, resolution)


def last(net: Net) -> Layer:
    return net.trace().layers[-1]


# Names, scopes, roles


def test_scopes_make_names_stages_blocks_and_roles() -> None:
    net, x = image()
    x = net.conv(x, 8, name="stem")
    with net.stage("stage1"):
        with net.block("0"):
            h = net.conv(x, 16, 1, name="expand")
            h = net.conv(h, 8, 1, act=None, name="project")
            x = net.add(x, h)
        x = net.act(x, "relu", name="after")
    with net.stage("head", role="classifier"), net.block("0"):
        x = net.conv(x, 4, 1, name="last")
    layers = net.trace(x).layers
    assert [(each.name, each.stage, each.block, each.role) for each in layers] == [
        ("input", "input", "input", "input"),
        ("stem.conv", "stem", "stem", "stem"),
        ("stem.norm", "stem", "stem", "stem"),
        ("stem.act", "stem", "stem", "stem"),
        ("stage1.0.expand.conv", "stage1", "stage1.0", "expand"),
        ("stage1.0.expand.norm", "stage1", "stage1.0", "expand"),
        ("stage1.0.expand.act", "stage1", "stage1.0", "expand"),
        ("stage1.0.project.conv", "stage1", "stage1.0", "project"),
        ("stage1.0.project.norm", "stage1", "stage1.0", "project"),
        ("stage1.0.add", "stage1", "stage1.0", "add"),
        ("stage1.after", "stage1", "stage1", "after"),
        ("head.0.last.conv", "head", "head.0", "classifier"),
        ("head.0.last.norm", "head", "head.0", "classifier"),
        ("head.0.last.act", "head", "head.0", "classifier"),
    ]


def test_the_outermost_scope_with_a_role_gives_it() -> None:
    net, x = image()
    with net.block("0"), net.scope("se"):
        x = net.conv(x, 2, 1, name="reduce")
    assert last(net).name == "0.se.reduce.act"
    assert last(net).role == "se"
    assert last(net).stage == last(net).block == "0"
    with net.scope("a", role="told"), net.scope("b", role="hidden"):
        net.act(x, "relu")
    assert last(net).role == "told"


def test_a_scope_closes_when_something_goes_wrong_inside() -> None:
    net, x = image()
    with pytest.raises(ShapeError), net.stage("stage1"), net.block("0"):
        net.conv2d(x, 4, 0)
    net.act(x, "relu")
    assert last(net).name == "act"


@pytest.mark.parametrize("act", ["relu6", None])
def test_conv_is_a_convolution_without_bias_a_norm_and_an_activation(act: str | None) -> None:
    net, x = image()
    x = net.conv(x, 6, 3, 2, act=act, eps=1e-3)
    conv, norm, *acts = net.trace(x).layers[1:]
    assert (conv.op, conv.bias, conv.out_shape) == ("conv2d", False, (6, 4, 4))
    assert (norm.op, norm.eps, norm.out_shape) == ("batch_norm", 1e-3, (6, 4, 4))
    assert [each.op for each in acts] == ([act] if act else [])


def test_every_operation_is_recorded_with_its_shapes() -> None:
    net, x = image(4, (8, 6))
    for act in ACTIVATIONS:
        assert net.act(x, act, name=act).shape == (4, 8, 6)
    assert net.local_response_norm(x).shape == (4, 8, 6)
    assert net.max_pool(x, 3, 2, 1, name="max").shape == (4, 4, 3)
    assert net.avg_pool(x, 3, 2, ceil_mode=True, name="ceil").shape == (4, 4, 3)
    assert net.avg_pool(x, (2, 3), name="average").shape == (4, 4, 2)
    assert net.adaptive_avg_pool(x, (5, 1), name="adaptive").shape == (4, 5, 1)
    assert net.adaptive_max_pool(x, name="largest").shape == (4, 1, 1)
    assert net.upsample(x, 2, name="twice").shape == (4, 16, 12)
    assert net.upsample(x, (1, 3), name="wide").shape == (4, 8, 18)
    assert net.upsample(x, size=(9, 7), mode="bilinear", name="to").shape == (4, 9, 7)
    assert net.batch_norm(x).shape == (4, 8, 6)
    assert net.conv2d(x, 6, (3, 1), (2, 1), padding=(1, 0), groups=2).shape == (6, 4, 6)
    assert net.concat(x, x, x).shape == (12, 8, 6)
    assert net.add(x, x).shape == net.mul(x, x).shape == (4, 8, 6)
    assert [part.shape for part in net.split(x, [1, 3])] == [(1, 8, 6), (3, 8, 6)]
    assert net.channel_shuffle(x, 2).shape == (4, 8, 6)
    flat = net.flatten(x)
    assert flat.shape == (192,)
    assert net.dropout(flat, 0.2).shape == (192,)
    assert net.linear(flat, 10).shape == (10,)
    _signals_and_sequences(net)
    layers = net.trace().layers
    assert {layer.op for layer in layers} == set(OPS) - set(BEYOND)
    for layer in layers:
        assert layer.in_shapes == tuple(layers[source].out_shape for source in layer.inputs)


BEYOND = ("expand", "pad", "roll", "gather", "constant", "elementwise", "reduce", "unknown")
"""Operations that only modules of others have."""


def _signals_and_sequences(net: Net) -> None:
    """Operations beyond images, with their shapes."""
    signal = net.tensor((4, 30), name="signal")
    assert net.conv1d(signal, 6, 3, 2, groups=2, name="conv1d").shape == (6, 15)
    assert net.conv_transpose(signal, 2, 4, 2, padding=1, name="up1d").shape == (2, 60)
    assert net.max_pool(signal, 2, name="pool1d").shape == (4, 15)
    volume = net.tensor((4, 6, 8, 10), name="volume")
    assert net.conv3d(volume, 8, (1, 3, 3), name="conv3d").shape == (8, 6, 8, 10)
    assert net.conv_transpose(volume, 8, 2, 2, name="up3d").shape == (8, 12, 16, 20)
    assert net.avg_pool(volume, 2, name="pool3d").shape == (4, 3, 4, 5)
    assert net.adaptive_avg_pool(volume, (1, 2, 3), name="adaptive3d").shape == (4, 1, 2, 3)
    image = net.tensor((4, 6, 8), name="image")
    up = net.conv_transpose(image, 3, 3, 2, padding=1, output_padding=1, name="up2d")
    assert up.shape == (3, 12, 16)
    assert net.group_norm(image, 2, name="group").shape == (4, 6, 8)
    assert net.instance_norm(image, name="instance").shape == (4, 6, 8)
    tokens = net.embedding(net.tensor((7,), name="words"), 100, 12)
    assert tokens.shape == (7, 12)
    tokens = net.layer_norm(net.add(tokens, net.parameter((7, 12)), name="sum"), name="ln")
    tokens = net.rms_norm(net.linear(tokens, 24, name="each"), name="rms")
    heads = net.permute(net.reshape(tokens, (7, 4, -1)), (1, 0, 2))
    assert heads.shape == (4, 7, 6)
    part = net.slice(heads, 1, 4, axis=1)
    assert part.shape == (4, 3, 6)
    scores = net.matmul(heads, net.permute(part, (0, 2, 1), name="turned"))
    assert scores.shape == (4, 7, 3)
    assert net.attention(heads, part, part).shape == (4, 7, 6)


def test_split_names_its_parts_and_says_where_they_start() -> None:
    net, x = image(10)
    net.split(x, [5, 3, 2])
    parts = net.trace().layers[1:]
    assert [part.name for part in parts] == ["split.0", "split.1", "split.2"]
    assert [part.start for part in parts] == [0, 5, 8]
    assert [part.inputs for part in parts] == [(0,)] * 3


def test_inputs_make_the_trace_a_graph() -> None:
    net, x = image()
    a, b = net.act(x, "relu", name="a"), net.act(x, "tanh", name="b")
    both = net.concat(a, b, a)
    trace = net.tap("C1", a) and net.trace(both, b)
    assert trace.layers[-1].inputs == (1, 2, 1)
    assert trace.outputs == (3, 2)
    assert trace.taps == {"C1": 1}
    assert trace.input_shape == (4, 8, 8)
    assert trace.layer("b").op == "tanh"
    with pytest.raises(UnknownNameError, match="did you mean concat"):
        trace.layer("concatt")


def test_a_finished_trace_does_not_change_with_its_tape() -> None:
    net, x = image()
    trace = net.trace(x)
    net.tap("later", net.act(x, "relu"))
    assert len(trace.layers) == 1
    assert trace.taps == {}


# Padding


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "sides", "out"),
    [
        # TensorFlow's SAME: ceil(n / s) outputs, the odd pixel after
        (8, 3, 1, 1, (1, 1), 8),
        (8, 3, 2, 1, (0, 1), 4),
        (7, 3, 2, 1, (1, 1), 4),
        (8, 2, 1, 1, (0, 1), 8),
        (8, 4, 1, 1, (1, 2), 8),
        (8, 4, 2, 1, (1, 1), 4),
        (7, 4, 2, 1, (1, 2), 4),
        (7, 2, 2, 1, (0, 1), 4),
        (8, 2, 2, 1, (0, 0), 4),
        (8, 1, 2, 1, (0, 0), 4),
        (8, 3, 4, 1, (0, 0), 2),
        (9, 3, 1, 2, (2, 2), 9),
        (1, 7, 2, 1, (3, 3), 1),
    ],
)
def test_same_padding(
    size: int, kernel: int, stride: int, dilation: int, sides: tuple, out: int
) -> None:
    net, x = image(1, (size, 5))
    y = net.conv2d(x, 1, (kernel, 1), (stride, 1), padding="same", dilation=(dilation, 1))
    assert last(net).padding == (sides, (0, 0))
    assert y.shape == (1, out, 5)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 4), (7, 2)])
def test_padding_unless_given_keeps_the_size_of_an_odd_kernel(kernel: int, dilation: int) -> None:
    net, x = image(1, 9)
    assert net.conv2d(x, 1, kernel, dilation=dilation).shape == x.shape
    side = dilation * (kernel // 2)
    assert last(net).padding == ((side, side), (side, side))


def test_a_pool_steps_by_its_kernel_and_pads_nothing_unless_told() -> None:
    net, x = image(1, 9)
    net.max_pool(x, (3, 2))
    assert last(net).padding == ((0, 0), (0, 0))
    assert last(net).stride == (3, 2)


# What is refused, in one sentence

REFUSED = [
    # (what is asked of a 4 x 8 x 8 map, the kind of error, what it says)
    (lambda net, x: net.conv2d(x, 6, 3, groups=4), ShapeError, "4 groups do not divide 4 .* 6"),
    (lambda net, x: net.conv2d(x, 6, 3, groups=3), ShapeError, "3 groups do not divide 4 .* 6"),
    (lambda net, x: net.conv2d(x, 4, 3, groups=0), ShapeError, "groups must be a whole number"),
    (lambda net, x: net.conv2d(x, 4, 3, groups=-2), ShapeError, "groups must be a whole number"),
    (lambda net, x: net.conv2d(x, 4, 3, groups=2.0), ShapeError, "groups must be a whole number"),
    (lambda net, x: net.conv2d(x, 0, 3), ShapeError, "channels must be a whole number"),
    (lambda net, x: net.conv2d(x, 4.0, 3), ShapeError, "channels must be a whole number"),
    (lambda net, x: net.conv2d(x, True, 3), ShapeError, "channels must be a whole number"),
    (lambda net, x: net.conv2d(x, 4, 0), ShapeError, "kernel must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, (3, 0)), ShapeError, "kernel must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, (3, 3, 3)), ShapeError, "kernel must be"),
    (lambda net, x: net.conv2d(x, 4, 2.5), ShapeError, "kernel must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, "3"), ShapeError, "kernel must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, 3, 0), ShapeError, "stride must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, 3, (1, -1)), ShapeError, "stride must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, 3, dilation=0), ShapeError, "dilation must be whole"),
    (lambda net, x: net.conv2d(x, 4, 3, padding=-1), ShapeError, "padding must be whole numbers"),
    (lambda net, x: net.conv2d(x, 4, 3, padding=0.5), ShapeError, "padding must be whole"),
    (lambda net, x: net.conv2d(x, 4, 3, padding=(1, 1, 1)), ShapeError, "padding"),
    (lambda net, x: net.conv2d(x, 4, 3, padding=((0, 1), (0, 1))), ShapeError, "padding"),
    (lambda net, x: net.conv2d(x, 4, 3, padding="valid"), ShapeError, "padding is .*'valid'"),
    (lambda net, x: net.conv2d(x, 4, 9, padding=0), VanishedError, "nothing is left of 4 x 8 x 8"),
    (lambda net, x: net.max_pool(x, 9), VanishedError, "under a kernel of 9 x 9"),
    (lambda net, x: net.avg_pool(x, (1, 9)), VanishedError, "under a kernel of 1 x 9"),
    (lambda net, x: net.max_pool(x, 0), ShapeError, "kernel must be whole numbers"),
    (lambda net, x: net.adaptive_avg_pool(x, 0), ShapeError, "whole numbers"),
    (lambda net, x: net.adaptive_avg_pool(x, (2, -1)), ShapeError, "whole numbers"),
    (lambda net, x: net.adaptive_max_pool(x, 1.5), ShapeError, "whole numbers"),
    (lambda net, x: net.upsample(x), ShapeError, "give a scale or a size"),
    (lambda net, x: net.upsample(x, 2, size=(16, 16)), ShapeError, "give a scale or a size"),
    (lambda net, x: net.upsample(x, 0), ShapeError, "whole numbers"),
    (lambda net, x: net.upsample(x, -2), ShapeError, "whole numbers"),
    (lambda net, x: net.upsample(x, 1.5), ShapeError, "whole numbers"),
    (lambda net, x: net.upsample(x, size=(0, 8)), ShapeError, "whole numbers"),
    (lambda net, x: net.upsample(x, 2, mode="cubic"), UnknownNameError, "upsampling mode 'cubic'"),
    (lambda net, x: net.act(x, "relu7"), UnknownNameError, "did you mean .*relu6"),
    (lambda net, x: net.linear(x, 10), ShapeError, "takes a vector, not 4 x 8 x 8"),
    (lambda net, x: net.linear(net.flatten(x), 0), ShapeError, "features must be a whole number"),
    (lambda net, x: net.conv2d(net.flatten(x), 4, 3), ShapeError, "needs a map, not a vector"),
    (lambda net, x: net.max_pool(net.flatten(x), 2), ShapeError, "needs a map, not a vector"),
    (lambda net, x: net.upsample(net.flatten(x), 2), ShapeError, "needs a map, not a vector"),
    (lambda net, x: net.adaptive_avg_pool(net.flatten(x)), ShapeError, "needs a map"),
    (lambda net, x: net.local_response_norm(net.flatten(x)), ShapeError, "needs a map"),
    (lambda net, x: net.add(x, net.conv2d(x, 5, 1)), ShapeError, "cannot add 5 x 8 x 8 to 4 x"),
    (lambda net, x: net.add(x, net.max_pool(x, 2)), ShapeError, "cannot add 4 x 4 x 4"),
    (lambda net, x: net.mul(x, net.conv2d(x, 5, 1)), ShapeError, "gate of 5 x 8 x 8 does not fit"),
    (lambda net, x: net.mul(net.adaptive_avg_pool(x), x), ShapeError, "gate of 4 x 8 x 8 does not"),
    (
        lambda net, x: net.mul(net.flatten(net.max_pool(x, 8)), net.max_pool(x, 8, name="gate")),
        ShapeError,
        "gate of 4 x 1 x 1 does not fit 4",
    ),
    (lambda net, x: net.concat(x, net.max_pool(x, 2)), ShapeError, "height or width differs"),
    (lambda net, x: net.concat(x, net.flatten(x)), ShapeError, "cannot concatenate"),
    (lambda net, x: net.add(), ShapeError, "add"),
    (lambda net, x: net.concat(), ShapeError, "concat"),
    (lambda net, x: net.split(x, [2, 3]), ShapeError, "4 channels do not split"),
    (lambda net, x: net.split(x, [4, 0]), ShapeError, "4 channels do not split"),
    (lambda net, x: net.split(x, [5, -1]), ShapeError, "4 channels do not split"),
    (lambda net, x: net.split(x, [1.5, 2.5]), ShapeError, "4 channels do not split"),
    (lambda net, x: net.split(x, []), ShapeError, "4 channels do not split"),
    (lambda net, x: net.channel_shuffle(x, 3), ShapeError, "3 groups do not divide 4 channels"),
    (lambda net, x: net.channel_shuffle(x, 0), ShapeError, "groups must be a whole number"),
    (lambda net, x: net.act(net.act(x, "relu"), "relu"), LabError, "two layers are called 'here.a"),
    (lambda net, x: net.input(0, 8), ShapeError, "whole number"),
    (lambda net, x: net.input(3, (8, 0)), ShapeError, "whole number"),
    (lambda net, x: net.input(3, (8, 8, 8)), ShapeError, "whole number"),
    (lambda net, x: net.input(3, 8.0), ShapeError, "whole number"),
    (lambda net, x: net.input(True, 8), ShapeError, "whole number"),
]


@pytest.mark.parametrize(
    ("ask", "kind", "says"), REFUSED, ids=[f"{n}-{row[2][:30]}" for n, row in enumerate(REFUSED)]
)
def test_refused(ask, kind: type[LabError], says: str) -> None:
    net, x = image()
    with net.stage("here"), pytest.raises(kind, match=says) as refusal:
        ask(net, x)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("padding", [1, (1, 1), None])
def test_what_is_refused_does_not_hang_on_what_came_before(padding: object) -> None:
    """3.0 equals 3, but a kernel that was accepted once does not let its look-alike pass."""
    net, x = image()
    net.conv2d(x, 4, 3, 1, padding=padding, name="whole")
    for name, window in (
        ("kernel", (3.0, 1)),
        ("stride", (3, 1.0)),
        ("truth", (3, True)),
    ):
        with pytest.raises(ShapeError, match="whole numbers"):
            net.conv2d(x, 4, *window, padding=padding, name=name)


def test_lists_are_pairs_too() -> None:
    net, x = image()
    y = net.conv2d(x, 4, [3, 1], [2, 1], padding=[1, 0], dilation=[1, 1])
    assert y.shape == (4, 4, 8)
    assert last(net).kernel == (3, 1)


def test_a_vanished_map_names_its_layer() -> None:
    net, x = image()
    with net.stage("stage3"), net.block("1"), pytest.raises(VanishedError) as vanished:
        net.conv(x, 4, 11, padding=1, name="big")
    assert str(vanished.value) == (
        "stage3.1.big.conv: nothing is left of 4 x 8 x 8 under a kernel of 11 x 11"
    )


def test_a_part_has_stages_of_its_own() -> None:
    net, x = image()
    with net.part("backbone"):
        net.conv(x, 4, name="stem")
        with net.stage("stage1"), net.block("0"):
            net.conv(x, 4, name="expand")
    stem, inner = net.trace().layers[-6], last(net)
    assert (stem.name, stem.stage, stem.block, stem.role) == (
        "backbone.stem.conv", "backbone.stem", "backbone.stem", "stem",
    )  # fmt: skip
    assert (inner.name, inner.stage, inner.block, inner.role) == (
        "backbone.stage1.0.expand.act", "backbone.stage1", "backbone.stage1.0", "expand",
    )  # fmt: skip


def test_what_was_recorded_is_found_by_landmark_or_name() -> None:
    net, x = image()
    y = net.conv(x, 6, stride=2, name="stem")
    net.tap("C1", x)
    assert net.feature("stem.act") == y
    assert net.feature("C1") == x
    assert net.add(net.feature("stem.act"), y).shape == y.shape
    with pytest.raises(UnknownNameError, match=r"layer 'stem.atc': did you mean stem.act"):
        net.feature("stem.atc")


def test_every_argument_is_in_the_record() -> None:
    """And what is not given is the default that the docstring or PyTorch has."""
    net, x = image()
    net.max_pool(x, 3, 2, 1, ceil_mode=True, name="max")
    assert (last(net).name, last(net).ceil_mode, last(net).same) == ("max", True, False)
    net.max_pool(x, 4, padding="same")
    assert (last(net).name, last(net).ceil_mode, last(net).same) == ("pool", False, True)
    net.avg_pool(x, 3, 2, 1, True, False, name="avg")
    layer = last(net)
    assert (layer.ceil_mode, layer.include_pad, layer.same) == (True, False, False)
    net.avg_pool(x, 4, padding="same", name="mean")
    layer = last(net)
    assert (layer.ceil_mode, layer.include_pad, layer.same) == (False, True, True)
    net.conv2d(x, 2, 3, padding="same", name="conv")
    assert (last(net).same, last(net).bias) == (True, False)
    net.local_response_norm(x)
    assert (last(net).name, last(net).lrn) == ("lrn", (5, 1e-4, 0.75, 1.0))
    net.upsample(x, (2, 3))
    layer = last(net)
    assert (layer.name, layer.mode, layer.scale) == ("upsample", "nearest", (2, 3))
    net.upsample(x, size=(9, 9), mode="bilinear", name="resize")
    assert (last(net).mode, last(net).scale) == ("bilinear", None)
    net.channel_shuffle(x, 2)
    assert (last(net).name, last(net).groups) == ("shuffle", 2)
    for rate in (0, 1, 0.25):
        net.dropout(x, rate, name=f"dropout{rate}")
        assert last(net).rate == rate
    net.dropout(x)
    assert (last(net).name, last(net).rate) == ("dropout", 0.5)
    names = [net.adaptive_avg_pool(x, name="a"), net.adaptive_max_pool(x, 2, name="b")]
    assert [net.trace().layers[each.layer].op for each in names] == [
        "adaptive_avg_pool",
        "adaptive_max_pool",
    ]


def test_a_pool_may_be_padded_by_half_its_kernel() -> None:
    net, x = image()
    assert net.max_pool(x, 4, 2, 2, name="even").shape == (4, 5, 5)
    with pytest.raises(ShapeError, match="here: a pool is padded by half its kernel at most"):
        net.max_pool(x, 3, 2, 2, name="here")


@pytest.mark.parametrize("rate", [-0.01, 1.01, 2])
def test_a_dropout_rate_is_a_share(rate: float) -> None:
    net, x = image()
    with pytest.raises(ShapeError, match=f"here: a dropout rate is from 0 to 1, not {rate}"):
        net.dropout(x, rate, name="here")


def test_the_leaf_hands_everything_on() -> None:
    net, x = image()
    how = {"padding": (3, 1), "dilation": 2, "groups": 2, "act": None, "eps": 1e-3}
    y = net.conv(x, 6, (5, 3), 2, name="n", role="r", **how)
    conv, norm = net.trace(y).layers[-2:]
    assert (conv.name, conv.role, conv.kernel, conv.stride) == ("n.conv", "r", (5, 3), (2, 2))
    assert (conv.padding, conv.dilation, conv.groups) == (((3, 3), (1, 1)), (2, 2), 2)
    assert (norm.name, norm.role, norm.eps) == ("n.norm", "r", 1e-3)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    net, x = image()
    y = net.conv2d(x, np.int64(6), np.uint8(3), (np.int32(2), 1), groups=np.int16(2))
    layer = last(net)
    assert y.shape == (6, 4, 8)
    for number in (*y.shape, *layer.kernel, *layer.stride, layer.groups):
        assert type(number) is int
