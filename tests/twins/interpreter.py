"""Runs a trace with weights: the only way in which a record of shapes can be wrong out loud.

From a module come weights and nothing else. Kernels, strides, paddings, groups, kinds of
activation and what feeds what are read off the trace; if one of them is wrong, so is the output.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilenet_lab.layers import ACTIVATIONS, Layer, Trace


def run(trace: Trace, weights: Callable[[str], Any], image: Tensor) -> list[Tensor]:
    """The outputs of `trace` on images (N x C x H x W); `weights` finds a layer's by its name.

    For a module, `weights` is `module.get_submodule`.
    """
    values: list[Tensor] = []
    for layer in trace.layers:
        values.append(step(layer, weights, [values[index] for index in layer.inputs] or [image]))
        shape = tuple(values[-1].shape[1:])
        assert shape == layer.out_shape, f"{layer.name}: {shape} is not {layer.out_shape}"
    return [values[index] for index in trace.outputs]


def step(layer: Layer, weights: Callable[[str], Any], inputs: list[Tensor]) -> Tensor:
    """What one layer makes of its inputs."""
    x = inputs[0]
    match layer.op:
        case "input" | "dropout":
            return x
        case "conv2d":
            own = weights(layer.name)
            assert tuple(own.weight.shape[2:]) == layer.kernel, layer.name
            bias = own.bias if layer.bias else None
            window = layer.stride, 0, layer.dilation, layer.groups
            return F.conv2d(F.pad(x, sides(layer)), own.weight, bias, *window)
        case "linear":
            own = weights(layer.name)
            return F.linear(x, own.weight, own.bias if layer.bias else None)
        case "batch_norm":
            own = weights(layer.name)
            statistics = own.running_mean, own.running_var
            return F.batch_norm(x, *statistics, own.weight, own.bias, eps=layer.eps)
        case "local_response_norm":
            return F.local_response_norm(x, *layer.lrn)
        case "max_pool":
            x = F.pad(x, sides(layer), value=-torch.inf)
            return windows(layer, x, -torch.inf, F.max_pool2d, dilation=layer.dilation)
        case "avg_pool":
            divisor = F.pad(torch.ones_like(x), sides(layer), value=float(layer.include_pad))
            seen = windows(layer, divisor, 0.0, F.avg_pool2d)
            return windows(layer, F.pad(x, sides(layer)), 0.0, F.avg_pool2d) / seen
        case "adaptive_avg_pool":
            return F.adaptive_avg_pool2d(x, layer.out_shape[1:])
        case "adaptive_max_pool":
            return F.adaptive_max_pool2d(x, layer.out_shape[1:])
        case "add":
            return sum(inputs[1:], start=x)
        case "mul":
            return x * inputs[1]
        case "concat":
            return torch.cat(inputs, 1)
        case "split":
            return x.narrow(1, layer.start, layer.out_shape[0])
        case "channel_shuffle":
            return F.channel_shuffle(x, layer.groups)
        case "upsample":
            return F.interpolate(x, layer.out_shape[1:], mode=layer.mode)
        case "flatten":
            return x.flatten(1)
        case kind if kind in ACTIVATIONS:
            return F.softmax(x, 1) if kind == "softmax" else getattr(F, kind)(x)
    raise NotImplementedError(layer.op)


def sides(layer: Layer) -> tuple[int, int, int, int]:
    """The padding as F.pad wants it: left, right, top, bottom."""
    vertical, horizontal = layer.padding
    return (*horizontal, *vertical)


def windows(layer: Layer, padded: Tensor, beyond: float, pool: Any, **more: Any) -> Tensor:
    """A pool over a padded map.

    In ceil mode a last window may hang over the edge, where all is `beyond`, unless it would start
    in the padding after the input. PyTorch's own ceil mode knows no padding of unequal sides.
    """
    if not layer.ceil_mode:
        return pool(padded, layer.kernel, layer.stride, **more)
    vertical, horizontal = layer.stride
    x = F.pad(padded, (0, horizontal - 1, 0, vertical - 1), value=beyond)
    x = pool(x, layer.kernel, layer.stride, **more)
    ends = (padded.shape[axis + 2] - layer.padding[axis][1] for axis in (0, 1))
    rows, columns = (-(-end // stride) for end, stride in zip(ends, layer.stride, strict=True))
    return x[..., :rows, :columns]
