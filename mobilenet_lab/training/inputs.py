"""What a run's network reads: the size of its images, and how they are prepared."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mobilenet_lab import registry
from mobilenet_lab.errors import LabError, ShapeError
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.training.recipe import Recipe

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in ImageNet, as torchvision's weights and most others expect them."""
GREY_MEAN = (0.449,)
GREY_STD = (0.226,)
"""Means of these."""
MARGIN = 256 / 224
"""Shorter side to crop, as ImageNet is evaluated."""
SMALL = 32
"""Side to which collections of small images are brought, where the network takes it."""


def preprocessing_of(recipe: Recipe, small: bool = False) -> Preprocessing:
    """How the images of a run are prepared, in validation; C x H x W is its `image_shape`.

    Size and channels are those of the recipe's settings, else the network's own. For `small`
    images (28x28, 8x8) it is 32x32 where nothing is said and the network takes it, and the whole
    image is seen; of others an eighth of the shorter side is cut off. Mean, standard deviation
    and interpolation are those told beside the pretrained weights (our own files), else
    ImageNet's and bilinear.

    Raises:
        LabError: the network does not take these settings, or images of as many channels are
            not to be had.
    """
    channels, height, width = input_shape(recipe, small)
    if channels not in (1, 3):
        raise LabError(
            f"images have 1 channel or 3, not {channels}: set in_channels to one of them"
        )
    grey = channels == 1
    side = max(height, width)
    default = Preprocessing(
        resize=side if small else round(side * MARGIN),
        crop=(height, width),
        mean=GREY_MEAN if grey else IMAGENET_MEAN,
        std=GREY_STD if grey else IMAGENET_STD,
    )
    return _as_weights_expect(recipe.weights, default)


def input_shape(recipe: Recipe, small: bool = False) -> tuple[int, int, int]:
    """C x H x W of the images that a run's network reads.

    Raises:
        LabError: the network does not take these settings.
    """
    settings = {**recipe.settings}
    if small and "resolution" not in settings:
        with suppress(ShapeError):  # too small for this network: its own resolution
            registry.attempt(recipe.model, **settings, resolution=SMALL)
            settings["resolution"] = SMALL
    channels, height, width = registry.trace(recipe.model, **settings).input_shape
    return channels, height, width


def _as_weights_expect(weights: str | None, default: Preprocessing) -> Preprocessing:
    """`default`, with the statistics in the JSON of the same stem as the weights, if there are."""
    if weights is None:
        return default
    card = Path(weights).with_suffix(".json")
    try:
        found = json.loads(card.read_bytes())
    except FileNotFoundError:
        return default
    except OSError as error:
        raise LabError(f"cannot read {card}: {error.strerror}") from None
    except ValueError:
        raise LabError(f"{card}, beside the weights, is no JSON") from None
    if not isinstance(found, dict) or "preprocessing" not in found:
        return default
    theirs = Preprocessing.from_dict(found["preprocessing"])
    if len(theirs.mean) != len(default.mean):
        return default
    return replace(default, mean=theirs.mean, std=theirs.std, interpolation=theirs.interpolation)
