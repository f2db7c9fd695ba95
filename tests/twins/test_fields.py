"""Receptive fields, measured: where the gradient of one unit with respect to the image is not 0.

Weights are positive, so that no two paths cancel, and the image is faint, so that no activation
saturates.
"""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import CLASSIFIERS, NAMES, SPINE
from torch import Tensor, nn

from mobilenet_lab import registry
from mobilenet_lab.blocks_torch import SqueezeExcite
from mobilenet_lab.errors import MisalignedError, VanishedError
from mobilenet_lab.layers import Feature, Layer, Pair, Shape, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.receptive_field import Field, receptive_fields

from .cases import build, thin
from .interpreter import run

Spans = tuple[tuple[int, int], tuple[int, int]]
"""First and last pixel, vertical and horizontal."""


def faint(shape: Shape) -> Tensor:
    """One positive image of `shape` (C x H x W) that asks for its gradient."""
    random = torch.Generator().manual_seed(1)
    image = 1e-3 * (torch.rand(1, *shape, generator=random, dtype=torch.float64) + 0.1)
    return image.requires_grad_()


def measured(value: Tensor, image: Tensor, unit: Pair) -> Spans | None:
    """The rectangle of pixels on which unit (row, column) of a map depends."""
    (slope,) = torch.autograd.grad(value[0, :, *unit].sum(), image, retain_graph=True)
    touched = slope[0].sum(0) > 0
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    if not len(rows):
        return None
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))


def predicted(field: Field, unit: Pair) -> Spans:
    assert field.vertical is not None
    assert field.horizontal is not None
    return field.vertical.span(unit[0]), field.horizontal.span(unit[1])


def clipped(spans: Spans, size: Pair) -> Spans:
    """The part of the spans that is image."""
    (top, bottom), (left, right) = spans
    return (max(top, 0), min(bottom, size[0] - 1)), (max(left, 0), min(right, size[1] - 1))


def contains(outer: Spans, inner: Spans | None) -> bool:
    """Whether the rectangle `outer` holds `inner`."""
    return inner is not None and all(
        first <= start and end <= last
        for (first, last), (start, end) in zip(outer, inner, strict=True)
    )


