"""`verify` itself: what it says, and that it leaves everything as it was."""

import random
import subprocess
import sys
from typing import Any

import pytest
import torch
from networks import KINDS, NAMES, fitting
from torch import nn
from typer.testing import CliRunner

from mobilenet_lab import registry
from mobilenet_lab.architectures import mobilenet_v2
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError
from mobilenet_lab.verification import verify, verify_module

from .cases import build, thin


@pytest.mark.parametrize("name", NAMES)
def test_agrees_and_says_so(name: str) -> None:
    verification = verify(name, **thin(name, resolution=(33, 65), classes=3, in_channels=2))
    assert verification.ok
    assert verification.differing == ()
    assert "all equal" in str(verification)
    assert verification.facts["ok"] is True


def test_checks_every_layer_that_is_a_module() -> None:
    trace = registry.trace("mobilenet_v2", resolution=32)
    checks = verify("mobilenet_v2", resolution=32).checks
    checked = {check.layer for check in checks}
    residuals = {layer.name for layer in trace.layers if layer.op == "add"}
    everything = {layer.name for layer in trace.layers[1:]} | {"total"}
    assert checked == everything - residuals
    for name in checked - {"total"}:
        quantities = {check.quantity for check in checks if check.layer == name}
        assert {"output", "params", "MACs"} <= quantities, name


def test_all_layers_shows_every_check() -> None:
    verification = verify("mobilenet_v1", resolution=32, all_layers=True)
    assert tuple(verification.rows) == verification.checks
    brief = verify("mobilenet_v1", resolution=32)
    assert {check.layer for check in brief.rows} == {"total"}
    assert brief.checks == verification.checks


def test_public_names_stay_verbs() -> None:
    """`lab.verify` is a function also where its file, of the same name, has been imported."""
    script = """
import mobilenet_lab as lab

for _ in range(2):
    trace = lab.trace("mobilenet_v2", resolution=32, width=0.25)
    assert lab.verify("mobilenet_v2", resolution=32, width=0.25).ok
    assert lab.published("mobilenet_v2").rows
for name in lab.__all__:
    assert callable(getattr(lab, name)) or name == "draw", name
"""
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def flags(module: nn.Module) -> dict[str, Any]:
    """All that counting might disturb."""
    return {
        "training": {path: part.training for path, part in module.named_modules()},
        "keys": list(module.state_dict()),
        "gradients": {path: each.requires_grad for path, each in module.named_parameters()},
        "hooks": [
            (len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks))
            for part in module.modules()
        ],
        "attributes": {path: sorted(vars(part)) for path, part in module.named_modules()},
    }


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("mode", ["train", "eval", "mixed"])
def test_module_comes_back_as_it_was(name: str, mode: str) -> None:
    settings = thin(name, resolution=(32, 48))
    module = registry.build(name, **settings).train(mode != "eval")
    first = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    if mode == "mixed":
        first.eval()
        first.weight.requires_grad_(False)
    calls: list[nn.Module] = []
    first.register_forward_hook(lambda part, _, __: calls.append(part))
    before, state = flags(module), {k: v.clone() for k, v in module.state_dict().items()}
    trace = registry.trace(name, **settings)
    assert verify_module(trace, module).ok
    assert flags(module) == before
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    calls.clear()
    module.eval()(torch.zeros(1, *trace.input_shape))
    assert calls == [first]


def test_module_comes_back_as_it_was_after_a_mistake() -> None:
    """Also when it does not run at all on the trace's image."""
    module = registry.build("mobilenet_v2", width=0.25)
    module.stem.eval()
    before = flags(module)
    trace = registry.trace("mobilenet_v2", width=0.25, in_channels=4, resolution=32)
    with pytest.raises(LabError, match=r"does not run on mobilenet_v2 .* channels"):
        verify_module(trace, module)
    assert flags(module) == before


@pytest.mark.parametrize("name", KINDS)
def test_random_state_is_left_alone(name: str) -> None:
    torch.manual_seed(4)
    random.seed(4)
    before, python = torch.get_rng_state(), random.getstate()
    settings = thin(name, resolution=(32, 32))
    verify(name, **settings)
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python
    verify_module(registry.trace(name, **settings), build(name, **settings).train())
    assert torch.equal(torch.get_rng_state(), before)


def test_global_modes_are_left_alone() -> None:
    assert torch.is_grad_enabled()
    verify("mobilenet_v2", width=0.25, resolution=32)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name", KINDS)
def test_command_exits_0_where_all_is_equal(name: str) -> None:
    height, width = fitting(name, {"resolution": (33, 65)})["resolution"]
    command = ["verify", name, "--resolution", f"{height}x{width}", "--classes", "7"]
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "all equal" in result.stdout
    assert "DIFFERS" not in result.stdout


def test_command_exits_1_where_something_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mobilenet_v2, "DROPOUT", 0.0)
    result = CliRunner().invoke(app, ["verify", "mobilenet_v2", "--resolution", "32"])
    assert (result.exit_code, result.stderr) == (1, "")
    assert "classifier.dropout" in result.stdout


def test_command_writes_the_file_and_still_exits_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(mobilenet_v2, "HEAD", 1024)
    file = tmp_path / "checks.csv"
    command = ["verify", "mobilenet_v2", "--resolution", "32", "--output", str(file)]
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")
    assert "head.conv" in file.read_text(encoding="utf-8")


def test_command_exits_2_where_the_question_is_wrong() -> None:
    result = CliRunner().invoke(app, ["verify", "mobilenet_v2", "--width", "0"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "width" in result.stderr
