"""VGG against torchvision's: same weights, same answers; same counts in every column of Table 1."""

import pytest
import torch
from torch import nn
from torchvision import models
from twins.interpreter import run

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import vgg, vgg_torch
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.layers import Pair
from mobilenet_lab.receptive_field import receptive_fields

from .foreign import assert_same_scores, channels, copy_by_order, images
from .foreign import parameters_and_macs as counted


@pytest.fixture(scope="module")
@torch.no_grad()
def torchvision_s() -> nn.Module:
    """Its weights are so large that sixteen ReLUs do not put the signal to sleep."""
    module = models.vgg16(weights=None, init_weights=False)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.weight *= 6**0.5
    return module.eval()


def test_same_scores_with_the_same_weights(torchvision_s: nn.Module) -> None:
    assert_same_scores(copy_by_order(torchvision_s, registry.build("vgg16")), torchvision_s)


@pytest.mark.parametrize("resolution", [(64, 64), (97, 65)])
def test_same_parameters_and_macs(torchvision_s: nn.Module, resolution: Pair) -> None:
    total = analyse(registry.trace("vgg16", resolution=resolution)).total
    assert (total.params, total.macs) == counted(torchvision_s, (3, *resolution))


@pytest.mark.parametrize(
    ("configuration", "millions", "params", "macs"),
    [
        ("A", 133, 132_863_336, 7_609_090_048),
        ("A-LRN", 133, 132_863_336, 7_609_090_048),
        ("B", 133, 133_047_848, 11_308_466_176),
        ("C", 134, 133_638_952, 11_770_888_192),
        ("D", 138, 138_357_544, 15_470_264_320),
        ("E", 144, 143_667_240, 19_632_062_464),
    ],
)
def test_every_column_of_the_table(
    configuration: str, millions: int, params: int, macs: int
) -> None:
    """Table 2 prints the millions of parameters."""
    trace = vgg.trace(configuration=configuration)
    total = analyse(trace).total
    assert (total.params, total.macs) == (params, macs)
    assert round(params / 1e6) == millions
    with torch.device("meta"):
        twin = vgg_torch.build(configuration=configuration)
    assert sum(map(torch.numel, twin.parameters())) == params


@pytest.mark.parametrize(
    ("configuration", "theirs", "billions"),
    [
        ("A", models.VGG11_Weights, "7.609"),
        ("B", models.VGG13_Weights, "11.308"),
        ("D", models.VGG16_Weights, "15.47"),
        ("E", models.VGG19_Weights, "19.632"),
    ],
)
def test_columns_that_torchvision_has(configuration: str, theirs: object, billions: str) -> None:
    """Layer by layer, and what it prints of its weights."""
    name = theirs.__name__.partition("_")[0].lower()
    with torch.device("meta"):
        module = getattr(models, name)(weights=None, init_weights=False)
        twin = vgg_torch.build(configuration=configuration)
    trace = vgg.trace(configuration=configuration)
    ours = [layer.out_shape[0] for layer in trace.layers if layer.op == "conv2d"]
    assert ours == channels(module) == channels(twin)
    shapes = [
        [tuple(parameter.shape) for parameter in each.parameters()] for each in (module, twin)
    ]
    assert shapes[0] == shapes[1]
    meta = theirs.IMAGENET1K_V1.meta
    total = analyse(trace).total
    assert (total.params, f"{meta['_ops']}") == (meta["num_params"], billions)
    assert round(total.macs / 1e9, 3) == meta["_ops"]


@pytest.mark.parametrize("configuration", vgg.TABLE_1)
def test_the_trace_of_each_column_runs_as_the_twin_does(configuration: str) -> None:
    settings = {"width": 0.1, "classes": 5, "configuration": configuration}
    trace = vgg.trace(resolution=(65, 97), **settings)
    module = vgg_torch.build(**settings).eval()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                part.weight *= 6**0.5
        x = 100 * images(2, 3, 65, 97)
        (ours,), theirs = run(trace, module.get_submodule, x), module(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    assert (theirs[0] - theirs[1]).abs().max() > 1e-2 * theirs.std()


def test_an_unknown_column_is_refused() -> None:
    for make in (vgg.trace, vgg_torch.build):
        with pytest.raises(UnknownNameError, match="unknown configuration 'F'"):
            make(configuration="F")


def test_fields() -> None:
    """212, 32 and 90 at pool5 (google-research/receptive_field), at any resolution."""
    for resolution in (224, (33, 300)):
        trace = registry.trace("vgg16", resolution=resolution)
        fields = receptive_fields(trace)
        axis = fields[trace.taps["C5"]].vertical
        assert axis is not None
        assert (axis.size, axis.jump, -axis.lo[0]) == (212, 32, 90)
        steps = [fields[index].vertical.jump for index in trace.taps.values()]
        assert steps == [2, 4, 8, 16, 32]


def test_two_3x3_see_as_much_as_one_5x5_and_three_as_one_7x7() -> None:
    """Section 2.3, with the weights of three: 27 C^2 against 49 C^2."""
    trace = registry.trace("vgg16")
    sizes = {
        layer.name: field.size
        for layer, field in zip(trace.layers, receptive_fields(trace), strict=True)
    }
    assert sizes["stage1.conv2.conv"] == (5, 5)
    jump = 4
    before, after = sizes["stage2.pool"], sizes["stage3.conv3.conv"]
    assert after[0] - before[0] == (7 - 1) * jump


def test_what_others_counted() -> None:
    """The ResNet paper: 15.3 and 19.6 billion, the first without the fully connected layers."""
    sums = []
    for configuration in ("D", "E"):
        analysis = analyse(vgg.trace(configuration=configuration))
        everything = analysis.total.macs
        convolutions = sum(row.macs for row in analysis.rows if row.op == "conv2d")
        sums.append((f"{convolutions / 1e9:.1f}", f"{everything / 1e9:.1f}"))
    assert sums == [("15.3", "15.5"), ("19.5", "19.6")]


def test_the_flops_that_the_field_s_table_prints() -> None:
    """google-research/receptive_field: 30.71 G up to pool5, 2 for each MAC and 1 for a bias."""
    rows = [row for row in analyse(registry.trace("vgg16")).rows if row.op == "conv2d"]
    assert f"{sum(2 * row.macs + row.activations for row in rows) / 1e9:.2f}" == "30.71"
