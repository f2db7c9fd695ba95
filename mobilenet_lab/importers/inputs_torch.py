"""What a module is given to be read: tensors without values, made from shapes."""

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.layers import parse_shape
from mobilenet_lab.tape import LARGEST

Spec: TypeAlias = Any
"""A shape, (3, 224, 224) or "3x224x224" or "77:int64", a tensor, or a list or dict of such."""
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")


class Inputs(NamedTuple):
    """How forward is called, and every tensor in it by name."""

    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    named: dict[str, Tensor]


def given_inputs(module: nn.Module, spec: Spec, device: str = "meta") -> Inputs:
    """The inputs of a module, with a batch of one; on a real device they are zeros.

    Raises:
        LabError: a shape of no use.
    """
    named: dict[str, Tensor] = {}
    if isinstance(spec, dict):
        return Inputs(
            ((), {key: _made(key, each, named, device) for key, each in spec.items()}), named
        )
    if _is_one(spec):
        return Inputs(((_made("input", spec, named, device),), {}), named)
    if not isinstance(spec, list | tuple) or not spec:
        raise LabError(f"an input is a shape like 3x224x224, not {quoted(spec)}")
    names = _argument_names(module, len(spec)) if len(spec) > 1 else ["input"]
    made = tuple(_made(key, each, named, device) for key, each in zip(names, spec, strict=True))
    return Inputs((made, {}), named)


def _is_one(spec: Spec) -> bool:
    """Whether it is one tensor: a shape, a text or a tensor itself."""
    if isinstance(spec, str | Tensor):
        return True
    return isinstance(spec, Sequence) and bool(spec) and all(type(each) is int for each in spec)


def _made(name: str, spec: Spec, named: dict[str, Tensor], device: str) -> Any:
    """The tensor or the nest of tensors of a spec, each noted by name."""
    if isinstance(spec, dict):
        return {key: _made(f"{name}.{key}", each, named, device) for key, each in spec.items()}
    if _is_one(spec):
        named[name] = _tensor(spec, device)
        return named[name]
    if isinstance(spec, list | tuple) and spec:
        return type(spec)(_made(f"{name}.{n}", each, named, device) for n, each in enumerate(spec))
    raise LabError(f"an input is a shape like 3x224x224, not {quoted(spec)}")


def _tensor(spec: str | Sequence[int] | Tensor, device: str) -> Tensor:
    if isinstance(spec, Tensor):
        if spec.dim() < 1 or len(spec) != 1:
            raise LabError("an example input has a batch of one in front")
        shape, dtype = tuple(spec.shape), spec.dtype
    else:
        shape, dtype = _parsed(spec)
        shape = (1, *shape)
    if not all(1 <= side <= LARGEST for side in shape):
        raise LabError(f"an input's sides are whole numbers from 1 to {LARGEST:,}, not {shape[1:]}")
    with torch.inference_mode(device == "meta"):
        return torch.zeros(shape, dtype=dtype, device=device)


def _parsed(spec: str | Sequence[int]) -> tuple[tuple[int, ...], torch.dtype]:
    if not isinstance(spec, str):
        return tuple(spec), torch.float32
    sides, colon, kind = spec.lower().partition(":")
    if colon and kind not in DTYPES:
        raise UnknownNameError("dtype", kind, DTYPES)
    shape = parse_shape(sides.replace(" ", ""))
    if shape is None:
        raise LabError(f"an input is a shape like 3x224x224 or 77:int64, not {quoted(spec)}")
    dtype: torch.dtype = getattr(torch, kind or "float32")
    return shape, dtype


def _argument_names(module: nn.Module, count: int) -> list[str]:
    """What `forward` calls its first `count` inputs."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
        ordered = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [each.name for each in parameters if each.kind in ordered]
    except (TypeError, ValueError):
        names = []
    return [*names[:count], *(f"input{number}" for number in range(len(names), count))]
