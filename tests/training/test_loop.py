"""The training loop against one written down here, and what it leaves alone."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mobilenet_lab import registry
from mobilenet_lab.drawings import training_charts
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.fine_tuning import Run, train
from mobilenet_lab.training import loop_torch, networks_torch, processes_torch, run_folder
from mobilenet_lab.training.data_torch import batches, open_data
from mobilenet_lab.training.loop_torch import AUXILIARY, Network, fit
from mobilenet_lab.training.randomness import seed_of
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Epoch, Step
from mobilenet_lab.training.run_folder import Progress
from mobilenet_lab.weights import save_weights
from training.runs import SMALL, make_images

LENET = {"model": "lenet5", "batch_size": 8, "epochs": 2}


@pytest.fixture(autouse=True, scope="module")
def without_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_charts, "save", lambda folder: None)
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"))


def recipe_of(data: Path, **options: Any) -> Recipe:
    known = {"width", "resolution", "in_channels"}
    settings = {key: options.pop(key) for key in known & options.keys()}
    return Recipe(data=str(data), settings=settings, **options)


# Against a loop of one's own


def by_hand(
    recipe: Recipe, module: nn.Module, rate: Callable[[int], float]
) -> list[tuple[float, float, float, float]]:
    """Trains a lenet5 on full batches; losses and accuracies, of training and validation."""
    data = open_data(recipe)
    weights = [value for name, value in module.named_parameters() if name.endswith("weight")]
    biases = [value for name, value in module.named_parameters() if name.endswith("bias")]
    decayed = {"params": weights, "weight_decay": recipe.weight_decay}
    groups = [decayed, {"params": biases, "weight_decay": 0.0}]
    optimiser: torch.optim.Optimizer = torch.optim.AdamW(groups)
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(groups, momentum=recipe.momentum)
    step, told = 0, []
    for epoch in range(1, recipe.epochs + 1):
        losses, right = [], []
        order = batches(len(data.train), recipe.batch_size, shuffled_by=(recipe.seed, epoch))
        for indices in order:
            pairs = [data.train[epoch, index] for index in indices]
            labels = torch.tensor([label for _, label in pairs])
            scores = module(torch.stack([image for image, _ in pairs]))
            each = cross_entropy(
                scores, labels, reduction="none", label_smoothing=recipe.label_smoothing
            )
            for group in optimiser.param_groups:
                group["lr"] = rate(step)
            optimiser.zero_grad()
            each.mean().backward()
            optimiser.step()
            losses += each.tolist()
            right += (scores.argmax(1) == labels).tolist()
            step += 1
        pairs = [data.val[0, index] for index in range(len(data.val))]
        labels = torch.tensor([label for _, label in pairs])
        with torch.no_grad():
            scores = module(torch.stack([image for image, _ in pairs]))
        held = cross_entropy(scores, labels, label_smoothing=recipe.label_smoothing).item()
        accuracy = (scores.argmax(1) == labels).float().mean().item()
        told.append((sum(losses) / len(losses), sum(right) / len(right), held, accuracy))
    return told


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_run_is_what_a_plain_loop_gives(images: Path, tmp_path: Path, optimiser: str) -> None:
    """21 images in batches of 8: the last has 5, and counts as 5."""
    options = {"optimiser": optimiser, "learning_rate": 0.05, "weight_decay": 0.3, "epochs": 3}
    options |= {"schedule": "constant", "warmup": 1, "label_smoothing": 0.2, "momentum": 0.7}
    options |= {"model": "lenet5", "batch_size": 8, "seed": 3, "in_channels": 3}
    run = train(images, output=tmp_path / "run", **options)
    torch.manual_seed(seed_of("weights", 3))
    module = registry.build("lenet5", classes=3, in_channels=3)
    told = by_hand(recipe_of(images, **options), module, lambda step: 0.05 * min((step + 1) / 3, 1))
    for epoch, expected in zip(run.history, told, strict=True):
        found = epoch.train_loss, epoch.train_accuracy, epoch.val_loss, epoch.val_accuracy
        assert found == pytest.approx(expected, rel=1e-4)
    last = load_file(tmp_path / "run" / "last.safetensors")
    for name, value in module.state_dict().items():
        torch.testing.assert_close(last[name], value, rtol=1e-3, atol=1e-5)
    assert [epoch.learning_rate for epoch in run.history] == [0.05] * 3


def test_the_best_network_is_kept_with_what_it_said(images: Path, tmp_path: Path) -> None:
    options = {**SMALL, "epochs": 4, "learning_rate": 0.03, "schedule": "constant"}
    run = train(images, output=tmp_path / "run", **options)
    assert run.best == run_folder.best(run.history)
    about = run_folder.read_json(tmp_path / "run" / "best.json")
    assert Epoch(**{key: about[key] for key in Epoch._fields}) == run.best
    module = registry.build(about["network"], **about["settings"])
    module.load_state_dict(load_file(tmp_path / "run" / "best.safetensors"))
    data = open_data(recipe_of(images, **options))
    confusion = torch.zeros(3, 3, dtype=torch.int64)
    with torch.no_grad():
        for image, label in (data.val[0, index] for index in range(len(data.val))):
            confusion[label, module.eval()(image[None]).argmax()] += 1
    assert run.confusion == about["confusion"] == confusion.tolist()
    assert run.best.val_accuracy == confusion.diagonal().sum() / confusion.sum()
    assert about["classes"] == ["class0", "class1", "class2"]
    assert about["preprocessing"] == data.preprocessing.to_dict()


def test_a_table_tells_the_epochs(images: Path, tmp_path: Path) -> None:
    run = train(images, output=tmp_path / "run", **LENET)
    assert isinstance(run, Run)
    assert run.rows == run.history
    assert [row.epoch for row in run.history] == [1, 2]
    assert "61,111 of 61,111 parameters" in str(run)


def test_a_table_tells_whether_images_were_changed(images: Path, tmp_path: Path) -> None:
    for augmentation, told in (("none", False), ("flip", True)):
        recipe = LENET | {"augmentation": augmentation, "epochs": 1}
        run = train(images, output=tmp_path / augmentation, **recipe)
        assert ("over the course of the epoch, with augmentation." in str(run)) is told


def test_steps_and_epochs_are_told_as_they_happen(images: Path, tmp_path: Path) -> None:
    events: list[Step | Epoch] = []
    run = train(images, output=tmp_path / "run", watch=events.append, **LENET)
    steps = [event for event in events if isinstance(event, Step)]
    one = [("train", 8, 21), ("train", 16, 21), ("train", 21, 21), ("val", 7, 7)]
    assert [(step.phase, step.done, step.total) for step in steps] == one * 2
    assert [(step.epoch, step.epochs) for step in steps] == [(1, 2)] * 4 + [(2, 2)] * 4
    assert [events[4], events[9]] == [*run.history]
    last = [step for step in steps if step.phase == "train"][-1]
    assert (last.loss, last.accuracy) == (run.history[1].train_loss, run.history[1].train_accuracy)


class TwoHeads(nn.Module):
    """Scores of a network and of two auxiliary classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(3, 3) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(head(x.mean((2, 3))) for head in self.heads)


