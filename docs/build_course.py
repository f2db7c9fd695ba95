"""The course's pages for the site: every notebook with its solutions, executed.

`python docs/build_course.py` writes them to docs/course; the site's build calls it. Each runs in
a fresh kernel in strict mode, so that a solution that is not right breaks the build. One that was
executed after everything that it reads was last changed, here or by tests/course, is not run again.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat

from mobilenet_lab.course.building import build
from mobilenet_lab.course.running import run
from mobilenet_lab.course.sources import notebooks, sources
from mobilenet_lab.exercises.lessons import LESSONS

DOCS = Path(__file__).resolve().parent
PAGES = DOCS / "course"
EXECUTED = Path(os.environ.get("MOBILENET_LAB_EXECUTED") or DOCS / "_build" / "executed")
"""Where executed notebooks are kept; tests/course leaves its own there, too."""
NOTE = """:::{{note}}
This is the notebook **with its solutions**, as executed for this page. To work on it yourself, take
the one without: {{download}}`{name} <../../notebooks/{name}>`, or all of them by
`mobilenet-lab notebooks` ([how to start](../course.md)).
:::"""


def executed(number: str) -> Any:
    """The notebook of a lesson with solutions and outputs; run only if it has to be.

    Raises:
        CellExecutionError: a cell fails, or an exercise's solution is not right.
    """
    text = build(sources()[number], "solutions")
    notebook: Any = nbformat.reads(text, as_version=4)
    kept = EXECUTED / notebooks()[number].name
    if kept.exists() and kept.stat().st_mtime > changed():
        found: Any = nbformat.read(kept, as_version=4)
        if [cell.source for cell in found.cells] == [cell.source for cell in notebook.cells]:
            return found
    with TemporaryDirectory() as folder:
        run(notebook, Path(folder), strict=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


def changed() -> float:
    """When the package was last changed."""
    package = DOCS.parent / "mobilenet_lab"
    files = (path for path in package.rglob("*") if "__pycache__" not in path.parts)
    return max(path.stat().st_mtime for path in files if path.is_file())


def page(number: str) -> str:
    """The lesson as a page of the site: under its head, where to get the notebook to fill in."""
    notebook = executed(number)
    note = NOTE.format(name=notebooks()[number].name)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(note, id="where"))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return f"{nbformat.writes(notebook, version=nbformat.NO_CONVERT)}\n"


def write_all(numbers: Iterable[str] = LESSONS) -> None:
    """Writes the page of each lesson to docs/course, as many at once as there are processors.

    A page that has not changed is left alone, so that Sphinx does not read it again.
    """
    numbers = list(numbers)
    PAGES.mkdir(exist_ok=True)
    places = {number: PAGES / notebooks()[number].name for number in numbers}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        # the last lessons take longest, and begin first
        texts = {number: pool.submit(page, number) for number in reversed(numbers)}
        for number, place in places.items():
            text = texts[number].result()
            if not place.exists() or place.read_text("utf-8") != text:
                place.write_text(text, "utf-8")
    for stray in set(PAGES.glob("*.ipynb")) - set(places.values()):
        stray.unlink()


if __name__ == "__main__":
    write_all()
