"""The command line: every verb and format, exit codes, streams, pipes, completion, help."""

import csv
import importlib
import io
import json
import re

import pytest
from typer.testing import CliRunner

from mobilenet_lab import __version__, registry
from mobilenet_lab.analysis import DTYPES, LEVELS, analyse
from mobilenet_lab.cli import app
from mobilenet_lab.output import SUFFIXES, Format
from mobilenet_lab.reports.formats import FORMATS
from mobilenet_lab.verbs.summary import COLUMN_KEYS

VERBS = [
    "list", "summary", "explain", "field", "compare", "sweep", "budget", "conv", "published",
    "reconcile", "export", "draw", "bench", "roofline", "verify", "predict", "train", "netadapt",
    "notebooks", "exercise", "progress",
]  # fmt: skip
EXAMPLES = {
    "list": ["list"],
    "summary": ["summary", "mobilenet_v2"],
    "explain": ["explain", "mobilenet_v2", "stage3.1.depthwise.conv"],
    "explain a block": ["explain", "mobilenet_v2", "stage3.1"],
    "field": ["field", "mobilenet_v2"],
    "compare": ["compare", "mobilenet_v1", "mobilenet_v2"],
    "conv": ["conv", "--in", "64", "--out", "128", "--kernel", "3", "--size", "56x56"],
    "published": ["published", "mobilenet_v1"],
    "sweep": ["sweep", "mobilenet_v2", "--width", "0.5,1", "--resolution", "96:160:32"],
    "budget": ["budget", "mobilenet_v1", "--macs", "150M"],
    "roofline": ["roofline", "mobilenet_v2", "--machine", "raspberry_pi_4"],
}


def ran(*arguments: str) -> str:
    """The standard output of a command that succeeds and says nothing else."""
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


# Formats


@pytest.mark.parametrize("verb", EXAMPLES)
@pytest.mark.parametrize("format", FORMATS)
def test_every_verb_writes_every_format(verb: str, format: str) -> None:
    text = ran(*EXAMPLES[verb], "--format", format)
    assert text == ran(*EXAMPLES[verb], "-f", format)
    assert text.strip()
    assert text.endswith("\n")
    assert "\x1b" not in text


def test_the_default_format_is_the_table() -> None:
    for example in EXAMPLES.values():
        assert ran(*example) == ran(*example, "--format", "table")


def test_formats_of_the_command_line_are_those_of_the_reports() -> None:
    assert [format.value for format in Format] == list(FORMATS)
    assert set(SUFFIXES.values()) == set(Format)


@pytest.mark.parametrize("verb", EXAMPLES)
def test_json_and_csv_carry_the_same_rows(verb: str) -> None:
    whole = json.loads(ran(*EXAMPLES[verb], "-f", "json"))
    keys, *lines = csv.reader(io.StringIO(ran(*EXAMPLES[verb], "-f", "csv")))
    assert keys == list(whole["columns"])
    assert len(lines) == len(whole["rows"]) > 0
    for cells, row in zip(lines, whole["rows"], strict=True):
        assert list(row) == keys
        for cell, value in zip(cells, row.values(), strict=True):
            if isinstance(value, int):
                assert cell == str(value)
            elif isinstance(value, list):
                assert cell == "x".join(map(str, value))
            elif value is None:
                assert cell == ""
            else:
                assert cell == str(value)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("mobilenet_v1", 4_231_976, 568_740_352),
        ("mobilenet_v2", 3_504_872, 300_774_272),
    ],
)
def test_the_rows_of_every_level_add_up(level: str, name: str, params: int, macs: int) -> None:
    arguments = ["summary", name, "--level", level]
    whole = json.loads(ran(*arguments, "--columns", "name,params,macs,flops,share", "-f", "json"))
    assert sum(row["params"] for row in whole["rows"]) == whole["total"]["params"] == params
    assert sum(row["macs"] for row in whole["rows"]) == whole["total"]["macs"] == macs
    assert sum(row["flops"] for row in whole["rows"]) == whole["total"]["flops"] == 2 * macs
    assert sum(row["share"] for row in whole["rows"]) == pytest.approx(1)
    rows = list(csv.DictReader(io.StringIO(ran(*arguments, "-f", "csv"))))
    assert sum(int(row["params"]) for row in rows) == params
    assert sum(int(row["macs"]) for row in rows) == macs
    assert whole["level"] == level


