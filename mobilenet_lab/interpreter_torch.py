"""Any trace as an nn.Module: a network that no one has written by hand can run and be counted.

It repeats the trace, mistakes included, so it is no witness for the trace; the twins are.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilenet_lab.blocks_torch import ACTIVATIONS, Resize, activation
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Layer, Trace


class Interpreted(nn.Module):
    """Runs a trace, layer by layer; N x C x H x W images to its output, or a tuple of them.

    A layer that is a module in a twin is one here, under its own name, so that weights of a twin
    fit. Sums, products, concatenations and parts of a split are operators.

    Raises:
        LabError: a layer has a padding that PyTorch's modules do not have.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.layers = trace.layers
        self.outputs = trace.outputs
        self.last_read = {
            source: n for n, layer in enumerate(trace.layers) for source in layer.inputs
        }
        for layer in trace.layers:
            if layer.op in MODULES or layer.op in ACTIVATIONS:
                self._place(layer.name.split("."), module_of(layer))

    def _place(self, path: list[str], module: nn.Module) -> None:
        parent: nn.Module = self
        for part in path[:-1]:
            if part not in parent._modules:
                parent.add_module(part, nn.Module())
            parent = parent.get_submodule(part)
        parent.add_module(path[-1], module)

    def forward(self, x: Tensor) -> Any:
        values: dict[int, Tensor] = {}
        for number, layer in enumerate(self.layers):
            inputs = [values[source] for source in layer.inputs] or [x]
            values[number] = self._step(layer, inputs)
            for source in layer.inputs:  # what nobody reads any more need not be kept
                if self.last_read[source] == number and source not in self.outputs:
                    values.pop(source, None)
        given = tuple(values[index] for index in self.outputs)
        return given[0] if len(given) == 1 else given

    def _step(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        match layer.op:
            case "input":
                return x
            case "add":
                return sum(inputs[1:], start=x)
            case "mul":
                return x * inputs[1]
            case "concat":
                return torch.cat(inputs, 1)
            case "split":
                return x.narrow(1, layer.start, layer.out_shape[0])
        module = self.get_submodule(layer.name)
        if isinstance(module, Resize):
            return module(x, layer.out_shape[1:])
        if layer.kernel is not None and not is_symmetric(layer):
            (top, bottom), (left, right) = layer.padding
            beyond = -torch.inf if layer.op == "max_pool" else 0.0
            x = F.pad(x, (left, right, top, bottom), value=beyond)
        return module(x)


def is_symmetric(layer: Layer) -> bool:
    """Whether the padding is the same before and after, as PyTorch's modules have it."""
    return all(before == after for before, after in layer.padding)


def module_of(layer: Layer) -> nn.Module:
    """The freshly initialised module of one layer.

    Raises:
        LabError: its padding is not PyTorch's.
    """
    make = MODULES.get(layer.op)
    return make(layer) if make else activation(layer.op)


def _window(layer: Layer) -> dict[str, Any]:
    """Kernel, stride and padding; what is uneven is padded before the module."""
    even = is_symmetric(layer)
    padding = tuple(before for before, _ in layer.padding) if even else 0
    return {"kernel_size": layer.kernel, "stride": layer.stride, "padding": padding}


def _conv2d(layer: Layer) -> nn.Module:
    return nn.Conv2d(
        layer.in_shapes[0][0],
        layer.out_shape[0],
        **_window(layer),
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias,
    )


def _avg_pool(layer: Layer) -> nn.Module:
    if not is_symmetric(layer):
        raise LabError(f"{layer.name}: PyTorch's average pool has no padding of unequal sides")
    return nn.AvgPool2d(
        **_window(layer), ceil_mode=layer.ceil_mode, count_include_pad=layer.include_pad
    )


def _max_pool(layer: Layer) -> nn.Module:
    if layer.ceil_mode and not is_symmetric(layer):
        raise LabError(f"{layer.name}: PyTorch's ceil mode has no padding of unequal sides")
    return nn.MaxPool2d(**_window(layer), dilation=layer.dilation, ceil_mode=layer.ceil_mode)


def _upsample(layer: Layer) -> nn.Module:
    if layer.scale is None:
        return Resize(layer.mode)
    vertical, horizontal = layer.scale
    factor = vertical if vertical == horizontal else layer.scale
    return nn.Upsample(scale_factor=factor, mode=layer.mode)


def _local_response_norm(layer: Layer) -> nn.Module:
    assert layer.lrn is not None
    return nn.LocalResponseNorm(*layer.lrn)


MODULES: dict[str, Callable[[Layer], nn.Module]] = {
    "conv2d": _conv2d,
    "linear": lambda layer: nn.Linear(layer.in_shapes[0][0], layer.out_shape[0], layer.bias),
    "batch_norm": lambda layer: nn.BatchNorm2d(layer.in_shapes[0][0], layer.eps),
    "local_response_norm": _local_response_norm,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": lambda layer: nn.AdaptiveAvgPool2d(layer.out_shape[1:]),
    "adaptive_max_pool": lambda layer: nn.AdaptiveMaxPool2d(layer.out_shape[1:]),
    "upsample": _upsample,
    "channel_shuffle": lambda layer: nn.ChannelShuffle(layer.groups),
    "flatten": lambda layer: nn.Flatten(),
    "dropout": lambda layer: nn.Dropout(layer.rate),
}
