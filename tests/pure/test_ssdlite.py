"""SSDLite's totals, maps and default boxes, and what the papers' counters counted."""

from math import prod, sqrt
from typing import Any

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import ssdlite
from mobilenet_lab.detection.priors import Prior
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Trace

V2, V3 = "ssdlite300_mobilenet_v2", "ssdlite320_mobilenet_v3_large"
HEADS = "class_heads", "box_heads"


@pytest.mark.parametrize(
    ("name", "settings", "params", "macs"),
    [
        (V2, {"classes": 21}, 3_388_228, 660_828_976),
        (V2, {"classes": 21, "resolution": 320}, 3_388_228, 712_689_984),
        (V2, {"classes": 91, "resolution": 320}, 4_627_228, 870_018_624),
        (V3, {}, 3_440_060, 583_171_904),
    ],
)
def test_totals(name: str, settings: dict[str, Any], params: int, macs: int) -> None:
    total = analyse(registry.trace(name, **settings)).total
    assert (total.params, total.macs) == (params, macs)


def outputs(trace: Trace) -> list[tuple[int, ...]]:
    return [trace.layers[index].out_shape for index in trace.outputs]


def taps(trace: Trace) -> list[tuple[int, ...]]:
    return [trace.layers[trace.taps[f"map{number}"]].out_shape for number in range(1, 7)]


def test_the_maps_of_300() -> None:
    trace = registry.trace(V2)
    channels, sides = (576, 1280, 512, 256, 256, 64), (19, 10, 5, 3, 2, 1)
    assert taps(trace) == [(c, side, side) for c, side in zip(channels, sides, strict=True)]
    assert trace.layers[trace.taps["map1"]].name == "backbone.stage6.0.expand.act"
    assert outputs(trace) == 2 * [(24, side, side) for side in sides]
    scores = outputs(registry.trace(V2, classes=21, resolution=(150, 300)))
    assert scores[:6] == [
        (126, rows, side) for rows, side in zip((10, 5, 3, 2, 1, 1), sides, strict=True)
    ]
    assert scores[6:] == [(24, *shape[1:]) for shape in scores[:6]]


def test_only_the_last_head_of_pytorch_ssd_is_plain() -> None:
    names = {layer.name for layer in registry.trace(V2).layers}
    for head in HEADS:
        assert [f"{head}.{i}.depthwise.conv" in names for i in range(6)] == [True] * 5 + [False]
    biases = {
        layer.name
        for layer in registry.trace(V2).layers
        if layer.op == "conv2d" and layer.bias and not layer.name.endswith("predict")
    }
    assert biases == {f"{head}.{i}.depthwise.conv" for head in HEADS for i in range(5)}


def test_activations_and_norms_of_pytorch_ssd() -> None:
    """Extra layers are V2's blocks, with a linear end; the heads take ReLU."""
    layers = [layer for layer in registry.trace(V2).layers if layer.stage[:8] != "backbone"]
    assert {layer.name: layer.op for layer in layers if layer.op.startswith("relu")} == {
        **{f"extras.{i}.{part}.act": "relu6" for i in range(4) for part in ("reduce", "depthwise")},
        **{f"{head}.{i}.depthwise.act": "relu" for head in HEADS for i in range(5)},
    }
    assert {layer.eps for layer in layers if layer.op == "batch_norm"} == {1e-5}


def test_a_network_has_its_own_defaults() -> None:
    first, second = registry.trace(V2), registry.trace(V3)
    assert first.input_shape == (3, 300, 300)
    assert first.settings["classes"] == 4
    assert second.input_shape == (3, 320, 320)
    assert second.settings["classes"] == 91
    assert registry.trace(V3, classes=5, resolution=64).settings["classes"] == 5


@pytest.mark.parametrize("option", ["backbone", "size", "reduced_tail"])
def test_what_makes_the_network_cannot_be_given(option: str) -> None:
    with pytest.raises(UnknownNameError, match=f"option of {V2} '{option}'"):
        registry.trace(V2, **{option: "large"})


def test_names_that_there_are_not() -> None:
    with pytest.raises(UnknownNameError, match="style 'tensorflo': did you mean tensorflow"):
        registry.trace(V2, style="tensorflo")
    with pytest.raises(UnknownNameError, match="backbone 'mobilenet_v1'"):
        ssdlite.trace(backbone="mobilenet_v1")
    with pytest.raises(UnknownNameError, match="size 'medium'"):
        ssdlite.trace(backbone="mobilenet_v3", size="medium")


# Default boxes


def sizes(priors: list[Prior]) -> list[tuple[float, float]]:
    return [(prior.width, prior.height) for prior in priors]


def test_the_boxes_of_300() -> None:
    priors = ssdlite.priors(registry.trace(V2))
    assert len(priors) == 3_000 == 6 * (19**2 + 10**2 + 5**2 + 3**2 + 2**2 + 1)
    assert priors[0] == Prior(8, 8, pytest.approx(60), pytest.approx(60))
    between = sqrt(60 * 105)
    lying, standing = (60 * sqrt(2), 60 / sqrt(2)), (60 * sqrt(3), 60 / sqrt(3))
    expected = [(60, 60), (between, between), lying, lying[::-1], standing, standing[::-1]]
    assert [pytest.approx(size) for size in sizes(priors[:6])] == expected
    starts = [0, 2166, 2766, 2916, 2970, 2994]
    assert [priors[start].width for start in starts] == [
        pytest.approx(size) for size in (60, 105, 150, 195, 240, 285)
    ]
    assert [priors[start].x for start in starts] == [8, 16, 32, 50, 75, 150]
    assert sizes(priors[-5:-4]) == [(300, 300)]  # sqrt(285 * 330), cut
    second = priors[starts[1] : starts[2]]
    assert [prior.x for prior in second[:60:6]] == [*range(16, 300, 32), 300]  # 304, cut
    assert second[-1].y == 300


