"""Weights from elsewhere (torchvision, timm, a file) into a module: all of them or none."""

import os
import re
import warnings
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mobilenet_lab.errors import LabError, MissingPackageError

try:
    import safetensors.torch
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package not in ("torch", "safetensors"):
        raise
    raise MissingPackageError(package, "torch", "loading weights") from None

COUNTER = "num_batches_tracked"
"""Of a batch norm; some checkpoints leave it out, and outside training it has no effect."""


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """`module` with the values of a state dict: by name if the names agree, else first to first.

    A pair must agree in its shape and in what it is (weight, bias, running_mean ...); only the
    weights of a 1x1 convolution (o x i x 1 x 1) and a linear layer (o x i) fit each other. What no
    tensor says, such as the eps of a batch norm, stays the module's own.

    A model that declares its layers in another order than ours is refused only if a shape tells:
    give `in_running_order(theirs, ...)` where it may not, and compare the outputs. A .safetensors
    file has lost the order: other people's goes into their model first, by name, and that model's
    `state_dict()` here.

    Raises:
        LabError: a tensor does not fit, is missing or too many; the module is as it was.
    """
    ours: Mapping[str, Tensor] = module.state_dict()
    if not (_counts(ours) and _counts(tensors)):
        ours, tensors = _without_counters(ours), _without_counters(tensors)
    if ours.keys() == tensors.keys():
        tensors = {name: tensors[name] for name in ours}
    pairs = zip_longest(ours.items(), tensors.items(), fillvalue=("", None))
    for number, (mine, other) in enumerate(pairs, start=1):
        if wrong := _misfit(*mine, *other):
            totals = f"{len(ours)} tensors to fill, {len(tensors)} given"
            raise LabError(f"tensor {number}: {wrong} ({totals})")
    with torch.no_grad():
        for target, value in zip(ours.values(), tensors.values(), strict=True):
            target.copy_(value.reshape(target.shape))
    return module


def in_running_order(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """The state dict of `model`, its layers in the order they run on a C x H x W image.

    Raises:
        LabError: the model does not run on the image, or a layer with tensors takes no part.
    """
    state = model.state_dict()
    owners = dict.fromkeys(name.rpartition(".")[0] for name in state)
    ran: dict[str, None] = {}
    modes = {part: part.training for part in model.modules()}
    hooks = [
        model.get_submodule(owner).register_forward_pre_hook(
            lambda _, __, o=owner: ran.setdefault(o)
        )
        for owner in owners
    ]
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *image_shape))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise LabError(f"the model does not run on {_size(image_shape)}: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes.items():
            part.training = mode
    if idle := [owner for owner in owners if owner not in ran]:
        raise LabError(f"{idle[0]} does not run, so its place in the order is unknown")
    return {
        name: state[name] for owner in ran for name in state if name.rpartition(".")[0] == owner
    }


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Name -> tensor on the CPU, from a .safetensors file or one that torch.save has written.

    A file that would run code is refused, and none of it runs. What training scripts put around
    the tensors ({"state_dict": ...}, {"model": ...}, "module." before all names) is taken off.

    Raises:
        LabError: there is no such file, it is damaged, or it holds something else than tensors.
    """
    path = Path(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    found: Any
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old or odd formats: if they fail, we say so
            if path.suffix.lower() == ".safetensors":
                found = safetensors.torch.load_file(path)
            else:
                found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            sentence = f"{path} holds more than tensors ({code[1]}): refused, and none of it ran"
        else:
            sentence = f"{path} is damaged, or is no file of weights"
        raise LabError(sentence) from None
    for wrapper in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise LabError(f"{path} holds no tensors by name")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise LabError(f"{path} is no state dict: it pairs {name!r} with {kind}")
    prefix = "module." if all(name.startswith("module.") for name in found) else ""
    return {name.removeprefix(prefix): value for name, value in found.items()}


def save_weights(module: nn.Module, path: str | Path, *, overwrite: bool = False) -> None:
    """Writes parameters and buffers to a .safetensors file: all of it, or nothing.

    Raises:
        LabError: the name ends otherwise, the file exists already, or it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise LabError(f"weights are saved as .safetensors, which {path} is not")
    # clones: the format refuses tensors that share memory
    state = {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }
    try:
        target = path.resolve()  # a link goes on leading to its file
        partial = target.with_name(f".{os.getpid()}.partial")
        if target.exists() and not overwrite:
            raise LabError(f"{path} exists already; overwrite=True replaces it")
        try:
            partial.write_bytes(safetensors.torch.save(state))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}") from None


def _misfit(our: str, target: Tensor | None, their: str, value: Tensor | None) -> str:
    """What is wrong with a pair of named tensors; nothing if they fit."""
    if target is None:
        return f"nothing here takes {their}"
    if value is None:
        return f"nothing is left for {our}, which takes {_size(target.shape)}"
    if not isinstance(value, Tensor) or value.layout is not torch.strided:
        kind = getattr(value, "layout", type(value).__name__)
        return f"{their} is {kind}, not a dense tensor"
    if target.is_meta or value.is_meta:
        return f"{our if target.is_meta else their} is on the meta device, which holds no values"
    shapes = [tuple(each.shape) for each in (target, value)]
    flat = [shape[:2] if shape[2:] in ((), (1, 1)) else shape for shape in shapes]
    if flat[0] != flat[1]:
        return f"{our} takes {_size(shapes[0])}, {their} has {_size(shapes[1])}"
    if our.rpartition(".")[2] != their.rpartition(".")[2]:
        return f"{our} and {their} have one shape, but are not the same thing: sorted by name?"
    return ""


def _counts(tensors: Mapping[str, Tensor]) -> bool:
    return any(name.endswith(COUNTER) for name in tensors)


def _without_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if not name.endswith(COUNTER)}


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"
