"""The images of a training run, in an order and with an augmentation that depend on nothing else.

What is drawn for an image follows from the seed, the epoch and the image's index (randomness.py):
not from the process that loads it, nor from what was loaded before.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.folders import find_images
from mobilenet_lab.training.images_torch import BadImageError, fitted, open_rgb, to_tensor
from mobilenet_lab.training.inputs import preprocessing_of
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.training.randomness import seed_of
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Sample
from mobilenet_lab.training.small_images import (
    Arrays,
    Pixels,
    digits,
    fashion_mnist,
    from_idx_files,
    holds_idx_files,
)
from mobilenet_lab.weights import read_checkpoint

# isort: split
# after images_torch, which says what is missing
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode

Phase: TypeAlias = Literal["train", "val"]
Item: TypeAlias = tuple[Tensor, int] | BadImageError
"""C x H x W float32 and the number of its class; or why there is none."""

CROPPED = (0.08, 1.0)
"""Least and largest share of an image that augmentation by crops leaves, as for ImageNet."""
CROPPED_SMALL = (0.5, 1.0)
"""The same of collections of small images, whose object fills the frame."""


class Source(Protocol):
    """Pictures by their index."""

    @property
    def labels(self) -> Sequence[int]:
        """The number of each one's class."""

    def picture(self, index: int) -> Image.Image:
        """One, as it is: grey or RGB, of any size.

        Raises:
            BadImageError: it cannot be read.
        """


class Files:
    """Image files, each opened when it is asked for."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.paths = [sample.path for sample in samples]
        self.labels = [sample.label for sample in samples]

    def picture(self, index: int) -> Image.Image:
        """As `Source`."""
        return open_rgb(self.paths[index])


class Stored:
    """Grey images that are all in memory."""

    def __init__(self, pixels: Pixels) -> None:
        self.images = pixels.images
        self.labels = pixels.labels

    def picture(self, index: int) -> Image.Image:
        """As `Source`."""
        return Image.fromarray(self.images[index])


class Images(Dataset[Item]):
    """A source's pictures as a network reads them, indexed by (epoch, index).

    Without augmentation each epoch gives the same. What cannot be read gives its error, and does
    not raise it: raised in a process that loads, it would arrive as another.
    """

    def __init__(
        self,
        source: Source,
        preprocessing: Preprocessing,
        augmentation: str = "none",
        seed: int = 0,
        cropped: tuple[float, float] = CROPPED,
    ) -> None:
        """`augmentation` as in a recipe; `cropped` is the share of an image that a crop leaves."""
        self.source = source
        self.preprocessing = preprocessing
        self.seed = seed
        self.random = augmentation != "none"
        self.view = _view(preprocessing, augmentation, cropped)

    def __len__(self) -> int:
        return len(self.source.labels)

    def __getitem__(self, place: tuple[int, int]) -> Item:
        epoch, index = place
        try:
            picture = self.source.picture(index)
        except BadImageError as error:
            return error
        if self.random:
            with torch.random.fork_rng(devices=[]):  # torchvision has no generator but torch's
                seed = seed_of("augmentation", self.seed, epoch, index)
                torch.default_generator.manual_seed(seed)
                seen = self.view(picture)
        else:
            seen = self.view(picture)
        return to_tensor(seen.convert("RGB"), self.preprocessing), self.source.labels[index]


def _view(
    preprocessing: Preprocessing, augmentation: str, cropped: tuple[float, float]
) -> Callable[[Image.Image], Image.Image]:
    """A picture -> the H x W pixels of it that are seen."""
    whole = partial(fitted, preprocessing=preprocessing)
    if augmentation == "none":
        return whole
    part = transforms.RandomResizedCrop(
        preprocessing.crop, cropped, interpolation=InterpolationMode(preprocessing.interpolation)
    )
    mirrored = transforms.RandomHorizontalFlip()
    view: Callable[[Image.Image], Image.Image] = transforms.Compose(
        [whole if augmentation == "flip" else part, mirrored]
    )
    return view


class Data(NamedTuple):
    """What a run trains on and what it is held against."""

    classes: tuple[str, ...]
    train: Images
    val: Images
    image_shape: tuple[int, int, int]
    """C x H x W; the network is built for it."""
    preprocessing: Preprocessing
    """Of validation, and of whoever uses the network later."""
    skipped: list[str]
    """What was wrong with each bad image so far, its name included; `loader` adds to it."""


def open_data(recipe: Recipe) -> Data:
    """The data of a run: a folder, "fashion-mnist" or "digits" (./digits is a folder again).

    A folder holds class folders (see folders.py) or the four files of Fashion-MNIST. Its images
    are read later, when it is their turn.

    Raises:
        LabError: there is no such data, or it is not in order (see `find_images`), or the
            network does not take such images.
        MissingPackageError: scikit-learn is asked for and not installed.
    """
    folder = Path(recipe.data)
    if recipe.data == "digits":
        return _of_collection(recipe, digits(recipe.validation, recipe.seed))
    if recipe.data == "fashion-mnist":
        return _of_collection(recipe, fashion_mnist())
    if holds_idx_files(folder):
        return _of_collection(recipe, from_idx_files(folder))
    splits = find_images(folder, recipe.validation, recipe.seed)
    train, val = Files(splits.train), Files(splits.val)
    prepared = preprocessing_of(recipe, _tensors(recipe))
    return _prepared(recipe, splits.classes, train, val, prepared, CROPPED)


def _of_collection(recipe: Recipe, found: Arrays) -> Data:
    prepared = preprocessing_of(recipe, _tensors(recipe), small=True)
    train, val = Stored(found.train), Stored(found.val)
    return _prepared(recipe, found.classes, train, val, prepared, CROPPED_SMALL)


def _tensors(recipe: Recipe) -> Collection[str]:
    """The names in a recipe's file of weights."""
    return read_checkpoint(recipe.weights).keys() if recipe.weights else ()


