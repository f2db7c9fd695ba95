"""Random networks: counts, shapes and receptive fields against fvcore, torch and gradients.

100 examples; `pytest tests/twins/test_fuzz.py --hypothesis-profile=slow` tries 1,000.
"""

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from torch import Tensor

from mobilenet_lab.analysis import analyse, known_fields, params
from mobilenet_lab.blocks import classifier, squeeze_excite
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import flop_counter, fvcore, torchinfo
from mobilenet_lab.errors import VanishedError
from mobilenet_lab.interpreter_torch import MODULES, Interpreted
from mobilenet_lab.layers import Feature, Layer, Trace
from mobilenet_lab.net import Net

from .interpreter import run, step
from .test_fields import Positive, clipped, contains, faint, inside, measured, predicted

Draw = Callable[[Any], Any]
ACTS = ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu", "gelu", "tanh")
small = st.integers(1, 3)
pairs = st.tuples(small, small)


@st.composite
def networks(draw: Draw) -> Trace:
    """Up to four blocks of any kind, some with an output of their own; every layer is read."""
    net = Net()
    image = draw(st.integers(12, 40)), draw(st.integers(12, 40))
    x = net.input(draw(small), image)
    outputs = []
    for number in range(draw(st.integers(1, 4))):
        with net.stage(f"stage{number}"):
            x = draw(st.sampled_from(BLOCKS))(draw, net, x)
            if draw(st.booleans()) and draw(st.booleans()):
                outputs.append(net.conv2d(x, draw(small), 1, bias=True, name="tap"))
    last = classifier(net, x, draw(st.integers(1, 5)), 0.2) if draw(st.booleans()) else x
    return net.trace(*outputs, last)


def window(draw: Draw, net: Net, x: Feature) -> Feature:
    """One convolution: any kernel, stride, padding, dilation, groups, bias."""
    groups = draw(st.sampled_from([g for g in range(1, x.channels + 1) if x.channels % g == 0]))
    padding = draw(st.sampled_from([0, 1, (2, 0), "same"]))
    how = {"padding": padding, "dilation": draw(pairs), "groups": groups}
    channels = groups * draw(small)
    x = net.conv2d(x, channels, draw(pairs), draw(pairs), bias=draw(st.booleans()), **how)
    return net.act(x, draw(st.sampled_from(ACTS)))


def residual(draw: Draw, net: Net, x: Feature) -> Feature:
    """An inverted residual, with a gate at times."""
    wide = x.channels * draw(small)
    kernel, stride = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 2))
    h = net.conv(x, wide, 1, act=draw(st.sampled_from(ACTS)), name="expand")
    h = net.conv(h, wide, kernel, stride, groups=wide, act="relu6", name="depthwise")
    if draw(st.booleans()):
        h = squeeze_excite(net, h, draw(small), "relu", draw(st.sampled_from(["sigmoid", "tanh"])))
    h = net.conv(h, draw(st.sampled_from([x.channels, 4])), 1, act=None, name="project")
    return net.add(x, h) if h.shape == x.shape else h


def branches(draw: Draw, net: Net, x: Feature) -> Feature:
    """Kernels of several sizes side by side, a pool among them."""
    made = [
        net.conv(x, draw(small), kernel, name=f"kernel{kernel}")
        for kernel in sorted(draw(st.sets(st.sampled_from([1, 3, 5, 7]), min_size=1)))
    ]
    if draw(st.booleans()):
        made.append(net.max_pool(x, 3, 1, 1))
    return net.channel_shuffle(net.concat(*made, x), 1)


