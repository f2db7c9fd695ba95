"""Where trace, twin and counters meet: each row of a network against what the tools count.

The twin is hand-written from the same paper and shares nothing with the trace but its table, so
that agreement means something.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenet_lab import conventions
from mobilenet_lab.analysis import analyse, macs
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.layers import Layer, Shape, Trace
from mobilenet_lab.networks import Network, given
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import facts, heading, unknown_operations, unused_parameters

if TYPE_CHECKING:
    from torch import nn

FVCORE, TORCHINFO, FLOP_COUNTER = (
    conventions.CONVENTIONS[name] for name in ("fvcore", "torchinfo", "flop_counter")
)
WITHOUT_MODULE = (
    *("input", "parameter", "add", "mul", "concat", "split"),
    *("reshape", "permute", "slice", "matmul", "attention"),
)
"""Operations that a module's forward writes with operators or functions."""
OPERATORS = ("conv", "linear", "matmul", "bmm", "addmm", "baddbmm", "einsum")
"""fvcore's words for operators that do multiply-accumulates."""
MACS = {conventions.MACS, *conventions.PRODUCTS.values()}
"""Terms of what fvcore counts that are multiply-accumulates."""
BY_FVCORE = "fvcore conv + linear"
TWICE = "FLOPs (2 per MAC)"


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


def verify(network: Network, *, all_layers: bool = False, **options: Any) -> Verification:
    """A network: names, shapes, parameters and counts of every layer against its module.

    A registered network is held against its hand-written twin, a file or a trace against the
    module that runs it. Of a module that was read, what each of its parts does is compared.

    Shown are the totals and what differs; `all_layers` shows every check. The random state of
    torch is left as it was.

    Raises:
        UnknownNameError: no such network or option.
        LabError: an option's value is of no use, or a counter cannot run the module.
        MissingPackageError: torch, fvcore or torchinfo is not installed.
    """
    in_use = sys.modules.get("torch")
    with in_use.random.fork_rng(devices=[]) if in_use else nullcontext():
        found = given(network, **options)
    try:
        import torch

        from mobilenet_lab.counters import fvcore, torchinfo  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "torch", "verify") from None
    with torch.random.fork_rng(devices=[]):
        module = found.build()
    if found.is_read:
        return verify_read(found.trace, module, found.input, all_layers=all_layers)
    return verify_module(found.trace, module, all_layers=all_layers)


def verify_module(trace: Trace, module: "nn.Module", *, all_layers: bool = False) -> Verification:
    """`trace` against `module`, layer by layer; the module comes back in the mode it was in.

    Compared are names, shapes, parameters and counts. What costs nothing (which activation, where
    a residual joins) no counter can see: the tests run the trace with the module's weights.

    Raises:
        LabError: the module does not run on the trace's input.
    """
    from mobilenet_lab.counters import evaluating

    with evaluating(module):
        checks = tuple(_checks(trace, module))
    return _told(trace, checks, all_layers)


def verify_read(
    trace: Trace, module: "nn.Module", spec: Any, *, all_layers: bool = False
) -> Verification:
    """The trace that was read from `module` against the counters, part by part of the module.

    `spec` is what `networks.inspect` was given. Tools differ in what they count, so
    that a part is held against what the closed form says of the tool (`conventions`).

    Raises:
        LabError: a counter cannot run the module.
    """
    from mobilenet_lab.counters import evaluating

    with evaluating(module):
        checks = tuple(_checks_of_read(trace, module, spec))
    return _told(trace, checks, all_layers)


def _told(trace: Trace, checks: tuple[Check, ...], all_layers: bool) -> Verification:
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
        notes=(
            "Trace: the closed form. Module: what the tool counted on the PyTorch module.",
            *unknown_operations(trace),
            *unused_parameters(trace),
        ),
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
    rows = {row.name: row for row in analysis.rows}
    leaves = {path for path, part in module.named_modules() if path and not [*part.children()]}
    layers = {
        each.name: each
        for each in trace.layers
        if each.op not in WITHOUT_MODULE or each.name in leaves
    }

    for name, layer in layers.items():
        if name not in leaves:
            yield Check(name, "name", name, None, "named_modules")
            continue
        row, operators = rows[name], by_fvcore.get(name, Counter())
        shape, weights, mult_adds = by_torchinfo.get(name, (None, None, None))
        yield Check(name, "output", row.out_shape, shape, "torchinfo")
        yield Check(name, "params", row.params, weights, "torchinfo")
        yield Check(name, "mult-adds", TORCHINFO.count(layer), mult_adds, "torchinfo")
        yield _by_fvcore(name, [layer], operators)
        yield Check(name, "flops", FVCORE.count(layer), sum(operators.values()), "fvcore")
    for name in sorted(leaves - layers.keys()):
        yield Check(name, "name", None, name, "named_modules")

    everything, total = by_fvcore[""], analysis.total
    weights = sum(parameter.numel() for parameter in module.parameters())
    mult_adds = sum(seen.mult_adds for seen in by_torchinfo.values())
    yield Check(TOTAL, "params", total.params, weights, "torch")
    yield _by_fvcore(TOTAL, trace.layers, everything)
    yield Check(TOTAL, TWICE, FLOP_COUNTER.total(trace.layers), flops, "FlopCounterMode")
    yield Check(TOTAL, "flops", FVCORE.total(trace.layers), sum(everything.values()), "fvcore")
    yield Check(TOTAL, "mult-adds", TORCHINFO.total(trace.layers), mult_adds, "torchinfo")


