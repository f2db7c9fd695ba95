"""A run that was stopped, however that was, goes on to the result of one that never stopped."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mobilenet_lab.drawings import training_charts
from mobilenet_lab.errors import LabError
from mobilenet_lab.fine_tuning import train
from mobilenet_lab.training import run_folder
from mobilenet_lab.training.records import Epoch, Step
from training.runs import SMALL, make_images, result

LENET = {"model": "lenet5", "batch_size": 8, "epochs": 3}


@pytest.fixture(autouse=True, scope="module")
def without_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_charts, "save", lambda folder: None)
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"), train=13, val=5)


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of lenet5 that was not stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(images, output=folder, **LENET)
    return folder


class Gone(BaseException):
    """The process is gone: nothing of it cleans up."""


def gone_in(epoch: int) -> Callable[[Step | Epoch], None]:
    """Kills a run in the validation of an epoch."""

    def watch(event: Step | Epoch) -> None:
        if isinstance(event, Step) and (event.epoch, event.phase) == (epoch, "val"):
            raise Gone

    return watch


@pytest.mark.parametrize(
    ("optimiser", "workers", "threads", "network"),
    [
        ("sgd", 0, 1, SMALL),
        ("adamw", 2, 1, SMALL),
        ("adamw", 0, 2, {**LENET, "augmentation": "none"}),
    ],
)
def test_a_resumed_run_has_the_same_result_to_the_bit(
    images: Path,
    tmp_path: Path,
    optimiser: str,
    workers: int,
    threads: int,
    network: dict[str, Any],
) -> None:
    """With dropout, batch norm, augmentation, a warm-up and a cosine; stopped twice."""
    options = {**network, "epochs": 3, "warmup": 1, "optimiser": optimiser, "label_smoothing": 0.1}
    one, other = tmp_path / "one", tmp_path / "other"
    torch.set_num_threads(threads)
    try:
        train(images, output=one, **options)
        for epoch in (1, 3):
            with pytest.raises(Gone):
                train(
                    images,
                    output=other,
                    resume=epoch > 1,
                    workers=workers,
                    watch=gone_in(epoch),
                    **options,
                )
        train(images, output=other, resume=True, workers=0, model=network["model"])
    finally:
        torch.set_num_threads(1)
    assert result(one).keys() >= {"metrics.csv", "last.optimiser.safetensors", "best.json"}
    assert result(one) == result(other)


def test_a_kill_at_any_write_loses_nothing(images: Path, tmp_path: Path, whole: Path) -> None:
    """The process is killed before each of the system's calls that make an epoch last."""
    real = os.replace
    expected, moment, finished = result(whole), 0, False
    while not finished:
        left = moment

        def replace(*arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Gone
            real(*arguments)

        folder = tmp_path / str(moment)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", replace)
            try:
                train(images, output=folder, **LENET)
                finished = True
            except Gone:
                pass
        if not finished:
            started = (folder / "recipe.json").exists()
            train(images, output=folder, resume=started, **LENET)
        assert result(folder) == expected
        moment += 5  # each moment is held by test_run_folder
    assert moment > 30


SCRIPT = """
import sys, torch
from mobilenet_lab.fine_tuning import train
torch.set_num_threads(1)
train(sys.argv[1], output=sys.argv[2], resume=True, model="lenet5")
"""


def test_a_process_that_is_killed_loses_the_running_epoch_at_most(
    images: Path, tmp_path: Path
) -> None:
    options = {**LENET, "epochs": 20, "schedule": "constant"}
    folder, one = tmp_path / "killed", tmp_path / "one"
    train(images, output=one, **options)
    with pytest.raises(Gone):
        train(images, output=folder, watch=gone_in(2), **options)
    running = subprocess.Popen([sys.executable, "-c", SCRIPT, str(images), str(folder)])
    metrics = folder / "metrics.csv"
    while metrics.read_text().count("\n") < 6 and running.poll() is None:
        time.sleep(0.002)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    done = len(run_folder.read_progress(folder).history)
    assert 5 <= done < 20
    run = train(images, output=folder, resume=True, model="lenet5")
    assert len(run.history) == 20
    assert result(folder) == result(one)


def test_a_run_can_be_stopped_in_its_first_epoch(images: Path, tmp_path: Path, whole: Path) -> None:
    with pytest.raises(Gone):
        train(images, output=tmp_path / "run", watch=gone_in(1), **LENET)
    train(images, output=tmp_path / "run", resume=True, model="lenet5")
    assert result(tmp_path / "run") == result(whole)


def test_without_a_folder_the_latest_run_goes_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with pytest.raises(Gone):
            train(images, watch=gone_in(2), **LENET)
    run = train(images, model="lenet5", resume=True)
    assert run.folder == Path("runs/lenet5-2")
    assert [epoch.epoch for epoch in run.history] == [1, 2, 3]
    assert len(run_folder.read_progress(Path("runs/lenet5")).history) == 1


@pytest.fixture
def stopped(images: Path, tmp_path: Path) -> Path:
    """A run after one epoch of three."""
    with pytest.raises(Gone):
        train(images, output=tmp_path / "run", watch=gone_in(2), **LENET)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"learning_rate": 0.5}, "the run has learning_rate 0.001, not 0.5"),
        ({"model": "vgg16", "resolution": 32}, "the run has model 'lenet5', not 'vgg16'"),
        ({"width": 0.5}, "the run has settings as it comes, not width=0.5"),
        ({"epochs": 4}, "epochs 3, not 4: its schedule depends on them"),
    ],
)
def test_another_recipe_is_refused(
    images: Path, stopped: Path, options: dict[str, Any], told: str
) -> None:
    before = result(stopped)
    with pytest.raises(LabError, match=told):
        train(images, output=stopped, resume=True, **{**LENET, **options})
    assert result(stopped) == before


