"""Files of Fashion-MNIST that the test writes, whole and damaged; scikit-learn's digits."""

import gzip
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy
import pytest

from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.training import small_images
from mobilenet_lab.training.idx import read_idx
from mobilenet_lab.training.small_images import FASHION, digits, fashion_mnist, from_idx_files

NAMES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "val images": "t10k-images-idx3-ubyte",
    "val labels": "t10k-labels-idx1-ubyte",
}


def as_idx(values: numpy.ndarray) -> bytes:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes((0, 0, 8, values.ndim)) + sizes + values.astype(numpy.uint8).tobytes()


def arrays(classes: int = 10, train: int = 20, val: int = 10) -> dict[str, numpy.ndarray]:
    chance = numpy.random.default_rng(0)
    return {
        "train images": chance.integers(0, 256, (train, 5, 4)),
        "train labels": numpy.arange(train) % classes,
        "val images": chance.integers(0, 256, (val, 5, 4)),
        "val labels": numpy.arange(val)[::-1] % classes,
    }


def written(
    folder: Path, values: dict[str, numpy.ndarray] | None = None, zipped: bool = False
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for what, array in (values or arrays()).items():
        content = as_idx(array)
        if zipped:
            (folder / f"{NAMES[what]}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / NAMES[what]).write_bytes(content)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_four_files(tmp_path: Path, zipped: bool) -> None:
    found = from_idx_files(written(tmp_path / "FashionMNIST" / "raw", zipped=zipped))
    assert found.classes == FASHION
    for part, pixels in (("train", found.train), ("val", found.val)):
        assert pixels.images.dtype == numpy.uint8
        assert (pixels.images == arrays()[f"{part} images"]).all()
        assert pixels.labels == tuple(arrays()[f"{part} labels"])


def test_files_of_another_collection_have_numbers_for_classes(tmp_path: Path) -> None:
    assert from_idx_files(written(tmp_path / "mnist")).classes == tuple("0123456789")
    assert from_idx_files(written(tmp_path / "few", arrays(classes=3))).classes == ("0", "1", "2")


def test_installed_or_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_images, "FASHION_MNIST", tmp_path / "fashion-mnist")
    with pytest.raises(LabError, match=r"install the package dataset-fashion-mnist .* or give"):
        fashion_mnist()
    written(tmp_path / "fashion-mnist", zipped=True)
    assert fashion_mnist().classes == FASHION
    (tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(LabError, match=r"there is no t10k-labels-idx1-ubyte \(nor .*\.gz\) in"):
        fashion_mnist()


@pytest.mark.skipif(
    not small_images.FASHION_MNIST.exists(), reason="dataset-fashion-mnist is not installed"
)
def test_what_is_installed_is_fashion_mnist() -> None:
    found = fashion_mnist()
    assert (found.train.images.shape, found.val.images.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert set(Counter(found.train.labels).values()) == {6000}
    assert set(Counter(found.val.labels).values()) == {1000}


IDX = as_idx(numpy.arange(24).reshape(2, 3, 4))
ZIPPED = gzip.compress(IDX, mtime=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no idx file of bytes in 3 dimensions"),
        (IDX[:3], "is no idx file"),
        (IDX[:12], "is no idx file"),
        (b"\x89PNG" + IDX[4:], "is no idx file"),
        (bytes((0, 0, 9, 3)) + IDX[4:], "is no idx file"),  # signed
        (as_idx(numpy.arange(24)), "is no idx file of bytes in 3 dimensions"),
        (IDX[:-1], "says that it holds 24 numbers, and holds 23"),
        (IDX + b"\0", "says that it holds 24 numbers, and holds 25"),
        (bytes((0, 0, 8, 3)) + b"\xff" * 12, "says that it holds 79,.* and holds 0"),
        (ZIPPED[:-9], "is cut off or damaged"),
        (ZIPPED[:15], "is cut off or damaged"),
        (ZIPPED[:10] + b"\xff\xff\xff" + ZIPPED[13:], "is cut off or damaged"),  # no such block
        (ZIPPED[:-8] + b"\0\0\0\0" + ZIPPED[-4:], "is cut off or damaged"),  # checksum
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "some-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(LabError, match=f"some-images-idx3-ubyte {said}") as caught:
        read_idx(path, 3)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot read .*nowhere: No such file"):
        read_idx(tmp_path / "nowhere", 1)


def test_what_was_not_damaged_is_read(tmp_path: Path) -> None:
    for content in (IDX, ZIPPED):
        path = tmp_path / "file"
        path.write_bytes(content)
        assert read_idx(path, 3).tolist() == numpy.arange(24).reshape(2, 3, 4).tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train labels": numpy.arange(19) % 10}, "holds 20 images, but there are 19 labels"),
        ({"val labels": numpy.arange(11) % 10}, "holds 10 images, but there are 11 labels"),
        ({"val images": numpy.zeros((10, 5, 5))}, "are of two sizes"),
        ({"train images": numpy.zeros((0, 5, 4))}, "holds no images"),
        ({"val labels": numpy.arange(10) + 1}, "t10k-labels.* holds class 10, which is unknown"),
        (
            {"train images": numpy.zeros((11, 5, 4)), "train labels": numpy.arange(11)},
            "train-labels.* holds class 10, which is unknown",
        ),
        ({"val labels": numpy.arange(10) % 9}, "t10k-labels.* holds no class 9"),
        ({"train labels": numpy.arange(20) % 9}, "train-labels.* holds no class 9"),
    ],
)
def test_files_that_do_not_fit_together(
    tmp_path: Path, changed: dict[str, numpy.ndarray], said: str
) -> None:
    folder = written(tmp_path / "fashion", arrays() | changed)
    with pytest.raises(LabError, match=said):
        from_idx_files(folder)


def test_one_class_only(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="holds one class only"):
        from_idx_files(written(tmp_path, arrays(classes=1)))


# Digits


def test_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    found, theirs = digits(0.2, seed=0), datasets.load_digits()
    assert found.classes == tuple("0123456789")
    everything = numpy.concatenate([found.train.images, found.val.images])
    assert everything.shape == (1797, 8, 8)
    assert (everything.min(), everything.max()) == (0, 255)

    def counted(images: numpy.ndarray, labels: list[int]) -> Counter[tuple[bytes, int]]:
        values = (images * (16 / 255)).round().astype(numpy.uint8)
        return Counter(zip((each.tobytes() for each in values), labels, strict=True))

    labels = [*found.train.labels, *found.val.labels]
    assert counted(everything, labels) == counted(theirs.images * (255 / 16), theirs.target)
    of_each, held = Counter(theirs.target.tolist()), Counter(found.val.labels)
    assert all(abs(held[digit] - 0.2 * of_each[digit]) <= 0.5 for digit in range(10))


def test_digits_are_split_by_seed() -> None:
    pytest.importorskip("sklearn")
    first, again, other = (digits(0.2, seed).val.images for seed in (0, 0, 1))
    assert (first == again).all()
    assert first.shape == other.shape
    assert (first != other).any()


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingPackageError, match=r"needs scikit-learn.*mobilenet-lab\[train\]"):
        digits(0.2, 0)
