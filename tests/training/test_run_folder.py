"""The folder of a run: nothing is overwritten, and a kill at any moment loses nothing."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobilenet_lab.errors import LabError
from mobilenet_lab.training import run_folder
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Epoch
from mobilenet_lab.training.run_folder import (
    LAST,
    LAST_MODEL,
    LAST_OPTIMISER,
    agreed,
    begin,
    best,
    commit,
    digest,
    free_folder,
    latest_folder,
    metrics_csv,
    read_json,
    read_progress,
    settle,
    to_json,
)

RECIPE = Recipe("lenet5", "digits", settings={"resolution": (32, 48)}, epochs=3)


def epoch(number: int, accuracy: float = 0.5, loss: float = 1.0) -> Epoch:
    return Epoch(number, 1e-3, 2.0, 0.25, loss, accuracy, 100.0, 1.5)


def checkpoint(number: int) -> dict[str, bytes]:
    """What a run writes after an epoch, with other tensors each time."""
    tensors = {name: f"{name} {number}".encode() for name in (LAST_MODEL, LAST_OPTIMISER)}
    history = [epoch(each) for each in range(1, number + 1)]
    about = {
        "recipe": RECIPE.__dict__,
        "history": [each._asdict() for each in history],
        "files": {name: digest(content) for name, content in tensors.items()},
    }
    return {LAST: to_json(about), **tensors, "metrics.csv": metrics_csv(history)}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run after its first epoch."""
    folder = tmp_path / "run"
    begin(folder, RECIPE)
    commit(folder, checkpoint(1))
    return folder


def test_a_run_is_begun_with_its_recipe_and_resumed_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    begin(folder, RECIPE)
    assert [*contents(folder)] == ["recipe.json"]
    assert read_progress(folder) == run_folder.Progress(RECIPE)


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    begin(tmp_path, RECIPE)
    assert (tmp_path / "recipe.json").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("recipe.json", "holds a run already"),
        ("last.json", "holds a run already"),
        ("best.safetensors", "is not empty"),
        ("notes.txt", "is not empty"),
    ],
)
def test_nothing_is_overwritten(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(LabError, match=told):
        begin(tmp_path, RECIPE)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(LabError, match="Not a directory"):
            begin(folder, RECIPE)
    assert (tmp_path / "file").read_text() == "mine"


def test_folders_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match="no run of lenet5"):
        latest_folder("lenet5")
    made = []
    for _ in range(3):
        made.append(free_folder("lenet5"))
        begin(made[-1], RECIPE)
        assert latest_folder("lenet5") == made[-1]
    assert [str(folder) for folder in made] == ["runs/lenet5", "runs/lenet5-2", "runs/lenet5-3"]
    assert free_folder("vgg16") == Path("runs/vgg16")


def test_what_was_written_is_read(run: Path) -> None:
    found = read_progress(run)
    assert found.recipe == RECIPE
    assert found.history == (epoch(1),)
    assert found.files == {name: checkpoint(1)[name] for name in (LAST_MODEL, LAST_OPTIMISER)}
    assert {path.name for path in run.iterdir()} == {"recipe.json", *checkpoint(1)}


class Killed(BaseException):
    """The process is gone: nothing of it cleans up."""


def fail_at(monkeypatch: pytest.MonkeyPatch, moment: int, error: BaseException) -> None:
    """What touches the disk works `moment` times and then fails."""
    left = [moment]

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise error
            return real(*arguments)

        return call

    for name in ("replace", "fsync"):
        monkeypatch.setattr(os, name, counting(name, getattr(os, name)))
    monkeypatch.setattr(Path, "unlink", counting("unlink", Path.unlink))


DECIDED = 9
"""Of four files, each is synchronised and renamed; the folder once, before the last of them."""
DONE = DECIDED + 5
"""Four take their names, and the folder is synchronised."""


def killed(action: Callable[[], None], moment: int) -> bool:
    """Whether a kill at that moment came before the end of it."""
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, moment, Killed())
        try:
            action()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("moment", range(DONE + 2))
def test_a_kill_at_any_moment_leaves_all_of_one_epoch(run: Path, moment: int) -> None:
    before = contents(run)
    assert killed(lambda: commit(run, checkpoint(2)), moment) is (moment < DONE)
    number = len(read_progress(run).history)
    assert number == (2 if moment >= DECIDED else 1)
    assert contents(run) == {**before, **checkpoint(number)}


