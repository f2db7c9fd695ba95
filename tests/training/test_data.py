"""Data of a training run: the same whoever loads it and when, each image once, bad ones named."""

import json
import pickle
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.data_torch import (
    Batch,
    Data,
    Images,
    Phase,
    Stored,
    batches,
    collate,
    loader,
    open_data,
)
from mobilenet_lab.training.images_torch import BadImageError, load_image
from mobilenet_lab.training.inputs import preprocessing_of
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.small_images import Pixels

SETTINGS = {"resolution": (12, 10)}


def recipe_of(data: Path | str, model: str = "mobilenet_v2", **options: Any) -> Recipe:
    given: dict[str, Any] = {"settings": SETTINGS, "batch_size": 4, **options}
    return Recipe(model, str(data), **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """train/ of 9 images, val/ of 5, two classes; each image is another one."""
    chance = numpy.random.default_rng(0)
    for part, counts in (("train", (4, 5)), ("val", (3, 2))):
        for name, count in zip(("cat", "dog"), counts, strict=True):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                values = chance.integers(0, 256, (20, 16, 3), numpy.uint8)
                Image.fromarray(values).save(tmp_path / part / name / f"{number}.png")
    return tmp_path


def tensor(item: tuple[Tensor, int] | BadImageError) -> Tensor:
    assert not isinstance(item, BadImageError)
    return item[0]


# In steps


def joined(steps: Iterable[list[int]]) -> list[int]:
    return [index for step in steps for index in step]


SIZES = st.tuples(st.integers(0, 80), st.integers(1, 20), st.integers(1, 7))
SHUFFLES = st.none() | st.tuples(st.integers(0, 5), st.integers(1, 5))


@given(SIZES, SHUFFLES)
def test_shares_of_processes_are_disjoint_and_complete(
    sizes: tuple[int, int, int], shuffled_by: tuple[int, int] | None
) -> None:
    count, size, world = sizes
    alone = batches(count, size, shuffled_by=shuffled_by)
    assert sorted(joined(alone)) == list(range(count))
    assert [len(step) for step in alone[:-1]] == [size] * (len(alone) - 1)
    assert all(alone)
    shares = [
        batches(count, size, shuffled_by=shuffled_by, rank=rank, world=world)
        for rank in range(world)
    ]
    # in the order of the ranks, a step's shares are the step
    assert [joined(step) for step in zip(*shares, strict=True)] == alone
    for step in zip(*shares, strict=True):
        lengths = [len(share) for share in step]
        assert max(lengths) - min(lengths) <= 1


def test_order() -> None:
    assert batches(7, 3) == [[0, 1, 2], [3, 4, 5], [6]]
    orders = [tuple(joined(batches(50, 8, shuffled_by=by))) for by in ((0, 1), (0, 2), (1, 1))]
    assert len({tuple(range(50)), *orders}) == 4
    assert orders[0] == tuple(joined(batches(50, 9, shuffled_by=(0, 1))))


# An image


RAMP = numpy.tile(numpy.arange(0, 240, 6, dtype=numpy.uint8), (40, 1))
"""Brighter to the right: its mean tells what of it is seen, its sides which way round."""
PLAIN = Preprocessing(resize=8, crop=(8, 8), mean=(0.0,), std=(1.0,))


def ramps(augmentation: str, seed: int = 0, count: int = 40) -> Images:
    pixels = Pixels(numpy.repeat(RAMP[None], count, 0), (0,) * count)
    return Images(Stored(pixels), PLAIN, augmentation, seed)


def mirrored(image: Tensor) -> float:
    return float(image[0, :, -1].mean() < image[0, :, 0].mean())


def middle(image: Tensor) -> float:
    return float(image.mean())


def test_validation_is_not_augmented(folder: Path) -> None:
    data = open_data(recipe_of(folder, augmentation="crop"))
    for index, path in enumerate(sorted((folder / "val").rglob("*.png"))):
        expected = load_image(path, data.preprocessing)
        assert expected.shape == data.image_shape == (3, 12, 10)
        assert torch.equal(tensor(data.val[1, index]), expected)
        assert torch.equal(tensor(data.val[2, index]), expected)


def test_without_augmentation_training_sees_the_same(folder: Path) -> None:
    data = open_data(recipe_of(folder, augmentation="none"))
    path = folder / "train" / "cat" / "0.png"
    for epoch in (1, 2):
        assert torch.equal(tensor(data.train[epoch, 0]), load_image(path, data.preprocessing))


def test_flip_mirrors_or_not() -> None:
    whole = tensor(ramps("none")[1, 0])
    seen = [tensor(ramps("flip", count=200)[1, index]) for index in range(200)]
    turned = sum(torch.equal(image, whole.flip(-1)) for image in seen)
    assert turned + sum(torch.equal(image, whole) for image in seen) == 200
    assert 75 < turned < 125


def test_crop_takes_another_part_and_mirrors() -> None:
    seen = [tensor(ramps("crop", count=200)[1, index]) for index in range(200)]
    assert all(image.shape == (1, 8, 8) for image in seen)
    assert len({tuple(image.flatten().tolist()) for image in seen}) > 100
    assert 75 < sum(map(mirrored, seen)) < 125
    widths = [float(image.max() - image.min()) for image in seen]
    assert min(widths) < 0.4 * float(RAMP.max()) / 255
    assert max(widths) > 0.75 * float(RAMP.max()) / 255


@pytest.mark.parametrize(("augmentation", "told"), [("flip", mirrored), ("crop", middle)])
def test_neighbours_draw_independently(augmentation: str, told: Callable[[Tensor], float]) -> None:
    """What is drawn has no correlation with that of the next index, epoch or seed, or of sums."""
    side = 12
    drawn = numpy.array(
        [
            [
                [told(tensor(ramps(augmentation, seed)[epoch, index])) for index in range(side)]
                for epoch in range(side)
            ]
            for seed in range(side)
        ]
    )
    drawn -= drawn.mean()
    steps = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, -1), (0, 1, -1), (1, -1, 0)]
    for step in steps:
        other = numpy.roll(drawn, step, (0, 1, 2))
        correlation = (drawn * other).mean() / drawn.var()
        assert abs(correlation) < 4 / side**1.5, step


