"""`conv`: one convolution in its forms, side by side."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mobilenet_lab import formulas
from mobilenet_lab.analysis import Row, analyse, macs, params
from mobilenet_lab.expression import Expression
from mobilenet_lab.layers import Pair, Shape, Trace
from mobilenet_lab.net import Net, PaddingSpec
from mobilenet_lab.reports.table import Column, Table, write
from mobilenet_lab.verbs.common import CONVENTION
from mobilenet_lab.verbs.field import window as window_text


class Form(NamedTuple):
    """One way to get from the input to the output channels; a step of one has no ratio."""

    name: str
    out_shape: Shape
    params: int
    macs: int
    params_ratio: float | None
    macs_ratio: float | None


COLUMNS = (
    Column("name", "convolution", "text", lambda row: row.name),
    Column("output", "output", "shape", lambda row: row.out_shape, "channels × height × width"),
    Column("params", "params", "count", lambda row: row.params, "learned parameters"),
    Column("params_ratio", "ratio", "ratio", lambda row: row.params_ratio, "to standard"),
    Column("macs", "MACs", "count", lambda row: row.macs, CONVENTION),
    Column("macs_ratio", "ratio", "ratio", lambda row: row.macs_ratio, "to standard"),
)


def conv(
    c_in: int,
    c_out: int,
    kernel: int | Pair = 3,
    size: int | Pair = 56,
    *,
    stride: int | Pair = 1,
    padding: PaddingSpec = "same",
    dilation: int | Pair = 1,
    groups: int | Sequence[int] = (),
    bias: bool = False,
) -> Table:
    """Standard, grouped and depthwise-separable convolution of one c_in x H x W input.

    `size` is the input's (a side or (height, width)); `padding` a number, a pair, or "same"
    (ceil(size / stride) comes out). `groups` may be several; without any, two are shown where
    they divide both channel counts.

    Raises:
        LabError: a value of no use, or groups that do not divide.
    """
    window: dict[str, Any] = {
        "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "bias": bias
    }  # fmt: skip
    net = Net()
    x = net.input(c_in, size)
    net.conv2d(x, c_out, **window, name="standard")
    for count in _groups(groups, c_in, c_out):
        net.conv2d(x, c_out, **window, groups=count, name=f"grouped, g = {count}")
    with net.stage("depthwise-separable"):
        h = net.conv2d(x, c_in, **window, groups=c_in, name="depthwise")
        net.conv2d(h, c_out, 1, bias=bias, name="pointwise")
    trace = net.trace()
    analysis = analyse(trace)
    standard = analysis.by("stage")[0]
    rows = [_form(row, standard) for row in analysis.by("stage")]
    rows += [_form(row, standard)._replace(name=row.role) for row in analysis.rows[-2:]]
    image = write(trace.input_shape, "shape")
    return Table(
        f"{window_text(trace.layers[1])} convolutions of {image} to {c_out}",
        COLUMNS,
        tuple(rows),
        subtitle=f"MACs by convention {CONVENTION}",
        notes=tuple(_notes(trace)),
        facts={"input": trace.input_shape, "convention": CONVENTION},
    )


def _groups(groups: int | Sequence[int], c_in: int, c_out: int) -> Sequence[int]:
    if isinstance(groups, int):
        return [groups]
    return list(dict.fromkeys(groups)) or ([2] if c_in % 2 == c_out % 2 == 0 else [])


def _form(row: Row, standard: Row) -> Form:
    return Form(
        row.name,
        row.out_shape or (),
        row.params,
        row.macs,
        row.params / standard.params,
        row.macs / standard.macs,
    )


def _notes(trace: Trace) -> Iterator[str]:
    """Each form's formula, with symbols once and with numbers for all."""
    standard, depthwise, pointwise = trace.layers[1], trace.layers[-2], trace.layers[-1]
    yield "depthwise-separable: depthwise, then pointwise"
    for quantity, count in (("params", params), ("MACs", macs)):
        yield f"{quantity} = {count(standard, Expression.symbol).symbols}"
        for layer in trace.layers[1:]:
            worked = count(layer, Expression.symbol)
            yield f"  {layer.name}: {worked.numbers} = {worked.value:,}"
    assert depthwise.kernel is not None
    area, d = depthwise.kernel[0] * depthwise.kernel[1], pointwise.out_shape[0]
    ratio = formulas.separable_ratio(depthwise.kernel, d)
    yield (
        f"depthwise-separable / standard = 1 / C_out + 1 / (k_h × k_w) = 1 / {d} + 1 / {area} "
        f"= {ratio} = {float(ratio):.4g} (MACs, and weights without bias)"
    )
