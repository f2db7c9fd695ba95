"""Two processes, started by torchrun on one machine, train as one does."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from mobilenet_lab import registry
from mobilenet_lab.drawings import training_charts
from mobilenet_lab.errors import LabError
from mobilenet_lab.fine_tuning import train
from mobilenet_lab.training.data_torch import open_data
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Epoch, Step
from mobilenet_lab.training.run_folder import read_json, read_progress
from training.runs import make_images

TESTS = Path(__file__).parents[1]
SMALL = {"model": "mobilenet_v2", "width": 0.1, "resolution": 32}
FROZEN = {"model": "mobilenet_v1", "width": 0.1, "resolution": 32, "freeze": "features"}
"""No dropout: each process would draw its own."""


class Two(NamedTuple):
    """What both processes told of each run, and where the runs are."""

    folder: Path
    options: dict[str, dict[str, Any]]
    told: list[dict[str, dict[str, Any]]]


@pytest.fixture(autouse=True, scope="module")
def without_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_charts, "save", lambda folder: None)
        yield


def stop(event: Step | Epoch) -> None:
    """Interrupts a run in its second epoch."""
    if event.epoch == 2:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """All runs of this file, in one pair of processes."""
    folder = tmp_path_factory.mktemp("two")
    images, bad = str(make_images(folder / "images")), make_images(folder / "bad")
    for name in ("train/class0/3.png", "train/class1/4.png", "val/class1/4.png"):
        (bad / name).write_bytes((bad / name).read_bytes()[:40])
    lenet = {"data": images, "model": "lenet5", "epochs": 2, "seed": 1}
    options: dict[str, dict[str, Any]] = {
        # 359 images in steps of 49 (24 and 25 of them), the last of 16
        "digits": {**lenet, "data": "digits", "validation": 0.8, "batch_size": 49, "epochs": 1},
        # 21 images in steps of 10: of the last, one process has an image and the other none
        "frozen": {**FROZEN, "data": images, "batch_size": 10, "epochs": 2},
        "resumed": {**lenet, "batch_size": 8, "optimiser": "sgd", "learning_rate": 0.1},
        "skipped": {**lenet, "data": str(bad), "batch_size": 2, "on_bad_image": "skip"},
        "batch norm": {**SMALL, "data": images, "batch_size": 7, "epochs": 1},
        "stopped": {**lenet, "data": str(bad), "batch_size": 8},
        "twice": {**lenet, "batch_size": 8},
    }
    with pytest.raises(KeyboardInterrupt):
        train(**options["resumed"], output=folder / "resumed", watch=stop)
    (folder / "twice").mkdir()
    (folder / "twice" / "recipe.json").write_text("mine")
    runs = [
        {**each, "output": str(folder / name), "resume": name == "resumed"}
        for name, each in options.items()
    ]
    (folder / "runs.json").write_text(json.dumps(runs))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(port)),
            *(str(TESTS / "training" / "distributed_script.py"), str(folder / "runs.json")),
        ],
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        | {"PYTHONPATH": str(TESTS.parent)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads((folder / f"runs.rank{rank}").read_text()) for rank in (0, 1)]
    return Two(folder, options, [dict(zip(options, told, strict=True)) for told in found])


@pytest.mark.parametrize("name", ["digits", "frozen", "resumed", "skipped"])
def test_two_processes_give_what_one_gives(two: Two, tmp_path: Path, name: str) -> None:
    run = train(**two.options[name], output=tmp_path / "run")
    for file in ("last.safetensors", "last.optimiser.safetensors", "best.safetensors"):
        one, other = load_file(tmp_path / "run" / file), load_file(two.folder / name / file)
        assert one.keys() == other.keys()
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-3, atol=1e-5, msg=key)
    history = read_progress(two.folder / name).history
    for mine, theirs in zip(run.history, history, strict=True):
        assert theirs[:6] == pytest.approx(mine[:6], rel=1e-4)
    assert read_json(two.folder / name / "best.json")["confusion"] == run.confusion
    assert sorted(two.told[0][name]["skipped"]) == sorted(run.skipped)


def test_both_know_the_result_and_only_the_main_one_watches(two: Two) -> None:
    for name in ("digits", "frozen", "resumed", "skipped", "batch norm"):
        watched = [told[name].pop("watched") for told in two.told]
        assert watched[0] > 0
        assert watched[1] == 0
        assert two.told[0][name] == two.told[1][name]


def test_frozen_features_are_the_same_to_the_bit(two: Two, tmp_path: Path) -> None:
    """No statistics either: those of frozen layers are not even averaged."""
    with pytest.raises(KeyboardInterrupt):
        train(**two.options["frozen"], output=tmp_path / "run", watch=stop)
    one = load_file(tmp_path / "run" / "last.safetensors")
    other = load_file(two.folder / "frozen" / "last.safetensors")
    assert {key.split(".")[0] for key in one if not torch.equal(one[key], other[key])} == {
        "classifier"
    }


def test_batch_norm_sees_its_own_process_and_a_note_says_so(two: Two) -> None:
    assert "images of its own process" in two.told[0]["batch norm"]["text"]
    for name in ("digits", "frozen"):
        assert "its own process" not in two.told[0][name]["text"]


def test_both_validate_the_network_that_is_kept(two: Two) -> None:
    """Its running statistics are means of both processes'."""
    about = read_json(two.folder / "batch norm" / "best.json")
    module = registry.build(about["network"], **about["settings"]).eval()
    module.load_state_dict(load_file(two.folder / "batch norm" / "best.safetensors"))
    val = open_data(Recipe("mobilenet_v2", str(two.folder / "images"), {"resolution": 32})).val
    pairs = [val[0, index] for index in range(len(val))]
    with torch.no_grad():
        scores = module(torch.stack([image for image, _ in pairs]))
    loss = cross_entropy(scores, torch.tensor([label for _, label in pairs]))
    assert about["val_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_an_error_of_one_process_is_told_by_both(two: Two) -> None:
    """Of two bad images, each process has one at another time."""
    for name, told in (("stopped", "4.png|3.png"), ("twice", "holds a run already")):
        errors = {each[name]["error"] for each in two.told}
        assert len(errors) == 1
        with pytest.raises(LabError, match=told):
            raise LabError(errors.pop())
    assert (two.folder / "twice" / "recipe.json").read_text() == "mine"
