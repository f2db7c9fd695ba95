"""Networks of users' own on the command line: every way to name one, every way to fail.

`test_own_networks_verbs.py` takes one file through every verb; here are the odd files.
"""

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError

NETS = """
import sys
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn


@dataclass
class Answer:
    scores: torch.Tensor
    more: list


class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return torch.fft.rfft2(self.conv(x)).abs()


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.table = nn.Conv2d(3, 4, 1), nn.Embedding(9, 4)

    def forward(self, image, words):
        seen = self.conv(image).mean((2, 3)) + self.table(words).mean(1)
        return Answer(seen, [{"image": image * 2}])


class Leaves(nn.Module):
    def forward(self, x):
        sys.exit(0)


class holder:
    inner = nn.Conv2d(3, 5, 1)


def chain(depth, *, channels=3):
    return nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(depth)])


def leaves():
    sys.exit(0)


def quiet():
    raise ValueError


ready = nn.Conv2d(3, 4, 1)
twice = partial(chain, 2)
short = lambda: nn.ReLU()
"""
IMAGE = ("--input", "3x8x8")


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `nets.py`, which is where one is, and of a package with the same file."""
    package = tmp_path / "odd_package"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    for folder in (tmp_path, package):
        (folder / "nets.py").write_text(NETS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*command: str, code: int = 0) -> str:
    """What a command prints, where it exits with `code`."""
    result = CliRunner().invoke(app, list(command))
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stdout


def refused(*command: str) -> str:
    """The one sentence with which a command is refused."""
    result = CliRunner().invoke(app, list(command))
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def counted(name: str, *more: str) -> tuple[int, int]:
    """Parameters and MACs, as JSON tells them."""
    total = json.loads(ran("summary", name, *(more or IMAGE), "--format", "json"))["total"]
    return total["params"], total["macs"]


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("nets.py:ready", (), (16, 12 * 64)),
        ("nets.py:holder.inner", (), (20, 15 * 64)),
        ("nets.py:twice", (), (24, 2 * 9 * 64)),
        ("nets.py:chain", ("--set", "depth=3"), (36, 3 * 9 * 64)),
        ("./nets.py:short", (), (0, 0)),
        ("odd_package.nets:Unknown", (), (16, 12 * 64)),
        ("torch.nn:Identity", (), None),
    ],
)
def test_every_way_to_name_a_module(
    nets: Path, name: str, more: tuple[str, ...], expected: tuple[int, int] | None
) -> None:
    if expected is None:
        assert "without layers" in refused("summary", name, *IMAGE)
    else:
        assert counted(name, *IMAGE, *more) == expected


def test_importing_leaves_the_path_as_it_was(nets: Path) -> None:
    before, known = list(sys.path), set(sys.modules)
    ran("summary", "nets.py:ready", *IMAGE)
    assert sys.path == before
    assert "nets" not in sys.modules
    with pytest.raises(LabError):
        lab.summary("nets.py:leaves", input=(3, 8, 8))
    assert sys.path == before
    assert {name for name in set(sys.modules) - known if "nets" in name} <= {"_network_nets"}


def test_a_file_is_run_anew_each_time(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # a cache would take it for the old one
    file = nets / "nets.py"
    before = file.stat()
    assert counted("nets.py:ready") == (16, 12 * 64)
    file.write_text(NETS.replace("Conv2d(3, 4, 1)\ntw", "Conv2d(3, 8, 1)\ntw"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # changed within a moment
    assert counted("nets.py:ready") == (32, 24 * 64)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax (mine.py, line 1)\n"),
        ("import no_such_thing\n", "No module named 'no_such_thing' (line 1 of mine.py)"),
        ("x = 1\n1 / 0\n", "ZeroDivisionError: division by zero (line 2 of mine.py)"),
        ("raise SystemExit(0)\n", "SystemExit: 0 (line 1 of mine.py)"),
        ("", "mine.py has none"),
    ],
)
def test_a_file_that_does_not_run(nets: Path, source: str, told: str) -> None:
    (nets / "mine.py").write_text(source, encoding="utf-8")
    assert told in refused("summary", "mine.py:f", *IMAGE)


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("leaves", (), "does not make a network: SystemExit: 0 (line "),
        ("quiet", (), "does not make a network: ValueError (line "),
        ("Leaves", (), "Leaves cannot be read: nets.py, line "),
        ("chain", ("--set", "depth=x"), "TypeError: 'str' object cannot be interpreted"),
        ("chain", ("--set", "dpth=1"), "did you mean depth?"),
        ("chain", ("--width", "2"), "unknown argument of nets.py:chain 'width'"),
        ("ready", ("--set", "a=1"), "is a finished module and takes no a"),
        ("ready", ("--input", "3x8x8"), "forward() takes 2 positional arguments but 3"),
        ("redy", (), "did you mean ready"),
        ("holder.iner", (), "unknown name in nets.py 'holder.iner'"),
        ("__doc__", (), "is neither a module nor makes one"),
        ("partial", (), "does not make a network: TypeError"),
    ],
)
def test_a_factory_that_fails(nets: Path, name: str, more: tuple[str, ...], told: str) -> None:
    assert told in refused("summary", f"nets.py:{name}", *IMAGE, *more)


def test_the_place_is_never_one_in_the_lab(nets: Path) -> None:
    """A missing argument is missed where the factory is called: here."""
    sentence = refused("summary", "nets.py:chain", *IMAGE)
    assert sentence.endswith("chain() missing 1 required positional argument: 'depth'\n")


@pytest.mark.parametrize("name", [":ready", "nets.py:", ":"])
def test_half_a_name(nets: Path, name: str) -> None:
    assert f"{name} is not file.py:factory" in refused("summary", name, *IMAGE)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--input", "4x8x8"),
        ("--input", "3x8"),
        ("--input", "3x8x8:int64"),
        ("--input", "3x8x8:int65"),
        ("--input", "3x-8x8"),
        ("--input", ""),
        ("--input", "x=3x8x8"),
        ("--input", "a=3x8x8", "--input", "3x8x8"),
    ],
)
def test_inputs_that_do_not_fit(nets: Path, arguments: tuple[str, ...]) -> None:
    refused("summary", "nets.py:ready", *arguments)


def test_several_inputs_by_order_and_by_name(nets: Path) -> None:
    ordered = counted("nets.py:Two", "--input", "3x8x8", "--input", "7:int64")
    named = counted("nets.py:Two", "--input", "words=7:int64", "--input", "image=3x8x8")
    assert ordered == named == (16 + 36, 12 * 64)
    two = ("nets.py:Two", "--input", "3x8x8", "--input", "7:int64")
    assert "image" in ran("summary", *two)
    assert "one input only" in refused("reconcile", *two, "--run")
    assert "conv" in ran("field", *two, "--all")
    by_name = ("--input", "image=3x8x8", "--input", "words=7:int64")
    assert "in forward's order" in refused("verify", "nets.py:Two", *by_name)


def test_what_is_not_known_is_null_in_json_and_at_least_in_words(nets: Path) -> None:
    name = ("nets.py:Unknown", *IMAGE)
    told = json.loads(ran("summary", *name, "--level", "layer", "--format", "json"))
    assert len(told["unknown"]) == 1
    by_name = {row["name"]: row for row in told["rows"]}
    assert by_name[told["unknown"][0]]["macs"] is None
    assert by_name["conv"]["macs"] == 12 * 64
    assert told["total"]["name"] == "at least"
    assert "at least" in ran("summary", *name)
    assert "at least" in ran("compare", "nets.py:Unknown", "mobilenet_v2", "--input", "3x32x32")
    assert "all equal" in ran("verify", *name)
    assert "a file cannot say 'unknown'" in refused("export", *name)


def test_comparing_and_sweeping_factories(nets: Path) -> None:
    compared = json.loads(
        ran("compare", "nets.py:ready", "mobilenet_v2", "--input", "3x64x64", "-f", "json")
    )
    other = lab.summary("mobilenet_v2", resolution=64).total
    assert (compared["total"]["macs_a"], compared["total"]["macs_b"]) == (12 * 64 * 64, other.macs)
    assert "say what one input" in refused("compare", "nets.py:ready", "mobilenet_v2")
    swept = json.loads(
        ran("sweep", "nets.py:chain", *IMAGE, "--set", "depth=1,2,5", "--format", "json")
    )
    assert [row["macs"] for row in swept["rows"]] == [576, 2 * 576, 5 * 576]
    budget = ("--macs", "1200", "--format", "json")
    within = json.loads(ran("budget", "nets.py:chain", *IMAGE, "--set", "depth=1,2,5", *budget))
    assert [(row["depth"], row["macs"]) for row in within["rows"]] == [(2, 1152), (1, 576)]


def test_what_was_read_is_exported_and_comes_back(nets: Path) -> None:
    toml = ran("export", "nets.py:twice", *IMAGE)
    (nets / "twice.toml").write_text(toml, encoding="utf-8")
    again, read = lab.trace("twice.toml"), lab.trace("nets.py:twice", input=(3, 8, 8))
    assert [layer.name for layer in again.layers] == [layer.name for layer in read.layers]
    assert lab.summary(again).total.macs == lab.summary(read).total.macs == 2 * 576
    assert "all equal" in ran("verify", "twice.toml")
