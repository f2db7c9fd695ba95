"""The sheet of every figure: themes, headings, files, descriptions."""

import nbclient
import nbformat
import pytest
from matplotlib import pyplot

from drawings.layout import flaws
from mobilenet_lab.drawings.canvas import (
    FORMATS,
    SMALL,
    TEXT,
    THEMES,
    Heading,
    Picture,
    chart,
    describe,
    rendered,
    sheet,
    text_width,
    wrapped,
)
from mobilenet_lab.errors import UnknownNameError

LONG = Heading("mobilenet_v2 at 2 settings", "MACs by convention paper, in words. " * 8)


def test_a_sheet_counts_in_points() -> None:
    with sheet(None, "light", LONG, (400, 120)) as (ax, _):
        pass
    figure = ax.figure
    assert isinstance(figure, Picture)
    assert ax.get_xlim() == (0, 400)
    assert figure.get_figwidth() * 72 == pytest.approx(400)
    assert figure.get_figheight() * 72 == pytest.approx(ax.get_ylim()[1])
    assert flaws(figure) == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_heading_stays_in_the_figure(theme: str) -> None:
    with chart(None, theme, LONG, (400, 160)) as (ax, look):
        ax.set(xlabel="MACs", ylabel="layers")
    assert ax.figure.get_facecolor() == pytest.approx(_rgba(look.paper))
    assert flaws(ax.figure) == []


def _rgba(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgba

    return to_rgba(colour)


def test_flaws_are_seen() -> None:
    with sheet(None, "light", Heading("title"), (200, 100)) as (ax, _):
        ax.text(50, 50, "one text")
        ax.text(60, 52, "another")
        ax.text(180, 10, "it goes on and on")
    assert flaws(ax.figure) == [
        "'it goes on and on' leaves the canvas",
        "'one text' overlaps 'another'",
    ]


def test_the_style_is_in_force_only_while_drawing() -> None:
    before = dict(pyplot.rcParams)
    with chart(None, "dark", LONG, (300, 120)):
        assert pyplot.rcParams["text.parse_math"] is False
    assert dict(pyplot.rcParams) == before


def test_an_axes_given_is_drawn_on() -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    for ax in (left, right):
        with sheet(ax, "light", Heading("x"), (100, 50)) as (mine, _):
            assert mine is ax
            describe(ax, f"Part {figure.axes.index(ax)}.")
    assert figure.alt == "Part 0. Part 1."


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_figure_is_the_same_file(format: str) -> None:
    def made() -> bytes:
        with sheet(None, "light", LONG, (300, 100)) as (ax, _):
            ax.text(10, 10, "mobilenet_v2 $x$")
            ax.plot([0, 100], [0, 100])
            describe(ax, "A line.")
        return rendered(ax.figure, format)

    assert made() == made()
    if format != "pdf":
        assert b"A line." in made()


def test_a_picture_shows_itself_with_its_description() -> None:
    with sheet(None, "light", Heading("x"), (100, 50)) as (ax, _):
        describe(ax, 'Nothing but "x" & a title.')
    assert 'alt="Nothing but &quot;x&quot; &amp; a title."' in ax.figure._repr_html_()


def test_texts_are_measured_as_they_are_drawn() -> None:
    with sheet(None, "light", Heading(""), (400, 50)) as (ax, _):
        text = ax.text(0, 10, "stage3.1.expand.conv 1,234,567 MACs")
    drawn = text.get_window_extent().width / ax.figure.dpi * 72
    assert 0.9 * text_width(text.get_text()) < drawn <= text_width(text.get_text())


def test_lines_break_between_words() -> None:
    text = "depthwise-separable convolutions of a network"
    lines = wrapped(text, 90, TEXT)
    assert " ".join(lines) == text
    assert max(text_width(line, TEXT) for line in lines if " " in line) <= 90
    assert wrapped("", 90, SMALL) == []
    assert wrapped("one\ntwo", 900, SMALL) == ["one", "two"]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: chart(None, "sepia", LONG, (100, 100)).__enter__(), "theme"),
        (lambda: sheet(None, "", LONG, (100, 100)).__enter__(), "theme"),
        (lambda: rendered(Picture(), "gif"), "format"),
    ],
)
def test_what_is_not_known_is_said(call: object, kind: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown {kind}"):
        call()


def test_jupyter_shows_every_figure_with_its_description() -> None:
    """A kernel sets its own parameters when the first figure is made, and must keep them."""
    cells = [
        "import mobilenet_lab as lab",
        "ax = lab.draw.ratio()\nassert ax.figure.alt",
        'lab.draw.areas(theme="dark")',
        "from matplotlib import pyplot\n_, own = pyplot.subplots()\nlab.draw.ratio(ax=own);",
        "ax",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    shown = [[output.data for output in cell.outputs] for cell in notebook.cells]
    assert [len(each) for each in shown] == [0, 1, 1, 1, 1]  # the figure, and not its axes, too
    for data in (shown[1][0], shown[2][0], shown[4][0]):
        assert 'alt="' in data["text/html"]
    assert "image/png" in shown[3][0]
