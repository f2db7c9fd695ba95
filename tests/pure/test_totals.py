"""Totals of every network, as counted on twins and foreign models; here they hold without torch."""

from collections import Counter
from typing import Any

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse, known_fields
from mobilenet_lab.layers import Trace

# (parameters, MACs) at the default settings, counted by fvcore on the twins
TOTALS = {
    "mobilenet_v1": (4_231_976, 568_740_352),
    "mobilenet_v1_full_conv": (29_294_088, 4_867_293_184),
    "mobilenet_v2": (3_504_872, 300_774_272),
    "mobilenet_v3_large": (5_483_032, 216_589_760),
    "mobilenet_v3_small": (2_542_856, 56_510_400),
    "mobilenet_v3_large_minimal": (3_924_288, 209_136_704),
    "mobilenet_v3_small_minimal": (2_044_736, 52_288_448),
    "mixnet_s": (4_134_606, 239_173_360),
    "mixnet_m": (5_014_382, 339_172_672),
    "mixnet_l": (7_329_252, 555_251_792),
    "mnasnet_a1": (3_887_038, 311_579_072),
    "mnasnet_b1": (4_383_312, 314_415_872),
    "efficientnet_lite0": (4_652_008, 385_187_552),
    "mobilenet_v4_conv_small": (3_774_024, 186_005_568),
    "mobilenet_v4_conv_medium": (9_715_512, 1_080_244_224),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet50_v1": (25_557_032, 3_857_973_248),
    "googlenet": (6_998_552, 1_582_671_872),
    "googlenet_torchvision": (6_624_904, 1_498_376_192),
    "shufflenet_v2": (2_278_604, 144_907_992),
    "ghostnet": (5_182_508, 141_150_512),
    "replknet_31b": (79_527_272, 15_353_525_248),
    "lenet5": (61_706, 416_520),
    "alexnet": (60_965_224, 724_406_816),
    "alexnet_one_tower": (61_100_840, 714_188_480),
    "vgg16": (138_357_544, 15_470_264_320),
    "lraspp_mobilenet_v3_large": (3_221_538, 2_086_219_688),
    "lraspp_mobilenet_v3_small": (1_077_954, 671_582_336),
    "ssdlite300_mobilenet_v2": (3_087_328, 624_911_920),
    "ssdlite320_mobilenet_v3_large": (3_440_060, 583_171_904),
    "ssdlite320_mobilenet_v3_small": (1_868_108, 195_135_424),
    "yolov4_mobilenet_v1": (12_692_029, 5_213_095_680),
    "yolov4_mobilenet_v2": (10_801_149, 4_008_344_704),
    "yolov4_mobilenet_v3": (11_729_069, 3_745_022_144),
    "yolov4_mobilenet_v1_dense": (40_952_893, 14_760_205_824),
    "yolov4_mobilenet_v2_dense": (39_062_013, 13_555_454_848),
    "yolov4_mobilenet_v3_dense": (39_989_933, 13_292_132_288),
    "yolov5n": (1_872_157, 2_234_060_800),
    "yolov5n_mobilenet_v3_large": (4_778_883, 2_968_980_576),
    "yolov5n_mobilenet_v3_stock": (4_746_115, 2_955_873_376),
}


def test_every_network_has_its_line() -> None:
    assert list(TOTALS) == list(registry.NETWORKS)


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    total = analyse(registry.trace(name)).total
    assert (total.params, total.macs) == TOTALS[name]


JOIN = ("add", "act")
LARGE, SMALL = "mobilenet_v3_large", "mobilenet_v3_small"


