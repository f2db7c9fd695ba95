"""A network's file as a module: it computes what the twin does, is verified, and can be trained."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from networks import KINDS, NAMES
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError
from mobilenet_lab.net import Net

from .cases import build, images, outputs, thin

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_computes_what_the_twin_does(name: str, tmp_path: Path) -> None:
    settings = thin(name, resolution=(64, 96))
    path = tmp_path / "net.toml"
    path.write_text(lab.export(name, **settings), encoding="utf-8")
    twin, ours = build(name, **settings), lab.build(path).eval()
    ours.load_state_dict(twin.state_dict())
    x = images(1, lab.trace(path).input_shape)
    for mine, theirs in zip(outputs(ours, x), outputs(twin, x), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", KINDS)
def test_an_export_is_verified(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(lab.export(name, **thin(name, resolution=(64, 64))), encoding="utf-8")
    assert lab.verify(path).ok


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_verified(path: Path) -> None:
    ran = CliRunner().invoke(app, ["verify", str(path)])
    assert ran.exit_code == 0, ran.output
    assert "all equal" in ran.stdout


def test_reconciling_a_file_runs_the_tools_on_what_it_builds() -> None:
    example = next(path for path in EXAMPLES if path.stem == "small")
    table = lab.reconcile(str(example), run=True)
    assert table.differing == ()
    assert {step.ran for name, step in table.totals.items() if name != "paper"} >= {
        lab.summary(str(example)).total.macs * 2
    }


def test_an_edited_network_trains(tmp_path: Path) -> None:
    """One number of one line is changed; what is built follows, and learns."""
    example = next(path for path in EXAMPLES if path.stem == "small")
    text = example.read_text(encoding="utf-8")
    assert text.count('"stem", channels = 16') == 1
    path = tmp_path / "edited.toml"
    path.write_text(text.replace('"stem", channels = 16', '"stem", channels = 12'), "utf-8")
    before, after = lab.summary(example).total, lab.summary(path).total
    assert after.params < before.params
    module = lab.build(path)
    assert sum(each.numel() for each in module.parameters()) == after.params
    assert module.training
    torch.manual_seed(0)
    x, y = images(8, lab.trace(path).input_shape), torch.arange(8) % 4
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(module(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("model", ["resnet18", "efficientnet_b0", "densenet121", "regnet_y_400mf"])
def test_a_model_that_was_read_is_written_as_a_file(model: str, tmp_path: Path) -> None:
    network = f"torchvision.models:{model}"
    path = tmp_path / "net.toml"
    path.write_text(lab.export(network, input=(3, 64, 96)), encoding="utf-8")
    read, written = lab.trace(network, input=(3, 64, 96)), lab.trace(path)
    assert [layer.name for layer in read.layers] == [layer.name for layer in written.layers]
    ours, theirs = lab.summary(read).total, lab.summary(path).total
    assert (ours.params, ours.macs, ours.activations, ours.live) == (
        *(theirs.params, theirs.macs),
        *(theirs.activations, theirs.live),
    )
    assert lab.verify(path).ok


def test_what_a_file_cannot_say_is_told() -> None:
    with pytest.raises(LabError, match="mean: a file cannot say 'reduce'"):
        lab.export("torchvision.models:shufflenet_v2_x1_0", input=(3, 64, 64))


def test_a_name_that_modules_need_is_refused() -> None:
    net = Net()
    trace = net.trace(net.conv2d(net.input(3, 8), 4, 3, name="forward"))
    with pytest.raises(LabError, match=r"^forward: PyTorch's modules have that name"):
        lab.build(trace)
