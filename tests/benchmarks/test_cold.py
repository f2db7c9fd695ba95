"""A cold `mobilenet-lab summary mobilenet_v2` against a cold script that asks torchinfo.

Wall time and peak memory of the whole process, Python's own start included; the two take turns,
so that whatever else the machine does falls on both.
"""

import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

COMMAND = [str(Path(sysconfig.get_path("scripts"), "mobilenet-lab")), "summary", "mobilenet_v2"]
PEER = """
from torchinfo import summary
from torchvision.models import mobilenet_v2

summary(mobilenet_v2(weights=None), input_size=(1, 3, 224, 224))
"""
ROUNDS = 7


LAUNCHER = """
import os, subprocess, sys, time

started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
text = process.stdout.read()
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
process.returncode = os.waitstatus_to_exitcode(status)
sys.stdout.buffer.write(text)
print(process.returncode, seconds, usage.ru_maxrss, file=sys.stderr)
"""
"""A child's peak starts at the size of whoever starts it, so a small process has to."""


class Cost(NamedTuple):
    seconds: float
    mebibytes: float
    """Resident at the peak."""


def cost(command: list[str], expected: str) -> Cost:
    """Runs `command` once; its output must hold `expected`."""
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    result = subprocess.run(launcher, capture_output=True, encoding="utf-8", check=True)
    assert expected in result.stdout
    code, seconds, peak = result.stderr.split()[-3:]
    assert code == "0", result.stderr
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(float(seconds), int(peak) / unit)


def median(costs: list[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def test_cold_summary(benchmark: Any, report: list[tuple[str, ...]]) -> None:
    theirs: list[Cost] = []
    ours: list[Cost] = []

    def turn() -> None:
        theirs.append(cost([sys.executable, "-c", PEER], "3,504,872"))

    def run() -> None:
        ours.append(cost(COMMAND, "300,774,272"))

    benchmark.pedantic(run, setup=turn, rounds=ROUNDS, warmup_rounds=1)
    mine, peer = median(ours[1:]), median(theirs[1:])
    for what, a, b, unit in (
        ("cold summary / torchinfo, wall time", mine.seconds * 1e3, peer.seconds * 1e3, "ms"),
        ("cold summary / torchinfo, peak memory", mine.mebibytes, peer.mebibytes, "MiB"),
    ):
        report.append((what, f"{a:.0f} {unit}", f"{b:.0f} {unit}", f"{b / a:.1f} x"))
