"""`summary`: a network's numbers by stage, block, layer or role."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mobilenet_lab import conventions
from mobilenet_lab.analysis import LEVELS, Analysis, Row, analyse
from mobilenet_lab.conventions import Convention
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.families import COLOURS, families, family
from mobilenet_lab.formulas import elements
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import (
    CONVENTION,
    NOT_COUNTED,
    WHOLE,
    after_the_layers,
    facts,
    field_size,
    heading,
    unknown_operations,
    unused_parameters,
)

COLUMN_KEYS = (
    "name", "op", "stage", "block", "role", "input", "output", "params", "macs", "count", "share",
    "flops", "activations", "memory", "live", "intensity", "field",
)  # fmt: skip
DEFAULT_COLUMNS = ("name", "output", "params", "macs", "share", "field")


def summary(
    network: Network,
    *,
    level: str = "stage",
    columns: str | Sequence[str] | None = None,
    sort: str | None = None,
    dtype: str = "float32",
    convention: str = "paper",
    **options: Any,
) -> Table:
    """A network's parameters, MACs, memory and receptive field by stage, block, layer or role.

    `columns` are some of COLUMN_KEYS (a list, or with commas between), `sort` is one of them
    (numbers fall, texts rise) and `dtype` the type whose bytes memory is counted in. Under another
    `convention` than the papers' (`conventions.CONVENTIONS`), the column "count" says what that
    tool counts and stands where the MACs would, and "share" is its share.

    Raises:
        UnknownNameError: no such network, option, level, column, dtype or convention.
        LabError: an option's value is of no use.
    """
    counted_by = conventions.convention(convention)
    if level not in LEVELS:
        raise UnknownNameError("level", level, LEVELS)
    analysis = analyse(traced(network, **options), dtype)
    known = {column.key: column for column in summary_columns(analysis, level, counted_by)}
    asked = columns.split(",") if isinstance(columns, str) else columns
    keys = tuple(key.strip() for key in asked) if asked is not None else DEFAULT_COLUMNS
    if asked is None and convention != "paper":
        keys = tuple("count" if key == "macs" else key for key in keys)
    keys = tuple(dict.fromkeys(keys))
    if not any(keys):
        raise LabError(f"a table needs a column: {', '.join(known)}")
    for key in (*keys, *([] if sort is None else [sort])):
        if key not in known:
            raise UnknownNameError("column", key, known, f"there are {', '.join(known)}")
    rows = analysis.by(level)
    if sort is not None:
        rows = _sorted(rows, known[sort])
    notes = [NOT_COUNTED] if convention == "paper" or "macs" in keys else []
    notes += [*unknown_operations(analysis.trace), *unused_parameters(analysis.trace)]
    notes += [*after_the_layers(analysis.trace)]
    if "field" in keys:
        unknown = any(row.field is None for row in analysis.rows)
        dash = "; –: no one field is true" if unknown and level != "role" else ""
        notes.append(f"Field: side of the receptive field in pixels; {WHOLE}: all of it{dash}.")
    if {"memory", "live", "intensity"} & set(keys):
        notes.append(
            f"Memory in bytes of {dtype}; live: activations held at once, in total the peak."
        )
    return Table(
        heading(analysis.trace),
        tuple(known[key] for key in keys),
        rows,
        analysis.total,
        f"{'MACs' if convention == 'paper' else 'Counts'} by convention {counted_by.heading}",
        tuple(notes),
        facts(analysis.trace, counted_by) | {"level": level, "dtype": dtype},
    )


def summary_columns(
    analysis: Analysis, level: str, convention: Convention = conventions.PAPER
) -> tuple[Column, ...]:
    """Every column that a summary can show."""
    total = analysis.total
    counts = _counts(analysis, level, convention)
    paper = convention is conventions.PAPER

    def count(row: Row) -> int | None:
        return row.known(sum(counts.values()) if row is total else counts[row.name])

    def name(row: Row) -> str:
        if row is not total:
            return row.name
        return "at least" if row.unknown else "total"

    def share(row: Row) -> float | None:
        mine, all_of_it = count(row), count(total)
        return mine / all_of_it if mine is not None and all_of_it else None

    return (
        Column("name", level, "text", name),
        Column("op", "operation", "text", lambda row: row.op, "what the layer does"),
        Column("stage", "stage", "text", lambda row: row.stage),
        Column("block", "block", "text", lambda row: row.block),
        Column("role", "role", "text", lambda row: row.role, "what it is for in its block"),
        Column("input", "input", "shape", lambda row: row.in_shape, "channels × height × width"),
        Column("output", "output", "shape", lambda row: row.out_shape, "channels × height × width"),
        Column("params", "params", "count", lambda row: row.params, "learned parameters"),
        Column("macs", "MACs", "count", lambda row: row.known(row.macs), CONVENTION),
        Column(
            "count",
            f"{convention.name} {convention.calls_it}",
            "count",
            count,
            convention.heading,
        ),
        Column(
            "share",
            "share of MACs" if paper else "share",
            "share",
            share,
            "of the total",
            _colours(analysis, level) if level in ("layer", "role") else None,
        ),
        Column("flops", "FLOPs (2 per MAC)", "count", lambda row: row.known(row.flops), "2 × MACs"),
        Column(
            "activations", "activations", "count", lambda row: row.activations, "elements written"
        ),
        Column("memory", "memory", "count", lambda row: row.memory, MEMORY),
        Column("live", "live memory", "count", lambda row: row.live, LIVE),
        Column("intensity", "FLOPs/byte", "number", lambda row: row.intensity, INTENSITY),
        Column("field", "field", "pair", lambda row: field_size(row.field), "receptive field"),
    )


def _counts(analysis: Analysis, level: str, convention: Convention) -> dict[str, int]:
    """What the convention counts for each row of a level."""
    counts: dict[str, int] = {}
    layers = [layer for layer in analysis.trace.layers if layer.op != "input"]
    for row, layer in zip(analysis.rows, layers, strict=True):
        name = row.name if level == "layer" else getattr(row, level)
        counts[name] = counts.get(name, 0) + convention.count(layer)
    return counts


def _colours(analysis: Analysis, level: str) -> Callable[[Row], str]:
    """The colour of a layer's or a role's family, as figures have it."""
    known = families(analysis.trace)
    if level == "layer":
        known = {layer.name: family(layer) for layer in analysis.trace.layers}
    return lambda row: COLOURS[known.get(row.name, "other")]


MEMORY = "bytes read and written: inputs, parameters and outputs, each once"
LIVE = "bytes of activations held at once; of a group, the peak"
INTENSITY = "arithmetic intensity: 2 × MACs per byte of memory"


def _sorted(rows: Iterable[Row], column: Column) -> tuple[Row, ...]:
    """Texts from A to Z, anything else from the largest down; what has no value comes last."""

    def size(row: Row) -> Any:
        value = column.value(row)
        if column.kind in ("shape", "pair"):
            return float("inf") if value == WHOLE else elements(value)
        return value

    filled = [row for row in rows if column.value(row) is not None]
    empty = [row for row in rows if column.value(row) is None]
    return (*sorted(filled, key=size, reverse=column.kind != "text"), *empty)