def mixed(draw: Draw, net: Net, x: Feature) -> Feature:
    """Channels split, each part with a kernel of its own, and together again."""
    x = net.conv(x, 2 * draw(small), 1, name="before")
    left, right = net.split(x, (x.channels // 2, x.channels // 2))
    right = net.conv(right, right.channels, 3, groups=right.channels, name="right")
    return net.channel_shuffle(net.concat(left, right), 2)


def pool(draw: Draw, net: Net, x: Feature) -> Feature:
    kernel, stride = draw(pairs), draw(pairs)
    padding, ceil = (kernel[0] // 2, 0), draw(st.booleans())
    if draw(st.booleans()):
        return net.max_pool(x, kernel, stride, padding, ceil_mode=ceil)
    return net.avg_pool(x, kernel, stride, padding, ceil, include_pad=draw(st.booleans()))


def pyramid(draw: Draw, net: Net, x: Feature) -> Feature:
    """Down by two and up again, beside what stayed."""
    x = net.conv2d(x, x.channels, 1, 1, name="level")
    down = net.conv(x, draw(small), 3, 2, name="down")
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    even = x.height % 2 == x.width % 2 == 0
    how = {"scale": 2} if even else {"size": x.shape[1:]}
    return net.concat(x, net.upsample(down, mode=mode, **how))


def plain(draw: Draw, net: Net, x: Feature) -> Feature:
    x = net.batch_norm(x) if draw(st.booleans()) else net.local_response_norm(x, draw(small))
    return net.dropout(net.act(x, draw(st.sampled_from(ACTS))))


BLOCKS = (window, residual, branches, mixed, pool, pyramid, plain)


def drawn(data: st.DataObject) -> Trace:
    """A random network whose maps do not vanish."""
    try:
        return data.draw(networks())
    except VanishedError:
        assume(False)
        raise


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_counts_and_shapes_of_random_networks(data: st.DataObject) -> None:
    trace = drawn(data)
    with torch.random.fork_rng(devices=[]):
        module = Interpreted(trace).eval()
    image = torch.randn(1, *trace.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        given_ = module(image)
        ours = run(trace, module.get_submodule, image)
    theirs = [given_] if isinstance(given_, Tensor) else list(given_)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)

    by_fvcore, by_torchinfo = fvcore.count(module, image), torchinfo.count(module, image)
    analysis = analyse(trace)
    for row, layer in zip(analysis.rows, trace.layers[1:], strict=True):
        assert layer.name == row.name
        if layer.op in MODULES or layer.op in ACTS:
            operators = by_fvcore[layer.name]
            assert row.macs == operators["conv"] + operators["linear"], layer
            assert CONVENTIONS["fvcore"].count(layer) == sum(operators.values()), layer
            counted = by_torchinfo[layer.name]
            assert row.out_shape == counted.out_shape, layer
            assert row.params == params(layer) == counted.params, layer
            assert CONVENTIONS["torchinfo"].count(layer) == counted.mult_adds, layer
    assert CONVENTIONS["fvcore"].total(trace.layers) == sum(by_fvcore[""].values())
    assert CONVENTIONS["flop_counter"].total(trace.layers) == flop_counter.count(module, image)
    assert analysis.total.params == sum(part.numel() for part in module.parameters())


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_fields_of_random_networks(data: st.DataObject) -> None:
    """Of units whose field is image: what was measured is what is predicted.

    Gates and global pools let no gradient through; a part of a split may see less than the whole.
    """
    trace = drawn(data)
    image, weights = faint(trace.input_shape), Positive(trace)
    fields, values = known_fields(trace), dict[int, Tensor]()
    checked = 0
    parted = set[int]()
    for number, layer in enumerate(trace.layers):
        if layer.op in ("linear", "flatten") or len(layer.out_shape) == 1:
            break
        inputs = [values[source] for source in layer.inputs] or [image]
        values[number] = smooth(layer, inputs, weights)
        if layer.op == "split" or parted & set(layer.inputs):
            parted.add(number)
        field = fields[number]
        if field is None or field.size is None or layer.op not in ("conv2d", "concat", "add"):
            continue
        height, width = layer.out_shape[1:]
        unit = height // 2, width // 3
        spans = predicted(field, unit)
        if inside(spans, trace.input_shape[1:]):
            seen = measured(values[number], image, unit)
            if number in parted:
                assert contains(clipped(spans, trace.input_shape[1:]), seen), layer
            else:
                assert seen == spans, layer
            checked += 1
    event(f"{min(checked, 5)} units measured")
    assume(checked)


def smooth(layer: Layer, inputs: list[Tensor], weights: Positive) -> Tensor:
    """What a layer makes of its inputs: means for largest values, a fresh norm is the identity, and
    a global pool, which feeds gates, lets no gradient through.
    """
    if layer.op in ("batch_norm", "local_response_norm"):
        return inputs[0]
    if layer.op == "max_pool":
        layer = layer._replace(op="avg_pool")
    value = step(layer, weights.__getitem__, inputs)
    return value.detach() if layer.op == "adaptive_avg_pool" else value
