"""Reading odd modules: exact layers, shapes and counts of what forward passes in the wild do.

`test_reading_features.py` has the ordinary features; here is what was hard to get right.
"""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import flop_counter, fvcore
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Trace

from .test_reading_features import Made, read

Row = tuple[str, str, tuple[int, ...], tuple[int, ...]]


def rows(trace: Trace) -> list[Row]:
    """Name, operation, inputs and output of each layer but the inputs."""
    layers = [layer for layer in trace.layers if layer.op != "input"]
    return [(each.name, each.op, each.inputs, each.out_shape) for each in layers]


def ops(trace: Trace) -> list[str]:
    return [layer.op for layer in trace.layers if layer.op != "input"]


def counts(trace: Trace) -> tuple[int, int]:
    total = analyse(trace).total
    return total.params, total.macs


def point(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 1)


# What is written in place


def filled_here(m: Any, x: Tensor) -> Tensor:
    out = torch.zeros(1, 6, 4, 4)
    out[:, :3] = m.conv(x)
    out[:, 3:] = x
    return m.last(out)


def filled_like_the_input(m: Any, x: Tensor) -> Tensor:
    out = x.new_zeros(1, 6, 4, 4)
    out[:, :3] = m.conv(x)
    out[:, 3:] = x
    return m.last(out)


@pytest.mark.parametrize("forward", [filled_here, filled_like_the_input])
def test_a_fresh_tensor_is_what_was_written_into_it(forward: Any) -> None:
    """Not a constant: both branches reach the last layer."""
    trace = read(forward, (3, 4, 4), conv=point(3, 3), last=point(6, 2))
    assert [row[0] for row in rows(trace)] == ["conv", "write", "slice", "write:2", "last"]
    numbers = {layer.name: number for number, layer in enumerate(trace.layers)}
    first, second = trace.layer("write"), trace.layer("write:2")
    assert (first.inputs, first.out_shape) == ((numbers["conv"],), (6, 4, 4))
    assert (second.inputs, second.out_shape) == ((numbers["write"], 0), (6, 4, 4))
    assert trace.layer("last").inputs == (numbers["write:2"],)


def test_an_out_argument_is_written() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = torch.empty(1, 4, 4, 4, device=x.device)
        torch.mul(x[:, :1], 2, out=y[:, :1])
        return y

    trace = read(forward, (3, 4, 4))
    assert rows(trace)[1:] == [
        ("mul", "elementwise", (1,), (1, 4, 4)),
        ("write", "gather", (2,), (4, 4, 4)),
    ]


def test_a_write_is_the_module_s_that_does_it() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        x[:, :2].mul_(2)
        return x

    trace = read(lambda m, x: m.inner(m.conv(x)), conv=point(4, 4), inner=Made(forward))
    assert [row[0] for row in rows(trace)] == ["conv", "inner.slice", "inner.mul", "inner.write"]


def test_a_value_that_is_spread_over_what_it_is_written_to() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:] = x.mean((2, 3), keepdim=True)
        return y + 1

    trace = read(forward)
    assert rows(trace) == [
        ("mean", "reduce", (0,), (4, 1, 1)),
        ("expand", "expand", (1,), (4, 8, 6)),
        ("add", "elementwise", (2,), (4, 8, 6)),
    ]


@pytest.mark.parametrize("drop", [nn.Dropout(0.5), nn.Dropout2d(0.2), nn.AlphaDropout(0.1)])
def test_a_dropout_leaves_its_input_to_others(drop: nn.Module) -> None:
    """In eval mode PyTorch gives back the very tensor that it was given."""
    trace = read(lambda m, x: m.drop(x) + x, drop=drop)
    assert rows(trace) == [
        ("drop", "dropout", (0,), (4, 8, 6)),
        ("add", "add", (1, 0), (4, 8, 6)),
    ]


# Parts of tensors


