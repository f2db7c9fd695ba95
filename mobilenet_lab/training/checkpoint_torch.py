"""The state of a run as bytes of .safetensors files, and back."""

from collections.abc import Mapping, Sequence

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilenet_lab.errors import LabError


def network_bytes(module: nn.Module) -> bytes:
    """Parameters and buffers."""
    return _bytes(module.state_dict())


def optimiser_bytes(optimiser: Optimizer, names: Sequence[str]) -> bytes:
    """What an optimiser of parameters so `names` remembers of each: NAME.exp_avg, NAME.step ..."""
    return _bytes(
        {
            f"{names[index]}.{key}": value
            for index, state in optimiser.state_dict()["state"].items()
            for key, value in state.items()
            if value is not None  # sgd without momentum
        }
    )


def restore(
    module: nn.Module,
    optimiser: Optimizer,
    names: Sequence[str],
    network: bytes,
    memory: bytes,
) -> None:
    """Puts back what `network_bytes` and `optimiser_bytes` took.

    Raises:
        LabError: it is of another network.
    """
    tensors = safetensors.torch.load(network)
    remembered: dict[str, dict[str, Tensor]] = {}
    for path, value in safetensors.torch.load(memory).items():
        name, _, key = path.rpartition(".")
        remembered.setdefault(name, {})[key] = value
    try:
        module.load_state_dict(tensors)
        state = {names.index(name): values for name, values in remembered.items()}
    except (RuntimeError, ValueError):
        raise LabError("the last checkpoint is of another network than this one") from None
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _bytes(tensors: Mapping[str, Tensor]) -> bytes:
    # clones: the format refuses tensors that share memory
    return safetensors.torch.save(
        {
            name: value.detach().to("cpu").clone(memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }
    )
