"""A search from its plan to its record: budgets, iterations, resuming, by cost alone, errors."""

import io
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.adaptation import trajectory as records
from mobilenet_lab.adaptation.display import display
from mobilenet_lab.adaptation.groups import Space, search_space
from mobilenet_lab.adaptation.plan import Plan, allowed
from mobilenet_lab.adaptation.proposals import Proposal
from mobilenet_lab.adaptation.search import Event, check_reach, search
from mobilenet_lab.adaptation.tables import cost_of, total
from mobilenet_lab.adaptation.trajectory import Point, Trajectory
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError
from mobilenet_lab.net import Net
from mobilenet_lab.training import run_folder


def toy() -> Space:
    """Three 1x1 convolutions of 64 channels on one pixel: 64 x 64 MACs each but the ends."""
    net = Net()
    x = net.input(1, 1)
    for name in ("a", "b", "c"):
        x = net.conv2d(x, 64, 1, name=name)
    return search_space(net.trace(net.conv2d(x, 1, 1, name="end")))


class Scripted:
    """A judge with an accuracy for each group and width, that remembers what it was told."""

    def __init__(self, lost: Mapping[str, Fraction]) -> None:
        self.lost = lost
        """Accuracy that each channel of a group is worth."""
        self.now = self.last = self.best = Fraction(1)
        self.told: list[str] = []

    def value(self, number: int, widths: Sequence[int], proposal: Proposal) -> Fraction:
        gone = proposal.before - proposal.width
        self.last = self.now - gone * self.lost[proposal.name]
        self.told.append(f"{number} {proposal.name} {proposal.width}")
        return self.last

    def prefer(self) -> None:
        self.best = self.last

    def keep(self) -> Fraction:
        self.now = self.best
        return self.now / 2

    def files(self) -> Mapping[str, bytes]:
        return {"weights": str(self.now).encode()}


def begun(space: Space, **options: Any) -> Trajectory:
    plan = Plan("toy", **{"budget": "0.5", "step": 0.1, "decay": 1.0, **options})
    price = total(space, space.widths, cost_of("macs"))
    return Trajectory(plan, {}, allowed(plan, price), Point(price, Fraction(1), Fraction(1, 2)))


def run(start: Trajectory, judge: Scripted, **more: Any) -> Trajectory:
    keep = more.pop("keep", lambda now: None)
    return search(toy(), cost_of("macs"), start, judge, keep, **more)


LOST = {"a": Fraction(1, 1000), "b": Fraction(1, 1000), "c": Fraction(1, 4000)}


def test_a_search_step_by_step() -> None:
    judge, events = Scripted(LOST), list[Event]()
    start = begun(toy())
    assert start.start.cost == 64 + 2 * 64 * 64 + 64 == 8320
    found = run(start, judge, watch=events.append)
    # a costs 65 MACs a channel, b 128, c 65; a step is 832: 13 channels of a or c, 7 of b
    assert judge.told[:3] == ["1 a 48", "1 b 56", "1 c 48"]
    first = found.iterations[0]
    assert [each.proposal.cost for each in first.trials] == [7280, 7296, 7280]
    assert first.target == 8320 - 832
    assert [each.value for each in first.trials] == [
        1 - Fraction(16, 1000), 1 - Fraction(8, 1000), 1 - Fraction(16, 4000),
    ]  # fmt: skip
    assert first.winner.proposal.name == "c"  # 16/4000 for 1040 MACs
    assert found.ratio(1) == Fraction(-16, 4000) / 1040
    assert found.last.cost <= found.budget == 4160
    assert all(each.point.cost > found.budget for each in found.iterations[:-1])
    widths = found.widths(toy().widths)
    assert total(toy(), widths, cost_of("macs")) == found.last.cost
    assert [point.accuracy for point in found.points[1:]] == [
        point.value / 2 for point in found.points[1:]
    ]
    kept = [event for event in events if event.kept]
    assert [event.cost for event in kept] == [point.cost for point in found.points[1:]]
    assert [event.done for event in events[:4]] == [1, 2, 3, 3]


