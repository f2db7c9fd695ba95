"""The README shows what the commands really print, and its commands are the real ones."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mobilenet_lab.cli import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/conventions.md"])
def test_the_output_shown_is_the_output(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = re.search(r"\$ mobilenet-lab (.*)\n((?:.*\n)*?)```", text)
    assert shown is not None
    result = CliRunner().invoke(app, shown[1].split())
    assert result.stdout == shown[2]


COMMANDS = re.findall(r"^\| `mobilenet-lab (.*?)` \|", TEXT, re.MULTILINE)


ELSEWHERE = ("verify", "predict", "train", "bench", "netadapt", "notebooks", "exercise", "progress")
"""Verbs that need PyTorch, or the user's files; those of the course are in test_course_cli.py."""


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith(ELSEWHERE)])
def test_every_command_of_the_table_answers(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert bool(result.stdout) != any(tmp_path.iterdir()), "printed, or written to a file"


def test_there_are_commands_to_try() -> None:
    assert len(COMMANDS) > 5


def test_the_two_commands_to_paste_stand_alone_on_their_lines() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("python3 -m venv")]
    assert [line.split(" && ")[-1] for line in lines] == [
        ".venv/bin/mobilenet-lab summary mobilenet_v2",
        ".venv/bin/python -m pytest -n 2",
    ]
