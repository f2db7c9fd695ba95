"""What docs/course.md and docs/teachers.md say of the lessons is what the lessons declare."""

import sys
from pathlib import Path
from shutil import copy

import pytest

from mobilenet_lab.exercises.lessons import LESSONS, lesson

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import build_teachers  # noqa: E402


def test_the_committed_pages_are_up_to_date() -> None:
    assert build_teachers.stale() == [], "run python docs/build_teachers.py"


def test_a_stale_page_is_named_and_mended_and_the_rest_of_it_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in build_teachers.PARTS:
        copy(DOCS / name, tmp_path)
    page = tmp_path / "teachers.md"
    text = page.read_text("utf-8")
    page.write_text(text.replace("138,357,544", "138,357,545"), "utf-8")
    assert build_teachers.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == "teachers.md is stale\n"
    assert build_teachers.main([], tmp_path) == 0
    assert page.read_text("utf-8") == text


def test_a_page_without_its_marks_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="without the marks"):
        build_teachers.filled("# By hand\n", "part")


@pytest.mark.parametrize("number", LESSONS)
def test_a_teacher_finds_everything_of_a_lesson(number: str) -> None:
    found = lesson(number)
    text = (DOCS / "teachers.md").read_text("utf-8")
    _, _, rest = text.partition(f"\n## {number} · {found.title}\n")
    part = rest.partition("\n## ")[0]
    for said in (found.question, found.discussion, *found.outcomes, *found.misconceptions):
        assert said in part
    for exercise in found.exercises:
        assert f"### {exercise.id} · {exercise.title}\n" in part
        assert f"| {exercise.outcome} | {exercise.minutes} |" in part
    assert part.count("**Answer.**") == len(found.exercises)


def test_answers_are_not_on_the_students_page() -> None:
    text = (DOCS / "course.md").read_text("utf-8")
    assert "138,357,544" not in text
    assert "**Answer.**" not in text
