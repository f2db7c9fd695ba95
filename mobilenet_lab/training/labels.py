"""Names of classes: ImageNet's, or those of a file."""

import json
from pathlib import Path
from typing import Any

from mobilenet_lab.errors import LabError, MissingPackageError


def imagenet_names() -> tuple[str, ...]:
    """The 1,000 classes in the order of everybody's checkpoints, as torchvision calls them.

    Raises:
        MissingPackageError: torchvision is not installed.
    """
    try:
        from torchvision.models import MobileNet_V2_Weights
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        raise MissingPackageError("torchvision", "train", "naming ImageNet's classes") from None
    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def read_labels(path: str | Path) -> tuple[str, ...]:
    """The classes of a text file, one a line, or of a JSON file, in the network's order.

    JSON is a list of names, {"0": "tench"}, {"0": ["n01440764", "tench"]} (the last one counts) or
    {"tench": 0}.

    Raises:
        LabError: the file cannot be read, names no class, or leaves a number out.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LabError(f"{path} is no text in UTF-8") from None
    if Path(path).suffix.lower() == ".json":
        names = _of_json(text, path)
    else:
        names = [line.strip() for line in text.rstrip().splitlines()]
    if not names:
        raise LabError(f"{path} names no class")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise LabError(f"{path} has no name for class {number}")
    return tuple(names)


def _of_json(text: str, path: str | Path) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise LabError(f"{path} is no JSON") from None
    if isinstance(found, list):
        return found
    if not isinstance(found, dict):
        raise LabError(f"{path} is no list of classes and no dict of them")
    if found and all(type(value) is int for value in found.values()):
        found = {str(number): name for name, number in found.items()}
    by_number = [found.get(str(number)) for number in range(len(found))]
    return [each[-1] if isinstance(each, list) and each else each for each in by_number]
