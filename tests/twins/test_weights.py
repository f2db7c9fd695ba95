"""Weights: what does not fit is named and changes nothing, files are refused in one sentence."""

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mobilenet_lab import registry
from mobilenet_lab.errors import LabError
from mobilenet_lab.weights import in_running_order, load_weights, read_checkpoint, save_weights

from .cases import NAMES, build, images, thin, twin

NAME, NARROW = "mobilenet_v2", {"width": 0.1, "classes": 3}
State = dict[str, Tensor]


def other_names(module: nn.Module) -> State:
    """The state dict of a module that calls its layers otherwise."""
    names = module.state_dict()
    return {f"net.{i}.{name.rpartition('.')[2]}": names[name] for i, name in enumerate(names)}


def snapshot(module: nn.Module) -> State:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_equal(first: State, second: State) -> None:
    assert list(first) == list(second)
    for name, value in first.items():
        assert value.dtype == second[name].dtype
        assert torch.equal(value, second[name]), name


# Loading


def test_by_order_whatever_the_names() -> None:
    theirs = twin(NAME, **NARROW)
    ours = load_weights(build(NAME, **NARROW), other_names(theirs))
    assert_equal(snapshot(ours), snapshot(theirs))


def test_by_name_where_the_names_agree() -> None:
    theirs = twin(NAME, **NARROW)
    backwards = dict(reversed(snapshot(theirs).items()))
    ours = load_weights(build(NAME, **NARROW), backwards)
    assert_equal(snapshot(ours), snapshot(theirs))


def test_values_are_copied_and_cast_and_the_mode_stays() -> None:
    theirs = {name: value.clone() for name, value in nn.Linear(3, 2).double().state_dict().items()}
    ours = nn.Linear(3, 2).train()
    weight = ours.weight
    assert load_weights(ours, theirs) is ours
    assert ours.weight is weight
    assert ours.weight.requires_grad
    assert ours.training
    expected = theirs["weight"].float()
    theirs["weight"].zero_()
    assert ours.weight.dtype == torch.float32
    assert torch.equal(ours.weight, expected)


@pytest.mark.parametrize("ours_has_them", [True, False])
def test_batch_counters_may_be_missing_on_one_side(ours_has_them: bool) -> None:
    counted, plain = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    counted.num_batches_tracked += 5
    plain.register_buffer("num_batches_tracked", None)
    ours, theirs = (counted, plain) if ours_has_them else (plain, counted)
    theirs.running_mean.fill_(7.0)
    load_weights(ours, theirs.state_dict())
    assert ours.running_mean.tolist() == [7.0, 7.0]
    assert counted.num_batches_tracked.item() == 5


def test_a_1x1_convolution_and_a_linear_layer_fit_each_other() -> None:
    for ours, theirs in (
        (nn.Conv2d(3, 2, 1), nn.Linear(3, 2)),
        (nn.Linear(3, 2), nn.Conv2d(3, 2, 1)),
    ):
        load_weights(ours, theirs.state_dict())
        assert torch.equal(ours.weight.flatten(), theirs.weight.flatten())


def put(position: int, change: Callable[[Tensor], Any]) -> Callable[[State], State]:
    """The state dict with the tensor at `position` changed."""

    def changed(state: State) -> State:
        name = [*state][position]
        return {**state, name: change(state[name])}

    return changed


def left_out(position: int) -> Callable[[State], State]:
    return lambda state: {name: state[name] for i, name in enumerate(state) if i != position}


