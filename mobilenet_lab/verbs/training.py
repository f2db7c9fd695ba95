"""What a training run has come to, as a table of its epochs."""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilenet_lab.reports.table import Column, Table, write
from mobilenet_lab.training import run_folder
from mobilenet_lab.training.records import Epoch

AVERAGES = "Losses and accuracies are averages over images; training's over the course of the epoch"

TOLD = 5
"""Bad images that are named."""


def _number(key: str) -> Callable[[Epoch], float | None]:
    """A field of an Epoch; None if the run has diverged and it is no number."""

    def value(row: Epoch) -> float | None:
        found: float = getattr(row, key)
        return found if math.isfinite(found) else None

    return value


def epochs(
    history: Sequence[Epoch],
    *,
    network: str,
    classes: int,
    images: tuple[int, int],
    params: tuple[int, int],
    augmented: bool = False,
    output: Path | None = None,
    skipped: Sequence[str] = (),
    notes: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Table:
    """The epochs of a run, the best one marked, and what is left of it.

    `images` are those of training and validation, `params` the trained parameters and all of the
    network; `augmented` says whether training changed its images; `output` is the run's folder, if
    there is one; `skipped` says what was wrong with each image that was left out.
    """
    averages = f"{AVERAGES}, with augmentation." if augmented else f"{AVERAGES}."
    best = run_folder.best(history)
    trained, total = params
    left = [
        f"Best: epoch {best.epoch}, validation accuracy {write(best.val_accuracy, 'share')}.",
        f"Trained: {trained:,} of {total:,} parameters.",
    ]
    if output is not None:
        checkpoint = output / "best.safetensors"
        left += [
            f"Kept: {checkpoint} (best), {output / 'last.safetensors'}, curves, confusion matrix.",
            f"To predict: mobilenet-lab predict IMAGE --weights {shlex.quote(str(checkpoint))}",
        ]
    if skipped:
        more = f" ... and {len(skipped) - TOLD:,} more" if len(skipped) > TOLD else ""
        left.append(f"Left out: {'; '.join(skipped[:TOLD])}{more}.")
    return Table(
        f"{network}, trained on {write(images[0], 'count')} images of {classes} classes",
        (
            Column("epoch", "epoch", "count", lambda row: row.epoch),
            Column("train_loss", "train loss", "number", _number("train_loss")),
            Column("train_accuracy", "accuracy", "share", _number("train_accuracy")),
            Column("val_loss", "val loss", "number", _number("val_loss")),
            Column("val_accuracy", "accuracy", "share", _number("val_accuracy")),
            Column("images_per_second", "images/s", "number", _number("images_per_second")),
            Column("seconds", "seconds", "number", _number("seconds")),
            Column("best", "", "text", lambda row: "best" if row == best else ""),
        ),
        tuple(history),
        subtitle=f"held against {images[1]:,} others. {averages}",
        notes=(*left, *notes),
        facts={"network": network, "settings": dict(settings or {}), "best": best.epoch},
    )
