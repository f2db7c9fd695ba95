"""explain: each equation, worked out from its own text, gives the number it claims."""

import math
import re
from fractions import Fraction
from itertools import accumulate

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import DTYPES, Row, analyse
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Layer, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.receptive_field import Axis, receptive_fields
from mobilenet_lab.verbs.explain import Equation, explain

CASES = [
    ("mobilenet_v1", {}),
    ("mobilenet_v1_full_conv", {"width": 0.25, "resolution": 128}),
    ("mobilenet_v2", {}),
    ("mobilenet_v2", {"width": 0.35, "resolution": (97, 161), "classes": 7, "in_channels": 1}),
]
cases = pytest.mark.parametrize(("network", "options"), CASES, ids=str)


def worked_out(text: str, symbols: dict[str, int] | None = None) -> Fraction:
    """What an equation's text comes to, by ordinary arithmetic on fractions."""
    code = text.replace(",", "").replace("×", "*").replace("−", "-")
    code = code.replace("⌊", "floor(").replace("⌋", ")")
    code = re.sub(r"\|([^|]*)\|", r"abs(\1)", code)
    code = re.sub(r"\b\d+\b", r"Fraction(\g<0>)", code)
    assert re.fullmatch(r"[A-Za-z_0-9 ()+*/-]*", code), text
    values = {name: Fraction(value) for name, value in (symbols or {}).items()}
    functions = {"Fraction": Fraction, "floor": lambda x: Fraction(math.floor(x)), "abs": abs}
    return Fraction(eval(code, {"__builtins__": {}, **functions}, values))


def bound(
    layer: Layer, equation: Equation, row: Row, bytes_each: int, seen: list[Axis | None]
) -> dict[str, int]:
    """The symbols of one equation and what they stand for, read off the layer."""
    axis = int(equation.quantity.endswith("width"))
    symbols = {"g": layer.groups, "bytes": bytes_each, "params": row.params}
    several = len(layer.in_shapes) > 1
    shapes = {
        f"in{number if several else ''}": shape
        for number, shape in enumerate(layer.in_shapes, start=1)
    }
    for which, shape in (shapes | {"out": layer.out_shape}).items():
        names = "CHW" if len(shape) == 3 else "F"
        symbols |= {f"{name}_{which}": each for name, each in zip(names, shape, strict=True)}
    symbols["C"] = layer.in_shapes[0][0]
    if layer.kernel is not None:
        symbols |= {
            "k_h": layer.kernel[0],
            "k_w": layer.kernel[1],
            "k": layer.kernel[axis],
            "s": layer.stride[axis],
            "dilation": layer.dilation[axis],
            "p_before": layer.padding[axis][0],
            "p_after": layer.padding[axis][1],
        }
    before = seen[axis]
    if before is not None:
        symbols |= {"field_in": before.size, "jump_in": before.advance}
    return symbols


def expected(layer: Layer, row: Row, after: tuple[Axis | None, ...]) -> dict[str, int | None]:
    """What the analysis says, by the name of the quantity."""
    sizes = [None if axis is None else axis.size for axis in after]
    jumps = [None if axis is None else axis.advance for axis in after]
    numbers = {
        "params": row.params,
        "MACs": row.macs,
        "FLOPs": row.flops,
        "activations": row.activations,
        "memory": row.memory,
        "field": sizes[0],
        "field height": sizes[0],
        "field width": sizes[1],
        "jump": jumps[0],
        "jump height": jumps[0],
        "jump width": jumps[1],
    }
    if len(layer.out_shape) == 3:
        numbers |= {"height": layer.out_shape[1], "width": layer.out_shape[2]}
    return numbers


def check_layers(trace: Trace, dtype: str = "float32") -> int:
    """Checks every equation of every layer; how many there were."""
    rows = {row.name: row for row in analyse(trace, dtype).rows}
    fields = receptive_fields(trace)
    count = 0
    for layer, seen in zip(trace.layers, fields, strict=True):
        if layer.op == "input":
            continue
        row, before = rows[layer.name], list(fields[layer.inputs[0]].axes)
        told = explain(trace, layer.name, dtype=dtype).rows
        assert {"params", "MACs", "FLOPs", "memory"} <= {equation.quantity for equation in told}
        for equation in told:
            assert equation.layer == layer.name
            symbols = bound(layer, equation, row, DTYPES[dtype], before)
            assert worked_out(equation.numbers) == equation.result, equation
            assert worked_out(equation.symbols, symbols) == equation.result, equation
            assert expected(layer, row, list(seen.axes))[equation.quantity] == equation.result, (
                equation
            )
            count += 1
    return count


