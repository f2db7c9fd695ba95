"""The Python side: public names, tables as values, and networks of one's own."""

import builtins
import io
import json
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from rich.console import Console

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.analysis import Row, analyse
from mobilenet_lab.errors import LabError, MissingPackageError, UnknownNameError
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.reports.formats import FORMATS
from mobilenet_lab.reports.table import Table
from mobilenet_lab.verbs.compare import compare
from mobilenet_lab.verbs.convolution import conv
from mobilenet_lab.verbs.explain import explain
from mobilenet_lab.verbs.field import field
from mobilenet_lab.verbs.listing import list_networks
from mobilenet_lab.verbs.published import published
from mobilenet_lab.verbs.summary import summary

VERBS = (
    "list", "summary", "explain", "field", "compare", "sweep", "budget", "conv", "published",
    "verify",
)  # fmt: skip


def fresh(code: str) -> str:
    """What `code` prints in a new interpreter that cannot import torch."""
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['torch'] = None\n{code}"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


# Public names


def test_importing_loads_no_room() -> None:
    code = "import mobilenet_lab; print(sorted(m for m in sys.modules if 'mobilenet_lab' in m))"
    assert fresh(code) == "['mobilenet_lab']\n"


def test_every_public_name_is_what_it_says_each_time() -> None:
    """Also where a file has the name of the function in it: trace, published, verify.

    `draw` alone is a module, of functions.
    """
    code = (
        "import types\n"
        "import mobilenet_lab as lab\n"
        "for again in range(3):\n"
        "    for name in lab.__all__:\n"
        "        if isinstance(getattr(lab, name), types.ModuleType) is not (name == 'draw'):\n"
        "            print(again, name)\n"
    )
    assert fresh(code) == ""


@pytest.mark.parametrize("module", ["layers", "sources", "verification", "registry", "cli"])
def test_no_import_takes_a_public_name_away(module: str) -> None:
    code = (
        "import mobilenet_lab as lab\n"
        f"import mobilenet_lab.{module}\n"
        "print(len(lab.trace('mobilenet_v2').layers), len(lab.trace('mobilenet_v2').layers))\n"
        "print(callable(lab.published) and callable(lab.verify))\n"
    )
    layers = len(registry.trace("mobilenet_v2").layers)
    assert fresh(code) == f"{layers} {layers}\nTrue\n"


def test_from_import_gives_the_functions() -> None:
    code = (
        "from mobilenet_lab import trace, published, verify, summary\n"
        "import mobilenet_lab as lab\n"
        "print(trace('mobilenet_v1').name, len(published('mobilenet_v1').rows) > 10)\n"
        "print(callable(verify), summary('mobilenet_v2').total.macs)\n"
    )
    assert fresh(code) == "mobilenet_v1 True\nTrue 300774272\n"


def test_the_names_of_the_documentation_are_there() -> None:
    names = {*VERBS, "trace", "build", "analyse", "counts_at", "receptive_fields"}
    assert names | {"Net", "Trace", "LabError"} <= set(lab.__all__)
    assert {*lab.__all__, "__version__"} <= set(dir(lab))
    assert dir(lab) == sorted(set(dir(lab)))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'summery'"):
        lab.summery  # noqa: B018
    assert not hasattr(lab, "torch")


def test_building_without_torch_names_the_extra() -> None:
    code = (
        "import mobilenet_lab as lab\n"
        "for ask in (lambda: lab.build('mobilenet_v2'), lambda: lab.verify('mobilenet_v2')):\n"
        "    try: ask()\n"
        "    except lab.LabError as error: print(error)\n"
    )
    first, second = fresh(code).splitlines()
    assert "torch, which is not installed" in first
    assert first.endswith(second[-len("pip install 'mobilenet-lab[torch]'") :])
    assert second.endswith("pip install 'mobilenet-lab[torch]'")


# Tables


