"""One source -> two notebooks: as a student gets it, and with every exercise solved.

A source is a Python file in jupytext's percent format. The tags of its code cells:

- `numbers`: run by the builder, and left out of both; what it defines can stand in the text as
  `{{ expression }}` or `{{ expression:,}}`, as in an f-string, so that no number is typed there.
- `exercise`: the student's to fill in; left out of the notebook with solutions.
- `solution`: what a student may write there; left out of the student's notebook.
- `hero`: the figure of the lesson.

In the text, `{{ head() }}`, `{{ exercise("2.3") }}` and `{{ prediction("2.a") }}` stand for what
the lesson declares.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, Literal

from mobilenet_lab.course.sources import notebooks, sources
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.exercises import judging, lessons
from mobilenet_lab.exercises.records import Lesson

Version = Literal["student", "solutions"]
DROPPED: dict[Version, frozenset[str]] = {
    "student": frozenset(("numbers", "solution")),
    "solutions": frozenset(("numbers", "exercise")),
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def build(source: Path, version: Version) -> str:
    """The notebook as JSON, without outputs, the same each time.

    Raises:
        MissingPackageError: jupytext is not installed.
        LabError: an expression in the text cannot be worked out.
    """
    try:
        import jupytext
        import nbformat
    except ImportError:
        raise MissingPackageError("jupytext", "course", "building notebooks") from None
    read = jupytext.read(source)
    number = source.name.split("_")[0].lstrip("0")
    lesson = lessons.lesson(number)
    names = _names(lesson, version)
    for cell in read.cells:
        if "numbers" in _tags(cell):
            exec(compile(cell.source, str(source), "exec"), names)
    cells, ids = [], set[str]()
    for cell in read.cells:
        if _tags(cell) & DROPPED[version]:
            continue
        text = cell.source
        if cell.cell_type == "markdown":
            text = _filled(text, names, source)
        make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        metadata = {"tags": sorted(_tags(cell))} if _tags(cell) else {}
        cells.append(make(text, id=_id(text, ids), metadata=metadata))
    notebook: Any = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=cells,
        metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}, "title": lesson.title},
    )
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook, version=nbformat.NO_CONVERT)}\n"  # type: ignore[no-untyped-call]


def _names(lesson: Lesson, version: Version) -> dict[str, Any]:
    """What the text of a source may call."""
    solved = version == "solutions"

    def exercise(id: str) -> str:
        return _exercise(id, solved)

    return {"head": lambda: _head(lesson), "exercise": exercise, "prediction": _prediction}


def _head(lesson: Lesson) -> str:
    outcomes = "\n".join(f"{place}. {text}" for place, text in enumerate(lesson.outcomes, 1))
    before = "; ".join(lesson.prerequisites) or "nothing"
    return (
        f"# {lesson.number} · {lesson.title}\n\n"
        f"*{lesson.minutes} minutes · needs: {before}*\n\n"
        f"When you have worked through this, you can\n\n{outcomes}\n\n"
        f"**The question:** {lesson.question}"
    )


def _exercise(id: str, solved: bool) -> str:
    found = lessons.exercise(id)
    numbers = judging.given(found)
    text = (
        f"### Exercise {found.id} · {found.title}\n\n"
        f"*{found.effort}*\n\n{judging.asked(found, numbers)}"
    )
    if found.source:
        text += f"\n\n*Source: {found.source}.*"
    if solved:
        return f"{text}\n\n**Solution.** {judging.solved(found, numbers)}"
    return f'{text}\n\n*Stuck? Run `hint("{found.id}")`, then `solution("{found.id}")`.*'


def _prediction(id: str) -> str:
    found = lessons.prediction(id)
    return f"**Predict {found.id}.** {found.question}"


def _filled(text: str, names: dict[str, Any], source: Path) -> str:
    """`text` with each `{{ expression:format }}` worked out, as an f-string does it."""

    def value(match: re.Match[str]) -> str:
        try:
            return str(eval(f"f'''{{{match[1].strip()}}}'''", names))
        except Exception as error:
            raise LabError(f"{source.name}: {match[0]}: {type(error).__name__}: {error}") from None

    return re.sub(r"\{\{(.+?)\}\}", value, text, flags=re.DOTALL)


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def _id(text: str, taken: set[str]) -> str:
    """An id that follows from the cell's text alone, so that an edit changes no other cell's."""
    copy = 0
    while (found := hashlib.sha256(f"{copy} {text}".encode()).hexdigest()[:12]) in taken:
        copy += 1
    taken.add(found)
    return found


def main() -> None:
    """Rebuilds the committed notebooks: `python -m mobilenet_lab.course.building`."""
    places = notebooks()
    for number, source in sources().items():
        places[number].write_text(build(source, "student"), "utf-8")


if __name__ == "__main__":
    main()