def _prepared(
    recipe: Recipe,
    classes: tuple[str, ...],
    train: Source,
    val: Source,
    preprocessing: Preprocessing,
    cropped: tuple[float, float],
) -> Data:
    return Data(
        classes,
        Images(train, preprocessing, recipe.augmentation, recipe.seed, cropped),
        Images(val, preprocessing),
        preprocessing.image_shape,
        preprocessing,
        [],
    )


def batches(
    count: int,
    batch_size: int,
    *,
    shuffled_by: tuple[int, int] | None = None,
    rank: int = 0,
    world: int = 1,
) -> list[list[int]]:
    """The indices of `count` images that process `rank` of `world` takes, step by step.

    The `batch_size` images of a step are those of all processes together, whose number changes
    nothing but who takes which: each has its contiguous share, which may be empty. The last step
    has what is left. (seed, epoch) shuffles; without it the order is that of the indices.
    """
    order = list(range(count))
    if shuffled_by is not None:
        generator = torch.Generator().manual_seed(seed_of("order", *shuffled_by))
        order = torch.randperm(count, generator=generator).tolist()
    steps = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    return [step[len(step) * rank // world : len(step) * (rank + 1) // world] for step in steps]


@dataclass(frozen=True)
class Batch:
    """What one process takes of a step."""

    images: Tensor | None
    """N x C x H x W float32; None where no image is left."""
    labels: Tensor
    """N int64."""
    count: int
    """Images of this step, of all processes together, bad ones included."""


def loader(
    data: Data, recipe: Recipe, epoch: int, phase: Phase, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """The steps of one epoch, as `batches` plans them; only training shuffles and augments.

    Raises:
        BadImageError: an image cannot be read, and the recipe says to stop.
        LabError: no image of a class can be read (told after the last step), or a process that
            loads images has died.
    """
    images = data.train if phase == "train" else data.val
    plan = batches(
        len(images),
        recipe.batch_size,
        shuffled_by=(recipe.seed, epoch) if phase == "train" else None,
        rank=rank,
        world=world,
    )
    steps = DataLoader(
        images,
        batch_sampler=[[(epoch, index) for index in share] for share in plan],
        num_workers=recipe.workers,
        collate_fn=collate,
        generator=torch.Generator(),  # or it would draw from that of dropout
    )
    seen: set[int] = set()
    left = len(images)
    try:
        for tensors, labels, problems in steps:
            if problems and recipe.on_bad_image == "stop":
                raise BadImageError(problems[0])
            data.skipped.extend(each for each in problems if each not in data.skipped)
            seen.update(labels.tolist())
            yield Batch(tensors, labels, min(left, recipe.batch_size))
            left -= recipe.batch_size
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise LabError(
            "a process that loads images has died, perhaps for want of memory: fewer workers "
            "or smaller batches need less"
        ) from error
    for label, name in enumerate(data.classes):
        if label not in seen and not _any_readable(images, label):
            raise LabError(f"no {phase} image of class {name!r} can be read")


def collate(items: Sequence[Item]) -> tuple[Tensor | None, Tensor, list[str]]:
    """Images N x C x H x W (None of none), labels, and what was wrong with those that are bad."""
    good = [item for item in items if not isinstance(item, BadImageError)]
    problems = [str(item) for item in items if isinstance(item, BadImageError)]
    images = torch.stack([image for image, _ in good]) if good else None
    labels = torch.tensor([label for _, label in good], dtype=torch.int64)
    return images, labels, problems


def _any_readable(images: Images, label: int) -> bool:
    """Whether a class has an image; asked of a class this process had none of."""
    return any(
        not isinstance(images[0, index], BadImageError)
        for index, other in enumerate(images.source.labels)
        if other == label
    )
