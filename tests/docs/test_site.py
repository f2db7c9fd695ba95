"""What makes the site (links out of docs/, formulas, charts, docstrings), and what checks it."""

import re
import sys
from pathlib import Path

import pytest

import mobilenet_lab as lab
from mobilenet_lab.drawings import KINDS

DOCS = Path(__file__).parents[2] / "docs"
sys.path[:0] = [str(DOCS), str(DOCS / "_extensions")]

import check_links  # noqa: E402
import docstrings  # noqa: E402
import flowcharts  # noqa: E402
import mathml  # noqa: E402
import outside  # noqa: E402

GOOD = """<html><head><link rel="stylesheet" href="style.css"><link rel="next" href="other.html">
<script src="a.js"></script></head><body><h1 id="top">A</h1>
<a href="#top">here</a> <a href="other.html#there">there</a> <a href="sub/">folder</a>
<a href="https://arxiv.org/abs/1704.04861">paper</a> <a href="mailto:a@b.org">post</a>
<img src="a%20picture.svg" alt="A picture"></body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("style.css", "a.js", "a picture.svg"):
        (tmp_path / name).write_text("")
    (tmp_path / "sub" / "index.html").write_text('<p id="x"></p><a href="../index.html#top">up</a>')
    (tmp_path / "other.html").write_text('<p id="there"></p>')
    (tmp_path / "index.html").write_text(GOOD)
    return tmp_path


def test_a_good_site_passes(site: Path) -> None:
    assert check_links.checked(site) == []
    assert check_links.main([str(site)]) == 0


@pytest.mark.parametrize(
    ("before", "after", "flaw"),
    [
        ('"other.html#there"', '"others.html#there"', "others.html#there is not there"),
        ("other.html#there", "other.html#where", "other.html#where: there is no such anchor"),
        ('href="#top"', 'href="#bottom"', "#bottom: there is no such anchor"),
        ("a%20picture.svg", "no.svg", "no.svg is not there"),
        ('href="sub/"', 'href="subs/"', "subs/ is not there"),
        ('href="sub/"', 'href="/sub/"', "/sub/ begins at the root, which may be elsewhere"),
        ("style.css", "styles.css", "styles.css is not there"),
        ("a.js", "https://cdn.org/a.js", "https://cdn.org/a.js is loaded from outside"),
        ("https://arxiv.org/abs", "https:/arxiv.org/abs", "is no address"),
        ("https://arxiv.org", "http://arxiv org", "is no address"),
        ("https://arxiv.org", "https://[arxiv.org", "is no address"),
        ("https://arxiv.org", "javascript:arxiv.org", "is no address"),
        ("a@b.org", "a.b.org", "is no address"),
        (' alt="A picture"', "", "a picture without a description"),
        ("<body>", '<body id="top">', "the id 'top' comes twice"),
        ("<body>", '<span class="math notranslate">x</span>', "a formula that waits for a script"),
    ],
)
def test_a_broken_page_does_not(site: Path, before: str, after: str, flaw: str) -> None:
    assert before in GOOD
    (site / "index.html").write_text(GOOD.replace(before, after, 1))
    found = check_links.checked(site)
    assert len(found) == 1
    assert found[0].startswith("index.html: ")
    assert flaw in found[0]
    assert check_links.main([str(site)]) == 1


def test_a_folder_without_pages_is_no_site(tmp_path: Path) -> None:
    assert len(check_links.checked(tmp_path)) == 1


@pytest.mark.parametrize(
    ("page", "text", "moved"),
    [
        ("latency.md", "[a](speed.md#b)", "[a](speed.md#b)"),
        ("latency.md", "![a](gallery/ratio.svg)", "![a](gallery/ratio.svg)"),
        ("latency.md", "[a](https://b.org/c.md)", "[a](https://b.org/c.md)"),
        ("files.md", "[docs/examples](examples).", "docs/examples."),
        ("conventions.md", "[a](../mobilenet_lab/net.py)", "[a](../mobilenet_lab/net.py)"),
        ("course.md", "[a](../CONTRIBUTING.md#check)", "[a](contributing.md#check)"),
        ("course.md", "[a](../README.md)", "[a](index.md)"),
        ("course.md", "[a](architectures)", "[a](architectures/README.md)"),
        ("course.md", "[a](../notebooks/07_mixnet.ipynb)", "[a](course/07_mixnet.ipynb)"),
        (
            "architectures/alexnet.md",
            "[a](../../mobilenet_lab/architectures/README.md)",
            "[a](../add_a_network.md)",
        ),
    ],
)
def test_links_out_of_the_docs_fit_the_site(page: str, text: str, moved: str) -> None:
    assert outside.moved(text, DOCS / page, DOCS / page) == moved


def test_links_of_a_file_from_outside_are_seen_from_where_it_is_shown() -> None:
    text = "[a](docs/course.md), [b](mobilenet_lab/architectures/README.md)"
    read = outside.SHOWN["contributing"]
    shown = outside.moved(text, read, DOCS / "contributing.md")
    assert shown == "[a](course.md), [b](add_a_network.md)"
    for name, file in outside.SHOWN.items():
        assert file.is_file()
        assert (DOCS / f"{name}.md").is_file()


def test_a_formula_is_set_without_a_script() -> None:
    found = mathml.mathml(r"\frac{H_{out}}{2} < \alpha", "inline")
    assert found.startswith("<math ")
    assert "<mfrac>" in found
    assert r'alttext="\frac{H_{out}}{2} &lt; \alpha"' in found


@pytest.mark.parametrize("latex", [r"\nosuchcommand{x}", r"\left( x", r"\frac{1}"])
def test_a_formula_that_cannot_be_set_is_an_error(latex: str) -> None:
    with pytest.raises(mathml.FormulaError):
        mathml.mathml(latex, "inline")


CHART = """flowchart TD
    s0["input<br>3×8×8"]
    s1["left<br>4×8×8"]
    s2["right<br>4×8×8"]
    s3["sum &amp; all<br>4×8×8"]
    s0 --> s1
    s0 --> s2
    s1 --> s3
    s2 --> s3
