"""Random networks, built and read back: the trace that comes out is the one that went in.

A second test draws modules that mix modules and functions, and holds what is read against the
counters. 100 examples; `--hypothesis-profile=slow` tries 1,000.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import flop_counter, fvcore
from mobilenet_lab.interpreter_torch import Interpreted

from .test_fuzz import drawn
from .test_reading_twins import plain

freely = settings(deadline=None, suppress_health_check=list(HealthCheck))


def named(trace: Any) -> list[Any]:
    """Layers without the names of functions, which the module calls from outside of all parts."""
    functions = ("add", "mul", "concat", "split")
    return [
        layer._replace(name="") if layer.op in functions else layer
        for layer in plain(trace)
        if layer.op != "slice"
    ]


@freely
@given(st.data())
def test_what_was_built_is_read_back(data: st.DataObject) -> None:
    trace = drawn(data)
    assume(all(layer.op != "split" for layer in trace.layers))  # read as slices of the channels
    with torch.random.fork_rng(devices=[]):
        module = Interpreted(trace)
    read = lab.inspect(module, trace.input_shape)
    assert module.training
    # two of one tensor are one row here and there; a folded padding is the layer's own
    assert named(read) == [each._replace(same=False) for each in named(trace)]
    assert read.outputs == trace.outputs


class Mixed(nn.Module):
    """A chain of drawn steps, each a module or a function."""

    def __init__(self, steps: list[Callable[[Tensor], Tensor]], parts: list[nn.Module]) -> None:
        super().__init__()
        self.steps = steps
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Any:
        seen = []
        for step in self.steps:
            x = step(x)
            seen.append(x.mean((2, 3)))
        return x, {"means": seen}


@st.composite
def modules(draw: Callable[[Any], Any]) -> tuple[Mixed, int]:
    """Up to six steps on 4 to 12 channels: shared modules, functions, in-place operators."""
    channels = first = draw(st.sampled_from([4, 8, 12]))
    steps: list[Callable[[Tensor], Tensor]] = []
    parts: list[nn.Module] = []
    shared = nn.ReLU(inplace=draw(st.booleans()))
    parts.append(shared)
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(KINDS))
        step, made, channels = kind(draw, channels, shared)
        steps.append(step)
        parts += made
    return Mixed(steps, parts), first


def _conv(draw: Any, channels: int, _: nn.Module) -> Any:
    groups = draw(st.sampled_from([1, 2, channels]))
    out = channels * draw(st.integers(1, 2))
    padding = draw(st.sampled_from(["same", 0, 1, 2]))
    conv = nn.Conv2d(
        channels, out, draw(st.sampled_from([1, 2, 3])), padding=padding, groups=groups,
        bias=draw(st.booleans()), dilation=draw(st.integers(1, 2)),
    )  # fmt: skip
    return conv, [conv], out


def _functional_conv(draw: Any, channels: int, _: nn.Module) -> Any:
    holder = nn.Module()
    holder.kernel = nn.Parameter(torch.randn(channels, channels, 3, 3))
    return (lambda x: F.conv2d(F.pad(x, (1, 0, 2, 1)), holder.kernel)), [holder], channels


def _norm(draw: Any, channels: int, _: nn.Module) -> Any:
    norm = draw(
        st.sampled_from([
            nn.BatchNorm2d(channels, affine=draw(st.booleans())),
            nn.GroupNorm(2, channels),
            nn.InstanceNorm2d(channels),
        ])
    )  # fmt: skip
    return norm, [norm], channels


def _activation(draw: Any, channels: int, shared: nn.Module) -> Any:
    step = draw(st.sampled_from([shared, F.silu, F.relu, torch.tanh, lambda x: x.sigmoid_()]))
    return step, [], channels


def _residual(draw: Any, channels: int, _: nn.Module) -> Any:
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def step(x: Tensor) -> Tensor:
        y = conv(x)
        y += x
        return y

    return step, [conv], channels


def _split(draw: Any, channels: int, _: nn.Module) -> Any:
    point = nn.Conv2d(channels // 2, channels // 2, 1)

    def step(x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return torch.cat([right, point(left)], 1)

    return step, [point], channels


def _attention(draw: Any, channels: int, _: nn.Module) -> Any:
    norm, qkv, out = (
        nn.LayerNorm(channels),
        nn.Linear(channels, 3 * channels),
        nn.Linear(channels, channels),
    )
    fused = draw(st.booleans())

    def step(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = qkv(norm(tokens)).reshape(n, h * w, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        if fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = ((q @ k.transpose(-2, -1)) * c**-0.5).softmax(-1) @ v
        tokens = tokens + out(mixed.transpose(1, 2).reshape(n, h * w, c))
        return tokens.transpose(1, 2).reshape(n, c, h, w)

    return step, [norm, qkv, out], channels


def _shuffle(draw: Any, channels: int, _: nn.Module) -> Any:
    return (lambda x: x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)), [], channels


def _gate(draw: Any, channels: int, _: nn.Module) -> Any:
    squeeze = nn.Conv2d(channels, channels, 1)
    return (lambda x: squeeze(x.mean((2, 3), keepdim=True)).sigmoid() * x), [squeeze], channels


def _scale(draw: Any, channels: int, _: nn.Module) -> Any:
    holder = nn.Module()
    holder.gamma = nn.Parameter(torch.ones(channels, 1, 1))
    return (lambda x: x * holder.gamma + 0.5), [holder], channels


KINDS = (
    *(_conv, _functional_conv, _norm, _activation, _residual),
    *(_split, _attention, _shuffle, _gate, _scale),
)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@freely
@given(modules(), st.integers(9, 16), st.integers(9, 16))
def test_random_modules_are_counted_as_the_tools_count_them(
    drawn_: tuple[Mixed, int], height: int, width: int
) -> None:
    module, channels = drawn_
    module.eval()
    image = torch.zeros(1, channels, height, width)
    with torch.no_grad():
        try:
            given_, more = module(image.clone())
        except RuntimeError as error:
            assume("Kernel size can't be greater" not in str(error))
            assume("spatial element" not in str(error))  # instance norm of one value
            raise
    trace = lab.inspect(module, tuple(image.shape[1:]))
    assert trace.unknown == ()
    outputs = [trace.layers[index].out_shape for index in trace.outputs]
    assert outputs == [tuple(each.shape[1:]) for each in (given_, *more["means"])]
    total = analyse(trace).total
    weights = sum(each.numel() for each in module.parameters())
    assert total.params + sum(trace.unused.values()) == weights
    by_fvcore = sum(fvcore.count(module, image)[""].values())
    assert CONVENTIONS["fvcore"].total(trace.layers) == by_fvcore
    flops = flop_counter.count(module, image)
    assert CONVENTIONS["flop_counter"].total(trace.layers) == flops
    assert len({layer.name for layer in trace.layers}) == len(trace.layers)
