"""`sweep`: every combination, counted as its trace is."""

import csv
import io
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NAMES
from rich.console import Console
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import output, registry
from mobilenet_lab.analysis import DTYPES, analyse
from mobilenet_lab.architectures import mobilenet_v2
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError, ShapeError, UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.reports.table import Table
from mobilenet_lab.verbs import settings
from mobilenet_lab.verbs.ranges import MOST, literal, values
from mobilenet_lab.verbs.sweep import sweep


def numbers(table: Table) -> list[dict[str, Any]]:
    keys = ("params", "macs", "activations", "live")
    return [{key: record[key] for key in keys} for record in table.records()]


def by_analysis(trace: Trace, dtype: str = "float32") -> dict[str, int]:
    total = analyse(trace, dtype).total
    keys = ("params", "macs", "activations", "live")
    return {key: getattr(total, key) for key in keys}


NOTHING = dict.fromkeys(("params", "macs", "activations", "live"))

# Ranges


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("96:320:32", [96, 128, 160, 192, 224, 256, 288, 320]),
        ("96:319:32", [96, 128, 160, 192, 224, 256, 288]),
        ("224:224:1", [224]),
        ("0.5:1:0.25", [0.5, 0.75, 1.0]),
        ("1:2:.5", [1.0, 1.5, 2.0]),
        ("96,224", [96, 224]),
        ("192x256,96", ["192x256", 96]),
        ("96:128:32, 224", [96, 128, 224]),
        ("0.35", [0.35]),
        ("slim,torchvision", ["slim", "torchvision"]),
        ("true,False", [True, False]),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    found = values("--width", text)
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_decimals_do_not_drift() -> None:
    found = values("--width", "0.25:1.5:0.05")
    assert len(found) == 26
    assert found == [float(f"{hundredths / 100:.2f}") for hundredths in range(25, 151, 5)]
    assert found[1] == 0.3, "0.25 + 0.05 is 0.30000000000000004 in floats"


@given(st.integers(0, 500), st.integers(1, 99), st.integers(0, 60), st.integers(0, 3))
def test_a_range_is_its_start_and_every_step_up_to_its_stop(
    start: int, step: int, many: int, decimals: int
) -> None:
    def text(number: int) -> str:
        return f"{number / 10**decimals:.{decimals}f}"

    texts = [text(start + step * number) for number in range(many + 1)]
    for last in (0, step - 1):  # a stop that is hit, and one that is missed
        stop = text(start + step * many + last)
        found = values("--width", f"{text(start)}:{stop}:{text(step)}")
        assert found == [literal(each) for each in texts]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("96:320", "is a value, some with commas between, or START:STOP:STEP like 96:320:32"),
        ("96:320:32:1", "START:STOP:STEP"),
        ("a:b:c", "START:STOP:STEP"),
        ("-1:5:1", "START:STOP:STEP"),
        ("1:5:-1", "START:STOP:STEP"),
        ("1:inf:1", "START:STOP:STEP"),
        ("1e3:2e3:1", "START:STOP:STEP"),
        ("::", "START:STOP:STEP"),
        ("96,,128", "START:STOP:STEP"),
        ("", "START:STOP:STEP"),
        ("96:320:0", "96:320:0 has no values"),
        ("320:96:32", "320:96:32 has no values"),
        ("1:2000000:1", "has 2,000,000 values; a sweep takes up to 1,000,000"),
        ("0:999999999999999:.000000000000001", "values; a sweep takes up to"),
        (f"1:{'9' * 5000}:1", "START:STOP:STEP"),
    ],
)
def test_values_that_are_none(text: str, told: str) -> None:
    with pytest.raises(LabError) as caught:
        values("--width", text)
    assert told in str(caught.value)
    assert str(caught.value).startswith("--width ")
    assert len(str(caught.value)) < 200


# The combinations


