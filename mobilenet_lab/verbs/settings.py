"""A network counted at every combination of some settings: what `sweep` and `budget` share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple, NoReturn, TypeAlias

from mobilenet_lab import conventions, registry
from mobilenet_lab.errors import LabError, ShapeError, VanishedError
from mobilenet_lab.layers import Trace
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import Column, Kind, write
from mobilenet_lab.resolutions import Counts, Replay, counts
from mobilenet_lab.verbs.common import CONVENTION
from mobilenet_lab.verbs.ranges import MOST

Network: TypeAlias = str | Callable[..., Trace]
"""A registered name, a file or a factory, or a function that makes a trace from keywords."""
Watch: TypeAlias = Callable[[Iterable[Any], int], Iterable[Any]]
"""Hands on the items, which are so many, and may show how far it has come."""
FEW = 2
"""So many resolutions are traced one by one; for more, reading one trace pays."""
TOO_MANY = f"these are more than {MOST:,} combinations: make the steps larger"


class Setting(NamedTuple):
    """A network at one combination of settings."""

    settings: Mapping[str, Any]
    counts: Counts | None
    """None where the combination does not work."""
    problem: ShapeError | None = None
    """Why it does not."""

    @property
    def params(self) -> int | None:
        return self.counts.params if self.counts else None

    @property
    def macs(self) -> int | None:
        return self.counts.macs if self.counts else None

    @property
    def activations(self) -> int | None:
        """Elements written."""
        return self.counts.activations if self.counts else None

    @property
    def live(self) -> int | None:
        """Elements of activations held at once, at the peak."""
        return self.counts.live if self.counts else None


class Swept(NamedTuple):
    """What was counted: the options with one value, those with many, and every combination."""

    network: Network
    fixed: Mapping[str, Any]
    lists: Mapping[str, Sequence[Any]]
    rows: tuple[Setting, ...]

    @property
    def registered(self) -> str | None:
        """The name, of a registered network."""
        is_name = isinstance(self.network, str) and self.network in registry.NETWORKS
        return str(self.network) if is_name else None

    @property
    def name(self) -> str:
        if isinstance(self.network, str):
            return self.network
        return getattr(self.network, "__name__", "network")

    def trace(self, settings: Mapping[str, Any]) -> Trace:
        """The network at one of the combinations."""
        return _made(self.network, {**self.fixed, **settings})


def counted(network: Network, options: Mapping[str, Any], watch: Watch | None = None) -> Swept:
    """A network at every combination of the options that are lists; the resolution runs fastest.

    Raises:
        UnknownNameError: no such network or option.
        LabError: an option's value is of no use, there is nothing to go through or too much, or no
            combination works.
    """
    fixed, lists = _separated(options)
    if isinstance(network, str) and _is_plain_name(network):
        count = _by_name(network, len(lists.get("resolution", ())) > FEW)
    elif isinstance(network, str) or callable(network):
        count = _by_call(network)
    else:
        raise LabError(f"a network is a name or a function, not {type(network).__name__}")
    combinations: Iterable[tuple[Any, ...]] = product(*lists.values())
    if watch is not None:
        combinations = watch(combinations, prod(map(len, lists.values())))
    rows = []
    for combination in combinations:
        settings = dict(zip(lists, combination, strict=True))
        try:
            rows.append(Setting(settings, count({**fixed, **settings})))
        except ShapeError as error:
            rows.append(Setting(settings, None, error))
    swept = Swept(network, fixed, lists, tuple(rows))
    if all(row.problem for row in rows):
        _refuse(swept)
    return swept


def _separated(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The options with one value, and those with a list of them, the resolution last."""
    fixed: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    for key, value in sorted(options.items(), key=lambda item: item[0] == "resolution"):
        if isinstance(value, range) and value[MOST:]:
            raise LabError(TOO_MANY)
        if is_list(value):
            lists[key] = value.tolist() if hasattr(value, "tolist") else list(value)
        else:
            fixed[key] = value
        if not lists.get(key, True):
            raise LabError(f"{key} has no values")
    if not lists:
        raise LabError("nothing to go through: give several values, of the resolution for example")
    if prod(map(len, lists.values())) > MOST:
        raise LabError(TOO_MANY)
    return fixed, lists


def is_list(value: Any) -> bool:
    """Whether a value of an option stands for many: a list, a range or an array."""
    return isinstance(value, list | range) or getattr(value, "ndim", 0) > 0


def _made(network: Network, settings: Mapping[str, Any]) -> Trace:
    if isinstance(network, str):
        if _is_plain_name(network):
            return registry.attempt(network, **settings)
        return traced(network, **settings)
    made = network(**settings)
    if not isinstance(made, Trace):
        raise LabError(f"the function gives no Trace but {type(made).__name__}")
    return made


