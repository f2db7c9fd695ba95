"""Published numbers: what was printed, who counted it, where and by which convention."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}


Quantity: TypeAlias = Literal["params", "macs"]


class Paper(NamedTuple):
    """Where an architecture comes from."""

    title: str
    authors: str
    year: int
    identifier: str
    """Where to find it: "arXiv 1704.04861"."""


class Published(NamedTuple):
    """One printed number and what exactly it counts.

    A row that no convention reproduces says so in `unexplained`; nothing is widened to fit.
    """

    quantity: Quantity
    printed: str
    """As printed: "300 M"."""
    source: str
    settings: Mapping[str, Any]
    """The arguments to trace the network with: width, resolution, classes ..."""
    without: tuple[str, ...] = ()
    """Stages that the count leaves out."""
    batch_norm_vectors: int = 2
    """Batch-norm vectors in a parameter count: 2 are learned, 3 or 4 count statistics too."""
    note: str = ""
    unexplained: bool = False

    def agrees(self, number: int) -> bool:
        """Whether `number`, rounded or cut to the digits printed, is the printed one."""
        return self.printed_as(number) is not None

    def printed_as(self, number: int) -> Literal["rounded", "cut"] | None:
        """How `number` becomes the printed one: rounded, else cut, else not at all."""
        value, _, unit = self.printed.partition(" ")
        printed = Decimal(value)
        exact = Decimal(number) / UNITS[unit]
        if exact.quantize(printed, ROUND_HALF_UP) == printed:
            return "rounded"
        if exact.quantize(printed, ROUND_DOWN) == printed:
            return "cut"
        return None


def published_rows(
    source: str,
    rows: Iterable[tuple[float, int, str, str]],
    without: tuple[str, ...] = (),
    batch_norm_vectors: int = 2,
    note: str = "",
    **settings: Any,
) -> tuple[Published, ...]:
    """A printed table of (width, resolution, params, MACs); "" was not printed."""
    return tuple(
        Published(
            quantity,
            printed,
            source,
            {"width": width, "resolution": resolution, **settings},
            without if quantity == "macs" else (),
            batch_norm_vectors,
            note,
        )
        for width, resolution, params, macs in rows
        for quantity, printed in _named(params, macs)
        if printed
    )


def _named(params: str, macs: str) -> tuple[tuple[Quantity, str], ...]:
    return ("params", params), ("macs", macs)
