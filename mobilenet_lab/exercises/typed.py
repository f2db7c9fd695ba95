"""An answer as it is typed in a terminal or within quotation marks; nothing in it is run."""

import re
from collections.abc import Iterator
from typing import Any

from mobilenet_lab.errors import quoted
from mobilenet_lab.exercises.kinds import Choice, Expression, Function, Integer, Number, Row, Values
from mobilenet_lab.exercises.records import Kind, WrongKind
from mobilenet_lab.exercises.symbolic import formula

LONGEST_LIST = 5000
GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
"""1,234,567"""


def answer(text: str, kind: Kind) -> Any:
    """What is typed, as `kind` takes it; `...` for nothing.

    A number may be a formula of numbers or have commas (1,234,567). Several values stand in a row
    with commas or semicolons between, in brackets or not; those that have names may be written
    name=value. A formula in symbols and a name stay text.

    Raises:
        WrongKind: it cannot be read so.
    """
    text = text.strip()
    if text in ("", "...", "…"):
        return ...
    if isinstance(kind, Values):
        return _named(text, kind)
    if isinstance(kind, Row):
        return [answer(part, kind.kind) for part in _parts(text)]
    if isinstance(kind, Integer | Number):
        return _number(text, kind)
    if isinstance(kind, Choice | Expression):
        return _unquoted(text)
    if isinstance(kind, Function):
        raise WrongKind(f"the answer is {kind.expected} in a file: path/to/file.py:{kind.name}")
    return text


def _number(text: str, kind: Kind) -> Any:
    if GROUPED.fullmatch(text):
        return formula(text.replace(",", ""), {})
    if text.endswith("%"):
        raise WrongKind("the answer is taken without a percent sign")
    if re.fullmatch(r"[\d.,_]+\s*[kMGBT]\w*", text):
        raise WrongKind(f"write {quoted(text)} out, without a unit; 3e6 is three million")
    try:
        return formula(text, {})
    except WrongKind as error:
        if _letters(text):
            raise WrongKind(
                f"{quoted(text)} is not {kind.expected}; arithmetic such as 3*3*64 is fine"
            ) from None
        raise error from None


def _letters(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def _named(text: str, kind: Values) -> Any:
    parts = _parts(text, len(kind.parts))
    pairs = [re.split(r"\s*[=:]\s*", part, maxsplit=1) for part in parts]
    if all(len(pair) == 2 and _unquoted(pair[0]) in kind.parts for pair in pairs):
        named = {_unquoted(name): value for name, value in pairs}
        if len(named) == len(kind.parts) == len(pairs):
            return {name: _part(name, named[name], kind) for name in kind.parts}
    if len(parts) != len(kind.parts):
        found = "one value" if len(parts) == 1 else f"{len(parts)} values"
        raise WrongKind(f"that is {found}; the answer is {kind.expected}")
    return [_part(name, part, kind) for name, part in zip(kind.parts, parts, strict=True)]


def _part(name: str, text: str, kind: Values) -> Any:
    try:
        return answer(text, kind.parts[name])
    except WrongKind as error:
        raise WrongKind(f"{name}: {error}") from None


def _parts(text: str, wanted: int | None = None) -> list[str]:
    """Several values: at semicolons, else at commas, but not at those that group digits.

    Those stand without a blank: `1,234, 5,678` is two numbers. `1,2,3` is three.
    """
    if len(text) > LONGEST_LIST:
        raise WrongKind(f"an answer has {LONGEST_LIST} letters at most")
    inner = _without_brackets(text)
    if ";" in inner:
        return list(_split(inner, ";"))
    every = list(_split(inner, ","))
    if len(every) == wanted:
        return every
    spaced = list(_split(inner, ", "))
    if len(spaced) == wanted:
        return spaced
    grouped = [part for part in spaced if "," in part]
    if wanted is None and len(spaced) > 1 and all(map(GROUPED.fullmatch, grouped)):
        return spaced
    return every


def _split(text: str, mark: str) -> Iterator[str]:
    """The parts between marks that stand in no brackets and no quotation marks."""
    depth, quote, start = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif depth == 0 and letter == mark[0] and text.startswith(mark, place):
            yield text[start:place].strip()
            start = place + 1
    if last := text[start:].strip():
        yield last


def _without_brackets(text: str) -> str:
    """Without brackets around the whole."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    if len(text) > 1 and pairs.get(text[0]) == text[-1]:
        depth = 0
        for place, letter in enumerate(text):
            depth += (letter in "([{") - (letter in ")]}")
            if depth == 0 and place < len(text) - 1:
                return text
        return text[1:-1].strip()
    return text


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        return text[1:-1].strip()
    return text
