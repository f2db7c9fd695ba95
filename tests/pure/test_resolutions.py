"""One trace at many resolutions: equal to a trace made at each, or refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import NAMES

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.errors import LabError, ShapeError, VanishedError
from mobilenet_lab.layers import Feature, Pair, Trace
from mobilenet_lab.net import LARGEST, Net
from mobilenet_lab.resolutions import Counts, Replay, counts, counts_at

ALONE = ["lenet5", "alexnet", "lraspp_mobilenet_v3_large", "lraspp_mobilenet_v3_small"]
"""Networks that need a trace for each resolution."""
REPLAYED = [name for name in NAMES if name not in ALONE]
RESOLUTIONS = [
    (224, 224), (320, 640), (97, 131), (33, 64), (31, 31), (16, 16), (7, 300), (1, 1), (65, 66),
    (512, 256), (600, 601), (416, 608),
]  # fmt: skip


def result(ask: Callable[[], Counts]) -> Counts | type[ShapeError]:
    """What is counted, or how it is refused."""
    try:
        return ask()
    except ShapeError as error:
        return type(error)


def traced(name: str, resolution: Pair) -> Counts:
    total = analyse(registry.attempt(name, resolution=resolution), "int8").total
    return Counts(total.params, total.macs, total.activations, total.live)


@pytest.mark.parametrize("name", REPLAYED)
def test_a_registered_network_counts_as_its_trace_at_each_resolution(name: str) -> None:
    replay = Replay(registry.trace(name))
    answers = [result(lambda sides=sides: replay.at(*sides)) for sides in RESOLUTIONS]
    assert answers == [result(lambda sides=sides: traced(name, sides)) for sides in RESOLUTIONS]
    assert sum(isinstance(answer, Counts) for answer in answers) > 1
    for answer in answers:
        if isinstance(answer, Counts):
            assert {type(number) for number in answer} == {int}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenet_v1", {"width": 0.33}),
        ("mobilenet_v2", {"width": 1.4, "classes": 10, "in_channels": 1}),
        ("mobilenet_v3_small", {"width": 0.75, "scaling": "slim", "dilated": True}),
        ("googlenet", {"auxiliary": True}),
    ],
)
def test_options_go_to_the_trace(name: str, options: dict[str, Any]) -> None:
    total = analyse(registry.trace(name, resolution=(160, 224), **options)).total
    found = counts_at(name, 160, 224, **options)
    assert (found.params, found.macs, found.activations) == (
        total.params,
        total.macs,
        total.activations,
    )


def test_by_hand() -> None:
    """3 -> 8 channels, 3x3 at stride 2, on 5 x 8: 3 x 4 positions; then a gate and a sum."""
    net = Net()
    x = net.conv2d(net.input(3, 64), 8, 3, 2, bias=True)
    gate = net.conv2d(net.adaptive_avg_pool(x), 8, 1, name="gate")
    trace = net.trace(net.mul(x, gate))
    assert counts_at(trace, 5, 8) == Counts(
        params=8 * 27 + 8 + 64,
        macs=12 * 8 * 27 + 64,
        activations=8 * 12 + 8 + 8 + 8 * 12,
        live=3 * 40 + 8 * 12,  # the image and the first map
    )
    assert counts_at(trace, 1, 1).live == 8 + 8 + 8  # the map, its gate and their product


def test_a_dilated_window_with_the_padding_of_a_plain_one_loses_pixels() -> None:
    net = Net()
    trace = net.trace(net.conv2d(net.input(1, 8), 1, 3, padding=1, dilation=2))
    assert counts_at(trace, 9, 6).macs == 9 * 7 * 4


def test_what_follows_a_pool_to_a_fixed_size_is_fixed() -> None:
    """Also as a vector: 5 x 4 positions of 2 channels after a window without padding."""
    net = Net()
    x = net.conv2d(net.adaptive_avg_pool(net.input(1, 30), (7, 6)), 2, 3, padding=0)
    trace = net.trace(net.linear(net.flatten(x), 10))
    assert counts_at(trace, 99, 50).macs == 2 * 9 * 20 + 40 * 10


def test_peaks_are_few() -> None:
    """Of 154 layers' states, those that are the most at some resolution."""
    peaks = Replay(registry.trace("mobilenet_v2")).peaks
    assert len(peaks) < 20
    for peak in peaks:
        assert not any(other is not peak and peak.items() <= other.items() for other in peaks)