def test_slices_of_every_kind() -> None:
    def forward(_: Any, x: Tensor) -> Any:
        return x[:, :, 1:7:2, 1:-1], x[:, -1:], x[..., None], x[..., 0, :], x[:, [0, 2]]

    trace = read(forward)
    assert [trace.layers[index].out_shape for index in trace.outputs] == [
        *((4, 3, 4), (1, 8, 6), (4, 8, 6, 1), (4, 6), (2, 8, 6)),
    ]
    assert ops(trace) == ["slice", "slice", "slice", "reshape", "slice", "gather"]
    stepped, cut, last = trace.layers[1:4]
    assert (stepped.axes, stepped.start, stepped.stride) == ((1,), 1, (2,))
    assert (cut.inputs, cut.axes, cut.start, cut.stride) == ((1,), (2,), 1, (1,))
    assert (last.axes, last.start) == ((0,), 3)


def test_parts_that_are_all_make_no_layer() -> None:
    """The one image of the batch, and the one part of a split, too."""
    trace = read(lambda m, x: (x[:], x[0], x.split(4, 1)[0], x.unbind(0)[0], x.chunk(1, 2)[0]))
    assert rows(trace) == []
    assert trace.outputs == (0,) * 5


def test_the_one_image_of_one_channel_is_that_channel() -> None:
    trace = read(lambda m, x: x[0] * 2, (1, 8, 6))
    assert rows(trace)[0][1:] == ("reshape", (0,), (8, 6))
    assert -1 not in trace.layers[1].axes


# Weights


def test_the_summand_of_a_matrix_product_is_a_layer() -> None:
    """As GPT-2's Conv1D is written; its bias would else be in no row."""
    trace = read(
        lambda m, x: torch.addmm(m.bias, x, m.weight),
        (3,),
        bias=nn.Parameter(torch.ones(2)),
        weight=nn.Parameter(torch.ones(3, 2)),
    )
    assert [row[:2] for row in rows(trace)] == [
        *(("weight", "parameter"), ("matmul", "matmul")),
        *(("bias", "parameter"), ("add", "add")),
    ]
    assert counts(trace) == (8, 6)
    built = lab.build(trace).eval()
    weights = dict(built.named_parameters())
    image = torch.randn(1, 3)
    expected = torch.addmm(weights["bias"], image, weights["weight"])
    torch.testing.assert_close(built(image).reshape(1, 2), expected)


def test_batches_of_products_with_a_summand() -> None:
    trace = read(lambda m, x, y, z: torch.baddbmm(x, y, z), [(5, 7), (5, 2), (2, 7)])
    assert ops(trace) == ["matmul", "add"]
    assert trace.layers[-1].inputs == (3, 0)
    assert counts(trace) == (0, 5 * 2 * 7)


def test_operators_that_are_taken_apart_keep_their_parameters() -> None:
    linear = read(
        lambda m, x: torch.einsum("bchw,oc->bohw", x, m.weight),
        weight=nn.Parameter(torch.ones(2, 4)),
    )
    assert counts(linear) == (8, 8 * 48)
    assert linear.unused == {}
    table = read(lambda m, x: m.bag(x), "6:int64", bag=nn.EmbeddingBag(10, 4))
    assert table.unused == {}
    assert counts(table) == (40, 0)


def test_a_parameter_may_be_an_answer() -> None:
    trace = read(lambda m, x: (x * 2, m.prior), prior=nn.Parameter(torch.ones(3)))
    assert [trace.layers[index].name for index in trace.outputs] == ["mul", "prior"]
    assert trace.unused == {}


def test_a_table_that_is_a_layer_s_weight_as_well() -> None:
    embedding, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    head.weight = embedding.weight
    trace = read(lambda m, x: m.head(m.table(x)), "6:int64", table=embedding, head=head)
    assert [layer.own for layer in trace.layers[1:]] == [True, False]
    assert counts(trace) == (40, 6 * 4 * 10)


def test_weights_that_are_standardised() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return F.conv2d(x, weight, self.bias)

    trace = read(lambda m, x: m.conv(x), (3, 8, 8), conv=Standardised(3, 4, 3))
    assert counts(trace) == (3 * 4 * 9 + 4, 3 * 4 * 9 * 36)
    assert ops(trace) == ["parameter", "reduce", "elementwise", "parameter", "conv2d"]


