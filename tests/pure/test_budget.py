"""`budget`: the settings inside it that no other beats, and what is known of their accuracy."""

import csv
import io
import json
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NAMES
from rich.console import Console
from typer.testing import CliRunner

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import mobilenet_v2
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Pair, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.reports.table import Table, write
from mobilenet_lab.verbs.budget import Fit, _unbeaten, amount, budget, usual

WIDTHS, SIDES = [0.25, 0.35, 0.5, 0.75, 1.0, 1.4], [96, 128, (160, 128), 160, 192, 224]


def by_trace(name: str, width: float, resolution: Any) -> tuple[int, int]:
    total = analyse(registry.trace(name, width=width, resolution=resolution)).total
    return total.params, total.macs


def chosen(table: Table) -> list[tuple[float, Pair]]:
    return [(row["width"], row["resolution"]) for row in table.records()]


@pytest.mark.parametrize(
    ("name", "macs", "params"),
    [
        ("mobilenet_v2", "150M", "2M"),
        ("mobilenet_v2", 10**8, None),
        ("mobilenet_v1", None, "1M"),
        ("mobilenet_v3_large", "0.05G", 10**7),
        ("mobilenet_v1", 1e12, None),
    ],
)
def test_what_is_chosen_is_what_no_other_beats(name: str, macs: Any, params: Any) -> None:
    """By trying everything."""
    limits = amount("params", params or 1e12), amount("macs", macs or 1e12)
    sides = [side if isinstance(side, tuple) else (side, side) for side in SIDES]
    inside = [
        (width, side)
        for width, side in product(WIDTHS, sides)
        if all(
            used <= limit for used, limit in zip(by_trace(name, width, side), limits, strict=True)
        )
    ]
    best = [
        one
        for one in inside
        if not any(
            other != one
            and other[0] >= one[0]
            and other[1][0] >= one[1][0]
            and other[1][1] >= one[1][1]
            for other in inside
        )
    ]
    table = budget(name, macs=macs, params=params, width=WIDTHS, resolution=SIDES)
    assert sorted(chosen(table)) == sorted(best)
    found = [(row.params, row.macs) for row in table.rows]
    assert found == [by_trace(name, *setting) for setting in chosen(table)]
    assert [used for _, used in found] == sorted((used for _, used in found), reverse=True)
    assert f"{len(inside)} inside the budget, {len(best)} of them" in table.subtitle


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.booleans()),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_settings_of_any_order(found: list[tuple[int, int, int, bool]]) -> None:
    """Width, both sides of the resolution, and something that is not compared."""
    fits = [
        Fit({"width": width, "resolution": (high, wide), "gated": gated}, 1, 1)
        for width, high, wide, gated in found
    ]
    best = {
        one
        for one in found
        if not any(
            other != one
            and other[3] == one[3]
            and all(a >= b for a, b in zip(other[:3], one[:3], strict=True))
            for other in found
        )
    }
    kept = [fit.settings for fit in _unbeaten(fits, ("width", "resolution"))]
    assert {(each["width"], *each["resolution"], each["gated"]) for each in kept} == best
    assert len(kept) == len(best)


def test_the_budget_itself_still_fits() -> None:
    params, macs = by_trace("mobilenet_v2", 1.0, 224)
    how: dict[str, Any] = {"width": [0.5, 1.0], "resolution": 224}
    assert chosen(budget("mobilenet_v2", macs=macs, params=params, **how)) == [(1.0, (224, 224))]
    for less in ({"macs": macs - 1}, {"params": params - 1}):
        assert chosen(budget("mobilenet_v2", **less, **how)) == [(0.5, (224, 224))]


def test_shares_of_the_budget() -> None:
    table = budget("mobilenet_v2", macs="601.548544M", params=7_009_744, width=1, resolution=[224])
    (record,) = table.records()
    assert (record["macs_share"], record["params_share"]) == (0.5, 0.5)
    assert record["macs"] == 300_774_272
    assert table.title == "mobilenet_v2 within 601,548,544 MACs and 7,009,744 params"
    keys = [column.key for column in budget("mobilenet_v2", macs="1G").columns]
    assert "macs_share" in keys
    assert "params_share" not in keys


