"""What is wrong with a file is told in one sentence, with the line and the reason."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError, ShapeError, UnknownNameError, VanishedError
from mobilenet_lab.importers.files import LARGEST_FILE, loads, read
from mobilenet_lab.importers.reading import MOST_LINES

# line 1 is empty; `{}` stands for lines 5 ...
GOOD = """
input = "3x16x16"
layers = [
  {{ op = "conv", name = "stem", channels = 8 }},
{}
]
"""
BLOCK = '  { op = "b", c = 8 },\n]\n[blocks.b]\narguments = ["c"]\n'
DOUBLING = "\n".join(
    f'[blocks.b{n}]\nlayers = [{{ op = "b{n + 1}" }}, {{ op = "b{n + 1}" }}]' for n in range(40)
)

CASES: dict[str, tuple[str, int, str]] = {
    # keys and names
    "key": ('  { op = "conv", chanels = 8 },', 5, "unknown key of conv 'chanels': did you mean ch"),
    "far key": ('  { op = "relu", zzz = 8 },', 5, "unknown key of relu 'zzz': it takes nothing"),
    "op": (
        '  { op = "covn", channels = 8 },',
        5,
        "unknown operation or block 'covn': did you mean",
    ),
    "no op": ("  { channels = 8 },", 5, "a line has an op, layers, or columns and rows"),
    "activation": (
        '  { op = "conv", channels = 8, act = "relu7" },',
        5,
        "unknown activation 'relu7'",
    ),
    "needs": ('  { op = "conv" },', 5, "conv needs channels"),
    "twice": ('  { op = "conv", channels = 8, c = 8 },', 5, "channels is given twice"),
    "role": ('  { op = "relu", role = "x" },', 5, "unknown key of relu 'role'"),
    "part": ('  { part = "p", role = "x", op = "relu" },', 5, "a part has no role"),
    "unnamed": ('  { op = "ghost_module", c = 8, act = "relu" },', 5, "name is a text that is not"),
    "fixed": ('  { op = "relu", fixed = true },', 5, "unknown key of relu 'fixed'"),
    "beside": (
        '  { stage = "s", act = "relu", layers = [] },',
        5,
        "unknown key beside layers 'act'",
    ),
    # values
    "text": ('  { op = "conv", channels = "many" },', 5, "channels is a whole number, not 'many'"),
    "flag": ('  { op = "conv", channels = true },', 5, "channels is a whole number, not true"),
    "negative": (
        '  { op = "conv", channels = -8 },',
        5,
        "channels is from 0 to 1,000,000,000, not",
    ),
    "zero": ('  { op = "conv", channels = 0 },', 5, "channels must be a whole number from 1"),
    "kernel": (
        '  { op = "conv", channels = 8, kernel = 2.5 },',
        5,
        "kernel is a whole number or a",
    ),
    "sizes": ('  { op = "split", sizes = [4, "x"] },', 5, "unknown name 'x'"),
    "nested": ('  { op = "split", sizes = [[4], 4] },', 5, "sizes is a list of whole numbers, not"),
    "bias": (
        '  { op = "conv2d", channels = 8, kernel = 1, bias = 1 },',
        5,
        "bias is true or false",
    ),
    "rate": ('  { op = "dropout", rate = nan },', 5, "rate is from 0 to"),
    "eps": ('  { op = "batch_norm", eps = "x" },', 5, "eps is a number, not 'x'"),
    "huge": (
        '  { op = "conv", channels = 99999999999 },',
        5,
        "channels is from 0 to 1,000,000,000",
    ),
    "digits": (f'  {{ op = "conv", channels = {"9" * 18}0 }},', 5, "a whole number has 18 digits"),
    "hex": (f'  {{ op = "conv", channels = 0x{"f" * 9999} }},', 5, "a whole number has 18 digits"),
    "padding": (
        '  { op = "conv", channels = 8, padding = "full" },',
        5,
        'list of whole numbers or "',
    ),
    "name": ('  { op = "relu", name = "" },', 5, "name is a text that is not empty, not ''"),
    "op kind": ("  { op = 3 },", 5, "op is a text that is not empty, not 3"),
    "entry": ("  3,", 5, "a layer is a table { op = ... }, not 3"),
    "second line": (
        '\n  { op = "conv",channels = [\n 8] },',
        6,
        "channels is a whole number, not [8]",
    ),
    # wiring
    "unknown": ('  { op = "relu", from = "stam" },', 5, "unknown layer 'stam': did you mean stem"),
    "later": (
        '  { op = "relu", from = "x" },\n  { op = "relu", name = "x" },',
        5,
        "layer 'x' is not before",
    ),
    "itself": (
        '  { op = "relu", name = "x", from = "x" },',
        5,
        "layer 'x' is not before this line",
    ),
    "numbers": ('  { op = "add", from = [1, 2] },', 5, "from is a list of texts, not [1, 2]"),
    "none": ('  { op = "add", from = [] },', 5, "from names one layer at least"),
    "too many": (
        '  { op = "relu", from = ["stem", "input"] },',
        5,
        "relu is fed from 1 layer, not 2",
    ),
    "too few": ('  { op = "mul" },', 5, "mul is fed from 2 layers, not 1"),
    "same name": (
        '  { op = "conv", name = "stem", channels = 8 },',
        5,
        "two layers are called 'stem.c",
    ),
    "tap": ('  { op = "relu", tap = 3 },', 5, "tap is a list of texts, not 3"),
    # shapes
    "add": ('  { op = "add", from = ["stem", "input"] },', 5, "add: cannot add 3 x 16 x 16 to 8 x"),
    "linear": ('  { op = "linear", features = 9 },', 5, "linear: a linear layer takes a vector"),
    # repeats and tables
    "repeat": ('  { op = "relu", repeat = 1000000000000 },', 5, "repeat is from 1 to 100,000, not"),
    "repeats": (
        '  { op = "basic", c = 8, repeat = 99999 },',
        5,
        "a network has 100,000 layers at most",
    ),
    "row": (
        '  { op = "conv", columns = ["name", "c"], rows = [\n ["a", 8],\n ["b"],\n ] },',
        7,
        "a row has 2 cells: name, c",
    ),
    "cell": (
        '  { op = "conv", columns = ["name", "c"], rows = [\n ["a", 8],\n ["b", true],\n ] },',
        7,
        "channels is a whole number, not true",
    ),
    "column": (
        '  { op = "conv", columns = ["c", "c"], rows = [[8, 8]] },',
        5,
        "two columns have one",
    ),
    "no rows": ('  { op = "conv", columns = ["c"] },', 5, "a table has columns and rows"),
    "no columns": ('  { op = "conv", rows = [[8]] },', 5, "columns is missing"),
    # expressions
    "arithmetic": ('  { op = "conv", channels = "c_in +" },', 5, "cannot work out 'c_in +'"),
    "code": ('  { op = "conv", channels = "open(3)" },', 5, "an expression has + - * // %"),
    "power": ('  { op = "conv", channels = "9 ** 9" },', 5, "an expression has + - * // %"),
    "bound": (
        f'  {{ op = "conv", channels = "{"*".join(["99999"] * 9)}" }},',
        5,
        "out of all bounds",
    ),
    "long": (f'  {{ op = "conv", channels = "{"(" * 150}" }},', 5, "cannot work out"),
    "longer": (f'  {{ op = "conv", channels = "{"1+" * 150}1" }},', 5, "has 200 letters at most"),
    "division": ('  { op = "conv", channels = "8 // 0" },', 5, "'8 // 0' divides by zero"),
    "fraction": (
        '  { op = "conv", channels = "c_in * 1.3" },',
        5,
        "channels is a whole number, not 10",
    ),
    "when": ('  { op = "relu", when = 3 },', 5, "when is true, false or a comparison, not 3"),
    "when text": ('  { op = "relu", when = "d > 3" },', 5, "unknown name 'd'"),
    # blocks
    "no layers": (BLOCK + 'layers = "c"\n', 9, "layers are a list of tables"),
    "unused": (BLOCK + 'layers = [{ op = "relu" }]\n', 8, "argument 'c' is used nowhere in the bl"),
    "block key": (
        BLOCK + 'layer = [{ op = "c" }]\n',
        9,
        "unknown key of block 'b', 'layer': did you",
    ),
    "block line": (
        BLOCK + 'layers = [\n{ op = "conv", channels = "c", x = 1 }]\n',
        10,
        "unknown key",
    ),
    "argument": (
        BLOCK.replace("c = 8", "d = 8") + 'layers = [{ op = "c" }]\n',
        5,
        "unknown key of b",
    ),
    "missing": (BLOCK.replace(", c = 8", "") + 'layers = [{ op = "c" }]\n', 5, "b needs c"),
    "channels": (BLOCK + 'channels = ["d"]\nlayers = [{ op = "c" }]\n', 9, "unknown argument 'd'"),
    "taken": (
        BLOCK.replace("[blocks.b]", "[blocks.relu]"),
        7,
        "'relu' is the name of an operation",
    ),
    "reserved": (BLOCK.replace('["c"]', '["from"]') + "layers = []\n", 8, "means something else"),
    "no word": (
        BLOCK.replace('["c"]', '["a b"]') + "layers = []\n",
        8,
        "'a b' is no name for an arg",
    ),
    "itself again": (
        BLOCK + 'layers = [{ op = "b", c = "c" }]\n',
        9,
        "a block is inside itself: b > b",
    ),
    "doubling": (
        f'  {{ op = "b0" }},\n]\n{DOUBLING}\n[blocks.b40]\n'
        'layers = [{ op = "relu", when = false }]',
        0,
        "a network has 100,000 layers at most",
    ),
}


def sentence(text: str, **options: Any) -> LabError:
    with pytest.raises(LabError) as caught:
        loads(text, **options)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("case", CASES)
def test_a_slip_is_told_with_its_line(case: str) -> None:
    lines, number, reason = CASES[case]
    text = GOOD.format(lines)
    if "[blocks." in lines:
        text = text.removesuffix("]\n")
    started = time.monotonic()
    said = str(sentence(text))
    assert time.monotonic() - started < 20
    if number:
        assert said.startswith(f"net.toml, line {number}: "), said
    assert reason in said


WHOLE: dict[str, tuple[str, str]] = {
    "empty": ("", "net.toml, line 1: the file has no 'input'"),
    "no layers": ('input = "3x8x8"', "net.toml, line 1: the file has no 'layers'"),
    "layers empty": ('input = "3x8x8"\nlayers = []', "net.toml, line 2: layers are a list of"),
    "layers flat": ('input = "3x8x8"\nlayers = 3', "net.toml, line 2: layers are a list of"),
    "top key": ("\ninputs = 3", "net.toml, line 2: unknown key 'inputs': did you mean input"),
    "format": ("format = 2", "net.toml, line 1: this is format 1, not 2"),
    "format text": ('\nformat = "1"', "net.toml, line 2: format is a whole number, not '1'"),
    "width": (
        'input = "3x8x8"\nwidth = -1\nlayers = []',
        "net.toml, line 2: width must be a positive",
    ),
    "classes": (
        'input = "3x8x8"\nclasses = 0\nlayers = []',
        "net.toml, line 2: classes must be a whole",
    ),
    "input text": (
        'input = "3xbig"\nlayers = []',
        'net.toml, line 1: input is like "3x224x224", not \'3x',
    ),
    "input kind": ("input = true\nlayers = []", "net.toml, line 1: input is like"),
    "input zero": (
        'layers = []\ninput = "0x8x8"',
        "net.toml, line 2: input: channels must be a whole",
    ),
    "outputs": (
        'input = "3x8x8"\noutputs = ["x"]\nlayers = [{ op = "relu" }]',
        "net.toml, line 2: unknown layer 'x'",
    ),
    "taps": (
        'input = "3x8x8"\nlayers = [{ op = "relu" }]\n[taps]\n\nC1 = "axt"',
        "net.toml, line 5: unknown layer 'axt': did you mean act?",
    ),
    "blocks": (
        "input = [3]\nblocks = 3\nlayers = []",
        "net.toml, line 2: blocks is a table, not 3",
    ),
    "syntax": (
        'input = "3x8x8"\nlayers = [{ op "relu" }]',
        "net.toml, line 2, column 16: Expected '='",
    ),
    "unclosed": ("input = [3\n\n", "net.toml, line 2: Unclosed array"),
    "key twice": ("a = 1\na = 2\n", "net.toml, line 2"),
    "binary": ("\x00\x01", "net.toml, line 1, column 1: "),
    "digits": (f"a = {'9' * 5000}", "net.toml, line 1: a number of too many digits"),
    "deep": (f"a = {'[' * 5000}{']' * 5000}", "net.toml: lists are nested too deeply"),
    "deep layers": (
        f'input = [3]\nlayers = {"[{layers = " * 240}[{{ op = "relu" }}]{"}]" * 240}',
        "net.toml: ",
    ),
    "dots": (f"\na{'.a' * 200_000} = 1", "net.toml, line 2: a key of more than 50 parts"),
    "large": ("#" * (LARGEST_FILE + 1), "net.toml: a network's file has 1,000,000 bytes at most"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_file_without_sense_is_told_so(case: str) -> None:
    text, said = WHOLE[case]
    assert str(sentence(text)).startswith(said)


def test_errors_of_layers_keep_their_kind() -> None:
    small = GOOD.format('  { op = "conv2d", channels = 8, kernel = 99, padding = 0 },')
    assert type(sentence(small)) is VanishedError
    assert type(sentence(GOOD.format('  { op = "mul", from = ["input", "stem"] },'))) is ShapeError
    assert type(sentence(GOOD.format('  { op = "x" },'))) is UnknownNameError


def test_options_are_checked() -> None:
    good = GOOD.format("")
    assert "unknown option of a file 'widht': did you mean width?" in str(sentence(good, widht=1))
    assert str(sentence(good, width="x")).startswith("width must be a positive number")
    assert str(sentence(good, resolution="x")).startswith("resolution is one whole number or HxW")
    assert "the file does not say which numbers its classes are" in str(sentence(good, classes=3))
    signal = 'input = [1, 80]\nlayers = [{ op = "relu" }]'
    assert "line 1: only an image" in str(sentence(signal, resolution=8))
    assert loads(signal, in_channels=2).input_shape == (2, 80)


def test_no_file_that_can_be_read(tmp_path: Path) -> None:
    def said(path: Any) -> str:
        with pytest.raises(LabError) as caught:
            read(path)
        return str(caught.value)

    missing = tmp_path / "missing.toml"
    assert said(missing) == f"cannot read {missing}: No such file or directory"
    assert said(tmp_path) == f"{tmp_path} is a folder, not a file"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = 1\n# \xff\n")
    assert said(str(binary)) == f"{binary}, line 2: not a text in UTF-8"
    assert said("a\0b") == "'a\\x00b' is no path of a file"
    assert said(3) == "3 is no path of a file"
    large = tmp_path / "large.toml"
    with large.open("wb") as stream:
        stream.truncate(100_000_000)
    assert said(large) == f"{large}: a network's file has 1,000,000 bytes at most"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert said(pipe) == f"{pipe} is no ordinary file"
    marked = tmp_path / "marked.toml"
    marked.write_bytes(b"\xef\xbb\xbf" + GOOD.format("").replace("\n", "\r\n").encode())
    assert read(marked).name == "marked"


def test_many_lines_are_not_too_many() -> None:
    lines = '  { op = "relu", repeat = 3000 },'
    assert len(loads(GOOD.format(lines)).layers) == 3004
    assert MOST_LINES == 100_000


def test_the_command_writes_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    run = CliRunner().invoke
    printed = run(app, ["export", "mobilenet_v2", "--width", "0.5"])
    assert (printed.exit_code, printed.stderr) == (0, "")
    arguments = ["export", "mobilenet_v2", "--width", "0.5", "--output", str(path)]
    assert run(app, arguments).exit_code == 0
    assert path.read_text("utf-8") == printed.stdout
    assert loads(printed.stdout).layers == read(path).layers
    again = run(app, arguments)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "exists already; --force replaces it" in again.stderr
    assert run(app, [*arguments, "--force"]).exit_code == 0
    unknown = run(app, ["export", "mobilenet_v22"])
    assert unknown.exit_code == 2
    assert "did you mean mobilenet_v2" in unknown.stderr
