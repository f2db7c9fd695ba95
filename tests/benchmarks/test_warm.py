"""One full analysis in a running process against the counters on torchvision's model.

Ours expands the paper's table anew each time and computes every number of every row. The peers are
measured twice: with the model given to them, and from nothing, model and all, as ours is. The
fastest is FlopCounterMode on the device "meta", where torch computes shapes only; it gives totals
of convolutions and nothing else.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import mobilenet_v2

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

ROUNDS = 15


def ours() -> int:
    return analyse(registry.trace("mobilenet_v2")).total.macs


def by_torchinfo(module: torch.nn.Module, image: torch.Tensor) -> int:
    return torchinfo.summary(module, input_data=image, verbose=0).total_mult_adds


def by_fvcore(module: torch.nn.Module, image: torch.Tensor) -> int:
    counts = FlopCountAnalysis(module, image)
    counts.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return counts.total()


def by_flop_counter(module: torch.nn.Module, image: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(image)
    return counter.get_total_flops()


PEERS = {
    "torchinfo": (by_torchinfo, 300_809_384, "cpu"),
    "fvcore": (by_fvcore, 314_193_216, "cpu"),
    "FlopCounterMode": (by_flop_counter, 601_548_544, "cpu"),
    "FlopCounterMode on meta": (by_flop_counter, 601_548_544, "meta"),
}
"""Each with what it counts, by its own convention, and where the model is."""


def seconds(call: Callable[[], int], expected: int) -> float:
    started = time.perf_counter()
    counted = call()
    taken = time.perf_counter() - started
    assert counted == expected
    return taken


@pytest.mark.parametrize("from_nothing", [False, True], ids=["given", "from nothing"])
@pytest.mark.parametrize("peer", PEERS)
def test_full_analysis(
    benchmark: Any, report: list[tuple[str, ...]], peer: str, from_nothing: bool
) -> None:
    count, expected, device = PEERS[peer]
    with torch.device(device):
        ready, image = mobilenet_v2(weights=None).eval(), torch.zeros(1, 3, 224, 224)
    mine: list[float] = []
    theirs: list[float] = []

    def module() -> torch.nn.Module:
        with torch.device(device):
            return mobilenet_v2(weights=None).eval() if from_nothing else ready

    def turn() -> None:
        theirs.append(seconds(lambda: count(module(), image), expected))
        seconds(ours, 300_774_272)  # the caches are the peer's after its turn

    def run() -> None:
        mine.append(seconds(ours, 300_774_272))

    benchmark.pedantic(run, setup=turn, rounds=ROUNDS, warmup_rounds=2)
    a, b = statistics.median(mine[2:]), statistics.median(theirs[2:])
    what = f"full analysis / {peer}, model {'built, too' if from_nothing else 'given'}"
    line = what, f"{a * 1e3:.2f} ms", f"{b * 1e3:.1f} ms", f"{b / a:.0f} x"
    report.append(line)
