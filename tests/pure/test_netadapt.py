"""NetAdapt over shapes: which channels go together, what widths cost, which proposal is kept."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenet_lab import registry
from mobilenet_lab.adaptation.groups import Space, search_space
from mobilenet_lab.adaptation.proposals import (
    Proposal,
    cost_table,
    least,
    narrower,
    next_proposals,
    proposals,
    step_of,
    targets,
)
from mobilenet_lab.adaptation.selection import PROXIES, Trial, chosen, ratio
from mobilenet_lab.adaptation.tables import cost_of, read_times, total
from mobilenet_lab.analysis import analyse
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.importers.files import loads
from mobilenet_lab.importers.writing import dumps
from mobilenet_lab.net import Net

CLASSIFIERS = [name for name in registry.NETWORKS if registry.task(name) == "classification"]
COSTS = {"macs": "macs", "params": "params", "bytes": "memory"}
"""Ours -> the sum of an analysis."""


def groups(space: Space) -> dict[str, int]:
    return {group.name: group.width for group in space.groups}


def at(space: Space, **widths: int) -> tuple[int, ...]:
    """The widths of a space, with some others, by the names of their groups."""
    return tuple(widths.get(group.name, group.width) for group in space.groups)


# Groups


def residual() -> Space:
    """Two inverted residuals after a stem; the second one has a skip and a gate."""
    net = Net()
    x = net.conv(net.input(3, 16), 16, name="stem")
    x = net.conv(x, 24, 1, act=None, name="project")
    h = net.conv(x, 48, 1, name="expand")
    h = net.conv(h, 48, groups=48, name="depthwise")
    gate = net.conv2d(net.adaptive_avg_pool(h), 8, 1, bias=True, name="reduce")
    gate = net.conv2d(net.act(gate, "relu"), 48, 1, bias=True, name="restore")
    h = net.conv(net.mul(h, net.act(gate, "sigmoid", name="gate")), 24, 1, act=None, name="again")
    x = net.flatten(net.adaptive_avg_pool(net.add(x, h), 2, name="means"))
    return search_space(net.trace(net.linear(x, 10)))


def test_a_residual_chain_is_one_group_and_a_depthwise_layer_belongs_to_its_input() -> None:
    space = residual()
    assert groups(space) == {"stem.conv": 16, "project.conv": 24, "expand.conv": 48, "reduce": 8}
    names = [layer.name for layer in space.trace.layers]
    bottleneck, expansion = space.groups[1], space.groups[2]
    written = {names[index] for index in bottleneck.layers}
    assert {"project.conv", "again.conv", "again.norm", "add", "means", "flatten"} == {
        name for name in written if not name.endswith("act") and name != "project.norm"
    }
    assert {names[index] for index in bottleneck.readers} - written == {"expand.conv", "linear"}
    written = {names[index] for index in expansion.layers}
    assert {"expand.conv", "depthwise.conv", "restore", "gate", "mul"} <= written
    assert "again.conv" in {names[index] for index in expansion.readers} - written


def test_the_narrowed_network_is_the_one_that_would_have_been_written() -> None:
    space = residual()
    widths = {"stem.conv": 8, "project.conv": 16, "expand.conv": 40, "reduce": 4}
    trace = space.narrowed(tuple(widths.values()))
    shapes = {layer.name: layer.out_shape for layer in trace.layers}
    assert shapes["add"] == shapes["project.conv"] == (16, 16, 16)
    assert trace.layer("depthwise.conv").groups == 40
    assert trace.layer("linear").in_shapes == ((16 * 4,),)
    assert shapes["linear"] == (10,)
    assert groups(search_space(trace)) == widths


def test_a_concatenation_keeps_its_parts_apart_and_a_split_parts_a_layer() -> None:
    net = Net()
    x = net.conv2d(net.input(3, 8), 24, 1, name="stem")
    left, right = net.split(x, (8, 16))
    left = net.conv2d(left, 8, 3, groups=8, name="left")
    x = net.concat(left, net.conv2d(right, 32, 1, name="right"), left)
    x = net.flatten(net.adaptive_avg_pool(net.conv2d(x, 12, 1, name="last")))
    space = search_space(net.trace(x))
    # what comes out stays; the half of the stem that the depthwise layer reads comes twice
    assert groups(space) == {"split.0": 8, "split.1": 16, "right": 32}
    trace = space.narrowed(at(space, **{"split.0": 4, "right": 16}))
    assert trace.layer("stem").out_shape[0] == 4 + 16
    assert [trace.layer(f"split.{n}").start for n in range(2)] == [0, 4]
    assert trace.layer("last").in_shapes[0][0] == 4 + 16 + 4


def test_what_is_not_understood_keeps_its_channels() -> None:
    net = Net()
    x = net.conv2d(net.input(3, 8), 16, 1, name="grouped_input")
    x = net.conv2d(x, 32, 3, groups=2, name="grouped")
    x = net.channel_shuffle(net.conv2d(x, 16, 1, name="shuffled"), 4)
    x = net.conv2d(x, 24, 1, name="free")
    x = net.conv2d(x, 48, 3, groups=24, name="multiplied")  # two filters for each channel
    x = net.conv2d(net.conv2d(x, 8, 1, name="also_free"), 8, 1, name="answer")
    assert groups(search_space(net.trace(x))) == {"also_free": 8}


def test_an_addition_of_a_concatenation_ties_what_is_at_one_place() -> None:
    net = Net()
    x = net.input(3, 8)
    both = net.concat(net.conv2d(x, 8, 1, name="a"), net.conv2d(x, 16, 1, name="b"))
    x = net.add(both, net.conv2d(x, 24, 1, name="c"))
    space = search_space(net.trace(net.conv2d(x, 4, 1, name="answer")))
    assert groups(space) == {"a": 8, "b": 16}
    assert space.narrowed((4, 8)).layer("c").out_shape[0] == 12


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_has_groups_and_is_itself_at_their_widths(name: str) -> None:
    trace = registry.trace(name)
    space = search_space(trace)
    assert space.groups
    assert len({group.name for group in space.groups}) == len(space.groups)
    assert space.narrowed(space.widths) == trace
    for cost, key in COSTS.items():
        assert total(space, space.widths, cost_of(cost)) == getattr(analyse(trace).total, key)


@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small", "mixnet_s", "ghostnet", "shufflenet_v2", "googlenet", "lenet5"]
)
def test_a_file_says_what_is_narrowed(name: str) -> None:
    space = search_space(registry.trace(name))
    trace = space.narrowed(least(space, 4))
    again = loads(dumps(trace))
    assert again.layers == trace.layers
    assert search_space(again).widths == least(space, 4)
    assert again.layers[again.outputs[0]].out_shape == space.trace.layers[-1].out_shape


SMALL = search_space(registry.trace("mobilenet_v3_small", resolution=64))


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_table_has_what_the_rebuilt_network_costs(data: st.DataObject) -> None:
    widths = tuple(data.draw(st.integers(min(width, 2), width)) for width in SMALL.widths)
    trace = SMALL.narrowed(widths)
    assert search_space(trace).widths == widths
    cost = data.draw(st.sampled_from([*COSTS]))
    entries = cost_table(SMALL, widths, cost_of(cost), 8)
    number = data.draw(st.integers(0, len(widths) - 1))
    for width, price in entries[number].items():
        changed = [*widths[:number], width, *widths[number + 1 :]]
        whole = analyse(SMALL.narrowed(changed)).total
        assert price == getattr(whole, COSTS[cost])
    prices = [*entries[number].values()]
    assert prices == sorted(prices, reverse=True)  # narrower is cheaper


# Widths, steps, targets


def test_narrower_widths_are_multiples_that_make_divisible_gives() -> None:
    assert [*narrower(32)] == [24, 16, 8]
    assert [*narrower(20)] == [16, 8]
    assert [*narrower(8)] == [*narrower(6)] == []
    assert [*narrower(6, 2)] == [4, 2]
    assert [*narrower(4, 1)] == [3, 2]
    assert all(make_divisible(width) == width for width in narrower(1000))


def test_a_step_decays_and_is_whole() -> None:
    share, decay = Fraction("0.05"), Fraction("0.96")
    assert [step_of(1000, share, decay, number) for number in (1, 2, 3)] == [50, 48, 46]
    assert step_of(10, share, decay, 1) == 1


def test_targets_never_fall_below_the_budget_and_halve() -> None:
    assert [*targets(1000, 700, 100)] == [900, 950, 975, 988, 994, 997, 999]
    assert next(targets(1000, 950, 100)) == 950


def test_a_proposal_is_the_largest_width_that_wins_the_step() -> None:
    space = residual()
    entries = ({8: 90}, {16: 94, 8: 80}, {40: 95, 32: 88, 24: 85}, {})
    assert proposals(space, space.widths, entries, 90) == [
        Proposal(0, "stem.conv", 16, 8, 90),
        Proposal(1, "project.conv", 24, 8, 80),
        Proposal(2, "expand.conv", 48, 32, 88),
    ]
    assert proposals(space, space.widths, entries, 79) == []


def test_half_a_step_is_tried_where_nothing_wins_a_whole_one() -> None:
    space, macs = residual(), cost_of("macs")
    now = total(space, space.widths, macs)
    target, found = next_proposals(space, space.widths, macs, 8, 1, now)
    assert found
    assert now // 4 < now - target <= now // 2
    assert next_proposals(space, least(space, 8), macs, 8, 1, now)[1] == []


# Selection


def trial(value: str, cost: int, group: int = 0) -> Trial:
    return Trial(Proposal(group, f"g{group}", 16, 8, cost), Fraction(value))


@pytest.mark.parametrize(
    ("rule", "trials", "kept"),
    [
        # from accuracy 9/10 and cost 100
        ("ratio", [("8/10", 90), ("85/100", 95)], 0),  # -1/100 each: the cheaper one
        ("ratio", [("8/10", 90), ("86/100", 95)], 1),  # -1/100 against -4/500
        ("value", [("8/10", 50), ("86/100", 95)], 1),
        ("ratio", [("8/10", 50), ("86/100", 95)], 0),  # -1/500 against -4/500
        ("ratio", [("9/10", 95), ("91/100", 99)], 1),  # 0 against +1/100
        ("ratio", [("91/100", 90), ("91/100", 99)], 1),  # a gain counts most where cost is small
        ("value", [("9/10", 95), ("9/10", 94), ("9/10", 94)], 1),  # cheaper, then first
    ],
)
def test_which_trial_is_kept(rule: str, trials: Sequence[tuple[str, int]], kept: int) -> None:
    tried = [trial(value, cost, group) for group, (value, cost) in enumerate(trials)]
    assert chosen(tried, 100, Fraction(9, 10), rule) == kept


def test_ratios_are_exact_where_floats_are_equal() -> None:
    low, high = Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**30)
    assert float(low) == float(high)
    assert chosen([trial(str(low), 97), trial(str(high), 97, 1)], 100, Fraction(1, 2), "ratio") == 1
    assert ratio(trial("1/3", 97), 100, Fraction(1, 2)) == Fraction(-1, 18)


@given(
    st.lists(st.tuples(st.fractions(0, 1, max_denominator=50), st.integers(1, 99)), min_size=1),
    st.randoms(),
)
def test_the_order_of_proposals_does_not_matter(
    pairs: list[tuple[Fraction, int]], random: Random
) -> None:
    trials = [trial(str(value), cost, group) for group, (value, cost) in enumerate(pairs)]
    shuffled = list(trials)
    random.shuffle(shuffled)
    for rule in ("ratio", "value"):
        first = trials[chosen(trials, 100, Fraction(1, 2), rule)]
        assert shuffled[chosen(shuffled, 100, Fraction(1, 2), rule)] == first


def test_proxies_are_shares_that_go() -> None:
    space = residual()
    proposal = Proposal(2, "expand.conv", 48, 24, 0)
    assert PROXIES["channels"](space, space.widths, proposal) == Fraction(-1, 2)
    before = analyse(space.trace).total.params
    after = analyse(space.narrowed(at(space, **{"expand.conv": 24}))).total.params
    assert PROXIES["params"](space, space.widths, proposal) == Fraction(after - before, before)


# Measured times


def table_of(path: Path, **layers: dict[str, float]) -> Path:
    path.write_text(json.dumps({"milliseconds": layers}))
    return path


def timed() -> Space:
    net = Net()
    x = net.conv2d(net.input(4, 8), 32, 1, name="first")
    x = net.conv2d(x, 32, 3, groups=32, name="depthwise")
    return search_space(net.trace(net.conv2d(x, 10, 1, name="last")))


def test_times_are_looked_up_and_between_measured_widths_interpolated(tmp_path: Path) -> None:
    path = table_of(
        tmp_path / "t.json",
        first={"4x32": 2, "4x8": 0.5},
        depthwise={"32x32": 4, "8x8": 1},
        last={"32x10": 4, "16x10": 3, "8x10": 2},
    )
    space, cost = timed(), cost_of("latency", read_times(path))
    assert total(space, (32,), cost) == 10_000_000  # nanoseconds
    assert total(space, (16,), cost) == (1 + 2 + 3) * 10**6
    assert total(space, (8,), cost) == 3_500_000


def test_between_channels_in_and_out_times_are_interpolated_in_both(tmp_path: Path) -> None:
    net = Net()
    x = net.conv2d(net.conv2d(net.input(3, 8), 16, 1, name="a"), 16, 1, name="b")
    space = search_space(net.trace(net.conv2d(x, 5, 1, name="c")))
    corners = {"16x16": 8, "16x8": 4, "8x16": 2, "8x8": 1}
    flat = {f"{c_in}x{out}": 0 for c_in in (3, 8, 16) for out in (5, 8, 16)}
    path = table_of(tmp_path / "t.json", a=flat, b=corners, c=flat)
    cost = cost_of("latency", read_times(path))
    assert total(space, (12, 12), cost) == round((8 + 4 + 2 + 1) / 4 * 10**6)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[]", "is no table of times"),
        ("{", "is no table of times"),
        ('{"milliseconds": {"first": 3}}', "is no table of times"),
        ('{"milliseconds": {"first": {"4": 1}}}', "not channels in and out like 16x32"),
        ('{"milliseconds": {"first": {"4x32": -1}}}', "which is no milliseconds"),
        ('{"milliseconds": {"first": {"4x32": NaN}}}', "which is no milliseconds"),
        ('{"milliseconds": {"first": {"4x32": true}}}', "which is no milliseconds"),
        ('{"milliseconds": {}}', "says nothing of first"),
        ('{"milliseconds": {"first": {"4x16": 1}}}', "which 32 are not among or between"),
        (
            '{"milliseconds": {"first": {"2x40": 1, "8x40": 1, "2x8": 1}}}',
            "has no 4x32, nor the corners",
        ),
    ],
)
def test_a_table_of_no_use_says_why(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(LabError, match=complaint):
        total(timed(), (32,), cost_of("latency", read_times(path)))


def test_costs_by_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean macs"):
        cost_of("mac")
    with pytest.raises(LabError, match="needs a table of measured times"):
        cost_of("latency")
    with pytest.raises(LabError, match="takes no table of times"):
        cost_of("macs", {})
    with pytest.raises(LabError, match="cannot read"):
        read_times("nowhere.json")
