"""Published numbers: what was printed, who counted it, where, and what exactly the count covers."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}

LEARNED_VECTORS = 2
"""Of batch norm, per channel: a scale and a shift."""

Quantity: TypeAlias = Literal["params", "macs"]


class Paper(NamedTuple):
    """Where an architecture comes from."""

    title: str
    authors: str
    year: int
    identifier: str
    """Where to find it: "arXiv 1704.04861"."""


class Published(NamedTuple):
    """One printed number of one registered network, and what exactly it counts.

    A number that no convention reproduces says so in `unexplained`; nothing is widened to fit.
    """

    network: str
    quantity: Quantity
    printed: str
    """As printed: "300 M"."""
    source: str
    settings: Mapping[str, Any]
    """The arguments to trace the network with: width, resolution, classes ..."""
    without: tuple[str, ...] = ()
    """Stages that the count leaves out."""
    batch_norm_vectors: int = LEARNED_VECTORS
    """Batch-norm vectors in a parameter count: 2 are learned, 3 or 4 count statistics too."""
    unexplained: str = ""
    """Why the number cannot be reproduced, or what is known of the misprint."""

    @property
    def number(self) -> int:
        """The printed number as an integer: 300 M is 300,000,000."""
        value, _, unit = self.printed.partition(" ")
        return int(Decimal(value) * UNITS[unit])

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
    network: str, quantity: Quantity, source: str, rows: Iterable[tuple[Any, ...]], **how: Any
) -> tuple[Published, ...]:
    """A printed column of (width, resolution, number); `how` is what all its rows share.

    Of `how`, the fields of `Published` go there, anything else is a setting (`classes=1001`).
    """
    fields = {key: how.pop(key) for key in list(how) if key in Published._fields}
    return tuple(
        Published(
            network,
            quantity,
            printed,
            source,
            {"width": width, "resolution": resolution, **how},
            **fields,
        )
        for width, resolution, printed in rows
    )
