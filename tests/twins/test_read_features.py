"""Reading a module: one feature after another, on modules small enough to count by hand."""

import random
from dataclasses import dataclass
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse, known_fields
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Trace


class Made(nn.Module):
    """A module from parts and a function of them and the inputs."""

    def __init__(self, forward: Any, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.do = forward

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.do(self, *inputs, **named)


def read(forward: Any, shape: Any = (4, 8, 6), **parts: Any) -> Trace:
    return lab.inspect(Made(forward, **parts), shape)


def names(trace: Trace) -> list[str]:
    return [layer.name for layer in trace.layers[1:]]


def test_functions_are_called_by_the_module_that_calls_them() -> None:
    inner = Made(lambda m, x: F.relu(m.conv(x)) + x, conv=nn.Conv2d(4, 4, 1))
    trace = read(lambda m, x: torch.cat([m.inner(x), x], 1), inner=inner)
    assert names(trace) == ["inner.conv", "inner.relu", "inner.add", "concat"]
    assert trace.layers[-1].out_shape == (8, 8, 6)


def test_a_module_that_is_used_again_is_numbered_and_its_weights_count_once() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.relu(m.conv(m.relu(m.conv(x))))

    trace = read(forward, conv=nn.Conv2d(4, 4, 1), relu=nn.ReLU())
    assert names(trace) == ["conv", "relu", "conv:2", "relu:2"]
    assert [layer.own for layer in trace.layers if layer.op == "conv2d"] == [True, False]
    total = analyse(trace).total
    assert (total.params, total.macs) == (20, 2 * 16 * 48)


def test_weights_that_two_modules_share_count_once() -> None:
    first, second = nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False)
    second.weight = first.weight
    trace = read(lambda m, x: m.b(m.a(x)), (5,), a=first, b=second)
    assert (analyse(trace).total.params, analyse(trace).total.macs) == (25, 50)


@pytest.mark.parametrize(
    ("padding", "around"),
    [("same", ((2, 2), (2, 2))), ("valid", ((0, 0), (0, 0))), (1, ((1, 1), (1, 1)))],
)
def test_padding_by_a_word(padding: Any, around: Any) -> None:
    trace = read(
        lambda m, x: m.conv(x), conv=nn.Conv2d(4, 2, (5, 3), padding=padding, dilation=(1, 2))
    )
    assert trace.layers[1].padding == around


def test_a_padding_before_a_convolution_is_its_own() -> None:
    """As TensorFlow's SAME is written; a padding that something else reads is a layer."""

    def forward(m: Any, x: Tensor) -> Tensor:
        return m.conv(F.pad(x, (0, 1, 2, 3)))

    trace = read(forward, conv=nn.Conv2d(4, 2, 3, 2))
    assert names(trace) == ["conv"]
    assert trace.layers[1].padding == ((2, 3), (0, 1))
    trace = read(lambda m, x: F.pad(x, (1, 1)).relu())
    assert names(trace) == ["pad", "relu"]
    trace = read(lambda m, x: m.conv(F.pad(x, (1, 1), value=2.0)), conv=nn.Conv2d(4, 2, 3))
    assert names(trace) == ["pad", "conv"]


def test_subclasses_are_what_they_do() -> None:
    class Same(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride)

    class Norm(nn.BatchNorm2d):
        pass

    trace = read(lambda m, x: m.norm(m.conv(x)), conv=Same(4, 6, 2), norm=Norm(6))
    assert [layer.op for layer in trace.layers[1:]] == ["conv2d", "batch_norm"]
    assert names(trace) == ["conv", "norm"]
    assert analyse(trace).total.params == 4 * 6 * 4 + 6 + 12


def test_weights_that_are_computed_count_where_they_come_from() -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3, bias=False))
    trace = read(lambda m, x: m.conv(x), conv=conv)
    total = analyse(trace).total
    assert total.params == 6 + 4 * 6 * 9 == sum(each.numel() for each in conv.parameters())
    assert total.macs == 4 * 6 * 9 * 6 * 4
    (layer,) = [layer for layer in trace.layers if layer.op == "conv2d"]
    assert not layer.own


