"""What a student calls in a notebook: check, hint, solution, exercise, predict, reveal.

None of them raises for what a student hands in. With MOBILENET_LAB_STRICT set, as in CI, `check`
raises unless the answer is right.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from mobilenet_lab.errors import LabError
from mobilenet_lab.exercises import judging, lessons, log
from mobilenet_lab.exercises.records import (
    Exercise,
    Given,
    State,
    Verdict,
    WrongKind,
    sentence,
    told,
)
from mobilenet_lab.exercises.showing import LOOK_OF, Note, show

STRICT = "MOBILENET_LAB_STRICT"
P = ParamSpec("P")
R = TypeVar("R")
_hinted: dict[str, int] = {}
"""Hints already given in this session."""


class ExerciseFailed(AssertionError):
    """In strict mode, an answer that is not right."""


def _kindly(ask: Callable[P, R]) -> Callable[P, R | None]:
    """What goes wrong is told in one sentence; in strict mode it is raised."""

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return ask(*args, **kwargs)
        except LabError as error:
            if os.environ.get(STRICT):
                raise
            show(Note("wrong", sentence(error)))
            return None

    return asked


@_kindly
def check(id: str, answer: object = ..., seed: int | None = None) -> None:
    """Shows what becomes of `answer` to the exercise `id`, and records it.

    Correct, not yet (with what is wrong), not attempted (`...`), or the wrong kind of value. `seed`
    deals other numbers than the notebook's (see `exercise`).
    """
    found = lessons.exercise(id)
    verdict = judging.judge(found, answer, judging.given(found, seed))
    trouble = log.record(log.Attempt(found.id, verdict.state.value, seed))
    show(_note(verdict, trouble))
    if os.environ.get(STRICT) and not verdict.correct:
        raise ExerciseFailed(f"{found.id}: {verdict.state}: {verdict.message}")


@_kindly
def hint(id: str, seed: int | None = None) -> None:
    """Shows the next hint; after the last one, the first again."""
    found = lessons.exercise(id)
    numbers = judging.given(found, seed)
    number = _hinted.get(found.id, 0) % len(found.hints)
    _hinted[found.id] = number + 1
    text = told(found.hints[number], numbers)
    show(Note("hint", text, f"Hint {number + 1} of {len(found.hints)}"))


@_kindly
def solution(id: str, seed: int | None = None) -> None:
    """Shows the answer and the way to it."""
    found = lessons.exercise(id)
    text = judging.solved(found, judging.given(found, seed))
    show(Note("solution", text, f"Solution {found.id}"))


class Task:
    """An exercise with its numbers, as `exercise` hands it out."""

    def __init__(self, exercise: Exercise, seed: int | None) -> None:
        self.given: Given = judging.given(exercise, seed)
        self.id, self.seed, self._exercise = exercise.id, seed, exercise

    def check(self, answer: object = ...) -> None:
        """As `check`, with these numbers."""
        check(self.id, answer, self.seed)

    def __str__(self) -> str:
        numbers = f" (numbers dealt by seed {self.seed})" if self.seed is not None else ""
        question = judging.asked(self._exercise, self.given)
        return f"Exercise {self.id}: {self._exercise.title}{numbers}\n{question}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        head, _, question = str(self).partition("\n")
        return f"**{head}**\n\n{question}"


@_kindly
def exercise(id: str, seed: int | None = None) -> Task:
    """The exercise `id`; with a `seed`, with fresh numbers, the same for everyone who gives it.

    `task.given` has the numbers by name; `task.check(answer)` checks.
    """
    return Task(lessons.exercise(id), seed)


@_kindly
def predict(id: str, guess: object = ...) -> None:
    """Records a guess; it is never marked, and `reveal` compares it later."""
    found = lessons.prediction(id)
    try:
        value = judging.read(found.kind, guess)
    except WrongKind as error:
        show(Note("wrong", sentence(error), "Not recorded"))
        return
    if value is ...:
        show(Note("open", "Put your guess in place of the dots.", f"{found.id} no guess yet"))
        return
    trouble = log.record(log.Attempt(found.id, log.PREDICTED, value=value))
    unit = f" {found.unit}" if found.unit else ""
    show(Note("predicted", f"You predict {found.kind.show(value)}{unit}. {trouble or ''}".strip()))


@_kindly
def reveal(id: str) -> None:
    """Shows the last guess beside the number; nothing before there is a guess."""
    found = lessons.prediction(id)
    try:
        guess = found.kind.read(log.guess(found.id))
    except WrongKind:
        text = f'First guess: `predict("{found.id}", ...)`. A guess is never marked.'
        show(Note("open", text, f"{found.id} no guess yet"))
        return
    right = found.kind.read(found.answer())
    unit = f" {found.unit}" if found.unit else ""
    text = f"It is **{found.kind.show(right)}**{unit}; you predicted {found.kind.show(guess)}"
    if isinstance(right, int | float) and isinstance(guess, int | float) and guess != right:
        text += f", {guess / right:.3g} times that" if right else ""
    show(Note("predicted", f"{text}. {found.remark}", "Predicted and found"))


def _note(verdict: Verdict, trouble: str | None) -> Note:
    message = verdict.message
    if verdict.state is State.not_attempted:
        message = "Put your answer in place of the dots."
    head = f"{verdict.exercise} {verdict.state}"
    return Note(LOOK_OF[verdict.state], " ".join(filter(None, (message, trouble))), head)
