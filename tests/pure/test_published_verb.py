"""`published`: rows worked out by hand, verdicts that agree with the records, and its layouts."""

import csv
import io
import json
import re
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse, as_published
from mobilenet_lab.cli import app
from mobilenet_lab.reports.formats import FORMATS
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.sources import Published
from mobilenet_lab.verbs.published import VERDICTS, Comparison, published

NAMES = list(registry.NETWORKS)
SIZES = ("width", "resolution", "size")
SLIM = "TF-slim, mobilenet_v1.md"


def row(network: str, source: str, quantity: str, printed: str) -> Comparison:
    found = [
        row
        for row in published(network).rows
        if (row.quantity, row.printed) == (quantity, printed) and source in row.source
    ]
    assert len(found) == 1
    return found[0]


# Exact rows


# V1 at 1.0 has 10,944 batch-norm channels: 4,231,976 + 1025 for a class more + one more vector
@pytest.mark.parametrize(
    ("network", "source", "quantity", "printed", "expected"),
    [
        (
            "mobilenet_v1", SLIM, "MACs", "317 M",
            ("width 0.75, 224×224", 325_400_448 - 112 * 112 * 27 * 24, "rounded", "explained",
             "without stem"),
        ),
        (
            "mobilenet_v1", SLIM, "params", "4.24 M",
            ("width 1, 224×224, 1001 classes", 4_231_976 + 1025 + 10_944, "rounded", "explained",
             "1001 classes; 3 batch-norm vectors"),
        ),
        (
            "mobilenet_v1", "Table 9", "params", "1.32 M",
            ("width 0.5, 160×160", 1_331_592 - 10_944, "rounded", "explained",
             "without batch norm"),
        ),
        (
            "mobilenet_v1", "Table 14", "MACs", "166 M",
            ("width 0.75, 160×160", 166_396_800, "rounded", "equal as printed", ""),
        ),
        (
            "mobilenet_v1", "arXiv 1801.04381, Table 4", "MACs", "575 M",
            ("width 1, 224×224", 568_740_352, None, "not reproducible",
             "568,740,352 by the V1 paper's own count"),
        ),
        (
            "mobilenet_v1", SLIM, "MACs", "34 M",
            ("width 0.25, 192×192", 30_212_608, None, "not reproducible", "misprint: 30,212,608"),
        ),
        (
            "mobilenet_v2", "1801.04381", "MACs", "300 M",
            ("width 1, 224×224", 300_774_272, "cut", "equal as printed", ""),
        ),
        (
            "mobilenet_v2", "1801.04381", "MACs", "585 M",
            ("width 1.4, 224×224", 582_195_824, None, "not reproducible",
             "582,195,824, as TF-slim prints"),
        ),
        (
            "mobilenet_v2", "TF-slim", "params", "6.06 M",
            ("width 1.4, 224×224", 6_060_840, "rounded", "explained", "without batch norm"),
        ),
    ],
)  # fmt: skip
def test_rows_worked_out_by_hand(
    network: str, source: str, quantity: str, printed: str, expected: tuple[Any, ...]
) -> None:
    found = row(network, source, quantity, printed)
    assert (found.settings, found.ours, found.way, found.verdict, found.how) == expected


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("300 M", 300_000_000),
        ("0.58 G", 580_000_000),
        ("2.7 k", 2_700),
        ("11.689512 M", 11_689_512),
    ],
)
def test_the_printed_number_as_an_integer(printed: str, number: int) -> None:
    found = Published("mobilenet_v2", "macs", printed, "made up", {}).number
    assert (found, type(found)) == (number, int)


def test_the_difference_is_ours_less_the_printed_one() -> None:
    assert row("mobilenet_v1", "1801.04381", "MACs", "575 M").difference == -6_259_648
    assert row("mobilenet_v1", SLIM, "params", "4.24 M").difference == 3_945


# Rows made up


def made_up(monkeypatch: pytest.MonkeyPatch, *records: Published) -> tuple[Comparison, ...]:
    monkeypatch.setattr(registry, "published", lambda name: records)
    return published("mobilenet_v1").rows


def macs(printed: str, source: str = "a", **fields: Any) -> Published:
    settings = fields.pop("settings", {"resolution": 224})
    return Published("mobilenet_v1", "macs", printed, source, settings, **fields)


def test_a_setting_that_changes_nothing_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"resolution": 224, "activation": "relu6"}
    (found,) = made_up(monkeypatch, macs("569 M", settings=settings))
    assert (found.verdict, found.how) == ("equal as printed", "")
    assert found.settings == "224×224, activation relu6"


def test_a_setting_that_changes_the_count_explains_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"width": 1.0, "resolution": 224, "in_channels": 1, "classes": 10}
    ours = 568_740_352 - 112 * 112 * 9 * 2 * 32 - 1024 * 990
    (found,) = made_up(monkeypatch, macs(f"{ours / 10**6:.0f} M", settings=settings))
    assert (found.ours, found.verdict) == (ours, "explained")
    assert found.how == "1 input channels; 10 classes"