def test_an_image_is_the_same_whatever_was_loaded_before() -> None:
    places = [(epoch, index) for epoch in (1, 2) for index in range(5)]
    images = ramps("crop")
    forward = {place: tensor(images[place]) for place in places}
    torch.manual_seed(7)
    fresh = ramps("crop")
    for place in reversed(places):
        assert torch.equal(tensor(fresh[place]), forward[place])
    assert not torch.equal(forward[1, 0], forward[2, 0])


def test_torchs_own_generator_is_left_alone(folder: Path) -> None:
    recipe = recipe_of(folder)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert sum(len(batch.labels) for batch in loader(open_data(recipe), recipe, 1, "train")) == 9
    assert torch.equal(torch.rand(4), expected)


def test_grey_images_are_repeated_or_kept() -> None:
    grey = tensor(ramps("none")[1, 0])
    rgb = Preprocessing(8, (8, 8), (0.0, 0.5, 0.0), (1.0, 1.0, 2.0))
    pixels = Pixels(RAMP[None], (0,))
    red, green, blue = tensor(Images(Stored(pixels), rgb)[1, 0])
    assert torch.equal(red, grey[0])
    assert torch.equal(green, grey[0] - 0.5)
    assert torch.equal(blue, grey[0] / 2)


# An epoch


def epoch_of(recipe: Recipe, phase: Phase = "train", epoch: int = 1, **share: int) -> list[Batch]:
    return list(loader(open_data(recipe), recipe, epoch, phase, **share))


def same(one: Batch, other: Batch) -> bool:
    assert one.images is not None
    assert other.images is not None
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def test_workers_change_nothing(folder: Path) -> None:
    for phase in ("train", "val"):
        alone, helped = (epoch_of(recipe_of(folder, workers=n), phase) for n in (0, 2))
        assert len(alone) == len(helped)
        assert all(map(same, alone, helped))


def test_each_image_comes_once(folder: Path) -> None:
    plain = recipe_of(folder, augmentation="none")
    got = epoch_of(plain)
    assert [(len(batch.labels), batch.count) for batch in got] == [(4, 4), (4, 4), (1, 1)]
    images = torch.cat([batch.images for batch in got if batch.images is not None])
    labels = torch.cat([batch.labels for batch in got])
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    data = open_data(plain)
    expected = {tuple(tensor(data.train[1, index]).flatten().tolist()) for index in range(9)}
    assert {tuple(image.flatten().tolist()) for image in images} == expected
    assert len(expected) == 9
    assert sorted(labels.tolist()) == [0] * 4 + [1] * 5
    assert labels.tolist() != sorted(labels.tolist())


def test_epochs_and_seeds_shuffle_otherwise(folder: Path) -> None:
    orders = [
        torch.cat(
            [batch.images for batch in epoch_of(recipe, epoch=epoch) if batch.images is not None]
        )
        for recipe in (recipe_of(folder, augmentation="none", seed=seed) for seed in (0, 1))
        for epoch in (1, 2)
    ]
    assert not any(torch.equal(one, other) for i, one in enumerate(orders) for other in orders[:i])


