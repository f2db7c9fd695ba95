"""Operation by operation: shapes on the tape, and the interpreter, against PyTorch itself."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilenet_lab.analysis import macs, params
from mobilenet_lab.counters import flop_counter
from mobilenet_lab.errors import VanishedError
from mobilenet_lab.layers import ACTIVATIONS, Feature, Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.resolutions import OF_IMAGES

from .cases import images
from .interpreter import run

many = settings(max_examples=150, deadline=None)
sides = st.integers(1, 14)
counts = st.integers(1, 4)
pairs = st.tuples(counts, counts)


def image_net(channels: int, size: Pair) -> tuple[Net, Feature]:
    net = Net()
    return net, net.input(channels, size)


def no_weights(name: str) -> Any:
    raise AssertionError(f"{name} asks for weights")


def output_of(trace: Trace, x: Tensor, weights: Any = no_weights) -> Tensor:
    (out,) = run(trace, weights, x)
    return out


@many
@given(
    size=st.tuples(sides, sides),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=pairs,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=pairs,
    groups=counts,
    c_in=counts,
    c_out=counts,
    bias=st.booleans(),
)
def test_conv2d(
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    c_in: int,
    c_out: int,
    bias: bool,
) -> None:
    """Shape, parameters, MACs and values of any convolution; what vanishes here, vanishes there."""
    c_in, c_out = c_in * groups, c_out * groups
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias)
    x = images(2, (c_in, *size))
    net, image = image_net(c_in, size)
    window = {"padding": padding, "dilation": dilation, "groups": groups, "bias": bias}
    try:
        out = net.conv2d(image, c_out, kernel, stride, **window)
    except VanishedError:
        with pytest.raises(RuntimeError, match=r"(?i)kernel size|output size"):
            conv(x)
        return
    trace = net.trace(out)
    theirs = conv(x)
    assert out.shape == tuple(theirs.shape[1:])
    torch.testing.assert_close(output_of(trace, x, lambda _: conv), theirs)
    assert params(trace.layers[1]) == sum(each.numel() for each in conv.parameters())
    assert 2 * macs(trace.layers[1]) == flop_counter.count(conv, x[:1])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@many
@given(
    size=st.tuples(sides, sides),
    kernel=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    dilation=pairs,
)
def test_same_padding_is_torch_s_at_stride_1(size: Pair, kernel: Pair, dilation: Pair) -> None:
    """Even kernels too, where one side gets a pixel more than the other."""
    conv = nn.Conv2d(2, 3, kernel, padding="same", dilation=dilation)
    net, image = image_net(2, size)
    out = net.conv2d(image, 3, kernel, padding="same", dilation=dilation, bias=True)
    x = images(1, (2, *size))
    torch.testing.assert_close(output_of(net.trace(out), x, lambda _: conv), conv(x))


@st.composite
def pools(draw: Any) -> tuple[Pair, Pair, Pair | None, Pair]:
    """Map, kernel, stride (or none given) and a padding of half a kernel at most."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = draw(st.tuples(sides, sides))
    return size, kernel, draw(st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6))), padding


def check_pool(record: Any, pool: Any, size: Pair) -> None:
    """`record` (on a tape) and `pool` (of torch) make the same of a map, or both refuse."""
    net, image = image_net(2, size)
    x = images(2, (2, *size))
    try:
        out = record(net, image)
    except VanishedError:
        with pytest.raises(RuntimeError, match=r"(?i)output size"):
            pool(x)
        return
    theirs = pool(x)
    assert out.shape == tuple(theirs.shape[1:])
    torch.testing.assert_close(output_of(net.trace(out), x), theirs)


@many
@given(pools(), pairs, st.booleans())
def test_max_pool(window: Any, dilation: Pair, ceil: bool) -> None:
    size, kernel, stride, padding = window
    check_pool(
        lambda net, x: net.max_pool(x, kernel, stride, padding, dilation, ceil),
        nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil),
        size,
    )


@many
@given(pools(), st.booleans(), st.booleans())
def test_avg_pool(window: Any, ceil: bool, include_pad: bool) -> None:
    size, kernel, stride, padding = window
    check_pool(
        lambda net, x: net.avg_pool(x, kernel, stride, padding, ceil, include_pad),
        nn.AvgPool2d(kernel, stride, padding, ceil, include_pad),
        size,
    )


@many
@given(size=st.tuples(sides, sides), out=st.tuples(sides, sides))
def test_adaptive_pools(size: Pair, out: Pair) -> None:
    """To smaller and to larger maps."""
    for record, pool in (
        (Net.adaptive_avg_pool, nn.AdaptiveAvgPool2d(out)),
        (Net.adaptive_max_pool, nn.AdaptiveMaxPool2d(out)),
    ):
        check_pool(lambda net, x, record=record: record(net, x, out), pool, size)


@many
@given(size=st.tuples(sides, sides), scale=pairs, mode=st.sampled_from(["nearest", "bilinear"]))
def test_upsample_by_a_scale(size: Pair, scale: Pair, mode: str) -> None:
    vertical, horizontal = scale
    module = nn.Upsample(scale_factor=(float(vertical), float(horizontal)), mode=mode)
    check_pool(lambda net, x: net.upsample(x, scale, mode=mode), module, size)


@many
@given(
    size=st.tuples(sides, sides),
    out=st.tuples(sides, sides),
    mode=st.sampled_from(["nearest", "bilinear"]),
)
def test_upsample_to_a_size(size: Pair, out: Pair, mode: str) -> None:
    module = nn.Upsample(size=out, mode=mode)
    check_pool(lambda net, x: net.upsample(x, size=out, mode=mode), module, size)


