"""Which images of a folder belong to which class and part, and what is said if it is no good."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.folders import find_images
from mobilenet_lab.training.randomness import held_out, seed_of
from mobilenet_lab.training.records import Sample, Splits


def made(folder: Path, *files: str) -> Path:
    """`folder` with empty files; a name that ends in / is a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.touch()
    return folder


def found(folder: Path, validation: float = 0.25, seed: int = 0) -> Splits:
    return find_images(folder, validation, seed)


def names(samples: Iterable[Sample], folder: Path) -> list[tuple[str, int]]:
    return [(sample.path.relative_to(folder).as_posix(), sample.label) for sample in samples]


# train/ and val/


def test_train_and_val_are_taken_as_they_are(tmp_path: Path) -> None:
    made(
        tmp_path,
        *("train/dog/b.jpg", "train/dog/a.PNG", "train/cat/z.JPEG", "val/cat/1.webp"),
        *("val/dog/deep/er/2.bmp", "val/dog/3.tif", "test/bird/4.jpg", "sample.jpg", "notes.txt"),
        *("train/cat/.hidden.jpg", "train/cat/labels.csv", "train/.cache/x.jpg"),
        *("train/__MACOSX/cat/z.jpg", "val/cat/x.jpg/inside.gif"),
    )
    splits = found(tmp_path)
    assert splits.classes == ("cat", "dog")
    train = [("train/cat/z.JPEG", 0), ("train/dog/a.PNG", 1), ("train/dog/b.jpg", 1)]
    assert names(splits.train, tmp_path) == train
    assert names(splits.val, tmp_path) == [
        *(("val/cat/1.webp", 0), ("val/cat/x.jpg/inside.gif", 0)),
        *(("val/dog/3.tif", 1), ("val/dog/deep/er/2.bmp", 1)),
    ]


@pytest.mark.parametrize(
    ("train", "val"), [("train", "valid"), ("Train", "Val"), ("training", "validation")]
)
def test_other_names_of_the_parts(tmp_path: Path, train: str, val: str) -> None:
    made(tmp_path, *(f"{part}/{name}/1.jpg" for part in (train, val) for name in "ab"))
    splits = found(tmp_path)
    assert splits.classes == ("a", "b")
    assert {sample.path.parts[-3] for sample in splits.train} == {train}
    assert {sample.path.parts[-3] for sample in splits.val} == {val}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    made(tmp_path, *(f"{name}/{number}.jpg" for name in ("bus", "train") for number in range(2)))
    assert found(tmp_path).classes == ("bus", "train")


def test_the_order_is_not_that_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, *(f"{name}/{number}.jpg" for name in "abc" for number in range(9)))
    forward = found(tmp_path)
    scan = os.scandir

    class Backward:
        def __init__(self, folder: Path) -> None:
            with scan(folder) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Backward)
    assert found(tmp_path) == forward


def test_links_are_followed_and_lead_in_no_circle(tmp_path: Path) -> None:
    elsewhere = made(tmp_path / "elsewhere", "1.jpg", "2.jpg")
    data = made(tmp_path / "data", "a/own.jpg", "a/other.jpg")
    try:
        (data / "b").symlink_to(elsewhere, target_is_directory=True)
        (data / "a" / "back").symlink_to(data / "a", target_is_directory=True)
        (data / "a" / "lost.jpg").symlink_to(data / "nowhere.jpg")
    except OSError:
        pytest.skip("no links here")
    splits = found(data)
    everything = sorted(names([*splits.train, *splits.val], data))
    # what a link has lost is an image still, to be named when it is read
    assert everything == [
        *(("a/lost.jpg", 0), ("a/other.jpg", 0), ("a/own.jpg", 0)),
        *(("b/1.jpg", 1), ("b/2.jpg", 1)),
    ]


# Splitting


def classes_of(tmp_path: Path, **counts: int) -> Path:
    return made(tmp_path, *(f"{n}/{i:03}.jpg" for n, count in counts.items() for i in range(count)))


def test_each_class_is_split(tmp_path: Path) -> None:
    data = classes_of(tmp_path, a=40, b=8, c=2)
    splits = found(data)
    counts = {
        part: [sum(sample.label == label for sample in samples) for label in range(3)]
        for part, samples in (("train", splits.train), ("val", splits.val))
    }
    assert counts == {"train": [30, 6, 1], "val": [10, 2, 1]}
    everything = [*splits.train, *splits.val]
    assert len({sample.path for sample in everything}) == len(everything) == 50
    assert all(sample.path.parent.name == "abc"[sample.label] for sample in everything)


def test_the_seed_decides_and_the_place_does_not(tmp_path: Path) -> None:
    here, there = (classes_of(tmp_path / name, a=40, b=40) for name in ("here", "there"))
    assert names(found(here).val, here) == names(found(there).val, there)
    assert found(here) == found(here)
    assert set(found(here).val) != set(found(here, seed=1).val)


def test_the_same_names_in_two_classes_are_drawn_apart(tmp_path: Path) -> None:
    splits = found(classes_of(tmp_path, a=40, b=40))
    drawn = [{s.path.name for s in splits.val if s.label == label} for label in (0, 1)]
    assert drawn[0] != drawn[1]


