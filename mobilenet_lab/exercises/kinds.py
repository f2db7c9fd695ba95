"""The kinds of values that answer an exercise: how each is read, compared and shown.

Counts are compared with ==; only measured or divided numbers have a tolerance.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from mobilenet_lab.errors import MissingPackageError, nearest, quoted
from mobilenet_lab.exercises.records import Kind, WrongKind, sentence
from mobilenet_lab.exercises.symbolic import alike, at, formula, understood, written

TRIALS = 40
"""Random cases on which a function is tried."""
LARGEST = 1e30
"""No answer is as large; what is larger was typed by accident."""


@dataclass(frozen=True)
class Integer:
    """A count."""

    expected: str = "a whole number"

    def read(self, answer: object) -> int:
        """An int of Python, NumPy or PyTorch, or a float without a fraction."""
        number = _plain_number(answer, self.expected)
        if isinstance(number, float):
            if not number.is_integer():
                raise WrongKind(f"{number} has a fraction, and the answer is {self.expected}")
            return int(number)
        return number

    def same(self, value: int, right: int) -> bool:
        """==."""
        return value == right

    def show(self, value: int) -> str:
        """1,234,567."""
        return f"{value:,}"

    def difference(self, value: int, right: int) -> str:
        """Too large or too small, or in another unit."""
        return _off(value, right)


@dataclass(frozen=True)
class Number:
    """A ratio, a share or a time; right within a relative tolerance."""

    tolerance: float = 1e-3
    digits: int = 4
    expected: str = "a number"

    def read(self, answer: object) -> float:
        """Any number."""
        return float(_plain_number(answer, self.expected))

    def same(self, value: float, right: float) -> bool:
        """Within the tolerance."""
        return math.isclose(value, right, rel_tol=self.tolerance, abs_tol=0)

    def show(self, value: float) -> str:
        """With `digits` significant digits."""
        return f"{value:,.{self.digits}g}"

    def difference(self, value: float, right: float) -> str:
        """Too large or too small, in another unit, or rounded too far."""
        if math.isclose(value, right, rel_tol=NEARLY):
            side = "large" if value > right else "small"
            return f"It is a little too {side}; did you round too early?"
        return _off(value, right)


@dataclass(frozen=True)
class Choice:
    """One of a few names."""

    options: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The names."""
        return f"one of {', '.join(map(repr, self.options))}"

    def read(self, answer: object) -> str:
        """A name, whatever its case and the blanks around it."""
        if isinstance(answer, str):
            for option in self.options:
                if answer.strip().casefold() == option.casefold():
                    return option
            near = nearest(answer, self.options)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise WrongKind(f"{quoted(answer)} is not {self.expected}{meant}")
        raise WrongKind(f"{quoted(answer)} is not {self.expected}")

    def same(self, value: str, right: str) -> bool:
        """==."""
        return value == right

    def show(self, value: str) -> str:
        """The name."""
        return value

    def difference(self, value: str, right: str) -> str:
        """Nothing that would tell the others apart."""
        return f"{value!r} is not the one."


@dataclass(frozen=True)
class Values:
    """Several named values in order: `Values({"height": Integer(), "width": Integer()})`."""

    parts: Mapping[str, Kind]

    @property
    def expected(self) -> str:
        """The names in order."""
        return f"({', '.join(self.parts)}), in this order"

    def read(self, answer: object) -> dict[str, Any]:
        """A tuple or list in order, or a dict by name."""
        if isinstance(answer, Mapping):
            missing = [name for name in self.parts if name not in answer]
            if missing or len(answer) != len(self.parts):
                raise WrongKind(f"the names are {', '.join(self.parts)}")
            items = [answer[name] for name in self.parts]
        else:
            items = _items(answer, self.expected)
            if len(items) != len(self.parts):
                raise WrongKind(f"that is {len(items)} values; the answer is {self.expected}")
        values = {}
        for (name, kind), item in zip(self.parts.items(), items, strict=True):
            if item is ...:
                raise WrongKind(f"{name} is still to be filled in")
            try:
                values[name] = kind.read(item)
            except WrongKind as error:
                raise WrongKind(f"{name}: {error}") from None
        return values

    def same(self, value: dict[str, Any], right: dict[str, Any]) -> bool:
        """Each part by its kind."""
        return all(kind.same(value[name], right[name]) for name, kind in self.parts.items())

    def show(self, value: dict[str, Any]) -> str:
        """Each part with its name."""
        return ", ".join(f"{name} {kind.show(value[name])}" for name, kind in self.parts.items())

    def difference(self, value: dict[str, Any], right: dict[str, Any]) -> str:
        """Which parts are right, and how the first wrong one is off."""
        wrong = [n for n, kind in self.parts.items() if not kind.same(value[n], right[n])]
        fine = [name for name in self.parts if name not in wrong]
        first = self.parts[wrong[0]].difference(value[wrong[0]], right[wrong[0]])
        return (f"{_listed(fine)} right. " if fine else "") + f"{wrong[0]}: {first}"


