"""What a training run is asked to do: plain values, checked before anything is loaded."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mobilenet_lab.errors import LabError, UnknownNameError, quoted

FREEZE = ("none", "features")
OPTIMISERS = ("sgd", "adamw")
SCHEDULES = ("constant", "step", "cosine")
AUGMENTATIONS = ("none", "flip", "crop")
"""none: as in validation; flip: mirrored or not; crop: a random part of it, mirrored or not."""
PRECISIONS = ("float32", "bfloat16", "float16")
ON_BAD_IMAGE = ("stop", "skip")
CHOICES = {
    "freeze": FREEZE,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "augmentation": AUGMENTATIONS,
    "precision": PRECISIONS,
    "on_bad_image": ON_BAD_IMAGE,
}


@dataclass(frozen=True)
class Recipe:
    """A training run, so that the same recipe and data give the same result.

    Raises:
        UnknownNameError: a choice that there is not.
        LabError: a number of no use.
    """

    model: str
    """A registered classifier."""
    data: str
    """A folder, "fashion-mnist" or "digits"."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Options that the network is built with: width, resolution (H, W), in_channels ..."""
    weights: str | None = None
    """A file of pretrained weights; the last layer is new where its number of classes differs."""
    freeze: str = "none"
    """"features": all but the last stage stay as they are, batch statistics included."""
    epochs: int = 10
    batch_size: int = 64
    """Images of one step, of all processes together."""
    optimiser: str = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    """Of sgd."""
    weight_decay: float = 1e-4
    """Not of biases and norms."""
    schedule: str = "cosine"
    """constant; step: a tenth after each third of the epochs; cosine: down to 0."""
    warmup: int = 0
    """Epochs over which the learning rate rises."""
    label_smoothing: float = 0.0
    augmentation: str = "crop"
    precision: str = "float32"
    seed: int = 0
    workers: int = 0
    """Processes that load images; the result does not depend on it."""
    validation: float = 0.2
    """Share of a folder without train/ and val/ that is held out, of each class."""
    on_bad_image: str = "stop"

    def __post_init__(self) -> None:
        for key, known in CHOICES.items():
            value = getattr(self, key)
            if value not in known:
                raise UnknownNameError(key.replace("_", " "), str(value), known)
        for key, least in {
            "epochs": 1,
            "batch_size": 1,
            "warmup": 0,
            "seed": 0,
            "workers": 0,
        }.items():
            _whole(key, getattr(self, key), least)
        if self.warmup >= self.epochs:
            raise LabError(f"warmup of {self.warmup} epochs leaves none of {self.epochs}")
        _number("learning_rate", self.learning_rate, above=0.0)
        for key in ("weight_decay", "momentum", "label_smoothing"):
            _number(key, getattr(self, key))
        for key in ("momentum", "label_smoothing"):
            if getattr(self, key) >= 1:
                raise LabError(f"{key} must be below 1, not {getattr(self, key)}")
        if not 0 < _number("validation", self.validation) < 1:
            raise LabError(f"validation is a share between 0 and 1, not {self.validation}")

    def to_json(self) -> str:
        """As a run folder keeps it."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """What `to_json` wrote.

        Raises:
            LabError: it is no recipe.
        """
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        known = {each.name for each in fields(cls)}
        if not isinstance(found, dict) or not {"model", "data"} <= found.keys() <= known:
            raise LabError("this is no recipe of a training run")
        settings = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in found.pop("settings", {}).items()
        }
        return cls(settings=settings, **found)


def _whole(what: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
        raise LabError(f"{what} must be a whole number from {least}, not {quoted(value)}")


def _number(what: str, value: Any, above: float | None = None) -> float:
    """`value`, if it is a finite number from 0 (or above `above`)."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or (value < 0 if above is None else value <= above):
        least = "from 0" if above is None else f"above {above:g}"
        raise LabError(f"{what} must be a number {least}, not {quoted(value)}")
    return float(value)
