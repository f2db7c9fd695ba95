"""The recorded run of docs/training.md: our MobileNetV2 and torchvision's, by one recipe.

    export OMP_NUM_THREADS=1
    python docs/record_training.py fashion-mnist runs/recorded ours
    python docs/record_training.py fashion-mnist runs/recorded torchvision
    python docs/record_training.py fashion-mnist runs/recorded report

Both begin with the same weights, and see the same images in the same order with the same
augmentation and dropout. Ours is what the command does that is printed by the report; torchvision's
module is given to the same loop. Each run has a folder of its own, and the report is report.json.
"""

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torchvision import models

from mobilenet_lab import fine_tuning
from mobilenet_lab.drawings import training_charts
from mobilenet_lab.training import loop_torch, processes_torch, run_folder
from mobilenet_lab.training.data_torch import loader, open_data
from mobilenet_lab.training.display import display
from mobilenet_lab.training.loop_torch import Network
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.weights import load_weights

MODEL, WIDTH, SIDE = "mobilenet_v2", 0.25, 32
OPTIONS: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 128,
    "learning_rate": 0.003,
    "augmentation": "flip",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", choices=["ours", "torchvision", "report"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    recipe = Recipe(
        MODEL,
        given.data,
        {"width": WIDTH, "resolution": (SIDE, SIDE)},
        seed=given.seed,
        **OPTIONS,
    )
    if given.step == "report":
        report(recipe, given.folder)
    else:
        (ours if given.step == "ours" else torchvisions)(recipe, given.folder / given.step)


def report(recipe: Recipe, folder: Path) -> None:
    """Writes what both runs gave, and on what."""
    options = {"width": WIDTH, "resolution": SIDE, **OPTIONS, "seed": recipe.seed}
    flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in options.items())
    histories = {
        name: run_folder.read_json(folder / name / run_folder.LAST)["history"]
        for name in ("ours", "torchvision")
    }
    apart = {
        key: max(abs(one[key] - other[key]) for one, other in zip(*histories.values(), strict=True))
        for key in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    }
    found = {
        "command": f"mobilenet-lab train fashion-mnist --model {MODEL} {flags}",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "accelerate")},
        },
        "processor": processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "first loss": first_losses(recipe),
        "largest difference over the epochs": apart,
        "seconds": {name: sum(row["seconds"] for row in rows) for name, rows in histories.items()},
        "equal tensors at the end": equal_tensors(recipe, folder),
        "runs": histories,
    }
    text = json.dumps(found, indent=1)
    (folder / "report.json").write_text(text + "\n")
    print(text)


def modules(recipe: Recipe) -> tuple[Network, torch.nn.Module]:
    """Ours as the command begins with it, and torchvision's with the same weights."""
    data = open_data(recipe)
    with torch.random.fork_rng(devices=[]):
        network = fine_tuning._network(recipe, data, fresh=True)
    theirs = models.mobilenet_v2(width_mult=WIDTH, num_classes=len(data.classes))
    return network, load_weights(theirs, network.module.state_dict())


def first_losses(recipe: Recipe) -> dict[str, float]:
    """The loss of each on the first batch, with dropout and the statistics of the batch."""
    network, theirs = modules(recipe)
    batch = next(iter(loader(open_data(recipe), recipe, 1, "train")))
    losses = {}
    for name, module in (("ours", network.module), ("torchvision", theirs)):
        torch.manual_seed(0)
        scores = module.train()(batch.images)
        losses[name] = torch.nn.functional.cross_entropy(scores, batch.labels).item()
    return losses


def equal_tensors(recipe: Recipe, folder: Path) -> str:
    """How many tensors of the trained networks are equal to the bit, of how many."""
    network, theirs = modules(recipe)
    trained = []
    for name, module in (("ours", network.module), ("torchvision", theirs)):
        module.load_state_dict(load_file(folder / name / run_folder.LAST_MODEL))
        trained.append(module.state_dict().values())
    equal = [torch.equal(one, other) for one, other in zip(*trained, strict=True)]
    return f"{sum(equal)} of {len(equal)}"


def ours(recipe: Recipe, folder: Path) -> None:
    """What the command does."""
    settings = {"width": WIDTH, "resolution": SIDE}
    with display() as watch:
        fine_tuning.train(
            recipe.data,
            model=MODEL,
            output=folder,
            watch=watch,
            seed=recipe.seed,
            **settings,
            **OPTIONS,
        )


def torchvisions(recipe: Recipe, folder: Path) -> None:
    """The same with torchvision's module."""
    network, theirs = modules(recipe)
    data = open_data(recipe)
    processes_torch.start()
    run_folder.begin(folder, recipe)
    with display() as watch:
        loop_torch.fit(
            recipe,
            data,
            network._replace(module=theirs),
            folder,
            processes_torch.accelerator(recipe.precision),
            run_folder.Progress(recipe),
            watch,
        )
    training_charts.save(folder)


def processor() -> str:
    """What the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
