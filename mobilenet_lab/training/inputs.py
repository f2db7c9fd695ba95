"""What a run's network reads: the size of its images, and how they are prepared."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobilenet_lab import networks, registry
from mobilenet_lab.errors import LabError, ShapeError
from mobilenet_lab.importers import files
from mobilenet_lab.layers import Trace
from mobilenet_lab.training import origins
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.training.recipe import Recipe

SMALL = 32
"""Side to which collections of small images are brought, where the network takes it."""


def is_file(model: str) -> bool:
    """Whether it is the path of a network's file (docs/files.md), and no registered name."""
    return isinstance(model, str) and Path(model).suffix == ".toml"


def options(model: str) -> Collection[str]:
    """The options that a registered network takes, or a network in a file."""
    return files.OPTIONS if is_file(model) else registry.options(model)


def classifier(model: str, **settings: Any) -> Trace:
    """A registered classifier, or the one that a file describes.

    Raises:
        UnknownNameError: there is no such network or option.
        LabError: it is for something else.
    """
    task = "classification" if is_file(model) else registry.task(model)
    if task != "classification":
        raise LabError(f"{model} is for {task}; classifiers are trained here")
    if not is_file(model):
        return registry.trace(model, **settings)
    trace = networks.trace(model, **settings)
    shapes = [trace.layers[index].out_shape for index in trace.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 1 or len(trace.input_shape) != 3:
        raise LabError(f"{model} is no classifier, which gives one vector for an image")
    return trace


def preprocessing_of(
    recipe: Recipe, tensors: Collection[str] = (), small: bool = False
) -> Preprocessing:
    """How the images of a run are prepared, in validation; its `image_shape` is the network's.

    As the pretrained weights expect it, whose tensors are called `tensors`, by the rules of
    `predict` (origins.py); ImageNet's mean and standard deviation without weights. Size and
    channels are those of the recipe's settings, else the network's own; for `small` images (28x28,
    8x8) 32x32 if neither the settings nor a file say it and the network takes it. Of these the
    whole is seen; of others the centre, an eighth of the shorter side being cut off as weights
    expect.

    Raises:
        LabError: the network does not take these settings, or reads other than 1 or 3 channels.
    """
    shape = input_shape(recipe, small)
    found = _expected(recipe, tensors, shape).at(shape[1:])
    return replace(found, resize=max(found.crop)) if small else found


def input_shape(recipe: Recipe, small: bool = False) -> tuple[int, int, int]:
    """C x H x W of the images that a run's network reads.

    Raises:
        LabError: the network does not take these settings.
    """
    settings = {**recipe.settings}
    if small and "resolution" not in settings and not is_file(recipe.model):
        with suppress(ShapeError):  # too small for this network: its own resolution
            registry.attempt(recipe.model, **settings, resolution=SMALL)
            settings["resolution"] = SMALL
    channels, height, width = classifier(recipe.model, **settings).input_shape
    return channels, height, width


def _expected(
    recipe: Recipe, tensors: Collection[str], shape: tuple[int, int, int]
) -> Preprocessing:
    """At any resolution."""
    if recipe.weights is None:
        return origins.expected(origins.LAB, recipe.model, shape)
    path = Path(recipe.weights)
    card, timm = origins.read_card(path), origins.timm_card(path)
    said = card.preprocessing if card else timm and origins.of_timm_card(timm)
    if said and len(said.mean) == shape[0]:
        return said
    origin = origins.LAB if card else origins.origin_of(tensors, path, timm)
    return origins.expected(origin, recipe.model, shape)