@cases
def test_every_equation_of_every_layer(network: str, options: dict[str, object]) -> None:
    trace = registry.trace(network, **options)
    assert check_layers(trace) > 5 * len(trace.layers)


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_equations_in_every_dtype(dtype: str) -> None:
    check_layers(registry.trace("mobilenet_v2", resolution=64), dtype)


def test_every_equation_of_a_network_with_everything() -> None:
    net = Net()
    x = net.input(3, (37, 50))
    x = net.conv2d(x, 8, (3, 5), (2, 1), padding=(1, 2), dilation=(1, 2), bias=True, name="a")
    x = net.conv2d(x, 16, 3, 2, padding="same", groups=4, bias=True, name="b")
    x = net.max_pool(x, 3, 2, ceil_mode=True, name="max")
    x = net.max_pool(x, 3, 2, padding=1, ceil_mode=True, name="max padded")
    x = net.avg_pool(x, (1, 2), 1, name="mean")
    left, right = net.split(x, [6, 10])
    x = net.concat(left, net.act(right, "silu"))
    x = net.dropout(net.add(x, net.conv(x, 16, 3, groups=16), x))
    x = net.upsample(net.local_response_norm(x), 2)
    x = net.mul(x, net.adaptive_avg_pool(x, name="squeeze"))
    x = net.flatten(net.adaptive_max_pool(x, (2, 1), name="last"))
    check_layers(net.trace(net.linear(x, 5, bias=False)))


@cases
def test_groups_add_up(network: str, options: dict[str, object]) -> None:
    trace = registry.trace(network, **options)
    analysis = analyse(trace)
    # every path that holds layers: stage3, stage3.1, stage3.1.expand ...
    paths = {
        path
        for layer in trace.layers
        for path in accumulate(layer.name.split(".")[:-1], lambda a, b: f"{a}.{b}")
    }
    assert len(paths) > 30
    for path in paths:
        told = explain(trace, path).rows
        inside = [row for row in analysis.rows if row.name.startswith(f"{path}.")]
        for quantity, key in (("params", "params"), ("MACs", "macs")):
            *parts, whole = [equation for equation in told if equation.quantity == quantity]
            ours = {row.name: getattr(row, key) for row in inside if getattr(row, key)}
            assert {part.layer: part.result for part in parts} == ours
            assert worked_out(whole.numbers) == whole.result == sum(ours.values())
            for part in parts:
                assert worked_out(part.numbers) == part.result


def test_a_stage_and_a_block_are_the_rows_of_the_summary() -> None:
    analysis = analyse(registry.trace("mobilenet_v2"))
    for row in (*analysis.by("stage"), *analysis.by("block")):
        results = {
            equation.quantity: equation.result
            for equation in explain("mobilenet_v2", row.name).rows
            if equation.layer == "in all"
        }
        assert results == {"params": row.params, "MACs": row.macs}


def test_an_explanation_by_hand() -> None:
    told = {row.quantity: row for row in explain("mobilenet_v2", "stage3.1.depthwise.conv").rows}
    assert told["MACs"] == Equation(
        "stage3.1.depthwise.conv",
        "MACs",
        "k_h × k_w × (C_in / g) × C_out × H_out × W_out",
        "3 × 3 × (192 / 192) × 192 × 28 × 28",
        1_354_752,
        "",
    )
    assert told["height"].numbers == "⌊(28 + 1 + 1 - 1 × (3 - 1) - 1) / 1⌋ + 1"
    assert told["field"].numbers == "27 + 1 × (3 - 1) × 8"
    assert told["field"].result == 43


def test_a_bias_is_in_the_formula() -> None:
    told = {row.quantity: row for row in explain("mobilenet_v2", "classifier.linear").rows}
    assert told["params"].numbers == "1,280 × 1,000 + 1,000"
    assert told["MACs"].numbers == "1,280 × 1,000"


def test_a_dot_at_the_end_of_a_path_changes_nothing() -> None:
    assert explain("mobilenet_v2", "stage3.1.").rows == explain("mobilenet_v2", "stage3.1").rows


def test_the_input_has_a_heading_without_a_hole() -> None:
    title = explain("mobilenet_v2", "input").title
    assert "3×224×224" in title
    assert "  " not in title
    assert ",  " not in title


@pytest.mark.parametrize("layer", ["stage", "stage3.1.exp", "tage3.1", "stem.conv.weight"])
def test_a_part_of_a_name_is_no_path(layer: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown layer"):
        explain("mobilenet_v2", layer)
