"""Wrong use: one clear sentence on standard error, exit code 2, never a traceback."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mobilenet_lab.cli import app

ENORMOUS = "9" * 2_200
"""Its square has more digits than Python prints."""
UNREADABLE = "9" * 5_200
"""More digits than Python reads."""


def refused(*arguments: str) -> str:
    """What standard error says of a command that is refused with code 2."""
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2
    assert result.stdout == ""
    return result.stderr


def sentence(*arguments: str) -> str:
    """The one sentence with which the lab refuses."""
    stderr = refused(*arguments)
    assert stderr.startswith("Error: ")
    assert stderr.count("\n") == 1
    assert len(stderr) < 300, "a sentence, not a listing"
    return stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("summary mobilenet_v22", "'mobilenet_v22': did you mean mobilenet_v2"),
        ("explain mobilnet_v2 stem.conv", "did you mean mobilenet_v2"),
        ("field v1", "did you mean mobilenet_v1"),
        ("compare mobilenet_v1 mobilenet_v3", "'mobilenet_v3': did you mean"),
        ("verify MobileNet_v2", "did you mean mobilenet_v2"),
        ("summary inception", "mobilenet-lab list"),
        ("explain mobilenet_v2 stage3.1.expand.cnv", "did you mean stage3.1.expand.conv"),
        ("explain mobilenet_v2 expand", "did you mean stage2.0.expand"),
        ("explain mobilenet_v2 stage3.9", "unknown layer 'stage3.9': did you mean"),
        ("explain mobilenet_v2 zzz", "unknown layer 'zzz'"),
        ("summary mobilenet_v2 --columns name,mac", "'mac': did you mean macs"),
        ("summary mobilenet_v2 --columns name,xyz", "there are name, op,"),
        ("summary mobilenet_v2 --sort par", "did you mean params"),
        ("summary mobilenet_v2 --columns ,", "needs a column"),
    ],
)
def test_unknown_names(arguments: str, told: str) -> None:
    assert told in sentence(*arguments.split())


@pytest.mark.parametrize("arguments", [["summary", ""], ["explain", "mobilenet_v2", ""]])
def test_an_empty_name(arguments: list[str]) -> None:
    assert "unknown" in sentence(*arguments)


VERBS = (["summary"], ["field"], ["verify"], ["compare", "mobilenet_v1"])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize("width", ["0", "-1", "nan", "inf", "-inf"])
def test_widths_of_no_use(verb: list[str], width: str) -> None:
    told = sentence(*verb, "mobilenet_v2", "--width", width)
    assert "width must be a positive number" in told


def test_a_width_whose_channels_are_infinite() -> None:
    assert "width" in sentence("summary", "mobilenet_v2", "--width", "1e308")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize(
    "resolution",
    ["0", "-5", "0x224", "224x0", "abc", "3x", "x3", "1x2x3", "", "22.5", "1e3", "nan", "224,224"],
)
def test_resolutions_of_no_use(verb: list[str], resolution: str) -> None:
    told = sentence(*verb, "mobilenet_v2", "--resolution", resolution)
    assert "resolution" in told


@pytest.mark.parametrize("option", ["--classes", "--in-channels"])
@pytest.mark.parametrize("count", ["0", "-3"])
def test_counts_of_no_use(option: str, count: str) -> None:
    told = sentence("summary", "mobilenet_v2", option, count)
    assert "must be a whole number from 1" in told
    assert option.strip("-").replace("-", "_") in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("compare mobilenet_v2", "2 to 26 networks, not 1"),
        ("compare " + "mobilenet_v2 " * 27, "not 27"),
        ("compare mobilenet_v1 mobilenet_v2 --width 1 --width 1 --width 1", "3 values for 2"),
        (
            "compare mobilenet_v1 mobilenet_v2 mobilenet_v2 --resolution 96 --resolution 224",
            "2 values for 3",
        ),
        ("compare mobilenet_v1 mobilenet_v2 --width 1 --width 0", "positive number"),
    ],
)
def test_comparisons_that_do_not_fit(arguments: str, told: str) -> None:
    assert told in sentence(*arguments.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--in 64 --out 128 --groups 3", "3 groups do not divide 64"),
        ("--in 64 --out 96 --groups 64", "64 groups do not divide"),
        ("--in 64 --out 128 --groups 0", "groups must be a whole number from 1"),
        ("--in 64 --out 128 --groups -2", "groups must be a whole number from 1"),
        ("--in 0 --out 8", "channels must be a whole number from 1"),
        ("--in 8 --out 0", "whole number from 1"),
        ("--in 8 --out -8", "whole number from 1"),
        ("--in 8 --out 8 --kernel 0", "kernel"),
        ("--in 8 --out 8 --kernel -3", "kernel"),
        ("--in 8 --out 8 --kernel 3x3x3", "--kernel"),
        ("--in 8 --out 8 --kernel 3x", "--kernel"),
        ("--in 8 --out 8 --kernel abc", "--kernel"),
        ("--in 8 --out 8 --kernel ²", "--kernel"),
        ("--in 8 --out 8 --stride 0", "stride"),
        ("--in 8 --out 8 --dilation 0", "dilation"),
        ("--in 8 --out 8 --padding sam", "--padding"),
        ("--in 8 --out 8 --size 0", "height"),
        ("--in 8 --out 8 --size 2.5", "--size"),
        ("--in 3 --out 8 --kernel 7 --size 3 --padding 0", "nothing is left"),
    ],
)
def test_convolutions_that_cannot_be(options: str, told: str) -> None:
    assert told in sentence("conv", *options.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("summary mobilenet_v2 --width abc", "abc"),
        ("summary mobilenet_v2 --classes 1.5", "1.5"),
        ("summary mobilenet_v2 --level blocks", "blocks"),
        ("summary mobilenet_v2 --format xml", "xml"),
        ("summary mobilenet_v2 --dtype int4", "int4"),
        ("explain mobilenet_v2 stem --dtype int4", "int4"),
        ("summary mobilenet_v2 --colour", "--colour"),
        ("summary mobilenet_v2 mobilenet_v1", "mobilenet_v1"),
        ("summary", "name"),
        ("explain mobilenet_v2", "layer"),
        ("compare", "names"),
        ("conv --out 3", "--in"),
        ("conv --in a --out 3", "'a'"),
        ("sumary mobilenet_v2", "sumary"),
        ("--unknown", "--unknown"),
    ],
)
def test_what_cannot_be_parsed_carries_the_usage(arguments: str, told: str) -> None:
    *usage, error = refused(*arguments.split()).strip().splitlines()
    assert usage[0].startswith("Usage: ")
    assert error.startswith("Error: ")
    assert told.lower() in error.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "mobilenet_v2", "--resolution", ENORMOUS],
        ["summary", "mobilenet_v2", "--resolution", UNREADABLE],
        ["field", "mobilenet_v2", "--resolution", ENORMOUS],
        ["conv", "--in", "2", "--out", "2", "--size", ENORMOUS],
        ["conv", "--in", "2", "--out", "2", "--kernel", UNREADABLE],
        ["compare", "mobilenet_v2", "mobilenet_v2", "--width", "1", "--width", "1e200"],
    ],
    ids=lambda arguments: " ".join(arguments)[:50],
)
def test_absurd_numbers_are_refused_or_answered(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(
        result.exception
    )
    if result.exit_code:
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1


def test_the_same_groups_twice_are_shown_once() -> None:
    arguments = ["conv", "--in", "64", "--out", "128", "--groups", "4"]
    once = CliRunner().invoke(app, arguments)
    twice = CliRunner().invoke(app, [*arguments, "--groups", "4"])
    assert (twice.exit_code, twice.stdout) == (0, once.stdout), twice.stderr


def test_verify_says_that_torch_is_missing_and_which_extra_has_it() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from mobilenet_lab.cli import app; app(['verify', 'mobilenet_v2'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: verify needs torch, which is not installed: pip install 'mobilenet-lab[torch]'\n"
    )


def test_an_unknown_network_is_told_before_torch_is_missed() -> None:
    assert "unknown network" in sentence("verify", "mobilenet_v9")


@pytest.mark.parametrize(
    ("further", "told"),
    [
        (["--set", "scaling"], "NAME=VALUE"),
        (["--set", "=slim"], "NAME=VALUE"),
        (["--set", "scaling=tf"], "unknown scaling 'tf'"),
        (["--set", "dilated=yes"], "True or False"),
        (["--set", "size=small"], "option of mobilenet_v3_large 'size'"),
        (["--set", "width=nan"], "width must be a positive number"),
        (["--set", "classes=1.5"], "classes must be a whole number"),
    ],
)
def test_further_options_of_no_use(further: list[str], told: str) -> None:
    assert told in sentence("summary", "mobilenet_v3_large", *further)


def test_further_options_reach_the_network() -> None:
    """Table 9 of the MobileNetV3 paper prints 155 M MACs at width 0.75, as TF-slim scales."""
    arguments = ["summary", "mobilenet_v3_large", "--set", "scaling=slim", "--set", "width=0.75"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "154,560,624" in result.stdout
    assert "scaling slim" in result.stdout