def test_json_says_what_was_counted_and_how() -> None:
    arguments = ["summary", "mobilenet_v2", "--width", "0.5", "--resolution", "160x96"]
    whole = json.loads(ran(*arguments, "--classes", "10", "-f", "json"))
    assert whole["network"] == "mobilenet_v2"
    assert whole["input"] == [3, 160, 96]
    assert whole["settings"] == {
        "width": 0.5,
        "resolution": [160, 96],
        "classes": 10,
        "in_channels": 3,
    }
    assert whole["convention"].startswith("paper")
    assert "norms" in whole["not_counted"]


# Options


def test_resolution_is_height_by_width() -> None:
    tall = json.loads(ran("field", "mobilenet_v2", "--resolution", "320x64", "-f", "json"))
    assert tall["input"] == [3, 320, 64]
    assert tall["rows"][0]["output"] == [32, 160, 32]
    wide = json.loads(ran("field", "mobilenet_v2", "--resolution", "64x320", "-f", "json"))
    assert wide["rows"][0]["output"] == [32, 32, 160]
    side = json.loads(ran("summary", "mobilenet_v1", "--resolution", "96", "-f", "json"))
    assert side["input"] == [3, 96, 96]


def test_conv_takes_height_by_width_everywhere() -> None:
    options = "--in 4 --out 8 --kernel 5x1 --size 20x30 --stride 1x2 --padding 0x3 --dilation 2x1"
    whole = json.loads(ran("conv", *options.split(), "-f", "json"))
    # rows: (20 - 2 * 4 - 1) / 1 + 1 = 12; columns: (30 + 6 - 1) / 2 + 1 = 18
    assert whole["rows"][0]["output"] == [8, 12, 18]
    assert whole["rows"][0]["params"] == 5 * 1 * 4 * 8


def test_options_change_what_they_say() -> None:
    total = json.loads(ran("summary", "mobilenet_v2", "--classes", "10", "-f", "json"))["total"]
    assert total["params"] == 3_504_872 - 990 * 1281
    grey = json.loads(ran("summary", "mobilenet_v2", "--in-channels", "1", "-f", "json"))
    assert grey["total"]["params"] == 3_504_872 - 2 * 32 * 9
    assert grey["input"] == [1, 224, 224]


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_in_bytes_of_the_dtype(dtype: str) -> None:
    text = ran(
        "summary", "mobilenet_v2", "--columns", "memory,live", "--dtype", dtype, "-f", "json"
    )
    whole = json.loads(text)
    ours = analyse(registry.trace("mobilenet_v2"), dtype).total
    assert whole["total"] == {"memory": ours.memory, "live": ours.live}
    assert whole["total"]["memory"] * 4 == analyse(
        registry.trace("mobilenet_v2")
    ).total.memory * int(DTYPES[dtype])
    assert whole["dtype"] == dtype
    assert dtype in whole["notes"][-1]
    memory = json.loads(
        ran("explain", "mobilenet_v2", "stem.conv", "--dtype", dtype, "-f", "json")
    )["rows"]
    assert [row["numbers"] for row in memory if row["quantity"] == "memory"] == [
        f"(3 × 224 × 224 + 864 + 32 × 112 × 112) × {DTYPES[dtype]}"
    ]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("key", COLUMN_KEYS)
def test_every_column_is_there_at_every_level(key: str, level: str) -> None:
    arguments = ["summary", "mobilenet_v2", "--level", level, "--columns", f"name,{key}"]
    whole = json.loads(ran(*arguments, "-f", "json"))
    assert list(whole["columns"]) == list(dict.fromkeys(["name", key]))
    assert all(key in row for row in whole["rows"])
    for format in FORMATS:
        assert ran(*arguments, "-f", format)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("key", COLUMN_KEYS)
def test_every_column_sorts(key: str, level: str) -> None:
    arguments = ["summary", "mobilenet_v2", "--level", level, "--columns", f"name,{key}"]
    rows = json.loads(ran(*arguments, "--sort", key, "-f", "json"))["rows"]
    unsorted = json.loads(ran(*arguments, "-f", "json"))["rows"]
    assert sorted(map(str, rows)) == sorted(map(str, unsorted))
    values = [row[key] for row in rows]
    filled = [value for value in values if value is not None]
    assert values == filled + [None] * (len(values) - len(filled))
    if key in ("name", "op", "stage", "block", "role"):
        assert filled == sorted(filled)
    else:
        sizes = [size(value) for value in filled]
        assert sizes == sorted(sizes, reverse=True)