@pytest.mark.parametrize("moment", range(0, DONE - 2, 3))
@pytest.mark.parametrize("again", range(4))
def test_a_kill_while_it_is_settled_changes_nothing(run: Path, moment: int, again: int) -> None:
    before = contents(run)
    killed(lambda: commit(run, checkpoint(2)), moment)
    killed(lambda: settle(run), again)
    number = len(read_progress(run).history)
    assert number == (2 if moment >= DECIDED else 1)
    assert contents(run) == {**before, **checkpoint(number)}


@pytest.mark.parametrize("moment", range(9))
def test_a_full_disk_leaves_what_was_there(run: Path, moment: int) -> None:
    before = contents(run)
    with pytest.MonkeyPatch.context() as patch:
        full_at(patch, moment)
        with pytest.raises(LabError, match=r"^cannot write .*: No space left on device$"):
            commit(run, checkpoint(2))
    assert contents(run) == before


def full_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """From `moment` on nothing more can be written; files can still be removed."""
    left = [moment]

    def write(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments)

        return call

    for name in ("replace", "fsync"):
        monkeypatch.setattr(os, name, write(getattr(os, name)))


def test_there_may_be_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(LabError, match="there is no run in"):
            read_progress(folder)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def changed(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


@pytest.mark.parametrize("name", [LAST_MODEL, LAST_OPTIMISER, LAST])
@pytest.mark.parametrize("damage", [cut, changed, lambda content: b"", None])
def test_damage_is_told(run: Path, name: str, damage: Callable[[bytes], bytes] | None) -> None:
    path = run / name
    if damage is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(LabError, match=str(path)) as told:
        read_progress(run)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": {}},
        {"recipe": {**RECIPE.__dict__, "epochs": "many"}},
        {"history": []},
        {"history": [{"epoch": 1}]},
        {"history": [epoch(2)._asdict()]},
        {"files": {}},
        {"files": {"../last.json": "0" * 64}},
        {"format": 2},
    ],
)
def test_a_json_of_another_kind_is_told(run: Path, other: Mapping[str, Any]) -> None:
    (run / LAST).write_bytes(to_json({**read_json(run / LAST), **other}))
    with pytest.raises(LabError, match=str(run / LAST)):
        read_progress(run)


# What may change in a resumed run


def test_a_resumed_run_keeps_its_recipe() -> None:
    given = {"data": "digits", "model": "lenet5", "settings": {"resolution": (32, 48)}}
    assert agreed(RECIPE, given, done=1) == RECIPE
    assert agreed(RECIPE, {**given, "workers": 2}, done=1) == replace(RECIPE, workers=2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": "vgg16"}, "the run has model 'lenet5', not 'vgg16'"),
        ({"data": "fashion-mnist"}, "data 'digits', not 'fashion-mnist'"),
        ({"learning_rate": 0.1}, "learning_rate 0.001, not 0.1"),
        ({"settings": {"resolution": (32, 32)}}, r"settings resolution=\(32, 48\), not"),
        ({"settings": {"width": 0.5}}, r"settings resolution=\(32, 48\), not .* width=0.5"),
        ({"epochs": 4}, "epochs 3, not 4: its schedule depends on them"),
        ({"seed": 1}, "seed 0, not 1"),
    ],
)
def test_another_recipe_is_refused(given: Mapping[str, Any], told: str) -> None:
    with pytest.raises(LabError, match=told):
        agreed(RECIPE, given, done=1)


def test_a_constant_rate_allows_other_epochs_but_not_fewer_than_are_done() -> None:
    kept = replace(RECIPE, schedule="constant")
    assert agreed(kept, {"epochs": 9}, done=3).epochs == 9
    with pytest.raises(LabError, match="has done 3 epochs already, more than 2"):
        agreed(kept, {"epochs": 2}, done=3)


# What is told of epochs


def test_the_best_epoch_is_the_most_accurate_then_that_of_the_least_loss_then_the_first() -> None:
    assert best([epoch(1, 0.5, 0.1), epoch(2, 0.6, 0.9), epoch(3, 0.4, 0.05)]).epoch == 2
    assert best([epoch(1, 0.6, 0.9), epoch(2, 0.6, 0.8), epoch(3, 0.6, 0.85)]).epoch == 2
    assert best([epoch(1), epoch(2)]).epoch == 1


def test_metrics_have_a_row_for_each_epoch_in_full() -> None:
    rows = metrics_csv([epoch(1, accuracy=1 / 3)]).decode().splitlines()
    assert rows == [
        "epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,"
        "images_per_second,seconds",
        "1,0.001,2.0,0.25,1.0,0.3333333333333333,100.0,1.5",
    ]
