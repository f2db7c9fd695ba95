"""Prediction with small random networks, on images that the test makes."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import models, transforms
from torchvision.models import MobileNet_V2_Weights
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.cli import app
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.prediction import predict
from mobilenet_lab.training import origins
from mobilenet_lab.training.images_torch import load_image
from mobilenet_lab.training.labels import imagenet_names, read_labels
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.weights import save_weights

CLASSES = ("cat", "cup", "dog", "owl")
GREY = Preprocessing(resize=40, crop=(32, 32), mean=(0.4,), std=(0.2,), interpolation="bicubic")
SMALL = {"width": 0.25, "resolution": 32}


@pytest.fixture(autouse=True)
def same_each_time() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures of noise, wide and tall."""
    folder, random = tmp_path_factory.mktemp("photos"), numpy.random.default_rng(0)
    paths = []
    for number, size in enumerate(((50, 60), (70, 45))):
        picture = Image.fromarray(random.integers(0, 256, (*size, 3), numpy.uint8))
        paths.append(folder / f"{number}.png")
        picture.save(paths[-1])
    return paths


@torch.no_grad()
def awake(module: nn.Module) -> nn.Module:
    """`module` in eval mode, of which each image gets other scores."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.uniform_(1.0, 3.0)
            part.bias.uniform_(-1.0, 1.0)
            part.momentum = 1.0
    module.train()(torch.randn(4, 3, 64, 64))
    return module.eval()


def softmax(module: nn.Module, image: torch.Tensor) -> list[float]:
    with torch.no_grad():
        shares: list[float] = torch.softmax(module.eval()(image[None])[0], 0).tolist()
    return shares


def ours(folder: Path, *, overwrite: bool = False, **changes: Any) -> tuple[Path, nn.Module]:
    """A LeNet-5 as a run leaves it: tensors and JSON."""
    path = folder / "best.safetensors"
    module = registry.build("lenet5", classes=4)
    save_weights(module, path, overwrite=overwrite)
    card = {
        "format": 1,
        "network": "lenet5",
        "settings": {"resolution": [32, 32], "width": 1.0},
        "classes": [*CLASSES],
        "preprocessing": GREY.to_dict(),
    }
    path.with_suffix(".json").write_text(json.dumps(card | changes))
    return path, module


def theirs(path: Path, module: nn.Module) -> Path:
    torch.save(module.state_dict(), path)
    return path


def small_v2(**options: Any) -> nn.Module:
    return awake(models.mobilenet_v2(width_mult=0.25, **{"num_classes": 4, **options}))


# What is right


def test_a_checkpoint_of_ours_tells_all(photos: list[Path], tmp_path: Path) -> None:
    weights, module = ours(tmp_path)
    table = predict(*photos, weights=weights)
    assert [row.image for row in table.rows] == [str(path) for path in photos for _ in CLASSES]
    for path in photos:
        rows = [row for row in table.rows if row.image == str(path)]
        shares = softmax(module, load_image(path, GREY))
        assert [row.rank for row in rows] == [1, 2, 3, 4]
        assert {row.name: row.probability for row in rows} == pytest.approx(
            dict(zip(CLASSES, shares, strict=True)), abs=1e-6
        )
        falling = [row.probability for row in rows]
        assert falling == sorted(falling, reverse=True)
        assert sum(falling) == pytest.approx(1, abs=1e-6)
    assert table.facts["network"] == "lenet5"
    assert table.facts["preprocessing"] == GREY.to_dict()
    assert "as best.json says" in table.notes[0]
    ours(tmp_path, classes=["0", "1", "2", "3"], overwrite=True)
    assert len(predict(photos[0], weights=weights).notes) == 1  # digits are names here


def test_a_checkpoint_of_torchvision(photos: list[Path], tmp_path: Path) -> None:
    """Its number of classes and its crop at another resolution, by its own transforms."""
    module = small_v2()
    weights = theirs(tmp_path / "v2.pth", module)
    table = predict(*photos, weights=weights, model="mobilenet_v2", **SMALL)
    prepare = transforms.Compose(
        [
            transforms.Resize(36),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    for path in photos:
        with Image.open(path) as image:
            expected = softmax(module, prepare(image.convert("RGB")))
        got = {int(row.name): row.probability for row in table.rows if row.image == str(path)}
        assert [got[number] for number in range(4)] == pytest.approx(expected, abs=1e-5)
        assert max(expected) - min(expected) > 0.01
    assert "Classes are numbers" in table.notes[1]


def test_top_and_a_thousand_classes(photos: list[Path], tmp_path: Path) -> None:
    """They are ImageNet's, and softmax of them all is 1 in single precision."""
    weights = theirs(tmp_path / "v2.pth", small_v2(num_classes=1000))
    tables = [
        predict(photos[0], weights=weights, model="mobilenet_v2", top=top, **SMALL)
        for top in (3, 5000)
    ]
    assert [len(table.rows) for table in tables] == [3, 1000]
    assert tables[1].rows[:3] == tables[0].rows
    total = math.fsum(row.probability for row in tables[1].rows)
    assert total == pytest.approx(1, abs=1e-5)
    assert {row.name for row in tables[1].rows} == set(imagenet_names())
    assert imagenet_names()[:2] == ("tench", "goldfish")
    assert imagenet_names()[967] == "espresso"


