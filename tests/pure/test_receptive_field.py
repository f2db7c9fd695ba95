"""Receptive fields: published ones, by hand, and where they cannot be told."""

from fractions import Fraction

import pytest
from skeletons import alexnet_v2, mobilenet_v1, resnet_v1, vgg_16

from mobilenet_lab import registry
from mobilenet_lab.errors import MisalignedError
from mobilenet_lab.layers import Feature, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.receptive_field import Axis, Field, receptive_fields


def field_of(net: Net, x: Feature) -> Field:
    """The field of the layer that made `x`."""
    return receptive_fields(net.trace(x))[x.layer]


def last_map(trace: Trace) -> Field:
    """The field of the last layer before the global pool, or of the last."""
    fields = receptive_fields(trace)
    return next(field for field in reversed(fields) if field.size is not None)


def square(field: Field) -> tuple[int, int | Fraction, int]:
    """Size, stride and padding before the first unit, where both axes are alike."""
    assert field.vertical is not None
    assert field.vertical == field.horizontal
    return field.vertical.size, field.vertical.jump, -field.vertical.lo[0]


# Published: google-research/receptive_field README (size, effective stride, effective padding)


@pytest.mark.parametrize(
    ("trace", "published"),
    [
        (alexnet_v2(), (195, 32, 64)),
        (vgg_16(), (212, 32, 90)),
        (mobilenet_v1(224), (315, 32, 126)),
        (mobilenet_v1(321), (315, 32, 157)),
        (resnet_v1(3, 4, 6, 3), (483, 32, 239)),
        (resnet_v1(3, 4, 23, 3), (1027, 32, 511)),
        (resnet_v1(3, 8, 36, 3), (1507, 32, 751)),
        (resnet_v1(3, 24, 36, 3), (1763, 32, 879)),
    ],
    ids=["alexnet", "vgg16", "v1", "v1@321", "resnet50", "resnet101", "resnet152", "resnet200"],
)
def test_published_fields(trace: Trace, published: tuple[int, int, int]) -> None:
    assert square(last_map(trace)) == published


def test_mobilenet_v1_layer_by_layer() -> None:
    """TF-slim's end points; symmetric padding keeps every field centred on its stride."""
    trace = registry.trace("mobilenet_v1")
    fields = dict(zip((layer.name for layer in trace.layers), receptive_fields(trace), strict=True))
    pointwise = [fields[name] for name in fields if name.endswith("pointwise.conv")]
    sizes = [field.size for field in (fields["stem.conv"], *pointwise)]
    published = (3, 7, 11, 19, 27, 43, 59, 91, 123, 155, 187, 219, 251, 315)
    assert sizes == [(size, size) for size in published]
    assert square(pointwise[-1]) == (315, 32, 157)
    assert [field.vertical.start for field in pointwise if field.vertical] == [0] * 13
    assert fields["classifier.linear"].size is None


def test_mobilenet_v2_by_the_recurrence() -> None:
    """1 + 2 x the strides before each 3x3 of arXiv 1801.04381, Table 2: stem, then 17 blocks."""
    strides = [1, 2, 2, *[4] * 2, *[8] * 3, *[16] * 7, *[32] * 3]
    assert len(strides) == 18
    trace = registry.trace("mobilenet_v2")
    assert square(last_map(trace)) == (1 + 2 * sum(strides), 32, sum(strides)) == (491, 32, 245)


@pytest.mark.parametrize("resolution", [96, 224, (192, 256), 225, (33, 1024)])
def test_symmetric_padding_makes_the_field_independent_of_the_image(resolution: object) -> None:
    field = last_map(registry.trace("mobilenet_v2", resolution=resolution))
    assert square(field) == (491, 32, 245)


# By hand


def test_one_window_of_each_kind() -> None:
    net = Net()
    x = net.input(1, 32)
    assert receptive_fields(net.trace(x)) == [Field((Axis((0,), (0,), 1), Axis((0,), (0,), 1)))]
    y = net.conv2d(x, 1, 3, name="three")
    assert square(field_of(net, y)) == (3, 1, 1)
    y = net.conv2d(y, 1, 3, 2, padding=0, name="stride")
    assert square(field_of(net, y)) == (5, 2, 1)
    y = net.conv2d(y, 1, 3, dilation=2, name="dilated")
    assert square(field_of(net, y)) == (13, 2, 5)
    y = net.max_pool(y, 2)
    assert square(field_of(net, y)) == (15, 4, 5)
    y = net.conv2d(y, 1, 1, 2, name="subsample")
    assert square(field_of(net, y)) == (15, 8, 5)


