"""A notebook run as a student would run it, but in a kernel of its own and without sliders."""

import os
from pathlib import Path
from typing import Any

from mobilenet_lab.exercises.asking import STRICT
from mobilenet_lab.exercises.exploring import STATIC
from mobilenet_lab.exercises.log import FOLDER

SECONDS = 180
"""The longest that one cell may take."""


def run(notebook: Any, folder: Path, strict: bool) -> None:
    """Runs every cell of a notebook, whose outputs it then has, with `folder` to work in.

    The attempts are recorded there. In strict mode an exercise that is not right stops it.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    from nbclient import NotebookClient

    environment = os.environ | {FOLDER: str(folder), STATIC: "1", STRICT: "1" if strict else ""}
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment)