def test_another_image_moves_no_other_class_and_hardly_its_own(tmp_path: Path) -> None:
    data = classes_of(tmp_path, a=40, b=40)
    before = set(found(data).val)
    made(data, "a/more.jpg")
    after = set(found(data).val)
    assert {s for s in before if s.label == 1} == {s for s in after if s.label == 1}
    assert len(before ^ after) <= 2


@given(st.integers(2, 60), st.floats(0.001, 0.999), st.integers(0, 2**31), st.randoms())
def test_held_out(count: int, share: float, seed: int, order: Random) -> None:
    images = [f"image {number}" for number in range(count)]
    chosen = held_out(images, share, seed)
    assert 1 <= len(chosen) <= count - 1
    assert abs(len(chosen) - count * share) <= 1
    shuffled = list(images)
    order.shuffle(shuffled)
    again = held_out(shuffled, share, seed)
    assert {images[place] for place in chosen} == {shuffled[place] for place in again}


def test_a_seed_is_the_same_everywhere() -> None:
    """By `printf 'order\\0000\\0001' | b2sum -l 64`; if it moved, no run could be repeated."""
    assert seed_of("order", 0, 1) == 0xC10839F1C35C1D43


def test_neighbouring_seeds_have_nothing_in_common() -> None:
    numbers = range(20)
    seeds = {seed_of(p, a, b, c) for p in "xy" for a in numbers for b in numbers for c in numbers}
    assert len(seeds) == 2 * 20**3
    assert len({seed % 2**32 for seed in seeds}) > 2 * 20**3 - 3  # torch takes the lower half
    flipped = [
        (seed_of("x", a, b) ^ seed_of("x", *other)).bit_count()
        for a in numbers
        for b in numbers
        for other in ((a + 1, b), (a, b + 1), (b, a + 1))
    ]
    assert 31 < sum(flipped) / len(flipped) < 33
    assert min(flipped) > 10
    assert seed_of("x", 1, 23) != seed_of("x", 12, 3)


# What is no good


def refusal(folder: Path) -> str:
    with pytest.raises(LabError) as caught:
        found(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(folder) in sentence or "class" in sentence
    return sentence


BOTH = ("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "holds no folders"),
        (["notes.txt"], "holds no folders"),
        (["1.jpg", "2.jpg"], r"holds images that are in no class \(2, such as 1.jpg\)"),
        (["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "stray.jpg"], "1, such as stray.jpg"),
        (["a/1.jpg", "a/2.jpg"], "holds one folder only, a: two classes are the least"),
        (["a/", "b/"], "there are no images in"),
        (["a/1.txt", "b/2.doc"], "there are no images in"),
        (["a/1.jpg", "a/2.jpg", "b/"], "class 'b' has no images: .*b holds nothing"),
        (["a/1.jpg", "a/2.jpg", "b/1.xcf", "b/2/3"], ".*b holds 2 other files$"),
        (["a/1.jpg", "a/2.jpg", "b/1.xcf"], "class 'b' has no images: .*b holds 1 other file$"),
        (["a/1.jpg", "a/2.jpg", "b/1.jpg"], "class 'b' has a single image"),
        (["train/a/1.jpg", "train/b/1.jpg"], "holds train/ but no val/"),
        (["val/a/1.jpg", "val/b/1.jpg"], "holds val/ but no train/"),
        ([*BOTH, "valid/a/1.jpg"], "holds val/ and valid/: which"),
        ([*BOTH, "train/c/1.jpg"], "there is no class 'c' in .*val"),
        ([*BOTH, "val/c/1.jpg"], "there is no class 'c' in .*train"),
        ([*BOTH, "val/c/1.jpg", "val/d/1.jpg"], r"there is no class 'c' \(and 1 more\) in .*train"),
        ([*BOTH, "train/c/1.jpg", "val/c/"], "class 'c' has no images: .*val"),
        ([*BOTH, "train/1.jpg"], "train holds images that are in no class"),
        (["train/a/1.jpg", "val/a/1.jpg"], "train holds one folder only"),
        (["train/", "val/a/1.jpg", "val/b/1.jpg"], "train holds no folders"),
        (["train/", "val/"], "train holds no folders"),
    ],
)
def test_what_is_no_good_is_said_in_a_sentence(tmp_path: Path, files: list[str], said: str) -> None:
    sentence = refusal(made(tmp_path / "data", *files))
    assert re.search(said, sentence), sentence


def test_no_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").startswith("there is no folder")
    made(tmp_path, "file.jpg")
    assert "is not a folder" in refusal(tmp_path / "file.jpg")


@pytest.mark.parametrize("unreadable", ["data", "b", "deep"])
def test_a_folder_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    data = made(tmp_path / "data", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/deep/3.jpg")
    scan = os.scandir

    def refuse(folder: Path) -> object:
        if folder.name == unreadable:
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(LabError, match=f"cannot read the folder .*{unreadable}: Permission denied"):
        found(data)
