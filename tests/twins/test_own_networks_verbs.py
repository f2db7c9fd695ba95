"""A network in a user's own Python file: every verb works on it, and mistakes are told."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab.cli import app

SOURCE = """
import torch
from torch import nn
from sibling import CHANNELS


class Net(nn.Module):
    def __init__(self, width=1.0, odd=False):
        super().__init__()
        c = int(CHANNELS * width)
        self.stem = nn.Conv2d(3, c, 3, 2, 1)
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, 3, padding=1, groups=c))
        self.score = nn.Linear(c, 5)
        self.odd = odd

    def forward(self, x):
        x = self.stem(x)
        x = self.body(x) + x
        if self.odd and x.sum() > 0:
            x = -x
        return self.score(x.mean((2, 3)))


def broken(width):
    raise ValueError("not today")


ready = Net(0.5)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "sibling.py").write_text("CHANNELS = 8\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path / "mine.py"


def ran(*command: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(each) for each in command])
    assert result.exit_code == code, result.output
    return result.stdout if code != 2 else result.stderr


IMAGE = ("--input", "3x32x24")


def test_every_verb(path: Path) -> None:
    name = f"{path}:Net"
    assert "stem" in ran("summary", name, *IMAGE)
    assert "W_out" in ran("explain", name, "stem", *IMAGE)
    assert "3×3 /2" in ran("field", name, *IMAGE)
    assert "A: mobilenet_v2" in ran("compare", "mobilenet_v2", name, *IMAGE)
    assert "fvcore: flops" in ran("reconcile", name, *IMAGE)
    assert "equal" in ran("reconcile", name, *IMAGE, "--run")
    assert "all equal" in ran("verify", name, *IMAGE)
    assert "2 values of width" in ran("sweep", name, *IMAGE, "--set", "width=1,2")
    assert str(path.parent) not in sys.path


def test_arguments_of_the_factory_and_finished_modules(path: Path) -> None:
    total = json.loads(ran("summary", f"{path}:Net", *IMAGE, "--set", "width=2", "-f", "json"))
    c = 16
    assert total["total"]["params"] == 27 * c + c + 9 * c + c + 5 * c + 5
    assert total["total"]["macs"] == (27 * c + 9 * c) * 16 * 12 + 5 * c
    ready = lab.summary(f"{path}:ready", input=(3, 32, 24)).total
    assert ready.macs == (27 * 4 + 9 * 4) * 16 * 12 + 5 * 4
    assert "takes no width" in ran("summary", f"{path}:ready", *IMAGE, "--set", "width=2", code=2)


def test_mistakes_are_told_in_one_sentence(path: Path) -> None:
    for name, more, told in (
        ("Net", ["--set", "odd=true"], "mine.py, line 19 (if self.odd and x.sum() > 0:)"),
        ("broken", ["--set", "width=1"], "ValueError: not today (line 25 of mine.py)"),
        ("Net", ["--set", "widht=1"], "did you mean width"),
        ("Nett", [], "did you mean Net"),
    ):
        sentence = ran("summary", f"{path}:{name}", *IMAGE, *more, code=2)
        assert told in sentence
        assert len(sentence.splitlines()) == 1
    assert "Invalid channel" in ran("summary", f"{path}:Net", "--input", "4x32x24", code=2)


def more_with_values(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What a ReLU does not do, where there are values."""
    return x if x.is_meta else nn.functional.adaptive_avg_pool2d(x, x.shape[2:])


def test_a_difference_is_found_and_the_exit_code_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a module that does more when it runs for the counters than when it was read."""
    monkeypatch.setattr(nn.ReLU, "forward", more_with_values)
    shown = ran("verify", f"{path}:Net", *IMAGE, code=1)
    assert "body.0" in shown
    assert "DIFFERS" in shown


def test_weights_and_random_state_stay(path: Path) -> None:
    state = torch.get_rng_state()
    assert lab.verify(f"{path}:Net", input="3x32x24").ok
    assert torch.equal(state, torch.get_rng_state())
    module = lab.build(f"{path}:Net", input="3x32x24", width=2)
    assert module.training
    assert module.stem.out_channels == 16