@pytest.mark.parametrize(
    ("name", "options", "printed"),
    [
        (LARGE, {"reduced_tail": True}, (2_569_352, 182_302_720)),  # torchvision's
        (SMALL, {"reduced_tail": True}, (1_099_672, 43_763_584)),
        (LARGE, {"dilated": True}, (5_483_032, 354_816_800)),
        (LARGE, {"width": 0.75}, (3_377_576, 140_033_816)),
        (LARGE, {"width": 0.75, "scaling": "slim"}, (3_993_528, 154_560_624)),
        (LARGE, {"width": 1.25, "scaling": "slim"}, (8_256_296, 355_925_920)),
        (LARGE, {"width": 1.25, "scaling": "slim", "hidden": 1280}, (7_551_976, 355_221_920)),
        (SMALL, {"width": 0.75, "scaling": "slim"}, (2_041_872, 43_399_344)),
        (SMALL, {"width": 1.25}, (3_644_912, 88_155_944)),
        (
            LARGE,
            {"width": 0.75, "scaling": "slim", "reduced_tail": True},
            (1_917_608, 135_352_784),
        ),
        (
            LARGE,
            {"width": 1.5, "scaling": "slim", "reduced_tail": True},
            (5_287_416, 412_721_424),
        ),
        (f"{SMALL}_minimal", {"width": 0.75}, (1_356_040, 35_993_656)),
    ],
    ids=str,
)
def test_totals_of_variants(name: str, options: dict[str, Any], printed: tuple[int, int]) -> None:
    total = analyse(registry.trace(name, **options)).total
    assert (total.params, total.macs) == printed


@pytest.mark.parametrize(
    ("name", "options", "eps", "rates", "acts"),
    [
        ("mobilenet_v2", {}, 1e-5, {0.2: 1}, {"relu6": 35}),
        (LARGE, {}, 1e-3, {0.2: 1}, {"relu": 19, "hardswish": 21, "hardsigmoid": 8}),
        (LARGE, {"eps": 1e-5}, 1e-5, {0.2: 1}, {"relu": 19, "hardswish": 21, "hardsigmoid": 8}),
        (f"{LARGE}_minimal", {}, 1e-3, {0.2: 1}, {"relu": 32}),
        ("resnet18", {}, 1e-5, {}, {"relu": 17}),
        ("resnet50", {}, 1e-5, {}, {"relu": 49}),
    ],
)
def test_what_costs_nothing(
    name: str, options: dict[str, Any], eps: float, rates: dict[float, int], acts: dict[str, int]
) -> None:
    """Batch norm's eps, dropout's rate and how often each activation stands."""
    layers = registry.trace(name, **options).layers
    assert {layer.eps for layer in layers if layer.op == "batch_norm"} == {eps}
    assert Counter(layer.rate for layer in layers if layer.op == "dropout") == rates
    counted = Counter(layer.op for layer in layers)
    assert {kind: counted[kind] for kind in counted if kind in ALL_ACTS} == acts


ALL_ACTS = ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu")


@pytest.mark.parametrize(
    ("name", "roles", "sums"),
    [
        (
            "mobilenet_v2",
            {"stem", "expand", "depthwise", "project", "add", "head", "classifier"},
            10,
        ),
        (LARGE, {"stem", "expand", "depthwise", "se", "project", "add", "head", "classifier"}, 10),
        (SMALL, {"stem", "expand", "depthwise", "se", "project", "add", "head", "classifier"}, 6),
        ("resnet18", {"stem", "pool", "first", "second", "downsample", *JOIN, "classifier"}, 8),
        (
            "resnet50",
            {"stem", "pool", "reduce", "bottleneck", "restore", "downsample", *JOIN, "classifier"},
            16,
        ),
    ],
)
def test_parts_by_their_papers_words_and_residuals(name: str, roles: set[str], sums: int) -> None:
    trace = registry.trace(name)
    assert {row.name for row in analyse(trace).by("role")} == roles
    added = [layer for layer in trace.layers if layer.op == "add"]
    assert len(added) == sums
    assert all(len(set(layer.inputs)) == 2 for layer in added)


