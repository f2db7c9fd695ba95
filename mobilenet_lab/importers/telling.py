"""What a file says at a place, and errors that name the place."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.importers.expressions import evaluate
from mobilenet_lab.importers.lines import Path as Place
from mobilenet_lab.importers.ops import PLACES, shown

NOUNS = {
    int: "a whole number",
    str: "a text that is not empty",
    bool: "true, false or a comparison",
    list: "a list of texts",
    dict: "a table",
}


class Line(NamedTuple):
    """A table of the file, and where each of its values stands."""

    values: Mapping[str, Any]
    at: Place
    cells: Mapping[str, Place] = {}
    """of what comes from a row"""

    def place(self, key: str) -> Place:
        return self.cells.get(key, (*self.at, key))


class Teller:
    """A file's name and the line of each of its values."""

    def __init__(self, where: str, lines: Mapping[Place, int]) -> None:
        self.where, self.lines = where, lines

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Errors raised inside are told with the line of `place`."""
        try:
            yield
        except LabError as error:
            start = f"{self.where}, line "
            if str(error).startswith(start):
                raise
            while place and place not in self.lines:
                place = place[:-1]
            found = type(error).__new__(type(error))
            found.args = (f"{start}{self.lines.get(place, 1)}: {error}",)
            raise found from None

    def check_keys(self, line: Line, known: Iterable[str], what: str) -> None:
        """Refuses a key that is not `known`."""
        for key in line.values:
            if key not in known:
                with self.at(line.place(key)):
                    raise UnknownNameError(what, key, known)

    def told(
        self,
        line: Line,
        key: str,
        kind: type,
        default: Any = None,
        known: Mapping[str, Any] | None = None,
    ) -> Any:
        """What a line says under `key`, if it is of that kind; one text is a list of one.

        With `known` names, it may be an expression.
        """
        value = line.values.get(key, default)
        with self.at(line.place(key)):
            if value is None:
                raise LabError(f"{key} is missing")
            if isinstance(value, str) and known is not None:
                value = evaluate(value, known)
            if isinstance(value, str) and kind is list:
                value = [value]
            of_kind = type(value) is kind
            if of_kind and kind is list:
                of_kind = all(isinstance(each, str) for each in value)
            if not of_kind or (kind is str and not value.strip()):
                raise LabError(f"{key} is {NOUNS[kind]}, not {shown(value)}")
        return value


def every_text(value: Any) -> Iterator[str]:
    """Every text inside lists and tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from every_text(each)


def too_large(value: Any, place: Place) -> Iterator[Place]:
    """Where whole numbers stand that even TOML does not have to know."""
    if isinstance(value, int) and abs(value) >= 10**18:
        yield place
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from too_large(each, (*place, key))


def every_name(value: Any) -> Iterator[str]:
    """Every name that a line gives."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            if key in ("name", *PLACES) and isinstance(each, str):
                yield each
            else:
                yield from every_name(each)
