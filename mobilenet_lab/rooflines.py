"""The roofline model: how fast a machine could run each layer at best, by two numbers of it.

A layer takes at least as long as its arithmetic at the machine's peak, and at least as long as
moving its bytes at the machine's bandwidth; the longer of both is its bound. Caches, the overhead
of a launch, a peak that no real kernel reaches and layers fused into one are left out, so this is
a bound of layers run one after the other and no measurement. Williams, Waterman and Patterson,
"Roofline: an insightful visual performance model", 2009.
"""

import re
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from typing import Any, Literal, NamedTuple, TypeAlias

from mobilenet_lab.analysis import CONSTANT, DTYPES, VIEWS, Analysis, Row, weights
from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.layers import Layer

Rate: TypeAlias = int | Fraction
"""Of something per second, exact."""
Bound = Literal["compute", "memory"]
LEFT_OUT = "caches, launch overheads, fused layers"
"""What a real run has besides."""

NUMBER = r"((?:[0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15})(?:e[+-]?[0-9]{1,2})?) ?"
PEAK = re.compile(NUMBER + r"([kmgtp]?)(?:flops?/s|flops|ops?/s|ops)", re.IGNORECASE)
BANDWIDTH = re.compile(NUMBER + r"([kKmMgGtTpP]i?|)B(?:/s|ps)")
"""A capital B: a small one would be bits."""
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50}
MOST = 10**21
"""A thousand exaFLOP/s."""


class Machine(NamedTuple):
    """What the model knows of a machine; `machine` reads and checks it."""

    peak: Rate
    """FLOP/s, 2 for each MAC."""
    bandwidth: Rate
    """Bytes/s between the memory and the arithmetic."""
    name: str = ""

    @property
    def ridge(self) -> Fraction:
        """FLOPs per byte from which on the arithmetic is the bound, not the memory."""
        return Fraction(self.peak) / Fraction(self.bandwidth)

    def attainable(self, intensity: Rate) -> Rate:
        """FLOP/s of a layer that computes `intensity` FLOPs per byte moved, at best."""
        return min(self.peak, intensity * self.bandwidth)

    def seconds(self, row: Row) -> Fraction:
        """The least time of one layer; of several layers, as if they were one (see `timed`)."""
        return max(Fraction(row.flops) / Fraction(self.peak), self._moving(row))

    def bound(self, row: Row) -> Bound:
        """What its time is spent on; a layer on the ridge counts as bound by compute."""
        computes = row.flops and Fraction(row.flops) / Fraction(self.peak) >= self._moving(row)
        return "compute" if computes else "memory"

    def _moving(self, row: Row) -> Fraction:
        return Fraction(row.memory) / Fraction(self.bandwidth)


class Timed(NamedTuple):
    """A row, and the least time of its layers one after the other."""

    row: Row
    seconds: Fraction
    memory_seconds: Fraction
    """Of that, in layers that are memory-bound."""

    @property
    def performance(self) -> Fraction:
        """FLOP/s at which the row then runs."""
        return self.row.flops / self.seconds if self.seconds else Fraction(0)

    @property
    def bound(self) -> Bound:
        """What most of the time goes to; half and half counts as compute."""
        return "memory" if 2 * self.memory_seconds > self.seconds or not self.seconds else "compute"


def timed(analysis: Analysis, on: Machine, level: str = "layer") -> tuple[Timed, ...]:
    """The rows of one level in running order, timed layer by layer: every level has one total.

    Raises:
        UnknownNameError: there is no such level.
    """
    rows = analysis.by(level)
    spent = {row.name: [Fraction(0), Fraction(0)] for row in rows}
    for layer in analysis.rows:
        times = spent[layer.name if level == "layer" else getattr(layer, level)]
        seconds = on.seconds(layer)
        times[0] += seconds
        times[1] += seconds if on.bound(layer) == "memory" else 0
    return tuple(Timed(row, *spent[row.name]) for row in rows)


LARGEST_BATCH = 65_536


def batched(analysis: Analysis, batch: int) -> Analysis:
    """The numbers of a whole batch: all but parameters, and the bytes of weights, that many times.

    Raises:
        LabError: `batch` is no whole number from 1 to LARGEST_BATCH.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= LARGEST_BATCH:
        raise LabError(f"batch is a whole number from 1 to {LARGEST_BATCH:,}, not {quoted(batch)}")
    layers = [layer for layer in analysis.trace.layers if layer.op != "input"]
    rows = [
        row._replace(
            macs=batch * row.macs,
            activations=batch * row.activations,
            memory=batch * row.memory - (batch - 1) * _weight_bytes(layer, analysis.dtype),
            live=batch * row.live,
        )
        for row, layer in zip(analysis.rows, layers, strict=True)
    ]
    return replace(analysis, rows=tuple(rows))


def _weight_bytes(layer: Layer, dtype: str) -> int:
    """Bytes that a layer reads once for a batch; an embedding's rows are looked up for each."""
    if layer.op in (*VIEWS, *CONSTANT, "embedding"):
        return 0
    return int(weights(layer)) * DTYPES[dtype]


def told_rate(rate: Rate, unit: str) -> str:
    """ "100 GFLOP/s" of 10^11 and "FLOP/s"."""
    sizes = {letter.upper() if letter != "k" else letter: size for letter, size in UNITS.items()}
    letter, size = max(
        ((each, size) for each, size in sizes.items() if size <= rate), key=lambda one: one[1]
    )
    return f"{float(rate / size):.4g} {letter}{unit}"


def machine(peak: Any, bandwidth: Any, name: str = "") -> Machine:
    """A machine from texts ("100GFLOPS", "1.5 TFLOP/s"; "20GB/s") or numbers (FLOP/s, bytes/s).

    k, M, G, T and P are powers of 1000; Ki, Mi, Gi ... of a bandwidth are powers of 1024.

    Raises:
        LabError: one is missing, is no such rate, or is not from 1 to 10^21.
    """
    return Machine(peak_rate(peak), bandwidth_rate(bandwidth), name)


def peak_rate(value: Any) -> Rate:
    """FLOP/s, from a number or a text like "100GFLOPS" or "4 TOPS".

    Raises:
        LabError: it is missing, no such rate, or not from 1 to 10^21.
    """
    return _rate(value, PEAK, "the machine's peak is in FLOP/s (2 for each MAC), like 100GFLOPS")


def bandwidth_rate(value: Any) -> Rate:
    """Bytes/s, from a number or a text like "20GB/s" or "900 MiB/s".

    Raises:
        LabError: it is missing, no such rate, or not from 1 to 10^21.
    """
    return _rate(value, BANDWIDTH, "the machine's bandwidth is in bytes/s, like 20GB/s")


def _rate(value: Any, form: re.Pattern[str], rule: str) -> Rate:
    if value is None:
        raise LabError(f"a roofline needs a machine: {rule}")
    exact = _exact(value, form)
    if exact is None:
        raise LabError(f"{rule}, not {quoted(value)}")
    if not 1 <= exact <= MOST:
        raise LabError(f"{rule}, and from 1 to 10^21, not {quoted(value)}")
    return exact.numerator if exact.denominator == 1 else exact


def _exact(value: Any, form: re.Pattern[str]) -> Fraction | None:
    """The rate without rounding; None of what is none."""
    if isinstance(value, str):
        found = form.fullmatch(value.strip())
        if found is None:
            return None
        return Fraction(found[1]) * (UNITS | BINARY)[found[2].lower()]
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        return None
    return None if isinstance(value, float) and not isfinite(value) else Fraction(value)
