"""The colour of a layer and of a role, the same in every figure and table."""

from itertools import combinations
from pathlib import Path

import pytest

import mobilenet_lab as lab
from mobilenet_lab.families import COLOURS, FAMILIES, families, family
from mobilenet_lab.registry import NETWORKS

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_role_has_a_family(name: str) -> None:
    trace = lab.trace(name)
    assert {*families(trace).values()} <= {*FAMILIES}
    assert {*families(trace)} == {row.role for row in lab.analyse(trace).rows}


@pytest.mark.parametrize(
    ("network", "layer", "known"),
    [
        ("mobilenet_v2", "stem.conv", "standard"),
        ("mobilenet_v2", "stage2.1.expand.conv", "expand"),
        ("mobilenet_v2", "stage2.1.depthwise.conv", "depthwise"),
        ("mobilenet_v2", "stage2.1.project.conv", "pointwise"),
        ("mobilenet_v2", "stage2.1.expand.norm", "other"),
        ("mobilenet_v2", "stage2.1.add", "other"),
        ("ghostnet", "stage1.0.expand.cheap.conv", "depthwise"),
        ("mobilenet_v2", "classifier.linear", "linear"),
        ("mobilenet_v3_large", "stage3.0.se.reduce", "gate"),
        ("resnet50", "stage2.0.restore.conv", "expand"),
        ("resnet50", "stage2.0.reduce.conv", "pointwise"),
        ("alexnet", "conv2.conv", "grouped"),
    ],
)
def test_the_family_of_a_layer(network: str, layer: str, known: str) -> None:
    assert family(lab.trace(network).layer(layer)) == known


def test_attention_is_a_product() -> None:
    trace = lab.trace(EXAMPLES / "transformer.toml")
    assert {family(layer) for layer in trace.layers if layer.op == "attention"} == {"product"}


def test_families_have_colours_that_are_told_apart() -> None:
    assert COLOURS.keys() == FAMILIES.keys()
    for one, other in combinations(COLOURS.values(), 2):
        assert sum(abs(a - b) for a, b in zip(_rgb(one), _rgb(other), strict=True)) > 60


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


@pytest.mark.parametrize("level", ["layer", "role"])
def test_tables_have_the_colours_of_figures(level: str) -> None:
    table = lab.summary("mobilenet_v3_large", level=level)
    share = next(column for column in table.columns if column.key == "share")
    gates = [row for row in table.rows if row.role == "se"]
    assert gates
    assert {share.colour(row) for row in gates} == {COLOURS["gate"]}
    assert f"background: {COLOURS['gate']}" in table.to("html")


def test_stages_have_no_colour_of_their_own() -> None:
    table = lab.summary("mobilenet_v3_large")
    assert {column.colour for column in table.columns} == {None}
