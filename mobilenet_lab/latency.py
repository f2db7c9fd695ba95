"""`bench`: what networks and their layers take on this machine, beside what they should.

MACs are a promise, not a speed: measured times stand beside MACs, bytes moved and the roofline's
bound on a machine whose peak and bandwidth are measured first.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mobilenet_lab.analysis import LEVELS, Analysis, Row, analyse
from mobilenet_lab.errors import LabError, MissingPackageError, UnknownNameError, quoted
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Given, Network, given
from mobilenet_lab.ranks import kendall, spearman
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.rooflines import LARGEST_BATCH, LEFT_OUT, Machine, batched, machine, timed
from mobilenet_lab.verbs.common import (
    CONVENTION,
    NOT_COUNTED,
    after_the_layers,
    facts,
    heading,
    spread,
    unknown_operations,
)
from mobilenet_lab.verbs.roofline import machine_facts, told_machine
from mobilenet_lab.verbs.settings import Watch

if TYPE_CHECKING:
    from torch import nn

    from mobilenet_lab.latency_torch import Clock, Runnable, Setting

NETWORK = "network"
BENCH_LEVELS = (NETWORK, *LEVELS)
DTYPES = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda", "mps")
MOST_THREADS, MOST_ROUNDS = 1024, 10_000
NOISY = 0.1
"""Of the median: a wider spread between the quartiles is worth a warning."""
FEWEST_TO_RANK = 3
Result = TypeVar("Result")


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


def interleaved(
    jobs: Sequence[Callable[[], Result]], rounds: int, watch: Watch
) -> list[list[Result]]:
    """What each job gives in each round: one after another, so that a drift meets all alike."""
    results: list[list[Result]] = [[] for _ in jobs]
    order = [number for _ in range(rounds) for number in range(len(jobs))]
    for number in watch(order, len(order)):
        results[number].append(jobs[number]())
    return results


def bench(
    *networks: Network,
    level: str = NETWORK,
    batch: int = 1,
    threads: int | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    channels_last: bool = False,
    rounds: int = 20,
    watch: Watch | None = None,
    **options: Any,
) -> Table:
    """Times the modules of networks in eval mode on this machine, on noise.

    Several networks take turns, `rounds` times a block of runs each; their times are medians and
    quartiles of the blocks. With a `level` of layer, block, stage or role one network is timed
    layer by layer, in place (`latency_torch` says how), and by itself in turns with that. The
    roofline stands beside, on a peak and a bandwidth that are measured first with the same
    `threads` (else as many as torch uses) and `dtype`. Rows are `Measured` records. Of detectors
    the layers are timed, not what comes after them. A module that was given is copied. Each
    option is one value for all networks, or a list with one for each; `watch` is given the blocks
    and how many there are, and hands them on.

    Raises:
        UnknownNameError: no such network, option, level, dtype or device.
        LabError: a value of no use, a device that is not there, several networks by layer, or a
            network that does not run.
        MissingPackageError: torch is not installed.
    """
    _check(level, networks, batch, threads, dtype, device, rounds)
    try:
        from mobilenet_lab import latency_torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError("torch", "torch", "bench") from None
    if not latency_torch.is_available(device):
        raise LabError(f"there is no {device} device on this machine")
    threads = threads or latency_torch.usual_threads()
    setting = latency_torch.Setting(batch, threads, dtype, device, channels_last)
    clock = latency_torch.clock_of(device)
    watch = watch or (lambda items, _: items)
    before = _load()
    with latency_torch.seeded(), latency_torch.with_threads(threads):
        found = [
            given(network, **each)
            for network, each in zip(networks, spread(options, len(networks)), strict=True)
        ]
        analyses = [batched(analyse(each.trace, dtype), batch) for each in found]
        runnables = [
            latency_torch.runnable(_fresh(each), each.trace, each.input, setting) for each in found
        ]
        on = machine(latency_torch.peak(setting, clock), latency_torch.bandwidth(setting, clock))
        if level == NETWORK:
            rows = _networks(analyses, runnables, on, setting, clock, rounds, watch)
            total = whole = None
        else:
            rows, total, whole = _layers(
                analyses[0], runnables[0], on, level, setting, clock, rounds, watch
            )
    traces = [each.trace for each in found]
    conditions = _conditions(setting, before) | {"level": level, "rounds": rounds}
    ranks = correlations(rows) if level == NETWORK and len(rows) >= FEWEST_TO_RANK else {}
    return Table(
        heading(traces[0]) if len(traces) == 1 else f"{len(traces)} networks",
        _columns(level, total),
        rows,
        total,
        f"{conditions['processor']} · {conditions['library']} · {setting.told}, threads {threads}",
        (
            f"This machine, measured: {told_machine(on)}.",
            *_told_whole(total, whole),
            *_told_ranks(ranks),
            *_warnings(rows if total is None else (total,), whole, conditions),
            f"Median of {rounds} rounds; IQR: between the quartiles. Bytes: inputs, parameters and "
            f"outputs of each layer. Roofline: the least time without {LEFT_OUT}.",
            f"MACs by convention {CONVENTION}. {NOT_COUNTED}",
            *dict.fromkeys(
                note
                for trace in traces
                for note in (*unknown_operations(trace), *after_the_layers(trace))
            ),
        ),
        conditions
        | {
            "machine": machine_facts(on),
            "networks": [facts(trace) for trace in traces],
            **({"whole_ms": whole.median * 1000} if whole else {}),
            **({"ranks": ranks} if ranks else {}),
        },
    )


def _networks(
    analyses: Sequence[Analysis],
    runnables: "Sequence[Runnable]",
    on: Machine,
    setting: "Setting",
    clock: "Clock",
    rounds: int,
    watch: Watch,
) -> tuple[Measured, ...]:
    """Each network as a whole."""
    times = interleaved([_block(each, setting, clock) for each in runnables], rounds, watch)
    names = _names([analysis.trace for analysis in analyses])
    return tuple(
        Measured(name, analysis.total, _bound(analysis, on), time_of(each))
        for name, analysis, each in zip(names, analyses, times, strict=True)
    )


def _layers(
    analysis: Analysis,
    network: "Runnable",
    on: Machine,
    level: str,
    setting: "Setting",
    clock: "Clock",
    rounds: int,
    watch: Watch,
) -> tuple[tuple[Measured, ...], Measured, Time]:
    """The rows of a level, all layers one after the other, and the network as it runs itself."""
    from mobilenet_lab.latency_torch import stepped

    steps = stepped(network, analysis.trace, setting, clock)

    def by_layer() -> list[list[float]]:
        runs = []
        for _ in range(RUNS + 1):
            steps(*network.tensors)
            runs.append(steps.spent)
        return runs[1:]  # the first one warms up

    jobs: list[Callable[[], Any]] = [_block(network, setting, clock), by_layer]
    wholes, layers = interleaved(jobs, rounds, watch)
    runs = [run for each in layers for run in each]
    bounds = timed(analysis, on, level)
    rows = []
    for one in bounds:
        inside = [
            number
            for number, row in enumerate(analysis.rows)
            if one.row.name == (row.name if level == "layer" else getattr(row, level))
        ]
        spent = time_of([sum(run[number] for number in inside) for run in runs])
        rows.append(Measured(one.row.name, one.row, one.seconds, spent))
    total = Measured("layers", analysis.total, _bound(analysis, on), time_of([*map(sum, runs)]))
    return tuple(rows), total, time_of(wholes)


RUNS = 5
"""Of a network layer by layer, in each round."""


def _block(network: "Runnable", setting: "Setting", clock: "Clock") -> Callable[[], float]:
    """Gives the mean seconds of a run in one block of them."""
    from mobilenet_lab.latency_torch import runs_of_a_block

    timer = network.timer(setting, clock)
    runs = runs_of_a_block(timer)
    return lambda: float(timer.timeit(runs).median)


def _bound(analysis: Analysis, on: Machine) -> Fraction:
    return sum((layer.seconds for layer in timed(analysis, on)), Fraction(0))


def _fresh(found: Given) -> "nn.Module":
    """The module; a copy, where it is somebody's."""
    from copy import deepcopy

    module = found.build()
    if not found.is_read:
        return module
    try:
        return deepcopy(module)
    except Exception as error:  # somebody else's code
        raise LabError(f"{found.trace.name} cannot be copied: {error}") from error


