"""Row by row, the trace against what fvcore, torch and PyTorch's hooks see of the twin."""

from typing import Any

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NAMES, fitting
from torch import Tensor, nn

from mobilenet_lab import analysis, registry
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import flop_counter, fvcore, torchinfo
from mobilenet_lab.layers import Trace
from mobilenet_lab.verification import verify_module

from .cases import blank, grid, label, outputs

OPERATORS = {"input", "add", "mul", "concat", "split"}
"""Layers that are an operator in a forward and so no module."""


def leaves(module: nn.Module) -> dict[str, nn.Module]:
    """The modules without children, by path."""
    return {path: part for path, part in module.named_modules() if not [*part.children()]}


def modules_of(trace: Trace, module: nn.Module) -> dict[str, Any]:
    """The layers that must be modules, by name, and concatenations that are (YOLOv5's rows)."""
    parts = dict(module.named_modules())
    return {
        layer.name: layer
        for layer in trace.layers
        if layer.op not in OPERATORS or (layer.op == "concat" and layer.name in parts)
    }


@pytest.mark.parametrize(("name", "options"), grid(), ids=label)
def test_verify_agrees(name: str, options: dict[str, Any]) -> None:
    verification = verify_module(registry.trace(name, **options), blank(name, **options))
    assert verification.ok, verification.differing


@pytest.mark.parametrize(("name", "options"), grid(), ids=label)
def test_every_row_is_a_module_of_the_same_cost(name: str, options: dict[str, Any]) -> None:
    """Names in running order, shapes, parameters and MACs, without the help of `verify`."""
    trace, module = registry.trace(name, **options), blank(name, **options)
    ran: dict[str, tuple[int, ...]] = {}

    def watch(path: str, part: nn.Module) -> None:
        def note(_: nn.Module, __: Any, out: Tensor) -> None:
            assert path not in ran, f"{path} ran twice"
            ran[path] = tuple(out.shape[1:])

        part.register_forward_hook(note)

    for path, part in leaves(module).items():
        watch(path, part)
    image = torch.zeros(1, *trace.input_shape)
    with torch.no_grad():
        module(image)
    layers = modules_of(trace, module)
    assert list(ran) == list(layers)  # in running order, too
    assert set(leaves(module)) == set(layers)
    assert ran == {path: layer.out_shape for path, layer in layers.items()}

    for part in module.modules():
        part._forward_hooks.clear()  # fvcore's tracing would run them
    sizes = dict.fromkeys(layers, 0)
    for path, parameter in module.named_parameters():
        sizes[path.rpartition(".")[0]] += parameter.numel()
    assert sizes == {path: analysis.params(layer) for path, layer in layers.items()}

    counts = FlopCountAnalysis(module, image)
    counts.unsupported_ops_warnings(False).tracer_warnings("none")
    counted = counts.by_module_and_operator()
    seen = {path: counted[path]["conv"] + counted[path]["linear"] for path in layers}
    assert seen == {path: analysis.macs(layer) for path, layer in layers.items()}
    assert sum(seen.values()) == counted[""]["conv"] + counted[""]["linear"]


@pytest.mark.parametrize(("name", "options"), grid(), ids=label)
def test_every_hyperparameter_is_the_module_s(name: str, options: dict[str, Any]) -> None:
    """Two mistakes can make one cost, so the records themselves are compared, too."""
    trace, module = registry.trace(name, **options), blank(name, **options)
    for path, layer in modules_of(trace, module).items():
        part = module.get_submodule(path)
        if isinstance(part, nn.Conv2d):
            symmetric = tuple((side, side) for side in part.padding)
            theirs = part.kernel_size, part.stride, symmetric, part.dilation, part.groups
            ours = layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups
            assert (layer.op, *ours) == ("conv2d", *theirs), path
            assert layer.bias == (part.bias is not None), path
            assert layer.in_shapes[0][0] == part.in_channels, path
        elif isinstance(part, nn.BatchNorm2d):
            assert (layer.op, layer.eps) == ("batch_norm", part.eps), path
        elif isinstance(part, nn.Dropout):
            assert (layer.op, layer.rate) == ("dropout", part.p), path
        elif isinstance(part, nn.Linear):
            bias = part.bias is not None
            assert (layer.op, layer.bias) == ("linear", bias), path


@pytest.mark.parametrize("name", NAMES)
def test_the_honest_counters_agree_on_the_sum(name: str) -> None:
    """Sum of MACs = fvcore's conv + linear = FlopCounterMode / 2."""
    trace, module = registry.trace(name), blank(name)
    image = torch.zeros(1, *trace.input_shape)
    total = analysis.analyse(trace).total
    operators = fvcore.count(module, image)[""]
    assert total.macs == CONVENTIONS["paper"].total(trace.layers)
    assert total.macs == operators["conv"] + operators["linear"]
    assert 2 * total.macs == flop_counter.count(module, image)
    assert total.params == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_a_batch_are_so_many_images(name: str) -> None:
    batch = 3  # every other test has one image
    settings = fitting(name, {"resolution": (64, 96)})
    trace, module = registry.trace(name, **settings), blank(name, **settings)
    image = torch.zeros(batch, *trace.input_shape)
    operators = fvcore.count(module, image)[""]
    assert batch * analysis.analyse(trace).total.macs == operators["conv"] + operators["linear"]
    flops = CONVENTIONS["flop_counter"].total(trace.layers)
    assert batch * flops == flop_counter.count(module, image)


@pytest.mark.parametrize("name", NAMES)
def test_closed_forms_are_what_the_tools_count(name: str) -> None:
    settings = fitting(name, {"resolution": (70, 51)})
    trace, module = registry.trace(name, **settings), blank(name, **settings)
    image = torch.zeros(1, *trace.input_shape)
    by_torchinfo, by_fvcore = torchinfo.count(module, image), fvcore.count(module, image)
    for path, layer in modules_of(trace, module).items():
        assert CONVENTIONS["torchinfo"].count(layer) == by_torchinfo[path].mult_adds, path
        assert CONVENTIONS["fvcore"].count(layer) == sum(by_fvcore[path].values()), path
    assert CONVENTIONS["fvcore"].total(trace.layers) == sum(by_fvcore[""].values())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(
    width=st.floats(0.02, 1.6),
    resolution=st.tuples(st.integers(31, 80), st.integers(31, 80)),
    classes=st.integers(1, 30),
    in_channels=st.integers(1, 5),
)
def test_any_settings_agree(name: str, **options: Any) -> None:
    """Small images at any width: parameters, MACs and the shape that comes out."""
    options = fitting(name, options)
    trace, module = registry.trace(name, **options), blank(name, **options)
    image = torch.zeros(1, *trace.input_shape)
    total = analysis.analyse(trace).total
    assert total.params == sum(parameter.numel() for parameter in module.parameters())
    assert 2 * total.macs == flop_counter.count(module, image)
    assert [trace.layers[index].out_shape for index in trace.outputs] == [
        tuple(each.shape[1:]) for each in outputs(module, image)
    ]
