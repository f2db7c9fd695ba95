"""latency: every network once, where its numbers are; the heading; runs that cannot be drawn."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from drawings.layout import flaws
from mobilenet_lab.drawings.latency_chart import AGAINST, latency, points_of, read, usual
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.ranks import kendall, spearman
from mobilenet_lab.reports.table import write

RUN = Path(__file__).parents[2] / "docs" / "latency" / "classifiers.json"


def saved(path: Path, *rows: tuple[Any, ...], **facts: Any) -> Path:
    """A file like that of a run: name, MACs, bytes, roofline, ms, IQR."""
    keys = ("name", *("macs", "memory", "roofline_ms", "ms", "iqr_ms"))
    whole = {
        "level": "network",
        **facts,
        "rows": [dict(zip(keys, row, strict=True)) for row in rows],
    }
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def marks(ax: Axes) -> dict[str, tuple[float, float]]:
    """Where the mark of each network is."""
    return {
        str(line.get_gid()).removeprefix("net:"): (
            float(line.get_xdata()[0]),
            float(line.get_ydata()[0]),
        )
        for line in ax.lines
        if str(line.get_gid()).startswith("net:")
    }


@pytest.mark.parametrize(
    ("against", "theme"), [*zip(AGAINST, ("light", "dark", "light"), strict=True)]
)
def test_every_network_of_the_recorded_run(against: str, theme: str) -> None:
    ax = latency(RUN, against=against, theme=theme)
    rows = json.loads(RUN.read_text(encoding="utf-8"))["rows"]
    assert marks(ax) == {row["name"]: (row[against], row["ms"]) for row in rows}
    ordered = sorted(rows, key=lambda row: row["ms"])
    listed = [line for text in ax.texts for line in text.get_text().split("\n")]
    for number, row in enumerate(ordered, start=1):
        assert listed.count(f"{number}  {row['name']} {write(row['ms'], 'number')} ms") == 1
        assert listed.count(str(number)) == 1
    promised, ms = [row[against] for row in rows], [row["ms"] for row in rows]
    heading = "\n".join(listed)
    assert (
        f"Kendall's τ-b {kendall(promised, ms):.3f}, Spearman's ρ {spearman(promised, ms):.3f}"
        in heading
    )
    assert f"Kendall's τ-b {kendall(promised, ms):.3f}" in ax.figure.alt
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert all(left < x < right and low < y < high for x, y in marks(ax).values())
    assert flaws(ax.figure) == []


def test_the_line_is_the_median_and_bars_are_between_quartiles(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "run.json",
        ("a", 10**9, 10**8, 1.0, 100.0, 10.0),
        ("b", 2 * 10**9, 10**8, 2.0, 100.0, 0.0),
        ("c", 3 * 10**9, 10**8, 30.0, 900.0, 20.0),
        processor="toy",
        threads=3,
    )
    ax = latency(path, against="roofline")
    lines = {line.get_gid(): line for line in ax.lines}
    for gid, slope in (("usual", 50), ("bound", 1)):
        x, y = lines[gid].get_data()
        assert [b / a for a, b in zip(x, y, strict=True)] == pytest.approx([slope, slope])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["the median: 50 × the roofline", "the roofline itself"]
    (bars,) = ax.collections
    heights = [segment[1][1] - segment[0][1] for segment in bars.get_segments()]
    assert heights == pytest.approx([10, 0, 20])
    assert "toy · threads 3" in "\n".join(text.get_text() for text in ax.texts)
    speeds = latency(path).get_legend().get_texts()[0].get_text()
    assert speeds == "the median: 10 GMAC/s"
    bytes_moved = latency(path, against="bytes").get_legend().get_texts()[0].get_text()
    assert bytes_moved == "the median: 1 GB/s"
    assert usual(points_of(read(path)[0], "macs")) == 1e-7


def test_a_crowd(tmp_path: Path) -> None:
    rows = [(f"network_{n}", 10**8 + n, 10**7 + n, 1 + n / 99, 20 + n / 99, 1.0) for n in range(12)]
    ax = latency(saved(tmp_path / "run.json", *rows), theme="dark")
    assert flaws(ax.figure) == []


ROW = ("a", 1, 1, 1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("rows", "facts", "says"),
    [
        ([ROW], {}, "latency compares two networks or more, not 1"),
        ([ROW, ROW], {"level": "layer"}, "what `bench` gives with level network, or its JSON"),
        ([ROW, ("b", 1, 1, 1.0, None, 0.0)], {}, "latency draws a run of networks"),
        ([ROW, ("b", "many", 1, 1.0, 1.0, 0.0)], {}, "latency draws a run of networks"),
        ([ROW, ("b", 0, 1, 1.0, 1.0, 0.0)], {}, "b has no MACs or no time to draw"),
        ([ROW, ("b", None, 1, 1.0, 1.0, 0.0)], {}, "b has no MACs"),
    ],
)
def test_runs_that_cannot_be_drawn(
    rows: list[Any], facts: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match=says):
        latency(saved(tmp_path / "run.json", *rows, **facts))


def test_files_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot read .*none\.json: No such file"):
        latency(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("[1")
    with pytest.raises(LabError, match="it is no JSON"):
        latency(tmp_path / "odd.json")
    (tmp_path / "odd.json").write_text("[1]")
    with pytest.raises(LabError, match="latency draws a run of networks"):
        latency(str(tmp_path / "odd.json"))
    with pytest.raises(LabError, match="a run is a table or the path of one saved, not 3"):
        latency(3)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean macs"):
        latency(RUN, against="mac")