def test_what_is_done_in_place_is_seen_by_who_reads_it() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        y[:, :2].relu_()
        F.relu_(y)
        y += x
        return y

    trace = read(forward, conv=nn.Conv2d(4, 4, 1))
    by_name = {layer.name: number for number, layer in enumerate(trace.layers)}
    assert names(trace) == ["conv", "slice", "relu", "write", "relu:2", "add"]
    assert trace.layers[by_name["relu:2"]].inputs == (by_name["write"],)
    assert trace.layers[by_name["add"]].inputs == (by_name["relu:2"], 0)


def test_parameters_and_buffers_of_ones_own() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return x * m.gamma + m.offset

    module = Made(forward)
    module.gamma = nn.Parameter(torch.ones(4, 1, 1))
    module.register_buffer("offset", torch.ones(4, 1, 1))
    module.spare = nn.Parameter(torch.ones(3))
    trace = lab.inspect(module, (4, 8, 6))
    assert names(trace) == ["gamma", "mul", "add"]
    assert [layer.op for layer in trace.layers[1:]] == ["parameter", "mul", "elementwise"]
    assert analyse(trace).total.params == 4
    assert trace.unused == {"spare": 3}
    assert "In no row: 3 parameters that no layer uses (spare)." in str(lab.summary(trace))


@dataclass
class Answer:
    scores: Tensor
    maps: dict[str, Any]


def test_several_inputs_and_outputs_in_tuples_dicts_and_dataclasses() -> None:
    def forward(m: Any, images: Any, words: Any) -> Any:
        left, right = images
        x = m.conv(left) + right["more"]
        return Answer(m.table(words["ids"]).mean(1), {"x": (x, [left])})

    trace = lab.inspect(
        Made(forward, conv=nn.Conv2d(3, 5, 1), table=nn.Embedding(9, 2)),
        [((3, 4, 4), {"more": "5x4x4"}), {"ids": "7:int64"}],
    )
    assert trace.input_shapes == ((3, 4, 4), (5, 4, 4), (7,))
    assert [trace.layers[index].out_shape for index in trace.outputs] == [
        (2,),
        (5, 4, 4),
        (3, 4, 4),
    ]
    assert analyse(trace).total.params == 20 + 18
    by_name = lab.inspect(
        Made(lambda m, *, a, b: a @ b), {"a": (2, 3, 4), "b": torch.zeros(1, 2, 4, 5)}
    )
    assert analyse(by_name).total.macs == 2 * 3 * 4 * 5


def test_recurrent_layers_are_read_step_by_step() -> None:
    trace = read(lambda m, x: m.rnn(x)[0], (5, 8), rnn=nn.LSTM(8, 6, batch_first=True))
    total = analyse(trace).total
    assert total.macs == 5 * 4 * 6 * (8 + 6)
    assert total.params == 4 * 6 * (8 + 6) + 2 * 4 * 6


def test_attention_as_a_module() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.mha(x, x, x, need_weights=False)[0]

    trace = read(forward, (7, 12), mha=nn.MultiheadAttention(12, 3, batch_first=True))
    assert analyse(trace).total.macs == 7 * 12 * 36 + 3 * 7 * 7 * 8 + 7 * 12 * 12
    assert {"mha.in_proj", "mha.out_proj"} <= set(names(trace))
    assert analyse(trace).total.params == 4 * 12 * 12 + 4 * 12


def test_fields_go_through_permuted_axes_and_gates() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x).permute(0, 2, 3, 1)
        y = m.point(m.norm(y)).permute(0, 3, 1, 2)
        return m.conv(y) * y.mean((2, 3), keepdim=True)

    trace = read(
        forward, (4, 20, 18),
        conv=nn.Conv2d(4, 4, 3, padding=1), norm=nn.LayerNorm(4), point=nn.Linear(4, 4),
    )  # fmt: skip
    field = known_fields(trace)[-1]
    assert field is not None
    assert (field.size, field.gated) == ((5, 5), True)


def test_an_operation_that_nobody_knows_makes_the_total_at_least() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return torch.fft.rfft2(m.conv(x)).abs()

    trace = read(forward, conv=nn.Conv2d(4, 4, 1))
    (unknown,) = trace.unknown
    assert unknown.mode.startswith("aten._fft")
    table = lab.summary(trace, level="layer")
    assert table.record(table.total)["name"] == "at least"
    assert table.record(table.rows[1])["macs"] is None
    assert table.record(table.total)["macs"] == 16 * 48
    assert "At least: what aten._fft" in str(table)
    assert '"macs": null' in table.to("json")
    told = lab.explain(trace, unknown.name)
    assert [row.result for row in told.rows if row.quantity == "MACs"] == [None]
    compared = lab.compare(trace, lab.trace("mobilenet_v1", resolution=32))
    assert compared.record(compared.total)["name"] == "at least"


