"""What a notebook must pass: each gate hands back the flaws that it found, none if there are none.

They are tried on every notebook (test_notebooks.py) and on deliberately broken ones
(test_gates.py).
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient.exceptions import CellExecutionError

from mobilenet_lab.course import running
from mobilenet_lab.exercises import judging
from mobilenet_lab.exercises.kinds import Expression, Function
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, State, told
from mobilenet_lab.registry import NETWORKS

VERBS = (
    *("choose", "compare", "compute", "count", "demonstrate", "derive", "design", "diagnose"),
    *("distinguish", "explain", "find", "locate", "measure", "name", "predict", "rank", "read"),
    *("recognise", "repair", "settle", "show", "sketch", "test", "trace", "train", "write"),
)
"""What can be seen being done; nobody can be seen understanding."""
SECTIONS = (
    *("Predict", "The idea", "The picture", "Exercises"),
    *("What this does not tell you", "Summary", "Read on"),
)
LARGEST = 100_000
"""Bytes of a notebook without outputs."""


def rebuilt(committed: str, built: str) -> list[str]:
    """The committed notebook is what its source gives."""
    if committed == built:
        return []
    lines = zip([*committed.splitlines(), ""], [*built.splitlines(), ""], strict=False)
    first = next((pair for pair in lines if pair[0] != pair[1]), ("", ""))
    return [f"out of date: {first[0].strip()!r}, and the source gives {first[1].strip()!r}"]


def shape(notebook: str) -> list[str]:
    """Valid, small, no outputs, an id for each cell."""
    cells = json.loads(notebook)["cells"]
    flaws = [
        f"has outputs: {cell['source'][:1]}"
        for cell in cells
        if cell.get("outputs") or cell.get("execution_count")
    ]
    if len(notebook.encode()) > LARGEST:
        flaws.append(f"larger than {LARGEST:,} bytes")
    if len({cell.get("id") for cell in cells}) < len(cells):
        flaws.append("two cells have one id")
    else:
        try:
            nbformat.validate(nbformat.reads(notebook, as_version=4))
        except nbformat.ValidationError as error:
            flaws.append(f"not valid: {error.message}")
    return flaws


def spine(lesson: Lesson, notebook: str) -> list[str]:
    """The parts that each notebook has, in their order."""
    flaws = []
    text = _text(notebook)
    places = [text.find(f"\n## {section}\n") for section in SECTIONS]
    flaws += [f"no section {s!r}" for s, p in zip(SECTIONS, places, strict=True) if p < 0]
    if places != sorted(places):
        flaws.append("the sections are in another order")
    flaws += [f"the head lacks {part!r}" for part in _head(lesson) if part not in text]
    for outcome in lesson.outcomes:
        if outcome.split()[0] not in VERBS:
            flaws.append(f"outcome {outcome!r} does not begin with something that can be seen")
    if not 35 <= lesson.minutes <= 45:
        flaws.append(f"{lesson.minutes} minutes, not 35 to 45")
    if sum(e.minutes for e in lesson.exercises) > lesson.minutes:
        flaws.append("the exercises alone take longer than the lesson")
    if not 3 <= len(lesson.exercises) <= 5 and lesson.number != "E":
        flaws.append(f"{len(lesson.exercises)} exercises, not 3 to 5")
    if {e.outcome for e in lesson.exercises} != {1, 2, 3}:
        flaws.append("an outcome that no exercise shows")
    flaws += [
        f"{e.id} reads {name!r}, which is not registered"
        for e in lesson.exercises
        for name in e.config
        if name not in NETWORKS
    ]
    difficulties = [e.difficulty for e in lesson.exercises]
    if min(difficulties) > 2 or max(difficulties) < 3 or not set(difficulties) <= {1, 2, 3, 4}:
        flaws.append("the exercises do not lead from easy to design or explain")
    for name, entries in (
        ("prediction", lesson.predictions),
        ("misconception", lesson.misconceptions),
        ("discussion prompt", lesson.discussion),
        ("prerequisite", lesson.prerequisites),
    ):
        if not entries:
            flaws.append(f"no {name}")
    heroes = [cell for cell in _cells(notebook) if "hero" in _tags(cell)]
    if not any("draw." in cell.source for cell in heroes):
        flaws.append("no hero figure drawn by the package")
    return flaws


def used(lesson: Lesson, notebook: str) -> list[str]:
    """Each exercise and prediction of the lesson is asked and checked once, and no other."""
    flaws = []
    stubs = "\n".join(c.source for c in _cells(notebook) if "exercise" in _tags(c))
    code = "\n".join(c.source for c in _cells(notebook) if c.cell_type == "code")
    text = _text(notebook)
    for call, ids, asked in (
        ("check", [e.id for e in lesson.exercises], "### Exercise {} ·"),
        ("predict", [p.id for p in lesson.predictions], "**Predict {}.**"),
    ):
        found = re.findall(rf'^{call}\("([^"]+)"', stubs, re.MULTILINE)
        if found != ids:
            flaws.append(f"{call} is called for {found}; the lesson has {ids}")
        flaws += [f"{id} is not asked" for id in ids if asked.format(id) not in text]
    revealed = re.findall(r'^reveal\("([^"]+)"', code, re.MULTILINE)
    if Counter(revealed) != Counter(p.id for p in lesson.predictions):
        flaws.append(f"reveal is called for {revealed}")
    return flaws


def typed_numbers(source: str) -> list[str]:
    """Numbers in the text come from the lab: none of four digits is typed, but for years."""
    flaws = []
    for cell in jupytext.reads(source, fmt="py:percent").cells:
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"\{\{.+?\}\}", "", cell.source.split("## Read on")[0], flags=re.DOTALL)
        for number in re.findall(r"\d[\d,_.]*\d(?:\s?[MGkK]\b)?|\d\s?[MG]\b", text):
            digits = re.sub(r"\D", "", number)
            year = re.fullmatch(r"(19|20)\d\d", number)
            if (len(digits) >= 4 and not year) or re.search(r"\s?[MG]$", number):
                flaws.append(f"typed: {number!r}")
    return flaws


def hidden(lesson: Lesson, source: str, notebook: str) -> list[str]:
    """No solution, and no answer, stands in a student's notebook."""
    flaws = []
    read = jupytext.reads(source, fmt="py:percent").cells
    open_lines = {
        line.strip()
        for cell in read
        if not {"solution", "numbers"} & _tags(cell)
        for line in cell.source.splitlines()
    }
    student = [cell.source for cell in _cells(notebook)]
    shown = {line.strip() for text in student for line in text.splitlines()}
    for cell in read:
        if "solution" in _tags(cell):
            lines = {line.strip() for line in cell.source.splitlines() if len(line.strip()) > 12}
            flaws += [f"a line of a solution: {s!r}" for s in sorted(lines & shown - open_lines)]
    if any("solution" in _tags(cell) for cell in _cells(notebook)):
        flaws.append("a cell with the tag solution")
    everything = "\n".join(student)
    if "**Solution.**" in everything:
        flaws.append("a solution in words")
    stubs = [cell.source for cell in _cells(notebook) if "exercise" in _tags(cell)]
    flaws += [f"a cell to fill in without dots: {s!r}" for s in stubs if "..." not in s]
    for exercise in lesson.exercises:
        for answer in _written(exercise):
            if re.search(rf"(?<![\d,.]){re.escape(answer)}(?![\d]|,\d|\.\d)", everything):
                flaws.append(f"the answer of {exercise.id}: {answer}")
    return flaws