def _checks_of_read(trace: Trace, module: "nn.Module", spec: Any) -> Iterator[Check]:
    from mobilenet_lab.counters import flop_counter, fvcore
    from mobilenet_lab.importers.inputs_torch import given_inputs

    inputs, named = given_inputs(module, spec, "cpu").arguments
    if named or not all(hasattr(each, "shape") for each in inputs):
        raise LabError("verify runs networks whose inputs are tensors in forward's order")
    try:
        shapes = _shapes(module, inputs)
        by_fvcore = fvcore.count(module, inputs)
        flops = flop_counter.count(module, inputs)
    except Exception as error:  # a foreign module may fail in any way
        reason = str(error).strip().partition("\n")[0]
        raise LabError(f"the counters do not run {heading(trace)}: {reason}") from error
    parts: dict[str, list[Layer]] = {}
    for layer in trace.layers:
        if layer.op != "input":
            parts.setdefault(_part(layer.name, shapes), []).append(layer)
    for path in dict.fromkeys([*parts, *by_fvcore]):
        layers, operators = parts.get(path, []), _own(by_fvcore, path)
        name = path or "outside of modules"
        if not layers and not sum(operators.values()):
            continue
        if len(layers) == 1 and layers[0].name == path and shapes[path]:
            yield Check(name, "output", layers[0].out_shape, shapes[path], "torch")
        yield _by_fvcore(name, layers, operators)
        yield Check(name, "flops", FVCORE.total(layers), sum(operators.values()), "fvcore")
    everything = by_fvcore[""]
    counted = analyse(trace).total.params + sum(trace.unused.values())
    weights = sum(parameter.numel() for parameter in module.parameters())
    yield Check(TOTAL, "params", counted, weights, "torch")
    yield _by_fvcore(TOTAL, trace.layers, everything)
    yield Check(TOTAL, TWICE, FLOP_COUNTER.total(trace.layers), flops, "FlopCounterMode")
    yield Check(TOTAL, "flops", FVCORE.total(trace.layers), sum(everything.values()), "fvcore")


def _shapes(module: "nn.Module", inputs: Sequence[Any]) -> dict[str, Shape | None]:
    """What each part that is called gives, per image, if it gives one tensor, once."""
    import torch

    given: dict[str, list[Any]] = {path: [] for path, _ in module.named_modules()}
    hooks = [
        part.register_forward_hook(lambda _, __, out, path=path: given[path].append(out))
        for path, part in module.named_modules()
    ]
    try:
        with torch.no_grad():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()

    def shape(answers: list[Any]) -> Shape | None:
        if len(answers) != 1 or not isinstance(answers[0], torch.Tensor):
            return None
        batch, *rest = answers[0].shape or (1,)
        return tuple(rest) if batch == 1 and rest else (batch, *rest)

    return {path: shape(answers) for path, answers in given.items() if answers}


def _part(name: str, paths: Mapping[str, Any]) -> str:
    """The module, of those that are called, that a layer is or that calls its function."""
    path = name.partition(":")[0]
    while path and path not in paths:
        path = path.rpartition(".")[0]
    return path


def _own(counts: Mapping[str, Counter[str]], path: str) -> Counter[str]:
    """What fvcore counts in a module outside of its parts."""
    own = Counter(counts.get(path, {}))
    for other, inside in counts.items():
        if other and other != path and other.rpartition(".")[0] == path:
            own.subtract(inside)
    return own


def _by_fvcore(name: str, layers: Iterable[Layer], operators: Mapping[str, int]) -> Check:
    """The MACs that fvcore sees, which are all but those of operators that it does not know."""
    layers = tuple(layers)
    terms = [term for layer in layers for term in FVCORE.terms(layer)]
    ours = sum(term.total for term in terms if term.name in MACS)
    theirs = int(sum(operators.get(operator, 0) for operator in OPERATORS))
    quantity = "MACs" if ours == sum(map(macs, layers)) else "MACs that fvcore sees"
    matrices = any(layer.op in conventions.PRODUCTS for layer in layers)
    witness = f"{BY_FVCORE} + matmul" if matrices else BY_FVCORE
    return Check(name, quantity, ours, theirs, witness)