def test_validation_is_never_shuffled(folder: Path) -> None:
    for epoch in (1, 2):
        got = epoch_of(recipe_of(folder, seed=epoch), "val", epoch)
        assert [batch.labels.tolist() for batch in got] == [[0, 0, 0, 1], [1]]
        assert [batch.count for batch in got] == [4, 1]


def test_two_processes_take_one_processs_steps(folder: Path) -> None:
    recipe = recipe_of(folder)
    alone = epoch_of(recipe)
    shares = [epoch_of(recipe, rank=rank, world=2) for rank in range(2)]
    assert [batch.count for batch in shares[0]] == [batch.count for batch in shares[1]] == [4, 4, 1]
    assert shares[0][2].images is None
    assert shares[0][2].labels.tolist() == []
    for whole, *parts in zip(alone, *shares, strict=True):
        images = torch.cat([part.images for part in parts if part.images is not None])
        labels = torch.cat([part.labels for part in parts])
        assert same(whole, Batch(images, labels, whole.count))


@pytest.mark.parametrize("source", ["folder", "digits"])
def test_data_can_be_sent_to_another_process(folder: Path, source: str) -> None:
    data = open_data(recipe_of(folder if source == "folder" else source))
    other: Data = pickle.loads(pickle.dumps(data))
    assert torch.equal(tensor(other.train[3, 2]), tensor(data.train[3, 2]))


def test_a_worker_that_dies_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def died(*_: Any, **__: Any) -> Any:
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    monkeypatch.setattr("mobilenet_lab.training.data_torch.DataLoader.__iter__", died)
    with pytest.raises(LabError, match="a process that loads images has died"):
        epoch_of(recipe_of(folder))


# Bad images