def test_other_data_is_refused(images: Path, stopped: Path, tmp_path: Path) -> None:
    other = make_images(tmp_path / "other", train=13, val=5)
    with pytest.raises(LabError, match="the run has data"):
        train(other, output=stopped, resume=True, **LENET)
    copy = images / "train" / "class0" / "copy.png"
    copy.write_bytes((images / "train" / "class0" / "0.png").read_bytes())
    try:
        with pytest.raises(LabError, match="the data is not as the run began with it, images"):
            train(images, output=stopped, resume=True, **LENET)
    finally:
        copy.unlink()


def test_a_finished_run_says_so(images: Path, whole: Path) -> None:
    before = result(whole)
    steps: list[Step | Epoch] = []
    run = train(images, output=whole, resume=True, watch=steps.append, **LENET)
    assert "The run was finished already" in str(run)
    assert len(run.history) == 3
    assert steps == []
    assert result(whole) == before


def test_a_constant_rate_can_go_on_for_longer(images: Path, tmp_path: Path) -> None:
    options = {**LENET, "schedule": "constant"}
    for folder, epochs in (("long", 3), ("short", 1)):
        train(images, output=tmp_path / folder, **{**options, "epochs": epochs})
    train(images, output=tmp_path / "short", resume=True, epochs=3, model="lenet5")
    short, long = result(tmp_path / "short"), result(tmp_path / "long")
    for found in (short, long):
        if found["best.json"]["epoch"] == 1:
            del found["best.json"]["recipe"]  # as it was then
    assert short == long


@pytest.mark.parametrize("name", ["last.safetensors", "last.optimiser.safetensors", "last.json"])
def test_damage_is_told_and_left_as_it_is(images: Path, stopped: Path, name: str) -> None:
    (stopped / name).write_bytes((stopped / name).read_bytes()[:-100])
    before = {path: path.read_bytes() for path in stopped.iterdir() if path.is_file()}
    with pytest.raises(LabError, match=str(stopped / name)) as told:
        train(images, output=stopped, resume=True, **LENET)
    assert "\n" not in str(told.value)
    assert {path: path.read_bytes() for path in stopped.iterdir() if path.is_file()} == before


def test_a_full_disk_is_told_and_the_run_can_go_on(
    images: Path, tmp_path: Path, whole: Path
) -> None:
    real, written = os.fsync, []

    def fsync(handle: int) -> None:
        written.append(handle)
        if len(written) > 15:  # in the checkpoint of the second epoch
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(LabError, match=r"^cannot write .*run/.*: No space left on device$"):
            train(images, output=folder, **LENET)
    assert len(run_folder.read_progress(folder).history) == 1
    assert not [*folder.glob("*.new"), *folder.glob("*.partial")]
    train(images, output=folder, resume=True, **LENET)
    assert result(folder) == result(whole)


def test_tensorboard_tells_each_epoch_once(images: Path, stopped: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(images, output=stopped, resume=True, **LENET)
    read = events.EventAccumulator(str(stopped / "tensorboard")).Reload()
    found = [(event.step, event.value) for event in read.Scalars("accuracy/val")]
    assert found == [(row.epoch, pytest.approx(row.val_accuracy)) for row in run.history]
