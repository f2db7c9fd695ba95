"""The processes of a run: one by itself, or several that accelerate or torchrun has started."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mobilenet_lab.errors import LabError, MissingPackageError

try:
    from accelerate import Accelerator, PartialState
    from accelerate.state import AcceleratorState
    from accelerate.utils import (
        DistributedDataParallelKwargs,
        broadcast_object_list,
        gather_object,
    )
except ModuleNotFoundError as error:
    raise MissingPackageError(error.name or "accelerate", "train", "training") from None

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
"""Ours -> accelerate's."""
Answer = TypeVar("Answer")


def start() -> PartialState:
    """This process among the others, on its device: a GPU where there is one."""
    return PartialState(cpu=not torch.accelerator.is_available())


def accelerator(precision: str) -> Accelerator:
    """What moves, distributes and reduces, after `start`.

    Raises:
        LabError: float16 on a CPU.
    """
    wanted, on_cpu = PRECISIONS[precision], PartialState().device.type == "cpu"
    if on_cpu and precision == "float16":
        raise LabError("float16 needs a GPU; on a CPU, bfloat16 is the smaller precision")
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()  # of an earlier run in another precision
    # statistics are shared when an epoch ends (share_statistics), not taken from the first process
    handler = DistributedDataParallelKwargs(broadcast_buffers=False)
    return Accelerator(cpu=on_cpu, mixed_precision=wanted, kwargs_handlers=[handler])


def together(ask: Callable[[], Answer]) -> Answer:
    """What `ask` gives on the main process, which alone is asked; an error of it is everyone's."""
    if PartialState().num_processes == 1:
        return ask()
    answer: list[Any] = [None, None]
    if PartialState().is_main_process:
        try:
            answer[0] = ask()
        except LabError as error:
            answer[1] = str(error)
    answer = broadcast_object_list(answer)
    if answer[1] is not None:
        raise LabError(answer[1])
    found: Answer = answer[0]
    return found


def all_of(texts: Sequence[str]) -> list[str]:
    """The texts of all processes, each once."""
    if PartialState().num_processes == 1:
        return list(texts)
    return list(dict.fromkeys(gather_object(list(texts))))


def added(accelerator: Accelerator, tensor: Tensor) -> Tensor:
    """The sum over all processes."""
    total: Tensor = accelerator.reduce(tensor, "sum")
    return total


def share_statistics(accelerator: Accelerator, module: nn.Module) -> None:
    """Gives all processes the mean of their running statistics, of the layers that are trained."""
    if accelerator.num_processes == 1:
        return
    for part in module.modules():
        if not part.training:
            continue
        for buffer in part.buffers(recurse=False):
            if buffer.is_floating_point():
                buffer.copy_(accelerator.reduce(buffer, "mean"))
