"""`bench`: what networks and their layers take on this machine, beside what they should.

MACs are a promise, not a speed: measured times stand beside MACs, bytes moved and the roofline's
bound on a machine whose peak and bandwidth are measured first.
"""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from mobilenet_lab.analysis import LEVELS, Analysis, analyse
from mobilenet_lab.errors import LabError, MissingPackageError, UnknownNameError, quoted
from mobilenet_lab.layers import Trace
from mobilenet_lab.measured import (
    FEWEST_TO_RANK,
    Measured,
    Time,
    columns,
    correlations,
    time_of,
    told_ranks,
    told_whole,
    warnings,
)
from mobilenet_lab.networks import Given, Network, given
from mobilenet_lab.reports.table import Table
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
CLOCKS = ("wall", "processor")
MOST_THREADS, MOST_ROUNDS = 1024, 10_000
Result = TypeVar("Result")


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
    clock: str = "wall",
    watch: Watch | None = None,
    **options: Any,
) -> Table:
    """Times the modules of networks in eval mode on this machine, on noise.

    Several networks take turns, `rounds` times a block of runs each; their times are medians and
    quartiles of the blocks. With a `level` of layer, block, stage or role one network is timed
    layer by layer, in place (`latency_torch` says how), and by itself in turns with that. The
    roofline stands beside, on a peak and a bandwidth that are measured first with the same
    `threads` (else as many as torch uses) and `dtype`. Rows are `Measured` records. Of detectors
    the layers are timed, not what comes after them. A module that was given is copied.

    By the `clock` of the "processor" only the time counts in which this thread had one: on a busy
    machine that leaves out the waiting, but caches are shared nonetheless. Each option is one value
    for all networks, or a list with one for each; `watch` is given the blocks and how many there
    are, and hands them on.

    Raises:
        UnknownNameError: no such network, option, level, dtype or device.
        LabError: a value of no use, a device that is not there, several networks by layer, or a
            network that does not run.
        MissingPackageError: torch is not installed.
    """
    _check(level, networks, batch, threads, dtype, device, rounds, clock)
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
    if clock == "processor" and (device != "cpu" or threads != 1):
        raise LabError("the processor's clock is of one thread: it needs threads 1 and device cpu")
    look = latency_torch.clock_of(device, clock)
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
        on = machine(latency_torch.peak(setting, look), latency_torch.bandwidth(setting, look))
        if level == NETWORK:
            rows = _networks(analyses, runnables, on, setting, look, rounds, watch)
            total = whole = None
        else:
            rows, total, whole = _layers(
                analyses[0], runnables[0], on, level, setting, look, rounds, watch
            )
    traces = [each.trace for each in found]
    conditions = _conditions(setting, before) | {"level": level, "rounds": rounds, "clock": clock}
    ranks = correlations(rows) if level == NETWORK and len(rows) >= FEWEST_TO_RANK else {}
    return Table(
        heading(traces[0]) if len(traces) == 1 else f"{len(traces)} networks",
        columns(level, total),
        rows,
        total,
        f"{conditions['processor']} · {conditions['library']} · {setting.told}, threads {threads}",
        (
            f"This machine, measured: {told_machine(on)}.",
            *told_whole(total, whole),
            *told_ranks(ranks),
            *warnings(rows if total is None else (total,), whole, conditions),
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
    clock: str,
) -> None:
    if not networks:
        raise LabError("bench takes one network or more, not 0")
    for kind, name, known in (
        ("level", level, BENCH_LEVELS),
        ("dtype", dtype, DTYPES),
        ("device", device, DEVICES),
        ("clock", clock, CLOCKS),
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
