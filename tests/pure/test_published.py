"""Our numbers against the printed ones, each by the convention it was counted with."""

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse, as_published
from mobilenet_lab.sources import Published

ROWS = [row for name in registry.NETWORKS for row in registry.published(name)]


def ours(row: Published) -> int:
    return as_published(analyse(registry.trace(row.network, **row.settings)), row)


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if not row.unexplained],
    ids=lambda row: f"{row.network} {row.printed} {row.source}",
)
def test_the_printed_number_is_ours(row: Published) -> None:
    assert row.printed_as(ours(row)) in ("rounded", "cut"), f"{ours(row):,}"


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.unexplained],
    ids=lambda row: f"{row.network} {row.printed} {row.source}",
)
def test_a_number_called_unexplained_is_not_reproduced(row: Published) -> None:
    assert row.printed_as(ours(row)) is None


def test_every_row_belongs_to_a_registered_network() -> None:
    everything = {name: registry.architecture(name).PUBLISHED for name in registry.NETWORKS}
    strays = {row.network for rows in everything.values() for row in rows} - set(everything)
    assert not strays
    assert all(registry.published(name) for name in registry.NETWORKS)


@pytest.mark.parametrize(
    ("printed", "number", "how"),
    [
        ("300 M", 300_774_272, "cut"),
        ("301 M", 300_774_272, "rounded"),
        ("300.8 M", 300_774_272, "rounded"),
        ("299 M", 300_774_272, None),
        ("4.2 M", 4_231_976, "rounded"),
        ("0.6 G", 568_740_352, "rounded"),
        ("9.74 B", 9_740_000_000, "rounded"),
        ("2 k", 2_500, "cut"),
        ("3 k", 2_500, "rounded"),
    ],
)
def test_rounding_and_cutting(printed: str, number: int, how: str | None) -> None:
    row = Published("mobilenet_v2", "macs", printed, "made up", {})
    assert row.printed_as(number) == how
