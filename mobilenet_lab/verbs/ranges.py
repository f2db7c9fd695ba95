"""Many values of one option, as the command line writes them."""

import re
from contextlib import suppress
from fractions import Fraction
from typing import Any

from mobilenet_lab.errors import LabError, quoted

MOST = 1_000_000
"""Combinations that one sweep takes."""
NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15}")
WORDS = {"true": True, "false": False, "none": None}


def values(what: str, text: str) -> list[Any]:
    """The values in "0.25:1.5:0.05" (the stop is one if it is hit), "96,128,192x256", or one value.

    Decimals are exact: the value after 0.25 in steps of 0.05 is 0.3.

    Raises:
        LabError: `text` is no such list, or a longer one than a sweep takes.
    """
    found: list[Any] = []
    for part in text.split(","):
        found += _range(what, part) if ":" in part else [literal(part.strip())]
    if "" in found:
        raise LabError(f"{what} {HINT}, not {quoted(text)}")
    return found


def literal(text: str) -> Any:
    """true, false and none, whole and decimal numbers as such; any other text as it is."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return WORDS.get(text.lower(), text)


HINT = "is a value, some with commas between, or START:STOP:STEP like 96:320:32"


def _range(what: str, text: str) -> list[int] | list[float]:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 3 or not all(map(NUMBER.fullmatch, parts)):
        raise LabError(f"{what} {HINT}, not {quoted(text)}")
    start, stop, step = map(Fraction, parts)
    if not step or stop < start:
        raise LabError(f"{what} {text} has no values: it goes from START up to STOP")
    count = (stop - start) // step + 1
    if count > MOST:
        raise LabError(f"{what} {text} has {count:,} values; a sweep takes up to {MOST:,}")
    steps = [start + number * step for number in range(count)]
    whole = all(part.isdecimal() for part in parts)
    return [int(value) for value in steps] if whole else [float(value) for value in steps]
