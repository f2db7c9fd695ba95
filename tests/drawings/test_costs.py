"""Bars of costs: every row once, as long as its number, in the colour of its family."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from networks import NAMES, fitting

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings.cost_bars import HATCHES, MOST_ROWS, QUANTITIES, costs
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.families import COLOURS, FAMILIES, families
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net

ALL = ",".join(QUANTITIES)


def bars(ax: Axes, key: str) -> dict[str, dict[str, Rectangle]]:
    """Row -> family -> what is drawn for it."""
    found: dict[str, dict[str, Rectangle]] = {}
    for patch in ax.patches:
        if isinstance(patch, Rectangle) and str(patch.get_gid()).startswith(f"bar:{key}:"):
            _, _, row, kind = str(patch.get_gid()).split(":")
            assert kind not in found.setdefault(row, {})
            found[row][kind] = patch
    return found


def numbers(ax: Axes, key: str) -> list[tuple[str, Text]]:
    """(row, the text at its end), from the top."""
    start = f"number:{key}:"
    found = [text for text in ax.texts if str(text.get_gid()).startswith(start)]
    found.sort(key=lambda text: -text.get_position()[1])
    return [(str(text.get_gid()).removeprefix(start), text) for text in found]


def check(ax: Axes, trace: Trace, level: str, key: str) -> None:
    """Each row once, in order; bars in proportion, end to end, from one base; texts as counted."""
    analysis = analyse(trace)
    count = QUANTITIES[key].count
    total = count(analysis.total)
    rows = [
        row
        for row in analysis.by(level)
        if level != "layer" or any(each.count(row) for each in QUANTITIES.values())
    ]
    assert [name for name, _ in numbers(ax, key)] == [row.name for row in rows]
    drawn = bars(ax, key)
    assert set(drawn) == {row.name for row in rows if count(row)}
    first = [min(p.get_x() for p in parts.values()) for parts in drawn.values()]
    assert max(first) - min(first) < 1e-6
    length = sum(p.get_width() for parts in drawn.values() for p in parts.values())
    for row, (_, text) in zip(rows, numbers(ax, key), strict=True):
        if not count(row):
            assert text.get_text() == "0"
            continue
        parts = list(drawn[row.name].values())
        assert sum(p.get_width() for p in parts) == pytest.approx(count(row) * length / total)
        ends = sorted((p.get_x(), p.get_x() + p.get_width()) for p in parts)
        for (_, end), (start, _) in pairwise(ends):
            assert start == pytest.approx(end)
        assert text.get_text() == f"{count(row):,} · {count(row) / total:.1%}"
        assert text.get_position()[0] > ends[-1][1]
        box = parts[0]
        assert text.get_position()[1] == pytest.approx(box.get_y() + box.get_height() / 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_by_stage(name: str) -> None:
    trace = registry.trace(name)
    ax = costs(trace)
    for key in ("params", "macs"):
        check(ax, trace, "stage", key)
    assert flaws(ax.figure) == []


@pytest.mark.parametrize(
    ("name", "level"),
    [("yolov4_mobilenet_v3", "block"), ("mobilenet_v3_small", "role"), ("alexnet", "layer")],
)
def test_all_quantities_at_odd_settings(name: str, level: str) -> None:
    settings = fitting(name, {"width": 0.35, "resolution": (224, 416), "classes": 3})
    ax = costs(name, of=ALL, level=level, theme="dark", **settings)
    for key in QUANTITIES:
        check(ax, registry.trace(name, **settings), level, key)
    assert flaws(ax.figure) == []


def test_a_block_is_stacked_of_its_families() -> None:
    trace = registry.trace("mobilenet_v3_large")
    ax = costs(trace, level="block")
    kinds = {"expand": "expand", "depthwise": "depthwise", "se": "gate", "project": "pointwise"}
    spent: Counter[str] = Counter()
    for row in analyse(trace).rows:
        if row.block == "stage5.1" and row.params:
            spent[kinds[row.role]] += row.params
    parts = bars(ax, "params")["stage5.1"]
    assert list(parts) == [kind for kind in FAMILIES if spent[kind]]
    long = sum(part.get_width() for part in parts.values())
    for kind, part in parts.items():
        assert part.get_width() / long == pytest.approx(spent[kind] / sum(spent.values()))
        assert same_color(part.get_facecolor(), COLOURS[kind])
        assert part.get_hatch() == (HATCHES[kind] or None)


def test_families_look_different_without_colour() -> None:
    assert set(HATCHES) == set(FAMILIES)
    assert len(set(HATCHES.values())) == len(FAMILIES)


@pytest.mark.parametrize("name", ["mixnet_s", "alexnet"])
def test_a_role_has_the_colour_of_its_family(name: str) -> None:
    """One, though convolutions of AlexNet are grouped and others are not."""
    of_roles = families(registry.trace(name))
    for role, parts in bars(costs(name, of="memory", level="role"), "memory").items():
        assert list(parts) == [of_roles[role]]


def test_the_legend_has_the_families_that_occur() -> None:
    ax = costs("lenet5")
    keys = [str(p.get_gid())[4:] for p in ax.patches if str(p.get_gid()).startswith("key:")]
    used = {
        kind for key in ("params", "macs") for parts in bars(ax, key).values() for kind in parts
    }
    assert keys == [kind for kind in FAMILIES if kind in used]
    assert {FAMILIES[kind] for kind in keys} <= {text.get_text() for text in ax.texts}


def test_layers_without_a_cost_are_counted() -> None:
    trace = registry.trace("mobilenet_v2", width=0.5)
    ax = costs(trace, level="layer")
    rows = analyse(trace).rows
    costly = [row.name for row in rows if row.params or row.macs]
    assert [name for name, _ in numbers(ax, "macs")] == costly
    said = "\n".join(text.get_text() for text in ax.texts)
    assert f"Left out: {len(rows) - len(costly)} layers without" in said
    assert "by convention paper" in said
    assert flaws(ax.figure) == []


def test_what_is_unknown_is_a_dash_and_at_least() -> None:
    known = registry.trace("lenet5")
    layers = [
        layer._replace(op="unknown", mode="fft") if layer.name == "c3.conv" else layer
        for layer in known.layers
    ]
    trace = replace(known, layers=tuple(layers))
    ax = costs(trace, level="layer")
    odd = trace.unknown[0].name
    assert dict(numbers(ax, "macs"))[odd].get_text() == "–"
    assert odd not in bars(ax, "macs")
    said = [text.get_text() for text in ax.texts]
    assert f"at least {analyse(trace).total.macs:,}" in said
    assert any("fft" in text and "unknown here (–)" in text for text in said)
    assert flaws(ax.figure) == []


def test_long_names_keep_their_end() -> None:
    net = Net()
    x = net.input(3, 8)
    with net.scope("a_module_with_a_very_long_name" * 4):
        x = net.conv2d(x, 4, 3, name="last")
    ax = costs(net.trace(x), level="layer")
    assert any(t.get_text().startswith("…") and t.get_text().endswith("last") for t in ax.texts)
    assert flaws(ax.figure) == []


def test_an_axes_given_is_drawn_on() -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert costs("lenet5", ax=right, of=["macs"]) is right
    assert figure.axes == [left, right]
    assert not left.texts


def test_the_description_has_the_totals() -> None:
    total = analyse(registry.trace("mobilenet_v2")).total
    alt = costs("mobilenet_v2").figure.alt
    assert f"{total.params:,}" in alt
    assert f"{total.macs:,}, most in stage5 (19.3%)" in alt


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"of": "mac"}, UnknownNameError, "unknown quantity 'mac': did you mean macs"),
        ({"of": ""}, LabError, "bars need a quantity: params, macs"),
        ({"of": []}, LabError, "bars need a quantity"),
        ({"of": 3}, LabError, "of is some of params"),
        ({"level": "stages"}, UnknownNameError, "unknown level"),
        ({"dtype": "float"}, UnknownNameError, "unknown dtype"),
        ({"theme": "grey"}, UnknownNameError, "unknown theme"),
    ],
)
def test_what_is_not_known_is_said(options: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        costs("lenet5", **options)


def test_too_many_bars_and_none() -> None:
    net = Net()
    x = net.input(3, 8)
    for number in range(MOST_ROWS + 1):
        x = net.act(x, "relu", name=f"act{number}")
    trace = net.trace(x)
    with pytest.raises(LabError, match=r"601 bars are too many.*block, stage or role"):
        costs(trace, of="activations", level="layer")
    with pytest.raises(LabError, match="no layer has any parameters and MACs"):
        costs(trace, level="layer")
