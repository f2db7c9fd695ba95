"""NetAdapt on real images: weights carried over exactly, a budget met, the same when resumed."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.adaptation import timing_torch
from mobilenet_lab.adaptation.carrying_torch import carried, dropped, magnitudes
from mobilenet_lab.adaptation.groups import is_dense, search_space
from mobilenet_lab.adaptation.search import Event
from mobilenet_lab.adaptation.tables import cost_of, read_times, total
from mobilenet_lab.adaptation.tuning_torch import dealt, module_of, trained_state
from mobilenet_lab.errors import LabError
from mobilenet_lab.weights import load_weights, read_checkpoint, save_weights
from training.runs import make_images

SIDE = 32
TINY = {"network": "lenet5", "budget": 0.8, "step": 0.1, "divisor": 2, "images": 24, "holdout": 9}
FINE = {"batch_size": 8, "learning_rate": 0.01, "optimiser": "sgd"}
FILE = """
name = "small"
input = "3x16x16"
classes = 3
layers = [
  { op = "conv", name = "stem", channels = 16, stride = 2 },
  { op = "inverted_residual", columns = ["t", "c", "s"], rows = [[2, 16, 1], [2, 24, 2]] },
  { op = "classifier", classes = "classes", dropout = 0.2 },
]
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and a network that has seen them once."""
    folder = tmp_path_factory.mktemp("started")
    make_images(folder / "images", train=36, val=9)
    (folder / "small.toml").write_text(FILE)
    options = {"epochs": 1, "batch_size": 9, "augmentation": "none"}
    lab.train(folder / "images", model="lenet5", in_channels=3, output=folder / "run", **options)
    small = str(folder / "small.toml")
    lab.train(folder / "images", model=small, output=folder / "small", **options)
    return folder


def asked(started: Path, **others: Any) -> dict[str, Any]:
    return {
        **TINY, **FINE, "data": started / "images",
        "weights": started / "run" / "best.safetensors", **others,
    }  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".png"}


# Weights


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lenet5", {}),
        ("mobilenet_v2", {"width": 0.25}),
        ("mobilenet_v3_small", {"width": 0.5}),
        ("mixnet_s", {"width": 0.25}),
        ("ghostnet", {"width": 0.5}),
        ("shufflenet_v2", {}),
        ("googlenet_torchvision", {}),
    ],
)
def test_channels_that_nobody_reads_can_go(name: str, options: dict[str, Any]) -> None:
    """With their readers' weights at 0, the narrowed network gives what the whole one does."""
    side = {} if name == "lenet5" else {"resolution": SIDE if name == "mobilenet_v2" else 64}
    trace = registry.trace(name, classes=7, **side, **options)
    space = search_space(trace)
    torch.manual_seed(0)
    twin = registry.build(name, classes=7, **side, **options).eval()
    state = twin.state_dict()
    for key, value in state.items():
        if key.endswith("running_mean"):
            value.normal_()
    images = torch.randn(2, *trace.input_shape)
    for number in (1, len(space.groups) // 2):
        group = space.groups[number]
        gone = dropped(space, number, max(1, group.width // 2), state)
        assert len(gone) == group.width - max(1, group.width // 2)
        masked = {key: value.clone() for key, value in state.items()}
        for layer in trace.layers:
            if is_dense(layer):
                read = space.channels[layer.inputs[0]]
                places = [place for place, one in enumerate(read) if one in gone]
                masked[f"{layer.name}.weight"][:, places] = 0
        whole = module_of(trace, masked).eval()
        widths = [len(set(each.classes) - gone) for each in space.groups]
        narrow = module_of(space.narrowed(widths), carried(space, gone, masked)).eval()
        with torch.no_grad():
            assert torch.allclose(narrow(images), whole(images), rtol=1e-4, atol=1e-5)


def test_the_channels_of_the_largest_filters_stay() -> None:
    trace = registry.trace("mobilenet_v2", width=0.1, resolution=SIDE)
    space = search_space(trace)
    state = registry.build("mobilenet_v2", width=0.1, resolution=SIDE).state_dict()
    number = next(
        n for n, group in enumerate(space.groups) if group.name == "stage3.0.project.conv"
    )
    made = [f"stage3.{block}.project.conv.weight" for block in range(3)]
    for key in made:
        state[key].zero_()
    state[made[0]][1] = 0.1  # the sum over the chain decides
    state[made[1]][1] = 0.1
    state[made[2]][5] = 0.12
    state[made[0]][6] = 0.01
    norms = [*magnitudes(space, number, state).values()]
    assert sorted(range(8), key=lambda place: -norms[place])[:3] == [1, 5, 6]
    gone = dropped(space, number, 4, state)
    kept = [place for place, one in enumerate(space.groups[number].classes) if one not in gone]
    assert kept == [0, 1, 5, 6]  # of equal ones the first
    new = carried(space, gone, state)
    assert torch.equal(new[made[2]], state[made[2]][kept])
    norm = "stage3.1.project.norm.running_var"
    assert torch.equal(new[norm], state[norm][kept])
    reader = "stage3.1.expand.conv.weight"
    assert torch.equal(new[reader], state[reader][:, kept])


# A search


def test_a_search_meets_its_budget_and_tells_its_accuracy(started: Path, tmp_path: Path) -> None:
    folder = tmp_path / "search"
    state = torch.random.get_rng_state()
    found = lab.netadapt(**asked(started, output=folder))
    assert torch.equal(torch.random.get_rng_state(), state)
    trajectory = found.trajectory
    assert trajectory.iterations
    assert trajectory.last.cost <= trajectory.budget < trajectory.start.cost
    assert lab.summary(str(folder / "net.toml")).total.macs == trajectory.last.cost
    # what it tells is what the files do, on images that neither trained nor chose
    module = lab.build(str(folder / "net.toml")).eval()
    load_weights(module, read_checkpoint(folder / "net.safetensors"))
    card = json.loads((folder / "net.json").read_text())
    images = sorted((started / "images" / "val").rglob("*.png"))
    table = lab.predict(*images, weights=folder / "net.safetensors", top=1)
    right = sum(Path(guess.image).parent.name == guess.name for guess in table.rows)
    assert card["classes"] == ["class0", "class1", "class2"]
    assert trajectory.last.accuracy == Fraction(right, len(images))
    assert found.notes[0] == (
        f"Validation accuracy: {float(trajectory.start.accuracy):.1%} before, "
        f"{right / 9:.1%} after, without a long fine-tuning."
    )
    assert all(
        trial.value.denominator <= 9 for each in trajectory.iterations for trial in each.trials
    )
    # the ordinary train goes on from there
    run = lab.train(
        started / "images", model=str(folder / "net.toml"), weights=folder / "net.safetensors",
        epochs=1, batch_size=9, output=tmp_path / "long", learning_rate=1e-9,
    )  # fmt: skip
    assert run.params[1] == lab.summary(str(folder / "net.toml")).total.params


def test_a_search_that_was_stopped_comes_to_the_same_files(started: Path, tmp_path: Path) -> None:
    network = str(started / "small.toml")
    weights = started / "small" / "best.safetensors"
    options = asked(started, network=network, weights=weights, budget=0.6, divisor=8)
    whole = lab.netadapt(**options, output=tmp_path / "whole")
    assert len(whole.trajectory.iterations) >= 2

    def stop(event: Event) -> None:
        if event.iteration == 2 and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="holds 1 iteration: resume it"):
        lab.netadapt(**options, output=tmp_path / "stopped", watch=stop)
    assert files(tmp_path / "stopped") != files(tmp_path / "whole")
    again = lab.netadapt(network, output=tmp_path / "stopped", resume=True)
    assert again.trajectory == whole.trajectory
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    other = lab.netadapt(**options, seed=1, output=tmp_path / "seed")
    trials = [each.trajectory.iterations[0].trials for each in (whole, other)]
    assert [each.proposal for each in trials[0]] == [each.proposal for each in trials[1]]
    assert (
        files(tmp_path / "seed")["net.safetensors"] != files(tmp_path / "whole")["net.safetensors"]
    )


# Errors


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"network": "vgg16"}, "holds lenet5, not vgg16"),
        ({"images": 2}, "images: 2 are fewer than the 3 classes"),
        ({"holdout": 2}, "holdout: 2 images are fewer than the 3 classes"),
        ({"classes": 5}, "the images tell how many classes"),
        ({"in_channels": 1}, "NetAdapt begins with a network that has learned the classes"),
        ({"weights": "nowhere.safetensors"}, "cannot read nowhere.safetensors"),
        ({"data": "nowhere"}, "nowhere"),
    ],
)
def test_one_sentence_says_what_is_wrong(
    options: dict[str, Any], complaint: str, started: Path, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match=complaint):
        lab.netadapt(**asked(started, **options), output=tmp_path / "search")
    assert not (tmp_path / "search").exists()


