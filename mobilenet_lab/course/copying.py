"""`notebooks`: the course copied into a folder of the student's, where nothing is ever lost."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from mobilenet_lab.course import sources
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.exercises.lessons import LESSONS, known
from mobilenet_lab.output import write_file

FOLDER = "mobilenet_lab_course"


class Copy(NamedTuple):
    """What became of one notebook."""

    name: str
    what: str
    """copied, already there, kept yours, or replaced."""
    aside: str = ""
    """Where the student's own is now, if it was replaced."""


def copy(
    folder: Path, only: Iterable[str] = (), solutions: bool = False, force: bool = False
) -> list[Copy]:
    """Copies the students' notebooks, or builds those with solutions, into `folder`.

    A file that is there is kept; with `force` it is put aside under a free name first. A solution
    has a name of its own and meets no student's notebook.

    Raises:
        UnknownNameError: there is no such lesson.
        LabError: something cannot be read or written; what was copied before stays.
        MissingPackageError: solutions are built by jupytext.
    """
    numbers = _numbers(only)
    contents = dict(_content(number, solutions) for number in numbers)
    done: list[Copy] = []
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"cannot make the folder {folder}: {error.strerror}") from None
        done.extend(_placed(folder / name, data, force) for name, data in contents.items())
    except LabError as error:
        there = sum(os.path.exists(folder / name) for name in contents)
        if not there:
            raise
        raise LabError(f"{error} ({there} of {len(contents)} notebooks are there)") from None
    return done


def told(folder: Path, copies: Iterable[Copy]) -> str:
    """What became of each notebook, and how to start."""
    copies = list(copies)
    lines = [f"{each.what:13} {each.name}" for each in copies]
    lines += [f"Yours of before is {each.aside}." for each in copies if each.aside]
    if any(each.what == "kept yours" for each in copies):
        lines.append("Yours differ from the course's; --force puts them aside and copies anew.")
    return "\n".join([*lines, "", *_start(folder)])


def _start(folder: Path) -> list[str]:
    place = shlex.quote(str(folder))
    if find_spec("jupyterlab") is None:
        missing = MissingPackageError("JupyterLab", "course", "Working through them")
        return [f"{missing}", f"Then start with: jupyter lab {place}"]
    here = shutil.which("jupyter")
    ours = here is not None and Path(here).parent == Path(sys.executable).parent
    command = "jupyter lab" if ours else f"{shlex.quote(sys.executable)} -m jupyterlab"
    return [f"Start with: {command} {place}"]


def _numbers(only: Iterable[str]) -> list[str]:
    """The lessons asked for, each once, in the course's order; all if none is named."""
    asked = {known(text) for text in only}
    return [number for number in LESSONS if number in asked or not asked]


def _content(number: str, solutions: bool) -> tuple[str, bytes]:
    """The file name and the content of a notebook."""
    place = sources.notebooks()[number]
    if not solutions:
        try:
            return place.name, place.read_bytes()
        except OSError as error:
            raise LabError(f"cannot read {place}: {error.strerror}") from None
    from mobilenet_lab.course.building import build

    try:
        text = build(sources.sources()[number], "solutions")
    except ModuleNotFoundError as error:
        name = error.name or "a package"
        raise MissingPackageError(name, "course", f"the solution of lesson {number}") from None
    return f"{place.stem}_solution.ipynb", text.encode()


def _placed(target: Path, data: bytes, force: bool) -> Copy:
    name = target.name
    if not os.path.lexists(target):
        write_file(target, data, force=False)
        return Copy(name, "copied")
    try:
        same = target.read_bytes() == data
    except OSError as error:
        raise LabError(f"cannot read {target}: {error.strerror}") from None
    if same:
        return Copy(name, "already there")
    if not force:
        return Copy(name, "kept yours")
    aside = _free(target)
    try:
        target.rename(aside)
    except OSError as error:
        raise LabError(f"cannot put {target} aside: {error.strerror}") from None
    try:
        write_file(target, data, force=False)
    except LabError:
        aside.rename(target)
        raise
    return Copy(name, "replaced", aside.name)


def _free(target: Path) -> Path:
    """A name beside it that nothing has: `01_name.yours.ipynb`, then `01_name.yours-2.ipynb`."""
    number = 1
    while True:
        suffix = f".yours{'' if number == 1 else f'-{number}'}{target.suffix}"
        found = target.with_name(f"{target.stem}{suffix}")
        if not os.path.lexists(found):
            return found
        number += 1
