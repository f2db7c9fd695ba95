"""Measured times of networks and their parts: records, and how tables tell of them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from statistics import median, quantiles
from typing import Any, NamedTuple

from mobilenet_lab.analysis import Row
from mobilenet_lab.conventions import PAPER
from mobilenet_lab.ranks import kendall, spearman
from mobilenet_lab.reports.table import Column

NOISY = 0.1
"""Of the median: a wider spread between the quartiles is worth a warning."""
FEWEST_TO_RANK = 3


class Time(NamedTuple):
    """Seconds of some runs: the median, and the quartiles below and above."""

    median: float
    low: float
    high: float

    @property
    def noise(self) -> float:
        """The range between the quartiles, as a share of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


class Measured(NamedTuple):
    """A network, or a part of one: its numbers for the whole batch, and its time."""

    name: str
    row: Row
    bound: Fraction
    """Seconds that the roofline model gives at least."""
    time: Time

    @property
    def macs_per_second(self) -> float | None:
        """What is reached; None without MACs."""
        return self.row.macs / self.time.median if self.row.macs and self.time.median else None

    @property
    def over_bound(self) -> float | None:
        """How many times the bound the measured time is."""
        return self.time.median / float(self.bound) if self.bound else None


def time_of(seconds: Sequence[float]) -> Time:
    """The median and the quartiles of one run or more."""
    if len(seconds) == 1:
        return Time(seconds[0], seconds[0], seconds[0])
    low, _, high = quantiles(seconds, n=4, method="inclusive")
    return Time(median(seconds), low, high)


def correlations(rows: Sequence[Measured]) -> dict[str, dict[str, float | None]]:
    """How far MACs, bytes and the roofline put networks in the order of their measured times."""
    measured = [row.time.median for row in rows]
    promised: dict[str, list[Any]] = {
        "macs": [row.row.macs for row in rows],
        "memory": [row.row.memory for row in rows],
        "roofline": [row.bound for row in rows],
    }
    return {
        quantity: {"kendall": kendall(values, measured), "spearman": spearman(values, measured)}
        for quantity, values in promised.items()
    }


QUANTITIES = {"macs": "MACs", "memory": "bytes", "roofline": "roofline"}


def told_ranks(ranks: dict[str, dict[str, float | None]]) -> tuple[str, ...]:
    """A sentence on correlations, if there are any."""
    if not ranks:
        return ()
    told = (
        f"{QUANTITIES[quantity]} {_coefficient(both['kendall'])}, {_coefficient(both['spearman'])}"
        for quantity, both in ranks.items()
    )
    return (f"Order against measured time (Kendall's tau-b, Spearman's rho): {'; '.join(told)}.",)


def _coefficient(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def told_whole(total: Measured | None, whole: Time | None) -> tuple[str, ...]:
    """A sentence on a network as a whole beside the sum of its layers, if both were timed."""
    if total is None or whole is None:
        return ()
    share = total.time.median / whole.median if whole.median else 0
    return (
        f"The network as its module runs it: {_ms(whole)}; its layers one after the other, each "
        f"timed: {_ms(total.time)}, {share:.1%} of that. Medians of parts do not quite add up.",
    )


def _ms(time: Time) -> str:
    return f"{time.median * 1000:.4g} ms (IQR {(time.high - time.low) * 1000:.2g})"


def warnings(
    rows: Sequence[Measured], whole: Time | None, conditions: dict[str, Any]
) -> Iterator[str]:
    """What makes the times doubtful."""
    noisy = [row.name for row in rows if row.time.noise > NOISY]
    if whole is not None and whole.noise > NOISY:
        noisy.append("the whole network")
    if noisy:
        others = f" and {len(noisy) - 3} more" if len(noisy) > 3 else ""
        yield (
            f"Warning: too noisy to tell small differences: the quartiles of "
            f"{', '.join(noisy[:3])}{others} are more than {NOISY:.0%} of the median apart."
        )
    load, processors = conditions["load_before"], conditions["processors"]
    if load is not None and load + conditions["threads"] > processors:
        yield (
            f"Warning: the machine was busy: load average {load:.1f} before the run, "
            f"{conditions['threads']} threads asked for, {processors} processors."
        )


def columns(level: str, total: Measured | None) -> tuple[Column, ...]:
    """What a table shows of `Measured` rows; `total` is all layers, where these were timed."""
    columns = [
        Column("name", level, "text", lambda each: each.name),
        Column("macs", "MACs", "count", lambda each: each.row.known(each.row.macs), PAPER.heading),
        Column("memory", "bytes", "count", lambda each: each.row.memory, "bytes moved"),
        Column("intensity", "FLOPs/byte", "number", lambda each: each.row.intensity),
        Column(
            "roofline_ms",
            "roofline ms",
            "number",
            lambda each: float(each.bound * 1000),
            "the least time on a machine of the measured peak and bandwidth",
        ),
        Column("ms", "ms", "number", lambda each: each.time.median * 1000, "measured, the median"),
        Column(
            "iqr_ms",
            "IQR ms",
            "number",
            lambda each: (each.time.high - each.time.low) * 1000,
            "between the quartiles",
        ),
        Column("ratio", "/ roofline", "ratio", lambda each: each.over_bound, "measured / roofline"),
        Column("gmacs", "GMAC/s", "number", _gmacs, "reached"),
    ]
    if total is not None:
        columns.append(
            Column(
                "share",
                "share of time",
                "share",
                lambda each: (
                    min(each.time.median / total.time.median, 1.0) if total.time.median else None
                ),
                "of all layers",
            )
        )
    return tuple(columns)


def _gmacs(each: Measured) -> float | None:
    return None if each.macs_per_second is None else each.macs_per_second / 1e9
