"""`reconcile`: what every counter prints for a network, and the bridge from the papers' number.

The closed forms need no torch; with `run` the tools themselves count the network's module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenet_lab.conventions import CONVENTIONS, Convention, Term
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import Given, Network, given
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import after_the_layers, facts, heading, unknown_operations

if TYPE_CHECKING:
    from torch import Tensor, nn

TOTAL = "prints"
FUNCTIONS = (
    "A module that was read may call functions where the forms have modules: ptflops, thop, "
    "calflops and torchinfo then count otherwise (--run shows by how much)."
)


class Step(NamedTuple):
    """One term of what a tool counts, or (called TOTAL) the tool's number."""

    convention: Convention
    term: Term
    ran: int | str | None = None
    """What the tool printed when it was run, or why it did not; None if it was not run."""

    @property
    def is_total(self) -> bool:
        return self.term.name == TOTAL

    @property
    def difference(self) -> int | None:
        """The tool's own number - ours."""
        return self.ran - self.term.total if isinstance(self.ran, int) else None


@dataclass(frozen=True, repr=False)
class Reconciliation(Table):
    """Every tool's number in terms; `differing` names the tools that, run, print another."""

    @property
    def totals(self) -> dict[str, Step]:
        """The number of each tool by the name of its convention."""
        return {step.convention.name: step for step in self.rows if step.is_total}

    @property
    def differing(self) -> tuple[str, ...]:
        return tuple(name for name, step in self.totals.items() if step.difference)


def _name(step: Step) -> str:
    if not step.is_total:
        return f"  {step.term.name}"
    return f"{step.convention.name}: {step.convention.calls_it}"


def _verdict(step: Step) -> str | None:
    if step.ran is None or isinstance(step.ran, str):
        return step.ran
    return "equal" if step.difference == 0 else f"{step.difference:+,}"


COLUMNS = (
    Column("name", "tool: its word, and what it counts", "text", _name),
    Column("each", "each", "count", lambda s: None if s.is_total else s.term.each, "counted for"),
    Column("base", "of", "count", lambda s: None if s.is_total else s.term.base, "so many"),
    Column("count", "count", "count", lambda s: s.term.total, "each × of; of a tool, the sum"),
)
RAN = Column("ran", "run here", "text", _verdict, "the tool's own number - ours")


def reconcile(network: Network, *, run: bool = False, **options: Any) -> Reconciliation:
    """What each public counter prints for a network, term by term from the papers' MACs.

    With `run` each tool that is installed counts the network's module (of a trace without a name,
    one made of the trace), and a column says whether it prints the same, or the difference.

    Raises:
        UnknownNameError: no such network or option.
        LabError: an option's value is of no use, or no module can be made of a trace.
        MissingPackageError: `run` without torch.
    """
    found = given(network, **options)
    trace = found.trace
    ran = _run(found) if run else {}
    steps = tuple(step for tool in CONVENTIONS.values() for step in _steps(tool, trace, ran))
    releases = dict.fromkeys(
        f"{tool.tool} {tool.release}" for tool in CONVENTIONS.values() if tool.release
    )
    return Reconciliation(
        "What each counter prints, and why",
        (*COLUMNS, RAN) if run else COLUMNS,
        steps,
        subtitle=heading(trace),
        notes=(
            f"Holds for {', '.join(releases)}; per image, in eval mode.",
            "FLOPs: 2 per MAC. Other words: 1 per MAC.",
            *([FUNCTIONS] if found.is_read else []),
            *unknown_operations(trace),
            *after_the_layers(trace),
        ),
        facts=facts(trace)
        | {
            "tools": {
                step.convention.name: {
                    "tool": step.convention.tool,
                    "release": step.convention.release,
                    "calls it": step.convention.calls_it,
                    "prints": step.term.total,
                    **({"run": step.ran} if run else {}),
                }
                for step in steps
                if step.is_total
            }
        },
    )


def bridge(convention: Convention, trace: Trace) -> tuple[Term, ...]:
    """What a tool counts in `trace`, one term for each name and factor; the MACs come first."""
    bases: dict[tuple[str, int], int] = {}
    for layer in trace.layers:
        for term in convention.terms(layer):
            key = term.name, term.each
            bases[key] = bases.get(key, 0) + term.base
    return tuple(Term(name, each, base) for (name, each), base in bases.items() if base)


def _steps(tool: Convention, trace: Trace, ran: dict[str, int | str]) -> Iterator[Step]:
    terms = bridge(tool, trace)
    yield Step(tool, Term(TOTAL, 1, sum(term.total for term in terms)), ran.get(tool.name))
    if tool.release:  # the papers' number is its only term
        yield from (Step(tool, term) for term in terms)


def _run(found: Given) -> dict[str, int | str]:
    """What each tool prints for the network's module, or why it prints nothing."""
    try:
        import torch

        from mobilenet_lab.counters import evaluating, totals
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "torch", "running the tools") from None
    ran: dict[str, int | str] = {}
    with torch.random.fork_rng(devices=[]):
        module = found.build()
    image = _image(found, module)
    with evaluating(module):
        for name in totals.TOOLS:
            try:
                ran[name] = totals.run(name, module, image)
            except ModuleNotFoundError as error:
                ran[name] = f"{error.name} is not installed"
            except Exception as error:  # a tool may fail in any way; the others still answer
                ran[name] = f"fails: {type(error).__name__}"
    return ran


def _image(found: Given, module: "nn.Module") -> "Tensor":
    """The one input that the tools are run on.

    Raises:
        LabError: the network has several.
    """
    import torch

    from mobilenet_lab.importers.inputs_torch import given_inputs

    spec = found.trace.input_shape if found.input is None else found.input
    inputs, named = given_inputs(module, spec, "cpu").arguments
    if named or len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor):
        raise LabError("the tools are run on networks with one input only")
    return inputs[0]