def test_top_shows_the_largest() -> None:
    whole = budget("mobilenet_v1", macs="150M")
    assert len(whole.rows) > 3
    assert budget("mobilenet_v1", macs="150M", top=3).rows == whole.rows[:3]
    assert "shown: 3" in budget("mobilenet_v1", macs="150M", top=3).subtitle
    assert budget("mobilenet_v1", macs="150M", top=1000).rows == whole.rows


def test_other_options_are_alternatives() -> None:
    table = budget(
        "mobilenet_v3_small",
        macs="60M",
        scaling=["slim", "torchvision"],
        width=[0.5, 1.0],
        resolution=[128, 224],
    )
    found = {(row.settings["scaling"], *row.settings.values()) for row in table.rows}
    assert {way for way, *_ in found} == {"slim", "torchvision"}
    assert len(table.rows) == 2, "each at width 1 and 224"


def test_it_says_that_it_knows_no_accuracy() -> None:
    for network in ("mobilenet_v2", "resnet18"):
        told = budget(network, macs="2G").notes[0]
        assert told.startswith("This looks at cost only: larger inside the budget (more width and")
        assert told.endswith("a guess where no accuracy has been published.")


# Accuracy


def test_published_accuracy_is_told_with_its_source() -> None:
    table = budget("mobilenet_v1", macs="150M", width=[0.25, 0.5], resolution=[160, 224])
    (record,) = table.records()
    assert (record["top1"], record["source"]) == (63.7, "arXiv 1704.04861, Table 6")
    (row,) = table.rows
    assert [each.top1 for each in row.accuracies] == [63.7, 63.3]
    assert any("Also printed at width 0.5, resolution 224: 63.3 (TF-slim" in n for n in table.notes)
    assert (
        "The highest published inside the budget: 63.7 at width 0.5, resolution 224 "
        "(arXiv 1704.04861, Table 6)." in table.notes
    )


def test_the_highest_published_may_be_beaten_in_size() -> None:
    table = budget("mobilenet_v2", macs="150M", params="2M")
    assert all(row.accuracy is None for row in table.rows)
    assert table.facts["best_published"]["top1"] == 66
    assert table.facts["best_published"]["settings"] == {"width": 0.5, "resolution": 224}
    alone = budget("mobilenet_v2", macs="12M", width=0.25, resolution=96)
    assert alone.facts["best_published"]["top1"] == 45.5
    assert budget("mobilenet_v2", macs="8M").facts["best_published"] is None


@pytest.mark.parametrize(
    ("name", "options", "top1"),
    [
        ("mobilenet_v2", {"width": 1.0, "resolution": 224}, 72.0),
        ("mobilenet_v2", {"width": 1.0, "resolution": 224, "classes": 10}, None),
        ("mobilenet_v2", {"width": 1.0, "resolution": 224, "in_channels": 1}, None),
        ("mobilenet_v2", {"width": 1.0, "resolution": (224, 192)}, None),
        ("mobilenet_v2", {"width": 1.0, "resolution": 225}, None),
        ("mobilenet_v3_large", {"width": 0.75, "resolution": 224}, None),
        ("mobilenet_v3_large", {"width": 0.75, "resolution": 224, "scaling": "slim"}, 73.3),
        ("mobilenet_v3_large", {"width": 1.0, "resolution": 224, "scaling": "slim"}, 75.2),
        ("mobilenet_v3_large", {"width": 1.0, "resolution": 224, "dilated": True}, None),
        ("mixnet_s", {"width": 1.0, "resolution": 224}, 75.8),
        ("resnet18", {"resolution": 224}, None),
    ],
)
def test_accuracy_is_that_of_exactly_the_network(
    name: str, options: dict[str, Any], top1: float | None
) -> None:
    table = budget(name, params="1G", **options)
    (record,) = table.records()
    assert record["top1"] == top1
    best = table.facts["best_published"]
    if "classes" in options or "in_channels" in options or name == "resnet18":
        assert best is None, "of another network"
    if name == "mobilenet_v3_large" and options.get("dilated"):
        assert best is None