def test_one_image_does_not_depend_on_the_others(photos: list[Path], tmp_path: Path) -> None:
    weights, _ = ours(tmp_path)
    alone = [row for path in photos for row in predict(path, weights=weights).rows]
    assert (*alone,) == predict(*photos, weights=weights).rows


def test_input_channels_are_told_by_the_weights(photos: list[Path], tmp_path: Path) -> None:
    module = registry.build("mobilenet_v2", width=0.25, in_channels=1, classes=3)
    save_weights(module, tmp_path / "grey.safetensors")
    options = {"weights": tmp_path / "grey.safetensors", "model": "mobilenet_v2", **SMALL}
    table = predict(photos[0], **options)
    assert (table.facts["settings"]["in_channels"], table.facts["settings"]["classes"]) == (1, 3)
    assert table.facts["preprocessing"]["mean"] == pytest.approx([0.449])
    assert "assumed" in table.notes[0]
    changed = predict(photos[0], **options, mean=(0.1,), std=(0.3,))
    assert changed.facts["preprocessing"]["mean"] == [0.1]
    assert "as asked for" in changed.notes[0]
    with pytest.raises(LabError, match="mean and std are 1 numbers each"):
        predict(photos[0], **options, mean=(0.1,) * 3, std=(0.3,) * 3)


def test_what_was_asked_for(photos: list[Path], tmp_path: Path) -> None:
    """Resolution scales what is resized; each override changes what the network says."""
    weights, _ = ours(tmp_path)
    usual = predict(photos[0], weights=weights).rows
    for change in (
        {"resize": 33}, {"interpolation": "bilinear"}, {"mean": (0.5,)}, {"std": (0.25,)},
    ):  # fmt: skip
        table = predict(photos[0], weights=weights, **change)
        assert table.rows != usual
        key, value = change.popitem()
        assert table.facts["preprocessing"][key] == ([*value] if key in ("mean", "std") else value)
    v2 = theirs(tmp_path / "v2.pth", small_v2())
    table = predict(
        photos[0], weights=v2, model="mobilenet_v2", width=0.25, resolution="32x64", top=1
    )
    said = table.facts["preprocessing"]
    assert (said["crop"], said["resize"]) == ([32, 64], 73)
    with pytest.raises(LabError, match="crop of 32x32 does not fit an image resized to 20"):
        predict(photos[0], weights=weights, resize=20)


# Whose weights


def test_a_sorted_file_of_others_gets_its_order_back(photos: list[Path], tmp_path: Path) -> None:
    """.safetensors of torchvision and timm, at any width."""
    cases: list[tuple[str, nn.Module, float]] = [
        ("mobilenet_v2", small_v2(), 0.25),
        ("mobilenet_v2", awake(timm.create_model("mobilenetv2_035", num_classes=4)), 0.35),
        ("shufflenet_v2", awake(models.shufflenet_v2_x1_0(num_classes=4)), 0),
    ]
    for number, (name, module, width) in enumerate(cases):
        settings = {"resolution": 32} | ({"width": width} if width else {})
        state = module.state_dict()
        path = tmp_path / f"{number}.safetensors"
        save_file(dict(sorted(state.items())), path)
        kept = theirs(tmp_path / f"{number}.pth", module)
        got, expected = (
            predict(photos[0], weights=each, model=name, **settings).rows for each in (path, kept)
        )
        assert got == expected


