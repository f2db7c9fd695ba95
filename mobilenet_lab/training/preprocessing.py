"""How an image becomes what a network reads: sizes, and the statistics of its channels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mobilenet_lab.errors import LabError, UnknownNameError, quoted

INTERPOLATIONS = ("bilinear", "bicubic")
LARGEST = 2**14
"""Side in pixels."""


@dataclass(frozen=True)
class Preprocessing:
    """Resized until the shorter side fits, cropped around the centre, normalised by channel.

    As torchvision does it on PIL images: antialiased, values from 0 to 1, then less `mean` and
    divided by `std`. One number in each stands for a grey image (its luminance), three for RGB.

    Raises:
        LabError: a number of no use, or a crop that is larger than what is resized.
        UnknownNameError: no such interpolation.
    """

    resize: int
    """Shorter side, in pixels."""
    crop: tuple[int, int]
    """Height and width, in pixels."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for what, side in (("resize", self.resize), *(("crop", side) for side in self.crop)):
            if type(side) is not int or not 1 <= side <= LARGEST:
                raise LabError(f"{what} is in pixels, from 1 to {LARGEST}, not {quoted(side)}")
        if max(self.crop) > self.resize:
            height, width = self.crop
            raise LabError(
                f"a crop of {height}x{width} does not fit an image resized to {self.resize}"
            )
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise LabError("mean and std are one number each (grey images), or three (RGB)")
        if not all(map(_is_finite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise LabError("mean and std are finite numbers, and std is above 0")
        if self.interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", str(self.interpolation), INTERPOLATIONS)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """C x H x W of what comes out."""
        return len(self.mean), *self.crop

    def at(self, crop: tuple[int, int]) -> "Preprocessing":
        """The same for another resolution (height, width): as much of an image is seen."""
        return replace(self, crop=crop, resize=max(crop) * self.resize // max(self.crop))

    def to_dict(self) -> dict[str, Any]:
        """As the JSON beside a checkpoint keeps it."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, found: Any) -> "Preprocessing":
        """What `to_dict` made.

        Raises:
            LabError: it is something else.
        """
        keys = set(cls.__dataclass_fields__)
        if not isinstance(found, Mapping) or set(found) != keys:
            raise LabError(f"preprocessing is told by {', '.join(sorted(keys))}")
        for key, length in (("crop", (2,)), ("mean", (1, 3)), ("std", (1, 3))):
            value = found[key]
            if not isinstance(value, Sequence) or len(value) not in length:
                raise LabError(f"preprocessing: {key} is not {quoted(value)}")
        lists = {key: tuple(found[key]) for key in ("crop", "mean", "std")}
        return cls(resize=found["resize"], interpolation=found["interpolation"], **lists)


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)
