"""The arithmetic of one operation: by hand, by a slow walk, and on arrays and symbols."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from oracles import convolve, walk

from mobilenet_lab import formulas
from mobilenet_lab.analysis import macs, params
from mobilenet_lab.errors import LabError, ShapeError, VanishedError
from mobilenet_lab.net import Net

# By hand


@pytest.mark.parametrize(
    ("window", "size"),
    [
        # AlexNet (2012): 227 -> 55 -> 27 (overlapping pool) -> 13
        ({"size": 227, "kernel": 11, "stride": 4}, 55),
        ({"size": 55, "kernel": 3, "stride": 2}, 27),
        ({"size": 27, "kernel": 3, "stride": 2}, 13),
        # 224 with the paper's own numbers does not divide: 54.25 windows fit
        ({"size": 224, "kernel": 11, "stride": 4}, 54),
        ({"size": 224, "kernel": 11, "stride": 4, "padding": 2}, 55),
        # a stem: 3x3, stride 2, padding 1 halves, rounding up
        ({"size": 224, "kernel": 3, "stride": 2, "padding": 1}, 112),
        ({"size": 225, "kernel": 3, "stride": 2, "padding": 1}, 113),
        ({"size": 224, "kernel": 3, "stride": 2, "padding": (0, 1)}, 112),
        # a 3x3 with dilation 2 covers 5
        ({"size": 7, "kernel": 3, "dilation": 2}, 3),
        ({"size": 5, "kernel": 3, "dilation": 2}, 1),
        ({"size": 4, "kernel": 3, "dilation": 2}, 0),
        # GoogLeNet's first pool: 112 -> 56 with ceil mode, 55 without
        ({"size": 112, "kernel": 3, "stride": 2, "ceil_mode": True}, 56),
        ({"size": 112, "kernel": 3, "stride": 2}, 55),
        # the third window would start in the padding
        ({"size": 4, "kernel": 2, "stride": 3, "padding": 1}, 2),
        ({"size": 4, "kernel": 2, "stride": 3, "padding": 1, "ceil_mode": True}, 2),
        ({"size": 2, "kernel": 3, "stride": 2, "ceil_mode": True}, 1),
    ],
)
def test_output_sizes(window: dict, size: int) -> None:
    assert formulas.output_size(**window) == size


def test_params_of_printed_layers() -> None:
    assert formulas.conv2d_params(11, 3, 96, bias=True) == 34_944  # AlexNet conv 1: 363 x 96 + 96
    assert formulas.conv2d_params(5, 96, 256, groups=2, bias=True) == 307_456  # 25 x 48 x 256 + 256
    assert formulas.conv2d_params(3, 512, 512, groups=512) == 4_608
    assert formulas.conv2d_params((1, 7), 128, 192) == 172_032
    assert formulas.linear_params(1024, 1000) == 1_025_000
    assert formulas.linear_params(1024, 1000, bias=False) == 1_024_000
    assert formulas.linear_params(9216, 4096) == 37_752_832  # AlexNet fc6
    assert formulas.batch_norm_params(32) == 64
    assert formulas.elements((32, 112, 112)) == 401_408
    assert formulas.elements((1000,)) == 1000


def test_macs_of_printed_layers() -> None:
    # MobileNet V1 and V2's stem: 27 x 32 x 112 x 112
    assert formulas.conv2d_macs(3, 3, 32, 112, 112) == 10_838_016
    assert formulas.conv2d_macs((3, 5), 4, 6, 2, 7, groups=2) == 15 * 2 * 6 * 14
    assert formulas.linear_macs(1024, 1000) == 1_024_000
    assert formulas.bytes_moved(10, 3, 20, 4) == 132


def test_the_grouped_example_of_the_course() -> None:
    """11x11, stride 4, 3 -> 6 channels in 3 groups on 227x227; FLOPs (2 K^2 C0/g + 1) H W C1."""
    side = formulas.output_size(227, 11, 4)
    assert side == 55
    assert formulas.conv2d_params(11, 3, 6, groups=3) == 726
    flops = 2 * formulas.conv2d_macs(11, 3, 6, side, side, groups=3) + 6 * side * side
    assert flops == 4_410_450


def test_separable_against_standard() -> None:
    """At 64 channels, over the 3x3 outputs: 81cd / (81c + 9cd) is 7.89, not the mixed 71.0."""
    standard = formulas.conv2d_macs(3, 64, 64, 3, 3)
    separable = formulas.separable_macs(3, 64, 64, 3, 3)
    assert (standard, separable) == (331_776, 42_048)
    assert Fraction(separable, standard) == formulas.separable_ratio(3, 64) == Fraction(73, 576)
    assert f"{standard / separable:.2f}" == "7.89"
    assert f"{standard / formulas.separable_params(3, 64, 64):.1f}" == "71.0"


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 99), st.integers(1, 99))
def test_the_ratio_holds_for_weights_and_macs(k_h: int, k_w: int, c_in: int, c_out: int) -> None:
    kernel = (k_h, k_w)
    ratio = formulas.separable_ratio(kernel, c_out)
    weights = formulas.separable_params(kernel, c_in, c_out)
    assert Fraction(weights, formulas.conv2d_params(kernel, c_in, c_out)) == ratio
    work = formulas.separable_macs(kernel, c_in, c_out, 5, 7)
    assert Fraction(work, formulas.conv2d_macs(kernel, c_in, c_out, 5, 7)) == ratio
    biased = formulas.separable_params(kernel, c_in, c_out, bias=True)
    assert biased == weights + c_in + c_out


@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(6, 4, 4), (4, 6, 4), (3, 3, 2), (4, 4, 0)])
def test_groups_that_do_not_divide_are_refused(c_in: int, c_out: int, groups: int) -> None:
    with pytest.raises(LabError, match="groups"):
        formulas.conv2d_params(3, c_in, c_out, groups=groups)
    with pytest.raises(LabError, match="groups"):
        formulas.conv2d_macs(3, c_in, c_out, 5, 5, groups=groups)


# By a slow walk

small = st.integers(1, 4)
window = st.tuples(
    st.integers(1, 12), small, small, st.integers(0, 4), st.integers(0, 4), st.integers(1, 3)
)


@given(window)
def test_output_size_counts_the_windows_of_a_walk(window: tuple) -> None:
    size, kernel, stride, before, after, dilation = window
    counted = len(walk(*window))
    computed = formulas.output_size(size, kernel, stride, (before, after), dilation)
    assert max(computed, 0) == counted


@given(window)
def test_output_size_in_ceil_mode_counts_the_windows_of_a_walk(window: tuple) -> None:
    size, kernel, stride, before, after, dilation = window
    counted = len(walk(*window, ceil=True))
    computed = formulas.output_size(size, kernel, stride, (before, after), dilation, True)
    assert max(computed, 0) == counted


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 5), st.integers(1, 3))
def test_same_padding_gives_the_outputs_with_the_fewest_pixels(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    """The least padding with ceil(n / stride) outputs, its odd pixel after the input."""
    before, after = formulas.same_padding(size, kernel, stride, dilation)
    wanted = len(range(0, size, stride))
    assert len(walk(size, kernel, stride, before, after, dilation)) == wanted
    assert after - before in (0, 1)
    if before + after:
        one_less = (before, after - 1) if after > before else (before - 1, after)
        assert len(walk(size, kernel, stride, *one_less, dilation)) < wanted


@st.composite
def convolutions(draw: st.DrawFn) -> dict:
    """Arguments of `Net.conv2d` and an input for it, small enough to walk."""
    groups = draw(st.integers(1, 3))
    pair = st.tuples(small, small)
    return {
        "c_in": groups * draw(st.integers(1, 2)),
        "c_out": groups * draw(st.integers(1, 2)),
        "size": draw(st.tuples(st.integers(1, 9), st.integers(1, 9))),
        "kernel": draw(pair),
        "stride": draw(pair),
        "padding": draw(
            st.sampled_from(["same", None]) | st.tuples(st.integers(0, 3), st.integers(0, 3))
        ),
        "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "groups": groups,
        "bias": draw(st.booleans()),
    }


@given(convolutions())
def test_a_conv_counts_what_a_walk_counts(conv: dict) -> None:
    """Output size, multiplications and weights; a product with padding is one, too."""
    axes = list(zip(conv["size"], conv["kernel"], conv["stride"], conv["dilation"], strict=True))
    if conv["padding"] == "same":
        sides = tuple(formulas.same_padding(*axis) for axis in axes)
    elif conv["padding"] is None:
        sides = tuple((d * (k - 1) // 2,) * 2 for _, k, _, d in axes)
    else:
        sides = tuple((p, p) for p in conv["padding"])
    keys = ("c_in", "c_out", "size", "kernel", "stride", "dilation", "groups")
    seen = convolve(**{key: conv[key] for key in keys}, padding=sides)

    net = Net()
    x = net.input(conv.pop("c_in"), conv.pop("size"))
    if not (seen.height and seen.width):
        with pytest.raises(VanishedError, match="nothing is left"):
            net.conv2d(x, conv.pop("c_out"), **conv)
        return
    c_out = conv.pop("c_out")
    y = net.conv2d(x, c_out, **conv)
    layer = net.trace(y).layers[-1]
    assert y.shape == (c_out, seen.height, seen.width)
    assert layer.padding == sides
    assert macs(layer) == seen.multiplications
    assert params(layer) == seen.weights + (c_out if conv["bias"] else 0)


@given(window, window, st.booleans())
def test_a_pool_has_the_size_of_a_walk(rows: tuple, columns: tuple, ceil: bool) -> None:
    columns = (*columns[:4], columns[3], columns[5])
    rows = (*rows[:4], rows[3], rows[5])
    height, width = (len(walk(*axis, ceil=ceil)) for axis in (rows, columns))
    net = Net()
    size, kernel, stride, padding, _, dilation = zip(rows, columns, strict=True)
    x = net.input(3, size)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        with pytest.raises(ShapeError):  # or a window would see nothing but padding
            net.max_pool(x, kernel, stride, padding, dilation, ceil)
        return
    if not (height and width):
        with pytest.raises(VanishedError):
            net.max_pool(x, kernel, stride, padding, dilation, ceil)
        return
    assert net.max_pool(x, kernel, stride, padding, dilation, ceil).shape == (3, height, width)


# On arrays and symbols


def test_arrays_answer_as_their_elements_do() -> None:
    sizes = np.arange(1, 60)
    for ceil in (False, True):
        swept = formulas.output_size(sizes, 5, 3, (1, 2), 2, ceil)
        one_by_one = [formulas.output_size(int(n), 5, 3, (1, 2), 2, ceil) for n in sizes]
        assert swept.tolist() == one_by_one
        assert np.issubdtype(swept.dtype, np.integer)

    widths = np.arange(8, 129, 8)
    for swept, one in [
        (formulas.conv2d_params(3, widths, 64, 4), lambda c: formulas.conv2d_params(3, c, 64, 4)),
        (
            formulas.conv2d_macs(3, widths, widths, 7, 9, groups=widths),
            lambda c: formulas.conv2d_macs(3, c, c, 7, 9, groups=c),
        ),
        (
            formulas.separable_macs((3, 5), widths, 2 * widths, 7, 9),
            lambda c: formulas.separable_macs((3, 5), c, 2 * c, 7, 9),
        ),
        (formulas.linear_params(widths, 10), lambda c: formulas.linear_params(c, 10)),
        (formulas.linear_macs(widths, 10), lambda c: formulas.linear_macs(c, 10)),
        (formulas.batch_norm_params(widths), formulas.batch_norm_params),
        (formulas.elements((widths, 3, 4)), lambda c: formulas.elements((c, 3, 4))),
        (formulas.bytes_moved(widths, 2, 3, 4), lambda c: formulas.bytes_moved(c, 2, 3, 4)),
    ]:
        assert swept.tolist() == [one(int(c)) for c in widths]
        assert np.issubdtype(swept.dtype, np.integer)


def test_an_array_with_one_uneven_count_is_refused() -> None:
    with pytest.raises(LabError, match="groups"):
        formulas.conv2d_params(3, np.array([8, 12, 6]), 8, groups=4)


def test_the_ratio_of_an_array_is_an_array_of_numbers() -> None:
    ratios = formulas.separable_ratio(3, np.array([1, 9, 64]))
    assert ratios.dtype == np.float64
    assert ratios.tolist() == pytest.approx([10 / 9, 2 / 9, 73 / 576])


@pytest.mark.parametrize("assumed", [{}, {"integer": True}, {"integer": True, "positive": True}])
def test_symbols_give_the_formulas_of_the_papers(assumed: dict) -> None:
    c, d, k, n = sympy.symbols("c d k n", **assumed)
    assert formulas.conv2d_macs(kernel=3, c_in=c, c_out=d, h_out=3, w_out=3) == 81 * c * d
    assert sympy.expand(formulas.separable_params(3, c, d)) == 9 * c + c * d
    assert sympy.expand(formulas.separable_macs(3, c, d, 3, 3)) == 81 * c + 9 * c * d
    # MobileNetV1 (arXiv 1704.04861), section 3.1
    assert formulas.separable_ratio(3, d) == 1 / d + sympy.Rational(1, 9)
    assert formulas.separable_ratio(k, d) == 1 / d + 1 / k**2
    assert formulas.conv2d_params(k, c, d, groups=2) == k**2 * c * d / 2
    assert formulas.linear_params(c, d) == c * d + d
    assert formulas.batch_norm_params(c) == 2 * c
    assert formulas.elements((c, n, n)) == c * n**2


@pytest.mark.parametrize("assumed", [{}, {"integer": True}])
def test_a_symbol_on_one_side_of_a_grouped_conv(assumed: dict) -> None:
    """A number that groups divide stays exact when the other count is a symbol."""
    d = sympy.Symbol("d", **assumed)
    assert formulas.conv2d_params(3, 64, d, groups=2) == 288 * d
    assert formulas.conv2d_params(3, d, 64, groups=2) == 288 * d
    with pytest.raises(LabError, match="groups"):
        formulas.conv2d_params(3, 7, d, groups=2)


@given(st.integers(1, 60), small, small, st.integers(0, 3), st.booleans())
def test_a_symbolic_size_is_right_where_it_is_evaluated(
    size: int, kernel: int, stride: int, padding: int, ceil: bool
) -> None:
    n = sympy.Symbol("n", integer=True)
    symbolic = formulas.output_size(n, kernel, stride, padding, ceil_mode=ceil)
    assert symbolic.subs(n, size) == formulas.output_size(
        size, kernel, stride, padding, ceil_mode=ceil
    )
