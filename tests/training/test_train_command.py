"""The verb train: its options are the recipe's, what it says and where, and how it is stopped."""

import csv
import io
import os
import re
import signal
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from mobilenet_lab import fine_tuning
from mobilenet_lab.cli import app
from mobilenet_lab.reports.table import Table
from mobilenet_lab.training import run_folder
from mobilenet_lab.training.display import Display, display
from mobilenet_lab.training.recipe import CHOICES, Recipe
from mobilenet_lab.training.records import Epoch, Step
from training.runs import make_images, result

TINY = ("--model", "lenet5", "--batch-size", "16")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def metrics(folder: Path) -> list[dict[str, str]]:
    return [*csv.DictReader((folder / "metrics.csv").read_text().splitlines())]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def finished(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A run of three epochs, and what the command said."""
    folder = tmp_path_factory.mktemp("finished") / "a run"
    return folder, run(images, *TINY, "--epochs", "3", "--output", folder)


# What it says


def test_the_table_tells_the_epochs_and_what_is_left(finished: tuple[Path, Result]) -> None:
    folder, said = finished
    assert said.exit_code == 0, said.stderr
    rows = metrics(folder)
    best = max(rows, key=lambda row: (float(row["val_accuracy"]), -float(row["val_loss"])))
    lines = re.findall(r"^ +([123]) .*?( best)?$", said.stdout, re.M)
    assert [int(number) for number, _ in lines] == [1, 2, 3]
    assert [number for number, mark in lines if mark] == [best["epoch"]]
    assert "lenet5, trained on 21 images of 3 classes" in said.stdout
    assert "held against 7 others" in said.stdout
    assert "Trained: 61,111 of 61,111 parameters." in said.stdout
    assert f"predict IMAGE --weights '{folder / 'best.safetensors'}'" in said.stdout


def test_what_the_table_says_of_predicting_works(
    finished: tuple[Path, Result], images: Path
) -> None:
    folder, _ = finished
    image = next((images / "val" / "class1").iterdir())
    words = ["predict", str(image), "--weights", str(folder / "best.safetensors"), "-f", "csv"]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.stderr
    names = {row["class"] for row in csv.DictReader(io.StringIO(said.stdout))}
    assert names == {"class0", "class1", "class2"}


def test_without_a_terminal_an_epoch_is_a_line(finished: tuple[Path, Result]) -> None:
    folder, said = finished
    rows = metrics(folder)
    lines = said.stderr.splitlines()
    assert len(lines) == len(rows) == 3
    for line, row in zip(lines, rows, strict=True):
        assert line.startswith(f"epoch {row['epoch']}/3: train loss {float(row['train_loss']):.4f}")
        assert f"val loss {float(row['val_loss']):.4f}, accuracy" in line
        assert f"accuracy {float(row['val_accuracy']):.1%}; " in line


def test_the_folder_has_pictures(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    for name in ("curves.png", "confusion.png"):
        with Image.open(folder / name) as picture:
            picture.load()
            assert min(picture.size) > 300
            assert picture.info["Description"]
    with Image.open(folder / "confusion.png") as picture:
        best = run_folder.read_json(folder / "best.json")
        right = sum(best["confusion"][n][n] for n in range(3))
        assert f"{right} of 7 images are right" in picture.info["Description"]
        assert right == round(7 * best["val_accuracy"])


# Its options


def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asks of `fine_tuning.train`, which does nothing."""
    found: dict[str, Any] = {}

    def train(data: str, **options: Any) -> Table:
        found.update(data=data, **options)
        return Table("asked", (), ())

    monkeypatch.setattr(fine_tuning, "train", train)
    return found


def test_every_field_of_a_recipe_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(monkeypatch)
    values: dict[str, Any] = {
        **{key: known[-1] for key, known in CHOICES.items()},
        **{"epochs": 7, "batch_size": 9, "learning_rate": 0.5, "momentum": 0.25, "warmup": 2},
        **{"weight_decay": 0.125, "label_smoothing": 0.5, "seed": 3, "workers": 4},
        **{"validation": 0.75, "weights": "w.safetensors"},
    }
    words = [w for key, value in values.items() for w in (f"--{key.replace('_', '-')}", str(value))]
    network = ["--width", "0.5", "--resolution", "64x96", "--set", "scaling=slim"]
    said = run("images", "--model", "lenet5", *words, *network, "-o", "here", "--resume")
    assert said.exit_code == 0, said.stderr
    assert callable(found.pop("watch"))
    others = {"data": "images", "model": "lenet5", "output": Path("here"), "resume": True}
    shapes = {"width": 0.5, "resolution": "64x96", "scaling": "slim"}
    assert found == {**values, **others, **shapes}
    assert {each.name for each in fields(Recipe)} - {"settings"} <= set(found)


def test_what_is_not_given_is_left_to_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(monkeypatch)
    assert run("images", "--model", "lenet5").exit_code == 0
    del found["watch"]
    assert found == {"data": "images", "model": "lenet5", "output": None, "resume": False}


def test_help_tells_the_defaults_and_choices_of_a_recipe() -> None:
    text = " ".join(run("--help").stdout.split())
    for key in (each.name for each in fields(Recipe)):
        if getattr(Recipe, key, None) is not None:
            start = text.index(f"--{key.replace('_', '-')} ")
            said = text[start : text.index("]", start)]
            assert said.endswith(f"[default: {getattr(Recipe, key)}")
            assert key not in CHOICES or f": {', '.join(CHOICES[key])}. " in said


def test_other_processes_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch)
    assert "asked" in run("images", "--model", "lenet5").stdout
    monkeypatch.setenv("RANK", "1")
    assert run("images", "--model", "lenet5").output == ""


