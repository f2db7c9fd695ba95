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
from typing import Any

FOLDER = "MOBILENET_LAB_DATA"
"""The environment variable that moves the file."""


@dataclass(frozen=True)
class Attempt:
    """One answer to an exercise (`state`), or one guess (`state` "predicted", with its `value`)."""

    exercise: str
    state: str
    seed: int | None = None
    value: Any = None
    at: str = ""


def file() -> Path:
    """Where the attempts are."""
    folder = os.environ.get(FOLDER)
    if not folder:
        import typer

        folder = typer.get_app_dir("mobilenet-lab")
    return Path(folder).expanduser() / "attempts.jsonl"


def record(attempt: Attempt) -> str | None:
    """Adds an attempt; a sentence if that cannot be done, for an answer must not be lost to it."""
    path = file()
    line = asdict(attempt) | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError as error:
        return f"(Your progress is not recorded: {path}: {error.strerror}.)"
    return None


def attempts() -> Iterator[Attempt]:
    """All attempts, oldest first; lines that cannot be read are passed over."""
    try:
        lines = file().read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield Attempt(**json.loads(line))
        except (ValueError, TypeError):
            continue


def guess(id: str) -> Any:
    """The last prediction of this id, None if there is none."""
    found = None
    for attempt in attempts():
        if attempt.exercise == id and attempt.state == "predicted":
            found = attempt.value
    return found
