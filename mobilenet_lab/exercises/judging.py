"""An answer -> a verdict: pure, silent, and it never raises because of what a student hands in."""

from contextlib import redirect_stdout
from io import StringIO
from random import Random
from typing import Any

from mobilenet_lab.errors import LabError
from mobilenet_lab.exercises.kinds import Function
from mobilenet_lab.exercises.records import (
    Exercise,
    Given,
    Kind,
    State,
    Verdict,
    WrongKind,
    sentence,
    told,
)

DEALS = 200
"""Tries to deal numbers under which every mistake can be told from the answer and the others."""

LARGEST_SEED = 10**18


def given(exercise: Exercise, seed: int | None = None) -> Given:
    """The numbers of the notebook, or those that `seed` deals.

    Raises:
        LabError: the exercise has no other numbers, or `seed` is no whole number.
    """
    if seed is None:
        return Given(**exercise.given)
    if type(seed) is not int or abs(seed) >= LARGEST_SEED:
        raise LabError("a seed is an int of at most 18 digits")
    if exercise.deal is None:
        raise LabError(f"exercise {exercise.id} has no other numbers than the notebook's")
    random = Random(f"{exercise.id} {seed}")
    for _ in range(DEALS):
        numbers = Given(**exercise.deal(random))
        if distinct(exercise, numbers):
            return numbers
    raise AssertionError(f"{exercise.id} deals no numbers that tell its mistakes apart")


def distinct(exercise: Exercise, numbers: Given) -> bool:
    """Whether each declared mistake is wrong, and is met by its own message."""
    verdicts = (judge(exercise, each.value(numbers), numbers) for each in exercise.mistakes)
    return all(
        (verdict.state, verdict.message) == (State.not_yet, told(mistake.message, numbers))
        for verdict, mistake in zip(verdicts, exercise.mistakes, strict=True)
    )


def judge(exercise: Exercise, answer: object, numbers: Given) -> Verdict:
    """What becomes of `answer`: one of the four states, with one message.

    What a student's function prints is not shown.

    Raises:
        MissingPackageError: reading it needs a package that is not installed.
    """
    with redirect_stdout(StringIO()):
        return _judged(exercise, answer, numbers)


def _judged(exercise: Exercise, answer: object, numbers: Given) -> Verdict:
    try:
        value = read(exercise.kind, answer)
    except WrongKind as error:
        return Verdict(exercise.id, State.wrong_kind, sentence(error))
    if value is ...:
        return Verdict(exercise.id, State.not_attempted)
    right = exercise.kind.read(exercise.answer(numbers))
    try:
        return _compared(exercise, value, right, numbers)
    except LabError:
        raise
    except Exception as error:  # a value too large, or too odd, to compute with
        message = f"It cannot be compared with the answer: {type(error).__name__}."
        return Verdict(exercise.id, State.not_yet, message)


def read(kind: Kind, answer: object) -> Any:
    """The value that a student means by `answer`; `...` if nothing is filled in.

    Raises:
        WrongKind: it is none of this kind.
        MissingPackageError: reading it needs a package that is not installed.
    """
    try:
        if _blank(answer) or (isinstance(kind, Function) and kind.blank(answer)):
            return ...
        return kind.read(answer)
    except (WrongKind, LabError):
        raise
    except Exception as error:  # an object of the student's that raises when it is looked at
        reason = type(error).__name__
        raise WrongKind(f"it cannot be read as {kind.expected}: {reason}") from None


def _compared(exercise: Exercise, value: Any, right: Any, numbers: Given) -> Verdict:
    kind = exercise.kind
    accepted = exercise.accepts(numbers, value) if exercise.accepts else kind.same(value, right)
    if accepted:
        return Verdict(exercise.id, State.correct, told(exercise.remark, numbers))
    for mistake in exercise.mistakes:
        if mistake.applies is not None:
            shown = mistake.applies(numbers, value)
        else:
            shown = kind.same(value, kind.read(mistake.value(numbers)))
        if shown:
            return Verdict(exercise.id, State.not_yet, told(mistake.message, numbers))
    return Verdict(exercise.id, State.not_yet, kind.difference(value, right))


def _blank(answer: object) -> bool:
    """Whether it is the dots of the notebook, or holds nothing else."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, tuple | list):
        return len(answer) > 0 and all(map(_blank, answer))
    return answer is ...


def asked(exercise: Exercise, numbers: Given) -> str:
    """The question as Markdown, with its numbers."""
    return told(exercise.question, numbers)


def solved(exercise: Exercise, numbers: Given) -> str:
    """The answer, computed, and the way to it, as Markdown."""
    value = exercise.kind.read(exercise.answer(numbers))
    way = told(exercise.solution, Given(**{**vars(numbers), "answer": value}))
    if isinstance(exercise.kind, Function):
        return way
    unit = f" {exercise.unit}" if exercise.unit else ""
    shown = exercise.kind.show(value)
    # what Markdown would take for emphasis, as in 9*c*d, is code
    shown = f"`{shown}`" if "*" in shown else f"**{shown}**"
    return f"{shown}{unit}. {way}"