@pytest.mark.parametrize("normalise", ["spectral_norm", "weight_norm", "orthogonal"])
def test_parametrizations_lose_no_parameter(normalise: str) -> None:
    layer = getattr(nn.utils.parametrizations, normalise)(nn.Linear(4, 4))
    trace = read(lambda m, x: m.layer(x), (4,), layer=layer)
    assert trace.unused == {}
    assert analyse(trace).total.params == sum(each.numel() for each in layer.parameters())


def test_buffers_and_inputs_as_kernels_are_no_parameters() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return F.conv2d(x, m.kernel, groups=4)

    assert counts(read(forward, kernel=nn.Buffer(torch.ones(4, 1, 3, 3)))) == (0, 4 * 9 * 24)
    trace = read(lambda m, x, k: F.conv2d(x, k[0]), [(3, 8, 8), (5, 3, 3, 3)])
    assert rows(trace) == [("conv2d", "conv2d", (0, 1), (5, 6, 6))]
    assert counts(trace) == (0, 5 * 27 * 36)


def test_kernels_that_a_layer_computes() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return F.conv2d(x, m.hyper(x.mean((0, 2, 3))).view(4, 4, 3, 3))

    trace = read(forward, hyper=nn.Linear(4, 144))
    assert ops(trace) == ["reduce", "linear", "reshape", "conv2d"]
    assert trace.layers[-1].inputs == (0, 3)
    assert counts(trace) == (5 * 144, 4 * 144 + 144 * 24)


# Modules


@pytest.mark.parametrize(
    ("kind", "gates", "vectors"), [(nn.RNN, 1, 2), (nn.GRU, 3, 2), (nn.LSTM, 4, 2)]
)
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers(kind: Any, gates: int, vectors: int, directions: int) -> None:
    steps, wide, hidden = 5, 8, 6
    rnn = kind(wide, hidden, batch_first=True, bidirectional=directions == 2)
    trace = read(lambda m, x: m.rnn(x)[0], (steps, wide), rnn=rnn)
    once = directions * gates * hidden * (wide + hidden)
    assert counts(trace) == (once + directions * vectors * gates * hidden, steps * once)
    assert trace.layers[trace.outputs[0]].out_shape == (steps, directions * hidden)
    assert trace.unknown == ()


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_cells(cell: Any, gates: int) -> None:
    trace = read(lambda m, x: m.cell(x), (8,), cell=cell(8, 6))
    assert counts(trace) == (gates * 6 * (8 + 6 + 2), gates * 6 * (8 + 6))
    assert all(name.startswith("cell.") for name, *_ in rows(trace))


