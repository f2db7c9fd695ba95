"""What a student has tried: one line of JSON for each attempt, only ever added to.

The file lies in the user's own application folder, or where MOBILENET_LAB_DATA says; nothing leaves
the machine.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from mobilenet_lab.errors import LabError

FOLDER = "MOBILENET_LAB_DATA"
"""The environment variable that moves the file."""
PREDICTED = "predicted"


@dataclass(frozen=True)
class Attempt:
    """One answer to an exercise (`state`), or one guess (`state` "predicted", with its `value`)."""

    exercise: str
    state: str
    seed: int | None = None
    value: Any = None
    at: str = ""


class Record(NamedTuple):
    """The attempts that could be read, oldest first, and how many lines could not."""

    attempts: tuple[Attempt, ...]
    damaged: int


def file() -> Path:
    """Where the attempts are.

    Raises:
        LabError: in a home folder that cannot be found.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        import typer

        folder = typer.get_app_dir("mobilenet-lab")
    try:
        return Path(folder).expanduser() / "attempts.jsonl"
    except RuntimeError:
        raise LabError(f"there is no home folder for {folder}; {FOLDER} names another") from None


def record(attempt: Attempt) -> str | None:
    """Adds an attempt; a sentence if that cannot be done, for an answer must not be lost to it."""
    line = asdict(attempt) | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        path = file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as stream:
            # a line that was cut off, by a full disk perhaps, does not take this one with it
            cut = stream.tell() > 0 and _last_byte(stream) != b"\n"
            stream.write(b"\n" * cut + json.dumps(line).encode() + b"\n")
    except LabError as error:
        return f"(Your progress is not recorded: {error}.)"
    except OSError as error:
        return f"(Your progress is not recorded: {path}: {error.strerror}.)"
    return None


def read() -> Record:
    """The whole record; empty where there is none yet.

    Raises:
        LabError: the file is there and cannot be read.
    """
    try:
        lines = file().read_bytes().splitlines()
    except FileNotFoundError:
        return Record((), 0)
    except OSError as error:
        raise LabError(f"cannot read {file()}: {error.strerror}") from None
    found = [_attempt(line) for line in lines if line.strip()]
    good = tuple(attempt for attempt in found if attempt is not None)
    return Record(good, len(found) - len(good))


def attempts() -> Iterator[Attempt]:
    """All attempts, oldest first; lines, or a file, that cannot be read are passed over."""
    try:
        yield from read().attempts
    except LabError:
        return


def guess(id: str) -> Any:
    """The last prediction of this id, None if there is none."""
    found = None
    for attempt in attempts():
        if attempt.exercise == id and attempt.state == PREDICTED:
            found = attempt.value
    return found


def _attempt(line: bytes) -> Attempt | None:
    try:
        attempt = Attempt(**json.loads(line))
        datetime.fromisoformat(attempt.at).astimezone()
    except (ValueError, TypeError, OverflowError, OSError, RecursionError):
        return None
    texts = isinstance(attempt.exercise, str) and isinstance(attempt.state, str)
    return attempt if texts and type(attempt.seed) in (int, type(None)) else None


def _last_byte(stream: Any) -> bytes:
    stream.seek(-1, os.SEEK_END)
    last: bytes = stream.read(1)
    return last