def test_a_sorted_file_of_unknown_names_is_refused(photos: list[Path], tmp_path: Path) -> None:
    state = {f"net.{name}": value for name, value in small_v2().state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(LabError, match="has lost the order of its layers"):
        predict(photos[0], weights=tmp_path / "net.safetensors", model="mobilenet_v2", **SMALL)


def test_origins() -> None:
    tell = origins.origin_of
    assert tell(["features.0.0.weight"], Path("a.pth")) == "torchvision"
    assert tell(["conv_stem.weight"], Path("a.pth")) == "timm"
    assert tell(["conv_stem.weight"], Path("tf_mixnet_s-89d3354b.pth")) == "tensorflow"
    assert tell(["_conv_stem.weight"], Path("a.pth")) == "tensorflow"
    for name, origin in (("tf_mixnet_s", "tensorflow"), ("resnet18", "timm")):
        assert tell(["conv1.weight"], Path("a.bin"), {"architecture": name}) == origin


def test_the_origin_can_be_told(photos: list[Path], tmp_path: Path) -> None:
    """timm's ResNet has torchvision's names; what its images go through differs."""
    weights = theirs(tmp_path / "v2.pth", small_v2())
    said = [
        predict(photos[0], weights=weights, model="mobilenet_v2", origin=origin, **SMALL).facts
        for origin in ("torchvision", "timm", "tensorflow")
    ]
    preparations = [each["preprocessing"] for each in said]
    assert [each["interpolation"] for each in preparations] == ["bilinear", "bicubic", "bilinear"]
    assert [each["mean"][0] for each in preparations] == [0.485, 0.485, 0.5]


def test_timm_s_json_is_read(photos: list[Path], tmp_path: Path) -> None:
    module = awake(timm.create_model("mobilenetv2_035", num_classes=4))
    weights = theirs(tmp_path / "pytorch_model.bin", module)
    card = {
        "architecture": "mobilenetv2_035",
        "pretrained_cfg": {
            "input_size": [3, 32, 48], "crop_pct": 0.9, "interpolation": "bilinear",
            "mean": [0, 0, 0], "std": [1, 1, 1], "crop_mode": "center",
        },
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(card))
    options = {"weights": weights, "model": "mobilenet_v2", "width": 0.35}
    expected = Preprocessing(53, (32, 48), (0, 0, 0), (1, 1, 1))
    assert predict(photos[0], **options).facts["preprocessing"] == expected.to_dict()
    at_64 = predict(photos[0], **options, resolution=64).facts["preprocessing"]
    assert (at_64["crop"], at_64["resize"]) == ([64, 64], 64 * 53 // 48)
    card["pretrained_cfg"]["crop_mode"] = "squash"
    (tmp_path / "config.json").write_text(json.dumps(card))
    assert predict(photos[0], **options).facts["preprocessing"]["crop"] == [224, 224]


def test_torchvision_s_weights_are_known_by_their_file(photos: list[Path], tmp_path: Path) -> None:
    module = awake(models.mobilenet_v2())
    url = MobileNet_V2_Weights.IMAGENET1K_V2.url
    weights = theirs(tmp_path / url.rpartition("/")[2], module)
    table = predict(photos[0], weights=weights, model="mobilenet_v2", top=1)
    assert table.facts["preprocessing"]["resize"] == 232
    assert "MobileNet_V2_Weights.IMAGENET1K_V2" in table.notes[0]


# Labels


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.txt", "cat\ncup\r\n dog \nowl\n\n"),
        ("names.json", '["cat", "cup", "dog", "owl"]'),
        ("names.json", '{"0": "cat", "1": "cup", "3": "owl", "2": "dog"}'),
        ("names.json", '{"0": ["n1", "cat"], "1": ["n2", "cup"], "2": ["dog"], "3": "owl"}'),
        ("names.json", '{"owl": 3, "cat": 0, "cup": 1, "dog": 2}'),
    ],
)
def test_labels(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert read_labels(tmp_path / name) == CLASSES


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"", "names no class"),
        ("a.txt", b"cat\n\ndog", "has no name for class 1"),
        ("a.txt", b"\xff\xfe\x00", "is no text in UTF-8"),
        ("a.json", b"{", "is no JSON"),
        ("a.json", b"3", "is no list of classes"),
        ("a.json", b"[]", "names no class"),
        ("a.json", b'["cat", 3]', "has no name for class 1"),
        ("a.json", b'{"0": "cat", "2": "dog"}', "has no name for class 1"),
        ("a.json", b'{"0": []}', "has no name for class 0"),
    ],
)
def test_bad_labels(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabError, match=told):
        read_labels(tmp_path / name)