def test_the_rule_decides() -> None:
    by_value = run(begun(toy(), rule="value"), Scripted({**LOST, "b": Fraction(1, 2500)}))
    # of b 8 channels lose 8/2500 and win 1024 MACs, of c 16 lose 16/4000 and win 1040
    assert by_value.iterations[0].winner.proposal.name == "b"


def test_a_search_that_goes_on_comes_to_the_same(tmp_path: Path) -> None:
    whole = run(begun(toy()), Scripted(LOST))
    folder, judge = tmp_path / "run", Scripted(LOST)

    def keep(now: Trajectory) -> None:
        records.commit(folder, now, judge.files())
        if len(now.iterations) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(begun(toy()), judge, keep=keep)
    found, files = records.read(folder)
    assert len(found.iterations) == 2
    assert found.points == whole.points[:3]
    again = Scripted(LOST)
    again.now = Fraction(files["weights"].decode())
    assert run(found, again) == whole


def test_a_record_says_it_all_and_damage_is_seen(tmp_path: Path) -> None:
    found = run(begun(toy(), settings={"resolution": (8, 8)}), Scripted(LOST))
    records.commit(tmp_path, found, {"weights": b"1"})
    assert records.read(tmp_path) == (found, {"weights": b"1"})
    (tmp_path / "weights").write_bytes(b"2")
    with pytest.raises(LabError, match="was changed since"):
        records.read(tmp_path)
    record = json.loads((tmp_path / "last.json").read_text())
    for damage in ({"budget": None}, {"iterations": [{}]}, {"start": {}}, {"files": []}):
        (tmp_path / "last.json").write_text(json.dumps(record | damage))
        with pytest.raises(LabError, match="damaged"):
            records.read(tmp_path)
    (tmp_path / "last.json").write_text('{"format": 1, "epoch": 3}')
    with pytest.raises(LabError, match="a run of another kind"):
        records.read(tmp_path)
    with pytest.raises(LabError, match="no search in"):
        records.read(tmp_path / "nowhere")


def test_a_kill_between_two_files_leaves_the_iteration_before(tmp_path: Path) -> None:
    found = run(begun(toy()), Scripted(LOST))
    records.commit(tmp_path, begun(toy()), {"weights": b"old"})
    (tmp_path / f"weights{run_folder.NEW}").write_bytes(b"new")
    (tmp_path / f"last.json{run_folder.PARTIAL}").write_bytes(b"{")
    assert records.read(tmp_path) == (begun(toy()), {"weights": b"old"})
    records.commit(tmp_path, found, {"weights": b"new"})
    assert records.read(tmp_path)[0] == found


def test_a_budget_out_of_reach_says_how_far_it_gets() -> None:
    space = toy()
    with pytest.raises(LabError, match=r"costs 144 MACs, 1.7% of what it costs now"):
        check_reach(space, cost_of("macs"), begun(space).plan, 143)
    check_reach(space, cost_of("macs"), begun(space).plan, 144)


# Plans


@pytest.mark.parametrize(
    ("budget", "cost", "allowed_"),
    [
        ("0.7", "macs", 700), (".7", "macs", 700), ("70%", "macs", 700), ("33.3 %", "macs", 333),
        ("200", "macs", 200), ("0.2k", "macs", 200), ("0.5", "latency", 500),
        ("0.0005ms", "latency", 500),
    ],
)  # fmt: skip
def test_budgets(budget: str, cost: str, allowed_: int) -> None:
    times = "t.json" if cost == "latency" else None
    assert allowed(Plan("net", budget, cost=cost, times=times), 1000) == allowed_


@pytest.mark.parametrize("budget", ["", "0", "-1", "0.0", "0%", "100%", "1.5", "nan", "x", "5ms"])
def test_a_budget_of_no_use(budget: str) -> None:
    with pytest.raises(LabError, match=r"a budget is a share .* or an amount like 200M"):
        Plan("net", budget)