# What is gone through


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("mobilenet_v2", [96, 128, 160, 192, 224, 256, 288, 320]),
        ("alexnet", [96, 128, 160, 192, 224, 227, 256, 288, 320]),
        ("yolov5n", [288, 352, 448, 544, 640, 736, 832, 928]),
        ("lenet5", [12, 20, 24, 28, 32, 36, 40, 44]),
    ],
)
def test_usual_resolutions(name: str, sides: list[int]) -> None:
    assert usual(name)["resolution"] == sides


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_a_usual_budget(name: str) -> None:
    """Its own parameters and MACs are enough for itself, at least."""
    total = analyse(registry.trace(name)).total
    lists = usual(name)
    assert ("width" in lists) is ("width" in registry.options(name))
    widths = {"width": [0.5, 1.0]} if "width" in lists else {}
    table = budget(name, macs=total.macs, params=total.params, **widths)
    assert table.rows[0].macs == total.macs
    own = registry.trace(name).input_shape[1:]
    assert own in [row["resolution"] for row in table.records()]


def test_usual_widths() -> None:
    widths = usual("mobilenet_v2")["width"]
    assert widths == [float(f"{width / 100}") for width in range(25, 201, 5)]
    assert "width" not in usual("resnet18")


# Functions


def stack(t: int, depth: int, resolution: int = 96) -> Trace:
    net = Net()
    x = net.conv(net.input(3, resolution), 16, stride=2, name="stem")
    for number in range(depth):
        with net.block(f"block{number}"):
            x = mobilenet_v2.inverted_residual(net, x, t, c=24, stride=2)
    return net.trace(x)


def test_a_function_is_searched() -> None:
    """Settings that are not said to be larger are alternatives, each with its own resolution."""
    lists: dict[str, Any] = {"t": [2, 3, 6], "depth": [2, 3], "resolution": [64, 96, 128]}
    table = budget(stack, macs="4M", **lists)
    assert len({(row.settings["t"], row.settings["depth"]) for row in table.rows}) == len(
        table.rows
    )
    assert [record["top1"] for record in table.records()] == [None] * len(table.rows)
    one = budget(stack, macs="1G", larger=("t", "depth", "resolution"), **lists)
    assert [row.settings for row in one.rows] == [{"t": 6, "depth": 3, "resolution": 128}]
    assert "more t and depth and resolution" in one.notes[0]


def test_what_is_larger_has_to_be_a_number_and_there() -> None:
    with pytest.raises(LabError, match="did you mean depth"):
        budget(stack, macs="1G", larger=("depht",), t=[2], depth=[2, 3])
    with pytest.raises(LabError, match="scaling 'slim' is no number"):
        budget("mobilenet_v3_small", macs="1G", larger=("scaling",), scaling=["slim"])


# Amounts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("150M", 150_000_000),
        ("0.3G", 300_000_000),
        ("2B", 2_000_000_000),
        ("500k", 500_000),
        ("500K", 500_000),
        ("1.5 m", 1_500_000),
        (".5g", 500_000_000),
        ("150000000", 150_000_000),
        ("1", 1),
        ("0.001k", 1),
        ("1.0", 1),
        (150_000_000, 150_000_000),
        (150e6, 150_000_000),
        (10**18, None),
        ("0", None),
        (0, None),
        (-5, None),
        ("-5M", None),
        ("1.5", None),
        (1.5, None),
        ("0.0001k", None),
        ("150MB", None),
        ("150T", None),
        ("1e6", None),
        ("M", None),
        (".", None),
        ("", None),
        ("150,000", None),
        ("a lot", None),
        ("9" * 5000, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_amounts(value: Any, expected: int | None) -> None:
    if expected is not None:
        assert amount("macs", value) == expected
        return
    with pytest.raises(LabError, match=r"macs is a count like 150M, 0\.3G or 150000000") as told:
        amount("macs", value)
    assert len(str(told.value)) < 120


@pytest.mark.parametrize(
    ("limit", "written"),
    [
        (150_000_000, "150 M"),
        (300_000_000, "300 M"),
        (1_500_000_000, "1.5 G"),
        (2_000, "2 k"),
        (999, "999"),
        (123_456_789, "123,456,789"),
        (12_345_000, "12.345 M"),
    ],
)
def test_the_title_has_the_budget_exactly(limit: int, written: str) -> None:
    def one(width: int) -> Trace:
        net = Net()
        return net.trace(net.conv2d(net.input(1, 1), width, 1))

    assert budget(one, macs=limit, width=[1]).title == f"one within {written} MACs"


# Refused


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "a budget needs macs or params"),
        ({"macs": "1M"}, "nothing fits into 1 M MACs: the cheapest tried, width 0.25, resolution "
         "96, takes 7,877,792 MACs"),
        ({"macs": "1G", "params": "1M"}, "nothing fits into 1 G MACs and 1 M params: the cheapest "
         "tried, width 0.25, resolution 96, takes 7,877,792 MACs and 1,519,112 params"),
        ({"macs": "1G", "top": 0}, "top is a whole number from 1, not 0"),
        ({"macs": "1G", "top": True}, "top is a whole number from 1, not True"),
        ({"macs": "1G", "widht": [1]}, "did you mean width"),
        ({"macs": "1G", "width": [-1]}, "width must be a positive number"),
        ({"macs": "1G", "width": []}, "width has no values"),
    ],
)  # fmt: skip
def test_one_sentence(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LabError, match=re.escape(told)):
        budget("mobilenet_v2", **options)