def test_labels_in_the_table(photos: list[Path], tmp_path: Path) -> None:
    weights, _ = ours(tmp_path)
    usual = predict(photos[0], weights=weights)
    other = predict(photos[0], weights=weights, labels=("a", "b", "c", "d"))
    letters = dict(zip(CLASSES, "abcd", strict=True))
    assert [row.name for row in other.rows] == [letters[row.name] for row in usual.rows]
    (tmp_path / "three.txt").write_text("a\nb\nc")
    with pytest.raises(LabError, match=r"three\.txt names 3 classes; the network has 4"):
        predict(photos[0], weights=weights, labels=tmp_path / "three.txt")
    with pytest.raises(LabError, match=r"cannot read .*none\.txt"):
        predict(photos[0], weights=weights, labels=tmp_path / "none.txt")


# What is refused


def test_a_bad_image_stops_or_is_skipped(photos: list[Path], tmp_path: Path) -> None:
    weights, _ = ours(tmp_path)
    bad = tmp_path / "bad.png"
    bad.write_bytes(photos[0].read_bytes()[:900])
    with pytest.raises(LabError, match=r"bad\.png is damaged"):
        predict(photos[0], bad, photos[1], weights=weights)
    table = predict(photos[0], bad, photos[1], weights=weights, on_bad_image="skip")
    assert table.rows == predict(*photos, weights=weights).rows
    assert len(table.facts["skipped"]) == 1
    assert table.notes[-1].startswith(f"Skipped: {bad} is damaged")
    with pytest.raises(LabError, match=r"none of the images can be read; the first: .*bad\.png"):
        predict(bad, weights=weights, on_bad_image="skip")


def broken(path: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    state = small_v2().state_dict()
    change(state)
    torch.save(state, path)
    return path


def test_weights_of_another_network_are_named(photos: list[Path], tmp_path: Path) -> None:
    weights = theirs(tmp_path / "v2.pth", small_v2())
    for model, options in (("resnet18", {}), ("mobilenet_v2", {"width": 0.5})):
        with pytest.raises(LabError) as caught:
            predict(photos[0], weights=weights, model=model, **options)
        sentence = str(caught.value)
        assert f"v2.pth does not fit {model}: tensor 1: stem.conv.weight takes" in sentence
        assert sentence.endswith("; it fits mobilenet_v2 at width 0.25")
    with pytest.raises(LabError, match="give its name as model; it fits mobilenet_v2 at width 0"):
        predict(photos[0], weights=weights)
    foreign = theirs(tmp_path / "v3.pth", timm.create_model("mobilenetv3_small_075"))
    with pytest.raises(LabError, match=r"it fits mobilenet_v3_small at width 0\.75$"):
        predict(photos[0], weights=foreign, model="mobilenet_v3_large")


def test_damaged_weights(photos: list[Path], tmp_path: Path) -> None:
    options = {"model": "mobilenet_v2", **SMALL}
    cases: list[tuple[Callable[[dict[str, torch.Tensor]], Any], str]] = [
        (lambda state: state["classifier.1.bias"].fill_(math.nan), "the scores are not finite"),
        (lambda state: state.pop("classifier.1.bias"), "nothing is left for classifier.linear"),
        (lambda state: state.update({"x.bias": torch.zeros(3)}), r"nothing here takes x\.bias"),
    ]
    for change, told in cases:
        with pytest.raises(LabError, match=told):
            predict(photos[0], weights=broken(tmp_path / "broken.pth", change), **options)
    torch.save({"bias": torch.zeros(3)}, tmp_path / "no.pth")
    with pytest.raises(LabError, match="no weights of a convolution"):
        predict(photos[0], weights=tmp_path / "no.pth", **options)
    torch.save({"code": subprocess.run}, tmp_path / "code.pth")
    with pytest.raises(LabError, match="refused, and none of it ran"):
        predict(photos[0], weights=tmp_path / "code.pth", **options)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 2}, "does not describe a checkpoint of the lab"),
        ({"network": 3}, "does not say network, settings and classes"),
        ({"classes": [1, 2, 3, 4]}, "does not say network, settings and classes"),
        ({"classes": ["cat"]}, "has 4 classes, its JSON names 1"),
        ({"preprocessing": {"resize": 3}}, "preprocessing is told by"),
        ({"network": "lenet55"}, "did you mean lenet5"),
        ({"settings": {"wide": 2}}, "option of lenet5 'wide'"),
    ],
)
def test_a_bad_json_beside_the_weights(
    changes: dict[str, Any], told: str, photos: list[Path], tmp_path: Path
) -> None:
    weights, _ = ours(tmp_path, **changes)
    with pytest.raises(LabError, match=told):
        predict(photos[0], weights=weights)


