"""Every notebook of the course passes every gate, each in a fresh interpreter."""

import os
from functools import cache
from pathlib import Path

import nbformat
import pytest
from course import gates

from mobilenet_lab.course.building import build
from mobilenet_lab.course.sources import notebooks, sources
from mobilenet_lab.exercises.lessons import LESSONS, lesson

EACH = pytest.mark.parametrize("number", LESSONS)


@cache
def student(number: str) -> str:
    return build(sources()[number], "student")


def source(number: str) -> str:
    return sources()[number].read_text("utf-8")


@EACH
def test_the_committed_notebook_is_what_its_source_gives(number):
    assert gates.rebuilt(notebooks()[number].read_text("utf-8"), student(number)) == []


@EACH
def test_it_has_the_shape_and_the_spine(number):
    assert gates.shape(student(number)) == []
    assert gates.spine(lesson(number), student(number)) == []


@EACH
def test_every_exercise_of_the_lesson_is_used(number):
    assert gates.used(lesson(number), student(number)) == []


@EACH
def test_no_number_in_the_text_is_typed(number):
    assert gates.typed_numbers(source(number)) == []


@EACH
def test_no_solution_is_in_it(number):
    assert gates.hidden(lesson(number), source(number), student(number)) == []


@EACH
def test_every_mistake_gets_its_own_message(number):
    assert gates.mistakes(lesson(number)) == []


@EACH
def test_as_shipped_it_runs_to_the_end_and_nothing_is_attempted(number):
    assert gates.as_shipped(lesson(number), gates.run(student(number), strict=False)) == []


@EACH
def test_with_solutions_every_exercise_is_correct(number):
    run = gates.run(build(sources()[number], "solutions"), strict=True)
    assert gates.solved(lesson(number), run) == []
    if folder := os.environ.get("MOBILENET_LAB_EXECUTED"):  # for the site, docs/build_course.py
        Path(folder).mkdir(parents=True, exist_ok=True)
        nbformat.write(run.notebook, Path(folder, notebooks()[number].name))