def test_a_rectangle_is_height_times_width(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = made_up(monkeypatch, macs("1 M", settings={"resolution": (128, 256)}))
    assert found.settings == "128×256"


def test_one_stage_counted_alone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = [stage.name for stage in analyse(registry.trace("mobilenet_v1")).by("stage")]
    others = tuple(stage for stage in stages if stage != "stem")
    (found,) = made_up(monkeypatch, macs("10.8 M", without=others))
    assert (found.ours, found.how) == (112 * 112 * 27 * 32, "only stem")


def test_a_miss_without_a_reason_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = made_up(monkeypatch, macs("500 M"))
    assert (found.way, found.verdict) == (None, "not reproducible")
    assert found.how


def test_rows_of_a_source_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made_up(
        monkeypatch,
        macs("569 M", "a"),
        macs("500 M", "a", unexplained="x"),
        macs("569 M", "b"),
        macs("568 M", "a"),
    )
    assert [(row.source, row.printed) for row in rows] == [
        ("a", "569 M"),
        ("a", "568 M"),
        ("a", "500 M"),
        ("b", "569 M"),
    ]


# Every registered network


@pytest.mark.parametrize("name", NAMES)
def test_every_record_has_its_row(name: str) -> None:
    records, rows = registry.published(name), published(name).rows
    assert sorted((record.source, record.printed) for record in records) == sorted(
        (row.source, row.printed) for row in rows
    )
    for record in records:
        ours = as_published(analyse(registry.trace(name, **record.settings)), record)
        quantity = "MACs" if record.quantity == "macs" else "params"
        same = [
            row
            for row in rows
            if (row.source, row.quantity, row.printed, row.ours)
            == (record.source, quantity, record.printed, ours)
        ]
        assert same
        for row in same:
            assert row.way == record.printed_as(ours)
            assert row.difference == ours - record.number
            assert (row.verdict == "not reproducible") is (row.way is None)
            assert (row.verdict == "equal as printed") is (row.how == "")
            if row.verdict == "not reproducible":
                assert row.how in {other.unexplained for other in records}


@pytest.mark.parametrize("name", NAMES)
def test_equal_as_printed_is_the_network_as_it_is_counted_here(name: str) -> None:
    told = published(name).rows
    for record in registry.published(name):
        sizes = {key: record.settings[key] for key in record.settings if key in SIZES}
        plain = getattr(analyse(registry.trace(name, **sizes)).total, record.quantity)
        rows = [row for row in told if (row.source, row.printed) == (record.source, record.printed)]
        for row in rows:
            if row.verdict == "equal as printed" and len(rows) == 1:
                assert row.ours == plain


@pytest.mark.parametrize("name", NAMES)
def test_stages_left_out_are_stages(name: str) -> None:
    for record in registry.published(name):
        stages = analyse(registry.trace(name, **record.settings)).by("stage")
        assert set(record.without) <= {stage.name for stage in stages}


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_of_80_columns_shows_it_whole(name: str) -> None:
    table = published(name)
    screen = io.StringIO()
    Console(file=screen, width=80, force_terminal=True, legacy_windows=False).print(table)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80
    everything = "".join("".join(lines).split())
    for row in table.rows:
        for text in (row.source, row.how, row.verdict):
            assert "".join(text.split()) in everything
        numbers = rf"{re.escape(row.printed)} +{row.ours:,} +{row.difference:,} +{row.way or '–'}"
        assert any(re.search(numbers, line) for line in lines)


def test_a_narrow_terminal_loses_no_digit() -> None:
    table = published("mobilenet_v1")
    screen = io.StringIO()
    Console(file=screen, width=30, color_system=None).print(table)
    assert sum(map(str.isdigit, screen.getvalue())) >= sum(map(str.isdigit, str(table)))


# Formats and the command line


def values(table: Table, columns: tuple[Column, ...]) -> list[list[Any]]:
    return [[column.value(row) for column in columns] for row in table.rows]


@pytest.mark.parametrize("name", NAMES)
def test_files_have_every_value(name: str) -> None:
    table = published(name)
    whole = json.loads(table.to("json"))
    assert whole["network"] == name
    assert [list(record.values()) for record in whole["rows"]] == values(table, table.columns)
    counted = {verdict: sum(r.verdict == verdict for r in table.rows) for verdict in VERDICTS}
    assert whole["verdicts"] == counted
    header, *lines = csv.reader(io.StringIO(table.to("csv")))
    assert header == [column.key for column in table.columns]
    assert [[int(line[4]), int(line[5])] for line in lines] == [
        [row.ours, row.difference] for row in table.rows
    ]


def test_long_texts_wrap_in_html_and_latex() -> None:
    table = published("mobilenet_v1")
    assert table.to("html").count('<td class="left prose">') == 2 * len(table.rows)
    assert ".mobilenet-lab .prose {white-space: normal" in table.to("html")
    assert table.to("latex").count(r"p{0.2\linewidth}") == 2


@pytest.mark.parametrize("format", FORMATS)
def test_the_command_prints_what_python_returns(format: str) -> None:
    result = CliRunner().invoke(app, ["published", "mobilenet_v2", "-f", format])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == lab.published("mobilenet_v2").to(format)


def test_wrong_use_exits_2() -> None:
    result = CliRunner().invoke(app, ["published", "mobilenet_v22"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean mobilenet_v2" in result.stderr
    assert CliRunner().invoke(app, ["published", "mobilenet_v2", "--width", "1"]).exit_code == 2


def test_a_file_is_replaced_only_with_force(tmp_path: Any) -> None:
    path = tmp_path / "published.md"
    arguments = ["published", "mobilenet_v2", "--output", str(path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert path.read_text("utf-8") == published("mobilenet_v2").to("markdown")
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0


def test_what_is_no_name_is_told_so() -> None:
    with pytest.raises(lab.LabError, match="network"):
        published(registry.trace("mobilenet_v2"))  # type: ignore[arg-type]