def test_every_combination_has_its_row() -> None:
    table = sweep("mobilenet_v2", width=[0.5, 1.0], resolution=[96, (128, 160), "224x200"])
    sides = [(96, 96), (128, 160), (224, 200)]
    combinations = list(product([0.5, 1.0], sides))
    assert [(row["width"], row["resolution"]) for row in table.records()] == combinations
    assert numbers(table) == [
        by_analysis(registry.trace("mobilenet_v2", width=width, resolution=resolution))
        for width, resolution in combinations
    ]
    assert [column.key for column in table.columns] == [
        "width", "resolution", "params", "macs", "activations", "live",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_many_resolutions_are_counted_as_each_trace(name: str) -> None:
    """From more than FEW resolutions on, one trace is read; where that will not do, none."""
    own = registry.trace(name).input_shape[1]
    sides = [own, own + 32, (own, 2 * own), own + 1, 3]
    assert len(sides) > settings.FEW
    expected = []
    for side in sides:
        try:
            expected.append(by_analysis(registry.attempt(name, resolution=side)))
        except ShapeError:
            expected.append(NOTHING)
    assert numbers(sweep(name, resolution=sides)) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_in_bytes_of_the_type(dtype: str) -> None:
    table = sweep("mobilenet_v1", dtype=dtype, width=[0.25], resolution=[96])
    trace = registry.trace("mobilenet_v1", width=0.25, resolution=96)
    assert numbers(table) == [by_analysis(trace, dtype)]
    assert dtype in " ".join(table.notes)


def test_any_option_can_be_swept_or_kept() -> None:
    table = sweep("mobilenet_v3_small", scaling=["slim", "torchvision"], classes=10, width=0.75)
    assert [row.settings for row in table.rows] == [{"scaling": "slim"}, {"scaling": "torchvision"}]
    assert numbers(table) == [
        by_analysis(registry.trace("mobilenet_v3_small", scaling=way, classes=10, width=0.75))
        for way in ("slim", "torchvision")
    ]
    assert table.title == (
        "mobilenet_v3_small · 2 values of scaling · width 0.75 · resolution 224 · classes 10"
    )


def test_the_resolution_runs_fastest() -> None:
    table = sweep("mobilenet_v1", resolution=[96, 128], width=[0.25, 0.5])
    assert [row.settings["width"] for row in table.rows] == [0.25, 0.25, 0.5, 0.5]


@pytest.mark.parametrize("sides", [range(96, 161, 32), np.arange(96, 161, 32)])
def test_a_range_or_an_array_is_a_list(sides: Any) -> None:
    table = sweep("mobilenet_v1", resolution=sides)
    assert table.records() == sweep("mobilenet_v1", resolution=[96, 128, 160]).records()
    assert table.to("json") == sweep("mobilenet_v1", resolution=[96, 128, 160]).to("json")


def test_what_does_not_work_has_dashes_and_a_reason() -> None:
    table = sweep("yolov4_mobilenet_v2", resolution=[416, 417, 3])
    assert numbers(table)[1:] == [NOTHING, NOTHING]
    assert "No numbers (–) at 2 of 3 combinations: sizes do not fit at 2." in table.notes[-1]
    assert "The first: yolov4_mobilenet_v2 at 417x417: up4.concat: maps of" in table.notes[-1]
    lines = [line for line in str(table).splitlines() if line.split()[:1] == ["417"]]
    assert lines[0].split() == ["417", "–", "–", "–", "–"]
    vanish = sweep("googlenet", resolution=[5, 31, 224])
    assert (
        "No numbers (–) at 1 of 3 combinations: maps vanish at 1. The first: googlenet"
        in (vanish.notes[-1])
    )
    assert "No numbers" not in " ".join(sweep("googlenet", resolution=[31, 224]).notes)


def test_where_nothing_works_the_reason_is_told() -> None:
    with pytest.raises(LabError) as caught:
        sweep("googlenet", resolution=[3, 5, 7])
    assert str(caught.value).startswith("none of 3 combinations works; googlenet: pool2")
    assert str(caught.value).endswith("the smallest resolution that works is 31x31")
    with pytest.raises(LabError, match=r"^googlenet: pool2.*31x31$"):
        sweep("googlenet", resolution=[3])


# Functions


def stack(t: int, depth: int, resolution: Any = 96) -> Trace:
    net = Net()
    x = net.conv(net.input(3, resolution), 16, stride=2, name="stem")
    for number in range(depth):
        with net.block(f"block{number}"):
            x = mobilenet_v2.inverted_residual(net, x, t, c=24, stride=2)
    return net.trace(x)


def test_a_function_is_searched() -> None:
    table = sweep(stack, t=[3, 6], depth=[2, 4], resolution=[96, 128, 64, (32, 96)])
    assert numbers(table) == [
        by_analysis(stack(t, depth, resolution))
        for t, depth, resolution in product([3, 6], [2, 4], [96, 128, 64, (32, 96)])
    ]
    assert table.title.startswith("stack · 2 values of t · 2 values of depth")
    assert [row["resolution"] for row in table.records()][:4] == [
        (96, 96),
        (128, 128),
        (64, 64),
        (32, 96),
    ]


def test_a_function_may_choose_layers_by_the_resolution() -> None:
    """So each resolution has a trace of its own."""

    def network(resolution: int) -> Trace:
        net = Net()
        x = net.input(3, resolution)
        return net.trace(net.conv2d(x, 8, 3 if resolution > 100 else 1))

    found = [row["params"] for row in sweep(network, resolution=[64, 96, 128, 160]).records()]
    assert found == [24, 24, 216, 216]


def test_a_function_may_take_anything() -> None:
    """Tables of its own, too, which are shown as text."""

    def network(table: list[tuple[int, int]], wide: bool) -> Trace:
        net = Net()
        x = net.input(3, 32)
        for number, (channels, kernel) in enumerate(table):
            x = net.conv(x, channels * (1 + wide), kernel, name=f"conv{number}")
        return net.trace(x)

    tables = [[(8, 3)], [(8, 3), (16, 1)]]
    table = sweep(network, table=tables, wide=[False, True])
    assert [row["macs"] for row in table.records()] == [
        1024 * 216,
        1024 * 432,
        1024 * (216 + 128),
        1024 * (432 + 512),
    ]
    assert "[(8, 3), (16, 1)]  True" in str(table)


def test_the_example_of_the_docstring_works() -> None:
    text = re.search(r"\n\n( {8}from .*?)\n\n    Memory", sweep.__doc__ or "", re.DOTALL)
    assert text is not None
    names: dict[str, Any] = {"lab": lab}
    source, asked = textwrap.dedent(text[1]).split("\n\nlab.sweep")
    exec(source, names)
    table = eval(f"lab.sweep{asked}", names)
    assert len(table.rows) == 8
    assert all(row.macs for row in table.rows)


def test_a_function_that_gives_no_trace_is_refused() -> None:
    with pytest.raises(LabError, match="the function gives no Trace but int"):
        sweep(lambda t: t, t=[1, 2])  # type: ignore[arg-type, return-value]


def test_a_function_of_which_nothing_works() -> None:
    def network(kernel: int) -> Trace:
        net = Net()
        return net.trace(net.max_pool(net.input(1, 8), kernel, name="pool"))

    assert [row.macs for row in sweep(network, kernel=[8, 9]).rows] == [0, None]
    with pytest.raises(LabError, match=r"^none of 2 combinations works; pool: nothing is left"):
        sweep(network, kernel=[9, 10])


# Refused


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "give several values"),
        ({"resolution": 224}, "give several values"),
        ({"resolution": []}, "resolution has no values"),
        ({"resolution": range(0)}, "resolution has no values"),
        ({"width": [0.5, -1]}, "width must be a positive number up to 1,000, not -1"),
        ({"resolution": [224, "a"]}, "resolution is one whole number or HxW"),
        ({"resolution": [224, 1.5, 7]}, "resolution must be a whole number"),
        ({"resolution": [224, None, 7]}, "resolution must be a whole number"),
        ({"widht": [1, 2]}, "did you mean width"),
        ({"width": range(1, 2000), "resolution": range(1, 2000)}, "more than 1,000,000 combi"),
        ({"resolution": range(1, 10**30)}, "more than 1,000,000 combinations: make the steps"),
        ({"dtype": "float23", "width": [1]}, "did you mean float32"),
    ],
)
def test_options_of_no_use(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LabError, match=re.escape(told)):
        sweep("mobilenet_v2", **options)


