"""Formulas in symbols: read from text, and worked out where the symbols are numbers."""

import ast
import cmath
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from mobilenet_lab.errors import quoted
from mobilenet_lab.exercises.records import WrongKind

LONGEST = 300
"""Letters of a formula."""
LARGEST_POWER = 64
LARGEST = 4096
"""Bits of a power."""
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
AS_PYTHON = str.maketrans(
    {"×": "*", "·": "*", "−": "-", "–": "-", "÷": "/", "^": "**", "²": "**2", "³": "**3"}
)
"""Signs of the lessons' texts, as they are pasted."""
Worth = Fraction | float | complex | None
"""What a formula comes to; None where that is no number, or out of all bounds."""


def formula(text: str, symbols: Mapping[str, Any]) -> Any:
    """What `text` comes to: + - * / // ** over whole numbers, decimals and `symbols`; ^ is **.

    Raises:
        WrongKind: anything else.
    """
    if len(text) > LONGEST:
        raise WrongKind(f"a formula has {LONGEST} letters at most")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters that touch numbers
            tree = ast.parse(text.translate(AS_PYTHON).strip(), mode="eval").body
        return _typed(tree, symbols)
    except WrongKind:
        raise
    except ZeroDivisionError:
        raise WrongKind(f"{quoted(text)} divides by zero") from None
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        raise WrongKind(f"{quoted(text)} cannot be read as a formula; is a * missing?") from None


def _typed(node: ast.expr, symbols: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=bool()):
            raise WrongKind("a truth value is no number")
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name) if name in symbols:
            return symbols[name]
        case ast.Name(id=name):
            known = ", ".join(symbols) or "none"
            raise WrongKind(f"{name!r} is not a symbol of this question ({known})")
        case ast.BinOp(left, ast.Pow(), right):
            return _power(_typed(left, symbols), _typed(right, symbols))
        case ast.BinOp(left, operation, right) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](_typed(left, symbols), _typed(right, symbols))
        case ast.UnaryOp(operation, operand) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](_typed(operand, symbols))
    raise WrongKind(f"{quoted(ast.unparse(node))} is no arithmetic over numbers and symbols")


def _power(base: Any, power: Any) -> Any:
    if isinstance(power, int | float) and abs(power) > LARGEST_POWER:
        raise WrongKind("a power gets out of all bounds")
    if isinstance(base, int) and isinstance(power, int) and base.bit_length() * power > LARGEST:
        raise WrongKind("a power gets out of all bounds")
    return base**power


def understood(part: Any) -> bool:
    """Whether `at` can work out this part of a SymPy expression."""
    kinds = ("Symbol", "Rational", "Float", "Add", "Mul", "Pow")
    return any(getattr(part, f"is_{kind}") for kind in kinds)


def at(found: Any, point: Mapping[str, int]) -> Worth:
    """A SymPy expression with these numbers put in: exact but for roots and decimals."""
    try:
        worth: Worth = _worth(found, point)
    except ArithmeticError:
        return None
    return worth


def _worth(found: Any, point: Mapping[str, int]) -> Any:
    if found.is_Symbol:
        return Fraction(point[found.name])
    if found.is_Rational:
        return Fraction(int(found.p), int(found.q))
    if found.is_Float:
        return float(found)
    parts = [_worth(part, point) for part in found.args]
    if found.is_Add:
        return sum(parts)
    if found.is_Mul:
        return math.prod(parts)
    base, power = parts
    if isinstance(base, Fraction) and isinstance(power, Fraction) and power.denominator == 1:
        if abs(power) * _bits(base) > LARGEST:
            raise OverflowError
        return base ** int(power)
    return base**power


def _bits(number: Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def alike(mine: Worth, theirs: Worth) -> bool:
    """==, or nearly so where one is not exact."""
    if mine is None or theirs is None:
        return mine is theirs
    if isinstance(mine, Fraction) and isinstance(theirs, Fraction):
        return mine == theirs
    return cmath.isclose(mine, theirs, rel_tol=1e-9)


def written(worth: Worth) -> str:
    """As a sentence has it."""
    if worth is None:
        return "no number"
    if isinstance(worth, Fraction):
        return f"{worth}" if _bits(worth) < 100 else "a number of far too many digits"
    return f"{worth:.6g}"
