"""The verbs of the course: `notebooks`, `exercise`, `progress`."""

from pathlib import Path
from typing import Annotated

import typer

from mobilenet_lab.cli.base import app
from mobilenet_lab.cli.options import Force, FormatOption, Output
from mobilenet_lab.output import answer, printing


@app.command()
def notebooks(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to; it is made if it is not there.")
    ] = Path("mobilenet_lab_course"),
    only: Annotated[
        list[str] | None, typer.Option(help="This lesson (3, or E) alone; repeatable.")
    ] = None,
    solutions: Annotated[
        bool,
        typer.Option("--solutions", help="Build them with solutions, under names of their own."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Put files of yours aside and copy anew.")
    ] = False,
) -> None:
    """The course's notebooks, copied into a folder.

    And how to start them. A file that is there is kept.
    """
    from mobilenet_lab.course.copying import copy, told

    copies = copy(folder, only or (), solutions, force)
    with printing():
        print(told(folder, copies))


@app.command()
def exercise(
    id: Annotated[str, typer.Argument(help="Lesson and place in it: 2.3, or E.1.")],
    seed: Annotated[
        int | None, typer.Option(help="Other numbers, the same for all who give it.")
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(help="Judge this one and do not ask; the exit code is 1 unless it is right."),
    ] = None,
    hint: Annotated[
        int,
        typer.Option(
            "--hint", count=True, show_default=False, help="The first hint; twice: two of them."
        ),
    ] = 0,
    solution: Annotated[
        bool, typer.Option("--solution", help="The answer, and the way to it.")
    ] = False,
) -> None:
    """An exercise of the course, in the terminal.

    Asks until the answer is right; hint, solution and quit may be typed, too. An answer is a
    number, a formula, a name, or several with commas between; nothing of it is run. A function is
    path/to/file.py:function; that file is run.
    """
    from mobilenet_lab.course import dialogue

    task = dialogue.Task(id, seed)
    try:
        if answer is not None or hint or solution:
            right = dialogue.once(task, answer, hint, solution)
        else:
            right = dialogue.work(task) or dialogue.interactive()
    except KeyboardInterrupt:
        typer.echo("", err=True)
        raise typer.Exit(130) from None
    if not right:
        raise typer.Exit(1)


@app.command("progress")
def course_progress(
    lesson: Annotated[
        str | None, typer.Argument(help="Its exercises one by one; else all lessons.")
    ] = None,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """What is done of the course.

    In notebooks and in the terminal, on this machine.
    """
    from mobilenet_lab.course.progress import progress as ask

    answer(ask(lesson), format, output, force)