@dataclass(frozen=True)
class Row:
    """A list of values of one kind."""

    kind: Kind

    @property
    def expected(self) -> str:
        """A list of what."""
        return f"a list; each entry {self.kind.expected}"

    def read(self, answer: object) -> list[Any]:
        """Any sequence."""
        values = []
        for number, item in enumerate(_items(answer, self.expected), 1):
            if item is ...:
                raise WrongKind(f"entry {number} is still to be filled in")
            try:
                values.append(self.kind.read(item))
            except WrongKind as error:
                raise WrongKind(f"entry {number}: {error}") from None
        return values

    def same(self, value: list[Any], right: list[Any]) -> bool:
        """Entry by entry."""
        return len(value) == len(right) and all(map(self.kind.same, value, right))

    def show(self, value: list[Any]) -> str:
        """The entries; rows in rows have brackets."""
        form = "[{}]" if isinstance(self.kind, Row) else "{}"
        return ", ".join(form.format(self.kind.show(each)) for each in value)

    def difference(self, value: list[Any], right: list[Any]) -> str:
        """The first entry that differs, or the length."""
        if len(value) != len(right):
            return f"{len(value)} entries, where {len(right)} are asked for."
        for number, (mine, theirs) in enumerate(zip(value, right, strict=True), 1):
            if not self.kind.same(mine, theirs):
                return (
                    f"entry {number} is the first to differ: {self.kind.difference(mine, theirs)}"
                )
        return ""


@dataclass(frozen=True)
class Expression:
    """A formula in the given symbols; `9*c*d` and `d*9*c` are the same answer.

    Read from SymPy, a number, or a string such as "9*c*d".
    """

    symbols: tuple[str, ...]

    @property
    def expected(self) -> str:
        """A formula in which symbols."""
        return f"a formula in {', '.join(self.symbols)}"

    def read(self, answer: object) -> Any:
        """A SymPy expression in positive symbols of these names: + - * / and powers."""
        try:
            import sympy
        except ImportError:
            raise MissingPackageError("SymPy", "course", "an answer in symbols") from None
        symbols = {name: sympy.Symbol(name, positive=True) for name in self.symbols}
        if isinstance(answer, str):
            answer = formula(answer, symbols)
        try:
            found = sympy.sympify(answer, strict=True)
        except (sympy.SympifyError, TypeError, ValueError):
            raise WrongKind(f"{quoted(answer)} is not {self.expected}") from None
        if not isinstance(found, sympy.Expr):
            raise WrongKind(f"{quoted(answer)} is not {self.expected}")
        others = sorted({s.name for s in found.free_symbols} - set(symbols))
        if others:
            raise WrongKind(f"the answer is {self.expected}; yours has {', '.join(others)} in it")
        for part in sympy.preorder_traversal(found):
            if not understood(part):
                raise WrongKind(f"the answer has + - * / and powers only, not {quoted(part)}")
        return found.xreplace({s: symbols[s.name] for s in found.free_symbols})

    def same(self, value: Any, right: Any) -> bool:
        """Whether they come to the same numbers at each point.

        Exactly so, but for roots and decimals. To expand and simplify can take for ever.
        """
        return all(alike(at(value, point), at(right, point)) for point in self._points())

    def show(self, value: Any) -> str:
        """As Python writes it, but with · and ^: stars are Markdown's."""
        return str(value).replace("**", "^").replace("*", "·")

    def difference(self, value: Any, right: Any) -> str:
        """Both at one point, the first where they differ."""
        point = next(p for p in self._points() if not alike(at(value, p), at(right, p)))
        used = {symbol.name for symbol in value.free_symbols | right.free_symbols}
        where = ", ".join(f"{name} = {number}" for name, number in point.items() if name in used)
        return (
            f"Try it with small numbers: at {where} yours is {written(at(value, point))}, "
            f"and it should be {written(at(right, point))}."
        )

    def _points(self) -> list[dict[str, int]]:
        """Small and different numbers for the symbols."""
        primes = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)
        return [dict(zip(sorted(self.symbols), primes[start:], strict=False)) for start in range(6)]