def bomb() -> bytes:
    """The beginning of a PNG of 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100))


def spoil(path: Path, how: str) -> Path:
    if how == "truncated":
        path = path.with_suffix(".jpg")
        noise = numpy.random.default_rng(1).integers(0, 256, (64, 64, 3), numpy.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:-500])
    else:
        path.write_bytes({"text": b"no image", "empty": b"", "bomb": bomb()}[how])
    return path


HOW = ("truncated", "text", "empty", "bomb")


@pytest.mark.parametrize("how", HOW)
def test_a_bad_image_stops_the_run_and_is_named(folder: Path, how: str) -> None:
    path = spoil(folder / "train" / "dog" / "x1.png", how)
    for workers in (0, 2) if how == "text" else (0,):
        with pytest.raises(LabError) as caught:
            epoch_of(recipe_of(folder, workers=workers))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert epoch_of(recipe_of(folder), "val")


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_skipped_and_named_once(folder: Path, workers: int) -> None:
    bad = {str(spoil(folder / "train" / "dog" / f"x{how}.png", how)) for how in HOW}
    recipe = recipe_of(folder, on_bad_image="skip", workers=workers)
    data = open_data(recipe)
    assert len(data.train) == 9 + 4
    for epoch in (1, 2):
        got = list(loader(data, recipe, epoch, "train"))
        assert [batch.count for batch in got] == [4, 4, 4, 1]
        assert sum(len(batch.labels) for batch in got) == 9
        for batch in got:
            assert (batch.images is None) == (len(batch.labels) == 0)
            assert batch.images is None or len(batch.images) == len(batch.labels)
    assert len(data.skipped) == 4
    assert {path for path in bad if any(path in said for said in data.skipped)} == bad


def test_a_batch_of_bad_images_only(folder: Path) -> None:
    for path in (folder / "val" / "cat").iterdir():
        spoil(path, "text")
    (folder / "val" / "cat" / "0.png").unlink()
    Image.new("RGB", (9, 9)).save(folder / "val" / "cat" / "z.png")
    recipe = recipe_of(folder, on_bad_image="skip", batch_size=2)
    first, *others = epoch_of(recipe, "val")
    assert first.images is None
    assert (first.labels.tolist(), first.labels.dtype, first.count) == ([], torch.int64, 2)
    assert sum(len(batch.labels) for batch in others) == 3


@pytest.mark.parametrize(("phase", "world"), [("train", 1), ("val", 1), ("train", 3)])
def test_no_image_of_a_class_can_be_read(folder: Path, phase: Phase, world: int) -> None:
    for path in (folder / phase / "dog").iterdir():
        spoil(path, "text")
    recipe = recipe_of(folder, on_bad_image="skip")
    for rank in range(world):  # each process comes to the same end
        with pytest.raises(LabError, match=f"no {phase} image of class 'dog' can be read"):
            epoch_of(recipe, phase, rank=rank, world=world)


def test_a_class_that_a_process_has_none_of_is_none_the_less_there(folder: Path) -> None:
    spoil(folder / "val" / "dog" / "0.png", "text")
    recipe = recipe_of(folder, on_bad_image="skip", batch_size=5)
    got = [epoch_of(recipe, "val", rank=rank, world=5) for rank in range(5)]
    assert [batch.labels.tolist() for share in got for batch in share] == [[0], [0], [0], [], [1]]


def test_an_image_that_has_gone_meanwhile(folder: Path) -> None:
    recipe = recipe_of(folder)
    data = open_data(recipe)
    (folder / "val" / "dog" / "1.png").unlink()
    with pytest.raises(LabError, match=r"cannot read .*1\.png: No such file"):
        list(loader(data, recipe, 1, "val"))


def test_collate_of_nothing() -> None:
    images, labels, problems = collate([])
    assert images is None
    assert (labels.shape, problems) == ((0,), [])


# What is opened


def test_a_folder_is_split_by_the_recipe(folder: Path) -> None:
    recipe = recipe_of(folder / "train", validation=0.5)
    data = open_data(recipe)
    assert (data.classes, len(data.train), len(data.val)) == (("cat", "dog"), 5, 4)
    assert set(data.train.source.paths).isdisjoint(data.val.source.paths)  # type: ignore[attr-defined]
    other = open_data(recipe_of(folder / "train", validation=0.5, seed=1))
    assert data.val.source.paths != other.val.source.paths  # type: ignore[attr-defined]


def test_digits_for_a_network_of_one_channel() -> None:
    recipe = recipe_of("digits", "lenet5", settings={}, batch_size=256)
    data = open_data(recipe)
    assert (len(data.classes), data.image_shape) == (10, (1, 32, 32))
    assert len(data.train) + len(data.val) == 1797
    got = list(loader(data, recipe, 1, "val"))
    assert [batch.images.shape[1:] for batch in got if batch.images is not None] == [
        (1, 32, 32)
    ] * len(got)
    assert torch.cat([batch.labels for batch in got]).bincount().tolist() == [
        *(36, 36, 35, 37, 36, 36, 36, 36, 35, 36),
    ]


def test_no_such_data(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"there is no folder .*nowhere"):
        open_data(recipe_of(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("model", "settings", "small", "shape", "resize"),
    [
        ("mobilenet_v2", {}, False, (3, 224, 224), 256),
        ("mobilenet_v2", {}, True, (3, 32, 32), 32),
        ("mobilenet_v2", {"resolution": 96}, True, (3, 96, 96), 96),
        ("mobilenet_v2", {"resolution": "64x96", "in_channels": 1}, False, (1, 64, 96), 109),
        ("lenet5", {}, False, (1, 32, 32), 36),
        ("lenet5", {"in_channels": 3}, True, (3, 32, 32), 32),
        ("alexnet_one_tower", {}, True, (3, 224, 224), 224),  # 32x32 is too small for it
    ],
)
def test_the_size_of_images(
    model: str, settings: dict[str, Any], small: bool, shape: tuple[int, ...], resize: int
) -> None:
    found = preprocessing_of(recipe_of("data", model, settings=settings), small=small)
    assert (found.image_shape, found.resize) == (shape, resize)
    if shape[0] == 3:
        assert (found.mean, found.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    else:
        assert found.mean == pytest.approx((0.449,))


def test_settings_that_the_network_does_not_take() -> None:
    with pytest.raises(LabError, match="resolution"):
        preprocessing_of(recipe_of("data", "lenet5", settings={"resolution": 8}))
    with pytest.raises(LabError, match="1 channel or 3"):
        preprocessing_of(recipe_of("data", settings={"in_channels": 4}))


def test_images_are_as_the_weights_expect(tmp_path: Path) -> None:
    timm = recipe_of("data", "mobilenet_v1", weights=str(tmp_path / "timm.pth"))
    found = preprocessing_of(timm, ["conv_stem.weight"])
    assert (found.mean, found.interpolation) == ((0.5, 0.5, 0.5), "bicubic")
    torchvision = preprocessing_of(timm, ["features.0.0.weight"])
    assert (torchvision.mean, torchvision.interpolation) == ((0.485, 0.456, 0.406), "bilinear")

    own = Preprocessing(20, (20, 20), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic")
    card = {"format": 1, "network": "mobilenet_v1", "settings": {}, "classes": ["a", "b"]}
    weights = tmp_path / "best.safetensors"
    weights.with_suffix(".json").write_text(json.dumps(card | {"preprocessing": own.to_dict()}))
    ours = preprocessing_of(recipe_of("data", "mobilenet_v1", weights=str(weights)))
    assert ours == own.at((12, 10))
    assert (ours.mean, ours.resize) == (own.mean, 12)