@pytest.mark.parametrize("budget", ["1000", "2k"])
def test_a_budget_that_is_met_already(budget: str) -> None:
    with pytest.raises(LabError, match="there is nothing to narrow"):
        allowed(Plan("net", budget), 1000)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"step": 0}, "step is above 0 and at most 1"),
        ({"step": float("nan")}, "step is above 0"),
        ({"decay": 1.5}, "decay is above 0"),
        ({"decay": True}, "decay is above 0"),
        ({"divisor": 0}, "divisor is a whole number from 1"),
        ({"images": 2.5}, "images is a whole number"),
        ({"rule": "best"}, "unknown rule 'best'"),
        ({"cost": "flops"}, "unknown cost 'flops'"),
        ({"proxy": "luck"}, "unknown proxy 'luck'"),
        ({"proxy": "params", "cost": "params"}, "cannot stand in"),
        ({"cost": "latency"}, "need each other"),
        ({"times": "t.json"}, "need each other"),
    ],
)
def test_a_plan_of_no_use(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        Plan("net", "0.5", **options)


# By cost alone


def test_by_cost_alone_it_says_so_and_meets_the_budget(tmp_path: Path) -> None:
    found = lab.netadapt("mobilenet_v2", budget="250M", cost_only=True, output=tmp_path / "run")
    assert "cost only" in found.title
    assert found.notes[0].startswith("Cost only: no network was trained and no image")
    assert "accuracy" not in [column.key for column in found.columns]
    assert json.loads(found.to("json"))["trains"] is False
    text = tmp_path / "run" / "net.toml"
    assert lab.trace(str(text)).layers == found.trace.layers
    assert lab.summary(str(text)).total.macs == found.trajectory.last.cost <= 250_000_000
    assert (tmp_path / "run" / "trajectory.png").exists()
    again = lab.netadapt("mobilenet_v2", output=tmp_path / "run", resume=True)
    assert again.trajectory == found.trajectory
    assert any("finished already" in note for note in again.notes)
    # what comes out is a network to narrow further
    further = lab.netadapt(str(text), budget=0.9, cost_only=True)
    assert further.trajectory.start.cost == found.trajectory.last.cost


def test_by_cost_alone_a_search_is_resumed_to_the_same(tmp_path: Path) -> None:
    asked = {"budget": 0.8, "cost_only": True, "resolution": 64}
    whole = lab.netadapt("mobilenet_v3_small", **asked)

    def stop(event: Event) -> None:
        if event.iteration == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="holds 2 iterations: resume it"):
        lab.netadapt("mobilenet_v3_small", **asked, output=tmp_path / "run", watch=stop)
    again = lab.netadapt("mobilenet_v3_small", output=tmp_path / "run", resume=True)
    assert again.trajectory == whole.trajectory
    assert again.trace == whole.trace


@pytest.mark.parametrize("cost", ["params", "bytes"])
def test_by_cost_alone_every_cost_is_met(cost: str) -> None:
    found = lab.netadapt("mobilenet_v3_small", budget=0.8, cost=cost, cost_only=True)
    key = {"params": "params", "bytes": "memory"}[cost]
    after, before = (
        getattr(lab.analyse(trace).total, key)
        for trace in (found.trace, registry.trace("mobilenet_v3_small"))
    )
    assert after == found.trajectory.last.cost <= int(before * Fraction("0.8"))
    assert before == found.trajectory.start.cost