"""


def test_a_flow_chart_has_every_box_and_arrow() -> None:
    drawn = flowcharts.svg(CHART)
    assert re.findall(r'<text[^>]* y="[^"]*">([^<]*)<', drawn) == [
        "input",
        "left",
        "right",
        "sum &amp; all",
    ]
    assert drawn.count('class="flow"') == 4
    with pytest.raises(ValueError, match="not a box"):
        flowcharts.read("flowchart TD\n    a -.-> b")


def test_arrows_that_run_beside_each_other_take_different_lanes() -> None:
    assert flowcharts.lanes([(0, 2), (1, 3), (4, 6)]) == {(0, 2): 0, (1, 3): 1, (4, 6): 0}


@pytest.mark.parametrize(
    "page", sorted((DOCS / "architectures").glob("*.md")), ids=lambda p: p.stem
)
def test_the_flow_chart_of_every_network_can_be_drawn(page: Path) -> None:
    for chart in re.findall(r"```mermaid\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        assert flowcharts.svg(chart).count("<rect") == chart.count('["')


def test_indented_blocks_of_docstrings_are_code() -> None:
    text = ["It is so:", "", "    x = 1", "", "and becomes", "", "    y"]
    assert docstrings.marked(text) == [
        *("It is so::", "", "    x = 1", "", "and becomes", "", "::", "", "    y"),
    ]


def test_what_is_raised_is_a_list_of_fields() -> None:
    text = [
        "So.",
        "",
        "Raises:",
        "    LabError: no, or",
        "        not yet.",
        "    OSError: x: y.",
        "",
        "End.",
    ]
    assert docstrings.raises(text) == [
        *(
            "So.",
            "",
            ":raises LabError: no, or",
            "    not yet.",
            ":raises OSError: x: y.",
            "",
            "End.",
        ),
    ]
    assert docstrings.raises(["Raises: it."]) == ["Raises: it."]


def test_every_public_name_is_in_the_api() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "api").glob("*.md"))
    said = set(re.findall(r"^\.\. auto\w+:: mobilenet_lab\.(.+)$", text, re.MULTILINE))
    # Trace is documented where it is defined
    assert set(lab.__all__) - {"draw", "Trace"} <= said
    assert {f"draw.{kind}" for kind in KINDS} <= said
    from mobilenet_lab import exercises

    assert {f"exercises.{name}" for name in exercises.__all__} <= said
