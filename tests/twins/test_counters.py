"""Every counter, run: it prints what the closed form of its convention says, to the integer."""

import copy
from collections.abc import Callable
from typing import Any

import ptflops
import pytest
import thop
import torch
import torch.nn.functional as F
from networks import NAMES, fitting
from one_layer import FOREIGN, MAP, ONE_LAYER, ORDER, foreign, one_layer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.cli import app
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import totals
from mobilenet_lab.interpreter_torch import Interpreted
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net

from .cases import blank, build, label

TOOLS = list(totals.TOOLS)
SETTINGS = (
    {"width": 0.25, "resolution": (64, 96), "classes": 7, "in_channels": 2},
    {"width": 0.5, "resolution": (97, 70)},
)
AS_PRINTED = ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "resnet50", "googlenet"]


def test_every_convention_has_its_tool() -> None:
    assert TOOLS == [name for name in CONVENTIONS if name != "paper"] == list(ORDER[1:])


class Kept(nn.Module):
    """A parameter beside a layer that has none: calflops asks for one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)


def run_one(trace: Trace, tool: str) -> int:
    module = Kept(Interpreted(trace)).eval()
    numbers = torch.long if trace.layers[-1].op == "embedding" else torch.float
    return totals.run(tool, module, torch.zeros(1, *trace.input_shape, dtype=numbers))


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ONE_LAYER)
def test_one_layer(kind: str, tool: str) -> None:
    assert run_one(one_layer(kind), tool) == ONE_LAYER[kind][1][ORDER.index(tool)]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ONE_LAYER)
def test_one_layer_of_another_size(kind: str, tool: str) -> None:
    """So that no equality above is an accident of its numbers."""
    trace = one_layer(kind, another=True)
    assert run_one(trace, tool) == CONVENTIONS[tool].total(trace.layers)


# What a module of somebody else's may do, and `Net` does not record


class Function(nn.Module):
    """A function as a module, so that a tool can be given it; `y` is a parameter of its own."""

    def __init__(self, function: Callable[..., torch.Tensor], *shape: int) -> None:
        super().__init__()
        self.function = function
        self.y = nn.Parameter(torch.ones(shape)) if shape else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x) if self.y is None else self.function(x, self.y)


FOREIGN_MODULES: dict[str, nn.Module] = {
    "mean": Function(lambda x: x.mean((2, 3))),
    "sum": Function(lambda x: x.sum((2, 3))),
    "largest": Function(lambda x: x.amax(1)),
    "times a number": Function(lambda x: x * 2),
    "plus a number": Function(lambda x: x + 2),
    "quotient": Function(lambda x: x / 2),
    "exponential": Function(torch.exp),
    "hardtanh": nn.Hardtanh(),
    "softplus": nn.Softplus(),
    "log softmax": nn.LogSoftmax(1),
    "softmax along the rows": nn.Softmax(-1),
    "padding": nn.ReflectionPad2d(1),
    "expansion": Function(lambda x: x[:, None].expand(-1, 2, -1, -1, -1)),
    "roll": Function(lambda x: torch.roll(x, 1, 2)),
    "gathering": Function(lambda x: x[:, torch.tensor([0, 2])]),
    "batch norm, plain": nn.BatchNorm2d(6, affine=False),
    "batch norm of the image": nn.BatchNorm2d(6, track_running_stats=False),
    "batch norm of the image, plain": nn.BatchNorm2d(6, affine=False, track_running_stats=False),
    "attention, taken apart": Function(
        lambda x, mask: F.scaled_dot_product_attention(x, x, x, mask), 8, 8
    ),
    "padding same": nn.Conv2d(6, 4, 3, padding="same"),
    "padding valid": nn.Conv2d(6, 4, 3, padding="valid"),
    "nearest exact": nn.Upsample(scale_factor=2, mode="nearest-exact"),
    "bicubic": nn.Upsample(scale_factor=2, mode="bicubic"),
    "corners aligned": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "a matrix on the right": Function(torch.Tensor.__matmul__, 10, 7),
    "a matrix on the left": Function(lambda x, y: y @ x, 7, 8),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", FOREIGN)
def test_one_foreign_layer(kind: str, tool: str) -> None:
    layer, counts = FOREIGN[kind]
    module, image = Kept(FOREIGN_MODULES[kind]).eval(), torch.zeros(1, *MAP)
    with torch.no_grad():
        assert module(image).shape[1:] == layer.out_shape
    assert totals.run(tool, module, image) == counts[ORDER.index(tool)]


def test_a_matrix_times_a_vector_is_an_operator_of_its_own() -> None:
    """FlopCounterMode and ptflops do not know it, fvcore takes the vector for a matrix."""
    layer = foreign("matmul", (6, 8), in_shapes=(MAP, (10,)))
    product = Kept(Function(torch.Tensor.__matmul__, 10)).eval()
    for tool, count in {"flop_counter": 0, "ptflops_aten": 0, "torchprofile": 480}.items():
        assert totals.run(tool, product, torch.zeros(1, *MAP)) == count
        assert CONVENTIONS[tool].count(layer) == count
    with pytest.raises(IndexError):
        totals.run("fvcore", product, torch.zeros(1, *MAP))


# Functions in the place of modules: the tools that watch operators count them the same


FUNCTIONS: dict[str, Function] = {
    "conv": Function(lambda x, w: F.conv2d(x, w), 4, 6, 3, 3),
    "transposed": Function(lambda x, w: F.conv_transpose2d(x, w, None, 2, 1), 6, 4, 3, 3),
    "linear without bias": Function(lambda x, w: F.linear(x.flatten(1), w), 7, 480),
    "group norm": Function(lambda x, w: F.group_norm(x, 3, w[0], w[1]), 2, 6),
    "group norm, plain": Function(lambda x: F.group_norm(x, 3)),
    "instance norm, plain": Function(F.instance_norm),
    "layer norm of all": Function(lambda x, w: F.layer_norm(x, MAP, w[0], w[1]), 2, *MAP),
    "adaptive pool": Function(lambda x: F.adaptive_avg_pool2d(x, (3, 4))),
    "average pool": Function(lambda x: F.avg_pool2d(x, 2)),
    "upsampling by 2": Function(lambda x: F.interpolate(x, scale_factor=2)),
    "upsampling by 2, bilinear": Function(
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")
    ),
    "matrix products": Function(lambda x: torch.matmul(x, x.mT)),
    "attention": Function(lambda x, y: F.scaled_dot_product_attention(x, y, y), 1, 6, 9, 10),
}


@pytest.mark.parametrize("tool", ["fvcore", "flop_counter", "ptflops_aten", "torchprofile"])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_function_counts_as_its_module(kind: str, tool: str) -> None:
    counted = totals.run(tool, Kept(FUNCTIONS[kind]).eval(), torch.zeros(1, *MAP))
    assert counted == ONE_LAYER[kind][1][ORDER.index(tool)]


def test_flop_counter_counts_attention_where_pytorch_takes_it_apart() -> None:
    """On the CPU: not of four axes, or with a mask that is learned."""
    query = torch.zeros(1, 6, 8, 10)
    macs = 6 * 8 * 8 * (10 + 10)
    attend = F.scaled_dot_product_attention
    learned = Function(lambda x, mask: attend(x, x, x, mask), 8, 8)
    given = Function(lambda x: attend(x, x, x, torch.zeros(8, 8)))
    causal = Function(lambda x: attend(x, x, x, is_causal=True))
    assert totals.run("flop_counter", learned, query) == 2 * macs
    assert totals.run("flop_counter", given, query) == 0
    assert totals.run("flop_counter", causal, query) == 0
    plain = Function(lambda x: attend(x, x, x))
    assert totals.run("flop_counter", plain, query[None]) == 2 * macs
    assert totals.run("torchprofile", learned, query) == macs
    assert totals.run("fvcore", learned, query) == 0


class Attends(nn.Module):
    """Self-attention over tokens of 12 features; asked for its weights or not."""

    def __init__(self, heads: int, asked: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, heads, batch_first=True)
        self.asked = asked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=self.asked)[0]


@pytest.mark.parametrize("heads", [3, 4])
@pytest.mark.parametrize("asked", [False, True])
def test_attention_modules_are_taken_apart(heads: int, asked: bool) -> None:
    """Else PyTorch does one with an even number of heads in one operator, and tools count 0.

    Asked for its weights it multiplies matrices, otherwise it calls the function.
    """
    module, tokens = Attends(heads, asked).eval(), torch.zeros(1, 9, 12)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(tokens)
    linear, products = 4 * 9 * 12 * 12, 2 * 9 * 9 * 12
    seen = linear + products if asked else linear
    assert counter.get_total_flops() == (2 * seen if heads % 2 else 0)
    assert totals.run("flop_counter", module, tokens) == 2 * seen
    assert totals.run("fvcore", module, tokens) == seen
    assert totals.run("torchinfo", module, tokens) == totals.run("thop", module, tokens) == 0
    assert torch.backends.mha.get_fastpath_enabled()


def test_flop_counter_counts_a_part_that_is_handed_a_view_of_a_parameter() -> None:
    """By itself FlopCounterMode fails on it without gradients."""

    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.linear = nn.Parameter(torch.zeros(1, 1, 3)), nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.linear(self.token.expand(len(x), -1, -1))

    module, image = Token().eval(), torch.zeros(1, 1, 4)
    assert totals.run("flop_counter", module, image) == 2 * 3 * 4
    with (
        pytest.raises(AssertionError, match="gradient function"),
        torch.no_grad(),
        FlopCounterMode(display=False),
    ):
        module(image)


def check(trace: Trace, module: nn.Module) -> None:
    image = torch.zeros(1, *trace.input_shape)
    ours = {name: CONVENTIONS[name].total(trace.layers) for name in TOOLS}
    assert {name: totals.run(name, module, image) for name in TOOLS} == ours


@pytest.mark.parametrize("settings", SETTINGS, ids=label)
@pytest.mark.parametrize("name", NAMES)
def test_every_tool_prints_what_is_predicted(name: str, settings: dict[str, Any]) -> None:
    settings = fitting(name, settings)
    check(registry.trace(name, **settings), blank(name, **settings))


@pytest.mark.parametrize("name", AS_PRINTED)
def test_and_at_the_default_settings(name: str) -> None:
    check(registry.trace(name), blank(name))


def test_the_module_comes_back_as_it_was() -> None:
    module = build("mobilenet_v3_small", width=0.25)
    before, keys = (
        copy.deepcopy(module.state_dict()),
        {path: sorted(vars(part)) for path, part in module.named_modules()},
    )
    functions = dict(vars(nn.functional))
    for tool in TOOLS:
        totals.run(tool, module, torch.zeros(1, 3, 64, 64))
        assert list(module.state_dict()) == list(before)
        assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
        assert {path: sorted(vars(part)) for path, part in module.named_modules()} == keys
        assert not module.training
    assert dict(vars(nn.functional)) == functions


def test_calflops_leaves_torch_as_it_was_also_when_it_fails() -> None:
    functions = dict(vars(nn.functional))
    with pytest.raises(StopIteration):  # it looks for a parameter
        totals.run("calflops", nn.ReLU(), torch.zeros(1, 3, 4, 4))
    assert dict(vars(nn.functional)) == functions
    check(*small())


# What docs/conventions.md says to mind: where a tool fails or contradicts itself


def test_calflops_fails_on_an_upsampling_of_two_factors() -> None:
    """And counts one by a factor as its input, one to a size as height x width."""
    module = Kept(nn.Upsample(scale_factor=(2, 3))).eval()
    with pytest.raises(TypeError):
        totals.run("calflops", module, torch.zeros(1, 3, 4, 4))
    net = Net()
    trace = net.trace(net.upsample(net.input(3, 4), (2, 3)))
    assert totals.run("fvcore", module, torch.zeros(1, 3, 4, 4)) == 3 * 8 * 12
    assert CONVENTIONS["fvcore"].total(trace.layers) == 3 * 8 * 12


def test_fvcore_loses_what_nothing_reads() -> None:
    class Unread(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read, self.unread = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.unread(x)
            return self.read(x)

    image = torch.zeros(1, 3, 2, 2)
    assert totals.run("fvcore", Unread(), image) == 3 * 4 * 4
    assert totals.run("flop_counter", Unread(), image) == 2 * (3 * 4 * 4 + 3 * 5 * 4)


def test_thop_cuts_what_floating_point_leaves_just_below_an_integer() -> None:
    """(2 / 7 * (3 / 7) + 1) * 6272 is 7040 - 1e-12, for which it counts 7039."""
    net = Net()
    trace = net.trace(net.adaptive_avg_pool(net.input(128, (2, 3)), 7))
    module = Kept(Interpreted(trace)).eval()
    assert totals.run("thop", module, torch.zeros(1, 128, 2, 3)) == 7039
    assert CONVENTIONS["thop"].total(trace.layers) == 7039


def test_ptflops_leaves_a_model_in_eval_mode_and_thop_leaves_buffers() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    ptflops.get_model_complexity_info(
        module, (3, 4, 4), as_strings=False, print_per_layer_stat=False
    )
    assert not module.training
    model = Kept(module)
    keys = set(model.state_dict())
    thop.profile(model, (torch.zeros(1, 3, 4, 4),), verbose=False)
    assert set(model.state_dict()) - keys == {"total_ops", "total_params"}


def small() -> tuple[Trace, nn.Module]:
    net = Net()
    x = net.conv(net.input(3, (9, 8)), 4, 3, 2)
    trace = net.trace(net.mul(x, net.act(net.conv2d(x, 4, 1, bias=True, name="gate"), "sigmoid")))
    return trace, Interpreted(trace).eval()


# reconcile --run


def test_reconcile_runs_the_tools() -> None:
    table = lab.reconcile("mobilenet_v2", run=True, width=0.35, resolution=(64, 96))
    assert table.differing == ()
    for name in TOOLS:
        step = table.totals[name]
        assert step.ran == step.term.total
        assert table.facts["tools"][name]["run"] == step.term.total
    assert str(table).count("equal") == len(TOOLS)


def test_reconcile_runs_a_trace_of_one_s_own() -> None:
    table = lab.reconcile(small()[0], run=True)
    assert table.differing == ()
    assert all(table.totals[name].ran == table.totals[name].term.total for name in TOOLS)


def test_a_difference_is_shown_exactly_and_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thop = totals.TOOLS["thop"]
    monkeypatch.setitem(totals.TOOLS, "thop", lambda *given: thop(*given) - 1234)
    command = ["reconcile", "mobilenet_v2", "--width", "0.25", "--resolution", "32", "--run"]
    ran = CliRunner().invoke(app, command)
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert "-1,234" in ran.stdout
    assert ran.stdout.count("equal") == len(TOOLS) - 1


def test_a_tool_that_fails_or_is_missing_does_not_silence_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> int:
        raise KeyError("a hook")

    def missing(*_: object) -> int:
        raise ModuleNotFoundError("No module named 'ptflops'", name="ptflops")

    monkeypatch.setitem(totals.TOOLS, "thop", fails)
    monkeypatch.setitem(totals.TOOLS, "ptflops_aten", missing)
    table = lab.reconcile("mobilenet_v2", run=True, width=0.25, resolution=32)
    assert table.totals["thop"].ran == "fails: KeyError"
    assert table.totals["ptflops_aten"].ran == "ptflops is not installed"
    assert table.totals["thop"].difference is None
    assert table.differing == ()
    assert str(table).count("equal") == len(TOOLS) - 2
