"""docs/gallery.md and its figures are those that the code makes, byte for byte."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from mobilenet_lab import drawings
from mobilenet_lab.cli import app

SCRIPT = Path(__file__).parents[2] / "docs" / "build_gallery.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_gallery", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GALLERY = script()


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    made: dict[str, bytes] = GALLERY.files()
    return made


def test_the_committed_gallery_is_up_to_date(expected: dict[str, bytes]) -> None:
    assert GALLERY.wrong(GALLERY.FOLDER, expected) == [], "run python docs/build_gallery.py"


def test_every_kind_is_in_the_gallery() -> None:
    assert {shot.kind for shot in GALLERY.shots()} == set(drawings.KINDS)
    names = [shot.file for shot in GALLERY.shots()]
    assert len(names) == len(set(names))


def test_every_figure_of_the_page_has_a_description(expected: dict[str, bytes]) -> None:
    page = expected["gallery.md"].decode()
    found = re.findall(r"^!\[(.{40,})\]\((gallery/\S+\.svg)\)$", page, re.MULTILINE)
    assert {path for _, path in found} == {*expected} - {"gallery.md"}


def test_a_planted_change_is_seen(expected: dict[str, bytes], tmp_path: Path) -> None:
    GALLERY.build(tmp_path, expected)
    assert GALLERY.wrong(tmp_path, expected) == []
    changed = tmp_path / "gallery" / "ratio.svg"
    changed.write_bytes(changed.read_bytes().replace(b"fill: #", b"fill: #f", 1))
    (tmp_path / "gallery" / "areas.svg").unlink()
    (tmp_path / "gallery" / "old.svg").write_text("")
    assert GALLERY.wrong(tmp_path, expected) == [
        "gallery/ratio.svg is stale",
        "gallery/areas.svg is missing",
        "gallery/old.svg is in no gallery",
    ]


def test_the_page_says_how_to_draw_it(
    expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands shown give the figures shown."""
    monkeypatch.chdir(tmp_path)
    wanted = ("convolution", "block-residuals", "grid-mobilenet_v1")
    for shot in GALLERY.shots():
        if shot.file in wanted:
            result = CliRunner().invoke(app, shot.command.split()[1:])
            assert (result.exit_code, result.output) == (0, "")
            made = (tmp_path / f"{shot.file}.svg").read_bytes()
            assert made == expected[f"gallery/{shot.file}.svg"]
    assert len(list(tmp_path.iterdir())) == len(wanted)