@dataclass(frozen=True)
class Function:
    """A function of the student's, tried beside a slow and readable one on random cases."""

    name: str
    cases: Callable[[Random], Mapping[str, Any]]
    """The keyword arguments of one call."""
    result: Kind

    @property
    def expected(self) -> str:
        """A function."""
        return f"a function {self.name}({', '.join(self.cases(Random(0)))})"

    def read(self, answer: object) -> Callable[..., Any]:
        """Anything that can be called."""
        if not callable(answer):
            raise WrongKind(f"{quoted(answer)} is not {self.expected}; hand it over without ()")
        return answer

    def blank(self, answer: object) -> bool:
        """Whether it is still the stub of the notebook, which returns `...`."""
        if not callable(answer):
            return False
        try:
            return _called(answer, self.cases(Random(0))) is ...
        except (Exception, SystemExit):  # whatever a student's function raises
            return False

    def same(self, value: Callable[..., Any], right: Callable[..., Any]) -> bool:
        """Whether they agree on every case."""
        return all(self._agree(value, right, case) for case in self._dealt())

    def show(self, value: Callable[..., Any]) -> str:
        """Its name."""
        return f"{getattr(value, '__name__', 'your function')}(...)"

    def difference(self, value: Callable[..., Any], right: Callable[..., Any]) -> str:
        """The smallest case on which it goes wrong, and how."""
        wrong = [case for case in self._dealt() if not self._agree(value, right, case)]
        if not wrong:
            return "It does not return the same each time that it is called."
        case = min(wrong, key=lambda case: len(repr(case)))
        call = ", ".join(f"{name}={argument!r}" for name, argument in case.items())
        shown = self.result.show(self.result.read(_called(right, case)))
        try:
            found = _called(value, case)
        except (Exception, SystemExit) as error:  # whatever a student's function raises
            reason = f"{error}".partition("\n")[0][:200]
            return f"{self.name}({call}) raised {type(error).__name__}: {reason}."
        if found is None:
            return f"{self.name}({call}) returned nothing; has it a `return`?"
        try:
            mine = self.result.show(self.result.read(found))
        except WrongKind as error:
            return f"{self.name}({call}): {sentence(error)}"
        return f"{self.name}({call}) is {mine}, and it should be {shown}."

    def _dealt(self) -> list[Mapping[str, Any]]:
        return [self.cases(Random(seed)) for seed in range(TRIALS)]

    def _agree(
        self, value: Callable[..., Any], right: Callable[..., Any], case: Mapping[str, Any]
    ) -> bool:
        try:
            found = self.result.read(_called(value, case))
        except (Exception, SystemExit):  # whatever a student's function raises
            return False
        return self.result.same(found, self.result.read(_called(right, case)))


def _called(function: Callable[..., Any], case: Mapping[str, Any]) -> Any:
    """What it returns for its own copy of the arguments."""
    return function(**deepcopy(case))


def _plain_number(answer: object, expected: str) -> int | float:
    if not callable(answer) and callable(getattr(answer, "item", None)):  # NumPy, PyTorch
        try:
            answer = answer.item()  # type: ignore[attr-defined]
        except (ValueError, RuntimeError, TypeError):
            raise WrongKind(f"that has several values, and the answer is {expected}") from None
    number = _number(answer, expected)
    if not abs(number) < LARGEST:  # nor is nan
        shown = number if isinstance(number, float) else "a number of so many digits"
        raise WrongKind(f"{shown} cannot be the answer; it is {expected}")
    return number


def _number(answer: object, expected: str) -> int | float:
    if isinstance(answer, bool):
        raise WrongKind(f"{answer} is a truth value, and the answer is {expected}")
    if isinstance(answer, tuple | list):
        if len(set(map(str, answer))) > 1 and all(type(item) is int for item in answer):
            together = "_".join(
                f"{item:03d}" if place else str(item) for place, item in enumerate(answer)
            )
            raise WrongKind(
                f"Python reads {', '.join(map(str, answer))} as {len(answer)} numbers; "
                f"if you mean one, write {together}"
            )
        raise WrongKind(f"that is a {type(answer).__name__}, and the answer is {expected}")
    if isinstance(answer, str | bytes | bytearray):
        raise WrongKind("that is text; write the number without quotation marks")
    if callable(answer):
        raise WrongKind("that is a function; call it, and hand over what it returns")
    if isinstance(answer, int | float):
        return answer
    if getattr(answer, "is_number", False) and getattr(answer, "is_integer", False):  # SymPy
        return int(answer)  # type: ignore[call-overload, no-any-return]
    if getattr(answer, "free_symbols", None):
        raise WrongKind(f"that still has symbols in it, and the answer is {expected}")
    try:
        return float(answer)  # type: ignore[arg-type] # Fraction, Decimal
    except (TypeError, ValueError):
        raise WrongKind(f"that is of type {type(answer).__name__}, not {expected}") from None


def _items(answer: object, expected: str) -> list[Any]:
    tolist = getattr(answer, "tolist", None)  # NumPy, PyTorch
    items = tolist() if callable(tolist) else answer
    if isinstance(items, str | bytes | bytearray) or not isinstance(items, Sequence):
        raise WrongKind(f"the answer is {expected}")
    return list(items)


NEARLY = 0.02
"""How far off a ratio can be because it was rounded to two digits or so."""


def _off(value: float, right: float) -> str:
    if right:
        for scale, name in ((1e3, "thousands"), (1e6, "millions"), (1e9, "billions")):
            if math.isclose(value * scale, right, rel_tol=5e-3):
                return f"It looks like the answer in {name}; give the number itself."
        if math.isclose(value, 100 * right, rel_tol=5e-3 if abs(right) <= 1 else 1e-6):
            return "It looks like the answer in percent; give the fraction, 0.5 for a half."
        if math.isclose(100 * value, right, rel_tol=5e-3 if abs(value) <= 1 else 1e-6):
            return "It looks like a fraction; give the answer in percent."
    return "It is too large." if value > right else "It is too small."


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{', '.join(names[:-1])} and {names[-1]} are"
