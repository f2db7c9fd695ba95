"""What is read from a twin is what its paper's table is expanded to; torch.export agrees."""

from typing import Any

import pytest
import torch
from networks import KINDS, NAMES, fitting
from torch import nn
from torchvision.models import get_model

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.layers import Layer, Trace

from .cases import build, label

SETTINGS = (
    {"width": 0.35, "resolution": (64, 96), "classes": 7, "in_channels": 2},
    {"width": 1.3, "resolution": (97, 64)},
)


def plain(trace: Trace) -> list[Layer]:
    """The layers without stage, block and role, of which a module says nothing."""
    return [layer._replace(stage="", block="", role="") for layer in trace.layers]


CASES = [(name, SETTINGS[0]) for name in NAMES] + [(name, SETTINGS[1]) for name in KINDS]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=label)
def test_a_twin_is_read_as_its_table_is_expanded(name: str, settings: dict[str, Any]) -> None:
    options = fitting(name, settings)
    table, twin = registry.trace(name, **options), build(name, **options)
    read = lab.inspect(twin, table.input_shape)
    assert plain(read) == plain(table)
    assert read.outputs == table.outputs
    assert read.unused == {}
    ours, theirs = analyse(read), analyse(table)
    for mine, other in zip(ours.rows, theirs.rows, strict=True):
        where = {"stage": "", "block": "", "role": ""}
        assert mine._replace(**where) == other._replace(**where)  # counts, memory, fields
    total = {"name": "", "stage": "", "block": "", "role": ""}
    assert ours.total._replace(**total) == theirs.total._replace(**total)


@pytest.mark.parametrize("name", KINDS)
def test_a_twin_that_was_exported_is_read_alike(name: str) -> None:
    """Without the one module that is a single layer here and several operators there."""
    options = fitting(name, {"width": 0.35, "resolution": (64, 64)})
    twin, shape = build(name, **options), registry.trace(name, **options).input_shape
    if any(isinstance(part, nn.LocalResponseNorm) for part in twin.modules()):
        twin = build("googlenet_torchvision", **options)
    exported = torch.export.export(twin, (torch.zeros(1, *shape),))
    assert plain(lab.inspect(exported)) == plain(lab.inspect(twin, shape))


@pytest.mark.parametrize("model", ["alexnet", "resnet18", "convnext_tiny", "swin_t", "vit_b_16"])
def test_a_foreign_model_that_was_exported_is_read_alike(model: str) -> None:
    module = get_model(model, weights=None).eval()
    exported = torch.export.export(module, (torch.zeros(1, 3, 224, 224),))
    read, other = lab.inspect(module, (3, 224, 224)), lab.inspect(exported)
    assert read.layers == other.layers
    assert read.outputs == other.outputs


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v3_small", "vit_b_16", "convnext_tiny"])
def test_the_operators_are_those_of_export(model: str) -> None:
    """One by one, in the same order."""
    from mobilenet_lab.importers import aten_torch as aten
    from mobilenet_lab.importers.recorder_torch import record

    module = get_model(model, weights=None).eval()
    graph = torch.export.export(module, (torch.zeros(1, 3, 224, 224),)).graph
    with torch.inference_mode():
        image = torch.zeros(1, 3, 224, 224, device="meta")
    recorder, _ = record(module, ((image,), {}), aten.is_known, model)
    theirs = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    ours = [str(call.operator) for call in recorder.calls]
    assert ours == theirs


def test_what_is_exported_is_verified() -> None:
    exported = torch.export.export(get_model("resnet18").eval(), (torch.zeros(1, 3, 64, 96),))
    verification = lab.verify(exported)
    assert verification.ok
    assert lab.summary(exported).total.params == 11_689_512
