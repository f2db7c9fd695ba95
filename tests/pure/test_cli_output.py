"""Writing to files, and what a terminal of 80 columns shows."""

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mobilenet_lab import registry
from mobilenet_lab.cli import app
from mobilenet_lab.output import SUFFIXES
from mobilenet_lab.reports.formats import FORMATS
from mobilenet_lab.reports.table import Table, write
from mobilenet_lab.verbs.compare import compare
from mobilenet_lab.verbs.convolution import conv
from mobilenet_lab.verbs.explain import explain
from mobilenet_lab.verbs.field import field
from mobilenet_lab.verbs.listing import list_networks
from mobilenet_lab.verbs.summary import summary

SUMMARY = ["summary", "mobilenet_v2"]


def wrote(path: Path | str, *options: str) -> None:
    result = CliRunner().invoke(app, [*SUMMARY, "--output", str(path), *options])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def refused(path: Path | str, *options: str) -> str:
    result = CliRunner().invoke(app, [*SUMMARY, "--output", str(path), *options])
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


# Files


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JSON", ".unknown", ""])
def test_the_suffix_picks_the_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"answer{suffix}"
    wrote(path)
    format = SUFFIXES.get(suffix.lower())
    expected = summary("mobilenet_v2").to(format.value if format else "table")
    assert path.read_text(encoding="utf-8") == expected
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_given_outdoes_the_suffix(format: str, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    wrote(path, "--format", format)
    assert path.read_text(encoding="utf-8") == summary("mobilenet_v2").to(format)


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text("precious")
    assert "--force" in refused(path)
    assert path.read_text() == "precious"
    wrote(path, "--force")
    assert json.loads(path.read_text(encoding="utf-8"))["total"]["macs"] == 300_774_272
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_failure_leaves_everything_as_it_was(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answer.json"
    path.write_text("precious")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, step, full)
    assert "No space left on device" in refused(path, "--force")
    monkeypatch.undo()
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
def test_a_folder_is_not_written_over(force: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "folder.json"
    folder.mkdir()
    told = refused(folder, *force)
    assert "folder" in told
    assert "--force" not in told, "force would not help"
    assert folder.is_dir()
    assert [each.name for each in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("place", [".", "..", "/", ""])
def test_a_path_without_a_name_is_refused(place: str, force: list[str]) -> None:
    refused(place, *force)


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("place", ["missing/answer.json", "file/answer.json", "a" * 300, "file/"])
def test_a_place_that_cannot_be_written(place: str, force: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    told = refused(f"{tmp_path}/{place}", *(force if place != "file/" else []))
    assert str(tmp_path) in told
    assert (tmp_path / "file").read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250 + ".json")
    path.write_text("the file system takes it")
    wrote(path, "--force")
    assert json.loads(path.read_text(encoding="utf-8"))["rows"]


def test_a_link_still_leads_to_its_file(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    refused(link)
    wrote(link, "--force")
    assert link.is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["rows"]


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """As /dev/null and /dev/stdout would be, by someone who may."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        CliRunner().invoke(app, [*SUMMARY, "--output", str(pipe), "--force"])
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_file_is_written_as_readable_as_others(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    wrote(tmp_path / "answer.md")
    assert (tmp_path / "answer.md").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_failed_verb_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    result = CliRunner().invoke(app, ["summary", "mobilenet_v9", "--output", str(path)])
    assert result.exit_code == 2
    assert not path.exists()


# Eighty columns

TABLES: dict[str, Callable[[], Table]] = {
    "list": list_networks,
    **{
        f"{verb.__name__} {name}": lambda verb=verb, name=name: verb(name)
        for name in registry.NETWORKS
        for verb in (summary, field)
    },
    "summary by block": lambda: summary("mobilenet_v2", level="block"),
    "summary by role": lambda: summary("mobilenet_v1", level="role"),
    "compare two architectures": lambda: compare("mobilenet_v1", "mobilenet_v2"),
    "compare two widths": lambda: compare("mobilenet_v2", "mobilenet_v2", width=[1.0, 0.5]),
    "conv": lambda: conv(64, 128, 3, 56),
}


def shown(table: Table, columns: int = 80) -> list[str]:
    """The lines that a terminal of so many columns shows."""
    screen = io.StringIO()
    Console(file=screen, width=columns, force_terminal=True, legacy_windows=False).print(table)
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()


def is_whole(line: str, cells: list[str]) -> bool:
    """Whether `line` shows all of `cells` in their order."""
    place = 0
    for cell in cells:
        place = line.find(cell, place)
        if place < 0:
            return False
        place += len(cell)
    return True


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_one_line_of_80_columns(name: str) -> None:
    table = TABLES[name]()
    lines = shown(table)
    assert max(map(len, lines)) <= 80
    # where the names of layers are long, they and nothing else go on in a second line
    columns = table.columns[1:] if name.startswith("field") else table.columns
    titles = [column.title for column in columns]
    assert any(is_whole(line, titles) for line in lines), "\n".join(lines)
    for row in [*table.rows, *([] if table.total is None else [table.total])]:
        cells = [write(column.value(row), column.kind) for column in columns]
        assert any(is_whole(line, cells) for line in lines), f"{cells} in\n" + "\n".join(lines)


@pytest.mark.parametrize("network", registry.NETWORKS)
def test_every_kind_of_explanation_fits_80_columns(network: str) -> None:
    layers = registry.trace(network).layers
    for layer in {layer.op: layer for layer in layers}.values():
        table = explain(network, layer.name)
        lines = shown(table)
        assert max(map(len, lines)) <= 80
        # a long formula may go on in a second line, but no word of it may be cut
        words = " ".join(" ".join(lines).split())
        for row in table.rows:
            for text in (row.symbols, row.numbers, f"{row.result:,} {row.unit}".rstrip()):
                assert text in words, f"{text} in\n" + "\n".join(lines)


def test_a_terminal_too_narrow_loses_no_digit() -> None:
    text = "".join(shown(summary("mobilenet_v2"), columns=40))
    assert sum(map(str.isdigit, text)) >= sum(map(str.isdigit, str(summary("mobilenet_v2"))))


def screen(*arguments: str, columns: int = 80, **environment: str) -> str:
    """What the real command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {key: os.environ[key] for key in os.environ if key not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "mobilenet_lab", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
    ):
        os.close(theirs)
        parts = []
        while part := read(ours):
            parts.append(part)
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def read(descriptor: int) -> bytes:
    """The next bytes; none when the other side of a pseudo-terminal has closed."""
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""


def test_a_terminal_gets_colours_and_lines_that_fit() -> None:
    text = screen("summary", "mobilenet_v2")
    assert "\x1b[" in text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(
        is_whole(line, ["stage5", "96×14×14", "58,103,808", "19.3%", "267"]) for line in lines
    )


def test_no_color_is_respected() -> None:
    assert "\x1b[3" not in screen("explain", "mobilenet_v2", "stem.conv", NO_COLOR="1")


def test_other_formats_are_the_same_on_a_terminal() -> None:
    assert screen("summary", "mobilenet_v2", "-f", "csv") == summary("mobilenet_v2").to("csv")


def test_an_error_on_a_terminal_is_a_sentence() -> None:
    assert screen("summary", "mobilenet_v9").startswith("Error: unknown network 'mobilenet_v9'")
