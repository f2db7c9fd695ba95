"""The verb `notebooks --solutions`, which needs jupytext."""

from pathlib import Path

from typer.testing import CliRunner

from mobilenet_lab.cli import app
from mobilenet_lab.course.sources import notebooks


def test_solutions_have_names_of_their_own(tmp_path: Path) -> None:
    first = notebooks()["1"].name
    CliRunner().invoke(app, ["notebooks", str(tmp_path), "--only", "1"])
    (tmp_path / first).write_text("mine")
    result = CliRunner().invoke(
        app, ["notebooks", str(tmp_path), "--only", "1", "--solutions", "--force"]
    )
    assert result.exit_code == 0, result.stderr
    solved = tmp_path / f"{Path(first).stem}_solution.ipynb"
    assert "**Solution.**" in solved.read_text("utf-8")
    assert (tmp_path / first).read_text() == "mine"
