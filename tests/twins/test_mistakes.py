"""Mistakes, planted one at a time: what changes a cost is named by `verify`, and what does not
changes the output of the trace.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from mobilenet_lab import blocks_torch, registry
from mobilenet_lab.architectures import mobilenet_v2, mobilenet_v2_torch
from mobilenet_lab.cli import app
from mobilenet_lab.layers import Trace
from mobilenet_lab.verification import verify_module

from .cases import build, images, randomise, twin
from .interpreter import run

SIZE = (64, 96)


def differing(trace: Trace, module: nn.Module) -> set[str]:
    """The rows that `verify` names; none means that all is well."""
    verification = verify_module(trace, module)
    rows = {check.layer for check in verification.differing}
    assert verification.ok == (not rows)
    text = str(verification)
    assert all(row in text for row in rows)
    return rows


def v2(**options: Any) -> Trace:
    return registry.trace("mobilenet_v2", resolution=SIZE, **options)


# In the module


def test_expansion_at_t_1(monkeypatch: pytest.MonkeyPatch) -> None:
    class Expanding(mobilenet_v2_torch.InvertedResidual):
        def __init__(self, c_in: int, t: int, c: int, stride: int) -> None:
            super().__init__(c_in, t, c, stride)
            if t == 1:
                self.expand = blocks_torch.ConvNormAct(c_in, c_in, 1, act="relu6")

    monkeypatch.setattr(mobilenet_v2_torch, "InvertedResidual", Expanding)
    rows = differing(v2(), build("mobilenet_v2"))
    assert rows == {f"stage1.0.expand.{part}" for part in ("conv", "norm", "act")} | {"total"}


def test_width_not_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mobilenet_v2_torch, "make_divisible", lambda value: max(int(value), 8))
    rows = differing(v2(width=0.7), build("mobilenet_v2", width=0.7))
    assert "stem.conv" in rows  # 22 channels where 24 belong


def test_wrong_stride() -> None:
    module = build("mobilenet_v2")
    module.stage4[0].depthwise.conv.stride = (1, 1)
    rows = differing(v2(), module)
    assert "stage4.0.depthwise.conv" in rows
    assert not any(row.startswith(("stem", "stage3", "stage4.0.expand")) for row in rows)


def test_missing_norm() -> None:
    module = build("mobilenet_v2")
    del module.stage2[1].project.norm
    assert differing(v2(), module) == {"stage2.1.project.norm", "total"}


def test_norm_that_does_nothing() -> None:
    module = build("mobilenet_v2")
    module.head.norm = nn.Identity()
    assert differing(v2(), module) == {"head.norm", "total"}


@pytest.mark.parametrize("extra", [nn.Conv2d(96, 96, 1), nn.Dropout(0.1), nn.Identity()])
def test_extra_module(extra: nn.Module) -> None:
    module = build("mobilenet_v2")
    module.stage5[0].project.extra = extra
    assert differing(v2(), module) - {"total"} == {"stage5.0.project.extra"}


def test_extra_module_that_never_runs() -> None:
    module = build("mobilenet_v2")
    module.auxiliary = nn.Linear(8, 8)
    assert differing(v2(), module) == {"auxiliary", "total"}


def test_module_that_never_runs() -> None:
    module = build("mobilenet_v2")
    module.head.forward = lambda x: module.head.norm(module.head.conv(x))
    assert differing(v2(), module) == {"head.act"}


def test_module_that_runs_twice() -> None:
    module = build("mobilenet_v2")
    first, middle, last = module.stage5
    module.stage5.forward = lambda x: last(last(middle(first(x))))
    rows = differing(v2(), module)
    assert {"stage5.2.expand.conv", "total"} <= rows
    assert not any(row.startswith("stage5.1") for row in rows)


def test_bias() -> None:
    module = build("mobilenet_v2")
    module.stage6[1].expand.conv = nn.Conv2d(160, 960, 1, bias=True)
    assert differing(v2(), module) == {"stage6.1.expand.conv", "total"}


def test_no_bias() -> None:
    module = build("mobilenet_v2")
    module.classifier.linear = nn.Linear(1280, 1000, bias=False)
    assert differing(v2(), module) == {"classifier.linear", "total"}


def test_full_convolution_for_a_depthwise_one() -> None:
    module = build("mobilenet_v2")
    module.stage3[0].depthwise.conv = nn.Conv2d(144, 144, 3, 2, padding=1, bias=False)
    assert differing(v2(), module) == {"stage3.0.depthwise.conv", "total"}


def test_another_number_of_classes() -> None:
    assert differing(v2(), build("mobilenet_v2", classes=10)) == {"classifier.linear", "total"}


# In the trace


@pytest.mark.parametrize(
    ("row", "change", "named"),
    [
        (1, {"t": 5}, "stage2.0.expand.conv"),
        (2, {"c": 40}, "stage3.0.project.conv"),
        (3, {"n": 5}, "stage4.4.expand.conv"),
        (3, {"n": 3}, "stage4.3.expand.conv"),
        (3, {"s": 1}, "stage4.0.depthwise.conv"),
    ],
)
def test_wrong_table_row(
    monkeypatch: pytest.MonkeyPatch, row: int, change: dict[str, int], named: str
) -> None:
    """And on the command line: the row is named, and the exit code is 1."""
    table = list(mobilenet_v2.TABLE_2)
    table[row] = table[row]._replace(**change)
    monkeypatch.setattr(mobilenet_v2, "TABLE_2", tuple(table))
    assert named in differing(v2(), build("mobilenet_v2"))
    result = CliRunner().invoke(app, ["verify", "mobilenet_v2", "--resolution", "64x96"])
    assert (result.exit_code, result.stderr) == (1, "")
    assert named in result.stdout
    assert "DIFFERS" in result.stdout


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("stage1.0.depthwise.conv", {"kernel": (5, 5)}),
    ("stage1.0.depthwise.conv", {"groups": 16}),
    ("stem.conv", {"bias": True}),
    ("stem.conv", {"name": "stem.convolution"}),
    ("head.norm", {"op": "dropout"}),
    ("head.norm", {"op": "linear"}),
    ("classifier.linear", {"bias": False}),
    ("classifier.linear", {"out_shape": (1001,)}),
    ("classifier.pool", {"op": "max_pool", "kernel": (2, 3)}),
    ("stage7.0.project.conv", {"out_shape": (320, 3, 2)}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_wrong_record(name: str, change: dict[str, Any]) -> None:
    trace = v2()
    assert name in differing(altered(trace, name, **change), build("mobilenet_v2"))


def altered(trace: Trace, path: str, **change: Any) -> Trace:
    """`trace` with one layer recorded otherwise."""
    index = trace.layers.index(trace.layer(path))
    layers = list(trace.layers)
    layers[index] = layers[index]._replace(**change)
    return replace(trace, layers=tuple(layers))


# What costs nothing is seen by running the trace


def gap(trace: Trace, module: nn.Module) -> float:
    """How far the trace's output is from the module's, over the spread of the module's."""
    x = images(2, trace.input_shape)
    with torch.no_grad():
        theirs = module(x)
        (ours,) = run(trace, module.get_submodule, x)
    return float((ours - theirs).abs().max() / theirs.std())


