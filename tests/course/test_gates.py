"""Each gate is tried on deliberately broken notebooks and lessons, and must reject them."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import nbformat
import pytest
from course import gates

from mobilenet_lab.course.building import build
from mobilenet_lab.course.sources import sources
from mobilenet_lab.errors import LabError
from mobilenet_lab.exercises.lessons import lesson
from mobilenet_lab.exercises.records import Exercise, Lesson, Mistake

LESSON = lesson("1")
SOURCE = sources()["1"].read_text("utf-8")


@cache
def built(version: str) -> str:
    return build(sources()["1"], version)


STUDENT = built("student")


def changed(
    change: Callable[[list[Any]], None], version: str = "student", keep: tuple[str, ...] = ()
) -> str:
    """The notebook after `change` of its cells; with `keep`, code that has none of these goes."""
    notebook = nbformat.reads(built(version), as_version=4)
    if keep:
        notebook.cells = [
            cell
            for cell in notebook.cells
            if cell.cell_type == "code" and any(word in cell.source for word in (*keep, "import"))
        ]
    change(notebook.cells)
    return json.dumps(notebook)  # nbformat's writer would mend what is broken


def cell(cells: list[Any], part: str) -> Any:
    """The one cell that has `part` in it."""
    (found,) = [each for each in cells if part in each.source]
    return found


def put(part: str, old: str, new: str) -> Callable[[list[Any]], None]:
    """Replaces `old` by `new` in the cell that has `part`."""

    def change(cells: list[Any]) -> None:
        found = cell(cells, part)
        assert old in found.source
        found.source = found.source.replace(old, new)

    return change


def without(part: str) -> Callable[[list[Any]], None]:
    def change(cells: list[Any]) -> None:
        cells.remove(cell(cells, part))

    return change


def exercises(change: Callable[[Exercise], Exercise]) -> Lesson:
    """Lesson 1 with its first exercise changed."""
    first, *others = LESSON.exercises
    return replace(LESSON, exercises=(change(first), *others))


def test_an_edit_of_a_built_notebook_is_seen() -> None:
    assert gates.rebuilt(STUDENT, STUDENT) == []
    (flaw,) = gates.rebuilt(STUDENT.replace("Before any formula", "After any formula"), STUDENT)
    assert "After any formula" in flaw
    assert gates.rebuilt(STUDENT + "\n", STUDENT)
    assert gates.rebuilt("", STUDENT)


def with_output(cells: list[Any]) -> None:
    found = cell(cells, 'print(f"{side}×{side} pos')
    found.outputs = [nbformat.v4.new_output("stream", text="done")]


def with_count(cells: list[Any]) -> None:
    cell(cells, 'print(f"{side}×{side} pos').execution_count = 3


def with_a_copied_id(cells: list[Any]) -> None:
    cells[1].id = cells[2].id


def too_long(cells: list[Any]) -> None:
    cells[0].source += "x" * gates.LARGEST


@pytest.mark.parametrize("change", [with_output, with_count, with_a_copied_id, too_long])
def test_outputs_and_copied_ids_are_seen(change: Callable[[list[Any]], None]) -> None:
    assert gates.shape(STUDENT) == []
    assert gates.shape(changed(change))


@pytest.mark.parametrize("section", gates.SECTIONS)
def test_a_missing_section_is_seen(section: str) -> None:
    flaws = gates.spine(LESSON, STUDENT.replace(f"## {section}\\n", "## Else\\n"))
    assert any(section in flaw for flaw in flaws)


def swapped(cells: list[Any]) -> None:
    first, second = cell(cells, "## The idea"), cell(cells, "## The picture")
    first.source, second.source = second.source, first.source


@pytest.mark.parametrize(
    "change",
    [
        swapped,
        without('lab.draw.costs("vgg16"'),
        put('lab.draw.costs("vgg16"', "lab.draw.costs", "print"),
        put("40 minutes", "40 minutes", "some minutes"),
        put("40 minutes", LESSON.outcomes[1], "understand networks"),
        put("40 minutes", LESSON.question, ""),
    ],
)
def test_a_broken_spine_is_seen(change: Callable[[list[Any]], None]) -> None:
    assert gates.spine(LESSON, STUDENT) == []
    assert gates.spine(LESSON, changed(change))


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": 20},
        {"minutes": 60},
        {"outcomes": ("understand convolutions", *LESSON.outcomes[1:])},
        {"exercises": LESSON.exercises[:2]},
        {"exercises": LESSON.exercises * 2},
        {"exercises": tuple(replace(e, config=("vgg61",)) for e in LESSON.exercises)},
        {"exercises": tuple(replace(e, outcome=1) for e in LESSON.exercises)},
        {"exercises": tuple(replace(e, difficulty=4) for e in LESSON.exercises)},
        {"exercises": tuple(replace(e, difficulty=1) for e in LESSON.exercises)},
        {"exercises": tuple(replace(e, minutes=10) for e in LESSON.exercises)},
        {"predictions": ()},
        {"misconceptions": ()},
        {"discussion": ""},
        {"prerequisites": ()},
    ],
)
def test_a_lesson_that_is_not_whole_is_seen(change: dict[str, Any]) -> None:
    new = replace(LESSON, **change)
    head = {"40 minutes": f"{new.minutes} minutes", LESSON.outcomes[0]: new.outcomes[0]}
    text = STUDENT
    for old, other in head.items():
        text = text.replace(old, other)
    flaws = gates.spine(new, text)
    assert flaws
    assert not any("the head lacks" in flaw for flaw in flaws)


@pytest.mark.parametrize(
    "change",
    [
        put('check("1.2"', 'check("1.2"', 'check("1.3"'),
        put('check("1.2"', 'check("1.2", (params, macs, flops))', ""),
        put('check("1.2"', 'check("1.2"', 'check("9.9"'),
        put("### Exercise 1.2", "### Exercise 1.2 ·", "### An exercise"),
        put('predict("1.a"', 'predict("1.a", ...)', ""),
        put('reveal("1.b"', 'reveal("1.b")', ""),
        put('reveal("1.b"', 'reveal("1.b")', 'reveal("1.b")\nreveal("1.b")'),
        put("**Predict 1.a.**", "**Predict 1.a.**", ""),
    ],
)
def test_an_exercise_that_is_not_used_is_seen(change: Callable[[list[Any]], None]) -> None:
    assert gates.used(LESSON, STUDENT) == []
    assert gates.used(LESSON, changed(change))


@pytest.mark.parametrize(
    "text", ["138,357,544", "15470264320", "4096", "138.4 M", "138 M", "15.5 G", "1_000_000", "3M"]
)
def test_a_typed_number_is_seen(text: str) -> None:
    assert gates.typed_numbers(SOURCE) == []
    assert gates.typed_numbers(SOURCE.replace("Two different pictures", f"{text} pictures", 1))


@pytest.mark.parametrize("text", ["in 2015", "224", "3 × 3", "{{ 4096 }}", "1x1"])
def test_a_small_number_or_a_year_is_none(text: str) -> None:
    assert gates.typed_numbers(SOURCE.replace("Two different", f"{text} different", 1)) == []


@pytest.mark.parametrize(
    "change",
    [
        put("side = ...", "side = ...", "# side = (55 - 1) * 4 + 11"),
        put("**The question:**", "**The question:**", "924,844,032 and"),
        put("**The question:**", "**The question:**", "924844032 and"),
        put("flops = ...", "flops = ...", "flops = ...  # 1_849_688_064"),
        put("### Exercise 1.2", "*Stuck?", "**Solution.** Think. *Stuck?"),
        put("side = ...", "side = ...", "side = 220"),
    ],
)
def test_a_solution_in_a_student_notebook_is_seen(change: Callable[[list[Any]], None]) -> None:
    assert gates.hidden(LESSON, SOURCE, STUDENT) == []
    assert gates.hidden(LESSON, SOURCE, changed(change))


def test_a_line_of_a_solution_beside_the_dots_is_seen() -> None:
    change = put("side = ...", "side = ...", "side = ...\nside = (55 - 1) * 4 + 11")
    (flaw,) = gates.hidden(LESSON, SOURCE, changed(change))
    assert "a line of a solution" in flaw


def test_the_notebook_with_solutions_is_no_student_notebook() -> None:
    flaws = gates.hidden(LESSON, SOURCE, built("solutions"))
    assert any("tag solution" in flaw for flaw in flaws)
    assert any("in words" in flaw for flaw in flaws)
    assert any("924,844,032" in flaw for flaw in flaws)


RIGHT = LESSON.exercises[0].answer


@pytest.mark.parametrize(
    "change",
    [
        {"mistakes": LESSON.exercises[0].mistakes[:1]},
        {"hints": ()},
        {
            "mistakes": (*LESSON.exercises[0].mistakes, Mistake(RIGHT, "That is wrong.")),
            "deal": None,
        },
        {"mistakes": (*LESSON.exercises[0].mistakes, Mistake(RIGHT, "That is wrong."))},
        {"mistakes": (LESSON.exercises[0].mistakes[0],) * 2},
        {
            "mistakes": (
                LESSON.exercises[0].mistakes[0],
                Mistake(LESSON.exercises[0].mistakes[0].value, "Another message."),
            )
        },
        {"accepts": lambda g, value: False},
        {"question": ""},
        {"hints": ("",)},
        {"accepts": lambda g, value: True},
    ],
)
def test_a_mistake_without_its_own_message_is_seen(change: dict[str, Any]) -> None:
    assert gates.mistakes(LESSON) == []
    assert gates.mistakes(exercises(lambda first: replace(first, **change)))


def test_a_mistake_that_is_told_as_another_is_seen() -> None:
    first = LESSON.exercises[0]
    again = Mistake(first.mistakes[0].value, "Another message.")
    (flaw,) = gates.mistakes(
        replace(LESSON, exercises=(replace(first, mistakes=(*first.mistakes, again), deal=None),))
    )
    assert "'Another message.' is told as not yet" in flaw


def test_a_mutant_that_passes_is_seen() -> None:
    """A mutant that is right on every case, as a checker without such cases would let pass."""
    function = LESSON.exercises[3]
    same = Mistake(lambda g: function.answer(g), "Right, and called wrong.")
    broken = replace(function, mistakes=(*function.mistakes, same))
    flaws = gates.mistakes(replace(LESSON, exercises=(broken,)))
    assert len(flaws) == 1
    assert "Right, and called wrong." in flaws[0]
    assert "correct" in flaws[0]


def test_a_notebook_that_is_answered_as_shipped_is_seen() -> None:
    def change(cells: list[Any]) -> None:
        put("side = ...", "side = ...", "side = 227")(cells)
        put("params = ...", "(params, macs, flops)", "(1, 2, 3)")(cells)
        put("shares = ...", 'check("1.3", shares)', "")(cells)
        put('predict("1.a"', "...", "7")(cells)

    notebook = changed(change, keep=("check(", "predict(", "explore("))
    flaws = gates.as_shipped(LESSON, gates.run(notebook, strict=False))
    assert flaws == [
        "1.1 is correct as shipped",
        "1.2 is not yet as shipped",
        "1.3 is not checked as shipped",
        "1.a is predicted",
    ]


def test_a_notebook_that_stops_is_seen() -> None:
    change = put("side = ...", "side = ...", "side = ...\nside + 1")
    run = gates.run(changed(change, keep=("check(",)), strict=False)
    flaws = gates.as_shipped(LESSON, run)
    assert "TypeError" in flaws[0]
    assert "1.5 is not checked as shipped" in flaws


def test_a_solution_that_is_wrong_is_seen() -> None:
    change = put("side = (55", "+ 11", "+ 12")
    flaws = gates.solved(LESSON, gates.run(changed(change, "solutions", ("check(",)), strict=True))
    assert "ExerciseFailed" in flaws[0]
    assert "1.1 is not yet with its solution" in flaws


def test_a_solution_that_is_not_there_is_seen_and_a_picture_too() -> None:
    def change(cells: list[Any]) -> None:
        put("side = (55", 'check("1.1", side)', "")(cells)
        put('predict("1.b"', 'predict("1.b", 1_000_000_000)', "")(cells)
        put("lab.draw.costs", "lab.draw.costs(", "str(")(cells)
        put('str("vgg16"', ', of="params,macs"', "")(cells)

    notebook = changed(change, "solutions", ("check(", "predict(", "draw."))
    flaws = gates.solved(LESSON, gates.run(notebook, strict=True))
    assert flaws == [
        "1.1 is not checked with its solution",
        "1.b is not predicted",
        "the hero figure shows no picture with a description",
    ]


def test_the_builder_tells_an_expression_that_cannot_be_worked_out(tmp_path: Any) -> None:
    broken = tmp_path / "01_convolution_arithmetic.py"
    broken.write_text(SOURCE.replace("{{ vgg.total.params:,}}", "{{ vgg.total.parms:,}}"), "utf-8")
    with pytest.raises(LabError, match="parms"):
        build(broken, "student")


def test_the_builder_is_stable_and_ids_follow_from_the_text(tmp_path: Any) -> None:
    assert build(sources()["1"], "student") == STUDENT
    longer = tmp_path / "01_convolution_arithmetic.py"
    longer.write_text(
        SOURCE.replace(
            "# %%\nfrom mobilenet_lab.formulas",
            "# %%\n1\n\n# %%\n1\n\n# %%\nfrom mobilenet_lab.formulas",
            1,
        ),
        "utf-8",
    )
    ids = [cell["id"] for cell in json.loads(STUDENT)["cells"]]
    more = [cell["id"] for cell in json.loads(build(longer, "student"))["cells"]]
    assert len(set(more)) == len(ids) + 2
    assert [id for id in more if id in ids] == ids
