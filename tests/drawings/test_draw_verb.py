"""`mobilenet-lab draw`: kinds, files, options, and what cannot be drawn."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import mobilenet_lab as lab
from mobilenet_lab.cli import app
from mobilenet_lab.cli.options import Kind
from mobilenet_lab.drawings import KINDS, kinds
from mobilenet_lab.errors import LabError, UnknownNameError

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RUN = Path(__file__).parents[2] / "docs" / "latency" / "classifiers.json"
MACHINE = ["--peak", "100GFLOPS", "--bandwidth", "20GB/s"]
FIGURES = {
    "block": ["mobilenet_v2", "resnet50", "--block", "stage2.1", "--block", "stage2.1"],
    "network": ["mobilenet_v2", "--width", "0.5"],
    "costs": ["mobilenet_v2", "--of", "macs", "--level", "role"],
    "memory": ["mobilenet_v2", "--dtype", "int8", "--resolution", "96x128"],
    "roofline": ["mobilenet_v2", *MACHINE],
    "latency": [str(RUN), "--against", "roofline"],
    "grid": ["mobilenet_v2", "--width", "0.5,1", "--resolution", "96:160:32"],
    "accuracy": ["mobilenet_v1", "mobilenet_v2", "--against", "params"],
    "growth": ["mobilenet_v1", "mobilenet_v2"],
    "field": ["mobilenet_v2", "--layer", "stage3.1.add", "--unit", "3,4"],
    "effective": ["mobilenet_v2", "--width", "0.25", "--resolution", "64", "--images", "1"],
    "convolution": ["--in", "4", "--out", "8", "--groups", "2"],
    "ratio": ["--kernel", "3,5"],
    "areas": ["--in", "16", "--out", "32"],
}


def drawn(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["draw", *map(str, arguments)])


def sentence(*arguments: str | Path) -> str:
    """What a wrong use is told: one line, exit code 2."""
    result = drawn(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("Error: ")
    assert "Traceback" not in result.stderr
    return said


def test_the_command_line_knows_every_kind() -> None:
    assert [kind.value for kind in Kind] == [*KINDS] == [*FIGURES]
    for name, function in KINDS.items():
        assert getattr(lab.draw, name) is function
        assert function.__name__ == name


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.svg"
    result = drawn(kind, *FIGURES[kind], "--output", path, "--theme", "dark")
    assert (result.exit_code, result.output) == (0, "")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "<dc:description>" in text
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".png", b"\x89PNG"), (".PDF", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_suffix_says_the_format(suffix: str, begins: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"figure{suffix}"
    assert drawn("ratio", "-o", path).exit_code == 0
    assert path.read_bytes().startswith(begins)


def test_a_format_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "figure"
    assert drawn("ratio", "-o", path, "--format", "pdf").exit_code == 0
    assert path.read_bytes().startswith(b"%PDF")
    piped = drawn("ratio", "-o", "-")
    assert piped.stdout_bytes.startswith(b"<?xml")


def test_nothing_is_overwritten_without_being_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.svg"
    path.write_text("mine")
    assert "exists already" in sentence("ratio", "-o", path)
    assert path.read_text() == "mine"
    assert drawn("ratio", "-o", path, "--force").exit_code == 0
    assert path.read_text().startswith("<?xml")


def test_a_text_file_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "net.svg"
    assert drawn("network", EXAMPLES / "small.toml", "-o", path).exit_code == 0
    assert path.exists()


def test_a_factory_is_drawn(tmp_path: Path) -> None:
    for kind in ("network", "costs", "memory", "growth", "field"):
        path = tmp_path / f"{kind}.svg"
        factory = f"{EXAMPLES / 'two_branches.py'}:TwoBranches"
        result = drawn(kind, factory, "--input", "3x32x32", "-o", path)
        assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["blok", "mobilenet_v2"], "'blok' is not one of"),
        (["network", "mobilenet_v9", "-o", "x.svg"], "unknown network 'mobilenet_v9'"),
        (["network", "mobilenet_v2", "-o", "x.gif"], "unknown format 'gif': known: png, svg, pdf"),
        (["network", "mobilenet_v2", "-o", "x"], "unknown format ''"),
        (["network", "-o", "x.svg"], "draw network takes one network, not 0"),
        (["costs", "resnet18", "resnet50", "-o", "x.svg"], "takes one network, not 2"),
        (["ratio", "resnet18", "-o", "x.svg"], "draw ratio takes no network, not 1"),
        (["block", "-o", "x.svg"], "network"),
        (["growth", "-o", "x.svg"], "network"),
        (["network", "mobilenet_v2", "--block", "stem", "-o", "x.svg"], "takes no --block"),
        (["ratio", "--width", "1", "-o", "x.svg"], "draw ratio takes no --width"),
        (["areas", "--set", "a=1", "-o", "x.svg"], "draw areas takes no --a"),
        (["block", "mobilenet_v2", "--block", "stage9", "-o", "x.svg"], "stage9"),
        (["network", "mobilenet_v2", "--set", "depth=3", "-o", "x.svg"], "unknown option"),
        (["network", "mobilenet_v2", "--width", "0.5,1", "-o", "x.svg"], "width"),
        (["growth", "resnet18", "--width", "1,2", "-o", "x.svg"], "width"),
        (["costs", "mobilenet_v2", "--of", "flops", "-o", "x.svg"], "flops"),
        (["roofline", "mobilenet_v2", "-o", "x.svg"], "peak"),
        (["roofline", "mobilenet_v2", "--peak", "1GB/s", "--bandwidth", "1GB/s", "-o", "x.svg"],
         "peak"),
        (["accuracy", "mobilenet_v2", "--against", "flops", "-o", "x.svg"], "flops"),
        (["accuracy", "lenet5", "-o", "x.svg"], "lenet5"),
        (["latency", "-o", "x.svg"], "draw latency takes one run's JSON, not 0"),
        (["latency", "none.json", "-o", "x.svg"], "cannot read none.json"),
        (["field", "mobilenet_v2", "--layer", "stage9", "-o", "x.svg"], "unknown layer 'stage9'"),
        (["field", "mobilenet_v2", "--unit", "900,1", "-o", "x.svg"], "900"),
        (["field", "mobilenet_v2", "--unit", "middle", "-o", "x.svg"], "middle"),
        (["field", "mobilenet_v2", "--image", "none.png", "-o", "x.svg"], "none.png"),
        (["effective", "lenet5", "--weights", "none.pth", "-o", "x.svg"], "none.pth"),
        (["convolution", "--in", "0", "-o", "x.svg"], "0"),
        (["convolution", "--in", "6", "--out", "6", "--groups", "4", "-o", "x.svg"], "4"),
        (["areas", "--in", "-3", "-o", "x.svg"], "-3"),
        (["ratio", "--kernel", "0", "-o", "x.svg"], "0"),
        (["ratio", "-o", "nowhere/x.svg"], "cannot write nowhere/x.svg"),
        (["grid", "resnet18", "--width", "0.5,1", "-o", "x.svg"], "width"),
    ],
)  # fmt: skip
def test_wrong_use_is_told_in_a_sentence(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in sentence(*arguments)
    assert [*tmp_path.iterdir()] == []


def test_without_a_screen_a_file_is_asked_for() -> None:
    said = "there is no screen to draw on; --output FILE writes PNG, SVG or PDF"
    assert sentence("ratio") == f"Error: {said}"


def test_a_screen_shows_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(kinds.pyplot, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(kinds.pyplot, "show", lambda: shown.append(kinds.pyplot.gcf().alt))
    result = drawn("ratio")
    assert (result.exit_code, result.output) == (0, "")
    assert len(shown) == 1
    assert shown[0]


def test_in_python_a_kind_is_asked_for_by_name() -> None:
    assert kinds.draw("ratio", []).figure.alt
    with pytest.raises(UnknownNameError, match="did you mean block"):
        kinds.draw("blok", ["mobilenet_v2"])
    with pytest.raises(LabError, match="takes no --out; it takes"):
        kinds.draw("network", ["mobilenet_v2"], c_out=8)
