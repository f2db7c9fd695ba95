"""Chance without memory: what is drawn follows from the run's seed and from what it is drawn for.

So a resumed run, another number of workers or another order of loading draws the same.
"""

from collections.abc import Sequence
from hashlib import blake2b


def seed_of(purpose: str, *numbers: int) -> int:
    """A seed of 64 bits; neighbouring numbers and other purposes give unrelated ones."""
    text = "\0".join([purpose, *(str(int(number)) for number in numbers)])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def held_out(names: Sequence[str], share: float, seed: int) -> frozenset[int]:
    """The positions of those names that are held out: about `share` of them, at least one.

    At least one name is left, of two or more. Each name draws its lot by itself, so that names
    that come or go hardly move the others, and their order means nothing.
    """
    lots = sorted(range(len(names)), key=lambda position: seed_of(names[position], seed))
    count = min(max(round(len(names) * share), 1), len(names) - 1)
    return frozenset(lots[:count])
