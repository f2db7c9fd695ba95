"""Collections of small grey images: Fashion-MNIST, others in its files, scikit-learn's digits."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.training.idx import read_idx
from mobilenet_lab.training.randomness import held_out

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where the package dataset-fashion-mnist of Debian and Ubuntu puts it."""
FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
"""Xiao et al., arXiv:1708.07747, table 2."""
FILES = {"train": "train", "val": "t10k"}
"""Part -> how its two files begin; the 10,000 test images are those held out."""


class Pixels(NamedTuple):
    """Grey images and the numbers of their classes."""

    images: "NDArray[uint8]"
    """N x H x W, 0 is black."""
    labels: tuple[int, ...]


class Arrays(NamedTuple):
    """Images to train on, and those held out."""

    classes: tuple[str, ...]
    train: Pixels
    val: Pixels


def fashion_mnist() -> Arrays:
    """Fashion-MNIST where it is installed: 60,000 images to train on, 10,000 held out, 28x28.

    Raises:
        LabError: it is not there (the message says how to get it), or its files are damaged.
    """
    if not holds_idx_files(FASHION_MNIST):
        raise LabError(
            f"fashion-mnist is not in {FASHION_MNIST}: install the package dataset-fashion-mnist "
            f"of Debian or Ubuntu, or give the folder of its four files in its place"
        )
    return from_idx_files(FASHION_MNIST)


def holds_idx_files(folder: Path) -> bool:
    """Whether one at least of the four files is there."""
    return any(
        (folder / name).is_file()
        for begin in FILES.values()
        for stem in (_images(begin), _labels(begin))
        for name in (stem, f"{stem}.gz")
    )


def from_idx_files(folder: Path) -> Arrays:
    """The four files of MNIST, Fashion-MNIST and their like.

    The files do not name the classes. They are Fashion-MNIST's if the folder, or the one around
    it, has "fashion" in its name; otherwise numbers.

    Raises:
        LabError: a file is missing or damaged, or the files do not fit together.
    """
    train, val = (_part(folder, begin) for begin in FILES.values())
    if train.images.shape[1:] != val.images.shape[1:]:
        raise LabError(f"the images in {folder} are of two sizes")
    fashion = any("fashion" in part.lower() for part in folder.resolve().parts[-2:])
    numbers = tuple(str(number) for number in range(max(train.labels) + 1))
    classes = FASHION if fashion else numbers
    for begin, part in zip(FILES.values(), (train, val), strict=True):
        unknown = sorted(set(part.labels) - set(range(len(classes))))
        missing = sorted(set(range(len(classes))) - set(part.labels))
        if unknown or missing:
            what = f"class {unknown[0]}, which is unknown" if unknown else f"no class {missing[0]}"
            raise LabError(f"{_file(folder, _labels(begin))} holds {what}")
    if len(classes) < 2:
        raise LabError(f"{folder} holds one class only: two are the least")
    return Arrays(classes, train, val)


def digits(validation: float, seed: int) -> Arrays:
    """scikit-learn's 1,797 handwritten digits, 8x8; about `validation` of each is held out.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise MissingPackageError("scikit-learn", "train", "reading digits") from None
    found = load_digits()
    images = (found.images * (255 / 16)).round().astype("uint8")  # of 0 to 16
    labels = found.target.tolist()
    chosen: set[int] = set()
    for digit in range(10):
        places = [place for place, label in enumerate(labels) if label == digit]
        lots = held_out([str(place) for place in places], validation, seed)
        chosen.update(places[lot] for lot in lots)
    everyone = range(len(labels))
    return Arrays(
        tuple(str(digit) for digit in range(10)),
        _chosen(images, labels, [place for place in everyone if place not in chosen]),
        _chosen(images, labels, sorted(chosen)),
    )


def _chosen(images: "NDArray[uint8]", labels: Sequence[int], places: list[int]) -> Pixels:
    return Pixels(images[places], tuple(labels[place] for place in places))


def _images(begin: str) -> str:
    return f"{begin}-images-idx3-ubyte"


def _labels(begin: str) -> str:
    return f"{begin}-labels-idx1-ubyte"


def _file(folder: Path, stem: str) -> Path:
    for name in (stem, f"{stem}.gz"):
        if (folder / name).is_file():
            return folder / name
    raise LabError(f"there is no {stem} (nor {stem}.gz) in {folder}")


def _part(folder: Path, begin: str) -> Pixels:
    path = _file(folder, _images(begin))
    images = read_idx(path, 3)
    labels = read_idx(_file(folder, _labels(begin)), 1)
    if not images.size:
        raise LabError(f"{path} holds no images")
    if len(images) != len(labels):
        raise LabError(f"{path} holds {len(images):,} images, but there are {len(labels):,} labels")
    return Pixels(images, tuple(labels.tolist()))