# Any network


def step(kind: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), **arguments})


sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))
window = {"kernel": sizes, "stride": st.tuples(st.integers(1, 3), st.integers(1, 3))}
padding = st.sampled_from(["same", None]) | st.tuples(st.integers(0, 2), st.integers(0, 2))
recipes = st.lists(
    st.one_of(
        step("conv", **window, padding=padding, dilation=sizes),
        step("branch", **window, padding=padding, join=st.sampled_from(["add", "concat", "mul"])),
        step("pool", **window, ceil_mode=st.booleans(), padding=st.sampled_from([0, "same"])),
        step("up", scale=sizes),
        step("squeeze", size=sizes, join=st.sampled_from(["mul", "next"])),
        step("act"),
        step("split"),
    ),
    max_size=7,
)


def cooked(recipe: list[dict[str, Any]], resolution: Pair) -> Trace:
    """The same layers, whatever the resolution."""
    net = Net()
    x = net.input(2, resolution)
    for number, arguments in enumerate(recipe):
        with net.block(f"block{number}"):
            x = served(net, x, **arguments)
    with net.block("head"):
        x = net.linear(net.flatten(net.adaptive_avg_pool(net.conv(x, 4))), 3)
    return net.trace(x)


def served(net: Net, x: Feature, kind: str, **how: Any) -> Feature:
    match kind:
        case "conv":
            return net.conv2d(x, 2, **how, bias=True)
        case "branch":
            join = how.pop("join")
            return getattr(net, join)(x, net.conv2d(x, x.channels, **how))
        case "pool":
            return net.max_pool(x, **how) if how["ceil_mode"] else net.avg_pool(x, **how)
        case "up":
            return net.upsample(x, **how)
        case "squeeze":
            small = net.adaptive_max_pool(x, how["size"])
            return net.mul(x, small) if how["join"] == "mul" else small
        case "split":
            first, other = net.split(x, (1, x.channels - 1)) if x.channels > 1 else (x, x)
            return net.concat(net.act(other, "relu"), first)
    return net.act(x, "silu")


@given(recipes, sizes.map(lambda pair: (pair[0] * 9, pair[1] * 8)), st.data())
def test_any_network_counts_as_its_trace_at_any_resolution(
    recipe: list[dict[str, Any]], recorded: Pair, data: st.DataObject
) -> None:
    try:
        trace = cooked(recipe, recorded)
    except ShapeError:
        assume(False)
    replay = Replay(trace)
    assert replay.at(*recorded) == counts(trace)
    sides = st.integers(1, 40)
    for asked in data.draw(st.lists(st.tuples(sides, sides), min_size=1, max_size=6)):
        expected = result(lambda asked=asked: counts(cooked(recipe, asked)))
        found = result(lambda asked=asked: replay.at(*asked))
        assert found == expected, asked


@pytest.mark.parametrize("name", ["mobilenet_v2", "yolov4_mobilenet_v3", "lenet5", "googlenet"])
def test_the_totals_of_a_trace_are_those_of_its_analysis(name: str) -> None:
    trace = registry.trace(name)
    total = analyse(trace, "int8").total
    assert counts(trace) == (total.params, total.macs, total.activations, total.live)


# Arrays


def same(found: Counts, expected: list[Counts]) -> bool:
    """Whether arrays hold, in order, what was counted one by one."""
    lists = [np.asarray(numbers).ravel().tolist() for numbers in found[1:]]
    each = [list(numbers) for numbers in zip(*expected, strict=True)]
    return {found.params} == set(each[0]) and lists == each[1:]


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v3_large", "mixnet_s", "resnet50"])
def test_an_array_holds_what_each_int_gives(name: str) -> None:
    replay = Replay(registry.trace(name))
    sides = np.arange(40, 400, 7)
    assert same(replay.at(sides), [replay.at(int(side)) for side in sides])
    assert same(replay.at(sides, 224), [replay.at(int(side), 224) for side in sides])
    assert same(replay.at(224, sides), [replay.at(224, int(side)) for side in sides])
    assert same(
        replay.at(sides, sides[::-1]),
        [replay.at(int(high), int(wide)) for high, wide in zip(sides, sides[::-1], strict=True)],
    )


