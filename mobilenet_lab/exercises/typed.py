"""An answer as it is typed in a terminal or within quotation marks; nothing in it is run."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from mobilenet_lab.errors import quoted
from mobilenet_lab.exercises.records import WrongKind

LONGEST = 300
LARGEST_POWER = 64
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


def formula(text: str, symbols: Mapping[str, Any]) -> Any:
    """What `text` comes to: + - * / // ** over whole numbers, decimals and `symbols`; ^ is **.

    Raises:
        WrongKind: anything else.
    """
    if len(text) > LONGEST:
        raise WrongKind(f"a formula has {LONGEST} letters at most")
    try:
        return _value(ast.parse(text.replace("^", "**").strip(), mode="eval").body, symbols)
    except ZeroDivisionError:
        raise WrongKind(f"{quoted(text)} divides by zero") from None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        if isinstance(error, WrongKind):
            raise
        raise WrongKind(f"{quoted(text)} cannot be read as a formula; is a * missing?") from None


def answer(text: str) -> Any:
    """A number, a formula of numbers, a name, or several of them in (), [] or set off by commas.

    A formula in symbols stays text, for the kind of the exercise to read.
    """
    text = text.strip()
    if text in ("", "..."):
        return ...
    grouped = text.replace(",", "")
    if "," in text and grouped.isdigit() and all(len(p) == 3 for p in text.split(",")[1:]):
        return int(grouped)  # 1,234,567
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    if isinstance(tree, ast.Tuple | ast.List):
        return [_one(ast.unparse(item)) for item in tree.elts]
    return _one(text)


def _one(text: str) -> Any:
    text = text.strip()
    try:
        return formula(text, {})
    except WrongKind:
        return text.strip("'\"")


def _value(node: ast.expr, symbols: Mapping[str, Any]) -> Any:
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
            base, power = _value(left, symbols), _value(right, symbols)
            if isinstance(power, int | float) and abs(power) > LARGEST_POWER:
                raise WrongKind("a power gets out of all bounds")
            return base**power
        case ast.BinOp(left, operation, right) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](_value(left, symbols), _value(right, symbols))
        case ast.UnaryOp(operation, operand) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](_value(operand, symbols))
    raise WrongKind(f"{quoted(ast.unparse(node))} is no arithmetic over numbers and symbols")