Count: TypeAlias = Callable[[Mapping[str, Any]], Counts]


def _is_plain_name(network: str) -> bool:
    """Whether it is meant as a registered name, not as a file or a factory."""
    return network in registry.NETWORKS or not set(network) & set(":./\\")


def _by_call(network: Network) -> Count:
    return lambda settings: counts(_made(network, settings))


def _by_name(network: str, many: bool) -> Count:
    """How a registered network is counted; `many` resolutions follow each other.

    The layers of a registered network do not depend on the resolution, so that one trace will do
    where it says how sizes follow from the input's.
    """
    last: dict[str, Any] | None = None
    replay: Replay | None = None

    def count(settings: Mapping[str, Any]) -> Counts:
        nonlocal last, replay
        others = {key: value for key, value in settings.items() if key != "resolution"}
        if many and others != last:
            last, replay = others, _replay(network, others)
        if replay is None:
            return counts(_made(network, settings))
        height, width = registry.CHECKS["resolution"]("resolution", settings["resolution"])
        return replay.at(height, width)

    return count


def _replay(network: str, settings: Mapping[str, Any]) -> Replay | None:
    """None where each resolution needs a trace of its own; making that says what is wrong."""
    try:
        return Replay(_made(network, settings))
    except LabError:
        return None


def _refuse(swept: Swept) -> NoReturn:
    """Says why no combination works, by the first."""
    first = swept.rows[0]
    reason: ShapeError | None = first.problem
    if swept.registered:
        try:
            registry.trace(swept.registered, **swept.fixed, **first.settings)
        except ShapeError as error:  # it names a resolution that works
            reason = error
    many = len(swept.rows)
    raise LabError(f"none of {many:,} combinations works; {reason}" if many > 1 else str(reason))


# What their tables say


def heading(swept: Swept) -> str:
    """The network, what was gone through and what was kept, in one line."""
    kept: dict[str, Any] = {}
    if swept.registered:
        kept = dict(registry.trace(swept.registered).settings)
        del kept["in_channels"]
    kept |= swept.fixed
    return " · ".join(
        [
            swept.name,
            *(f"{len(values)} values of {_words(key)}" for key, values in swept.lists.items()),
            *(
                f"{_words(key)} {_text(key, value)}"
                for key, value in kept.items()
                if key not in swept.lists
            ),
        ]
    )


def problems(swept: Swept) -> tuple[str, ...]:
    """A note on the combinations that do not work, if there are any."""
    found = [row.problem for row in swept.rows if row.problem]
    if not found:
        return ()
    vanished = sum(isinstance(problem, VanishedError) for problem in found)
    reasons = {"maps vanish": vanished, "sizes do not fit": len(found) - vanished}
    told = ", ".join(f"{reason} at {many:,}" for reason, many in reasons.items() if many)
    return (
        f"No numbers (–) at {len(found):,} of {len(swept.rows):,} combinations: {told}. "
        f"The first: {found[0]}.",
    )


def after_the_layers(swept: Swept) -> tuple[str, ...]:
    """A note on what a registered network does beyond its layers, if it does."""
    if not swept.registered:
        return ()
    work = registry.AFTER_THE_LAYERS[registry.task(swept.registered)]
    return (f"After the layers, in no number here: {work}.",) if work else ()


def facts(swept: Swept) -> dict[str, Any]:
    """What a file says of the network beside its rows."""
    return {
        "network": swept.name,
        "settings": dict(swept.fixed),
        "swept": {key: list(values) for key, values in swept.lists.items()},
        "convention": CONVENTION,
        "not_counted": conventions.PAPER_LEAVES_OUT,
    }


def setting_columns(swept: Swept) -> tuple[Column, ...]:
    """A column for each option that was gone through."""
    return tuple(map(_setting_column, swept.lists, swept.lists.values()))


def _setting_column(key: str, values: Sequence[Any]) -> Column:
    kind = _kind([seen(key, value) for value in values])
    return Column(key, _words(key), kind, lambda row: seen(key, row.settings[key]))


def described(settings: Mapping[str, Any]) -> str:
    """One combination as a sentence has it."""
    return ", ".join(f"{_words(key)} {_text(key, value)}" for key, value in settings.items())


def seen(key: str, value: Any) -> Any:
    """A value as a table has it: a resolution by both of its sides."""
    if key == "resolution" and isinstance(value, int | str):
        return registry.CHECKS[key](key, value)
    return value


def _kind(values: Sequence[Any]) -> Kind:
    if all(isinstance(value, tuple) and len(value) == 2 for value in values):
        return "pair"
    numbers = all(isinstance(value, int | float) for value in values)
    return "any" if numbers and not any(isinstance(value, bool) for value in values) else "text"


def _text(key: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    value = seen(key, value)
    return write(value, "pair") if _kind([value]) == "pair" else str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")
