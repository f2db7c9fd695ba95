"""`progress`: what a student has done, read off the record of attempts."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from mobilenet_lab.exercises import lessons, log
from mobilenet_lab.exercises.records import Exercise, State
from mobilenet_lab.reports.table import Column, Table

TRIES = (State.correct.value, State.not_yet.value, State.wrong_kind.value)
"""States of an attempt at which something was answered."""
BEGIN = (
    "Nothing is done yet. mobilenet-lab notebooks copies the course into a folder, "
    "mobilenet-lab exercise 1.1 begins here."
)


class LessonProgress(NamedTuple):
    """What is done of one lesson."""

    number: str
    title: str
    exercises: int
    done: int
    """Exercises that were answered rightly once, with whatever numbers."""
    attempted: int
    """Exercises that were answered, and never rightly."""
    tries: int
    last: str | None
    """The day when something was answered or predicted last: "2026-03-01", in local time."""


class ExerciseProgress(NamedTuple):
    """What is done of one exercise."""

    id: str
    title: str
    state: str
    """correct, not yet or not attempted."""
    tries: int
    seeds: tuple[int, ...]
    """Seeds of the numbers that were answered rightly, besides the notebook's."""
    last: str | None
    """When it was answered last: "2026-03-01 14:05", in local time."""


LESSONS = (
    Column("number", "lesson", "text", lambda row: row.number),
    Column("title", "title", "prose", lambda row: row.title),
    Column("done", "done", "count", lambda row: row.done, "answered rightly"),
    Column("exercises", "of", "count", lambda row: row.exercises),
    Column("attempted", "not yet", "count", lambda row: row.attempted, "tried, not yet right"),
    Column("tries", "tries", "count", lambda row: row.tries),
    Column("last", "last", "text", lambda row: row.last, "day of the last activity"),
)
EXERCISES = (
    Column("id", "exercise", "text", lambda row: row.id),
    Column("title", "title", "prose", lambda row: row.title),
    Column("state", "state", "text", lambda row: row.state),
    Column("tries", "tries", "count", lambda row: row.tries),
    Column(
        "seeds",
        "seeds",
        "text",
        lambda row: ", ".join(map(str, row.seeds)) or None,
        "right with the numbers of these",
    ),
    Column("last", "last try", "text", lambda row: row.last),
)


def progress(lesson: str | None = None) -> Table:
    """The lessons, and how many of their exercises are done; or the exercises of one lesson.

    Raises:
        UnknownNameError: there is no such lesson.
        LabError: the record is there and cannot be read.
    """
    record = log.read()
    if lesson is None:
        return _all_lessons(record)
    found = lessons.lesson(lesson)
    rows = tuple(_exercise(each, record.attempts) for each in found.exercises)
    done = sum(row.state == State.correct.value for row in rows)
    return Table(
        f"Lesson {found.number}: {found.title}",
        EXERCISES,
        rows,
        subtitle=f"{done} of {len(rows)} exercises done",
        notes=_notes(record),
        facts=_facts(record) | {"lesson": found.number},
    )


def _all_lessons(record: log.Record) -> Table:
    rows = tuple(_lesson(number, record.attempts) for number in lessons.LESSONS)
    total = LessonProgress(
        "total",
        "",
        sum(row.exercises for row in rows),
        sum(row.done for row in rows),
        sum(row.attempted for row in rows),
        sum(row.tries for row in rows),
        max((row.last for row in rows if row.last), default=None),
    )
    return Table(
        "Progress",
        LESSONS,
        rows,
        total=total,
        subtitle=f"{total.done} of {total.exercises} exercises done",
        notes=_notes(record),
        facts=_facts(record),
    )


def _lesson(number: str, attempts: Iterable[log.Attempt]) -> LessonProgress:
    found = lessons.lesson(number)
    mine = [each for each in attempts if each.exercise.startswith(f"{number}.")]
    rows = [_exercise(each, mine) for each in found.exercises]
    return LessonProgress(
        number,
        found.title,
        len(rows),
        sum(row.state == State.correct.value for row in rows),
        sum(row.state == State.not_yet.value for row in rows),
        sum(row.tries for row in rows),
        _last((each for each in mine if each.state in (*TRIES, log.PREDICTED)), "%Y-%m-%d"),
    )


def _exercise(exercise: Exercise, attempts: Iterable[log.Attempt]) -> ExerciseProgress:
    tries = [each for each in attempts if each.exercise == exercise.id and each.state in TRIES]
    right = [each for each in tries if each.state == State.correct.value]
    state = State.correct if right else State.not_yet if tries else State.not_attempted
    return ExerciseProgress(
        exercise.id,
        exercise.title,
        state.value,
        len(tries),
        tuple(sorted({each.seed for each in right if each.seed is not None})),
        _last(tries, "%Y-%m-%d %H:%M"),
    )


def _last(attempts: Iterable[log.Attempt], form: str) -> str | None:
    times = [datetime.fromisoformat(each.at).astimezone() for each in attempts]
    return max(times).strftime(form) if times else None


def _notes(record: log.Record) -> tuple[str, ...]:
    notes = [] if record.attempts else [BEGIN]
    if record.damaged:
        lines = "1 line" if record.damaged == 1 else f"{record.damaged} lines"
        notes.append(f"{lines} of {log.file()} cannot be read, and passed over.")
    return tuple(notes)


def _facts(record: log.Record) -> dict[str, object]:
    return {"file": str(log.file()), "damaged_lines": record.damaged}
