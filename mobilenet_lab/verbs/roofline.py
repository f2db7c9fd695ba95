"""`roofline`: the least time of each part of a network on a machine, and what bounds it."""

from fractions import Fraction
from typing import Any

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.devices import DEVICES, Device, device
from mobilenet_lab.errors import LabError
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.rooflines import LEFT_OUT, Machine, Timed, batched, timed, told_rate
from mobilenet_lab.rooflines import machine as given_machine
from mobilenet_lab.verbs.common import (
    CONVENTION,
    NOT_COUNTED,
    after_the_layers,
    facts,
    heading,
    unknown_operations,
)

MS = 1000


def roofline(
    network: Network,
    *,
    machine: str | None = None,
    peak: Any = None,
    bandwidth: Any = None,
    level: str = "stage",
    batch: int = 1,
    dtype: str = "float32",
    **options: Any,
) -> Table:
    """The least time of a network on a machine by the roofline model, by `level`.

    The `machine` is one of devices.DEVICES, or is told by its `peak` ("100GFLOPS" or FLOP/s, 2 for
    each MAC) and `bandwidth` ("20GB/s" or bytes/s). Each layer takes as long as its arithmetic at
    the peak or as moving its bytes of `dtype` at the bandwidth, whichever is longer, and layers run
    one after the other; weights are read once for the `batch`. Rows are `rooflines.Timed` records
    with exact seconds. It is a bound, no measurement (`bench` measures).

    Raises:
        UnknownNameError: no such network, option, machine, level or dtype.
        LabError: no machine or two, a peak, bandwidth or batch that is of no use, or a machine
            without a documented peak of `dtype`.
    """
    known = None if machine is None else device(machine)
    on = _machine(known, peak, bandwidth, dtype)
    analysis = batched(analyse(traced(network, **options), dtype), batch)
    rows = timed(analysis, on, level)
    total = Timed(
        analysis.total,
        sum((row.seconds for row in rows), Fraction(0)),
        sum((row.memory_seconds for row in rows), Fraction(0)),
    )
    return Table(
        heading(analysis.trace),
        _columns(total, level),
        rows,
        total,
        f"At least, on {told_machine(on)}",
        (
            _waiting(analysis, on, total),
            *([f"Peak: {known.unit}. {known.source}."] if known else ()),
            f"FLOPs: 2 × MACs by convention {CONVENTION}.",
            f"Bytes of {dtype}: each layer's inputs, parameters and outputs, once"
            + (f"; batch {batch}, weights are read once for it." if batch > 1 else "."),
            f"A bound, no measurement: without {LEFT_OUT}.",
            NOT_COUNTED,
            *unknown_operations(analysis.trace),
            *after_the_layers(analysis.trace),
        ),
        facts(analysis.trace)
        | {"level": level, "batch": batch, "dtype": dtype, "machine": machine_facts(on, known)},
    )


def told_machine(on: Machine) -> str:
    """A machine's name, peak, bandwidth and ridge, for a heading."""
    name = f"{on.name}: " if on.name else ""
    return (
        f"{name}{told_rate(on.peak, 'FLOP/s')} and {told_rate(on.bandwidth, 'B/s')}, ridge at "
        f"{float(on.ridge):.3g} FLOPs/byte"
    )


def machine_facts(on: Machine, known: Device | None = None) -> dict[str, Any]:
    """What a file says of a machine."""
    return {
        "name": on.name,
        "peak": on.peak,
        "bandwidth": on.bandwidth,
        "ridge": on.ridge,
        **({"unit": known.unit, "source": known.source} if known else {}),
    }


def _machine(known: Device | None, peak: Any, bandwidth: Any, dtype: str) -> Machine:
    told = peak is not None or bandwidth is not None
    if known is not None and told:
        raise LabError("name a machine, or give its peak and bandwidth, not both")
    if known is not None:
        return known.machine(dtype)
    if not told:
        raise LabError(
            "a roofline needs a machine: its peak and bandwidth, like 100GFLOPS and 20GB/s, or the "
            f"name of one: {', '.join(DEVICES)}"
        )
    return given_machine(peak, bandwidth)


def _columns(total: Timed, level: str) -> tuple[Column, ...]:
    def name(each: Timed) -> str:
        if each is not total:
            return each.row.name
        return "at least" if each.row.unknown else "total"

    return (
        Column("name", level, "text", name),
        Column("flops", "FLOPs", "count", lambda each: each.row.known(each.row.flops), "2 × MACs"),
        Column("memory", "bytes", "count", lambda each: each.row.memory, "bytes moved"),
        Column("intensity", "FLOPs/byte", "number", lambda each: each.row.intensity),
        Column("bound", "bound", "text", lambda each: each.bound, "what most of its time goes to"),
        Column("ms", "ms", "number", lambda each: float(each.seconds * MS), "least time"),
        Column(
            "share",
            "share of time",
            "share",
            lambda each: float(each.seconds / total.seconds) if total.seconds else None,
            "of the total",
        ),
    )


def _waiting(analysis: Analysis, on: Machine, total: Timed) -> str:
    """How much of the time is spent where the memory is the bound."""
    if not total.seconds:
        return "No layer takes any time."
    idle = sum((on.seconds(row) for row in analysis.rows if not row.macs), Fraction(0))
    memory, without = (float(part / total.seconds) for part in (total.memory_seconds, idle))
    return f"Memory-bound {memory:.1%} of the time; layers without MACs take {without:.1%}."