# What cannot be read


def branch(m: Any, x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


def chosen(m: Any, x: Tensor) -> Tensor:
    return x[x > 0]


def number(m: Any, x: Tensor) -> Tensor:
    return x * x.max().item()


@pytest.mark.parametrize("forward", [branch, chosen, number])
def test_a_pass_that_depends_on_values_is_refused_with_its_place(forward: Any) -> None:
    line = forward.__code__.co_firstlineno + 1
    with pytest.raises(LabError) as told:
        read(forward)
    text = str(told.value)
    assert text.startswith(f"Made cannot be read: test_read_features.py, line {line} (return ")
    assert "depends on values of the input" in text
    assert "\n" not in text


def test_a_pass_that_fails_is_told_with_its_place() -> None:
    with pytest.raises(LabError, match=r"line \d+ \(.*\): Invalid channel"):
        read(lambda m, x: m.conv(x), conv=nn.Conv2d(5, 2, 1))
    with pytest.raises(LabError, match="gives no tensor that depends on its input"):
        read(lambda m, x: torch.zeros(3))
    with pytest.raises(LabError, match="has lazy layers"):
        read(lambda m, x: m.conv(x), conv=nn.LazyConv2d(3, 1))
    with pytest.raises(LabError, match="say what one input of it is"):
        lab.inspect(nn.ReLU())


@pytest.mark.parametrize("shape", ["3x", "x", (3, 0, 4), "3x4:complex64", [], 3.5, (3, -1, 4)])
def test_shapes_of_no_use_are_refused(shape: Any) -> None:
    with pytest.raises(LabError):
        lab.inspect(nn.ReLU(), shape)


# The module comes back as it was


class Restless(nn.Module):
    """It does to itself what forward passes in the wild do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))
        self.seen: list[Tensor] = []
        self.cache: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.drop(self.norm(self.conv(x)))
        self.last = x
        self.seen.append(x)
        self.cache["x"] = x
        random.random()
        torch.rand(3)
        if x.shape[1] == 4 and x.shape[2] == 13:
            raise RuntimeError("this size is not for me")
        return x


def state(module: nn.Module) -> Any:
    return {
        "modes": [part.training for part in module.modules()],
        "attributes": [sorted(vars(part)) for part in module.modules()],
        "state": {key: value.clone() for key, value in module.state_dict().items()},
        "hooks": [len(part._forward_hooks) for part in module.modules()],
        "gradients": [each.grad for each in module.parameters()],
        "lists": (len(module.seen), len(module.cache)),  # type: ignore[arg-type]
        "random": (torch.get_rng_state(), random.getstate(), numpy.random.get_state()[1].tolist()),
        "global": (
            len(module_hooks._global_forward_hooks),
            len(module_hooks._global_forward_pre_hooks),
        ),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
    }


def flat(told: Any) -> list[Any]:
    """Every number and tensor of a nest."""
    if isinstance(told, dict):
        return [each for key in sorted(told) for each in flat(told[key])]
    if isinstance(told, list | tuple):
        return [each for part in told for each in flat(part)]
    return [] if told is None else [told]


@pytest.mark.parametrize("height", [8, 13])
def test_the_module_comes_back_as_it_was_also_when_it_fails(height: int) -> None:
    module = Restless().train()
    module.norm.eval()
    module(torch.randn(2, 4, 5, 5)).sum().backward()
    module.conv.register_forward_hook(lambda *_: None)
    before = state(module)
    parameters = {name: id(each) for name, each in module.named_parameters()}
    if height == 13:
        with pytest.raises(LabError, match="this size is not for me"):
            lab.inspect(module, (4, height, 6))
    else:
        lab.inspect(module, (4, height, 6))
    after = state(module)
    for told in ("state", "gradients", "random"):
        torch.testing.assert_close(flat(after.pop(told)), flat(before.pop(told)), rtol=0, atol=0)
    assert after == before
    assert parameters == {name: id(each) for name, each in module.named_parameters()}
    assert module.last.device.type == "cpu"
    module(torch.randn(2, 4, 5, 5))  # and it works
