"""Images that the test makes: what opens, upright and in three channels, and what is refused."""

import gc
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torchvision import transforms

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.images_torch import BadImageError, load_image, open_rgb
from mobilenet_lab.training.preprocessing import Preprocessing

GREY = Preprocessing(resize=8, crop=(8, 8), mean=(0.5,), std=(0.25,))
RGB = Preprocessing(
    resize=10, crop=(8, 6), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), interpolation="bicubic"
)


def noise(height: int, width: int) -> Image.Image:
    values = numpy.random.default_rng(0).integers(0, 256, (height, width, 3), numpy.uint8)
    return Image.fromarray(values)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


# What is read


@pytest.mark.parametrize("size", [(20, 33), (33, 20), (5, 5), (8, 6)])
def test_as_torchvision_preprocesses(tmp_path: Path, size: tuple[int, int]) -> None:
    """Larger, smaller, wide and tall."""
    path = saved(noise(*size), tmp_path / "noise.png")
    theirs = transforms.Compose(
        [
            transforms.Resize(10, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop((8, 6)),
            transforms.ToTensor(),
            transforms.Normalize(RGB.mean, RGB.std),
        ]
    )
    ours = load_image(path, RGB)
    assert (ours.shape, ours.dtype) == (RGB.image_shape, torch.float32)
    assert torch.equal(ours, theirs(noise(*size)))
    bilinear = Preprocessing(10, (8, 6), RGB.mean, RGB.std, "bilinear")
    assert not torch.equal(load_image(path, bilinear), ours)


def test_grey_is_the_luminance(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (8, 8), (255, 0, 0)), tmp_path / "red.png")
    got = load_image(path, GREY)
    assert got.shape == (1, 8, 8)
    assert torch.allclose(got, torch.tensor((76 / 255 - 0.5) / 0.25))  # 0.299 x 255
    values = numpy.arange(64, dtype=numpy.uint8).reshape(8, 8)
    path = saved(Image.fromarray(values), tmp_path / "grey.png")
    assert torch.equal(
        (load_image(path, GREY)[0] * 0.25 + 0.5).mul(255).round(), torch.tensor(values).float()
    )


def test_the_shapes_of_a_picture_s_modes(tmp_path: Path) -> None:
    """Each is one plain colour: (200, 100, 50), or what its mode makes of it."""
    colour = Image.new("RGB", (4, 3), (200, 100, 50))
    transparent = Image.new("RGBA", (4, 3), (200, 100, 50, 0))
    palette = colour.convert("P", palette=Image.Palette.ADAPTIVE)
    cases = {
        "rgb.png": (colour, {}, (200, 100, 50)),
        "palette.png": (palette, {}, (200, 100, 50)),
        "clear_palette.png": (palette, {"transparency": 0}, (255, 255, 255)),
        "clear.png": (transparent, {}, (255, 255, 255)),
        "opaque.png": (colour.convert("RGBA"), {}, (200, 100, 50)),
        "cmyk.tif": (colour.convert("CMYK"), {}, (200, 100, 50)),
        "grey.png": (Image.new("L", (4, 3), 77), {}, (77, 77, 77)),
        "grey_alpha.png": (Image.new("LA", (4, 3), (77, 0)), {}, (255, 255, 255)),
        "bits.png": (Image.new("1", (4, 3), 1), {}, (255, 255, 255)),
        "16_bit.png": (Image.new("I;16", (4, 3), 77 * 256 + 200), {}, (77, 77, 77)),
        "16_bit.tif": (Image.new("I;16", (4, 3), 77 * 256), {}, (77, 77, 77)),
        "32_bit.tif": (Image.new("I", (4, 3), 77 * 256), {}, (77, 77, 77)),
    }
    for name, (image, options, expected) in cases.items():
        opened = open_rgb(saved(image, tmp_path / name, **options))
        assert (opened.mode, opened.size) == ("RGB", (4, 3)), name
        assert opened.getcolors() == [(12, expected)], name


