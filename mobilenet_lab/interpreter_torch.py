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
from mobilenet_lab.layers import CONVS, TRANSPOSED, Layer, Trace


class Interpreted(nn.Module):
    """Runs a trace, layer by layer; N x C x H x W images to its output, or a tuple of them.

    A layer that is a module in a twin is one here, under its own name, so that weights of a twin
    fit. Sums, products, concatenations and parts of a split are operators. A trace with several
    inputs is given as many tensors.

    Raises:
        LabError: a layer cannot be built: a padding that PyTorch's modules do not have, or an
            operation that a trace of somebody else's module names but does not describe.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._layers = trace.layers
        self._outputs = trace.outputs
        self._last_read = {
            source: n for n, layer in enumerate(trace.layers) for source in layer.inputs
        }
        for layer in trace.layers:
            if layer.op in BEYOND or not layer.own:
                raise LabError(
                    f"{layer.name}: a trace does not say enough of {layer.mode or layer.op} to "
                    "build it; build the module that the trace was read from"
                )
            try:
                self._place(layer)
            except KeyError:
                raise LabError(
                    f"{layer.name}: PyTorch's modules have that name for something else"
                ) from None

    def _place(self, layer: Layer) -> None:
        """Puts the module or the parameter that a layer is, if it is one, under its name."""
        path = layer.name.split(".")
        if layer.op == "parameter":
            values = nn.Parameter(torch.randn(layer.out_shape) * 0.02)
            self._parent(path).register_parameter(path[-1], values)
        elif layer.op in MODULES or layer.op in ACTIVATIONS:
            self._parent(path).add_module(path[-1], module_of(layer))

    def _parent(self, path: list[str]) -> nn.Module:
        """The module that holds what is called `path`, made where it is not there yet."""
        parent: nn.Module = self
        for part in path[:-1]:
            if part not in parent._modules:
                parent.add_module(part, nn.Module())
            parent = parent.get_submodule(part)
        return parent

    def forward(self, *images: Tensor) -> Any:
        given, values = iter(images), dict[int, Tensor]()
        for number, layer in enumerate(self._layers):
            if layer.op == "input":
                values[number] = next(given)
                continue
            values[number] = self._step(layer, [values[source] for source in layer.inputs])
            for source in layer.inputs:  # what nobody reads any more need not be kept
                if self._last_read[source] == number and source not in self._outputs:
                    values.pop(source, None)
        answers = tuple(values[index] for index in self._outputs)
        return answers[0] if len(answers) == 1 else answers

    def _step(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        match layer.op:
            case "parameter":
                return self.get_parameter(layer.name)[None]
            case "add":
                return sum(inputs[1:], start=inputs[0])
            case "matmul":
                return inputs[0] @ inputs[1]
            case "attention":
                query, key, value = inputs
                return F.scaled_dot_product_attention(query, key, value)
        x = inputs[0]
        match layer.op:
            case "reshape":
                return x.reshape(-1, *layer.out_shape)
            case "permute":
                return x.permute(0, *[axis + 1 for axis in layer.axes])
            case "slice":
                axis = layer.axes[0]
                return x.narrow(axis + 1, layer.start, layer.out_shape[axis])
            case "mul":
                return x * inputs[1]
            case "concat":
                images = max(map(len, inputs))  # a parameter is there once for all of them
                return torch.cat([each.expand(images, *each.shape[1:]) for each in inputs], 1)
            case "split":
                return x.narrow(1, layer.start, layer.out_shape[0])
        module = self.get_submodule(layer.name)
        if isinstance(module, Resize):
            return module(x, layer.out_shape[1:])
        if layer.op not in TRANSPOSED and layer.kernel is not None and not is_symmetric(layer):
            around = [each for sides in reversed(layer.padding) for each in sides]
            x = F.pad(x, around, value=-torch.inf if layer.op == "max_pool" else 0.0)
        return module(x)


BEYOND = ("elementwise", "reduce", "expand", "pad", "roll", "gather", "constant", "unknown")
"""Operations of read modules whose records do not say all that running them takes."""


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


def _conv(layer: Layer) -> nn.Module:
    make: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[CONVS.index(layer.op)]
    module: nn.Module = make(
        layer.in_shapes[0][0],
        layer.out_shape[0],
        **_window(layer),
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias,
    )
    return module


def _conv_transpose(layer: Layer) -> nn.Module:
    kinds = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    make: Any = kinds[TRANSPOSED.index(layer.op)]
    module: nn.Module = make(
        layer.in_shapes[0][0],
        layer.out_shape[0],
        layer.kernel,
        layer.stride,
        tuple(before for before, _ in layer.padding),
        tuple(before - after for before, after in layer.padding),
        layer.groups,
        layer.bias,
        layer.dilation,
    )
    return module


def _avg_pool(layer: Layer) -> nn.Module:
    if not is_symmetric(layer):
        raise LabError(f"{layer.name}: PyTorch's average pool has no padding of unequal sides")
    make: Any = _by_axes(layer, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
    module: nn.Module = make(
        **_window(layer), ceil_mode=layer.ceil_mode, count_include_pad=layer.include_pad
    )
    return module


def _max_pool(layer: Layer) -> nn.Module:
    if layer.ceil_mode and not is_symmetric(layer):
        raise LabError(f"{layer.name}: PyTorch's ceil mode has no padding of unequal sides")
    make: Any = _by_axes(layer, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
    module: nn.Module = make(**_window(layer), dilation=layer.dilation, ceil_mode=layer.ceil_mode)
    return module


def _by_axes(layer: Layer, *kinds: type[nn.Module]) -> type[nn.Module]:
    """The kind for one axis, two or three beside the channels."""
    return kinds[len(layer.out_shape) - 2]


def _adaptive(layer: Layer, *kinds: type[nn.Module]) -> nn.Module:
    make: Any = _by_axes(layer, *kinds)
    module: nn.Module = make(layer.out_shape[1:])
    return module


def _batch_norm(layer: Layer) -> nn.Module:
    kinds = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    make: Any = kinds[len(layer.in_shapes[0]) - 1]
    module: nn.Module = make(layer.in_shapes[0][0], layer.eps, affine=layer.vectors > 0)
    return module


def _layer_norm(layer: Layer) -> nn.Module:
    shape = [layer.out_shape[axis] for axis in layer.axes]
    if layer.op == "rms_norm":
        return nn.RMSNorm(shape, layer.eps, layer.vectors > 0)
    return nn.LayerNorm(shape, layer.eps, layer.vectors > 0, bias=layer.vectors > 1)


def _instance_norm(layer: Layer) -> nn.Module:
    make: Any = _by_axes(layer, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    module: nn.Module = make(layer.out_shape[0], layer.eps, affine=layer.vectors > 0)
    return module


def _upsample(layer: Layer) -> nn.Module:
    dimensions = len(layer.out_shape) - 1
    mode = layer.mode if dimensions == 2 or layer.mode == "nearest" else LINEAR[dimensions]
    if layer.scale is None:
        return Resize(mode)
    factor: Any = layer.scale[0] if len(set(layer.scale)) == 1 else layer.scale
    return nn.Upsample(scale_factor=factor, mode=mode)


LINEAR = {1: "linear", 3: "trilinear"}
"""PyTorch's names of what is bilinear in two dimensions."""


def _local_response_norm(layer: Layer) -> nn.Module:
    assert layer.lrn is not None
    return nn.LocalResponseNorm(*layer.lrn)


MODULES: dict[str, Callable[[Layer], nn.Module]] = {
    **dict.fromkeys(CONVS, _conv),
    **dict.fromkeys(TRANSPOSED, _conv_transpose),
    "linear": lambda layer: nn.Linear(layer.in_shapes[0][-1], layer.out_shape[-1], layer.bias),
    "embedding": lambda layer: nn.Embedding(layer.entries, layer.out_shape[-1]),
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "group_norm": lambda layer: nn.GroupNorm(
        layer.groups, layer.in_shapes[0][0], layer.eps, layer.vectors > 0
    ),
    "instance_norm": _instance_norm,
    "local_response_norm": _local_response_norm,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": lambda layer: _adaptive(
        layer, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d
    ),
    "adaptive_max_pool": lambda layer: _adaptive(
        layer, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d
    ),
    "upsample": _upsample,
    "channel_shuffle": lambda layer: nn.ChannelShuffle(layer.groups),
    "flatten": lambda layer: nn.Flatten(),
    "dropout": lambda layer: nn.Dropout(layer.rate),
}
