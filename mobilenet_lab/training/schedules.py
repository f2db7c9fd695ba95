"""The learning rate over a run, as a share of the one that was asked for."""

import math


def share(schedule: str, step: int, total: int, warmup: int = 0) -> float:
    """The share of the learning rate at `step` of `total`, counted from 0, `warmup` of them first.

    During the warm-up it rises evenly to 1. Then constant: 1; step: 1, 1/10, 1/100 in the thirds of
    the run; cosine: half a wave from 1 to 0, which it would reach at step `total`.
    """
    if step < warmup:
        return (step + 1) / warmup
    match schedule:
        case "step":
            return float(10.0 ** -(3 * step // total))
        case "cosine":
            return (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
        case _:
            return 1.0
