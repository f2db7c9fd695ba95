"""bench with a fake clock and a toy machine: what is timed, how often, and what is told of it.

No test looks at real time.
"""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import latency, latency_torch
from mobilenet_lab.analysis import LEVELS, analyse
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError
from mobilenet_lab.latency_torch import Setting, bandwidth, peak
from mobilenet_lab.measured import Time
from mobilenet_lab.rooflines import Machine, batched, timed

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TOY = Machine(8, 2)
CPU = Setting(1, 1, "float32", "cpu", False)


class Clock:
    """Each look at it takes `tick` seconds; work on it is waited for with `wait`."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 0.0
        self.tick = tick
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        self.now += self.tick
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What bench looks at; the machine is the toy."""
    made = Clock(1.0)
    monkeypatch.setattr(latency_torch, "clock_of", lambda device, kind: made)
    monkeypatch.setattr(latency_torch, "peak", lambda setting, clock: TOY.peak)
    monkeypatch.setattr(latency_torch, "bandwidth", lambda setting, clock: TOY.bandwidth)
    return made


def slow(clock: Clock, seconds: Callable[[], float]) -> nn.Module:
    """A module that takes as long as it says."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    module.register_forward_hook(lambda *_: clock.wait(seconds()))
    return module


# Networks


def test_networks_are_timed_by_the_clock_beside_their_numbers(clock: Clock) -> None:
    clock.tick = 0
    modules = [slow(clock, lambda: 0.25), slow(clock, lambda: 1.0), slow(clock, lambda: 0.5)]
    table = lab.bench(*modules, input="3x8x8", rounds=3)
    assert [row.time.median for row in table.rows] == [0.25, 1, 0.5]
    assert {row.time.noise for row in table.rows} == {0}
    analysis = analyse(lab.inspect(modules[0], (3, 8, 8)))
    for row in table.rows:
        assert row.row == analysis.total
        assert row.bound == sum(each.seconds for each in timed(analysis, TOY))
        assert row.over_bound == row.time.median / float(row.bound)
    assert table.facts["machine"]["ridge"] == 4
    assert table.facts["ranks"]["macs"] == {"kendall": None, "spearman": None}
    assert (table.facts["threads"], table.facts["rounds"]) == (torch.get_num_threads(), 3)


def test_the_median_of_the_rounds_and_their_spread(clock: Clock) -> None:
    clock.tick = 0
    spent: list[float] = []

    def seconds() -> float:  # each block warms up with two runs and times one
        spent.append(1.0 + len(spent) // 3)
        return spent[-1]

    module = slow(clock, seconds)
    lab.inspect(module, (3, 8, 8))
    spent.clear()
    (row,) = lab.bench(module, input="3x8x8", rounds=5).rows
    blocks = sorted({*spent})[-5:]
    low, high = blocks[0], blocks[-1]
    assert low <= row.time.low < row.time.median < row.time.high <= high


def test_a_block_of_fast_runs_is_long_enough(clock: Clock) -> None:
    clock.tick = 0
    runs: list[int] = []
    module = slow(clock, lambda: runs.append(1) or 1 / 1024)  # type: ignore[func-returns-value]
    (row,) = lab.bench(module, input="3x8x8", rounds=2).rows
    assert row.time.median == 1 / 1024
    assert len(runs) >= 2 * latency_torch.BLOCK * 1024


def test_networks_of_one_name_are_told_apart(clock: Clock) -> None:
    table = lab.bench("lenet5", "lenet5", classes=[10, 3], rounds=1)
    first, second = (row.name for row in table.rows)
    assert first != second
    assert "classes 3" in second
    assert "ranks" not in table.facts


def test_a_batch_counts_in_the_numbers(clock: Clock) -> None:
    (row,) = lab.bench("lenet5", batch=3, rounds=1).rows
    analysis = batched(analyse(lab.trace("lenet5")), 3)
    assert row.row == analysis.total
    assert row.bound == sum(each.seconds for each in timed(analysis, TOY))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("level", ["network", "stage"])
def test_other_dtypes_and_memory_formats(clock: Clock, dtype: str, level: str) -> None:
    options: dict[str, Any] = {"width": 0.25, "resolution": 32, "rounds": 1, "level": level}
    table = lab.bench("mobilenet_v3_small", dtype=dtype, channels_last=True, **options)
    assert f"in {dtype}, channels last on cpu" in table.subtitle
    total = analyse(lab.trace("mobilenet_v3_small", width=0.25, resolution=32), dtype).total
    assert (table.total or table.rows[0]).row == total


def test_what_runs_is_of_the_dtype_and_format() -> None:
    module, seen = nn.Sequential(nn.Conv2d(3, 4, 3)), []
    module.register_forward_hook(lambda _, inputs, out: seen.extend([*inputs, out]))
    setting = CPU._replace(batch=2, dtype="bfloat16", channels_last=True)
    latency_torch.runnable(module, lab.inspect(module, (3, 8, 8)), (3, 8, 8), setting)
    image, out = seen[-2:]
    assert image.shape == (2, 3, 8, 8)
    for each in (image, out, module[0].weight):
        assert each.dtype is torch.bfloat16
        assert each.is_contiguous(memory_format=torch.channels_last)
    assert image.float().std() > 0.5


# Layers


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lenet5", {}),
        ("mixnet_s", {"width": 0.25, "resolution": 32}),  # split, concat, mul, add
        ("shufflenet_v2", {"resolution": 32}),
        (str(EXAMPLES / "small.toml"), {}),
    ],
)
def test_every_layer_is_timed_in_place(clock: Clock, name: str, options: dict[str, Any]) -> None:
    """The clock is looked at twice around each layer: a second for each, functions too."""
    analysis = analyse(lab.trace(name, **options))
    for level in LEVELS if name == "lenet5" else ("layer",):
        table = lab.bench(name, level=level, rounds=2, **options)
        assert [row.name for row in table.rows] == [row.name for row in analysis.by(level)]
        inside = [
            sum(row.name == (each.name if level == "layer" else getattr(each, level))
                for each in analysis.rows)
            for row in table.rows
        ]  # fmt: skip
        assert [row.time.median for row in table.rows] == inside
        assert [row.row for row in table.rows] == list(analysis.by(level))
        assert [row.bound for row in table.rows] == [
            each.seconds for each in timed(analysis, TOY, level)
        ]
        assert table.total.time.median == len(analysis.rows)
        assert table.facts["whole_ms"] == 1000
        assert sum(table.record(row)["share"] for row in table.rows) == pytest.approx(1)
        assert any(f", {len(analysis.rows)}00.0% of that" in note for note in table.notes)


def test_layers_run_on_their_real_inputs() -> None:
    """What the layers give, one after the other, is what the twin gives."""
    trace = lab.trace("mixnet_s", width=0.25, resolution=32)
    module = lab.build("mixnet_s", width=0.25, resolution=32)
    network = latency_torch.runnable(module, trace, None, CPU)
    steps = latency_torch.stepped(network, trace, CPU, Clock(1.0))
    with torch.inference_mode():
        assert torch.allclose(steps(*network.tensors), module(*network.positional), atol=1e-5)
    assert steps.spent == [1.0] * (len(trace.layers) - 1)


def test_the_first_run_of_a_round_only_warms_up(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "RUNS", 1)
    forward, runs = latency_torch.Stepped.forward, []

    def colder(self: latency_torch.Stepped, *images: Tensor) -> Any:
        clock.tick = 100.0 if len(runs) % 2 else 1.0  # the very first one is the trial
        runs.append(clock.tick)
        return forward(self, *images)

    monkeypatch.setattr(latency_torch.Stepped, "forward", colder)
    table = lab.bench("lenet5", level="layer", rounds=2)
    assert runs == [1, 100, 1, 100, 1]
    assert {row.time for row in table.rows} == {Time(1, 1, 1)}


def test_the_roofline_of_a_layer_stays_exact(clock: Clock) -> None:
    rows = lab.bench("lenet5", level="layer", rounds=1).rows
    linear = next(row for row in rows if row.name == "output")
    moved = 4 * (84 + 84 * 10 + 10 + 10)
    assert linear.bound == max(Fraction(2 * 84 * 10, 8), Fraction(moved, 2))


# Kinds of networks


def test_a_detector_is_timed_without_its_boxes(clock: Clock) -> None:
    table = lab.bench("yolov5n_mobilenet_v3_large", resolution=64, rounds=1)
    assert table.rows[0].time.median == 1
    assert any("After the layers, in no number here" in note for note in table.notes)
    module = lab.build("yolov5n_mobilenet_v3_large", resolution=64)
    trace = lab.trace("yolov5n_mobilenet_v3_large", resolution=64)
    network = latency_torch.runnable(module, trace, None, CPU)
    with torch.inference_mode():
        maps = network.module(*network.positional)
    assert [tuple(each.shape[1:]) for each in maps] == [
        trace.layers[index].out_shape for index in trace.outputs
    ]


def test_inputs_that_are_no_images(clock: Clock) -> None:
    words = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    assert lab.bench(words, input="7:int64", batch=2, rounds=1).rows[0].row.macs == 2 * 7 * 8
    assert len(lab.bench(words, input="7:int64", level="layer", rounds=1).rows) == 2
    factory = f"{EXAMPLES / 'two_branches.py'}:TwoBranches"
    assert lab.bench(factory, input="3x32x32", rounds=1).rows[0].time.median == 1

    class Two(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left + right

    inputs = {"left": (3, 4), "right": (3, 4)}
    assert lab.bench(Two(), input=inputs, rounds=1).rows[0].row.memory == 3 * 12 * 4
    (row,) = lab.bench(Two(), input=inputs, level="layer", rounds=1).rows
    assert row.time.median == 1


def test_what_is_given_stays_as_it_is(clock: Clock) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    module[1].eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    threads, random = torch.get_num_threads(), torch.get_rng_state()
    lab.bench(module, input="3x8x8", dtype="float16", threads=2, rounds=1)
    assert [part.training for part in module.modules()] == modes
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), random)
    assert not torch.is_inference_mode_enabled()
    for key, value in module.state_dict().items():
        assert value.dtype is before[key].dtype
        assert torch.equal(value, before[key])


def test_threads_are_set_while_it_runs_and_restored_after_a_failure(clock: Clock) -> None:
    seen: list[tuple[int, bool]] = []
    module = slow(clock, lambda: 1.0)
    module.register_forward_hook(
        lambda *_: seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
    )
    before = torch.get_num_threads()
    lab.bench(module, input="3x8x8", threads=3, rounds=1)
    assert seen[-1] == (3, True)
    with pytest.raises(LabError):
        lab.bench(module, input="3x8x8", threads=3, rounds=1, batch=0)
    assert torch.get_num_threads() == before


# The machine


def test_the_peak_is_the_best_product(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak(CPU, Clock(0.5)) == 2 * 256**3 / 0.5  # long enough at once
    monkeypatch.setattr(latency_torch, "LARGEST_MATRIX", 512)
    assert peak(CPU, Clock(2**-10)) == 2 * 512**3 * 2**10  # the larger one in the same time


def test_the_bandwidth_counts_three_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_torch, "array_bytes", lambda: 4096)
    for dtype in ("float32", "bfloat16"):
        assert bandwidth(CPU._replace(dtype=dtype), Clock(0.5)) == 3 * 4096 / 0.5


def test_arrays_are_as_large_as_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_torch, "CACHES", str(tmp_path))
    assert latency_torch.array_bytes() == latency_torch.LEAST_ARRAY
    for number, size in enumerate(("48K", "98304K", "odd")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(f"{size}\n")
    assert latency_torch.array_bytes() == 98304 * 1024


def test_a_device_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for device in ("cuda", "mps"):
        waited: list[str] = []
        monkeypatch.setattr(getattr(torch, device), "synchronize", lambda: waited.append("done"))  # noqa: B023
        latency_torch.clock_of(device)()
        assert waited == ["done"]
    assert latency_torch.clock_of("cpu") is perf_counter
    assert latency_torch.clock_of("cpu", "processor") is thread_time


# Wrong use


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch": 0}, "batch is a whole number from 1 to 65,536, not 0"),
        ({"batch": True}, "batch is a whole number"),
        ({"threads": 0}, "threads is a whole number from 1 to 1,024, not 0"),
        ({"threads": -1}, "threads is a whole number"),
        ({"rounds": 0}, "rounds is a whole number from 1 to 10,000, not 0"),
        ({"dtype": "int8"}, "unknown dtype 'int8': known: float32, bfloat16, float16"),
        ({"dtype": "float3"}, "unknown dtype 'float3': did you mean float32"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "mps"}, "there is no mps device on this machine"),
        ({"clock": "sun"}, "unknown clock 'sun': known: wall, processor"),
        ({"clock": "processor", "threads": 2}, "the processor's clock is of one thread"),
        ({"clock": "processor", "threads": 1, "device": "mps"}, "no mps device"),
        ({"level": "layers"}, "unknown level 'layers': did you mean layer"),
        ({"depth": 3}, "unknown option of lenet5 'depth'"),
        ({"classes": [1, 2]}, "classes has 2 values for 1 networks"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(
    options: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(LabError) as caught:
        lab.bench("lenet5", **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_networks_of_no_use(clock: Clock) -> None:
    for networks, level, says in (
        ((), "network", "bench takes one network or more, not 0"),
        (("lenet5", "lenet5"), "layer", "bench by layer takes one network, not 2"),
        (("lenet6",), "network", "unknown network 'lenet6': did you mean lenet5"),
    ):
        with pytest.raises(LabError, match=says):
            lab.bench(*networks, level=level)

    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.inv(x)  # not in float16

    with pytest.raises(
        LabError, match=r"^Odd does not run with batch 1 in float16 on cpu: [^\n]+$"
    ):
        lab.bench(Odd(), input="3x3", dtype="float16")
    with pytest.raises(LabError, match=r"^[^\n]*a trace does not say enough[^\n]*$"):
        lab.bench(Odd(), input="3x3", level="layer")


# The command line


def test_on_the_command_line(clock: Clock) -> None:
    arguments = ["bench", "lenet5", "--level", "stage", "--rounds", "1", "--threads", "1"]
    result = CliRunner().invoke(app, [*arguments, "--batch", "2", "--format", "json"])
    assert (result.exit_code, result.stderr) == (0, "")
    whole = json.loads(result.stdout)
    assert (whole["level"], whole["batch"], whole["threads"]) == ("stage", 2, 1)
    assert whole["machine"]["peak"] == 8
    for key in ("processor", "library", "load_before", "load_after", "networks"):
        assert key in whole
    assert sum(row["ms"] for row in whole["rows"]) == whole["total"]["ms"] == 12_000
    table = CliRunner().invoke(app, ["bench", "lenet5", "lenet5", "--classes", "3,5"]).stdout
    assert "This machine, measured: 8 FLOP/s and 2 B/s, ridge at 4 FLOPs/byte." in table
    refused = CliRunner().invoke(app, ["bench", "lenet5", "--batch", "0"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "Error: batch is a whole number from 1 to 65,536, not 0\n"


def test_progress_is_handed_on(clock: Clock) -> None:
    seen: list[int] = []

    def watch(items: Any, total: int) -> Iterator[Any]:
        for item in items:
            seen.append(total)
            yield item

    lab.bench("lenet5", level="layer", rounds=4, watch=watch)
    assert seen == [8] * 8
