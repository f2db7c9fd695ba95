"""`list`: what there is."""

from typing import NamedTuple

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.layers import Shape
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.sources import Paper
from mobilenet_lab.verbs.common import CONVENTION


class Network(NamedTuple):
    """A registered network at its default settings."""

    name: str
    paper: Paper
    input_shape: Shape
    params: int
    macs: int


COLUMNS = (
    Column("name", "name", "text", lambda row: row.name),
    Column("paper", "paper", "text", lambda row: row.paper.identifier),
    Column("year", "year", "number", lambda row: row.paper.year),
    Column("input", "input", "pair", lambda row: row.input_shape[1:], "side, or height × width"),
    Column("params", "params", "short", lambda row: row.params, "learned parameters"),
    Column("macs", "MACs", "short", lambda row: row.macs, CONVENTION),
)


def list_networks() -> Table:
    """Every registered network, with its numbers at its default settings."""
    rows = []
    for name in registry.NETWORKS:
        paper, analysis = registry.paper(name), analyse(registry.trace(name))
        total, shape = analysis.total, analysis.trace.input_shape
        rows.append(Network(name, paper, shape, total.params, total.macs))
    notes = (f"MACs by convention {CONVENTION}",)
    return Table("Networks", COLUMNS, tuple(rows), notes=notes, facts={"convention": CONVENTION})