def test_weights_of_other_classes_are_no_beginning(started: Path, tmp_path: Path) -> None:
    path = tmp_path / "imagenet.safetensors"
    save_weights(registry.build("lenet5", in_channels=3), path)
    with pytest.raises(LabError, match="begins with a network that has learned the classes"):
        lab.netadapt(**asked(started, weights=path, in_channels=3))


def test_a_search_wants_the_images_that_it_began_with(started: Path, tmp_path: Path) -> None:
    make_images(tmp_path / "images", train=36, val=9)
    options = asked(started, data=tmp_path / "images", budget=0.95)
    lab.netadapt(**options, output=tmp_path / "search")
    next((tmp_path / "images" / "val").rglob("*.png")).unlink()
    with pytest.raises(LabError, match="the data is not as the search began with it"):
        lab.netadapt("lenet5", output=tmp_path / "search", resume=True)


def test_a_search_wants_the_network_that_it_began_with(started: Path, tmp_path: Path) -> None:
    network = tmp_path / "small.toml"
    network.write_text(FILE)
    weights = started / "small" / "best.safetensors"
    options = asked(started, network=str(network), weights=weights, budget=0.95, divisor=8)
    lab.netadapt(**options, output=tmp_path / "search")
    network.write_text(FILE.replace("24, 2", "48, 2"))
    with pytest.raises(LabError, match="is not as the search began with it"):
        lab.netadapt(network, output=tmp_path / "search", resume=True)


