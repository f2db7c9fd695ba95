"""A network in a text file: TOML with a line for each layer or block (docs/files.md).

Every error names the file, the line and the reason.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from mobilenet_lab import registry
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.importers.lines import line_numbers
from mobilenet_lab.importers.reading import Reader
from mobilenet_lab.layers import Trace

OPTIONS = ("width", "resolution", "classes", "in_channels")
LARGEST_FILE = 1_000_000
"""Bytes; the largest network here takes a fiftieth."""
MOST_PARTS = 50
"""Of a dotted key: tomllib takes the square of their number."""
DIGITS = re.compile(r"[0-9_]{4300}")
TOML_ERROR = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")


def read(path: str | Path, **options: Any) -> Trace:
    """The network that a file describes; without a name of its own it has the file's.

    Options take the place of what the file says: `width`, `resolution` (side, (height, width) or
    "HxW"), `classes`, `in_channels`.

    Raises:
        UnknownNameError: no such option, or a name in the file that nothing has.
        ShapeError: a layer that its input does not fit.
        LabError: the file cannot be read or understood; the message has the line and the reason.
    """
    try:
        file = Path(path)
        if file.is_dir():
            raise LabError(f"{path} is a folder, not a file")
        if file.exists() and not file.is_file():
            raise LabError(f"{path} is no ordinary file")
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        raise LabError(f"{quoted(path)} is no path of a file") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabError(f"{path}, line {line}: not a text in UTF-8") from None
    return loads(text, str(path), **options)


def loads(text: str, where: str = "net.toml", **options: Any) -> Trace:
    """As `read`, of a text; errors say that it comes from `where`."""
    for key in options:
        if key not in OPTIONS:
            raise UnknownNameError("option of a file", key, OPTIONS)
    options = {key: registry.CHECKS[key](key, value) for key, value in options.items()}
    document = _parsed(text, where)
    try:
        return Reader(where, document, line_numbers(text)).trace(options)
    except RecursionError:
        raise LabError(f"{where}: blocks or layers are nested too deeply") from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    if len(text) > LARGEST_FILE:
        raise LabError(f"{where}: a network's file has {LARGEST_FILE:,} bytes at most")
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.partition("=")[0].count(".") > MOST_PARTS:
            raise LabError(f"{where}, line {number}: a key of more than {MOST_PARTS} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = TOML_ERROR.fullmatch(str(error))
        reason, line, column = found.groups("") if found else (str(error), "", "")
        at = f", column {column}" if column else ""
        raise LabError(f"{where}, line {line or max(len(lines), 1)}{at}: {reason}") from None
    except ValueError:  # Python makes no int of so many digits
        number = next((n for n, line in enumerate(lines, 1) if DIGITS.search(line)), 1)
        raise LabError(f"{where}, line {number}: a number of too many digits") from None
    except RecursionError:
        raise LabError(f"{where}: lists are nested too deeply") from None