def test_what_is_not_a_window_changes_nothing() -> None:
    net = Net()
    x = net.conv2d(net.input(4, 16), 4, 5)
    before = field_of(net, x)
    for y in (
        net.batch_norm(x),
        net.act(x, "relu"),
        net.dropout(x),
        net.local_response_norm(x),
        *net.split(x, [1, 3]),
        net.adaptive_avg_pool(x, 16, name="same size"),
        net.add(x, x),
    ):
        assert field_of(net, y) == before


def test_a_rectangle() -> None:
    net = Net()
    x = net.input(1, (40, 60))
    x = net.conv2d(x, 1, (1, 7), (1, 2), padding=(0, 3))
    x = net.max_pool(x, (3, 1), (2, 1), (1, 0))
    field = field_of(net, x)
    assert field.size == (3, 7)
    assert field.vertical == Axis((-1,), (1,), 2)
    assert field.horizontal == Axis((-3,), (3,), 2)


def test_a_square_window_with_different_padding() -> None:
    net = Net()
    field = field_of(net, net.conv2d(net.input(1, 20), 1, 3, padding=(0, 2)))
    assert field == Field((Axis((0,), (2,), 1), Axis((-2,), (0,), 1)))


def test_an_even_kernel_looks_between_pixels() -> None:
    net = Net()
    field = field_of(net, net.max_pool(net.input(1, 8), 2))
    assert field.vertical is not None
    assert field.vertical.start == Fraction(1, 2)
    assert [field.vertical.span(i) for i in range(4)] == [(0, 1), (2, 3), (4, 5), (6, 7)]


def test_nearest_upsampling_repeats_and_bilinear_mixes() -> None:
    net = Net()
    pooled = net.avg_pool(net.input(1, 12), 3)
    nearest = field_of(net, net.upsample(pooled, 2)).vertical
    bilinear = field_of(net, net.upsample(pooled, 2, mode="bilinear", name="bilinear")).vertical
    assert nearest is not None
    assert bilinear is not None
    assert nearest.jump == bilinear.jump == Fraction(3, 2)
    assert [nearest.span(i) for i in range(4)] == [(0, 2), (0, 2), (3, 5), (3, 5)]
    assert [bilinear.span(i) for i in range(1, 5)] == [(0, 5), (0, 5), (3, 8), (3, 8)]


def test_nearest_resampling_to_one_unit_reads_one_unit() -> None:
    """Unit 0 of 1 is floor(0 x 4 / 1) of 4: no global pool."""
    net = Net()
    x = net.conv2d(net.input(1, 4), 1, 3)
    assert field_of(net, net.upsample(x, size=(1, 1))).size == (3, 3)


def test_units_that_see_the_whole_image() -> None:
    """Two 3x3s on 5 pixels: only the middle unit sees all; a third makes three of them."""
    net = Net()
    x = net.input(1, 5)
    for number, covering in enumerate((0, 1, 9)):
        x = net.conv2d(x, 1, 3, name=f"conv{number}")
        assert field_of(net, x).covering((5, 5), (5, 5)) == covering
    pool = net.adaptive_avg_pool(x)
    assert field_of(net, pool).covering((5, 5), (1, 1)) == 1


# Pools and gates that see everything


def test_a_global_pool_has_no_size() -> None:
    net = Net()
    x = net.conv2d(net.input(2, (9, 12)), 2, 3)
    pool = net.adaptive_avg_pool(x)
    assert field_of(net, pool) == Field((None, None))
    assert field_of(net, pool).size is None
    flat = net.flatten(pool)
    assert field_of(net, net.linear(flat, 5)).size is None
    assert field_of(net, net.flatten(x, "all")).size is None
    up = net.upsample(net.conv2d(pool, 2, 1, name="squeeze"), size=(9, 12))
    assert field_of(net, up).size is None
    strip = net.adaptive_avg_pool(x, (9, 1), name="strip")
    assert field_of(net, strip).vertical == field_of(net, x).vertical
    assert field_of(net, strip).horizontal is None


