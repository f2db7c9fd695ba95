"""What a lesson, an exercise, its mistakes and a verdict are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import SimpleNamespace
from typing import Any, Protocol

Given = SimpleNamespace
"""The numbers of an exercise, by name: those of the notebook, or freshly dealt ones."""
Text = str | Callable[[Given], str]
"""A template, `"... {kernel}x{kernel} ..."`, or a function of what is given. Markdown."""


def told(text: Text, given: Given) -> str:
    """`text` with the numbers of `given` in it."""
    return text(given) if callable(text) else text.format_map(vars(given))


class WrongKind(ValueError):
    """An answer that is no value of the kind that was asked for; the message is for the student."""


def sentence(error: Exception) -> str:
    """The message of a WrongKind or a LabError with its full stop; a question has its own mark."""
    return f"{error}" if f"{error}".endswith("?") else f"{error}."


class Kind(Protocol):
    """What sort of value answers an exercise (`kinds`)."""

    @property
    def expected(self) -> str:
        """As a noun with its article: "a whole number"."""

    def read(self, answer: object) -> Any:
        """The value that a student means by `answer`.

        Raises:
            WrongKind: it is none of this kind.
        """

    def same(self, value: Any, right: Any) -> bool:
        """Whether two values that were read are the same answer."""

    def show(self, value: Any) -> str:
        """A value as a sentence prints it."""

    def difference(self, value: Any, right: Any) -> str:
        """A sentence on where a wrong value goes wrong, that does not tell the right one."""


@dataclass(frozen=True)
class Mistake:
    """A typical error: the value that it leads to, and what to say about it."""

    value: Callable[[Given], Any]
    """An answer that this error gives; of a function exercise, a mutant of the function."""
    message: Text
    applies: Callable[[Given, Any], bool] | None = None
    """Whether an answer shows this error, where more than that one value does."""


@dataclass(frozen=True)
class Exercise:
    """One question, and everything that is needed to deal, judge and explain it."""

    id: str
    """`"2.3"`: the lesson and the place in it."""
    title: str
    question: Text
    kind: Kind
    unit: str
    """The unit and the convention of the answer: `"MACs"`, `"pixels"`; "" for an expression."""
    answer: Callable[[Given], Any]
    """Computed by the lab; of a function exercise, the slow and readable oracle."""
    mistakes: tuple[Mistake, ...]
    hints: tuple[Text, ...]
    solution: Text
    """The way to the answer, in words and numbers."""
    outcome: int
    """Which of the lesson's outcomes it shows: 1, 2 or 3."""
    minutes: int
    difficulty: int
    """1 (one formula) to 4 (design, or explain a discrepancy)."""
    config: tuple[str, ...] = ()
    """The registered networks whose tables it reads."""
    source: str = ""
    """Of every number that it quotes: paper and table."""
    given: Mapping[str, Any] = field(default_factory=dict)
    deal: Callable[[Random], Mapping[str, Any]] | None = None
    """Fresh numbers in place of `given`."""
    accepts: Callable[[Given, Any], bool] | None = None
    """Whether a value is right, where more than one is (a design)."""
    remark: Text = ""
    """What a right answer shows; said with the praise."""

    @property
    def dots(self) -> str:
        """Its difficulty: ●●○○."""
        return "●" * self.difficulty + "○" * (4 - self.difficulty)

    @property
    def effort(self) -> str:
        """`6 minutes · ●●○○ · in MACs`: with its difficulty and the unit of its answer."""
        unit = f" · in {self.unit}" if self.unit else ""
        return f"{self.minutes} minutes · {self.dots}{unit}"


@dataclass(frozen=True)
class Prediction:
    """A guess before the lesson: recorded, never marked, compared when the number is known."""

    id: str
    """`"2.a"`."""
    question: str
    kind: Kind
    unit: str
    answer: Callable[[], Any]
    remark: str
    """What to learn from how far off one was."""


@dataclass(frozen=True)
class Lesson:
    """One notebook: what stands at its head, and its exercises in order."""

    number: str
    title: str
    minutes: int
    prerequisites: tuple[str, ...]
    outcomes: tuple[str, str, str]
    """Each begins with a verb that can be seen being done: compute, predict, design, explain ..."""
    question: str
    """The core question of the lesson."""
    predictions: tuple[Prediction, ...]
    exercises: tuple[Exercise, ...]
    misconceptions: tuple[str, ...]
    """What students often believe, and what to say; for teachers."""
    discussion: str
    """One prompt for the class; for teachers."""


class State(StrEnum):
    """What became of an answer."""

    correct = "correct"
    not_yet = "not yet"
    not_attempted = "not attempted"
    wrong_kind = "wrong kind of value"


@dataclass(frozen=True)
class Verdict:
    """A state, and one message for the student."""

    exercise: str
    state: State
    message: str = ""

    @property
    def correct(self) -> bool:
        """Whether the answer was right."""
        return self.state is State.correct