def test_heights_and_widths_broadcast() -> None:
    heights, widths = np.array([[96], [131], [224]]), np.array([65, 160])
    found = lab.counts_at("mobilenet_v2", heights, widths)
    assert {numbers.shape for numbers in found[1:]} == {(3, 2)}
    pairs = [(high, wide) for high in (96, 131, 224) for wide in (65, 160)]
    assert same(found, [counts_at("mobilenet_v2", *pair) for pair in pairs])


class Column:
    """Whole numbers with labels, as pandas' Series has them."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array([96, 200], dtype)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, label: int) -> int:
        return {5: 96, 3: 200}[label]


@pytest.mark.parametrize(
    "sides",
    [
        [96, 200],
        (96, 200),
        range(96, 201, 104),
        np.array([96, 200], "uint8"),
        np.array([96, 200], "int16"),
        np.array([96, 200], "uint64"),
        Column(),
    ],
    ids=lambda sides: f"{type(sides).__name__} {getattr(sides, 'dtype', '')}",
)
def test_what_holds_whole_numbers_is_an_array(sides: Any) -> None:
    """Of any width: nothing is computed in 8 or 16 bits."""
    found = counts_at("mobilenet_v2", sides)
    assert same(found, [counts_at("mobilenet_v2", 96), counts_at("mobilenet_v2", 200)])


@pytest.mark.parametrize("side", [np.int32(96), np.uint8(96), np.array(96)])
def test_one_number_of_numpy_is_an_int(side: Any) -> None:
    found = counts_at("mobilenet_v2", side)
    assert found == counts_at("mobilenet_v2", 96)
    assert {type(number) for number in found} == {int}


def test_no_resolution_has_no_numbers() -> None:
    found = counts_at("mobilenet_v2", np.array([], int))
    assert [numbers.shape for numbers in found[1:]] == [(0,)] * 3


def test_numbers_that_do_not_follow_the_resolution_are_arrays_too() -> None:
    net = Net()
    x = net.linear(net.flatten(net.adaptive_avg_pool(net.input(3, 8))), 5)
    found = counts_at(net.trace(x), np.array([3, 9]))
    assert found.macs.tolist() == [15, 15]
    assert found.live.tolist() == [3 * 9 + 3, 3 * 81 + 3]


def test_nothing_overflows() -> None:
    """10^9 squared, times 864 and more, is beyond 64 bits."""
    sides = np.array([224, 10**9, 3])
    found = counts_at("mobilenet_v2", sides)
    assert same(found, [counts_at("mobilenet_v2", int(side)) for side in sides])
    assert found.macs[1] > 2**63
    assert found.macs.dtype == object
    assert counts_at("mobilenet_v2", sides[::2]).macs.dtype == np.int64


@pytest.mark.parametrize(("channels", "dtype"), [(8, np.int64), (9, object)])
def test_the_largest_numbers_of_64_bits_are_exact(channels: int, dtype: type) -> None:
    """9 x 10^18 elements held at once are one of them, 10^19 would need the bit of the sign."""
    net = Net()
    trace = net.trace(net.conv2d(net.input(channels, 8), 1, 1))
    found = counts_at(trace, np.array([10**9]))
    assert found.macs.tolist() == [channels * 10**18]
    assert found.live.tolist() == [(channels + 1) * 10**18]
    assert found.live.dtype == dtype


def test_equal_sides_are_computed_once() -> None:
    """Of a square, whose widths are its heights; a layer that keeps a size keeps the array."""
    replay = Replay(registry.trace("mobilenet_v2"))
    sides = np.array([96, 224])
    values = replay._values(sides, sides)
    arrays = {id(value) for value in values if hasattr(value, "dtype")}
    assert len(arrays) == 6, "1, 1/2, 1/4, 1/8, 1/16 and 1/32"


# What is refused


def refused(kind: type[LabError], *sides: Any, network: str | Trace = "mobilenet_v2") -> str:
    with pytest.raises(kind) as caught:
        counts_at(network, *sides)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ALONE)
def test_what_the_trace_does_not_say_is_not_guessed(name: str) -> None:
    side = registry.trace(name).input_shape[1]
    told = refused(LabError, side, network=name)
    assert name in told
    assert "trace the network at each resolution" in told


def test_a_dilated_pool_with_the_padding_of_its_size_is_refused() -> None:
    """3 at stride 2 and dilation 2: 8 pixels take 1 before and 2 after, 7 would take 2 and 2."""
    net = Net()
    trace = net.trace(net.max_pool(net.input(1, 8), 3, 2, "same", 2, name="dilated"))
    assert "dilated" in refused(LabError, 7, network=trace)


def pooled(kernel: int) -> Trace:
    net = Net()
    return net.trace(net.max_pool(net.input(1, 64), kernel, 1, name="pool"))


def test_a_map_that_vanishes() -> None:
    told = refused(VanishedError, 6, network=pooled(7))
    assert told == "the network at 6x6: pool: nothing is left of the map"
    assert "googlenet at 8x224: pool3" in refused(VanishedError, 8, 224, network="googlenet")


def test_maps_that_do_not_meet() -> None:
    told = refused(ShapeError, 417, 416, network="yolov4_mobilenet_v2")
    assert told.endswith("concat: maps of 27x26 and 28x26 do not meet")


def test_a_gate_has_the_size_of_its_map_or_one_pixel() -> None:
    """A pool of 8 gives one pixel up to a side of 15, and two for 16."""
    net = Net()
    x = net.input(2, 8)
    trace = net.trace(net.mul(x, net.max_pool(x, 8, name="pool"), name="gate"))
    assert counts_at(trace, 15, 9).activations == 2 + 2 * 15 * 9
    assert "gate: maps of 16x9 and 2x1 do not meet" in refused(ShapeError, 16, 9, network=trace)


def test_of_an_array_the_first_resolution_is_named() -> None:
    """In the order of the array, not of the layers: 9 fails in the second pool, 3 in the first."""
    net = Net()
    x = net.max_pool(net.input(1, 64), 5, 1, name="first")
    trace = net.trace(net.max_pool(x, 7, 1, name="second"))
    for kind in (np.array, list):
        told = refused(VanishedError, kind([64, 11, 9, 3]), network=trace)
        assert told == "the network at 9x9: second: nothing is left of the map"
    assert "at 64x3: first" in refused(VanishedError, 64, np.array([20, 3, 9]), network=trace)
    grid = refused(VanishedError, np.array([[64], [9]]), np.array([64, 3]), network=trace)
    assert "at 64x3: first" in grid


def test_a_side_beyond_all_sides_is_refused() -> None:
    net = Net()
    trace = net.trace(net.upsample(net.input(1, 8), 1000, name="up"))
    assert counts_at(trace, 10**6).activations == 10**18
    assert "up: a side is larger" in refused(ShapeError, 10**6 + 1, network=trace)
    assert "up: a side is larger" in refused(ShapeError, np.array([8, 10**9]), network=trace)


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        (0, "heights must be whole numbers from 1 to 1,000,000,000, not 0"),
        (-3, "not -3"),
        (LARGEST + 1, "not 1000000001"),
        (True, "not True"),
        (224.0, "must be whole numbers, not 224.0"),
        ("224", "must be whole numbers, not '224'"),
        ([], "must be whole numbers, not []"),
        ([224, 0], "not 0"),
        ([224, 1.5], "must be whole numbers"),
        ([[1, 2], [3]], "in rows of one length"),
        (np.array([True]), "must be whole numbers"),
        (np.array([5, -1]), "not -1"),
        (np.array([5, 2**40]), f"not {2**40}"),
        (np.array([2**64 - 1], "uint64"), f"not {2**64 - 1}"),
    ],
    ids=repr,
)
def test_sides_that_are_none(sides: Any, told: str) -> None:
    assert told in refused(LabError, sides)
    assert told.replace("heights", "widths") in refused(LabError, 224, sides)


def test_shapes_that_do_not_broadcast() -> None:
    told = refused(LabError, np.arange(1, 4), np.arange(1, 5))
    assert told == "heights and widths of shapes (3,) and (4,) do not broadcast"


def test_a_finished_trace_takes_no_options() -> None:
    with pytest.raises(LabError, match="takes no options"):
        counts_at(registry.trace("mobilenet_v2"), 224, width=0.5)
    with pytest.raises(LabError, match="did you mean mobilenet_v2"):
        counts_at("mobilenet_v22", 224)
