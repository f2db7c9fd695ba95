"""Where the notebooks and their sources lie: in a checkout, or beside this file when installed."""

from pathlib import Path

from mobilenet_lab.errors import LabError
from mobilenet_lab.exercises.lessons import LESSONS, notebook_name

_HERE = Path(__file__).resolve().parent


def folder() -> Path:
    """The folder of the notebooks as students get them; `sources/` in it has what they are made of.

    Raises:
        LabError: they are not there.
    """
    for place in (_HERE.parents[1] / "notebooks", _HERE / "notebooks"):
        if (place / "sources").is_dir():
            return place
    raise LabError("the course's notebooks are not part of this installation")


def notebooks() -> dict[str, Path]:
    """Lesson number -> its notebook as students get it."""
    return {number: folder() / f"{notebook_name(number)}.ipynb" for number in LESSONS}


def sources() -> dict[str, Path]:
    """Lesson number -> its source, a Python file in jupytext's percent format."""
    return {number: folder() / "sources" / f"{notebook_name(number)}.py" for number in LESSONS}
