"""Layers beyond images: what they compute, how they are read back, and what their units see."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse, known_fields
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import flop_counter, fvcore
from mobilenet_lab.errors import LabError
from mobilenet_lab.interpreter_torch import Interpreted
from mobilenet_lab.layers import Feature, Layer, Trace
from mobilenet_lab.net import Net

Record = Callable[[Net, Feature], Feature]
Compute = Callable[[nn.Module, Tensor], Tensor]
SIGNAL, VOLUME, IMAGE, TOKENS = (6, 23), (4, 5, 8, 7), (6, 9, 11), (7, 12)

CASES: dict[str, tuple[tuple[int, ...], Record, Compute]] = {
    "conv1d": (
        SIGNAL,
        lambda net, x: net.conv1d(x, 4, 5, 2, padding=3, dilation=2, groups=2, bias=True, name="a"),
        lambda m, x: F.conv1d(x, m.a.weight, m.a.bias, 2, 3, 2, 2),
    ),
    "conv3d": (
        VOLUME,
        lambda net, x: net.conv3d(x, 2, (1, 3, 2), (1, 2, 1), padding=(0, 1, 1), name="a"),
        lambda m, x: F.conv3d(x, m.a.weight, None, (1, 2, 1), (0, 1, 1)),
    ),
    "conv_transpose1d": (
        SIGNAL,
        lambda net, x: net.conv_transpose(x, 3, 4, 2, padding=1, groups=3, bias=True, name="a"),
        lambda m, x: F.conv_transpose1d(x, m.a.weight, m.a.bias, 2, 1, 0, 3),
    ),
    "conv_transpose2d": (
        IMAGE,
        lambda net, x: net.conv_transpose(
            x, 4, (3, 2), (2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(2, 1), name="a"
        ),
        lambda m, x: F.conv_transpose2d(x, m.a.weight, None, (2, 3), (1, 0), (1, 2), 1, (2, 1)),
    ),
    "conv_transpose3d": (
        VOLUME,
        lambda net, x: net.conv_transpose(x, 2, 2, 2, name="a"),
        lambda m, x: F.conv_transpose3d(x, m.a.weight, None, 2),
    ),
    "pools along one axis": (
        SIGNAL,
        lambda net, x: net.adaptive_avg_pool(net.max_pool(x, 3, 2, 1), 4, name="b"),
        lambda m, x: F.adaptive_avg_pool1d(F.max_pool1d(x, 3, 2, 1), 4),
    ),
    "pools along three": (
        VOLUME,
        lambda net, x: net.adaptive_max_pool(net.avg_pool(x, (1, 2, 2)), (2, 2, 3), name="b"),
        lambda m, x: F.adaptive_max_pool3d(F.avg_pool3d(x, (1, 2, 2)), (2, 2, 3)),
    ),
    "upsampling": (
        SIGNAL,
        lambda net, x: net.upsample(net.upsample(x, 2, mode="bilinear"), size=(50,), name="b"),
        lambda m, x: F.interpolate(F.interpolate(x, scale_factor=2, mode="linear"), 50),
    ),
    "layer_norm": (
        TOKENS,
        lambda net, x: net.layer_norm(x, 2, vectors=1, eps=0.1, name="a"),
        lambda m, x: F.layer_norm(x, TOKENS, m.a.weight, None, 0.1),
    ),
    "rms_norm": (
        TOKENS,
        lambda net, x: net.rms_norm(x, eps=0.1, name="a"),
        lambda m, x: F.rms_norm(x, (12,), m.a.weight, 0.1),
    ),
    "group_norm": (
        IMAGE,
        lambda net, x: net.group_norm(x, 3, eps=0.1, name="a"),
        lambda m, x: F.group_norm(x, 3, m.a.weight, m.a.bias, 0.1),
    ),
    "instance_norm": (
        IMAGE,
        lambda net, x: net.instance_norm(x, vectors=2, eps=0.1, name="a"),
        lambda m, x: F.instance_norm(x, weight=m.a.weight, bias=m.a.bias, eps=0.1),
    ),
    "linear on tokens": (
        TOKENS,
        lambda net, x: net.linear(x, 5, name="a"),
        lambda m, x: F.linear(x, m.a.weight, m.a.bias),
    ),
    "matrix product": (
        TOKENS,
        lambda net, x: net.matmul(x, net.permute(x, (1, 0))),
        lambda m, x: x @ x.mT,
    ),
    "attention": (
        TOKENS,
        lambda net, x: _attention(net, x),
        lambda m, x: _attended(m, x),
    ),
    "tokens of its own": (
        TOKENS,
        lambda net, x: net.slice(net.concat(net.parameter((2, 12), "token"), x), 0, 4),
        lambda m, x: torch.cat([m.token.expand(len(x), 2, 12), x], 1)[:, :4],
    ),
}


def _attention(net: Net, x: Feature) -> Feature:
    """Three heads of four features, with projections."""

    def heads(name: str) -> Feature:
        y = net.reshape(net.linear(x, 12, name=name), (7, 3, 4), name=f"{name}_heads")
        return net.permute(y, (1, 0, 2), name=f"{name}_turned")

    y = net.attention(heads("query"), heads("key"), heads("value"))
    y = net.reshape(net.permute(y, (1, 0, 2), name="back"), (7, -1), name="together")
    return net.add(x, net.linear(y, 12, name="out"))


def _attended(m: Any, x: Tensor) -> Tensor:
    """The same by its definition."""
    q, k, v = (
        F.linear(x, each.weight, each.bias).unflatten(2, (3, 4)).transpose(1, 2)
        for each in (m.query, m.key, m.value)
    )
    weights = torch.softmax(q @ k.mT / 2, -1)  # the square root of 4
    return x + F.linear((weights @ v).transpose(1, 2).flatten(2), m.out.weight, m.out.bias)


def recorded(kind: str) -> Trace:
    shape, record, _ = CASES[kind]
    net = Net()
    return net.trace(record(net, net.tensor(shape)))


@torch.no_grad()
def built(trace: Trace) -> nn.Module:
    """The module of a trace, with norms that are not the identity."""
    module = Interpreted(trace).eval()
    for part in module.modules():
        if isinstance(part, nn.LayerNorm | nn.GroupNorm | nn.RMSNorm | nn.InstanceNorm2d):
            for parameter in part.parameters():
                parameter.uniform_(0.5, 2.0)
    return module.double()


@pytest.mark.parametrize("kind", CASES)
def test_what_is_built_computes_what_the_operation_is(kind: str) -> None:
    trace = recorded(kind)
    module = built(trace)
    x = torch.randn(2, *trace.input_shape, dtype=torch.float64)
    with torch.no_grad():
        theirs = CASES[kind][2](module, x)
        ours = module(x)
    assert tuple(ours.shape[1:]) == trace.layers[trace.outputs[0]].out_shape
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", CASES)
def test_what_is_built_is_read_back_and_counted(kind: str) -> None:
    trace = recorded(kind)
    module = Interpreted(trace).eval()
    read = lab.inspect(module, trace.input_shape)
    ours, theirs = analyse(trace).total, analyse(read).total
    assert (ours.params, ours.macs) == (theirs.params, theirs.macs)
    assert ours.params == sum(each.numel() for each in module.parameters())
    assert [_plain(each) for each in computing(read)] == [_plain(each) for each in computing(trace)]
    image = torch.zeros(1, *trace.input_shape)
    by_fvcore = sum(fvcore.count(module, image)[""].values())
    assert CONVENTIONS["fvcore"].total(trace.layers) == by_fvcore
    flops = flop_counter.count(module, image)
    assert CONVENTIONS["flop_counter"].total(trace.layers) == flops


def computing(trace: Trace) -> Iterator[Layer]:
    return (layer for layer in trace.layers if layer.op not in ("reshape", "permute", "expand"))


def _plain(layer: Layer) -> Layer:
    """A layer without what depends on where it stands."""
    return layer._replace(inputs=(), stage="", block="", role="", name="")


def test_a_text_is_embedded() -> None:
    net = Net()
    words = net.tensor((9,), "words")
    trace = net.trace(net.linear(net.embedding(words, 50, 8, name="table"), 3, name="score"))
    module = Interpreted(trace).eval()
    text = torch.randint(50, (2, 9))
    with torch.no_grad():
        theirs = F.linear(module.table.weight[text], module.score.weight, module.score.bias)
        torch.testing.assert_close(module(text), theirs)
    assert analyse(trace).total.params == 50 * 8 + 8 * 3 + 3
    assert analyse(trace).total.macs == 9 * 8 * 3
    read = lab.inspect(module, "9:int64")
    assert [layer.op for layer in read.layers] == ["input", "embedding", "linear"]


def test_what_a_trace_does_not_describe_is_not_built() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.exp().cumsum(1)

    with pytest.raises(LabError, match="exp: a trace does not say enough of exp to build it"):
        lab.build(lab.inspect(Odd(), (3, 4, 4)))


# What units see


def positive(trace: Trace) -> nn.Module:
    """The module of a trace whose weights are all positive, so that no gradient cancels."""
    module = Interpreted(trace).eval().double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.5, 1.5)
    return module


def seen(trace: Trace, unit: tuple[int, ...], places: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last place of the input, along each axis, that a unit of the output depends on."""
    x = torch.rand(1, *trace.input_shape, dtype=torch.float64, requires_grad=True)
    value = positive(trace)(x)[0]
    index: list[Any] = [slice(None)] * value.dim()
    for place, number in zip(places, unit, strict=True):
        index[place] = number
    (slope,) = torch.autograd.grad(value[tuple(index)].sum(), x)
    touched = slope[0].sum(0) > 0
    spans = []
    for axis in range(touched.dim()):
        others = [other for other in range(touched.dim()) if other != axis]
        along = touched.any(others) if others else touched
        where = along.nonzero().flatten()
        spans.append((int(where[0]), int(where[-1])))
    return spans


