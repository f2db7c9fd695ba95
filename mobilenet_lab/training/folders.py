"""Folders of images, one folder for each class: which images there are, and which are held out.

DATA/train/CLASS/... and DATA/val/CLASS/... are taken as they are; a folder of class folders is
split. Beside train/ and val/ nothing is read (a test/ stays unseen). An image belongs to the class
whose folder it is in, however deep. Files that do not end as images do, what is hidden (.name) and
__MACOSX are passed over; links are followed.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.randomness import held_out
from mobilenet_lab.training.records import Sample, Splits

TRAIN = ("train", "training")
VAL = ("val", "valid", "validation")
"""Names of the two parts, in letters of any case."""
SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)


class Listing(NamedTuple):
    """What lies directly in a folder, by name: the same order on every machine."""

    folders: tuple[Path, ...]
    images: tuple[Path, ...]
    others: int
    """Files that are no images."""


def find_images(folder: Path, validation: float, seed: int) -> Splits:
    """The images of DATA, classes and images by name.

    A folder without train/ and val/ is split: of each class about `validation` (a share from 0 to
    1) is held out, at least one image, drawn by `seed` from the names alone; one class does not
    move another.

    Raises:
        LabError: there is no such folder, or it cannot be read; it holds no class folders, one
            only, or images outside of them; a class has no image, or too few to split; train/ and
            val/ do not hold the same classes, or one of the two is missing.
    """
    if not folder.exists():
        raise LabError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder of images")
    train, val = (_part(folder, names) for names in (TRAIN, VAL))
    if train and val:
        return _as_given(train, val)
    if alone := train or val:
        missing = f"{'val' if train else 'train'}/"
        raise LabError(f"{folder} holds {alone.name}/ but no {missing} with the same classes")
    return _split(folder, validation, seed)


def _part(folder: Path, names: Iterable[str]) -> Path | None:
    """The part called by one of `names`; with images and no folders in it, it is a class."""
    called = [each for each in listing(folder).folders if each.name.lower() in names]
    found = [each for each in called if listing(each).folders or not listing(each).images]
    if len(found) > 1:
        both = " and ".join(f"{each.name}/" for each in found)
        raise LabError(f"{folder} holds {both}: which of them is meant?")
    return found[0] if found else None


def _as_given(train: Path, val: Path) -> Splits:
    classes, others = _class_folders(train), _class_folders(val)
    for here, there, part in ((classes, others, val), (others, classes, train)):
        lost = sorted(here.keys() - there.keys())
        if lost:
            more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
            raise LabError(f"there is no class {lost[0]!r}{more} in {part}")
    return Splits(
        tuple(classes),
        _samples(_images_of_classes(train, classes)),
        _samples(_images_of_classes(val, others)),
    )


def _split(folder: Path, validation: float, seed: int) -> Splits:
    classes = _class_folders(folder)
    train, val = [], []
    for name, images in _images_of_classes(folder, classes).items():
        if len(images) < 2:
            raise LabError(
                f"class {name!r} has a single image: to train on one and hold one out takes two"
            )
        names = [image.relative_to(folder).as_posix() for image in images]
        chosen = held_out(names, validation, seed)
        train.append([image for place, image in enumerate(images) if place not in chosen])
        val.append([image for place, image in enumerate(images) if place in chosen])
    return Splits(
        tuple(classes),
        _samples(dict(zip(classes, train, strict=True))),
        _samples(dict(zip(classes, val, strict=True))),
    )


def _samples(images: dict[str, list[Path]]) -> tuple[Sample, ...]:
    return tuple(
        Sample(image, label) for label, found in enumerate(images.values()) for image in found
    )


def _class_folders(folder: Path) -> dict[str, Path]:
    """Name -> folder of each class, if there are two or more."""
    found = listing(folder)
    wanted = "a folder of images for each class is expected there"
    if found.images:
        count, first = len(found.images), found.images[0].name
        raise LabError(
            f"{folder} holds images that are in no class ({count}, such as {first}): {wanted}"
        )
    if not found.folders:
        raise LabError(f"{folder} holds no folders: {wanted}")
    if len(found.folders) == 1:
        only = found.folders[0].name
        raise LabError(f"{folder} holds one folder only, {only}: two classes are the least")
    return {each.name: each for each in found.folders}


def _images_of_classes(folder: Path, classes: dict[str, Path]) -> dict[str, list[Path]]:
    found = {name: images_below(each) for name, each in classes.items()}
    if not any(images for images, _ in found.values()):
        raise LabError(f"there are no images in {folder}: their names end in {_known()}")
    for name, (images, others) in found.items():
        if not images:
            what = f"{others} other file{'s' * (others > 1)}" if others else "nothing"
            raise LabError(f"class {name!r} has no images: {classes[name]} holds {what}")
    return {name: images for name, (images, _) in found.items()}


def _known() -> str:
    return f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def images_below(folder: Path, above: Sequence[Path] = ()) -> tuple[list[Path], int]:
    """The images in `folder` and its folders, and how many other files there are.

    Raises:
        LabError: a folder cannot be read.
    """
    real = folder.resolve()
    if real in above:  # a link back
        return [], 0
    found = listing(folder)
    images, others = list(found.images), found.others
    for each in found.folders:
        deeper = images_below(each, (*above, real))
        images += deeper[0]
        others += deeper[1]
    return images, others


def listing(folder: Path) -> Listing:
    """What lies in a folder; a link that leads nowhere counts as the file it was.

    Raises:
        LabError: the folder cannot be read.
    """
    folders, images, others = [], [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                path = folder / entry.name
                if entry.is_dir():
                    folders.append(path)
                elif path.suffix.lower() in SUFFIXES:
                    images.append(path)
                else:
                    others += 1
    except OSError as error:
        raise LabError(f"cannot read the folder {folder}: {error.strerror}") from None
    return Listing(tuple(folders), tuple(images), others)