@pytest.mark.parametrize(("name", "size"), [(LARGE, 659), (SMALL, 703)])
def test_what_a_dilated_v3_sees(name: str, size: int) -> None:
    """As measured on torchvision's networks with their gates left out."""
    trace = registry.trace(name, dilated=True)
    fields = dict(zip([layer.name for layer in trace.layers], known_fields(trace), strict=True))
    assert fields["head.conv"] is not None
    assert fields["head.conv"].size == (size, size)
    shapes = {layer.out_shape[1:] for layer in trace.layers if layer.stage == trace_tail(trace)}
    assert (14, 14) in shapes
    assert (7, 7) not in shapes


def trace_tail(trace: Trace) -> str:
    """The last of the stages."""
    return [layer.stage for layer in trace.layers if layer.stage.startswith("stage")][-1]


# Side of the receptive field of the last convolution that has one, at the default settings:
# V1, VGG-16 and AlexNet as TF-slim's endpoints, ResNet and V3 as measured on torchvision's
FIELDS = {
    "mobilenet_v1": 315,
    "mobilenet_v1_full_conv": 315,
    "mobilenet_v2": 491,
    "mobilenet_v3_large": 595,
    "mobilenet_v3_small": 639,
    "mobilenet_v3_large_minimal": 395,
    "mobilenet_v3_small_minimal": 335,
    "mixnet_s": 1339,
    "mixnet_m": 1899,
    "mixnet_l": 1899,
    "mnasnet_a1": 659,
    "mnasnet_b1": 843,
    "efficientnet_lite0": 851,
    "mobilenet_v4_conv_small": 943,
    "mobilenet_v4_conv_medium": 1871,
    "resnet18": 435,
    "resnet50": 427,
    "resnet50_v1": 483,
    "googlenet": 651,
    "googlenet_torchvision": 379,
    "shufflenet_v2": 527,
    "ghostnet": 1171,
    "replknet_31b": 9011,
    "lenet5": 32,
    "alexnet": 163,
    "alexnet_one_tower": 163,
    "vgg16": 196,
    "lraspp_mobilenet_v3_large": 675,
    "lraspp_mobilenet_v3_small": 719,
    "ssdlite300_mobilenet_v2": 1451,
    "ssdlite320_mobilenet_v3_large": 2579,
    "ssdlite320_mobilenet_v3_small": 2623,
    "yolov4_mobilenet_v1": 1243,
    "yolov4_mobilenet_v2": 1419,
    "yolov4_mobilenet_v3": 1523,
    "yolov4_mobilenet_v1_dense": 1243,
    "yolov4_mobilenet_v2_dense": 1419,
    "yolov4_mobilenet_v3_dense": 1523,
    "yolov5n": 842,
    "yolov5n_mobilenet_v3_large": 1171,
    "yolov5n_mobilenet_v3_stock": 1171,
}


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_what_the_last_convolution_sees(name: str) -> None:
    trace = registry.trace(name)
    sizes = [
        field.size
        for layer, field in zip(trace.layers, known_fields(trace), strict=True)
        if layer.op == "conv2d" and field is not None and field.size is not None
    ]
    assert sizes[-1] == (FIELDS[name], FIELDS[name])


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_an_architecture_called_without_arguments_is_the_registered_network(name: str) -> None:
    _, options, _, defaults = registry.NETWORKS[name]
    made = registry.architecture(name).trace(**defaults, **options)
    trace = registry.trace(name)
    assert (made.layers, made.outputs, made.taps) == (trace.layers, trace.outputs, trace.taps)


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("mobilenet_v2", {"C1": 112, "C2": 56, "C3": 28, "C4": 14, "C5": 7}),
        (LARGE, {"C1": 112, "C2": 56, "C3": 28, "C4": 14, "C5": 7}),
        (SMALL, {"C2": 56, "C3": 28, "C4": 14, "C5": 7}),
        ("resnet50", {"C1": 112, "C2": 56, "C3": 28, "C4": 14, "C5": 7}),
    ],
)
def test_landmarks(name: str, taps: dict[str, int]) -> None:
    """The last map of each side."""
    trace = registry.trace(name)
    assert {tap: trace.layers[index].out_shape[1] for tap, index in trace.taps.items()} == taps
