"""Where trace, twin and counters meet: each row of a network against what the tools count.

The twin is hand-written from the same paper and shares nothing with the trace but its table, so
that agreement means something.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenet_lab import conventions, registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.layers import Trace
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import facts, heading

if TYPE_CHECKING:
    from torch import nn

FVCORE, TORCHINFO = (conventions.CONVENTIONS[name] for name in ("fvcore", "torchinfo"))
WITHOUT_MODULE = ("input", "add", "mul", "concat", "split")
"""Operations that a module's forward writes with operators or functions."""


class Check(NamedTuple):
    """One number of one layer: ours, and the witness's."""

    layer: str
    quantity: str
    ours: Any
    theirs: Any
    witness: str

    @property
    def equal(self) -> bool:
        return bool(self.ours == self.theirs)


@dataclass(frozen=True, repr=False)
class Verification(Table):
    """What was checked; `ok` if nothing differs, `differing` what does."""

    checks: tuple[Check, ...] = ()

    @property
    def differing(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.equal)

    @property
    def ok(self) -> bool:
        return not self.differing


COLUMNS = (
    Column("layer", "layer", "text", lambda row: row.layer),
    Column("quantity", "quantity", "text", lambda row: row.quantity),
    Column("ours", "trace", "any", lambda row: row.ours),
    Column("theirs", "module", "any", lambda row: row.theirs),
    Column("witness", "counted by", "text", lambda row: row.witness),
    Column("verdict", "", "text", lambda row: "equal" if row.equal else "DIFFERS"),
)


def verify(name: str, *, all_layers: bool = False, **options: Any) -> Verification:
    """Network `name`: names, shapes, parameters and counts of every layer against its twin.

    Shown are the totals and what differs; `all_layers` shows every check. The random state of
    torch is left as it was.

    Raises:
        UnknownNameError: no such network or option.
        LabError: an option's value is of no use.
        MissingPackageError: torch, fvcore or torchinfo is not installed.
    """
    trace = registry.trace(name, **options)
    try:
        import torch

        from mobilenet_lab.counters import fvcore, torchinfo  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "torch", "verify") from None
    with torch.random.fork_rng(devices=[]):
        module = registry.build(name, **options)
    return verify_module(trace, module, all_layers=all_layers)


def verify_module(trace: Trace, module: "nn.Module", *, all_layers: bool = False) -> Verification:
    """`trace` against `module`, layer by layer; the module comes back in the mode it was in.

    Compared are names, shapes, parameters and counts. What costs nothing (which activation, where
    a residual joins) no counter can see: the tests run the trace with the module's weights.

    Raises:
        LabError: the module does not run on the trace's input.
    """
    training = {part: part.training for part in module.modules()}
    raw = getattr(module, "raw", None)
    try:
        if raw is not None:  # a detector's boxes are no layers
            module.raw = True  # type: ignore[assignment]
        checks = tuple(_checks(trace, module.eval()))
    finally:
        for part, mode in training.items():
            part.training = mode
        if raw is not None:
            module.raw = raw
    differing = sum(not check.equal for check in checks)
    verdict = f"{differing} differ" if differing else "all equal"
    totals = [check for check in checks if check.layer == TOTAL]
    return Verification(
        f"{len(trace.layers) - 1} layers, {len(checks)} checks: {verdict}",
        COLUMNS,
        checks
        if all_layers
        else (*(c for c in checks if not c.equal and c not in totals), *totals),
        subtitle=heading(trace),
        notes=("Trace: the closed form. Module: what the tool counted on the PyTorch twin.",),
        facts=facts(trace) | {"ok": not differing},
        checks=checks,
    )


TOTAL = "total"


def _checks(trace: Trace, module: "nn.Module") -> Iterator[Check]:
    import torch

    from mobilenet_lab.counters import flop_counter, fvcore, torchinfo

    image = torch.zeros(1, *trace.input_shape)
    with torch.no_grad():
        try:
            module(image)
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise LabError(f"the module does not run on {heading(trace)}: {reason}") from error
        by_fvcore = fvcore.count(module, image)
        by_torchinfo = torchinfo.count(module, image)
        flops = flop_counter.count(module, image)
    analysis = analyse(trace)
    layers = {each.name: each for each in trace.layers if each.op not in WITHOUT_MODULE}
    rows = {row.name: row for row in analysis.rows}
    leaves = {path for path, part in module.named_modules() if path and not [*part.children()]}

    for name, layer in layers.items():
        if name not in leaves:
            yield Check(name, "name", name, None, "named_modules")
            continue
        row, operators = rows[name], by_fvcore.get(name, Counter())
        shape, weights, mult_adds = by_torchinfo.get(name, (None, None, None))
        yield Check(name, "output", row.out_shape, shape, "torchinfo")
        yield Check(name, "params", row.params, weights, "torchinfo")
        yield Check(name, "mult-adds", TORCHINFO.count(layer), mult_adds, "torchinfo")
        yield Check(name, "MACs", row.macs, _macs(operators), "fvcore conv + linear")
        yield Check(name, "flops", FVCORE.count(layer), sum(operators.values()), "fvcore")
    for name in sorted(leaves - layers.keys()):
        yield Check(name, "name", None, name, "named_modules")

    everything, total = by_fvcore[""], analysis.total
    weights = sum(parameter.numel() for parameter in module.parameters())
    mult_adds = sum(seen.mult_adds for seen in by_torchinfo.values())
    yield Check(TOTAL, "params", total.params, weights, "torch")
    yield Check(TOTAL, "MACs", total.macs, _macs(everything), "fvcore conv + linear")
    yield Check(TOTAL, "FLOPs (2 per MAC)", total.flops, flops, "FlopCounterMode")
    yield Check(TOTAL, "flops", FVCORE.total(trace.layers), sum(everything.values()), "fvcore")
    yield Check(TOTAL, "mult-adds", TORCHINFO.total(trace.layers), mult_adds, "torchinfo")


def _macs(operators: Mapping[str, int]) -> int:
    return operators.get("conv", 0) + operators.get("linear", 0)
