"""The twelve lessons and the errata clinic; looking one up imports only that one."""

from importlib import import_module
from typing import TypeVar

from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.exercises.records import Exercise, Lesson, Prediction

LESSONS = {
    "1": "convolution_arithmetic",
    "2": "separable_convolutions",
    "3": "mobilenet_v1",
    "4": "linear_bottlenecks",
    "5": "inverted_residuals",
    "6": "mobilenet_v3",
    "7": "mixnet",
    "8": "receptive_fields",
    "9": "detection",
    "10": "segmentation",
    "11": "macs_and_milliseconds",
    "12": "transfer_learning",
    "E": "errata_clinic",
}
"""Number -> file here, holding LESSON; also the name of its notebook."""


Found = TypeVar("Found", Exercise, Prediction)


def known(number: str) -> str:
    """A lesson's number as LESSONS has it: `"2"` for `" 02"`.

    Raises:
        UnknownNameError: there is none of this number.
    """
    found = number.strip().upper().lstrip("0")
    if found not in LESSONS:
        raise UnknownNameError("lesson", number, LESSONS)
    return found


def lesson(number: str) -> Lesson:
    """One lesson.

    Raises:
        UnknownNameError: there is none of this number.
    """
    found: Lesson = import_module(f"{__name__}.{LESSONS[known(number)]}").LESSON
    return found


def notebook_name(number: str) -> str:
    """The notebook's file name without its ending: `02_separable_convolutions`."""
    return f"{number.zfill(2) if number.isdigit() else number}_{LESSONS[number]}"


def exercise(id: str) -> Exercise:
    """One exercise, by its id.

    Raises:
        UnknownNameError: there is none of this id.
    """
    return _find(id, "exercise", {each.id: each for each in _of(id).exercises})


def prediction(id: str) -> Prediction:
    """One prediction, by its id.

    Raises:
        UnknownNameError: there is none of this id.
    """
    return _find(id, "prediction", {each.id: each for each in _of(id).predictions})


def _of(id: object) -> Lesson:
    if not isinstance(id, str) or "." not in id:
        raise LabError(f'exercises have ids such as "2.3", not {id!r}')
    return lesson(id.split(".")[0])


def _find(id: str, what: str, those: dict[str, Found]) -> Found:
    head, tail = id.split(".", 1)
    name = f"{known(head)}.{tail.strip().lower()}"
    if name not in those:
        raise UnknownNameError(what, id, those)
    return those[name]