# The command line

COMMAND = ["budget", "mobilenet_v1", "--macs", "150M", "--params", "2M"]


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def test_the_command() -> None:
    rows = list(csv.DictReader(io.StringIO(ran(*COMMAND, "--format", "csv"))))
    assert rows[0] == {
        "width": "0.5", "resolution": "224x224", "params": "1331592", "macs": "149497088",
        "macs_share": str(149497088 / 150e6), "params_share": str(1331592 / 2e6),
        "top1": "63.7", "source": "arXiv 1704.04861, Table 6",
    }  # fmt: skip
    assert rows[1]["top1"] == rows[1]["source"] == ""
    assert (
        ran(*COMMAND, "--top", "1", "-f", "csv").splitlines()
        == (ran(*COMMAND, "-f", "csv").splitlines()[:2])
    )


def test_the_command_as_json() -> None:
    whole = json.loads(
        ran(*COMMAND, "--width", "0.25:1:0.25", "--resolution", "128,224x192", "--format", "json")
    )
    assert whole["budget"] == {"macs": 150_000_000, "params": 2_000_000}
    assert whole["swept"] == {"width": [0.25, 0.5, 0.75, 1.0], "resolution": [128, "224x192"]}
    assert whole["best_published"]["top1"] == 63.7
    assert [row["resolution"] for row in whole["rows"]] == [[224, 192]]
    assert "guess" in whole["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "a budget needs macs or params"),
        ("--macs much", "macs is a count like 150M, 0.3G or 150000000, not 'much'"),
        ("--params 1.5", "params is a count like"),
        ("--macs 100k", "nothing fits into 100 k MACs: the cheapest tried, width 0.25"),
        ("--macs 1G --top 0", "top is a whole number from 1, not 0"),
        ("--macs 1G --width 1:2", "--width is a value, some with commas between"),
    ],
)
def test_one_sentence_for_wrong_use(arguments: str, told: str) -> None:
    result = CliRunner().invoke(app, ["budget", "mobilenet_v2", *arguments.split()])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {told}")
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) < 300


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mixnet_s"])
@pytest.mark.parametrize("limits", [{"macs": "150M"}, {"macs": "2G", "params": "20M"}])
def test_eighty_columns(name: str, limits: dict[str, str]) -> None:
    """Of what is too long for a line, the sources alone go on in the next."""
    table = budget(name, **limits, resolution=[96, 128, 160, 192, 224, (1024, 2048)])
    screen = io.StringIO()
    Console(file=screen, width=80).print(table)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for row in table.rows:
        cells = [
            write(column.value(row), column.kind)
            for column in table.columns
            if column.key != "source"
        ]
        in_order = re.compile(r"[ █▏▎▍▌▋▊▉]+".join(["", *map(re.escape, cells), ""]))
        assert any(in_order.match(line) for line in lines), cells
