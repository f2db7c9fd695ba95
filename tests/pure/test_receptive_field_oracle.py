"""Receptive fields against sets of pixels, carried through a network unit by unit."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import ends, interpolate, pixels, pool_to, repeat, slide

from mobilenet_lab.errors import MisalignedError, VanishedError
from mobilenet_lab.layers import Feature
from mobilenet_lab.net import Net
from mobilenet_lab.receptive_field import Axis, receptive_fields


def check(axis: Axis | None, units: list[int], image: int) -> None:
    """Units whose field lies in the image see exactly its ends; the others nothing outside it."""
    assert axis is not None
    for index, seen in enumerate(units):
        first, last = axis.span(index)
        if first >= 0 and last < image:
            assert ends(seen) == (first, last)
        elif seen:
            assert first <= ends(seen)[0]
            assert ends(seen)[1] <= last


pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
windows = st.fixed_dictionaries(
    {
        "kernel": st.tuples(st.integers(1, 5), st.integers(1, 5)),
        "stride": pair,
        "padding": st.sampled_from(["same"]) | st.tuples(st.integers(0, 3), st.integers(0, 3)),
        "dilation": pair,
    }
)
steps = (
    windows
    | st.tuples(st.sampled_from(["nearest", "bilinear"]), pair)
    | st.tuples(st.just("adaptive"), st.tuples(st.integers(2, 9), st.integers(2, 9)))
)


def play(net: Net, x: Feature, seen: list, step: object, name: str) -> tuple[Feature, list]:
    """One step on the tape and on the sets of both axes."""
    if isinstance(step, dict):
        y = net.conv2d(x, 1, **step, name=name)
        layer = net.trace(y).layers[-1]
        axes = zip(seen, layer.kernel, layer.stride, layer.padding, layer.dilation, strict=True)
        return y, [slide(units, k, s, *p, d) for units, k, s, p, d in axes]
    kind, sizes = step
    if kind == "adaptive":
        sizes = tuple(min(wanted, len(units)) for wanted, units in zip(sizes, seen, strict=True))
        # one unit of several is a global pool, which is no size
        assume(all(n > 1 or len(units) == 1 for n, units in zip(sizes, seen, strict=True)))
        y = net.adaptive_avg_pool(x, sizes, name=name)
        return y, [pool_to(units, n) for units, n in zip(seen, sizes, strict=True)]
    y = net.upsample(x, sizes, mode=kind, name=name)
    enlarge = repeat if kind == "nearest" else interpolate
    return y, [enlarge(units, n) for units, n in zip(seen, sizes, strict=True)]


@given(st.tuples(st.integers(30, 70), st.integers(30, 70)), st.lists(steps, min_size=1, max_size=5))
def test_a_chain_sees_what_its_sets_say(image: tuple[int, int], chain: list) -> None:
    net = Net()
    x = net.input(1, image)
    seen = [pixels(side) for side in image]
    for number, step in enumerate(chain):
        try:
            x, seen = play(net, x, seen, step, f"step{number}")
        except VanishedError:
            break
        field = receptive_fields(net.trace(x))[-1]
        assert x.shape == (1, *map(len, seen))
        for axis, units, side in zip(field.axes, seen, image, strict=True):
            check(axis, units, side)
        whole = [
            sum(bool(unit) and ends(unit) == (0, side - 1) for unit in units)
            for units, side in zip(seen, image, strict=True)
        ]
        assert field.covering(image, x.shape[1:]) >= whole[0] * whole[1]


SIDE = 96
aligned = st.builds(
    lambda k, d: {"kernel": (k, k), "dilation": (d, d), "padding": (d * (k // 2),) * 2},
    st.sampled_from([1, 3, 5]),
    st.integers(1, 2),
)
even = st.builds(lambda k: {"kernel": (k, k), "padding": "same"}, st.sampled_from([2, 4]))
branches = st.lists(aligned | aligned | even, min_size=2, max_size=2)
strides = st.permutations([1, 2])


def branch(net: Net, x: Feature, seen: list, parts: list, name: str) -> tuple[Feature, list]:
    """Some steps on a branch; on the sets, too."""
    for number, step in enumerate(parts):
        x, seen = play(net, x, seen, step, f"{name}{number}")
    return x, seen


@given(branches, branches, strides, strides, st.sampled_from(["add", "concat"]))
def test_branches_meet_where_their_sets_are_centred_alike(
    left: list, right: list, left_strides: list, right_strides: list, join: str
) -> None:
    net = Net()
    x = net.conv2d(net.input(1, SIDE), 1, 3, name="stem")
    seen = [slide(pixels(SIDE), 3, 1, 1, 1, 1)] * 2
    ways = []
    for name, parts, each in (("left", left, left_strides), ("right", right, right_strides)):
        strided = [{**part, "stride": (s, s)} for part, s in zip(parts, each, strict=True)]
        ways.append(branch(net, x, seen, strided, name))
    (a, seen_a), (b, seen_b) = ways
    trace = net.trace(getattr(net, join)(a, b))
    middle = SIDE // 4
    if sum(ends(seen_a[0][middle])) != sum(ends(seen_b[0][middle])):
        with pytest.raises(MisalignedError, match="pixels apart"):
            receptive_fields(trace)
        return
    met = [u | v for u, v in zip(seen_a[0], seen_b[0], strict=True)]
    field = receptive_fields(trace)[-1]
    check(field.vertical, met, SIDE)
    assert field.horizontal == field.vertical
    assert field.vertical is not None
    assert field.vertical.jump == 2


@given(aligned, aligned, st.sampled_from(["nearest", "bilinear"]), st.sampled_from([2, 4]))
def test_a_pyramid_sees_what_its_sets_say(down: dict, beside: dict, mode: str, scale: int) -> None:
    """A branch of stride 2 or 4 and up again, beside one that keeps its size."""
    net = Net()
    x, seen = net.input(1, SIDE), [pixels(SIDE)] * 2
    steps = [{**down, "stride": (scale, scale)}, (mode, (scale, scale))]
    coarse, seen_coarse = branch(net, x, seen, steps, "coarse")
    fine, seen_fine = branch(net, x, seen, [{**beside, "stride": (1, 1)}], "fine")
    field = receptive_fields(net.trace(net.concat(coarse, fine)))[-1]
    check(field.vertical, [u | v for u, v in zip(seen_coarse[0], seen_fine[0], strict=True)], SIDE)
