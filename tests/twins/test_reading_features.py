"""Reading a module: one feature after another, on modules small enough to count by hand."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse, known_fields
from mobilenet_lab.errors import LabError
from mobilenet_lab.importers import aten_torch as aten
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


@pytest.mark.parametrize(
    ("forward", "seen"),
    [
        (lambda m, x: m.conv(x).softmax(1), ((3, 3), False)),
        (lambda m, x: m.conv(x).softmax(2), ((3, 3), True)),
        (lambda m, x: m.conv(x).cumsum(-1), ((3, 3), True)),
        (lambda m, x: F.glu(m.conv(x), 1), ((3, 3), False)),
        (lambda m, x: F.glu(m.conv(x), 2), None),
        (lambda m, x: m.signal(m.conv(x)[:, :, 2]), None),
        (lambda m, x: m.conv(x).flip(2), None),
        (lambda m, x: m.conv(x).mean(2), None),
        (lambda m, x: F.pixel_shuffle(m.conv(x), 2), None),
        (lambda m, x: F.interpolate(m.conv(x), scale_factor=2), ((3, 3), False)),
        (lambda m, x: F.interpolate(m.conv(x), scale_factor=2, mode="bicubic"), None),
        (lambda m, x: F.interpolate(m.conv(x), scale_factor=2, mode="nearest-exact"), None),
        (
            lambda m, x: F.interpolate(
                m.conv(x), scale_factor=2, mode="bilinear", align_corners=True
            ),
            None,
        ),
        (lambda m, x: m.conv(x) * m.gate(x.mean((2, 3)))[..., None, None], ((3, 3), True)),
        (lambda m, x: m.gate(x.mean((2, 3))).reshape(2, 2), (None, False)),
    ],
)
def test_a_field_is_told_only_where_it_is_true(forward: Any, seen: Any) -> None:
    """Its size, and whether something on the way has seen more; else none is told."""
    trace = read(
        forward, (4, 16, 12),
        conv=nn.Conv2d(4, 4, 3, padding=1), signal=nn.Conv1d(4, 4, 3), gate=nn.Linear(4, 4),
    )  # fmt: skip
    field = known_fields(trace)[-1]
    assert (None if field is None else (field.size, field.gated)) == seen
    assert lab.field(trace, all_layers=True).rows[-1].size == (seen and (seen[0] or "image"))


def test_the_tables_name_operators_of_pytorch_each_once() -> None:
    tables = (
        *(aten.FORMS, aten.MAKING, aten.RESHAPING, aten.GATHERING, aten.PARTS, aten.UNBINDING),
        *(aten.SILENT, aten.ELEMENTWISE, aten.REDUCING),
    )
    named = [name for table in tables for name in table]
    assert len(set(named)) == len(named)
    assert set(named) == aten.KNOWN
    for name in named:
        assert hasattr(torch.ops.aten, name) or hasattr(torch.ops.aten, f"{name}_"), name


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
    assert text.startswith(f"Made cannot be read: test_reading_features.py, line {line} (return ")
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
