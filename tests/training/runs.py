"""Small runs for tests: folders of images, and what a run's folder holds."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

NOT_SHARED = ("images_per_second", "seconds", "workers")
"""What two runs of one result may tell differently."""
SMALL = {"model": "mobilenet_v2", "width": 0.1, "resolution": 32, "batch_size": 8, "epochs": 2}
"""A run of dropout and batch norm."""


def make_images(folder: Path, train: int = 21, val: int = 7, classes: int = 3) -> Path:
    """So many noisy images in train/ and in val/: each class has a colour of its own."""
    random = numpy.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for number in range(count):
            label = number % classes
            pixels = random.integers(0, 200, (12, 12, 3))
            pixels[..., label % 3] += 55
            path = folder / part / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(numpy.uint8)).save(path)
    return folder


def result(folder: Path) -> dict[str, Any]:
    """All files of a run but the pictures, without what depends on the clock."""
    found: dict[str, Any] = {}
    for path in folder.iterdir():
        if path.suffix == ".json":
            found[path.name] = _without_times(json.loads(path.read_bytes()))
        elif path.suffix == ".csv":
            found[path.name] = _without_times([*csv.DictReader(path.read_text().splitlines())])
        elif path.is_file():
            found[path.name] = path.read_bytes()
    return found


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(part) for key, part in value.items() if key not in NOT_SHARED}
    return [*map(_without_times, value)] if isinstance(value, list) else value
