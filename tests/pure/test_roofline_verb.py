"""The verb roofline, on a toy machine exactly; batches; documented machines."""

import json
from fractions import Fraction
from typing import Any

import pytest
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab.analysis import LEVELS, analyse, weights
from mobilenet_lab.cli import app
from mobilenet_lab.devices import DEVICES, device
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.net import Net
from mobilenet_lab.rooflines import Machine, batched, told_rate

TOY: dict[str, Any] = {"peak": 8, "bandwidth": "2B/s"}
"""The ridge is at 4 FLOPs/byte."""


def toy() -> lab.Trace:
    """A convolution that computes for long and an activation that only moves."""
    net = Net()
    x = net.conv2d(net.input(2, 4), 4, 3, name="conv")
    x = net.act(x, "relu", name="act")
    return net.trace(x)


def test_by_hand() -> None:
    macs = 3 * 3 * 2 * 4 * 4 * 4
    moved = 4 * (2 * 16 + 3 * 3 * 2 * 4 + 4 * 16)
    conv, act = lab.roofline(toy(), level="layer", **TOY).rows
    assert conv.seconds == max(Fraction(2 * macs, 8), Fraction(moved, 2)) == 336
    assert (conv.bound, conv.memory_seconds) == ("memory", 336)
    assert (act.seconds, act.bound) == (Fraction(4 * 2 * 64, 2), "memory")
    fast = lab.roofline(toy(), level="layer", peak=1, bandwidth=2).rows[0]
    assert (fast.seconds, fast.bound, fast.memory_seconds) == (2 * macs, "compute", 0)


def test_a_record_says_what_a_row_is() -> None:
    table = lab.roofline(toy(), level="layer", **TOY)
    assert table.record(table.rows[0]) == {
        "name": "conv",
        "flops": 2 * 1152,
        "memory": 672,
        "intensity": 2 * 1152 / 672,
        "bound": "memory",
        "ms": 336_000.0,
        "share": 336 / 592,
    }
    assert table.record(table.total)["ms"] == 592_000.0
    assert table.total.bound == "memory"
    assert "Memory-bound 100.0% of the time; layers without MACs take 43.2%." in table.notes


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "googlenet", "lraspp_mobilenet_v3_small"])
def test_every_level_has_one_total(name: str) -> None:
    tables = [
        lab.roofline(name, peak="100GFLOPS", bandwidth="20GB/s", level=level, dtype="float16")
        for level in LEVELS
    ]
    for table in tables:
        assert sum(row.seconds for row in table.rows) == table.total.seconds
        assert sum(row.memory_seconds for row in table.rows) == table.total.memory_seconds
        assert sum(table.record(row)["share"] for row in table.rows) == pytest.approx(1)
        assert table.total == tables[0].total
        assert table.total.row == analyse(lab.trace(name), "float16").total


@pytest.mark.parametrize("name", ["mobilenet_v2", "googlenet"])
def test_a_batch_reads_the_weights_once(name: str) -> None:
    analysis = analyse(lab.trace(name))
    used = [weights(layer) for layer in analysis.trace.layers if layer.op != "input"]
    seven = batched(analysis, 7)
    for one, many, count in zip(analysis.rows, seven.rows, used, strict=True):
        assert many.memory == 7 * (one.memory - 4 * count) + 4 * count
        assert (many.macs, many.params) == (7 * one.macs, one.params)
    assert batched(analysis, 1).rows == analysis.rows
    table = lab.roofline(name, batch=7, **TOY)
    assert table.total.row == seven.total
    assert table.facts["batch"] == 7


@pytest.mark.parametrize("name", DEVICES)
def test_documented_machines(name: str) -> None:
    known = device(name)
    assert known.source
    assert known.unit
    on = known.machine()
    table = lab.roofline("lenet5", machine=name)
    assert table.facts["machine"]["peak"] == on.peak
    assert table.facts["machine"]["bandwidth"] == on.bandwidth
    assert known.source in " ".join(table.notes)
    assert 1 < on.ridge < 100
    for dtype in known.peaks:
        assert lab.roofline("lenet5", machine=name, dtype=dtype).total.seconds > 0


