"""The command as a process: streams, pipes, encodings, and what it leaves unimported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mobilenet_lab import __version__
from mobilenet_lab.reports.formats import FORMATS

EXAMPLES = {
    "list": ["list"],
    "summary": ["summary", "mobilenet_v2"],
    "explain": ["explain", "mobilenet_v2", "stage3.1"],
    "field": ["field", "mobilenet_v2"],
    "compare": ["compare", "mobilenet_v1", "mobilenet_v2"],
    "conv": ["conv", "--in", "64", "--out", "128", "--kernel", "3", "--size", "56x56"],
    "published": ["published", "mobilenet_v1"],
}


def process(
    *arguments: str, encoding: str = "utf-8", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """The real command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mobilenet_lab", *arguments],
        env={**os.environ, "PYTHONUTF8": "0", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding=encoding,
        timeout=60,
    )


@pytest.mark.parametrize("verb", EXAMPLES)
def test_a_terminal_without_unicode_gets_plain_letters(verb: str) -> None:
    result = process(*EXAMPLES[verb], PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()
    assert not re.search(r"[?\\]", result.stdout), "nothing is lost or escaped"
    assert len(result.stdout.splitlines()) == len(
        process(*EXAMPLES[verb], PYTHONUTF8="1").stdout.splitlines()
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_in_plain_letters(format: str) -> None:
    result = process(*EXAMPLES["conv"], "-f", format, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert "231,211,008" in result.stdout or "231211008" in result.stdout


def test_letters_that_the_encoding_has_are_kept() -> None:
    result = process(
        "conv", "--in", "3", "--out", "8", PYTHONIOENCODING="latin-1", encoding="latin-1"
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "3×3 convolution" in result.stdout


def test_the_c_locale() -> None:
    environment = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0"}
    result = process("summary", "mobilenet_v2", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert "300,774,272" in result.stdout
    wrong = process("summary", "mobilenet_ö", **environment)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Error: unknown network")
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"])
def test_a_pipe_gets_no_escape_codes_and_no_folding(variable: str) -> None:
    result = process("field", "mobilenet_v2", **{variable: "1"})
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    assert re.search(r"^ *stage7\.0\.depthwise\.conv +3×3 +960×7×7 +491 +32", result.stdout, re.M)


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mobilenet_lab", "field", "mobilenet_v2", "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as head:
        assert head.stdout is not None
        assert head.stderr is not None
        head.stdout.close()
        assert head.stderr.read() == b""


def test_a_standard_output_that_cannot_be_written_is_no_traceback() -> None:
    with Path(os.devnull).open("rb") as unwritable:
        result = subprocess.run(
            [sys.executable, "-m", "mobilenet_lab", "list"],
            stdout=unwritable,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
        )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr


def test_no_standard_output_is_no_traceback() -> None:
    code = (
        "import os, sys; os.close(1);"
        "os.execv(sys.executable, [sys.executable, '-m', 'mobilenet_lab', 'list'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, encoding="utf-8", timeout=60
    )
    assert "Traceback" not in result.stderr


def test_version_and_exit_codes_of_the_real_command() -> None:
    assert process("--version").stdout == f"mobilenet-lab {__version__}\n"
    assert process("summary", "mobilenet_v2").returncode == 0
    wrong = process("summary", "mobilenet_v9")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("Error: unknown network 'mobilenet_v9'")
    assert wrong.stderr.count("\n") == 1