LAST = "classifier.linear.bias"
MISFITS: dict[str, tuple[Callable[[State], State], str]] = {
    "transposed": (
        put(-2, Tensor.t),
        "tensor 313: classifier.linear.weight takes 3×1280, net.312.weight has 1280×3",
    ),
    "kernel of another size": (
        put(0, lambda value: value[..., :1]),
        "tensor 1: stem.conv.weight takes 8×3×3×3, net.0.weight has 8×3×3×1",
    ),
    "as many numbers": (
        put(0, lambda value: value.reshape(8, 27)),
        "tensor 1: stem.conv.weight takes 8×3×3×3, net.0.weight has 8×27",
    ),
    "vector for a number": (
        put(5, lambda value: value.reshape(1)),
        "tensor 6: stem.norm.num_batches_tracked takes one number, net.5.num_batches_tracked has 1",
    ),
    "first missing": (
        left_out(0),
        "tensor 1: stem.conv.weight takes 8×3×3×3, net.1.weight has 8",
    ),
    "bias missing": (
        left_out(2),
        "tensor 3: stem.norm.bias and net.3.running_mean have one shape, but are not the same",
    ),
    "last missing": (left_out(313), f"tensor 314: nothing is left for {LAST}, which takes 3"),
    "one too many": (
        lambda state: {**state, "aux.weight": torch.zeros(3)},
        "tensor 315: nothing here takes aux.weight",
    ),
    "one too many in front": (
        lambda state: {"mean.weight": torch.zeros(3), **state},
        "tensor 1: stem.conv.weight takes 8×3×3×3, mean.weight has 3",
    ),
    "sorted otherwise": (
        lambda state: dict(sorted(state.items(), key=lambda item: item[1].dim(), reverse=True)),
        "tensor 2: stem.norm.weight takes 8, net.6.weight has 8×1×3×3",
    ),
    "empty": (lambda _: {}, "tensor 1: nothing is left for stem.conv.weight, which takes 8×3×3×3"),
    "no tensor": (put(-1, Tensor.tolist), "tensor 314: net.313.bias is list, not a dense tensor"),
    "sparse": (
        put(-1, Tensor.to_sparse),
        "tensor 314: net.313.bias is torch.sparse_coo, not a dense tensor",
    ),
    "without values": (
        put(-1, lambda value: value.to("meta")),
        "tensor 314: net.313.bias is on the meta device, which holds no values",
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_named_and_nothing_changes(misfit: str) -> None:
    change, sentence = MISFITS[misfit]
    ours, state = build(NAME, **NARROW), other_names(twin(NAME, **NARROW))
    before, changed = snapshot(ours), change(state)
    with pytest.raises(LabError) as error:
        load_weights(ours, changed)
    message = str(error.value)
    assert message.startswith(sentence)
    assert message.endswith(f" tensors to fill, {len(changed)} given)")
    assert "\n" not in message
    assert_equal(snapshot(ours), before)


def test_a_misfit_is_named_too_where_the_names_agree() -> None:
    ours = nn.Linear(3, 2)
    with pytest.raises(LabError, match=r"tensor 1: weight takes 2×3, weight has 3×2 \("):
        load_weights(ours, {"bias": torch.zeros(2), "weight": torch.zeros(3, 2)})


def test_a_module_on_the_meta_device_takes_nothing() -> None:
    with torch.device("meta"):
        ours = nn.Linear(3, 2)
    with pytest.raises(LabError, match="weight is on the meta device"):
        load_weights(ours, nn.Linear(3, 2).state_dict())


# The order in which layers run


class Backwards(nn.Module):
    """Declares last what runs first; all shapes are alike."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(3, 3, 1)
        self.middle = nn.Conv2d(3, 3, 1)
        self.first = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self.first(x).relu()).relu())


def test_layers_can_be_paired_as_they_run() -> None:
    ours = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1)
    )
    torch.manual_seed(0)
    theirs, x = Backwards(), images(2, (3, 5, 4))
    running = in_running_order(theirs, (3, 5, 4))
    assert list(running) == [
        f"{layer}.{kind}" for layer in ("first", "middle", "last") for kind in ("weight", "bias")
    ]
    assert torch.equal(load_weights(ours, running)(x), theirs(x))
    assert not torch.allclose(load_weights(ours, theirs.state_dict())(x), theirs(x))


@pytest.mark.parametrize("name", NAMES)
def test_our_networks_declare_their_layers_as_they_run(name: str) -> None:
    """So that it is enough to bring the other side into running order."""
    settings = thin(name, resolution=(32, 32))
    trace, module = registry.trace(name, **settings), build(name, **settings)
    assert list(in_running_order(module, trace.input_shape)) == list(module.state_dict())


def test_a_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4).eval(), nn.Dropout())
    before = snapshot(model)
    in_running_order(model, (3, 5, 4))
    assert_equal(snapshot(model), before)
    assert [part.training for part in model.modules()] == [True, True, False, True]
    assert [len(part._forward_pre_hooks) for part in model.modules()] == [0, 0, 0, 0]


def test_a_model_that_does_not_run_or_not_all_of_it() -> None:
    model = nn.Conv2d(3, 4, 1)
    with pytest.raises(LabError, match="the model does not run on 2×5×4: "):
        in_running_order(model, (2, 5, 4))
    assert not model._forward_pre_hooks
    theirs = Backwards()
    theirs.auxiliary = nn.Linear(3, 2)
    with pytest.raises(LabError, match="auxiliary does not run, so its place"):
        in_running_order(theirs, (3, 5, 4))


# Files


def test_round_trip_bit_for_bit(tmp_path: Path) -> None:
    path, theirs = tmp_path / "weights.safetensors", twin(NAME, **NARROW)
    save_weights(theirs, path)
    assert os.listdir(tmp_path) == [path.name]
    state = read_checkpoint(path)
    assert {value.device.type for value in state.values()} == {"cpu"}
    ours = load_weights(build(NAME, **NARROW), state)
    assert_equal(snapshot(ours), snapshot(theirs))
    assert load_file(path).keys() == theirs.state_dict().keys()


def test_tensors_that_share_memory_or_are_no_block_are_saved(tmp_path: Path) -> None:
    path, module = tmp_path / "w.safetensors", nn.Linear(3, 3)
    module.register_buffer("shared", module.weight.detach())
    module.register_buffer("turned", module.weight.detach().t())
    save_weights(module, path)
    assert_equal({k: read_checkpoint(path)[k] for k in module.state_dict()}, snapshot(module))


def test_an_existing_file_is_replaced_only_if_told(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_text("precious")
    with pytest.raises(LabError, match=r"w\.safetensors exists already"):
        save_weights(nn.Linear(3, 2), path)
    assert path.read_text() == "precious"
    save_weights(nn.Linear(3, 2), path, overwrite=True)
    assert read_checkpoint(path).keys() == {"weight", "bias"}
    assert os.listdir(tmp_path) == [path.name]


def test_a_failing_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    path.write_text("precious")

    def full(partial: Path, _: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(LabError, match=r"cannot write .*: No space left on device$"):
        save_weights(nn.Linear(3, 2), path, overwrite=True)
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("w.pt", r"weights are saved as \.safetensors, which .*w\.pt is not"),
        ("no/w.safetensors", "cannot write .*: No such file or directory"),
    ],
)
def test_where_nothing_can_be_saved(tmp_path: Path, path: str, sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        save_weights(nn.Linear(3, 2), tmp_path / path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module.{name}": state[name] for name in state}},
    ],
)
def test_what_training_scripts_write(tmp_path: Path, wrap: Any, zipped: bool) -> None:
    state = snapshot(nn.Linear(3, 2))
    torch.save(wrap(state), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    assert_equal(read_checkpoint(str(tmp_path / "w.pt")), state)


def test_a_layer_called_module_keeps_its_name(tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(1), "head.weight": torch.ones(1)}
    torch.save(state, tmp_path / "w.pt")
    assert_equal(read_checkpoint(tmp_path / "w.pt"), state)


class Runs:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused(tmp_path: Path, suffix: str, zipped: bool) -> None:
    made, path = tmp_path / "made", tmp_path / f"evil{suffix}"
    evil = {"weight": torch.zeros(2), "bias": Runs(made)}
    torch.save(evil, path, _use_new_zipfile_serialization=zipped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LabError) as error:
            read_checkpoint(path)
    if suffix == ".safetensors":
        assert str(error.value) == f"{path} is damaged, or is no file of weights"
    else:
        assert "holds more than tensors (" in str(error.value)
        assert str(error.value).endswith("mkdir): refused, and none of it ran")
    assert not made.exists()
    torch.load(io.BytesIO(torch_bytes(Runs(made))), weights_only=False)
    assert made.exists()  # so it was the refusal that kept it from running


def torch_bytes(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2), tmp_path / "module.pt")
    with pytest.raises(LabError, match=r"more than tensors \(torch\.nn\.modules\.linear\.Linear\)"):
        read_checkpoint(tmp_path / "module.pt")


@pytest.mark.parametrize("kind", ["safetensors", "zip", "old"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.6, 0.99])
def test_a_truncated_file_is_one_sentence(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    module = nn.Linear(30, 20)
    if kind == "safetensors":
        save_weights(module, path)
    else:
        torch.save(module.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(LabError) as error:
        read_checkpoint(path)
    assert str(error.value) == f"{path} is damaged, or is no file of weights"


@pytest.mark.parametrize(
    ("holds", "sentence"),
    [
        ([torch.zeros(1)], "holds no tensors by name"),
        ({}, "holds no tensors by name"),
        ({"model": {}}, "holds no tensors by name"),
        (torch.zeros(3), "holds no tensors by name"),
        ({"a": torch.zeros(1), "epoch": 3}, "is no state dict: it pairs 'epoch' with int"),
        ({3: torch.zeros(1)}, "is no state dict: it pairs 3 with Tensor"),
        ({"state_dict": {"a": [1.0]}}, "is no state dict: it pairs 'a' with list"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, holds: object, sentence: str) -> None:
    torch.save(holds, tmp_path / "w.pt")
    with pytest.raises(LabError) as error:
        read_checkpoint(tmp_path / "w.pt")
    assert str(error.value) == f"{tmp_path / 'w.pt'} {sentence}"


def test_no_file_a_folder_and_any_text(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot read .*none\.pt: No such file or directory$"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(LabError, match=r"cannot read .*: Is a directory$"):
        read_checkpoint(tmp_path)
    for name in ("notes.pt", "notes.safetensors"):
        (tmp_path / name).write_text("hello world, this is no file of weights at all")
        with pytest.raises(LabError, match=r"is damaged, or is no file of weights$"):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_a_missing_package_is_named(package: str) -> None:
    script = f"""
import sys
from mobilenet_lab.errors import MissingPackageError
sys.modules[{package!r}] = None
try:
    import mobilenet_lab.weights
except MissingPackageError as error:
    print(error)
"""
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == (
        f"loading weights needs {package}, which is not installed: "
        "pip install 'mobilenet-lab[torch]'\n"
    )
