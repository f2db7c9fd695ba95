"""Numbers that remember how they were made, so that a formula explains itself.

Called with `Expression`s instead of ints, a function of `formulas` gives its result together with
its own text, once with symbols and once with the numbers put in. What is explained is therefore
what was computed.
"""

import operator
from collections.abc import Callable
from typing import TypeAlias

_SUM, _RATIO, _PRODUCT, _ATOM = 1, 2, 3, 4


class Expression:
    """An integer with the arithmetic that led to it, in symbols and in numbers."""

    def __init__(self, value: int, symbols: str, numbers: str, binding: int = _ATOM) -> None:
        self.value = value
        self.symbols = symbols
        self.numbers = numbers
        self._binding = binding

    @classmethod
    def symbol(cls, name: str, value: int) -> "Expression":
        """The quantity called `name`, whose value is `value`."""
        return cls(value, name, f"{value:,}")

    def __add__(self, other: "Operand") -> "Expression":
        return _join(self, "+", other, _SUM)

    def __radd__(self, other: "Operand") -> "Expression":
        return _join(other, "+", self, _SUM)

    def __sub__(self, other: "Operand") -> "Expression":
        return _join(self, "-", other, _SUM)

    def __rsub__(self, other: "Operand") -> "Expression":
        return _join(other, "-", self, _SUM)

    def __mul__(self, other: "Operand") -> "Expression":
        return _join(self, "×", other, _PRODUCT)

    def __rmul__(self, other: "Operand") -> "Expression":
        return _join(other, "×", self, _PRODUCT)

    def __truediv__(self, other: "Operand") -> "Expression":
        return _join(self, "/", other, _RATIO)

    def __floordiv__(self, other: "Operand") -> "Expression":
        ratio = _join(self, "/", other, _RATIO)
        return Expression(ratio.value, f"⌊{ratio.symbols}⌋", f"⌊{ratio.numbers}⌋")

    def __mod__(self, other: "Operand") -> int:
        return self.value % _lift(other).value

    def __neg__(self) -> "Expression":
        symbols, numbers = _inside(self, _PRODUCT)
        return Expression(-self.value, f"-{symbols}", f"-{numbers}", _PRODUCT)

    def __abs__(self) -> "Expression":
        return Expression(abs(self.value), f"|{self.symbols}|", f"|{self.numbers}|")


Operand: TypeAlias = "int | Expression"


def _join(left: Operand, sign: str, right: Operand, binding: int) -> Expression:
    a, b = _lift(left), _lift(right)
    value = _OPERATIONS[sign](a.value, b.value)
    # a - (b - c) and a / (b × c) need their brackets, a + (b + c) and a × (b × c) do not
    tight = {"-": _RATIO, "/": _ATOM}.get(sign, binding)
    symbols, numbers = (
        f"{x} {sign} {y}" for x, y in zip(_inside(a, binding), _inside(b, tight), strict=True)
    )
    return Expression(value, symbols, numbers, binding)


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "×": operator.mul,
    "/": operator.floordiv,
}


def _lift(operand: Operand) -> Expression:
    return operand if isinstance(operand, Expression) else Expression.symbol(f"{operand}", operand)


def _inside(expression: Expression, binding: int) -> tuple[str, str]:
    """Both texts as part of something that binds as tightly as `binding`."""
    if expression._binding >= binding:
        return expression.symbols, expression.numbers
    return f"({expression.symbols})", f"({expression.numbers})"