def test_networks_of_no_use() -> None:
    with pytest.raises(UnknownNameError, match="did you mean mobilenet_v2"):
        sweep("mobilenet_v22", width=[1, 2])
    with pytest.raises(LabError, match="a name or a function, not Trace"):
        sweep(registry.trace("mobilenet_v2"), resolution=[1, 2])  # type: ignore[arg-type]


def test_the_ceiling_is_a_million() -> None:
    assert MOST == 10**6
    lists = settings._separated({"a": range(1000), "b": range(1000)})[1]
    assert len(lists["a"]) == 1000
    with pytest.raises(LabError, match="make the steps larger"):
        settings._separated({"a": range(1000), "b": range(1001)})


# The command line

COMMAND = ["sweep", "mobilenet_v2", "--width", "0.25:1.5:0.05", "--resolution", "96:320:32"]


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def test_the_command() -> None:
    rows = list(csv.DictReader(io.StringIO(ran(*COMMAND, "--format", "csv"))))
    assert len(rows) == 26 * 8
    assert rows[0] == {
        "width": "0.25", "resolution": "96x96", "params": "1519112", "macs": "7877792",
        "activations": "1249176", "live": "884736",
    }  # fmt: skip
    found = [row for row in rows if row["width"] == "1.0" and row["resolution"] == "224x224"]
    assert [row["macs"] for row in found] == ["300774272"]