def own(name: str = "", stage: str = "body") -> Trace:
    """A small network of one's own, with a rectangle, a residual and a gate."""
    net = Net()
    x = net.input(4, (12, 20))
    x = net.conv2d(x, 8, 3, 2, bias=True, name="stem")
    with net.stage(stage):
        for index in range(2):
            with net.block(str(index)):
                h = net.conv(x, 8, 3, groups=8, name="depthwise")
                with net.scope("se"):
                    gate = net.adaptive_avg_pool(h)
                    gate = net.act(net.conv2d(gate, 8, 1, bias=True), "sigmoid")
                    h = net.mul(h, gate)
                x = net.add(x, h)
    x = net.flatten(net.adaptive_avg_pool(x))
    trace = net.trace(net.linear(x, 5, name="scores"))
    return trace if not name else Trace(trace.layers, trace.outputs, trace.taps, name)


TABLES: dict[str, Callable[[], Table]] = {
    "list": list_networks,
    "summary": lambda: summary("mobilenet_v2"),
    "explain": lambda: explain("mobilenet_v2", "stage3.1"),
    "field": lambda: field("mobilenet_v2"),
    "compare": lambda: compare("mobilenet_v1", "mobilenet_v2"),
    "conv": lambda: conv(64, 128),
    "published": lambda: published("mobilenet_v1"),
    "own summary": lambda: summary(own(), level="layer"),
    "own field": lambda: field(own(), all_layers=True),
    "own explain": lambda: explain(own(), "body.0"),
    "own compare": lambda: compare(own(), own("mine")),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_hands_out_its_rows(name: str) -> None:
    table = TABLES[name]()
    assert table.rows
    assert all(isinstance(row, tuple) and row._fields for row in table.rows), "typed records"
    records = table.records()
    assert [list(record) for record in records] == [
        [column.key for column in table.columns] for _ in table.rows
    ]
    for record, row in zip(records, table.rows, strict=True):
        assert record == {column.key: column.value(row) for column in table.columns}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_prints_itself(name: str) -> None:
    table = TABLES[name]()
    assert str(table) == repr(table) == table.to("table")
    assert "\x1b" not in str(table)
    assert table._repr_html_() == table.to("html")
    screen = io.StringIO()
    Console(file=screen, width=10_000, color_system=None).print(table)
    assert [line.rstrip() for line in screen.getvalue().splitlines()] == str(table).splitlines()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("format", FORMATS)
def test_asking_again_gives_the_same_text(name: str, format: str) -> None:
    assert TABLES[name]().to(format) == TABLES[name]().to(format)


def test_a_notebook_gets_text_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Jupyter rich displays what it prints, whatever file it was given."""
    shell = type("ZMQInteractiveShell", (), {})()
    displayed: list[Any] = []
    notebook = types.ModuleType("IPython.display")
    notebook.display = displayed.append
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    text = str(summary("mobilenet_v2"))
    assert displayed == []
    assert "300,774,272" in text


def test_an_unknown_format() -> None:
    with pytest.raises(UnknownNameError, match="unknown format 'markdwn': did you mean markdown"):
        summary("mobilenet_v2").to("markdwn")


def test_to_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[tuple[list[dict[str, Any]], list[str]]] = []
    pandas = types.ModuleType("pandas")
    pandas.DataFrame = lambda data, columns: frames.append((data, columns)) or frames
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    table = summary("mobilenet_v2")
    assert table.to_pandas() is frames
    assert frames == [(table.records(), [column.key for column in table.columns])]


def test_to_pandas_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match="pandas, which is not installed"):
        summary("mobilenet_v2").to_pandas()


# Networks of one's own


def test_a_trace_of_ones_own_goes_through_every_verb() -> None:
    trace = own()
    ours = analyse(trace)
    assert sum(row.macs for row in summary(trace).rows) == ours.total.macs
    assert [row.name for row in summary(trace, level="layer").rows] == [
        layer.name for layer in trace.layers[1:]
    ]
    assert all(isinstance(row, Row) for row in summary(trace).rows)
    # by hand: (12 + 2 - 3) // 2 + 1 = 6 by 10, each output of the stem from 3 x 3 x 4 values
    stem = {row.quantity: row.result for row in explain(trace, "stem").rows}
    assert stem["height"] == 6
    assert stem["width"] == 10
    assert stem["params"] == 3 * 3 * 4 * 8 + 8
    assert stem["MACs"] == 3 * 3 * 4 * 8 * 6 * 10
    assert compare(trace, own()).total.ratio(1, "macs") == 1
    shown = field(trace, all_layers=True).rows
    assert [row.name for row in shown] == [layer.name for layer in trace.layers]
    assert shown[1].size == (3, 3)
    assert any(row.sees.endswith("*") for row in shown)
    whole = json.loads(summary(trace).to("json"))
    assert whole["network"] == ""
    assert whole["settings"] == {}


def test_a_network_of_ones_own_beside_a_registered_one() -> None:
    table = compare("mobilenet_v2", own("mine"))
    assert table.title == "mobilenet_v2 and mine"
    assert table.total.rows[1].macs == analyse(own()).total.macs


@pytest.mark.parametrize("verb", [summary, field, lambda trace, **o: explain(trace, "stem", **o)])
def test_a_finished_trace_takes_no_options(verb: Callable[..., Table]) -> None:
    with pytest.raises(LabError, match="takes no options, got width"):
        verb(own(), width=0.5)


def test_options_may_be_given_as_python_values() -> None:
    plain = summary("mobilenet_v2", resolution="96x128").rows
    assert summary("mobilenet_v2", resolution=(96, 128)).rows == plain
    assert summary("mobilenet_v2", resolution=[96, 128]).rows == plain
    assert (
        summary("mobilenet_v2", resolution=96).rows == summary("mobilenet_v2", resolution="96").rows
    )


@pytest.mark.parametrize("number", [numpy.int64, numpy.int32, numpy.uint8])
def test_numbers_of_a_sweep_may_be_numpys(number: Callable[[int], Any]) -> None:
    """As in `for classes in numpy.arange(10, 100)`."""
    options = {"classes": number(10), "in_channels": number(1), "width": numpy.float32(0.5)}
    plain = summary("mobilenet_v2", classes=10, in_channels=1, width=0.5, resolution=96)
    table = summary("mobilenet_v2", resolution=number(96), **options)
    for format in FORMATS:
        assert table.to(format) == plain.to(format)
    assert conv(number(64), number(128), number(3), number(56)).rows == conv(64, 128).rows


def test_settings_are_what_the_network_was_traced_with() -> None:
    settings = summary("mobilenet_v2", width="0.5", resolution="96x128").facts["settings"]
    assert settings == {
        "width": 0.5,
        "resolution": (96, 128),
        "classes": 1000,
        "in_channels": 3,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"width": True},
        {"width": "wide"},
        {"width": None},
        {"resolution": 0},
        {"resolution": 22.5},
        {"resolution": (1, 2, 3)},
        {"resolution": (224, True)},
        {"classes": 1.5},
        {"classes": True},
        {"classes": "10"},
        {"in_channels": 0},
        {"widht": 1.0},
        {"level": "stag"},
        {"dtype": "float33"},
        {"columns": ["nam"]},
        {"columns": []},
        {"sort": "mac"},
    ],
    ids=str,
)
def test_values_of_no_use_are_a_lab_error(options: dict[str, Any]) -> None:
    with pytest.raises(LabError) as caught:
        summary("mobilenet_v2", **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("network", [5, None, ["mobilenet_v2"], Net()], ids=type)
def test_what_is_no_network_is_told_so(network: Any) -> None:
    with pytest.raises((LabError, TypeError), match="network"):
        summary(network)


def test_an_empty_network_is_told_so() -> None:
    net = Net()
    trace = net.trace(net.input(3, 8))
    with pytest.raises(LabError, match="without layers"):
        summary(trace)


def test_a_network_without_macs_has_no_shares() -> None:
    net = Net()
    trace = net.trace(net.max_pool(net.input(3, 8), 2))
    table = summary(trace)
    assert [record["share"] for record in table.records()] == [None]
    for format in FORMATS:
        assert table.to(format)
    assert compare(trace, trace).total.ratio(1, "macs") is None