def test_auxiliary_classifiers_learn_with_less_weight(images: Path, tmp_path: Path) -> None:
    recipe = recipe_of(images, model="mobilenet_v2", resolution=32, epochs=1, optimiser="sgd",
                       weight_decay=0.0, schedule="constant", batch_size=64, augmentation="none",
                       learning_rate=0.5)  # fmt: skip
    data = open_data(recipe)
    torch.manual_seed(0)
    module = TwoHeads()
    before = [head.weight.detach().clone() for head in module.heads]
    pairs = [data.train[1, index] for index in range(len(data.train))]
    scores = module(torch.stack([image for image, _ in pairs]))
    labels = torch.tensor([label for _, label in pairs])
    losses = [cross_entropy(each, labels) for each in scores]
    slopes = [
        torch.autograd.grad(loss, head.weight, retain_graph=True)[0]
        for loss, head in zip(losses, module.heads, strict=True)
    ]
    processes_torch.start()
    about = {"parameters": {}}
    accelerator = processes_torch.accelerator("float32")
    network = Network(module, None, about)
    history = fit(recipe, data, network, tmp_path, accelerator, Progress(recipe))
    assert history[0].train_loss == pytest.approx(losses[0].item())
    for head, old, slope, part in zip(
        module.heads, before, slopes, (1, AUXILIARY, AUXILIARY), strict=True
    ):
        torch.testing.assert_close(head.weight, old - 0.5 * part * slope)