@torch.no_grad()
def make_positive(module: nn.Module) -> nn.Module:
    """Convolutions become means with uneven weights; batch norms are the identity as they are.

    Max pools become averages, so that all that they look at counts; gates, which see everything,
    let no gradient through.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.uniform_(0.5, 1.5)
            part.weight /= part.weight.sum((1, 2, 3), keepdim=True)
        if isinstance(part, nn.MaxPool2d):
            part.register_forward_hook(mean_instead)
        if isinstance(part, SqueezeExcite):
            part.gate.register_forward_hook(lambda _, __, gate: gate.detach())
    return module.double()


def mean_instead(pool: nn.MaxPool2d, inputs: tuple[Tensor], _: Tensor) -> Tensor:
    """What an average pool of the same windows gives."""
    return F.avg_pool2d(inputs[0], pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)


NO_REST = {
    "alexnet": (163, 131),
    "lenet5": (160, 96),
    "lraspp_mobilenet_v3_large": (160, 96),
    "lraspp_mobilenet_v3_small": (160, 96),
}
"""Sizes at which windows without padding leave no pixel unread, and maps double when upsampled."""

SEEN_IN_OTHERS = ("yolov4_mobilenet_v1_dense", "yolov4_mobilenet_v3_dense", "mixnet_m")
"""Put together from parts whose fields are tried in others, and slow."""


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, NO_REST.get(name, (161, 96))) for name in NAMES if name not in SEEN_IN_OTHERS]
    + [(name, (128, 192)) for name in SPINE],
)
def test_fields_of_the_networks(name: str, size: Pair) -> None:
    """Every map of the twin, at its corners and its middle, as far as the image goes.

    A part of a split map may have a smaller field than the whole, which is what is predicted.
    """
    settings = thin(name, resolution=size)
    trace, module = registry.trace(name, **settings), build(name, **settings)
    size = trace.input_shape[1:]
    values: dict[str, Tensor] = {}

    def watch(path: str, part: nn.Module) -> None:
        part.register_forward_hook(lambda _, __, out: values.__setitem__(path, out))

    for layer in trace.layers:
        if layer.op == "conv2d":
            watch(layer.name, module.get_submodule(layer.name))
    image = faint(trace.input_shape)
    make_positive(module)(image)
    seen = 0
    for layer, field in zip(trace.layers, receptive_fields(trace), strict=True):
        if layer.op == "conv2d" and layer.kernel != (1, 1):
            height, width = layer.out_shape[1:]
            for unit in {(0, 0), (height // 2, width // 3), (height - 1, width - 1)}:
                spans = measured(values[layer.name], image, unit)
                expected = clipped(predicted(field, unit), size)
                if trace.layers[layer.inputs[0]].op == "split":
                    assert contains(expected, spans), (layer.name, unit)
                else:
                    assert spans == expected, (layer.name, unit)
                seen += 1
    assert seen > 8


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_pool_sees_the_whole_image(name: str) -> None:
    settings = thin(name, resolution=NO_REST.get(name, (65, 96)))
    trace, module = registry.trace(name, **settings), build(name, **settings)
    image = faint(trace.input_shape)
    scores = make_positive(module)(image)
    (slope,) = torch.autograd.grad(scores[0, 0], image)
    assert bool((slope != 0).any(1).all())
    assert receptive_fields(trace)[trace.outputs[0]].size is None


class Positive(dict[str, Any]):
    """Positive weights for the layers of a trace, which no module stands beside."""

    def __init__(self, trace: Trace) -> None:
        random = torch.Generator().manual_seed(0)
        for layer in trace.layers:
            if layer.op == "conv2d":
                shape = layer.out_shape[0], layer.in_shapes[0][0] // layer.groups, *layer.kernel
                weight = torch.rand(shape, generator=random, dtype=torch.float64) + 0.5
                weight /= weight.sum((1, 2, 3), keepdim=True)
                self[layer.name] = SimpleNamespace(weight=weight, bias=None)


def smooth(layer: Layer) -> Layer:
    """A largest value depends on one pixel only; a mean over the same window on all of them."""
    if layer.op == "max_pool":
        return layer._replace(op="conv2d", groups=layer.out_shape[0])
    if layer.op == "adaptive_max_pool":
        return layer._replace(op="adaptive_avg_pool")
    return layer


def last_map(trace: Trace, image: Tensor) -> Tensor:
    """What the last layer of `trace` makes of the image, with means for largest values."""
    means = replace(trace, layers=tuple(map(smooth, trace.layers)))
    (value,) = run(means, Positive(means).__getitem__, image)
    return value


def inside(spans: Spans, size: Pair) -> bool:
    return all(lo >= 0 and hi < extent for (lo, hi), extent in zip(spans, size, strict=True))


def check_inner_units(trace: Trace) -> int:
    """Measures units of the last map whose whole field is image; how many there were."""
    size = trace.input_shape[1:]
    image = faint(trace.input_shape)
    value = last_map(trace, image)
    field = receptive_fields(trace)[-1]
    assert field.size is not None
    inner = [unit for unit in units(trace.layers[-1]) if inside(predicted(field, unit), size)]
    for unit in inner[:: max(1, len(inner) // 12)]:
        assert measured(value, image, unit) == predicted(field, unit), unit
    return len(inner)


def units(layer: Layer) -> Iterator[Pair]:
    height, width = layer.out_shape[1:]
    return ((row, column) for row in range(height) for column in range(width))


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def chains(draw: Any) -> Trace:
    """Up to five windows of any kind one after another, some with a residual around them."""
    net = Net()
    x = net.input(2, draw(st.tuples(st.integers(16, 40), st.integers(16, 40))))
    for number in range(draw(st.integers(1, 5))):
        with net.block(f"block{number}"):
            x = draw_block(draw, net, x)
    return net.trace(x)


def draw_block(draw: Any, net: Net, x: Feature) -> Feature:
    kind = draw(st.sampled_from(["conv", "residual", "same", "max", "avg", "branches"]))
    kernel, stride = draw(pairs), draw(pairs)
    match kind:
        case "conv":
            padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
            return net.conv2d(x, 2, kernel, stride, padding=padding, dilation=draw(pairs))
        case "same":
            return net.conv2d(x, 2, kernel, stride, padding="same", dilation=draw(pairs))
        case "max":
            return net.max_pool(x, kernel, stride, (kernel[0] // 2, 0), draw(pairs))
        case "avg":
            return net.avg_pool(x, kernel, stride, (0, kernel[1] // 2))
        case "residual":
            odd = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 3, 5]))
            return net.add(x, net.conv2d(x, x.channels, odd, dilation=draw(pairs), groups=1))
    small = net.conv2d(x, 1, 1, name="small")
    large = net.conv2d(x, 1, (5, 3), name="large")
    return net.concat(small, large)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_fields_of_random_chains(data: st.DataObject) -> None:
    try:
        trace = data.draw(chains())
    except VanishedError:
        assume(False)
    assume(check_inner_units(trace))


@settings(max_examples=120, deadline=None)
@given(
    size=st.tuples(st.integers(12, 24), st.integers(12, 24)),
    out=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    op=st.sampled_from(["nearest", "bilinear", "adaptive_avg", "adaptive_max"]),
    kernel=st.sampled_from([1, 3]),
)
def test_fields_after_resampling(size: Pair, out: Pair, op: str, kernel: int) -> None:
    """Up or down by any ratio, between two convolutions."""
    net = Net()
    x = net.conv2d(net.input(1, size), 1, kernel, name="before")
    if op == "adaptive_avg":
        x = net.adaptive_avg_pool(x, out)
    elif op == "adaptive_max":
        x = net.adaptive_max_pool(x, out)
    else:
        x = net.upsample(x, size=out, mode=op)
    assume(check_inner_units(net.trace(x)))
    after = net.conv2d(x, 1, 3, name="after")
    assume(check_inner_units(net.trace(after)))


def test_upsampled_branch_meets_a_finer_one() -> None:
    """As in a feature pyramid: the union of both, for each unit of the period."""
    net = Net()
    fine = net.conv2d(net.input(1, (32, 40)), 1, 3, 2, name="fine")
    coarse = net.conv2d(fine, 1, 3, 2, name="coarse")
    x = net.concat(fine, net.upsample(coarse, 2))
    assert check_inner_units(net.trace(net.conv2d(x, 1, 3, name="after"))) > 50


def test_a_gate_sees_everything_and_its_map_what_it_saw() -> None:
    net = Net()
    x = net.conv2d(net.input(2, (24, 30)), 2, 5, name="conv")
    gate = net.act(net.adaptive_avg_pool(x), "hardsigmoid", "gate")
    trace = net.trace(net.mul(x, gate))
    gated, plain = receptive_fields(trace)[-1], receptive_fields(trace)[1]
    assert gated == plain._replace(gated=True)
    image = faint((2, 24, 30))
    value = last_map(trace, image)
    assert measured(value, image, (12, 15)) == ((0, 23), (0, 29))


def test_branches_that_look_elsewhere_are_refused() -> None:
    """A field that is the union of places apart would be true of no unit."""
    net = Net()
    x = net.input(1, (32, 32))
    left = net.conv2d(x, 1, 1, 2, name="left")
    right = net.conv2d(x, 1, 2, 2, name="right")
    with pytest.raises(MisalignedError, match="cat"):
        receptive_fields(net.trace(net.concat(left, right, name="cat")))
