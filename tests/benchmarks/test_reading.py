"""Reading somebody's model against counting it: `inspect` and fvcore, in turn, on the same module.

fvcore runs the model once and counts totals by module; reading gives every layer with its shapes,
so that all of our numbers follow.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchvision.models import get_model

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse
from mobilenet_lab.counters import fvcore

ROUNDS = 7
MODELS = (
    *("mobilenet_v2", "resnet50", "densenet121", "efficientnet_v2_s"),
    *("regnet_y_400mf", "convnext_tiny", "swin_t", "vit_b_16"),
)
SHAPE = (3, 224, 224)


def seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@pytest.mark.parametrize("name", MODELS)
def test_reading_takes_no_longer_than_fvcore(name: str, report: list[Any]) -> None:
    module, image = get_model(name, weights=None).eval(), torch.zeros(1, *SHAPE)

    def read() -> int:
        return analyse(lab.inspect(module, SHAPE)).total.macs

    def count() -> int:
        with torch.no_grad():
            return sum(fvcore.count(module, image)[""].values())

    assert read() > 0
    assert count() > 0
    pairs = [(seconds(read), seconds(count)) for _ in range(ROUNDS)]
    ours, theirs = map(statistics.median, zip(*pairs, strict=True))
    ratio = statistics.median(peer / mine for mine, peer in pairs)
    report.append(
        (f"reading {name}, against fvcore", f"{ours * 1e3:.0f} ms", f"{theirs * 1e3:.0f} ms",
         f"{ratio:.2f}x")
    )  # fmt: skip