def _names(traces: Sequence[Trace]) -> list[str]:
    """What the networks are called; with their settings, where one is there twice."""
    names = [trace.name or "network" for trace in traces]
    return [
        heading(trace) if names.count(name) > 1 else name
        for name, trace in zip(names, traces, strict=True)
    ]


# What is asked for


def _check(
    level: str,
    networks: Sequence[Network],
    batch: Any,
    threads: Any,
    dtype: str,
    device: str,
    rounds: Any,
) -> None:
    if not networks:
        raise LabError("bench takes one network or more, not 0")
    for kind, name, known in (
        ("level", level, BENCH_LEVELS),
        ("dtype", dtype, DTYPES),
        ("device", device, DEVICES),
    ):
        if name not in known:
            raise UnknownNameError(kind, str(name), known)
    if level != NETWORK and len(networks) > 1:
        raise LabError(f"bench by {level} takes one network, not {len(networks)}")
    _check_count("batch", batch, LARGEST_BATCH)
    _check_count("rounds", rounds, MOST_ROUNDS)
    if threads is not None:
        _check_count("threads", threads, MOST_THREADS)


def _check_count(what: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise LabError(f"{what} is a whole number from 1 to {most:,}, not {quoted(value)}")


# What is told


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


def _told_ranks(ranks: dict[str, dict[str, float | None]]) -> tuple[str, ...]:
    if not ranks:
        return ()
    told = (
        f"{QUANTITIES[quantity]} {_coefficient(both['kendall'])}, {_coefficient(both['spearman'])}"
        for quantity, both in ranks.items()
    )
    return (f"Order against measured time (Kendall's tau-b, Spearman's rho): {'; '.join(told)}.",)


def _coefficient(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _told_whole(total: Measured | None, whole: Time | None) -> tuple[str, ...]:
    if total is None or whole is None:
        return ()
    share = total.time.median / whole.median if whole.median else 0
    return (
        f"The network as its module runs it: {_ms(whole)}; its layers one after the other, each "
        f"timed: {_ms(total.time)}, {share:.1%} of that. Medians of parts do not quite add up.",
    )


def _ms(time: Time) -> str:
    return f"{time.median * 1000:.4g} ms (IQR {(time.high - time.low) * 1000:.2g})"


def _warnings(
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


def _conditions(setting: "Setting", before: float | None) -> dict[str, Any]:
    """What a file says of how times came about."""
    from mobilenet_lab.latency_torch import library, processor

    return {
        "processor": processor(setting.device),
        "processors": os.cpu_count() or 1,
        "library": library(),
        **setting._asdict(),
        "load_before": before,
        "load_after": _load(),
    }


def _load() -> float | None:
    """The system's load average of the last minute, where it tells."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _columns(level: str, total: Measured | None) -> tuple[Column, ...]:
    columns = [
        Column("name", level, "text", lambda each: each.name),
        Column("macs", "MACs", "count", lambda each: each.row.known(each.row.macs), CONVENTION),
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
