"""Published accuracies: of registered networks, at settings they take, and of no other network."""

import re
from itertools import combinations

import pytest
from networks import NAMES

from mobilenet_lab import registry
from mobilenet_lab.accuracies import ACCURACIES, Accuracy, accuracies, accuracies_of
from mobilenet_lab.errors import LabError


def named(row: Accuracy) -> str:
    return f"{row.network} {row.settings['width']:g} {row.settings['resolution']} {row.top1}"


@pytest.mark.parametrize("row", ACCURACIES, ids=named)
def test_each_is_of_a_classifier_that_can_be_traced(row: Accuracy) -> None:
    assert registry.task(row.network) == "classification"
    trace = registry.trace(row.network, **row.settings)
    assert trace.layers[-1].out_shape == (1000,)
    assert 40 < row.top1 < 80
    assert round(row.top1, 1) == row.top1
    assert row in accuracies(row.network)
    assert row in accuracies_of(trace)


@pytest.mark.parametrize("row", ACCURACIES, ids=named)
def test_none_is_of_a_network_whose_printed_parameters_are_not_ours(row: Accuracy) -> None:
    place = re.match(r"(arXiv \S+, Table \d+|TF-slim, [\w./]+)", row.source)
    assert place is not None
    layers = registry.trace(row.network, **row.settings).layers
    for printed in registry.published(row.network):
        if printed.quantity == "params" and printed.source.startswith(place[1]):
            same = registry.trace(row.network, **printed.settings).layers == layers
            assert not (same and printed.unexplained), printed


def test_each_network_has_one_number_of_a_source() -> None:
    keys = [(row.network, row.source, *sorted(row.settings.items())) for row in ACCURACIES]
    assert len(set(keys)) == len(keys)


def test_larger_networks_of_one_table_are_better() -> None:
    """As those of every table here are; a slip of the pen mostly breaks it."""
    tables: dict[tuple[object, ...], list[Accuracy]] = {}
    for row in ACCURACIES:
        tables.setdefault((row.network, row.source), []).append(row)
    compared = 0
    for rows in tables.values():
        for one, other in combinations(rows, 2):
            (a, b), (c, d) = [
                (row.settings["width"], row.settings["resolution"]) for row in (one, other)
            ]
            if (a >= c and b >= d) or (a <= c and b <= d):
                compared += 1
                assert (one.top1 > other.top1) is ((a, b) > (c, d)), (one, other)
    assert compared > 300


@pytest.mark.parametrize("name", NAMES)
def test_every_network_can_be_asked(name: str) -> None:
    assert all(row.network == name for row in accuracies(name))


def test_an_unknown_network() -> None:
    with pytest.raises(LabError, match="did you mean mobilenet_v2"):
        accuracies("mobilenet_v22")


def test_the_networks_own_paper_comes_first() -> None:
    for name in NAMES:
        paper = registry.paper(name).identifier
        own = [row.source.startswith(paper) for row in accuracies_of(registry.trace(name))]
        assert own == sorted(own, reverse=True)
    first = accuracies_of(registry.trace("mobilenet_v2"))
    assert [row.top1 for row in first] == [72.0, 71.8, 73.4]


def test_other_layers_have_no_accuracy() -> None:
    for options in ({"width": 1.05}, {"resolution": 200}, {"classes": 999}, {"in_channels": 1}):
        assert accuracies_of(registry.trace("mobilenet_v2", **options)) == ()
    assert accuracies_of(registry.trace("mobilenet_v1", activation="relu6")) == ()