def test_documented_numbers() -> None:
    assert device("v100_sxm2").machine()[:2] == (15_700 * 10**9, 900 * 10**9)
    assert device("a100_sxm_40gb").machine("bfloat16")[:2] == (312 * 10**12, 1555 * 10**9)
    assert device("raspberry_pi_4").machine().peak == 4 * 1_500_000_000 * 8
    assert device("raspberry_pi_5").machine().peak == 4 * 2_400_000_000 * 16
    assert device("core_i7_6700").machine().peak == 4 * 3_400_000_000 * 32
    assert device("ryzen_9_5950x").machine().peak == 16 * 3_400_000_000 * 32
    assert device("ryzen_9_5950x").machine().bandwidth == 2 * 8 * 3_200_000_000


@pytest.mark.parametrize(
    ("rate", "told"),
    [(1, "1 B/s"), (999, "999 B/s"), (Fraction(3, 2), "1.5 B/s"), (2 * 10**10, "20 GB/s"),
     (15_700 * 10**9, "15.7 TB/s"), (1234, "1.234 kB/s"), (10**18, "1000 PB/s")],
)  # fmt: skip
def test_rates_are_told(rate: Any, told: str) -> None:
    assert told_rate(rate, "B/s") == told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "a roofline needs a machine: its peak and bandwidth, like 100GFLOPS and 20GB/s, or"),
        ({"peak": 8}, "bandwidth is in bytes/s"),
        ({"bandwidth": 8}, "peak is in FLOP/s"),
        ({"machine": "v100", }, "unknown machine 'v100': did you mean v100_sxm2"),
        ({"machine": "v100_sxm2", "peak": 3}, "not both"),
        ({"machine": "v100_sxm2", "dtype": "int8"}, "V100 SXM2: the peak in int8 is not document"),
        ({**TOY, "dtype": "int3"}, "unknown dtype 'int3'"),
        ({**TOY, "level": "blocks"}, "unknown level 'blocks': did you mean block"),
        ({**TOY, "batch": 0}, "batch is a whole number from 1 to 65,536, not 0"),
        ({**TOY, "batch": 1.5}, "batch is a whole number"),
        ({**TOY, "batch": True}, "batch is a whole number"),
        ({**TOY, "depth": 3}, "unknown option of mobilenet_v2 'depth'"),
    ],
)  # fmt: skip
def test_wrong_use(options: dict[str, Any], says: str) -> None:
    with pytest.raises(LabError) as caught:
        lab.roofline("mobilenet_v2", **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_network() -> None:
    with pytest.raises(UnknownNameError):
        lab.roofline("mobilenet_v9", **TOY)


def test_on_the_command_line() -> None:
    arguments = ["roofline", "mobilenet_v2", "--peak", "1TFLOPS", "--bandwidth", "50GB/s"]
    arguments += ["--level", "role", "--batch", "2", "--dtype", "int8", "--width", "0.5"]
    result = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert (result.exit_code, result.stderr) == (0, "")
    whole = json.loads(result.stdout)
    table = lab.roofline(
        "mobilenet_v2", peak=10**12, bandwidth=5 * 10**10, level="role", batch=2, dtype="int8",
        width=0.5,
    )  # fmt: skip
    assert [row["ms"] for row in whole["rows"]] == [float(r.seconds * 1000) for r in table.rows]
    assert whole["machine"] == {"name": "", "peak": 10**12, "bandwidth": 5 * 10**10, "ridge": 20.0}
    refused = CliRunner().invoke(app, ["roofline", "mobilenet_v2", "--machine", "v10"])
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: unknown machine 'v10'")


def test_the_help_names_every_machine() -> None:
    told = CliRunner().invoke(app, ["roofline", "--help"], terminal_width=400).stdout
    assert [name for name in DEVICES if name not in told] == []


def test_machines_compare_by_value() -> None:
    assert Machine(8, 2) == Machine(8, 2, "")