@pytest.mark.parametrize("name", [V2, V3])
def test_at_other_sizes_positions_are_spread_evenly(name: str) -> None:
    priors = ssdlite.priors(registry.trace(name, resolution=(160, 320)))
    assert len(priors) == 6 * (10 * 20 + 5 * 10 + 3 * 5 + 2 * 3 + 1 * 2 + 1 * 1)
    assert (priors[0].x, priors[0].y) == (8, 8)
    assert (priors[6 * 20].x, priors[6 * 20].y) == (8, 24)
    assert (priors[-1].x, priors[-1].y) == (160, 80)
    assert sizes(priors[:1]) == [(pytest.approx(64), pytest.approx(32))]


def test_three_boxes_on_the_finest_map_of_tensorflow() -> None:
    trace = registry.trace(V3, style="tensorflow")
    priors = ssdlite.priors(trace)
    assert len(priors) == 3 * 400 + 6 * (100 + 25 + 9 + 4 + 1)
    assert outputs(trace)[0] == (3 * 91, 20, 20)
    assert outputs(trace)[6] == (3 * 4, 20, 20)
    lying = (64 * sqrt(2), 64 / sqrt(2))
    expected = [(32, 32), lying, lying[::-1]]
    assert [pytest.approx(size) for size in sizes(priors[:3])] == expected
    assert sizes(priors[1200:1201]) == [(pytest.approx(0.35 * 320),) * 2]
    assert [prior.x for prior in priors[:60:3]] == [8 + 16 * i for i in range(20)]


@pytest.mark.parametrize("name", [V2, V3])
@pytest.mark.parametrize("style", ssdlite.STYLES)
@pytest.mark.parametrize("resolution", [300, (97, 161)])
def test_as_many_boxes_as_predictions(name: str, style: str, resolution: Any) -> None:
    trace = registry.trace(name, style=style, resolution=resolution, classes=3, width=0.35)
    shapes = outputs(trace)
    count = len(ssdlite.priors(trace))
    assert sum(prod(shape) for shape in shapes[:6]) == 3 * count
    assert sum(prod(shape) for shape in shapes[6:]) == 4 * count


def test_a_width_that_leaves_nothing_to_widen() -> None:
    """The finest map is then what the last stage sees."""
    trace = registry.trace(V3, width=1e-9, resolution=64)
    assert trace.taps["map1"] == trace.taps["C4"]


# How the papers' counters counted, where it is more than products (the notes of PUBLISHED)


def flops(trace: Trace, per_norm: int) -> int:
    """Two for each product, and so many for each value that a batch norm or a bias changes."""
    norms = sum(prod(layer.out_shape) for layer in trace.layers if layer.op == "batch_norm")
    biases = sum(
        prod(layer.out_shape) for layer in trace.layers if layer.op == "conv2d" if layer.bias
    )
    # squeeze-and-excitation's biases are of single values: no rounding sees them
    return 2 * analyse(trace).total.macs + per_norm * norms + biases


def test_tensorflow_adds_a_folded_batch_norm() -> None:
    """1.02 B FLOPs in ssdlite_mobilenet_v3_large_320x320_coco.config; 0.62 B in Table 6."""
    reduced = registry.trace(V3, style="tensorflow")
    whole = registry.trace(V3, style="tensorflow", reduced_tail=False)
    assert (flops(reduced, 1), round(flops(reduced, 1) / 1e9, 2)) == (1_022_760_822, 1.02)
    assert flops(whole, 1) / 2 == 618_140_211
    assert round(2 * analyse(reduced).total.macs / 1e9, 2) == 1.01


def test_openvino_multiplies_and_adds_in_a_batch_norm() -> None:
    """1.525 GFLOPs in the Open Model Zoo's page of ssdlite_mobilenet_v2, at 300."""
    trace = registry.trace(V2, style="tensorflow", classes=91)
    assert round(flops(trace, 2) / 1e9, 3) == 1.525


def test_the_dense_head_of_v2_s_paper_is_counted_in_products() -> None:
    """14.8 M and 1.25 B in Table 5, beside the separable 2.1 M and 0.35 B, which is twice ours."""
    maps = [(576, 20), (1280, 10), (512, 5), (256, 3), (256, 2), (128, 1)]
    extras = [(512, 256), (256, 128), (256, 128), (128, 64)]
    params = macs = 0
    for (c_in, side), (c, smaller), hidden in zip(
        maps[1:-1], maps[2:], (each[1] for each in extras), strict=True
    ):
        params += (c_in + 2) * hidden + (9 * hidden + 2) * c
        macs += c_in * hidden * side**2 + 9 * hidden * c * smaller**2
    for number, (c, side) in enumerate(maps):
        predictions = (6 if number else 3) * (81 + 4)
        params += (9 * c + 1) * predictions
        macs += 9 * c * predictions * side**2
    assert round(params / 1e6, 1) == 14.8
    assert 1.25e9 < macs < 1.26e9
    ours = analyse(registry.trace(V2, style="tensorflow", classes=81, resolution=320))
    heads = sum(row.macs for row in ours.rows if row.stage not in ssdlite.BACKBONE)
    assert heads == 177_617_344
    assert int(2 * heads / 1e7) == 35