ERRORS = {
    "no budget": ({"cost_only": True}, "a search needs a budget"),
    "no data": ({"budget": 0.5}, "NetAdapt needs data"),
    "data": ({"budget": 0.5, "cost_only": True, "data": "digits"}, "by cost alone nothing"),
    "tuning": ({"budget": 0.5, "cost_only": True, "seed": 1}, "by cost alone nothing is trained"),
    "proxy": ({"budget": 0.5, "proxy": "params"}, "with cost_only"),
    "epochs": ({"budget": 0.5, "epochs": 3}, "a short fine-tuning has no epochs of its own"),
    "option": ({"budget": 0.5, "cost_only": True, "depth": 3}, "unknown option"),
    "resume": ({"cost_only": True, "resume": True}, "say which"),
    "measure": ({"budget": 0.5, "cost_only": True, "measure": True}, "say which"),
    "reach": ({"budget": 0.01, "cost_only": True}, "out of reach: with every width"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_one_sentence_says_what_is_wrong(case: str) -> None:
    options, complaint = ERRORS[case]
    with pytest.raises(LabError, match=complaint):
        lab.netadapt("mobilenet_v2", **options)


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        ("ssdlite300_mobilenet_v2", "is for detection; classifiers"),
        ("lraspp_mobilenet_v3_large", "is for segmentation; classifiers"),
        ("mobilenet_v22", "did you mean mobilenet_v2"),
        ("nowhere.toml", "cannot read nowhere.toml"),
    ],
)
def test_what_is_no_classifier(network: str, complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        lab.netadapt(network, budget=0.5, cost_only=True)


def test_nothing_is_overwritten_and_a_resumed_search_stays_as_it_began(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    lab.netadapt("lenet5", budget=0.7, cost_only=True, divisor=2, output=folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(LabError, match="holds a run already"):
        lab.netadapt("lenet5", budget=0.7, cost_only=True, output=folder)
    for other in ({"divisor": 4}, {"budget": 0.6}, {"step": 0.1}, {"cost": "params"}):
        with pytest.raises(LabError, match=f"the search has {next(iter(other))} .* stays as it"):
            lab.netadapt("lenet5", cost_only=True, output=folder, resume=True, **other)
    with pytest.raises(LabError, match="the search has network 'lenet5'"):
        lab.netadapt("mobilenet_v2", output=folder, resume=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_resumed_search_reads_what_it_began_with(tmp_path: Path) -> None:
    network, times = tmp_path / "net.toml", tmp_path / "times.json"
    text = """
input = "3x8x8"
classes = 4
layers = [
  { op = "conv", name = "stem", channels = 32 },
  { op = "classifier", classes = "classes" },
]
"""
    layers = {"stem.conv": {"3x32": 4, "3x8": 1}, "classifier.linear": {"32x4": 4, "8x4": 1}}
    network.write_text(text)
    times.write_text(json.dumps({"milliseconds": layers}))
    folder = tmp_path / "search"
    found = lab.netadapt(
        network, budget="6ms", cost="latency", times=times, cost_only=True, output=folder, step=0.2
    )
    assert [point.cost for point in found.trajectory.points] == [8_000_000, 6_000_000]
    assert found.trace.layer("stem.conv").out_shape[0] == 24
    network.write_text(text.replace("32", "24"))
    with pytest.raises(
        LabError, match=r"net.toml or .*times.json is not as the search began with it"
    ):
        lab.netadapt(network, output=folder, resume=True)
    network.write_text(text)
    layers["stem.conv"]["3x32"] = 5
    times.write_text(json.dumps({"milliseconds": layers}))
    with pytest.raises(LabError, match=r"times.json is not as the search began with it"):
        lab.netadapt(network, output=folder, resume=True)


# The command line


def test_the_command_by_cost_alone() -> None:
    result = CliRunner().invoke(
        app, ["netadapt", "mobilenet_v2", "--budget", "90%", "--cost-only", "--format", "json"]
    )
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["rows"][-1]["cost"] <= found["budget"] == int(300_774_272 * Fraction("0.9"))
    assert found["plan"]["proxy"] == "channels"


def test_the_command_is_wrong_in_one_sentence() -> None:
    result = CliRunner().invoke(app, ["netadapt", "mobilenet_v2", "--budget", "half"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: a budget is a share")


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(stream: io.StringIO) -> str:
    """What is shown of the toy search."""
    with display(stream) as watch:
        run(begun(toy()), Scripted(LOST), watch=watch)
    return stream.getvalue()


FIRST = (
    "iteration 1: c to 48 channels, best of 3 proposals; cost 87.5% (budget 50.0%), accuracy 99.6%"
)


def test_a_log_has_a_line_for_each_iteration() -> None:
    lines = watched(io.StringIO()).splitlines()
    assert lines[0] == FIRST
    assert len(lines) == len(run(begun(toy()), Scripted(LOST)).iterations)


def test_a_terminal_shows_bars_and_keeps_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    shown = watched(Terminal())
    assert FIRST in shown
    assert "to the budget" in shown
    assert "proposals" in shown
    assert (
        shown.endswith("\x1b[2K") or "\x1b[?25h" in shown
    )  # the bars are gone, the cursor is back


def test_nowhere_to_show_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with display() as watch:
        run(begun(toy()), Scripted(LOST), watch=watch)
