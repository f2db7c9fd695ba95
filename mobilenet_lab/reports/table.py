"""A table as data: what every verb of the lab answers with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mobilenet_lab.errors import MissingPackageError, UnknownNameError

if TYPE_CHECKING:
    import pandas
    from rich.console import Console, ConsoleOptions, RenderResult

Kind = Literal[
    "text", "prose", "count", "short", "number", "ratio", "share", "shape", "pair", "any"
]
"""How a value is written: as it is (prose may be long, and wraps), 1,234,567, 1.235 M, 12.3, 1.25x,
12.3%, 3×224×224, 3×5; any is a count or a shape or a text."""


class Column(NamedTuple):
    """A column: its key in files, its title on screen, and how to read it off a row."""

    key: str
    title: str
    kind: Kind
    value: Callable[[Any], Any]
    meaning: str = ""
    colour: Callable[[Any], str] | None = None
    """Of a share, the colour of a row's bar, as "#0072B2"."""


@dataclass(frozen=True, repr=False)
class Table:
    """Rows with a heading, totals and notes.

    It prints itself in a terminal, shows as HTML in Jupyter, and hands out `rows` (typed records),
    `records()` (plain dicts), `to_pandas()` and `to(format)`.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Any, ...]
    total: Any = None
    subtitle: str = ""
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What JSON carries beside the rows: the network, its settings, the convention."""
    layout: Literal["grid", "equations", "sections"] = "grid"
    """How a terminal shows it: as a grid, one equation under another, or in sections."""
    headings: tuple[tuple[str, ...], ...] = ()
    """Of sections: keys of the columns that stand as a heading over the rows which share them."""

    def records(self) -> list[dict[str, Any]]:
        """The rows as plain dicts, by column key."""
        return [self.record(row) for row in self.rows]

    def record(self, row: Any) -> dict[str, Any]:
        """One row as a plain dict, by column key."""
        return {column.key: column.value(row) for column in self.columns}

    def to(self, format: str) -> str:
        """The whole as text: table (plain), markdown, csv, json, latex or html.

        Raises:
            UnknownNameError: there is no such format.
        """
        from mobilenet_lab.reports import formats

        if format not in formats.FORMATS:
            raise UnknownNameError("format", format, formats.FORMATS)
        return formats.FORMATS[format](self)

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows as a pandas DataFrame.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise MissingPackageError("pandas", "dev", "to_pandas()") from None
        return pandas.DataFrame(self.records(), columns=[column.key for column in self.columns])

    def __str__(self) -> str:
        return self.to("table")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to("html")

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from mobilenet_lab.reports.terminal import render

        yield from render(self, console, options)


def write(value: Any, kind: Kind) -> str:
    """A value as a reader sees it."""
    if value is None:
        return "–"
    match kind:
        case "count":
            return f"{value:,}"
        case "short":
            return _short(value)
        case "number":
            return _number(value) if isinstance(value, float) else str(value)
        case "ratio":
            return f"{_number(float(value), 3)}x"
        case "share":
            return f"{value:.1%}"
        case "shape":
            return "×".join(map(str, value))
        case "pair":
            if isinstance(value, str):
                return value
            sides = [*map(_exact, value)]
            return sides[0] if len(set(sides)) == 1 else "×".join(sides)
        case "any" if isinstance(value, int):
            return write(value, "count")
        case "any" if isinstance(value, tuple):
            return write(value, "shape")
        case _:
            return str(value)


def _number(value: float, digits: int = 4) -> str:
    """`digits` significant digits, zeros at the end included, and never an exponent."""
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}"


def _short(value: int) -> str:
    """Four digits and a unit."""
    if value < 1000:
        return str(value)
    for unit, size in (("k", 10**3), ("M", 10**6)):
        if value < 999.95 * size:
            return f"{_number(value / size)} {unit}"
    return f"{_number(value / 10**9)} G"


def _exact(value: int | Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):g}"
