"""`published`: what has been printed about a network, beside our numbers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from mobilenet_lab import registry
from mobilenet_lab.analysis import Analysis, analyse, as_published
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.sources import LEARNED_VECTORS, Published
from mobilenet_lab.verbs.common import CONVENTION

Verdict: TypeAlias = Literal["equal as printed", "explained", "not reproducible"]
VERDICTS: tuple[Verdict, ...] = ("equal as printed", "explained", "not reproducible")

UNKNOWN = "why, is not known"


class Comparison(NamedTuple):
    """A printed number beside ours under the same convention."""

    source: str
    quantity: str
    """params or MACs."""
    settings: str
    """What it was printed for: "width 0.75, 192×192, 1001 classes"."""
    printed: str
    """As printed: "300 M"."""
    ours: int
    difference: int
    """Ours - the printed number."""
    way: Literal["rounded", "cut"] | None
    """How ours becomes the printed number; None if it does not."""
    verdict: Verdict
    how: str
    """How the count differs from the lab's own, or why it is not reproduced; else empty."""


COLUMNS = (
    Column("source", "source", "prose", lambda row: row.source),
    Column("quantity", "what", "text", lambda row: row.quantity, "parameters or MACs"),
    Column("settings", "settings", "text", lambda row: row.settings, "what the network was set to"),
    Column("printed", "printed", "any", lambda row: row.printed),
    Column("ours", "ours", "count", lambda row: row.ours, "under the same convention"),
    Column("difference", "difference", "count", lambda row: row.difference, "ours - printed"),
    Column("way", "way", "text", lambda row: row.way, "ours, rounded or cut, is the printed one"),
    Column("verdict", "verdict", "text", lambda row: row.verdict, ", ".join(VERDICTS)),
    Column("how", "how", "prose", lambda row: row.how, "how it was counted, or why it is not ours"),
)


def published(network: str) -> Table:
    """Every published number of a registered network beside ours under the same convention.

    Equal as printed: the lab's own count, rounded or cut. Explained: equal as well, once counted
    as `how` says (stages left out, batch-norm vectors, classes, a way of scaling). Not
    reproducible: no known count gives it.

    Raises:
        UnknownNameError: no network is called so.
    """
    counted = _Counted(network)
    rows = _gathered(_compared(record, counted) for record in registry.published(network))
    paper, found = registry.paper(network), Counter(row.verdict for row in rows)
    shown = [f"{found[verdict]} {verdict}" for verdict in VERDICTS]
    return Table(
        f"Published numbers of {network}",
        COLUMNS,
        rows,
        subtitle=", ".join(shown),
        notes=(
            "Difference: ours - printed. Way: how ours becomes what is printed, if at all.",
            "Explained: equal once counted as the source did, which is not the lab's own way.",
            f"MACs by convention {CONVENTION}",
        ),
        facts={
            "network": network,
            "paper": paper.identifier,
            "convention": CONVENTION,
            "verdicts": {verdict: found[verdict] for verdict in VERDICTS},
        },
        layout="sections",
        headings=(("source",), ("verdict", "how")),
    )


def _gathered(rows: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """The rows by source, and within a source by verdict, each in the order of its first row."""
    sources: dict[str, dict[tuple[str, str], list[Comparison]]] = {}
    for row in rows:
        sources.setdefault(row.source, {}).setdefault((row.verdict, row.how), []).append(row)
    return tuple(row for runs in sources.values() for run in runs.values() for row in run)


class _Counted:
    """The analyses of one network, each made once."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.made: dict[str, Analysis] = {}

    def __call__(self, settings: Mapping[str, Any]) -> Analysis:
        key = repr(sorted(settings.items()))
        if key not in self.made:
            self.made[key] = analyse(registry.trace(self.network, **settings))
        return self.made[key]


def _compared(record: Published, counted: Callable[[Mapping[str, Any]], Analysis]) -> Comparison:
    analysis = counted(record.settings)
    ours = as_published(analysis, record)
    way = record.printed_as(ours)
    told = _special_settings(record, counted, ours) + _counted_otherwise(record, analysis)
    verdict: Verdict
    if record.unexplained or way is None:
        verdict, how = "not reproducible", record.unexplained or UNKNOWN
    else:
        verdict, how = ("explained", "; ".join(told)) if told else ("equal as printed", "")
    return Comparison(
        record.source,
        "MACs" if record.quantity == "macs" else "params",
        _settings(record, analysis),
        record.printed,
        ours,
        ours - record.number,
        way,
        verdict,
        how,
    )


SIZES = ("width", "resolution", "size")
"""Settings that say which network of a table it is; they are no special convention."""


def _special_settings(
    record: Published, counted: Callable[[Mapping[str, Any]], Analysis], ours: int
) -> list[str]:
    """The settings beside the size without which our number would be another."""
    told = []
    for key, value in record.settings.items():
        if key not in SIZES:
            others = {name: kept for name, kept in record.settings.items() if name != key}
            if as_published(counted(others), record) != ours:
                told.append(_setting(key, value))
    return told


def _counted_otherwise(record: Published, analysis: Analysis) -> list[str]:
    """The stages and batch-norm vectors that are counted otherwise than by the lab."""
    told = []
    if record.without:
        kept = [
            stage.name
            for stage in analysis.by("stage")
            if stage.name not in record.without and getattr(stage, record.quantity)
        ]
        few = len(kept) < len(record.without)
        told.append(f"only {', '.join(kept)}" if few else f"without {', '.join(record.without)}")
    if record.quantity == "params" and record.batch_norm_vectors != LEARNED_VECTORS:
        vectors = record.batch_norm_vectors
        plural = "" if vectors == 1 else "s"
        told.append(f"{vectors} batch-norm vector{plural}" if vectors else "without batch norm")
    return told


def _settings(record: Published, analysis: Analysis) -> str:
    """Width, resolution, then whatever else the network was set to."""
    resolution = "×".join(map(str, analysis.trace.input_shape[1:]))
    first = ("width", "resolution")
    shown = [resolution]
    if "width" in record.settings:
        shown.insert(0, f"width {record.settings['width']:g}")
    shown += [_setting(key, value) for key, value in record.settings.items() if key not in first]
    return ", ".join(shown)


def _setting(key: str, value: Any) -> str:
    words = key.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if key in ("classes", "in_channels"):
        return f"{value} {'input channels' if key == 'in_channels' else key}"
    return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"
