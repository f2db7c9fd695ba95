"""The pages of docs/architectures are those that the code makes."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from mobilenet_lab import registry
from mobilenet_lab.net import Net

SCRIPT = Path(__file__).parents[2] / "docs" / "build_pages.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_pages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = script()


def test_the_committed_pages_are_up_to_date() -> None:
    assert PAGES.wrong() == [], "run python docs/build_pages.py"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("docs") / "architectures"
    assert PAGES.main(["--check"], folder) == 1
    assert not folder.exists(), "to check writes nothing"
    assert PAGES.main([], folder) == 0
    return folder


def test_there_is_a_page_for_each_network_and_an_index(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {
        "README.md",
        *(f"{name}.md" for name in registry.NETWORKS),
    }
    index = (built / "README.md").read_text("utf-8")
    assert re.findall(r"\]\((\w+)\.md\)", index) == list(registry.NETWORKS)


def test_what_is_stale_missing_or_extra_is_named(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PAGES.main(["--check"], built) == 0
    page, other = built / "mobilenet_v1.md", built / "mobilenet_v2.md"
    page.write_text(page.read_text("utf-8").replace("568,740,352", "568,740,353"), "utf-8")
    other.unlink()
    (built / "mobilenet_v0.md").write_text(PAGES.MARK, "utf-8")
    (built / "notes.md").write_text("by hand", "utf-8")
    capsys.readouterr()
    assert PAGES.main(["--check"], built) == 1
    assert capsys.readouterr().err.splitlines() == [
        "architectures/mobilenet_v2.md is missing",
        "architectures/mobilenet_v1.md is stale",
        "architectures/mobilenet_v0.md belongs to no network",
        "architectures/notes.md belongs to no network",
    ]
    assert PAGES.main([], built) == 1, "what it has not made it does not remove"
    assert (built / "notes.md").read_text("utf-8") == "by hand"
    assert not (built / "mobilenet_v0.md").exists()
    (built / "notes.md").unlink()
    assert PAGES.main(["--check"], built) == 0


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_a_page_has_its_parts_and_its_links_lead_somewhere(name: str) -> None:
    page = PAGES.page(name)
    headings = re.findall(r"^## (.*)$", page, re.M)
    assert [text.partition(" ")[0] for text in headings] == [
        "Idea",
        "Stages",
        "Diagram",
        "Deviations",
        "Published",
        "Run",
    ]
    for link in re.findall(r"\]\(([^)]*)\)", page):
        assert (SCRIPT.parent / "architectures" / link).is_file()
    assert f"mobilenet-lab published {name}\n" in page


def test_a_diagram_has_every_stage_and_every_flow() -> None:
    net = Net()
    x = net.conv(net.input(3, 8), 4, name="stem")
    with net.stage("left"):
        left = net.conv(x, 4, name="conv")
    with net.stage("right"):
        right = net.max_pool(net.conv(x, 4, name="conv"), 2)
    assert PAGES.diagram(net.trace(left, right)).splitlines() == [
        "```mermaid",
        "flowchart TD",
        '    s0["input<br>3×8×8"]',
        '    s1["stem<br>4×8×8"]',
        '    s2["left<br>4×8×8"]',
        '    s3["right<br>4×4×4"]',
        "    s0 --> s1",
        "    s1 --> s2",
        "    s1 --> s3",
        "```",
    ]


def test_a_docstring_in_its_parts() -> None:
    said = PAGES.words("""Net: a net.

    Idea: it is
    small.

    More of it.

    Deviations from the paper: none: so far.

    At the end.
    """)
    assert said.headline == "Net: a net."
    assert said.idea == "It is\nsmall.\n\nMore of it."
    assert said.deviations == "## Deviations from the paper\n\nNone: so far.\n\nAt the end."
    assert PAGES.words("Net: a net.\n\nIdea: small.") == ("Net: a net.", "Small.", "")