@many
@given(
    channels=st.integers(1, 12),
    size=st.integers(1, 9),
    alpha=st.floats(1e-4, 2.0),
    beta=st.floats(0.1, 2.0),
    k=st.floats(0.5, 3.0),
)
def test_local_response_norm(channels: int, **lrn: Any) -> None:
    net, image = image_net(channels, (3, 4))
    out = net.local_response_norm(image, **lrn)
    x = images(1, (channels, 3, 4))
    torch.testing.assert_close(output_of(net.trace(out), x), nn.LocalResponseNorm(**lrn)(x))


MODULES = {
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "sigmoid": nn.Sigmoid(),
    "silu": nn.SiLU(),
    "gelu": nn.GELU(),
    "tanh": nn.Tanh(),
    "softmax": nn.Softmax(1),
    "leaky_relu": nn.LeakyReLU(0.01),
    "elu": nn.ELU(1.0),
    "mish": nn.Mish(),
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations(kind: str) -> None:
    net, image = image_net(5, (3, 4))
    x = 4 * images(2, (5, 3, 4))
    out = output_of(net.trace(net.act(image, kind)), x)
    torch.testing.assert_close(out, MODULES[kind](x))


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 0.1])
def test_batch_norm_of_maps_and_vectors(eps: float) -> None:
    for norm, shape in ((nn.BatchNorm2d(6, eps), (6, 3, 4)), (nn.BatchNorm1d(72, eps), (72,))):
        norm.running_mean += 0.3
        norm.running_var *= 0.01
        net, x = image_net(6, (3, 4))
        if len(shape) == 1:
            x = net.flatten(x)
        trace = net.trace(net.batch_norm(x, eps))
        image = images(2, (6, 3, 4))
        with torch.no_grad():
            ours = output_of(trace, image, {"norm": norm}.__getitem__)
            torch.testing.assert_close(ours, norm.eval()(image.view(2, *shape)))
        assert params(trace.layers[-1]) == sum(each.numel() for each in norm.parameters())


@many
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_split_and_concat_back(sizes: list[int]) -> None:
    """The parts are torch's; put together in another order they are no longer the image."""
    net, image = image_net(sum(sizes), (2, 3))
    parts = net.split(image, sizes)
    joined, turned = net.concat(*parts), net.concat(*reversed(parts), name="turned")
    x = images(1, (sum(sizes), 2, 3))
    *ours, whole, swapped = run(net.trace(*parts, joined, turned), no_weights, x)
    theirs = x.split(sizes, 1)
    for part, expected in zip(ours, theirs, strict=True):
        assert torch.equal(part, expected)
    assert torch.equal(whole, x)
    assert torch.equal(swapped, torch.cat(theirs[::-1], 1))


class Everything(nn.Module):
    """Every operation once, in a forward written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), (2, 1), padding=(1, 2), bias=True)
        self.norm = nn.BatchNorm2d(8, eps=1e-3)
        self.deep = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False)
        self.linear = nn.Linear(8 * 2 * 2, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        a, b = x.split([3, 5], 1)
        x = torch.cat([F.silu(b), F.gelu(a)], 1)
        x = x + F.relu6(self.deep(F.local_response_norm(x, 3, 0.2, 0.75, 1.5)))
        gate = F.adaptive_avg_pool2d(F.tanh(x), 1)
        x = x * F.hardsigmoid(gate)
        x = F.channel_shuffle(F.hardswish(x), 4)
        x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear")
        x = F.adaptive_max_pool2d(F.sigmoid(x), 2)
        return F.softmax(self.linear(F.dropout(x.flatten(1), training=False)), 1)


def everything_over_shapes() -> Trace:
    net, x = image_net(3, (21, 13))
    x = net.conv2d(x, 8, (3, 5), (2, 1), bias=True, name="stem")
    x = net.act(net.batch_norm(x, 1e-3), "relu")
    a, b = net.split(x, [3, 5])
    x = net.concat(net.act(b, "silu", "silu"), net.act(a, "gelu", "gelu"))
    h = net.local_response_norm(x, 3, 0.2, 0.75, 1.5)
    h = net.conv2d(h, 8, 3, dilation=2, groups=4, name="deep")
    x = net.add(x, net.act(h, "relu6", "relu6"))
    gate = net.adaptive_avg_pool(net.act(x, "tanh", "tanh"), name="squeeze")
    x = net.mul(x, net.act(gate, "hardsigmoid", "gate"))
    x = net.channel_shuffle(net.act(x, "hardswish", "hardswish"), 4)
    x = net.max_pool(x, 3, 2, 1, ceil_mode=True)
    x = net.upsample(net.avg_pool(x, 2, name="mean"), 2, mode="bilinear")
    x = net.adaptive_max_pool(net.act(x, "sigmoid", "sigmoid"), 2, name="peak")
    x = net.linear(net.dropout(net.flatten(x)), 5)
    return net.trace(net.act(x, "softmax", "softmax"))


def test_interpreter_runs_every_operation() -> None:
    module, trace = Everything().double().eval(), everything_over_shapes()
    assert {layer.op for layer in trace.layers} | {*ACTIVATIONS} == {"input", *OF_IMAGES}
    with torch.no_grad():
        module.norm.running_mean += 0.2
        module.norm.running_var *= 0.01
        for seed in range(3):
            x = images(2, (3, 21, 13), seed).double()
            torch.testing.assert_close(output_of(trace, x, module.get_submodule), module(x))