def size(value: object) -> float:
    """What a column falls by: a number, the product of a shape, or all of the image."""
    if value == "image":
        return float("inf")
    if isinstance(value, list):
        product = 1
        for extent in value:
            product *= extent
        return product
    assert isinstance(value, int | float)
    return value


def test_sorting_by_a_column_that_is_not_shown() -> None:
    rows = json.loads(
        ran("summary", "mobilenet_v2", "--columns", "name", "--sort", "macs", "-f", "json")
    )["rows"]
    assert [row["name"] for row in rows][:3] == ["stage5", "stage2", "stage6"]


def test_spaces_after_the_commas_of_columns() -> None:
    arguments = ["summary", "mobilenet_v2", "--columns"]
    assert ran(*arguments, "name, macs") == ran(*arguments, "name,macs")


def test_field_shows_all_layers_if_asked() -> None:
    few = json.loads(ran("field", "mobilenet_v2", "-f", "json"))["rows"]
    every = json.loads(ran("field", "mobilenet_v2", "--all", "-f", "json"))["rows"]
    assert [row["name"] for row in every] == [
        layer.name for layer in registry.trace("mobilenet_v2").layers
    ]
    assert [row for row in every if row in few] == few


# Verify


@pytest.mark.parametrize(("theirs", "code"), [(864, 0), (865, 1)])
def test_verify_ends_with_1_if_a_row_differs(
    theirs: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("mobilenet_lab.verification")
    checks = (module.Check("stem.conv", "params", 864, theirs, "torchinfo"),)

    def verified(name: str, **options: object) -> object:
        assert (name, options) == ("mobilenet_v2", {"all_layers": True, "width": 0.5})
        return module.Verification("Checked", module.COLUMNS, checks, checks=checks)

    monkeypatch.setattr(module, "verify", verified)
    for format in FORMATS:
        result = CliRunner().invoke(
            app, ["verify", "mobilenet_v2", "--all", "--width", "0.5", "-f", format]
        )
        assert (result.exit_code, result.stderr) == (code, "")
        assert "stem.conv" in result.stdout
        assert ("DIFFERS" in result.stdout) == bool(code)


# Help, version, completion


def test_version() -> None:
    assert ran("--version") == f"mobilenet-lab {__version__}\n"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_of_every_verb(verb: str) -> None:
    result = CliRunner().invoke(app, [*verb.split(), "--help"], terminal_width=80)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")
    assert max(map(len, result.stdout.splitlines())) <= 80
    if not verb:
        assert re.findall(r"^  ([a-z]+)  ", result.stdout, re.M) == VERBS


def test_no_verb_shows_the_help() -> None:
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "Usage: " in result.output


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("summary mob", [name for name in registry.NETWORKS if name.startswith("mob")]),
        ("field mobilenet_v1", ["mobilenet_v1", "mobilenet_v1_full_conv"]),
        ("compare mobilenet_v1 mobilenet_v2", ["mobilenet_v2"]),
        ("explain x", []),
        ("published mobilenet_v2", ["mobilenet_v2"]),
        ("verify mobilenet_v2", ["mobilenet_v2"]),
        ("summary mobilenet_v2 --columns name,par", ["name,params"]),
        ("summary mobilenet_v2 --sort m", ["macs", "memory"]),
        ("summary mobilenet_v2 --level b", ["block"]),
        ("conv --in 1 --out 1 --format l", ["latex"]),
        ("su", ["summary"]),
    ],
)
def test_the_shell_completes(words: str, completions: list[str]) -> None:
    whole = f"mobilenet-lab {words}"
    result = CliRunner().invoke(
        app,
        [],
        prog_name="mobilenet-lab",
        env={
            "_MOBILENET_LAB_COMPLETE": "complete_bash",
            "COMP_WORDS": whole,
            "COMP_CWORD": str(len(whole.split()) - 1),
        },
    )
    assert result.stdout.split() == completions
