"""Networks by name, file or factory, as far as that needs no PyTorch."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.networks import given, inputs

FILE = 'input = "3x32x32"\nlayers = [{ op = "conv", channels = 8, stride = 2 }]\n'


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def refused(*command: object) -> str:
    """The one sentence that a command is refused with."""
    ran = CliRunner().invoke(app, [str(each) for each in command])
    assert (ran.exit_code, ran.stdout) == (2, "")
    (sentence,) = ran.stderr.splitlines()
    return sentence


def test_every_verb_takes_a_file(net: Path) -> None:
    for verb in (
        "summary",
        "explain",
        "field",
        "reconcile",
        "export",
        "sweep",
        "budget",
        "compare",
    ):
        more = {
            "explain": ["conv.conv"],
            "sweep": ["--resolution", "32,64"],
            "budget": ["--macs", "1M", "--resolution", "32,64"],
            "compare": ["mobilenet_v2"],
        }
        ran = CliRunner().invoke(app, [verb, str(net), *more.get(verb, [])])
        assert ran.exit_code == 0, ran.stderr
        assert ran.stdout


def test_a_file_takes_the_place_of_a_name_in_python(net: Path) -> None:
    assert lab.summary(net).total.macs == lab.summary(str(net)).total.macs == 27 * 8 * 256
    assert lab.trace(net, resolution=64).input_shape == (3, 64, 64)
    assert lab.trace(net, input="3x64x48") == lab.trace(net, resolution=(64, 48))
    assert lab.counts_at(net, [32, 64]).macs.tolist() == [27 * 8 * 256, 27 * 8 * 1024]
    assert not given(net).is_read


def test_the_input_of_a_registered_network_is_an_image() -> None:
    trace = lab.trace("mobilenet_v2", input=(4, 64, 96))
    assert trace == lab.trace("mobilenet_v2", in_channels=4, resolution=(64, 96))
    for wrong in ("3x64", "3x64x64x64", "64", (3, 0, 4), "axbxc", 7):
        with pytest.raises(LabError, match="input is channels x height x width"):
            lab.trace("mobilenet_v2", input=wrong)


def test_a_file_is_not_run_before_its_input_is_given(tmp_path: Path) -> None:
    path = tmp_path / "loud.py"
    path.write_text("raise SystemExit('it was run')\n", encoding="utf-8")
    assert "say what one input of it is" in refused("summary", f"{path}:network")
    assert "say which function makes the network" in refused("summary", path)
    told = refused("summary", f"{path}:network", "--input", "3x8x8")
    assert "loud.py does not run: SystemExit: it was run (line 1 of loud.py)" in told


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    shape = ("--input", "3x8x8")
    assert "did you mean mobilenet_v2" in refused("summary", "mobilenet_v3000")
    assert "cannot read nothing.toml" in refused("summary", "nothing.toml")
    assert "nothing.py is no file" in refused("summary", "nothing.py:network", *shape)
    assert "there is no module no.such" in refused("summary", "no.such:network", *shape)
    (tmp_path / "plain.py").write_text("number = 3\n\ndef network():\n    return 4\n", "utf-8")
    path = tmp_path / "plain.py"
    assert "did you mean network" in refused("summary", f"{path}:netwrk", *shape)
    assert "neither a module nor makes one" in refused("summary", f"{path}:number", *shape)
    assert "gives int, not an nn.Module" in refused("summary", f"{path}:network", *shape)
    told = refused("summary", f"{path}:network", *shape, "--set", "width=2")
    assert "unknown argument" in told
    (tmp_path / "net.yaml").write_text("a: 1\n", "utf-8")
    assert "those end in .toml" in refused("summary", tmp_path / "net.yaml")
    with pytest.raises(LabError, match="not float"):
        given(3.5)  # type: ignore[arg-type]


def test_the_inputs_of_the_command_line() -> None:
    assert inputs(["3x8x8"]) == "3x8x8"
    assert inputs(["3x8x8", "7:int64"]) == ["3x8x8", "7:int64"]
    assert inputs(["a=3x8x8"]) == {"a": "3x8x8"}
    with pytest.raises(LabError, match="with names for all inputs, or for none"):
        inputs(["a=3x8x8", "3x8x8"])


def test_a_finished_trace_takes_no_options() -> None:
    with pytest.raises(LabError, match="takes no options, got width"):
        lab.summary(lab.trace("mobilenet_v1", resolution=32), width=2)
    with pytest.raises(UnknownNameError, match="option of mobilenet_v1"):
        lab.trace("mobilenet_v1", depth=3)


def test_the_help_says_that_a_file_is_run() -> None:
    for verb in ("summary", "explain", "field", "compare", "reconcile", "verify", "export"):
        ran = CliRunner().invoke(app, [verb, "--help"], terminal_width=200)
        assert "runs that file" in ran.stdout, verb