def forward_of(change: str) -> Callable[[Any, Tensor], Tensor]:
    """An inverted residual's forward with one mistake."""

    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.expand(x) if self.expand is not None else x
        h = self.depthwise(h)
        h = self.project(h)
        if change == "activation after the projection":
            h = h.relu()
        if change == "no residual" or not self.residual:
            return h
        if change == "residual subtracted":
            return x - h
        return (x + h).relu() if change == "activation after the residual" else x + h

    return forward


MISTAKES = (
    "activation after the projection",
    "no residual",
    "residual subtracted",
    "activation after the residual",
)


@pytest.mark.parametrize("change", MISTAKES)
def test_behaviour_that_costs_nothing(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """`verify` counts and cannot see it; running the trace does."""
    trace, module = v2(), twin("mobilenet_v2")
    assert gap(trace, module) < 1e-3
    monkeypatch.setattr(mobilenet_v2_torch.InvertedResidual, "forward", forward_of(change))
    assert verify_module(trace, module).ok
    assert gap(trace, module) > 0.05


def test_unchanged_forward_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forward that the mistakes are made in is right without one."""
    trace, module = v2(), twin("mobilenet_v2")
    monkeypatch.setattr(mobilenet_v2_torch.InvertedResidual, "forward", forward_of(""))
    assert gap(trace, module) < 1e-3


def test_residual_where_channels_differ() -> None:
    """Added to the first channels only, as a broadcasting slip would."""
    trace, module = v2(), twin("mobilenet_v2")
    block = module.stage5[0]

    def forward(x: Tensor) -> Tensor:
        h = block.project(block.depthwise(block.expand(x)))
        return torch.cat([h[:, :64] + x, h[:, 64:]], 1)

    block.forward = forward
    assert verify_module(trace, module).ok
    assert gap(trace, module) > 0.05


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("head.norm", {"eps": 1e-3}),
        ("stem.conv", {"padding": ((0, 2), (0, 2))}),
        ("stem.act", {"op": "hardswish"}),
        ("stage3.1.expand.act", {"op": "relu"}),
        ("stage4.2.add", {"inputs": (0, 0)}),
        ("stage2.0.depthwise.conv", {"padding": ((1, 1), (2, 0))}),
    ],
)
def test_wrong_record_that_costs_nothing(name: str, change: dict[str, Any]) -> None:
    trace, module = v2(), twin("mobilenet_v2")
    if "inputs" in change:
        *_, projection = trace.layer(name).inputs
        change = {"inputs": (projection, projection)}
    wrong = altered(trace, name, **change)
    assert verify_module(wrong, module).ok
    assert gap(wrong, module) > 1e-3


def test_norm_before_the_convolution() -> None:
    """The same modules, the same cost, another order."""
    trace, module = registry.trace("mobilenet_v1", resolution=SIZE), twin("mobilenet_v1")
    leaf = module.stage9[0].pointwise
    leaf.forward = lambda x: leaf.act(leaf.conv(leaf.norm(x)))
    assert verify_module(trace, module).ok
    assert gap(trace, module) > 0.05


def test_relu6_for_relu() -> None:
    trace = registry.trace("mobilenet_v1", resolution=SIZE, activation="relu6")
    module = randomise(registry.build("mobilenet_v1"))
    assert gap(registry.trace("mobilenet_v1", resolution=SIZE), module) < 1e-3
    assert verify_module(trace, module).ok
    assert gap(trace, module) > 0.05
