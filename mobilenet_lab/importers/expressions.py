"""The small arithmetic that a file may use in place of a number: "t * c_in"."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import LabError, UnknownNameError, quoted

LONGEST = 200
"""Letters of an expression."""
LARGEST = 10**15
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "make_divisible": make_divisible,
    "max": max,
    "min": min,
}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """What `text` comes to: + - * // %, comparisons, and, or, not, and FUNCTIONS over `names`.

    Raises:
        UnknownNameError: a name that is none of `names`.
        LabError: anything else than such arithmetic, or a number out of all bounds.
    """
    if len(text) > LONGEST:
        raise LabError(f"an expression has {LONGEST} letters at most")
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, names)
    except ZeroDivisionError:
        raise LabError(f"{text!r} divides by zero") from None
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        if isinstance(error, LabError):
            raise
        raise LabError(f"cannot work out {text!r}") from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() | str() as value):
            found = value
        case ast.Name(id=name):
            if name not in names:
                raise UnknownNameError("name", name, names)
            found = names[name]
        case ast.BinOp(left, operation, right) if type(operation) in OPERATORS:
            found = OPERATORS[type(operation)](_number(left, names), _number(right, names))
        case ast.UnaryOp(operation, operand) if type(operation) in OPERATORS:
            found = OPERATORS[type(operation)](_number(operand, names))
        case ast.Compare(left, [operation], [right]) if type(operation) in OPERATORS:
            found = OPERATORS[type(operation)](_value(left, names), _value(right, names))
        case ast.BoolOp(operation, operands):
            combine = all if isinstance(operation, ast.And) else any
            found = combine(_value(operand, names) for operand in operands)
        case ast.Call(ast.Name(id=name), arguments, []) if name in FUNCTIONS:
            found = FUNCTIONS[name](*(_number(each, names) for each in arguments))
        case _:
            raise LabError(
                "an expression has + - * // %, comparisons, and, or, not and "
                f"{', '.join(FUNCTIONS)}, not {quoted(ast.unparse(node))}"
            )
    if isinstance(found, int | float) and not abs(found) <= LARGEST:
        raise LabError("a number gets out of all bounds")
    return found


def _number(node: ast.expr, names: Mapping[str, Any]) -> int | float:
    value = _value(node, names)
    if not isinstance(value, int | float):
        raise LabError(f"{quoted(value)} is no number to reckon with")
    return value
