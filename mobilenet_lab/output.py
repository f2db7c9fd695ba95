"""Where an answer of the command line goes: to the screen, or whole into a file."""

import codecs
import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TypeVar

from mobilenet_lab.errors import LabError
from mobilenet_lab.reports.table import Table


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    latex = "latex"
    html = "html"


SUFFIXES = {
    ".txt": Format.table,
    ".md": Format.markdown,
    ".csv": Format.csv,
    ".json": Format.json,
    ".tex": Format.latex,
    ".html": Format.html,
}


def answer(table: Table, format: Format | None, output: Path | None, force: bool) -> None:
    """Prints `table`, or writes it to a file.

    Raises:
        LabError: it cannot be written.
    """
    if output is not None and output != Path("-"):
        format = format or SUFFIXES.get(output.suffix.lower(), Format.table)
        write_file(output, table.to(format.value), force)
        return
    with printing():
        if format in (None, Format.table) and sys.stdout.isatty():
            from rich.console import Console

            Console(highlight=False).print(table)
        else:
            sys.stdout.write(table.to((format or Format.table).value))


@contextmanager
def printing() -> Iterator[None]:
    """While open, standard output takes every letter, by stand-ins where its encoding lacks some.

    Raises:
        LabError: there is none, or it cannot be written.
    """
    if sys.stdout is None:
        raise LabError("there is no standard output to print to")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # of text in memory, none
    if encoding.lower().replace("-", "") != "utf8":
        codecs.register_error("plain", _plain_letters)
        sys.stdout.reconfigure(errors="plain")  # type: ignore[union-attr]
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LabError(f"cannot print: {error.strerror}") from None


def write_file(path: Path, content: str | bytes, force: bool) -> None:
    """Writes the whole of `content` or nothing; an existing file is replaced only with `force`.

    Raises:
        LabError: the file exists, or cannot be written.
    """
    partial: Path | None = None
    data = content.encode() if isinstance(content, str) else content
    try:
        target = path.resolve()  # a link goes on leading to its file
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if target.exists() and not force:
            raise LabError(f"{path} exists already; --force replaces it")
        if target.exists() and not target.is_file():
            target.write_bytes(data)  # a pipe or a device stays what it is
            return
        partial = target.with_name(f".{os.getpid()}.partial")
        partial.write_bytes(data)
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except OSError as error:
        if partial is not None:
            with suppress(OSError):
                partial.unlink()
        raise LabError(f"cannot write {path}: {error.strerror}") from None


PATIENCE = 1.0
"""Seconds that pass before a progress bar is shown."""
Item = TypeVar("Item")


def progress(
    items: Iterable[Item], total: int, doing: str = "counting", undisturbed: bool = False
) -> Iterator[Item]:
    """Hands on `items`; a bar shows how far, if it takes long and standard error is a terminal.

    It is drawn between items only if what is done to them must be `undisturbed`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield from items
        return
    started, done, rest = monotonic(), 0, iter(items)
    for item in rest:
        yield item
        done += 1
        if monotonic() - started > PATIENCE:
            break
    else:
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, auto_refresh=not undisturbed) as bar:
        task = bar.add_task(doing, total=total, completed=done)
        for item in rest:
            yield item
            bar.update(task, advance=1, refresh=undisturbed)


PLAIN = {
    **{"×": "x", "·": "-", "–": "-", "─": "-", "█": "#", "⌊": "floor(", "⌋": ")"},
    **{"●": "*", "○": ".", "✓": "+", "✗": "x", "−": "-", "²": "^2", "³": "^3", "…": "..."},
    **{"“": '"', "”": '"', "’": "'", "→": "->", "≤": "<=", "≥": ">="},
}


def _plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Stand-ins for what a terminal without Unicode cannot show."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, " ") for letter in text), error.end
