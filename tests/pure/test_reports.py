"""Every format of every table: well-formed, escaped, and exact to the last digit."""

import csv
import io
import json
import re
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.reports.formats import FORMATS
from mobilenet_lab.reports.table import Column, Kind, Table, write
from mobilenet_lab.reports.terminal import BAR_CELLS, bar
from mobilenet_lab.verbs.compare import compare
from mobilenet_lab.verbs.convolution import conv
from mobilenet_lab.verbs.explain import explain
from mobilenet_lab.verbs.field import field
from mobilenet_lab.verbs.listing import list_networks
from mobilenet_lab.verbs.summary import COLUMN_KEYS, summary

HOSTILE = "a_b|c*d<i>&amp;`e`{f}#$%~^\\g"


def hostile() -> Trace:
    """A network whose names mean something in every format."""
    net = Net()
    x = net.input(4, 8)
    with net.stage(HOSTILE):
        x = net.conv(x, 8, 3, name=HOSTILE)
        x = net.max_pool(x, 3, 2, ceil_mode=True)
    return Trace(net.trace(x).layers, (x.layer,), {}, HOSTILE, {"variant": HOSTILE})


TABLES: dict[str, Callable[[], Table]] = {
    "list": list_networks,
    "summary": lambda: summary("mobilenet_v2"),
    "summary by layer": lambda: summary("mobilenet_v1", level="layer", columns=COLUMN_KEYS),
    "summary by role": lambda: summary("mobilenet_v2", level="role", columns=COLUMN_KEYS),
    "explain a layer": lambda: explain("mobilenet_v2", "stem.conv"),
    "explain a block": lambda: explain("mobilenet_v2", "stage3.1"),
    "field": lambda: field("mobilenet_v2", all_layers=True),
    "compare": lambda: compare("mobilenet_v1", "mobilenet_v2", "mobilenet_v1_full_conv"),
    "conv": lambda: conv(64, 128, groups=[2, 4]),
    "hostile summary": lambda: summary(hostile(), level="layer", columns=COLUMN_KEYS),
    "hostile explain": lambda: explain(hostile(), f"{HOSTILE}.pool"),
    "hostile field": lambda: field(hostile()),
    "hostile compare": lambda: compare(hostile(), "mobilenet_v2"),
}

every_table = pytest.mark.parametrize("table", [make() for make in TABLES.values()], ids=TABLES)


def texts(table: Table, row: object) -> list[str]:
    return [write(column.value(row), column.kind) for column in table.columns]


def shown_rows(table: Table) -> list[list[str]]:
    """The texts of all rows, the total's too."""
    rows = [*table.rows, *([] if table.total is None else [table.total])]
    return [texts(table, row) for row in rows]


# Markdown


def pipe_cells(line: str) -> list[str]:
    """The cells of a line of a pipe table, with their escapes undone."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]
    return [re.sub(r"\\([\\|*_<>`])", r"\1", cell).strip() for cell in cells]


@every_table
def test_markdown_is_a_pipe_table(table: Table) -> None:
    lines = table.to("markdown").splitlines()
    piped = [line for line in lines if line.startswith("|")]
    first = lines.index(piped[0])
    assert lines[first : first + len(piped)] == piped, "one table without a gap"
    assert not lines[first - 1], "a pipe table starts a paragraph"
    heads, rules, *rows = map(pipe_cells, piped)
    assert heads == [column.title for column in table.columns]
    assert rules == ["---" if column.kind == "text" else "---:" for column in table.columns]
    # a bold cell's stars are not escaped, so they are left
    bare = [[re.sub(r"^\*\*(.*)\*\*$", r"\1", cell) for cell in row] for row in rows]
    assert bare == [[cell.strip() for cell in row] for row in shown_rows(table)]


@every_table
def test_markdown_escapes_what_means_something(table: Table) -> None:
    text = table.to("markdown")
    for line in text.splitlines():
        inner = line.replace("**", "")
        assert not re.search(r"(?<!\\)[_*<>`]", inner), line


# LaTeX


def latex_words(text: str) -> str:
    """The text with its escaped characters taken out."""
    return re.sub(r"\\[&%$#_{}\\]", "", text)


@every_table
def test_latex_is_balanced_and_escaped(table: Table) -> None:
    text = table.to("latex")
    assert text.isascii(), "pdflatex knows no other letters without packages"
    body = latex_words(text)
    assert body.count("{") == body.count("}")
    assert body.count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$", "", body)
    assert not re.search(r"[_^#~<>|]", outside)
    long = len(table.rows) > 40
    packages = "booktabs,longtable" if long else "booktabs"
    needs = rf"% needs \usepackage{{{packages}}}"
    assert [line for line in body.splitlines() if "%" in line] == [needs]
    for name in ["longtable"] if long else ["table", "tabular"]:
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    rules = [text.index(rf"\{rule}rule") for rule in ("top", "mid", "bottom")]
    assert rules == sorted(rules)


@every_table
def test_every_line_of_latex_has_as_many_cells(table: Table) -> None:
    text = table.to("latex")
    spec = re.search(r"\\begin\{(?:longtable|tabular)\}\{(.+)\}", text)
    assert spec is not None
    assert len(re.findall(r"p\{[^}]*\}|[lr]", spec[1])) == len(table.columns)
    inside = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in inside.splitlines() if not line.endswith(("rule", "head"))]
    assert len(lines) == 1 + len(shown_rows(table))
    for line in lines:
        assert line.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", line)) == len(table.columns) - 1


# HTML


class Page(HTMLParser):
    """Reads a page, insists on balanced tags, and keeps the rows' cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.rows: list[list[str]] = []
        self.styles: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.seen.append(tag)
        self.styles += [value or "" for key, value in attrs if key == "style"]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