def test_wrong_use(photos: list[Path], tmp_path: Path) -> None:
    weights, _ = ours(tmp_path)
    for options, told in (
        ({"top": 0}, "top is a whole number from 1"),
        ({"top": True}, "top is a whole number from 1"),
        ({"model": "mobilenet_v2"}, "holds lenet5, not mobilenet_v2"),
        ({"interpolation": "nearest"}, "unknown interpolation 'nearest'"),
        ({"std": (0,)}, "std is above 0"),
        ({"wide": 1}, "option of lenet5 'wide'"),
        ({"weights": tmp_path / "none.pth"}, "cannot read .*none"),
    ):
        with pytest.raises(LabError, match=told):
            predict(photos[0], **{"weights": weights, **options})
    for options in ({"on_bad_image": "go"}, {"origin": "keras"}):
        with pytest.raises(UnknownNameError):
            predict(photos[0], weights=weights, **options)
    with pytest.raises(LabError, match="there is no image"):
        predict(weights=weights)
    v2 = theirs(tmp_path / "v2.pth", small_v2())
    with pytest.raises(LabError, match="is for detection; predict takes classifiers"):
        predict(photos[0], weights=v2, model="yolov5n")
    four = theirs(tmp_path / "four.pth", timm.create_model("mobilenetv2_035", in_chans=4))
    with pytest.raises(LabError, match="1 channel or 3; this network reads 4"):
        predict(photos[0], weights=four, model="mobilenet_v2", width=0.35)


# On the command line


def test_the_verb(photos: list[Path], tmp_path: Path) -> None:
    weights, _ = ours(tmp_path)
    options = ["--weights", str(weights), "--top", "2"]
    ran = CliRunner().invoke(app, ["predict", *map(str, photos), *options, "--format", "json"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    expected = lab.predict(*photos, weights=weights, top=2)
    assert json.loads(ran.stdout)["rows"] == expected.records()
    assert set(json.loads(ran.stdout)["rows"][0]) == {"image", "rank", "class", "probability"}
    output = tmp_path / "answer.csv"
    arguments = ["predict", str(photos[0]), *options, "--mean", "0.5", "--output", str(output)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    written = output.read_text()
    assert written.startswith("image,rank,class,probability\n")
    assert len(written.splitlines()) == 3
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    shown = CliRunner().invoke(app, ["predict", str(photos[0]), *options]).stdout
    assert str(photos[0]) in shown
    assert "%" in shown


def test_the_verb_refuses_in_one_sentence(photos: list[Path], tmp_path: Path) -> None:
    weights, _ = ours(tmp_path)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    for arguments, told in (
        ([str(bad)], "bad.png is an empty file"),
        ([str(photos[0]), "--mean", "a"], "--mean takes numbers with commas between, not 'a'"),
        ([str(photos[0]), "--std", "0.5,"], "--std takes numbers"),
    ):
        ran = CliRunner().invoke(app, ["predict", *arguments, "--weights", str(weights)])
        assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
        assert told in ran.stderr
    skipped = CliRunner().invoke(
        app,
        ["predict", str(bad), str(photos[0]), "--weights", str(weights), "--on-bad-image", "skip"],
    )
    assert skipped.exit_code == 0
    assert "Skipped: " in skipped.stdout


@pytest.mark.parametrize("package", ["torch", "torchvision", "PIL", "safetensors"])
def test_a_missing_package_is_named(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; from mobilenet_lab.cli import app; "
        "app(['predict', 'a.png', '--weights', 'b.pth'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 2, ran.stderr
    name = {"PIL": "pillow"}.get(package, package)
    assert f"needs {name}, which is not installed" in ran.stderr
    assert "Traceback" not in ran.stderr