def windows(net: Net, x: Feature) -> Feature:
    x = net.conv1d(x, 3, 5, 2, dilation=3, name="a")
    return net.avg_pool(net.conv1d(x, 3, 4, padding=1, name="b"), 2)


def up_and_down(net: Net, x: Feature) -> Feature:
    x = net.conv2d(x, 3, 3, 2, name="a")
    x = net.conv_transpose(x, 3, (4, 3), (2, 1), padding=1, name="b")
    return net.conv2d(x, 3, 3, name="c")


def channels_last(net: Net, x: Feature) -> Feature:
    x = net.conv2d(x, 4, 3, 2, name="a")
    x = net.permute(net.permute(x, (1, 2, 0)), (2, 0, 1), name="back")
    return net.conv2d(x, 4, (5, 3), name="b")


def cropped(net: Net, x: Feature) -> Feature:
    x = net.conv2d(net.slice(x, 3, 20, axis=1), 3, 3, 2, name="a")
    return net.slice(x, 2, 7, axis=2, name="narrow")


def volumes(net: Net, x: Feature) -> Feature:
    return net.max_pool(net.conv3d(x, 3, (1, 3, 5), (1, 2, 1), name="a"), (2, 1, 2))


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        (windows, (2, 90)),
        (up_and_down, (2, 40, 30)),
        (channels_last, (2, 40, 30)),
        (cropped, (2, 40, 30)),
        (volumes, (2, 12, 20, 18)),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_fields_are_where_the_gradient_is(record: Record, shape: tuple[int, ...]) -> None:
    net = Net()
    trace = net.trace(record(net, net.tensor(shape)))
    field = known_fields(trace)[trace.outputs[0]]
    assert field is not None
    assert len(field.axes) == len(shape) - 1
    places = tuple(range(1, len(shape)))
    for offset in range(3):
        units = [trace.layers[-1].out_shape[place] for place in places]
        unit = tuple(min(count // 3 + offset, count - 1) for count in units)
        spans = [axis.span(number) for axis, number in zip(field.axes, unit, strict=True) if axis]
        if record is volumes:  # the largest value hides what the others look at
            for (first, last), (low, high) in zip(seen(trace, unit, places), spans, strict=True):
                assert low <= first <= last <= high
            continue
        clipped = [
            (max(low, 0), min(high, side - 1))
            for (low, high), side in zip(spans, shape[1:], strict=True)
        ]
        assert seen(trace, unit, places) == clipped


def test_tokens_have_no_rows_and_columns() -> None:
    """Where places are mixed up, or a stride leaves units that see nothing, no field is told."""
    net = Net()
    image = net.input(3, 16)
    tokens = net.permute(net.reshape(net.conv2d(image, 8, 4, 4, padding=0), (8, -1)), (1, 0))
    lonely = net.conv_transpose(image, 2, 1, 3, name="lonely")
    fields = known_fields(net.trace(tokens, lonely))
    assert fields[tokens.layer] is None
    assert fields[lonely.layer] is None
    net = Net()
    lonely = net.conv_transpose(net.input(3, 16), 2, 1, 3)
    with pytest.raises(LabError, match="leaves units that see nothing"):
        lab.receptive_fields(net.trace(lonely))
