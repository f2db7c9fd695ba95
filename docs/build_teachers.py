"""What the pages of the course say of each lesson, made from its declarations.

`python docs/build_teachers.py` fills the parts of docs/course.md and docs/teachers.md that stand
between two marks; the rest of them is written by hand. With `--check` nothing is written: a page
whose part is stale is named, and the exit code is 1.
"""

import argparse
import sys
from pathlib import Path

from mobilenet_lab.exercises import judging, lessons
from mobilenet_lab.exercises.kinds import TRIALS, Function
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Prediction, told

DOCS = Path(__file__).resolve().parent
BEGIN = "<!-- Made by docs/build_teachers.py from the lessons; not to be edited here. -->"
END = "<!-- Until here. -->"


def course() -> str:
    """The lessons with their questions, minutes and outcomes."""
    parts = []
    for number in lessons.LESSONS:
        lesson = lessons.lesson(number)
        parts.append(
            f"### [{number} · {lesson.title}]({_notebook(number)})\n\n"
            f"*{lesson.minutes} minutes · needs: {'; '.join(lesson.prerequisites)}*\n\n"
            f"**{lesson.question}** Afterwards you can\n\n{_list(lesson.outcomes)}"
        )
    return "\n\n".join(parts)


def teachers() -> str:
    """Timing, answers, mistakes and prompts of each lesson."""
    found = [lessons.lesson(number) for number in lessons.LESSONS]
    minutes = sum(lesson.minutes for lesson in found)
    exercises = [exercise for lesson in found for exercise in lesson.exercises]
    diagnosed = sum(len(exercise.mistakes) for exercise in exercises)
    total = (
        f"{len(found)} lessons, {minutes / 60:.0f} hours; {len(exercises)} exercises, of which "
        f"{sum(e.deal is not None for e in exercises)} deal fresh numbers; {diagnosed} mistakes "
        f"that are diagnosed."
    )
    return "\n\n".join([total, *map(_lesson, found)])


def _lesson(lesson: Lesson) -> str:
    exercises = sum(exercise.minutes for exercise in lesson.exercises)
    return "\n\n".join(
        [
            f"## {lesson.number} · {lesson.title}",
            f"**{lesson.question}** [The notebook]({_notebook(lesson.number)}): {lesson.minutes} "
            f"minutes, {exercises} of them for the exercises. It needs: "
            f"{'; '.join(lesson.prerequisites)}.",
            f"Outcomes:\n\n{_list(lesson.outcomes)}",
            _timing(lesson),
            "Misconceptions:\n\n" + "\n".join(f"- {text}" for text in lesson.misconceptions),
            f"To discuss: {lesson.discussion}",
            *map(_prediction, lesson.predictions),
            *map(_exercise, lesson.exercises),
        ]
    )


def _list(outcomes: tuple[str, ...]) -> str:
    return "\n".join(f"{place}. {text}" for place, text in enumerate(outcomes, 1))


def _timing(lesson: Lesson) -> str:
    lines = [
        "| exercise | | outcome | minutes | difficulty | fresh numbers |",
        "|---|---|---:|---:|---|---|",
    ]
    for exercise in lesson.exercises:
        fresh = "yes" if exercise.deal else ""
        lines.append(
            f"| {exercise.id} | {exercise.title} | {exercise.outcome} | {exercise.minutes} "
            f"| {exercise.dots} | {fresh} |"
        )
    return "\n".join(lines)


def _prediction(prediction: Prediction) -> str:
    right = prediction.kind.show(prediction.kind.read(prediction.answer()))
    unit = f" {prediction.unit}" if prediction.unit else ""
    return (
        f"### Predict {prediction.id}\n\n{prediction.question}\n\n"
        f"It is **{right}**{unit}. {prediction.remark}"
    )


def _exercise(exercise: Exercise) -> str:
    numbers = judging.given(exercise)
    unit = f" In {exercise.unit}." if exercise.unit else ""
    parts = [
        f"### {exercise.id} · {exercise.title}",
        f"{judging.asked(exercise, numbers)}{unit}",
        f"**Answer.** {_answer(exercise)}{judging.solved(exercise, numbers)}",
        _mistakes(exercise, numbers),
    ]
    if exercise.config:
        parts.insert(3, f"It reads {', '.join(f'`{name}`' for name in exercise.config)}.")
    if exercise.source:
        parts.insert(3, f"Source: {exercise.source}.")
    return "\n\n".join(parts)


def _answer(exercise: Exercise) -> str:
    if isinstance(exercise.kind, Function):
        return f"A function, tried on {TRIALS} random cases. "
    return "One of several that are right: " if exercise.accepts else ""


def _mistakes(exercise: Exercise, numbers: Given) -> str:
    """The answers that are diagnosed, and what is said; of functions, only what is said."""
    said = [told(mistake.message, numbers) for mistake in exercise.mistakes]
    if isinstance(exercise.kind, Function):
        return "Functions that are diagnosed are told:\n\n" + "\n".join(f"- {t}" for t in said)
    lines = ["| an answer | what is said |", "|---|---|"]
    for mistake, message in zip(exercise.mistakes, said, strict=True):
        shown = exercise.kind.show(exercise.kind.read(mistake.value(numbers)))
        shown = f"`{shown}`" if "*" in shown else shown
        such = "such as " if mistake.applies else ""
        lines.append(f"| {such}{_cell(shown)} | {_cell(message)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _notebook(number: str) -> str:
    return f"../notebooks/{lessons.notebook_name(number)}.ipynb"


PARTS = {"course.md": course, "teachers.md": teachers}


def filled(text: str, part: str) -> str:
    """The page with `part` between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"a page without the marks {BEGIN} and {END}")
    return f"{before}{begin}\n\n{part}\n\n{end}{after}"


def stale(folder: Path = DOCS) -> list[str]:
    """The pages whose part is not what the lessons give."""
    found = []
    for name, part in PARTS.items():
        text = (folder / name).read_text("utf-8")
        if filled(text, part()) != text:
            found.append(name)
    return found


def main(arguments: list[str] | None = None, folder: Path = DOCS) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if pages are stale")
    if not parser.parse_args(arguments).check:
        for name, part in PARTS.items():
            page = folder / name
            page.write_text(filled(page.read_text("utf-8"), part()), "utf-8")
    found = stale(folder)
    for name in found:
        print(f"{name} is stale", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