def test_pooling_one_pixel_is_no_global_pool() -> None:
    """The whole map of one unit: what it sees is known."""
    net = Net()
    x = net.conv2d(net.input(1, 3), 1, 3, padding=0)
    flat = net.flatten(net.adaptive_avg_pool(x))
    assert field_of(net, net.linear(flat, 2)).size == (3, 3)


def test_a_gate_keeps_the_field_of_the_map_and_marks_it() -> None:
    """Squeeze-and-excitation: pool, two 1x1s, sigmoid, product (arXiv 1709.01507)."""
    net = Net()
    x = net.conv2d(net.input(8, 16), 8, 3)
    gate = net.adaptive_avg_pool(x)
    gate = net.act(net.conv2d(gate, 2, 1, name="reduce"), "relu")
    gate = net.act(net.conv2d(gate, 8, 1, name="expand"), "sigmoid", name="gate")
    assert field_of(net, gate).gated is False
    y = net.mul(x, gate)
    assert square(field_of(net, y)) == (3, 1, 1)
    assert field_of(net, y).gated
    z = net.conv2d(y, 8, 3, 2, name="next")
    assert square(field_of(net, z)) == (5, 2, 2)
    assert field_of(net, z).gated
    assert field_of(net, net.adaptive_avg_pool(z, name="end")).size is None


# Branches


def test_branches_of_different_reach_meet_in_the_larger() -> None:
    net = Net()
    x = net.input(4, 20)
    branches = [net.conv2d(x, 4, k, name=f"b{k}") for k in (1, 3, 5)]
    pool = net.max_pool(x, 3, 1, 1)
    assert square(field_of(net, net.concat(*branches, pool))) == (5, 1, 2)
    assert square(field_of(net, net.add(x, branches[1]))) == (3, 1, 1)


def test_branches_may_differ_along_one_axis() -> None:
    """Inception's factorised branches: 1x7 beside 7x1, and 1x1 beside 1x3."""
    net = Net()
    x = net.input(1, 20)
    wide, tall = net.conv2d(x, 1, (1, 7), name="wide"), net.conv2d(x, 1, (7, 1), name="tall")
    assert square(field_of(net, net.concat(wide, tall))) == (7, 1, 3)
    field = field_of(net, net.add(x, wide))
    assert field == Field((Axis((0,), (0,), 1), Axis((-3,), (3,), 1)))


def test_two_global_pools_are_no_gate() -> None:
    net = Net()
    x = net.input(2, 8)
    pools = net.adaptive_avg_pool(x), net.adaptive_max_pool(x, name="largest")
    assert field_of(net, net.add(*pools)) == Field((None, None), gated=False)


def test_branches_with_different_jumps_are_refused() -> None:
    """Same size by cropping instead of striding: the units drift apart."""
    net = Net()
    x = net.input(1, 9)
    strided = net.conv2d(x, 1, 1, 2, padding=0, name="strided")
    cropped = net.conv2d(x, 1, 5, padding=0, name="cropped")
    assert strided.shape == cropped.shape
    meeting = net.add(strided, cropped, name="meet")
    with pytest.raises(MisalignedError, match=r"^meet: .* 1 and 2 pixels"):
        receptive_fields(net.trace(meeting))


@pytest.mark.parametrize("join", ["add", "concat", "mul"])
def test_branches_with_shifted_centres_are_refused(join: str) -> None:
    """A 3x3 of stride 2 without padding looks one pixel further than a 1x1 of stride 2."""
    net = Net()
    x = net.input(1, 9)
    valid = net.conv2d(x, 1, 3, 2, padding=0, name="valid")
    cropped = net.conv2d(x, 1, (2, 2), 2, padding=0, name="cropped")
    assert valid.shape == cropped.shape
    meeting = getattr(net, join)(valid, cropped, name="meet")
    with pytest.raises(MisalignedError, match=r"^meet: .* 0\.5 pixels apart"):
        receptive_fields(net.trace(meeting))


def test_same_padding_at_an_even_size_shifts_a_residual() -> None:
    """TensorFlow pads 224 on one side only, so its ResNet subsamples with explicit padding."""
    for size, aligned in ((224, False), (225, True)):
        net = Net()
        x = net.input(1, size)
        main = net.conv2d(x, 1, 3, 2, padding="same", name="main")
        skip = net.conv2d(x, 1, 1, 2, padding=0, name="skip")
        trace = net.trace(net.add(main, skip))
        if aligned:
            assert square(receptive_fields(trace)[-1]) == (3, 2, 1)
        else:
            with pytest.raises(MisalignedError, match="1 pixels apart"):
                receptive_fields(trace)


