"""Every counter, run: it prints what the closed form of its convention says, to the integer."""

import copy
from typing import Any

import ptflops
import pytest
import thop
import torch
from networks import NAMES, fitting
from one_layer import ONE_LAYER, ORDER, one_layer
from torch import nn
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.cli import app
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import totals
from mobilenet_lab.interpreter_torch import Interpreted
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net

from .cases import build, label

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


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ONE_LAYER)
def test_one_layer(kind: str, tool: str) -> None:
    trace = one_layer(kind)
    module = Kept(Interpreted(trace)).eval()
    counted = totals.run(tool, module, torch.zeros(1, *trace.input_shape))
    assert counted == ONE_LAYER[kind][1][ORDER.index(tool)]


def check(trace: Trace, module: nn.Module) -> None:
    image = torch.zeros(1, *trace.input_shape)
    ours = {name: CONVENTIONS[name].total(trace.layers) for name in TOOLS}
    assert {name: totals.run(name, module, image) for name in TOOLS} == ours


@pytest.mark.parametrize("settings", SETTINGS, ids=label)
@pytest.mark.parametrize("name", NAMES)
def test_every_tool_prints_what_is_predicted(name: str, settings: dict[str, Any]) -> None:
    settings = fitting(name, settings)
    check(registry.trace(name, **settings), build(name, **settings))


@pytest.mark.parametrize("name", AS_PRINTED)
def test_and_at_the_default_settings(name: str) -> None:
    check(registry.trace(name), build(name))


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