@pytest.mark.parametrize(
    ("layer", "shape", "out", "expected"),
    [
        (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (3, 5, 5), (4, 10, 10), (112, 108 * 25)),
        (nn.ConvTranspose1d(4, 4, 3, 2, groups=2), (4, 5), (4, 11), (28, 24 * 5)),
        (nn.Conv3d(3, 4, 3), (3, 5, 5, 5), (4, 3, 3, 3), (328, 324 * 27)),
        (nn.LayerNorm((6, 4)), (6, 4), (6, 4), (48, 0)),
        (nn.RMSNorm(4), (6, 4), (6, 4), (4, 0)),
        (nn.PReLU(4), (4, 6, 6), (4, 6, 6), (4, 0)),
        (nn.InstanceNorm2d(3), (3, 5, 5), (3, 5, 5), (0, 0)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_single_layers(layer: nn.Module, shape: Any, out: Any, expected: Any) -> None:
    trace = lab.inspect(layer, shape)
    assert trace.layers[trace.outputs[0]].out_shape == out
    assert counts(trace) == expected
    image = torch.zeros(1, *shape)
    layer.eval()
    flops = flop_counter.count(layer, image)
    assert flops == CONVENTIONS["flop_counter"].total(trace.layers) == 2 * expected[1]
    by_fvcore = sum(fvcore.count(layer, image)[""].values())
    assert by_fvcore == CONVENTIONS["fvcore"].total(trace.layers)


def test_modules_in_lists_and_dicts_of_modules_and_parameters() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.parts["last"](m.parts["first"](x)) * m.scales[0] + m.shifts["one"]

    ones = torch.ones(2, 1, 1)
    trace = read(
        forward,
        parts=nn.ModuleDict({"first": point(4, 2), "last": nn.ReLU()}),
        scales=nn.ParameterList([ones.clone()]),
        shifts=nn.ParameterDict({"one": ones.clone()}),
    )
    assert [row[0] for row in rows(trace)] == [
        *("parts.first", "parts.last", "scales.0", "mul", "shifts.one", "add"),
    ]
    assert counts(trace) == (10 + 2 + 2, 8 * 48)


def test_a_block_with_two_names_goes_by_the_one_that_is_called() -> None:
    block = nn.Sequential(point(4, 4), nn.ReLU())
    trace = read(lambda m, x: m.b(m.a(x)), a=block, b=block)
    assert [row[0] for row in rows(trace)][:2] == ["a.0", "a.1"]
    assert [layer.own for layer in trace.layers if layer.op == "conv2d"] == [True, False]
    assert counts(trace) == (20, 2 * 16 * 48)
    assert len({row[0] for row in rows(trace)}) == 4


def test_a_module_that_does_two_things_names_both() -> None:
    class Both(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(super().forward(x))

    trace = read(lambda m, x: m.norm(x), norm=Both(4))
    assert [row[:2] for row in rows(trace)] == [
        *(("norm.batch_norm", "batch_norm"), ("norm.relu", "relu")),
    ]


def test_norms_without_statistics_or_weights() -> None:
    fresh = read(lambda m, x: m.norm(x), norm=nn.BatchNorm2d(4, track_running_stats=False))
    assert fresh.layers[1].mode == "batch statistics"
    plain = read(lambda m, x: m.norm(x), norm=nn.BatchNorm2d(4, affine=False))
    assert (plain.layers[1].vectors, plain.layers[1].mode, counts(plain)) == (0, "", (0, 0))


def test_paddings_that_are_a_pool_s_and_that_are_not() -> None:
    pool = nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), -torch.inf), nn.MaxPool2d(3, 2))
    trace = lab.inspect(pool, (3, 8, 8))
    assert ops(trace) == ["max_pool"]
    assert trace.layers[1].padding == ((0, 1), (0, 1))
    zeros = nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2))
    assert ops(lab.inspect(zeros, (3, 8, 8))) == ["pad", "max_pool"]
    mirrored = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")
    trace = lab.inspect(mirrored, (3, 8, 8))
    assert [(layer.op, layer.mode) for layer in trace.layers[1:]] == [
        *(("pad", "reflect"), ("conv2d", "")),
    ]
    assert counts(trace) == (112, 108 * 64)


def test_a_padding_that_two_convolutions_read_and_that_is_given_back() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        padded = F.pad(x, (0, 1, 0, 1))
        return m.a(padded) + m.b(padded), padded

    trace = read(forward, a=nn.Conv2d(4, 2, 3), b=nn.Conv2d(4, 2, 3))
    assert [row[:3] for row in rows(trace)] == [
        *(("a", "conv2d", (0,)), ("b", "conv2d", (0,)), ("add", "add", (1, 2))),
        ("pad", "pad", (0,)),
    ]
    assert trace.layers[1].padding == trace.layers[2].padding == ((0, 1), (0, 1))


def test_constants_of_the_forward_pass_are_no_layers() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        x = (x - torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)) * torch.rand(1)
        return x + torch.arange(6)[None, :] + torch.linspace(0, 1, 3)[1]

    assert ops(read(forward)) == ["elementwise"] * 4


# Wrappers


def small() -> nn.Sequential:
    return nn.Sequential(point(4, 2), nn.ReLU())


EXPECTED = (10, 8 * 48)