def test_an_upsampled_branch_meets_the_finer_map() -> None:
    """A feature pyramid: stride 2 and up again, beside the map it came from."""
    net = Net()
    x = net.conv2d(net.input(1, 16), 1, 3)
    down = net.conv2d(x, 1, 3, 2, name="down")
    up = net.upsample(down, 2)
    axis = field_of(net, net.concat(x, up)).vertical
    assert axis is not None
    # unit 2i + 1 repeats what 2i sees: pixels 2i - 2 ... 2i + 2 of the coarse map
    assert [axis.span(i) for i in (4, 5, 6)] == [(2, 6), (2, 6), (4, 8)]
    assert axis.jump == 1


def test_a_path_up_and_down_again_meets_the_coarse_map() -> None:
    """As in a PAN neck: what was upsampled is apart by half the coarse jump, which is no mistake.

    Unit j of `down` reads units 2j - 1 ... 2j + 1 of the doubled map, which are units j - 1 and j
    of the coarse one: to its left it sees one coarse jump more than to its right.
    """
    net = Net()
    fine = net.conv2d(net.input(1, 64), 1, 1, 2, name="fine")  # jump 2
    coarse = net.conv2d(fine, 1, 1, 2, name="coarse")  # jump 4
    up = net.upsample(coarse, 2, name="up")
    down = net.conv2d(up, 1, 3, 2, name="down")
    field = field_of(net, net.concat(coarse, down))
    assert field.vertical == Axis((-4,), (0,), 4, coarsest=4)
    assert field_of(net, coarse).vertical == Axis((0,), (0,), 4)
    again = net.conv2d(net.upsample(down, 2, name="up2"), 1, 3, 1, name="again")
    doubled = field_of(net, again).vertical
    assert doubled is not None
    assert (len(doubled.lo), doubled.advance, doubled.coarsest) == (2, 4, 4)


def test_what_was_upsampled_and_lies_elsewhere_is_still_refused() -> None:
    """Corners and middles of 8 x 8 patches: the coarse grid's 2 pixels do not bridge them."""
    net = Net()
    x = net.input(1, 64)
    up = net.upsample(net.conv2d(x, 1, 1, 2, name="half"), 2, name="up")
    corners = net.conv2d(x, 1, 1, 8, name="corners")
    middles = net.conv2d(up, 1, 8, 8, padding=0, name="middles")
    with pytest.raises(MisalignedError, match=r"cat: .* places 3 pixels apart"):
        field_of(net, net.concat(corners, middles, name="cat"))


def test_a_pattern_that_hardly_repeats_has_no_one_field() -> None:
    net = Net()
    x = net.conv2d(net.input(1, 97), 1, 3, name="conv")
    assert field_of(net, net.upsample(x, size=(194, 194), name="twice")).size == (3, 3)
    with pytest.raises(MisalignedError, match="huge: what units see repeats only after 99991"):
        field_of(net, net.upsample(x, size=(99_991, 99_991), name="huge"))


def test_a_flattened_unit_sees_what_it_saw() -> None:
    """LeNet-5's vector is C5's one position; a map of several positions is seen as a whole."""
    trace = registry.trace("lenet5")
    fields = dict(zip([layer.name for layer in trace.layers], receptive_fields(trace), strict=True))
    assert fields["f6.flatten"] == fields["f6.linear"] == fields["c5.conv"]
    assert fields["c5.conv"].vertical == Axis((0,), (31,), 4)
    net = Net()
    x = net.conv2d(net.input(1, (5, 3)), 1, (5, 3), padding=0, name="whole")
    vector = net.flatten(x)
    again = net.flatten(vector, name="again")
    assert field_of(net, again) == field_of(net, vector) == field_of(net, x)
    rows = Net()
    y = rows.conv2d(rows.input(1, (5, 3)), 1, (1, 3), padding=0)
    assert field_of(rows, rows.flatten(y)).vertical is None
    assert field_of(rows, rows.flatten(y, name="again")).horizontal == Axis((0,), (2,), 1)