def test_in_bfloat16_it_learns_too(images: Path, tmp_path: Path) -> None:
    """One precision after the other, in one process."""
    found = [
        train(images, output=tmp_path / precision, precision=precision, **LENET).history[-1]
        for precision in ("bfloat16", "float32")
    ]
    assert found[0].train_loss != found[1].train_loss
    assert found[0].train_loss == pytest.approx(found[1].train_loss, rel=0.05)
    stored = load_file(tmp_path / "bfloat16" / "last.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}


# Frozen features, other people's weights


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network of 7 classes."""
    torch.manual_seed(5)
    module = registry.build("mobilenet_v2", width=0.1, classes=7)
    for name, value in module.named_buffers():
        if name.endswith("running_mean"):
            value.uniform_()
    path = tmp_path_factory.mktemp("weights") / "theirs.safetensors"
    save_weights(module, path)
    return path


def test_frozen_features_stay_as_they_were(images: Path, tmp_path: Path, theirs: Path) -> None:
    options = {**SMALL, "weights": theirs, "freeze": "features", "optimiser": "sgd"}
    run = train(images, output=tmp_path / "run", learning_rate=0.1, **options)
    old, new = load_file(theirs), load_file(tmp_path / "run" / "last.safetensors")
    moved = {name for name in new if not torch.equal(old[name], new[name])}
    assert moved == {"classifier.linear.weight", "classifier.linear.bias"}
    assert new["classifier.linear.bias"].shape == (3,)
    total = sum(value.numel() for name, value in new.items() if "." in name)
    total -= sum(
        value.numel() for name, value in new.items() if "running" in name or "num_" in name
    )
    assert run.params == (1280 * 3 + 3, total)


def test_without_freezing_all_of_it_moves(images: Path, tmp_path: Path, theirs: Path) -> None:
    train(images, output=tmp_path / "run", weights=theirs, **SMALL)
    old, new = load_file(theirs), load_file(tmp_path / "run" / "last.safetensors")
    assert not [name for name in new if torch.equal(old[name], new[name])]


def test_a_new_head_is_drawn_from_the_seed_and_one_that_fits_is_kept(theirs: Path) -> None:
    def build(classes: int) -> nn.Module:
        return registry.build("mobilenet_v2", width=0.1, classes=classes)

    def drawn(classes: int, seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return networks_torch.pretrained(build, classes, str(theirs), "mobilenet_v2").state_dict()

    stored, head = load_file(theirs), "classifier.linear.weight"
    assert all(torch.equal(value, stored[name]) for name, value in drawn(7, 0).items())
    a, b, c = drawn(3, 0), drawn(3, 0), drawn(3, 1)
    assert torch.equal(a[head], b[head])
    assert not torch.equal(a[head], c[head])
    assert all(torch.equal(a[name], stored[name]) for name in a if not name.startswith("classif"))
    torch.manual_seed(0)
    assert torch.equal(build(3).state_dict()[head], a[head])


@pytest.mark.parametrize(
    ("first", "network", "asked"),
    [
        ("conv_stem.weight", "mobilenet_v3_small", {"scaling": "slim", "eps": 1e-5}),
        ("conv_stem.weight", "mobilenet_v1", {"activation": "relu6"}),
        ("features.0.0.weight", "mobilenet_v3_small", {}),
    ],
)
def test_weights_ask_for_the_options_that_they_were_trained_with(
    first: str, network: str, asked: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "theirs.pth"
    torch.save({first: torch.zeros(16, 3, 3, 3)}, path)
    assert networks_torch.asked_by_weights(str(path), network) == asked


def test_weights_that_need_tensorflow_s_padding_are_refused(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, path)
    with pytest.raises(LabError, match="trained with TensorFlow's padding"):
        train(images, model="efficientnet_lite0", output=tmp_path / "run", weights=path)
    assert not (tmp_path / "run").exists()


def test_weights_of_timm_are_trained_on_as_timm_s(images: Path, tmp_path: Path) -> None:
    """Their network has another eps; the run's recipe and checkpoint say so."""
    model = timm.create_model("mobilenetv3_small_100", num_classes=3)
    theirs = tmp_path / "theirs.pth"
    torch.save(model.state_dict(), theirs)
    run = train(
        images,
        model="mobilenet_v3_small",
        output=tmp_path / "run",
        weights=theirs,
        epochs=1,
        freeze="features",
        batch_size=8,
        resolution=32,
    )
    assert run.recipe.settings["eps"] == 1e-5
    said = run_folder.read_json(tmp_path / "run" / "best.json")["settings"]
    assert (said["scaling"], said["eps"]) == ("slim", 1e-5)


@pytest.mark.parametrize(
    "name", [name for name in registry.NETWORKS if registry.task(name) == "classification"]
)
def test_the_head_of_every_classifier_is_found(name: str) -> None:
    """What depends on the number of classes is the last layer, in the stage that is not frozen."""
    extra = {"auxiliary": True} if "auxiliary" in registry.options(name) else {}

    def build(classes: int) -> nn.Module:
        with torch.device("meta"):
            return registry.build(name, classes=classes, **extra)

    module = build(4)
    trace = registry.trace(name, classes=4, **extra)
    stage = trace.layers[trace.outputs[0]].stage
    layer = trace.layers[trace.outputs[0]].name
    auxiliary = [f"aux{n}.linear.{what}" for n in (1, 2) for what in ("weight", "bias")]
    expected = [*(auxiliary if extra else []), f"{layer}.weight", f"{layer}.bias"]
    assert networks_torch.class_layers(build, module, 4) == expected
    networks_torch.freeze_all_but(module, stage)
    networks_torch.training_mode(module, stage)
    free = networks_torch.trained(module)
    assert (
        {f"{layer}.weight", f"{layer}.bias"} <= free.keys() < dict(module.named_parameters()).keys()
    )
    assert all(path.split(".")[0] == stage for path in free)
    modes = {path: part.training for path, part in module.named_modules()}
    assert {path.split(".")[0] for path, mode in modes.items() if mode} == {stage}


def test_biases_and_norms_do_not_decay() -> None:
    parameters = networks_torch.trained(registry.build("mobilenet_v2", width=0.1, classes=3))
    decayed, rest = networks_torch.parameter_groups(parameters, 0.1)
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    names = {id(value): name for name, value in parameters.items()}
    for group, is_decayed in ((decayed, True), (rest, False)):
        for name in (names[id(value)] for value in group["params"]):
            assert (name.endswith("weight") and ".norm." not in name) is is_decayed
    assert [*parameters] == [names[id(value)] for value in (*decayed["params"], *rest["params"])]


# What a run leaves alone


def test_the_caller_finds_his_process_as_it_was(images: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    threads = torch.get_num_threads(), torch.get_num_interop_threads()
    train(images, output=tmp_path / "run", **SMALL)
    assert torch.equal(torch.rand(3), expected)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == threads
    assert torch.is_grad_enabled()


# What stops a run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_says_what_is_kept(
    images: Path, tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while it cleans up is not heard."""
    settle = run_folder.settle

    def interrupted(folder: Path) -> None:
        settle(folder)
        if len(epochs) > 1:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(run_folder, "settle", interrupted)
    epochs: set[int] = set()

    def watch(event: Step | Epoch) -> None:
        epochs.add(event.epoch)
        if event.epoch == 2:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt, match=r"holds 1 of 2 epochs: resume it"):
        train(images, output=tmp_path / "run", watch=watch, **LENET)
    epochs.clear()
    assert len(run_folder.read_progress(tmp_path / "run").history) == 1


def test_a_loss_that_is_no_number_stops_it_and_the_last_good_epoch_is_kept(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def share(schedule: str, step: int, total: int, warmup: int) -> float:
        return 1.0 if step < 3 else 1e38

    monkeypatch.setattr(loop_torch, "share", share)
    options = {**SMALL, "optimiser": "sgd", "weight_decay": 0.1}
    with pytest.raises(
        LabError, match=r"in epoch 2 the train loss is (nan|inf), no number"
    ) as told:
        train(images, output=tmp_path / "run", **options)
    assert "\n" not in str(told.value)
    assert len(run_folder.read_progress(tmp_path / "run").history) == 1
    kept = load_file(tmp_path / "run" / "last.safetensors")
    assert all(value.isfinite().all() for value in kept.values())


def test_a_bad_image_is_named_and_stops_it(tmp_path: Path) -> None:
    data = make_images(tmp_path / "images")
    bad = data / "train" / "class1" / "4.png"
    bad.write_bytes(bad.read_bytes()[:40])
    for workers in (0, 1):
        with pytest.raises(LabError, match=str(bad)) as told:
            train(data, output=tmp_path / f"run{workers}", workers=workers, **LENET)
        assert "\n" not in str(told.value)
    run = train(data, output=tmp_path / "skipped", on_bad_image="skip", **LENET)
    assert len(run.skipped) == 1
    assert str(bad) in run.skipped[0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"precision": "float16"}, "float16 needs a GPU"),
        ({"model": "yolov5n"}, "yolov5n is for detection"),
        ({"model": "lenet6"}, "unknown network 'lenet6'"),
        ({"classes": 3}, "the images tell how many classes"),
        ({"colour": True}, "unknown option of lenet5 'colour'"),
        ({"epochs": 0}, "epochs must be a whole number from 1"),
        ({"resolution": 8}, "smallest resolution that works is 32x32"),
        ({"weights": "none.pt"}, "cannot read none.pt"),
        ({**SMALL, "batch_size": 4}, "a batch of one image is left"),
        ({"resume": True}, "there is no run in"),
    ],
)
def test_a_run_that_cannot_be_leaves_no_folder(
    images: Path, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(LabError, match=told) as error:
        train(images, output=tmp_path / "run", **{**LENET, **options})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_told(images: Path, tmp_path: Path, theirs: Path) -> None:
    with pytest.raises(LabError, match=rf"the weights of {theirs} are of another network"):
        train(images, output=tmp_path / "run", weights=theirs, **LENET)
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten(images: Path, tmp_path: Path) -> None:
    train(images, output=tmp_path, **{**LENET, "epochs": 1})
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(LabError, match="holds a run already"):
        train(images, output=tmp_path, **LENET)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_names_are_checked_before_anything_is_loaded() -> None:
    with pytest.raises(UnknownNameError, match="unknown optimiser 'adam'"):
        train("none", model="lenet5", optimiser="adam")