# Errors


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere", "--model", "lenet5"], "nowhere"),
        (["digits", "--model", "lenet55"], "unknown network 'lenet55': did you mean lenet5"),
        (["digits", "--model", "yolov5n"], "yolov5n is for detection"),
        (["digits", *TINY, "--epochs", "0"], "epochs must be a whole number from 1"),
        (["digits", *TINY, "--optimiser", "adam"], "unknown optimiser 'adam': did you mean adamw?"),
        (["digits", *TINY, "--learning-rate", "nan"], "learning_rate must be a number above 0"),
        (["digits", *TINY, "--warmup", "10"], "warmup of 10 epochs leaves none of 10"),
        (["digits", *TINY, "--set", "classes=5"], "the images tell how many classes"),
        (["digits", *TINY, "--set", "depth=5"], "depth"),
        (["IMAGES", *TINY, "--weights", "none.safetensors"], "cannot read none.safetensors"),
    ],
)
def test_wrong_use_is_one_sentence_and_leaves_no_folder(
    words: list[str], says: str, images: Path, tmp_path: Path
) -> None:
    words = [str(images) if word == "IMAGES" else word for word in words]
    said = run(*words, "--output", tmp_path / "run")
    assert (said.exit_code, said.stdout) == (2, "")
    assert says in said.stderr
    assert said.stderr.startswith("Error: ")
    assert said.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_refused(finished: tuple[Path, Result], images: Path) -> None:
    folder, _ = finished
    before = result(folder)
    said = run(images, *TINY, "--output", folder)
    assert said.exit_code == 2
    assert f"{folder} holds a run already" in said.stderr
    assert result(folder) == before


# Stopped


def test_ctrl_c_says_what_is_kept_and_the_run_goes_on_to_the_same(
    finished: tuple[Path, Result],
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = images, *TINY, "--epochs", "3", "--output", tmp_path / "run"
    watch = Display.__call__

    def stop_in_the_third(self: Display, event: Step | Epoch) -> None:
        watch(self, event)
        if isinstance(event, Step) and event.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Display, "__call__", stop_in_the_third)
        said = run(*words)
    assert (said.exit_code, said.stdout) == (130, "")
    last = said.stderr.splitlines()[-1]
    assert "2 of 3 epochs" in last
    assert "resume" in last
    assert len(said.stderr.splitlines()) == 3
    assert "epochs 1 to 2" in description(tmp_path / "run" / "curves.png")
    assert run(*words, "--resume").exit_code == 0
    assert "epochs 1 to 3" in description(tmp_path / "run" / "curves.png")
    assert result(tmp_path / "run") == result(finished[0])


def description(picture: Path) -> str:
    with Image.open(picture) as opened:
        return str(opened.info["Description"])


# Progress on a terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


EPOCH = Epoch(1, 1e-3, 1.5, 0.25, 1.25, 0.5, 800.0, 7.0)


def test_a_terminal_has_bars_with_loss_accuracy_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with display(terminal) as watch:
        for done in (16, 32, 64):
            watch(Step(1, 3, "train", done, 64, 1.625, 0.3125))
        assert watch._bars is not None
        watch._bars.refresh()
        training = plain(terminal)
        assert all(task.time_remaining is not None for task in watch._bars.tasks)
        watch(Step(1, 3, "val", 7, 7, 1.25, 0.5))
        watch(EPOCH)
        watch._bars.refresh()
    shown = plain(terminal)
    assert "64/64 loss 1.6250 accuracy 31.2%" in training
    assert re.search(r"accuracy 31\.2% [\d,]+ images/s", training)
    assert "0/3" in training
    assert "val" in shown
    assert "epoch 1/3: train loss 1.5000, accuracy 25.0%; val loss 1.2500" in shown
    assert "best 50.0% in epoch 1" in shown
    assert "1/3" in shown
    assert max(map(len, re.split(r"[\r\n]+", training))) <= 80


def plain(terminal: Terminal) -> str:
    """What a terminal shows, without colours and moves of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())


def test_a_resumed_run_starts_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with display(terminal) as watch:
        watch(Step(8, 10, "train", 16, 64, 1.0, 0.5))
        assert watch._bars is not None
        watch._bars.refresh()
    assert "7/10" in plain(terminal)


def test_a_dumb_terminal_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    with display(terminal) as watch:
        watch(Step(1, 3, "train", 16, 64, 1.0, 0.5))
        watch(EPOCH)
    assert terminal.getvalue().startswith("epoch 1/3: ")
    assert terminal.getvalue().count("\n") == 1


def test_nothing_is_shown_before_the_first_step() -> None:
    terminal = Terminal()
    with display(terminal):
        pass
    assert terminal.getvalue() == ""


def test_the_bars_are_gone_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()

    def interrupted() -> None:
        with display(terminal) as watch:
            watch(Step(1, 3, "train", 16, 64, 1.0, 0.5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")
