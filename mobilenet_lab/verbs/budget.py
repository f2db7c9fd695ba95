"""`budget`: the largest settings of a network inside a budget."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import ge
from typing import Any, NamedTuple

from mobilenet_lab import registry
from mobilenet_lab.accuracies import Accuracy, accuracies, accuracies_of
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.resolutions import Counts, counts
from mobilenet_lab.sources import UNITS
from mobilenet_lab.verbs.common import CONVENTION, NOT_COUNTED
from mobilenet_lab.verbs.settings import (
    Network,
    Swept,
    Watch,
    after_the_layers,
    counted,
    described,
    facts,
    is_list,
    seen,
    setting_columns,
)

LARGER = ("width", "resolution")
WORDS = {"macs": "MACs", "params": "params"}
COST = (
    "This looks at cost only: larger inside the budget (more {}) is taken for better, which is a "
    "guess where no accuracy has been published."
)
TOP1 = "Top-1: of ImageNet, in percent, as printed for exactly this network; –: none known here."


class Fit(NamedTuple):
    """A network inside the budget."""

    settings: Mapping[str, Any]
    params: int
    macs: int
    accuracies: tuple[Accuracy, ...] = ()
    """What has been printed of exactly this network, its own paper's first."""

    @property
    def accuracy(self) -> Accuracy | None:
        return self.accuracies[0] if self.accuracies else None


def budget(
    network: Network,
    *,
    macs: float | str | None = None,
    params: float | str | None = None,
    top: int | None = None,
    larger: Sequence[str] = LARGER,
    watch: Watch | None = None,
    **options: Any,
) -> Table:
    """The settings inside a budget that no other inside it beats in both width and resolution.

    `macs` and `params` are what may be used: 150e6, "150M", "0.3G" (k, M, G or B). Options are
    those of `sweep`; widths and resolutions of a registered network that are not given are its
    `usual` ones. `larger` names the settings of which more is taken for better: one is beaten by
    another with no less of any, more of one, and all else the same.

    Rows fall by MACs, and `top` shows so many of them. Accuracy is told where it has been published
    for exactly that network; nothing else here knows of it.

    Raises:
        UnknownNameError: no such network, option or setting.
        LabError: no budget or one of no use, nothing fits, or as `sweep`.
    """
    limits = _limits(macs=macs, params=params)
    if top is not None and (type(top) is not int or top < 1):
        raise LabError(f"top is a whole number from 1, not {quoted(top)}")
    if isinstance(network, str) and network in registry.NETWORKS:
        options = usual(network) | options
    for key in LARGER:  # one value is a short list
        if key in options and not is_list(options[key]):
            options[key] = [options[key]]
    swept = counted(network, options, watch)
    for key in larger:
        if key not in (*swept.lists, *LARGER):
            raise UnknownNameError("setting", key, swept.lists)
    inside = _inside(swept, limits)
    best = _unbeaten(inside, [key for key in larger if key in swept.lists])
    best.sort(key=lambda fit: (fit.macs, fit.params), reverse=True)
    shown = tuple(_with_accuracies(swept, fit) for fit in best[:top])
    published = _best_published(swept, limits)
    return Table(
        f"{swept.name} within {_sum_of(limits)}",
        (
            *setting_columns(swept),
            Column("params", "params", "short", lambda fit: fit.params, "learned parameters"),
            Column("macs", "MACs", "short", lambda fit: fit.macs, CONVENTION),
            *(_share(key, limit) for key, limit in limits.items()),
            Column("top1", "top-1", "any", lambda fit: fit.accuracy and fit.accuracy.top1, TOP1),
            Column("source", "source", "prose", lambda fit: fit.accuracy and fit.accuracy.source),
        ),
        shown,
        subtitle=(
            f"{len(swept.rows):,} combinations, {len(inside):,} inside the budget, {len(best):,} "
            f"of them beaten by no other; shown: {len(shown):,}"
        ),
        notes=(
            COST.format(" and ".join(larger)),
            TOP1,
            *([] if published is None else [_told(published)]),
            *_further(shown),
            f"MACs by convention {CONVENTION}",
            NOT_COUNTED,
            *after_the_layers(swept),
        ),
        facts=facts(swept)
        | {"budget": limits, "best_published": published and published._asdict()},
    )


def usual(network: str) -> dict[str, list[Any]]:
    """What a budget goes through: widths (if the network has them) and resolutions.

    Widths from 0.25 to 2 by 0.05; sides from 3/7 to 10/7 of the network's own, which for 224 are
    96 to 320 by 32, and for others the multiples of 32 nearest to those (of 4 below 96).
    """
    own = registry.trace(network).input_shape[1]
    step = 32 if own >= 96 else 4
    sides = {own, *(round(own * sevenths / 7 / step) * step for sevenths in range(3, 11))}
    lists: dict[str, list[Any]] = {"resolution": sorted(sides)}
    if "width" in registry.options(network):
        lists["width"] = [twentieths / 20 for twentieths in range(5, 41)]
    return lists


AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15}) ?([kMGB]?)", re.IGNORECASE)


def amount(what: str, value: float | str) -> int:
    """A count from 1, as a number or as "150M", "0.3 G", "2B" or "150000000".

    Raises:
        LabError: it is none.
    """
    units = {"": 1} | {unit.upper(): size for unit, size in UNITS.items()}
    text = f"{value:f}" if isinstance(value, float) else str(value)
    read = AMOUNT.fullmatch(text.strip())
    if read:
        number = Decimal(read[1]) * units[read[2].upper()]
        if number >= 1 and number == int(number):
            return int(number)
    raise LabError(f"{what} is a count like 150M, 0.3G or 150000000, not {quoted(value)}")


def _limits(**given: float | str | None) -> dict[str, int]:
    limits = {key: amount(key, value) for key, value in given.items() if value is not None}
    if not limits:
        raise LabError(f"a budget needs {' or '.join(given)}")
    return limits


def _sum_of(limits: Mapping[str, int]) -> str:
    return " and ".join(f"{_short(limit)} {WORDS[key]}" for key, limit in limits.items())


def _short(count: int) -> str:
    """150 M for 150,000,000; what takes more than three decimals is written out."""
    unit = next((unit for unit in ("G", "M", "k") if count >= UNITS[unit]), "")
    if not unit or count * 1000 % UNITS[unit]:
        return f"{count:,}"
    return f"{Decimal(count) / UNITS[unit]:f} {unit}"


def _inside(swept: Swept, limits: Mapping[str, int]) -> list[Fit]:
    """What the budget is enough for; if for nothing, the error names the cheapest."""
    found = [
        Fit(row.settings, row.counts.params, row.counts.macs) for row in swept.rows if row.counts
    ]
    inside = [fit for fit in found if _fits(fit, limits)]
    if not inside:
        least = min(found, key=lambda fit: max(getattr(fit, key) / limits[key] for key in limits))
        takes = " and ".join(f"{getattr(least, key):,} {WORDS[key]}" for key in limits)
        raise LabError(
            f"nothing fits into {_sum_of(limits)}: the cheapest tried, "
            f"{described(least.settings)}, takes {takes}"
        )
    return inside


def _fits(counts: Fit | Counts, limits: Mapping[str, int]) -> bool:
    return all(getattr(counts, key) <= limit for key, limit in limits.items())


def _share(key: str, limit: int) -> Column:
    return Column(
        f"{key}_share",
        f"{WORDS[key]} used",
        "share",
        lambda fit: getattr(fit, key) / limit,
        f"{WORDS[key]} over the {limit:,} of the budget",
    )


def _unbeaten(fits: Sequence[Fit], larger: Sequence[str]) -> list[Fit]:
    """Those that no other one beats."""
    kept: list[tuple[list[float], dict[str, Any], Fit]] = []
    sized = [
        ([size for key in larger for size in _sizes(key, fit.settings[key])], fit) for fit in fits
    ]
    # what beats another stands before it
    for sizes, fit in sorted(sized, key=lambda each: each[0], reverse=True):
        rest = {key: value for key, value in fit.settings.items() if key not in larger}
        beaten = any(
            theirs != sizes and others == rest and all(map(ge, theirs, sizes))
            for theirs, others, _ in kept
        )
        if not beaten:
            kept.append((sizes, rest, fit))
    return [fit for _, _, fit in kept]


def _sizes(key: str, value: Any) -> tuple[float, ...]:
    """A setting as numbers to compare: both sides of a resolution."""
    sizes = seen(key, value)
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    if not all(isinstance(size, int | float) for size in sizes):
        raise LabError(f"{key} {quoted(value)} is no number, so that none is larger")
    return sizes


def _with_accuracies(swept: Swept, fit: Fit) -> Fit:
    if not swept.registered:
        return fit
    return fit._replace(accuracies=accuracies_of(swept.trace(fit.settings)))


def _best_published(swept: Swept, limits: Mapping[str, int]) -> Accuracy | None:
    """The highest accuracy that has been printed of the network inside the budget."""
    name = swept.registered
    if not name:
        return None
    best: Accuracy | None = None
    for row in accuracies(name):
        trace = registry.trace(name, **row.settings)
        as_asked = registry.trace(name, **{**row.settings, **swept.fixed})
        better = best is None or row.top1 > best.top1
        if better and as_asked.layers == trace.layers and _fits(counts(trace), limits):
            best = row
    return best


def _told(row: Accuracy) -> str:
    return (
        f"The highest published inside the budget: {row.top1} at {described(row.settings)} "
        f"({row.source})."
    )


def _further(fits: Sequence[Fit]) -> tuple[str, ...]:
    """A note for each network of which more than one accuracy has been printed."""
    return tuple(
        f"Also printed at {described(fit.settings)}: "
        + ", ".join(f"{each.top1} ({each.source})" for each in fit.accuracies[1:])
        for fit in fits
        if len(fit.accuracies) > 1
    )