def test_upright_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    image = Image.new("RGB", (16, 8))
    image.paste((255, 255, 255), (0, 0, 8, 8))
    opened = open_rgb(saved(image, tmp_path / "turned.png", exif=exif))
    assert opened.size == (8, 16)
    assert opened.getpixel((4, 4)) == (255, 255, 255)
    assert opened.getpixel((4, 12)) == (0, 0, 0)


def test_odd_exif_turns_nothing(tmp_path: Path) -> None:
    path = saved(noise(8, 16), tmp_path / "odd.png", exif=b"Exif\0\0MM\0*\0\0\0")
    assert open_rgb(path).size == (16, 8)


def test_the_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("white", "black")]
    path = saved(frames[0], tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    with Image.open(path) as image:
        assert image.n_frames == 2
    assert open_rgb(path).getcolors() == [(16, (255, 255, 255))]


# What is refused


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_cut_file_is_named(tmp_path: Path, format: str) -> None:
    path = saved(noise(40, 40), tmp_path / f"cut.{format.lower()}", format=format)
    whole = path.read_bytes()
    for length in (20, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(BadImageError) as caught:
            open_rgb(path)
        sentence = str(caught.value)
        assert sentence.startswith(str(path)), sentence
        assert "\n" not in sentence


def test_what_is_no_image(tmp_path: Path) -> None:
    for content, words in ((b"", "is an empty file"), (b"hello" * 9, "is no image, or a damaged")):
        path = tmp_path / "no.jpg"
        path.write_bytes(content)
        with pytest.raises(BadImageError, match=f"no.jpg {words}"):
            open_rgb(path)
    with pytest.raises(BadImageError, match=r"cannot read .*missing.png: No such file"):
        open_rgb(tmp_path / "missing.png")
    with pytest.raises(BadImageError, match=r"cannot read .*: Is a directory"):
        open_rgb(tmp_path)


def test_no_other_program_runs(tmp_path: Path) -> None:
    """Pillow hands PostScript to Ghostscript."""
    path = saved(noise(8, 8), tmp_path / "page.eps")
    with pytest.raises(BadImageError, match="is no image"):
        open_rgb(path)


def png(width: int, height: int) -> bytes:
    """A PNG that promises pixels of which it has none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_sizes_of_an_attack_and_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "size.png"
    for size, words in (
        ((60_000, 60_000), "has too many pixels"),
        ((0, 5), "is "),
        ((5, 5), "is damaged"),
    ):
        path.write_bytes(png(*size))
        with pytest.raises(BadImageError, match=f"size.png {words}"):
            open_rgb(path)


def test_numbers_of_unknown_white(tmp_path: Path) -> None:
    for mode, value in (("F", 0.5), ("I", 2**20), ("I", -1)):
        path = saved(Image.new(mode, (4, 4), value), tmp_path / "wide.tif")
        with pytest.raises(BadImageError, match=r"wide\.tif is damaged"):
            open_rgb(path)


def test_the_file_is_closed(tmp_path: Path) -> None:
    """Or a folder of images runs out of files; pytest turns the warning into a failure."""
    path = saved(noise(8, 8), tmp_path / "noise.png")
    open_rgb(path).load()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BadImageError):
        open_rgb(path)
    gc.collect()


# The record


def test_preprocessing_comes_back_from_its_json() -> None:
    import json

    for each in (GREY, RGB):
        assert Preprocessing.from_dict(json.loads(json.dumps(each.to_dict()))) == each


@pytest.mark.parametrize(
    "change",
    [
        {"resize": 0}, {"resize": 7}, {"resize": True}, {"resize": "8"}, {"resize": 10**6},
        {"crop": (8,)}, {"crop": 8}, {"crop": (0, 8)}, {"mean": (0.5, 0.5)}, {"mean": "0.5"},
        {"mean": (float("nan"),)}, {"std": (0,)}, {"std": ("1",)}, {"interpolation": "cubic"},
        {"interpolation": None}, {"more": 1},
    ],
)  # fmt: skip
def test_bad_preprocessing(change: dict[str, Any]) -> None:
    with pytest.raises(LabError):
        Preprocessing.from_dict(GREY.to_dict() | change)
    for other in (None, [], {"resize": 8}):
        with pytest.raises(LabError, match="preprocessing is told by"):
            Preprocessing.from_dict(other)