def test_the_command_as_json() -> None:
    whole = json.loads(ran(*COMMAND, "--classes", "10,100", "--format", "json"))
    assert len(whole["rows"]) == 26 * 8 * 2
    assert whole["network"] == "mobilenet_v2"
    assert list(whole["swept"]) == ["width", "classes", "resolution"]
    assert whole["swept"]["width"][1] == 0.3
    assert whole["rows"][0]["resolution"] == [96, 96]
    assert list(whole["columns"]) == list(whole["rows"][0])


def test_options_of_the_network_by_set() -> None:
    arguments = ("sweep", "mobilenet_v3_large", "--set", "scaling=slim,torchvision")
    rows = list(csv.DictReader(io.StringIO(ran(*arguments, "--width", "0.75", "-f", "csv"))))
    assert [row["scaling"] for row in rows] == ["slim", "torchvision"]
    assert "width 0.75" in ran(*arguments, "--width", "0.75")
    text = ran("sweep", "mobilenet_v3_small", "--set", "dilated=true,false", "-f", "csv")
    assert [line.split(",")[0] for line in text.splitlines()] == ["dilated", "True", "False"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--width 0.25:1.5", "--width is a value, some with commas between"),
        ("--width 0.5,x", "width must be a positive number up to 1,000, not x"),
        ("--resolution 96:320:0", "--resolution 96:320:0 has no values"),
        ("--resolution 1:1001:1 --width 1:1000:1", "more than 1,000,000 combinations"),
        ("--in-channels 1:9", "--in-channels is a value"),
        ("--set scaling=slim", "did you mean"),
        ("--set width", "--set takes NAME=VALUE"),
        ("--set cut=1:2", "--cut is a value"),
        ("", "give several values"),
    ],
)
def test_one_sentence_for_wrong_use(arguments: str, told: str) -> None:
    result = CliRunner().invoke(app, ["sweep", "mobilenet_v2", *arguments.split()])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) < 300


def test_eighty_columns() -> None:
    screen = io.StringIO()
    table = sweep("yolov4_mobilenet_v3_dense", width=[0.25, 2], resolution=[64, (1024, 2048), 417])
    Console(file=screen, width=80).print(table)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    body = [line for line in lines if line.startswith(("  0.25", "     2"))]
    assert len(body) == 6
    assert f"{table.rows[4].macs:,}" in body[4]
    assert "1024×2048" in body[4]


# Progress


def watched(monkeypatch: pytest.MonkeyPatch, terminal: bool, patience: float) -> tuple[str, list]:
    """What standard error shows, and what comes through."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(output, "PATIENCE", patience)
    monkeypatch.setenv("TERM", "xterm-256color")
    handed_on = list(output.progress((n for n in range(500)), 500))
    return screen.getvalue(), handed_on


@pytest.mark.parametrize(
    ("terminal", "patience", "bar"), [(True, -1, True), (True, 60, False), (False, -1, False)]
)
def test_a_bar_where_it_takes_long_and_someone_looks(
    terminal: bool, patience: float, bar: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, handed_on = watched(monkeypatch, terminal, patience)
    assert handed_on == list(range(500))
    assert ("counting" in shown) is bar
    assert bool(shown) is bar


def test_the_verb_is_watched() -> None:
    told: list[Any] = []

    def watch(items: Iterable[Any], total: int) -> Iterator[Any]:
        for item in items:
            told.append((item, total))
            yield item

    table = sweep("mobilenet_v1", watch=watch, width=[0.25, 0.5], resolution=[96, 128])
    assert told == [((row.settings["width"], row.settings["resolution"]), 4) for row in table.rows]
