"""YOLOv4 on MobileNets: printed totals, and the cost of dense 3x3 convolutions in closed form."""

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

BACKBONES = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3")


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("mobilenet_v1", 12_692_029, 5_213_095_680),
        ("mobilenet_v2", 10_801_149, 4_008_344_704),
        ("mobilenet_v3", 11_729_069, 3_745_022_144),
        ("mobilenet_v1_dense", 40_952_893, 14_760_205_824),
        ("mobilenet_v2_dense", 39_062_013, 13_555_454_848),
        ("mobilenet_v3_dense", 39_989_933, 13_292_132_288),
    ],
)
def test_parameters_are_those_that_torchsummary_printed(name: str, params: int, macs: int) -> None:
    """The MACs are ours."""
    total = analyse(registry.trace(f"yolov4_{name}")).total
    assert (total.params, total.macs) == (params, macs)


NECK_AND_HEADS = (
    # input and output channels of a 3x3, and the side of the map that it gives at 416
    *[(512, 1024, 13)] * 2,  # around SPP
    *[(256, 512, 26)] * 2,  # on the way down
    *[(128, 256, 52)] * 2,
    (128, 256, 26),  # halving
    *[(256, 512, 26)] * 2,  # on the way up
    (256, 512, 13),
    *[(512, 1024, 13)] * 2,
    (128, 256, 52),  # heads
    (256, 512, 26),
    (512, 1024, 13),
)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_dense_convolutions_cost(backbone: str) -> None:
    """Dense 9cd + 2d parameters; separable 9c + 2c for the depthwise, cd + 2d for the pointwise.

    What they look at is the input; at stride 2 both halves run on the smaller map.
    """
    separable, dense = (
        analyse(registry.trace(f"yolov4_{backbone}{end}")).total for end in ("", "_dense")
    )
    more = sum(8 * c * d - 11 * c for c, d, _ in NECK_AND_HEADS)
    assert dense.params - separable.params == more == 28_260_864
    more = sum((8 * c * d - 9 * c) * side**2 for c, d, side in NECK_AND_HEADS)
    assert dense.macs - separable.macs == more == 9_547_110_144


@pytest.mark.parametrize("end", ["", "_dense"])
def test_only_backbone_and_laterals_tell_the_networks_apart(end: str) -> None:
    """SPP's first 1x1 and the two lateral ones read the backbone's channels."""
    channels = {
        "mobilenet_v1": (256, 512, 1024),
        "mobilenet_v2": (32, 96, 320),
        "mobilenet_v3": (40, 112, 160),
    }
    necks = set()
    for backbone, (c3, c4, c5) in channels.items():
        analysis = analyse(registry.trace(f"yolov4_{backbone}{end}"))
        neck = sum(row.params for row in analysis.rows if not row.stage.startswith("backbone"))
        necks.add(neck - c3 * 128 - c4 * 256 - c5 * 512)
    assert len(necks) == 1


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_backbone_is_the_classifier_s(backbone: str) -> None:
    """Without the last 1x1; MobileNetV1's activations are ReLU6 here."""
    names = {"mobilenet_v3": "mobilenet_v3_large"}
    theirs = {
        layer.name: layer for layer in registry.trace(names.get(backbone, backbone)).layers[1:]
    }
    trace = registry.trace(f"yolov4_{backbone}", resolution=224)
    ours = {
        layer.name.removeprefix("backbone."): layer
        for layer in trace.layers
        if layer.stage.startswith("backbone")
    }
    assert ours
    assert theirs.keys() - ours.keys() == {
        name for name in theirs if name.startswith(("head.", "classifier."))
    }
    for name, layer in ours.items():
        op = "relu" if backbone == "mobilenet_v1" and layer.op == "relu6" else layer.op
        assert (op, *layer[2:5]) == (theirs[name].op, *theirs[name][2:5])