def test_what_is_compiled_is_read_as_it_was_written() -> None:
    compiled = torch.compile(small())
    assert rows(lab.inspect(compiled, (4, 8, 6))) == rows(lab.inspect(small(), (4, 8, 6)))
    inside = small()
    inside.compile()
    assert rows(lab.inspect(inside, (4, 8, 6))) == rows(lab.inspect(small(), (4, 8, 6)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_is_scripted_or_traced_is_counted() -> None:
    for made in (
        torch.jit.script(small()),
        torch.jit.trace(small(), torch.zeros(1, 4, 8, 6)),
    ):
        trace = lab.inspect(made, (4, 8, 6))
        assert counts(trace) == EXPECTED
        assert trace.unknown == ()
        assert [op for op in ops(trace) if op != "parameter"] == ["conv2d", "relu"]


def test_what_stands_around_other_modules() -> None:
    trace = lab.inspect(nn.DataParallel(small()), (4, 8, 6))
    assert [row[0] for row in rows(trace)] == ["module.0", "module.1"]
    for around in (
        lambda m, x: checkpoint(m.part, x, use_reentrant=False),
        lambda m, x: torch.no_grad()(m.part)(x),
    ):
        trace = read(around, part=small())
        assert [row[0] for row in rows(trace)] == ["part.0", "part.1"]
        assert counts(trace) == EXPECTED


def test_functions_with_gradients_of_their_own() -> None:
    class Clamp(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: Tensor) -> Tensor:
            return x.clamp(0)

    trace = read(lambda m, x: Clamp.apply(m.conv(x)), conv=point(4, 2))
    assert [(layer.op, layer.mode) for layer in trace.layers[1:]] == [
        *(("conv2d", ""), ("elementwise", "clamp")),
    ]


def test_hooks_are_part_of_what_a_module_does() -> None:
    module = small()
    module[0].register_forward_hook(lambda _, __, out: out * 2)
    module.register_forward_pre_hook(lambda _, inputs: (F.pad(inputs[0], (1, 1)),))
    trace = lab.inspect(module, (4, 8, 6))
    assert [row[1:] for row in rows(trace)] == [
        ("conv2d", (0,), (2, 8, 8)),
        ("elementwise", (1,), (2, 8, 8)),
        ("relu", (2,), (2, 8, 8)),
    ]


# Inputs, and refusals


def test_inputs_are_called_as_forward_calls_them() -> None:
    class Two(nn.Module):
        def forward(self, left: Tensor, right: Tensor, *more: Tensor, sign: int = 1) -> Tensor:
            return left + sum(more, right) * sign

    trace = lab.inspect(Two(), [(3,), (3,), (3,), (3,)])
    assert [layer.name for layer in trace.layers[:4]] == ["left", "right", "input2", "input3"]
    named = lab.inspect(Two(), {"right": (3,), "left": (3,)})
    assert [layer.name for layer in named.layers[:2]] == ["right", "left"]
    assert named.layers[-1].inputs == (1, 2)  # left + right * sign


def leaves_early(_: Any, x: Tensor) -> Tensor:
    raise SystemExit(3)


def looks_at_a_buffer(m: Any, x: Tensor) -> Tensor:
    return x * 2 if m.flag.sum() > 0 else x


def looks_for_places(_: Any, x: Tensor) -> Tensor:
    return x[x.nonzero()]


@pytest.mark.parametrize("forward", [leaves_early, looks_at_a_buffer, looks_for_places])
def test_what_cannot_be_read_names_its_line(forward: Any) -> None:
    line = forward.__code__.co_firstlineno + 1
    with pytest.raises(
        LabError, match=rf"^Made cannot be read: test_reading_odd_modules\.py, line {line} "
    ):
        read(forward, flag=nn.Buffer(torch.ones(3)))


def test_an_interrupt_is_not_swallowed() -> None:
    def forward(_: Any, x: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(forward)


@pytest.mark.parametrize("module", [nn.Module(), nn.ModuleList([nn.ReLU()])])
def test_a_module_without_a_forward_is_refused(module: nn.Module) -> None:
    with pytest.raises(LabError, match=r'cannot be read: .* missing the required "forward"'):
        lab.inspect(module, (4,))


@pytest.mark.parametrize("given", [(nn.Identity(), (4,)), (Made(lambda m, x: x), (4, 4))])
def test_a_network_without_layers_is_refused_by_verbs(given: Any) -> None:
    trace = lab.inspect(*given)
    assert (rows(trace), trace.outputs) == ([], (0,))
    with pytest.raises(LabError, match="without layers"):
        lab.summary(trace)
