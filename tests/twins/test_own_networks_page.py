"""docs/own_networks.md shows what the commands really print, and its Python really runs."""

import re
from pathlib import Path

import pytest
from torch import Tensor, nn
from typer.testing import CliRunner

from mobilenet_lab.cli import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "own_networks.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"\$ mobilenet-lab (.*)\n((?:.*\n)*?)```", TEXT)


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[each[0][:20] for each in SHOWN])
def test_the_output_shown_is_the_output(
    command: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "docs" / "examples")
    result = CliRunner().invoke(app, command.split())
    assert (result.exit_code, result.stdout) == (0, printed)


def test_there_is_something_to_show() -> None:
    assert len(SHOWN) == 2


def test_the_python_of_the_page_runs() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look, self.read = nn.Conv2d(3, 4, 16, 16), nn.Embedding(9, 4)

        def forward(self, image: Tensor, text: Tensor | None = None) -> Tensor:
            seen = self.look(image).mean((2, 3))
            return seen if text is None else seen + self.read(text).mean(1)

    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code) == 1
    names = {"module": Both()}
    exec(code[0], names)
    assert [layer.op for layer in names["trace"].layers].count("input") == 2