def _written(exercise: Exercise) -> set[str]:
    """How an answer could be written, if it is long enough to be no accident."""
    if isinstance(exercise.kind, Function):
        return set()
    numbers = judging.given(exercise)
    value = exercise.kind.read(exercise.answer(numbers))
    if isinstance(exercise.kind, Expression):
        text = str(value)
        return {text, text.replace(" ", "")} if len(text) > 8 else set()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    whole = [n for n in (*parts, value) if isinstance(n, int) and n >= 1000]
    asked = {int(n) for n in re.findall(r"\d+", told(exercise.question, numbers).replace(",", ""))}
    quoted = {int(n) for n in vars(numbers).values() if isinstance(n, int)} | asked
    return {form for n in whole if n not in quoted for form in (str(n), f"{n:,}", f"{n:_}")}


def mistakes(lesson: Lesson, seeds: int = 5) -> list[str]:
    """Two or more diagnosed errors in each exercise, each with its own message; mutants fail."""
    flaws = []
    for exercise in lesson.exercises:
        if len(exercise.mistakes) < 2:
            flaws.append(f"{exercise.id} diagnoses {len(exercise.mistakes)} mistakes, not two")
        if not exercise.hints:
            flaws.append(f"{exercise.id} has no hint")
        dealt = range(seeds) if exercise.deal else ()
        for seed in (None, *dealt):
            try:
                numbers = judging.given(exercise, seed)
            except AssertionError as error:
                flaws.append(str(error))
                break
            flaws += [f"{exercise.id}, seed {seed}: {f}" for f in _misjudged(exercise, numbers)]
    return flaws


