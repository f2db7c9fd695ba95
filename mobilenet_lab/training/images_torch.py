"""Image files into tensors, or a sentence that names the file which is no good."""

import warnings
from contextlib import suppress
from pathlib import Path

from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.training.preprocessing import Preprocessing

try:
    import numpy
    import torch
    from PIL import Image, ImageOps, UnidentifiedImageError
    from torch import Tensor
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as transforms
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package not in ("numpy", "torch", "torchvision", "PIL"):
        raise
    package = "pillow" if package == "PIL" else package
    raise MissingPackageError(package, "train", "reading images") from None

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""What is tried: pictures of pixels. Pillow runs another program for some of the others (EPS)."""


class BadImageError(LabError):
    """A file that is no image, or a damaged one; the message names it."""


def open_rgb(path: str | Path) -> Image.Image:
    """The picture in a file, as three channels of 8 bits, upright.

    Of several frames the first is taken, of 16 bits the upper 8; what is transparent becomes
    white. The file is closed again.

    Raises:
        BadImageError: the file cannot be read, is no image, is cut off or otherwise damaged, has
            no pixels, or so many (Pillow's limit, about 179 million) that it may be an attack.
    """
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what is wrong with pixels raises
            with Image.open(path, formats=formats) as image:
                image.load()
                upright: Image.Image = image
                with suppress(Exception):  # metadata that cannot be read turns nothing
                    upright = ImageOps.exif_transpose(image)
                return _as_rgb(upright)
    except UnidentifiedImageError:
        kind = "an empty file" if _is_empty(path) else "no image, or a damaged one"
        raise BadImageError(f"{path} is {kind}") from None
    except Image.DecompressionBombError:
        raise BadImageError(f"{path} has too many pixels to be opened") from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise BadImageError(f"cannot read {path}: {error.strerror}") from None
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BadImageError(f"{path} is damaged: {reason}") from None


def fitted(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """`image` resized and cropped around its centre: H x W as asked for."""
    mode = InterpolationMode(preprocessing.interpolation)
    resized = transforms.resize(image, [preprocessing.resize], mode, antialias=True)
    cropped: Image.Image = transforms.center_crop(resized, list(preprocessing.crop))
    return cropped


def to_tensor(image: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """An RGB image of any size, normalised: C x H x W float32; C is 1 for luminance, or 3."""
    if len(preprocessing.mean) == 1:
        image = image.convert("L")
    values = transforms.pil_to_tensor(image).to(torch.float32) / 255
    normalised: Tensor = transforms.normalize(
        values, list(preprocessing.mean), list(preprocessing.std)
    )
    return normalised


def load_image(path: str | Path, preprocessing: Preprocessing) -> Tensor:
    """What a network reads of an image file: C x H x W float32.

    Raises:
        BadImageError: as `open_rgb`.
    """
    return to_tensor(fitted(open_rgb(path), preprocessing), preprocessing)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _of_wide_pixels(image).convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(paper, seen).convert("RGB")
    return image.convert("RGB")


def _of_wide_pixels(image: Image.Image) -> Image.Image:
    """8 bits of a grey image that has more."""
    if image.mode == "F":
        raise ValueError("nothing tells which of its decimal numbers is white")
    values = numpy.asarray(image)
    if values.min() < 0 or values.max() >= 2**16:
        raise ValueError("its pixels have more than 16 bits")
    return Image.fromarray((values >> 8).astype(numpy.uint8))


def _is_empty(path: str | Path) -> bool:
    with suppress(OSError):
        return Path(path).stat().st_size == 0
    return False
