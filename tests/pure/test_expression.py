"""Formulas that write themselves out: value, symbols and numbers must say the same."""

import re
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lab import formulas
from mobilenet_lab.errors import LabError
from mobilenet_lab.expression import Expression

symbol = Expression.symbol


def worked_out(text: str, **values: int) -> Fraction:
    """The value of a printed text, read as a reader does: × and / from left to right."""
    code = re.sub(r"\|([^|]*)\|", r"abs(\1)", text.replace(",", ""))
    code = code.replace("×", "*").replace("⌊", "floor(").replace("⌋", ")")
    code = re.sub(r"\d+", lambda found: f"Fraction({found.group()})", code)
    known = {name: Fraction(value) for name, value in values.items()}
    return eval(code, {"Fraction": Fraction, "floor": floor, "abs": abs} | known)


VALUES = {"a": 1234, "b": 6, "c": 3, "d": 2}
leaves = st.sampled_from([symbol(name, value) for name, value in VALUES.items()])


def joined(parts: st.SearchStrategy) -> st.SearchStrategy:
    """Sums, differences, products and floored ratios of `parts` and of whole numbers."""
    number = st.integers(1, 9)
    pairs = st.tuples(parts, parts) | st.tuples(parts, number) | st.tuples(number, parts)

    def join(pair: tuple, sign: str) -> Expression:
        left, right = pair
        if sign == "+":
            return left + right
        if sign == "-":
            return left - right
        return left * right

    ratios = st.tuples(parts, leaves | number).map(lambda pair: pair[0] // pair[1])
    return (
        st.builds(join, pairs, st.sampled_from("+-*"))
        | ratios
        | parts.map(lambda part: -part)
        | leaves.map(abs)
    )


@given(st.recursive(leaves, joined, max_leaves=8))
def test_both_texts_work_out_to_the_value(expression: Expression) -> None:
    assert worked_out(expression.numbers) == expression.value
    assert worked_out(expression.symbols, **VALUES) == expression.value


def test_brackets_only_where_they_matter() -> None:
    a, b, c = symbol("a", 9), symbol("b", 3), symbol("c", 2)
    assert (a + (b + c)).symbols == "a + b + c"
    assert (a - (b + c)).symbols == "a - (b + c)"
    assert (a - (b - c)).numbers == "9 - (3 - 2)"
    assert (a * (b * c)).symbols == "a × b × c"
    assert ((a + b) * c).symbols == "(a + b) × c"
    assert (a * b + c).symbols == "a × b + c"
    assert (2 * a).symbols == "2 × a"
    assert (a // b).symbols == "⌊a / b⌋"
    assert (-(a + b)).symbols == "-(a + b)"
    assert symbol("big", 1_234_567).numbers == "1,234,567"


def test_a_ratio_of_a_product_reads_as_what_it_is() -> None:
    """a / b × c reads as (a / b) × c, so a / (b × c) needs its brackets."""
    a, b, c = symbol("a", 24), symbol("b", 3), symbol("c", 2)
    for expression in (a / (b * c), (a / b) * c, a / b / c, a / (b / symbol("d", 1)), a * b / c):
        assert worked_out(expression.numbers) == expression.value


def test_a_ratio_that_is_not_whole_is_not_passed_off_as_one() -> None:
    """7 / 2 is not 3: the groups of a formula written out must divide, as those of ints must."""
    with pytest.raises(LabError, match="groups"):
        formulas.conv2d_params(3, symbol("C_in", 7), symbol("C_out", 4), symbol("g", 2))
    with pytest.raises(LabError, match="groups"):
        formulas.conv2d_params(3, symbol("C_in", 4), symbol("C_out", 7), symbol("g", 2))


def test_a_layer_of_mobilenet_v2_written_out() -> None:
    """stage3.1's expansion, 32 -> 192 on 28x28: 4,816,896 MACs."""
    expand = formulas.conv2d_macs(
        (symbol("k_h", 1), symbol("k_w", 1)),
        symbol("C_in", 32),
        symbol("C_out", 192),
        symbol("H_out", 28),
        symbol("W_out", 28),
        symbol("g", 1),
    )
    assert expand.value == 4_816_896
    assert expand.symbols == "k_h × k_w × (C_in / g) × C_out × H_out × W_out"
    assert expand.numbers == "1 × 1 × (32 / 1) × 192 × 28 × 28"


sizes = st.integers(1, 300)


@given(sizes, st.integers(1, 9), st.integers(1, 4), st.integers(0, 4), st.booleans())
def test_a_size_written_out_is_the_size(
    size: int, kernel: int, stride: int, padding: int, ceil: bool
) -> None:
    written = formulas.output_size(
        symbol("n", size), symbol("k", kernel), symbol("s", stride), symbol("p", padding), 1, ceil
    )
    plain = formulas.output_size(size, kernel, stride, padding, 1, ceil)
    assert written.value == plain
    assert worked_out(written.numbers) == plain
    assert worked_out(written.symbols, n=size, k=kernel, s=stride, p=padding) == plain


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.booleans())
def test_weights_written_out_are_the_weights(
    kernel: int, c_in: int, c_out: int, groups: int, bias: bool
) -> None:
    values = {"k": kernel, "c": c_in * groups, "d": c_out * groups, "g": groups}
    written = formulas.conv2d_params(*(symbol(name, n) for name, n in values.items()), bias=bias)
    plain = formulas.conv2d_params(*values.values(), bias=bias)
    assert written.value == plain
    assert worked_out(written.numbers) == plain
    assert worked_out(written.symbols, **values) == plain
