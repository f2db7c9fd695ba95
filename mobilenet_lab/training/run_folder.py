"""The folder of a training run: what is in it, and how it changes so that nothing is ever lost.

recipe.json                    what was asked for
metrics.csv                    a row for each epoch
best.safetensors, best.json    the network after its best epoch
last.safetensors, last.json    the network after the last whole epoch, and how far the run has come
last.optimiser.safetensors     what the optimiser remembers

An epoch changes several files at once. Each is first written whole as NAME.new; that of last.json
comes last and decides. Then all take their names. Whoever opens the folder after a kill finishes
what was decided and takes back what was not (`settle`).
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Epoch

FORMAT = 1
RECIPE = "recipe.json"
METRICS = "metrics.csv"
LAST, LAST_MODEL, LAST_OPTIMISER = "last.json", "last.safetensors", "last.optimiser.safetensors"
BEST, BEST_MODEL = "best.json", "best.safetensors"
NEW, PARTIAL = ".new", ".partial"
RUNS = Path("runs")
"""Where a run goes that was given no folder."""
FREE = ("workers", "on_bad_image")
"""What a resumed run may change in its recipe: it does not touch the images that can be read."""


class Progress(NamedTuple):
    """How far a run has come: what its last checkpoint holds."""

    recipe: Recipe
    history: tuple[Epoch, ...] = ()
    about: Mapping[str, Any] = {}
    """All of last.json."""
    files: Mapping[str, bytes] = {}
    """The tensors that it stands for."""


# The folder


def free_folder(model: str) -> Path:
    """Where a new run of `model` goes that was given no folder."""
    return next(folder for folder in _numbered(model) if not os.path.lexists(folder))


def latest_folder(model: str) -> Path:
    """The last of those that `free_folder` gave.

    Raises:
        LabError: there is none.
    """
    found = RUNS / model
    if not found.exists():
        raise LabError(f"there is no run of {model} in {RUNS} to resume")
    for folder in _numbered(model):
        if not folder.exists():
            break
        found = folder
    return found


def _numbered(model: str) -> Iterable[Path]:
    yield RUNS / model
    yield from (RUNS / f"{model}-{number}" for number in range(2, 10**6))


def begin(folder: Path, recipe: Recipe) -> None:
    """Makes the folder of a new run.

    Raises:
        LabError: something is there already, or it cannot be written.
    """
    check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / RECIPE, recipe.to_json().encode())
    except OSError as error:
        raise LabError(f"cannot write {folder}: {error.strerror}") from None


def check_free(folder: Path) -> None:
    """Makes sure that a new run overwrites nothing.

    Raises:
        LabError: the folder holds something.
    """
    try:
        names = {path.name for path in folder.iterdir() if path.suffix != PARTIAL}
    except FileNotFoundError:
        return
    except OSError as error:
        raise LabError(f"{folder} is no folder for a run: {error.strerror}") from None
    if names & {RECIPE, LAST}:
        raise LabError(f"{folder} holds a run already: resume it, or choose another folder")
    if names:
        raise LabError(f"{folder} is not empty: choose another folder, nothing is overwritten")


def read_progress(folder: Path) -> Progress:
    """The last checkpoint of a run; without a history, if no epoch of it was finished.

    Raises:
        LabError: there is no run, or its files are damaged.
    """
    settle(folder)
    if not (folder / LAST).exists():
        if not (folder / RECIPE).exists():
            raise LabError(f"there is no run in {folder} to resume")
        return Progress(_recipe(folder / RECIPE, _read(folder / RECIPE).decode(errors="replace")))
    about = read_json(folder / LAST)
    try:
        recipe = json.dumps(about["recipe"])
        history = tuple(Epoch(**row) for row in about["history"])
        digests = dict(about["files"])
        whole = [row.epoch for row in history] == [*range(1, len(history) + 1)]
    except (KeyError, TypeError, ValueError, AttributeError):
        whole = False
    if not whole or not history or set(digests) != {LAST_MODEL, LAST_OPTIMISER}:
        raise LabError(f"{folder / LAST} is damaged: the run cannot be resumed from it")
    found = {name: _read(folder / name) for name in digests}
    for name, content in found.items():
        if digest(content) != digests[name]:
            raise LabError(
                f"{folder / name} is damaged, or was changed since {LAST} was written: "
                "the run cannot be resumed from it"
            )
    return Progress(_recipe(folder / LAST, recipe), history, about, found)


def read_json(path: Path) -> dict[str, Any]:
    """What stands beside a checkpoint of ours.

    Raises:
        LabError: it cannot be read, or is of another kind.
    """
    try:
        found = json.loads(_read(path))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise LabError(f"{path} is damaged, or of another version: it says nothing of a checkpoint")
    return found


def _recipe(path: Path, text: str) -> Recipe:
    try:
        return Recipe.from_json(text)
    except (LabError, TypeError) as error:
        raise LabError(f"{path}: {error}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None


def agreed(kept: Recipe, given: Mapping[str, Any], done: int) -> Recipe:
    """The recipe of a run that is resumed after `done` epochs: the kept one, which `given` repeats.

    The epochs may be others where the schedule does not depend on them ("constant").

    Raises:
        LabError: something else is asked for than the run began with.
    """
    settings = {**kept.settings, **given.get("settings", {})}
    asked = replace(kept, **{**given, "settings": settings})
    free = (*FREE, "epochs") if kept.schedule == "constant" else FREE
    for name in (each.name for each in fields(Recipe)):
        was, wanted = getattr(kept, name), getattr(asked, name)
        if was == wanted or name in free:
            continue
        hint = ": its schedule depends on them" if name == "epochs" else ""
        raise LabError(
            f"the run has {name} {_told(was)}, not {_told(wanted)}{hint}; a resumed run keeps its "
            "recipe"
        )
    if asked.epochs < done:
        raise LabError(f"the run has done {done} epochs already, more than {asked.epochs}")
    return asked


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={part}" for key, part in value.items()) or "as it comes"
    return quoted(value) if isinstance(value, str) else str(value)


# Its files


def commit(folder: Path, content: Mapping[str, bytes]) -> None:
    """Writes several files, last.json among them: all of them or none, whenever a kill comes.

    Raises:
        LabError: they cannot be written; those that were there are as they were.
    """
    names = sorted(content, key=lambda name: name == LAST)
    try:
        for name in names:
            if name == LAST:
                _sync(folder)
            _write(folder / f"{name}{NEW}", content[name])
        settle(folder)
    except OSError as error:
        with suppress(OSError):
            settle(folder)
        raise LabError(f"cannot write {folder / name}: {error.strerror}") from None


def settle(folder: Path) -> None:
    """Finishes what `commit` had decided when it was stopped, and takes back what it had not."""
    for partial in folder.glob(f"*{PARTIAL}"):
        partial.unlink()
    decided = (folder / f"{LAST}{NEW}").exists()
    for path in sorted(folder.glob(f"*{NEW}"), key=lambda path: path.stem == LAST):
        if decided:
            os.replace(path, path.with_suffix(""))
        else:
            path.unlink()
    if decided:
        _sync(folder)


def _write(path: Path, content: bytes) -> None:
    """Writes a file so that it is there as a whole or not at all."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def _sync(folder: Path) -> None:
    """Makes the names of a folder's files outlive a power cut, where the system can do it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def digest(content: bytes) -> str:
    """What tells one content of a file from another."""
    return hashlib.sha256(content).hexdigest()


# What stands in them


def best(history: Sequence[Epoch]) -> Epoch:
    """The epoch of the highest validation accuracy; of equal ones that of the least loss."""
    return max(history, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))


def metrics_csv(history: Iterable[Epoch]) -> bytes:
    """A row for each epoch; numbers in full."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Epoch._fields)
    table.writerows(history)
    return text.getvalue().encode()


def to_json(content: Mapping[str, Any]) -> bytes:
    """As a file of the folder holds it."""
    return (json.dumps({"format": FORMAT, **content}, indent=1, allow_nan=False) + "\n").encode()
