"""What a search is asked to do: plain values, checked before anything is loaded."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any

from mobilenet_lab.adaptation.selection import PROXIES, RULES
from mobilenet_lab.adaptation.tables import COSTS
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.verbs.budget import amount

COST_WORDS = {"macs": "MACs", "params": "parameters", "bytes": "bytes", "latency": "time"}
PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,15})?) ?%")
SHARE = re.compile(r"0?\.[0-9]{1,15}")
MILLISECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,15})?) ?ms")


@dataclass(frozen=True)
class Plan:
    """A search, so that the same plan, weights and data give the same networks.

    Raises:
        UnknownNameError: a choice that there is not.
        LabError: a number of no use.
    """

    network: str
    budget: str
    """A share of the network's cost ("0.7", "70%") or an amount ("200M", of latency "3.5ms")."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Options that the network is built with: width, resolution ..."""
    cost: str = "macs"
    times: str | None = None
    """The file of measured times, if the cost is latency."""
    step: float = 0.05
    """The share of the network's cost that the first iteration wins at least."""
    decay: float = 0.96
    """By which the step shrinks with each iteration."""
    rule: str = "ratio"
    divisor: int = 8
    """Widths are multiples of it."""
    proxy: str | None = None
    """What stands in for accuracy, where nothing is trained."""
    images: int = 2048
    """Images that each proposal is fine-tuned on."""
    holdout: int = 1000
    """Training images that choose between proposals, and that nothing is trained on."""

    def __post_init__(self) -> None:
        choices = {"cost": COSTS, "rule": RULES, "proxy": (None, *PROXIES)}
        for key, known in choices.items():
            if getattr(self, key) not in known:
                names = [name for name in known if name]
                raise UnknownNameError(key, str(getattr(self, key)), names)
        for key, least in {"divisor": 1, "images": 1, "holdout": 1}.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
                raise LabError(f"{key} is a whole number from {least}, not {quoted(value)}")
        for key in ("step", "decay"):
            value = getattr(self, key)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not 0 < value <= 1:
                raise LabError(f"{key} is above 0 and at most 1, not {quoted(value)}")
        _budget(self, 10**9)
        if self.proxy == "params" == self.cost:
            raise LabError("parameters cannot stand in for accuracy where they are the cost, too")
        if (self.cost == "latency") != (self.times is not None):
            raise LabError("cost latency and a table of measured times need each other")

    def exact(self, key: str) -> Fraction:
        """`step` or `decay` as it was written."""
        return Fraction(str(getattr(self, key)))

    def to_dict(self) -> dict[str, Any]:
        """As a record keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Any) -> "Plan":
        """What `to_dict` gave, by way of JSON.

        Raises:
            LabError: it is no plan.
        """
        known = {each.name for each in fields(cls)}
        if not isinstance(found, dict) or not {"network", "budget"} <= found.keys() <= known:
            raise LabError("this is no plan of a search")
        settings = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in found.get("settings", {}).items()
        }
        return cls(**{**found, "settings": settings})


def allowed(plan: Plan, cost: int) -> int:
    """What the budget comes to, of a network that costs so much.

    Raises:
        LabError: it is no budget, or the network is inside it as it is.
    """
    budget = _budget(plan, cost)
    if budget >= cost:
        raise LabError(
            f"{plan.network} costs {told(cost, plan.cost)} as it is, and the budget is "
            f"{told(budget, plan.cost)}: there is nothing to narrow"
        )
    return budget


def told(cost: int, kind: str) -> str:
    """A cost with its unit."""
    if kind == "latency":
        return f"{cost / 10**6:,.4g} ms"
    return f"{cost:,} {COST_WORDS[kind]}"


def _budget(plan: Plan, cost: int) -> int:
    text = plan.budget.strip()
    if found := PERCENT.fullmatch(text):
        share = Fraction(found[1]) / 100
    elif SHARE.fullmatch(text):
        share = Fraction(text)
    else:
        share = None
    if share is not None:
        if 0 < share < 1:
            return int(cost * share)
    elif plan.cost != "latency":
        with suppress(LabError):
            return amount("budget", text)
    elif found := MILLISECONDS.fullmatch(text):
        return int(Fraction(found[1]) * 10**6)
    example = "3.5ms" if plan.cost == "latency" else "200M"
    raise LabError(
        f"a budget is a share of the network's cost like 0.7 or 70%, or an amount like {example}, "
        f"not {quoted(plan.budget)}"
    )