# Images and times


def test_classes_take_turns_as_long_as_they_last() -> None:
    labels = [0] * 5 + [1] * 2 + [2] * 3
    order = dealt(labels, 7)
    assert sorted(order) == [*range(10)]
    assert sorted(labels[place] for place in order[:3]) == [0, 1, 2]
    assert sorted(labels[place] for place in order[3:6]) == [0, 1, 2]
    assert sorted(labels[place] for place in order[6:8]) == [0, 2]
    assert dealt(labels, 8) != order == dealt(labels, 7)


def test_times_are_measured_where_a_search_looks_them_up(tmp_path: Path) -> None:
    space = search_space(registry.trace("mobilenet_v2", width=0.25, resolution=SIDE))
    asked_for = []

    def clock(layer: Any) -> float:
        asked_for.append(layer)
        return float(cost_of("macs")(layer))  # a machine of 1000 MACs a second

    times = timing_torch.measured(space, 8, clock=clock)
    assert len(asked_for) == len({each._replace(name="", block="", stage="", role="", inputs=())
                                  for each in asked_for})  # fmt: skip
    path = tmp_path / "times.json"
    path.write_text(json.dumps({"milliseconds": times}))
    cost = cost_of("latency", read_times(path))
    macs = total(space, space.widths, cost_of("macs"))
    assert total(space, space.widths, cost) == macs * 10**6
    for divisor_steps in range(3):  # between the grid's widths, too
        widths = [max(min(w, 8), w - 8 * divisor_steps) for w in space.widths]
        assert total(space, widths, cost) == pytest.approx(
            total(space, widths, cost_of("macs")) * 10**6, rel=1e-6
        )
    layer = space.trace.layer("stem.conv")
    assert timing_torch.clock(layer) > 0


def test_a_checkpoint_is_read_into_the_trace_by_name(tmp_path: Path) -> None:
    twin = registry.build("lenet5")
    save_weights(twin, tmp_path / "w.safetensors")
    state = trained_state(registry.trace("lenet5"), str(tmp_path / "w.safetensors"))
    assert all(torch.equal(state[key], value) for key, value in twin.state_dict().items())