def _misjudged(exercise: Exercise, numbers: Given) -> list[str]:
    flaws = []
    right = judging.judge(exercise, exercise.answer(numbers), numbers)
    if not right.correct:
        flaws.append(f"the right answer is {right.state}: {right.message}")
    messages = [told(mistake.message, numbers) for mistake in exercise.mistakes]
    if len(set(messages)) < len(messages):
        flaws.append("two mistakes say the same")
    for mistake, message in zip(exercise.mistakes, messages, strict=True):
        verdict = judging.judge(exercise, mistake.value(numbers), numbers)
        if verdict.state is not State.not_yet or verdict.message != message:
            flaws.append(f"{message!r} is told as {verdict.state}: {verdict.message!r}")
    texts = [told(text, numbers) for text in (exercise.question, *exercise.hints)]
    if not all((*texts, judging.solved(exercise, numbers))):
        flaws.append("a text is empty")
    return flaws


@dataclass
class Run:
    """A notebook that was run in a fresh interpreter."""

    notebook: Any
    error: str
    attempts: list[dict[str, Any]]


def run(notebook: str, strict: bool) -> Run:
    """Runs every cell in a new kernel, in an empty folder, with its own record of attempts."""
    read = nbformat.reads(notebook, as_version=4)
    with TemporaryDirectory() as folder:
        error = ""
        try:
            running.run(read, Path(folder), strict)
        except CellExecutionError as stopped:
            error = str(stopped)
        recorded = Path(folder, "attempts.jsonl")
        lines = recorded.read_text("utf-8").splitlines() if recorded.exists() else []
    return Run(read, error, [json.loads(line) for line in lines])


def as_shipped(lesson: Lesson, run: Run) -> list[str]:
    """A student who fills in nothing comes to the end; nothing is attempted, nothing is right."""
    flaws = [f"stops: {run.error}"] if run.error else []
    found = {attempt["exercise"]: attempt["state"] for attempt in run.attempts}
    for exercise in lesson.exercises:
        state = found.get(exercise.id, "not checked")
        if state != State.not_attempted.value:
            flaws.append(f"{exercise.id} is {state} as shipped")
    flaws += [f"{id} is predicted" for id, state in found.items() if state == "predicted"]
    return flaws


def solved(lesson: Lesson, run: Run) -> list[str]:
    """The notebook with solutions passes each exercise, and its hero figure has a description."""
    flaws = [f"stops: {run.error}"] if run.error else []
    found = {attempt["exercise"]: attempt["state"] for attempt in run.attempts}
    for exercise in lesson.exercises:
        state = found.get(exercise.id, "not checked")
        if state != State.correct.value:
            flaws.append(f"{exercise.id} is {state} with its solution")
    flaws += [
        f"{prediction.id} is not predicted"
        for prediction in lesson.predictions
        if found.get(prediction.id) != "predicted"
    ]
    for cell in run.notebook.cells:
        if "hero" in _tags(cell) and not run.error and not _described(cell):
            flaws.append("the hero figure shows no picture with a description")
    return flaws


def _described(cell: Any) -> bool:
    for output in cell.get("outputs", ()):
        html = output.get("data", {}).get("text/html", "")
        if re.search(r'<img[^>]+alt="[^"]{20,}"', html) or ("<svg" in html and "<desc" in html):
            return True
    return False


def _head(lesson: Lesson) -> list[str]:
    return [
        f"# {lesson.number} · {lesson.title}",
        f"{lesson.minutes} minutes",
        *lesson.prerequisites,
        *lesson.outcomes,
        lesson.question,
    ]


def _cells(notebook: str) -> list[Any]:
    return list(nbformat.reads(notebook, as_version=4).cells)


def _text(notebook: str) -> str:
    cells = [cell.source for cell in _cells(notebook) if cell.cell_type == "markdown"]
    return "\n" + "\n\n".join(cells) + "\n"


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))