@every_table
def test_html_is_balanced_and_says_what_the_table_says(table: Table) -> None:
    page = Page(table.to("html"))
    assert page.open == []
    heads, *rows = page.rows
    assert heads == [column.title for column in table.columns]
    assert [[cell.strip() for cell in row] for row in rows] == [
        [cell.strip() for cell in row] for row in shown_rows(table)
    ]
    for text in (table.title, table.subtitle, *table.notes):
        assert text in page.text
    assert set(page.seen) <= {
        "style", "meta", "div", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
        "span", "i", "p",
    }  # fmt: skip
    for style in page.styles:
        share = re.search(r"width: ([\d.]+)%", style)
        assert share is None or 0 <= float(share[1]) <= 100


def test_html_colours_follow_the_page() -> None:
    """Light text on a dark page stays light: nothing but the bar and lines has a colour."""
    text = summary("mobilenet_v2").to("html")
    assert "color: inherit" in text
    assert not re.search(r"[^-]color: #", text)
    assert "background: #fff" not in text


# CSV and JSON


@every_table
def test_csv_is_rectangular_and_exact(table: Table) -> None:
    keys, *lines = csv.reader(io.StringIO(table.to("csv")))
    assert keys == [column.key for column in table.columns]
    assert len(set(keys)) == len(keys)
    assert len(lines) == len(table.rows)
    for cells, row in zip(lines, table.rows, strict=True):
        assert len(cells) == len(keys)
        for cell, column in zip(cells, table.columns, strict=True):
            value = column.value(row)
            if isinstance(value, int | str):
                assert cell == str(value)
            if isinstance(value, float):
                assert float(cell) == value


@every_table
def test_json_is_exact(table: Table) -> None:
    whole = json.loads(table.to("json"))
    assert whole["title"] == table.title
    assert whole["notes"] == list(table.notes)
    rows = [*table.rows, *([] if table.total is None else [table.total])]
    read = [*whole["rows"], *([] if table.total is None else [whole["total"]])]
    for record, row in zip(read, rows, strict=True):
        for column in table.columns:
            value = column.value(row)
            if isinstance(value, tuple):
                value = list(value)
            assert record[column.key] == value
            assert type(record[column.key]) is type(value)


def test_names_in_files_have_no_layout_in_them() -> None:
    for make in TABLES.values():
        for record in make().records():
            for value in record.values():
                assert not isinstance(value, str) or value == value.strip()


# How values are written


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "x", "x"),
        ("count", 0, "0"),
        ("count", 300_774_272, "300,774,272"),
        ("count", 2**70, "1,180,591,620,717,411,303,424"),
        ("short", 0, "0"),
        ("short", 999, "999"),
        ("short", 1_000, "1.000 k"),
        ("short", 3_504_872, "3.505 M"),
        ("short", 300_774_272, "300.8 M"),
        ("short", 4_866_836_480, "4.867 G"),
        ("short", 999_999, "1.000 M"),
        ("short", 999_999_999, "1.000 G"),
        ("number", 2017, "2017"),
        ("number", 8.25, "8.250"),
        ("number", 12_345.6, "12,346"),
        ("ratio", 1.0, "1.00x"),
        ("ratio", 0.5292, "0.529x"),
        ("ratio", 1600.0, "1,600x"),
        ("share", 0.0, "0.0%"),
        ("share", 0.19318, "19.3%"),
        ("share", 1.0, "100.0%"),
        ("shape", (3, 224, 192), "3×224×192"),
        ("shape", (1000,), "1000"),
        ("pair", (491, 491), "491"),
        ("pair", (3, 5), "3×5"),
        ("pair", (Fraction(1, 2), 1), "0.5×1"),
        ("pair", (1_234_567, 1_234_567), "1234567"),
        ("pair", "image", "image"),
        ("any", 1234, "1,234"),
        ("any", (1, 2), "1×2"),
        ("any", "conv", "conv"),
        ("count", None, "–"),
        ("pair", None, "–"),
        ("ratio", None, "–"),
    ],
)
def test_values_as_a_reader_sees_them(kind: Kind, value: object, text: str) -> None:
    assert write(value, kind) == text


@pytest.mark.parametrize("cells", BAR_CELLS)
def test_a_bar_is_as_long_as_its_share(cells: int) -> None:
    for eighths in range(cells * 8 + 1):
        text = bar(eighths / (cells * 8 or 1), cells)
        assert len(text) == cells
        assert sum(8 if cell == "█" else " ▏▎▍▌▋▊▉".index(cell) for cell in text) == eighths


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_without_rows_is_still_one(format: str) -> None:
    column = Column("n", "n", "count", lambda row: row)
    assert "nothing here" in Table("nothing here", (column,), ()).to(format) or format == "csv"
