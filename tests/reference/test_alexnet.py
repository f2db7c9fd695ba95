"""AlexNet in one tower against torchvision's, and the one of 2012 against two towers by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures import alexnet, alexnet_one_tower
from mobilenet_lab.errors import LabError, VanishedError
from mobilenet_lab.layers import Pair, Trace
from mobilenet_lab.receptive_field import receptive_fields

from .foreign import copy_by_order, images
from .foreign import parameters_and_macs as counted

ONE = "alexnet_one_tower"


@torch.no_grad()
def awake(module: nn.Module) -> nn.Module:
    """`module` in eval mode, its weights so large that ReLUs do not put the signal to sleep."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.weight *= 6**0.5
    return module.eval()


@pytest.fixture(scope="module")
def torchvision_s() -> nn.Module:
    return awake(models.alexnet(weights=None))


def field_of_last_map(trace: Trace) -> tuple[int, int, int]:
    """Size, stride, padding before the first unit."""
    axis = receptive_fields(trace)[trace.taps["C5"]].vertical
    assert axis is not None
    return axis.size, int(axis.jump), -axis.lo[0]


# In one tower


def test_same_scores_with_the_same_weights(torchvision_s: nn.Module) -> None:
    ours = copy_by_order(torchvision_s, registry.build(ONE))
    for height, width in ((64, 64), (97, 65), (224, 224)):
        x = images(2, 3, height, width)
        with torch.no_grad():
            expected, got = torchvision_s(x), ours(x)
        scale = float(expected.abs().max())
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * scale)
        assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale


@pytest.mark.parametrize("resolution", [(64, 64), (97, 65), (224, 224)])
def test_same_parameters_and_macs(torchvision_s: nn.Module, resolution: Pair) -> None:
    total = analyse(registry.trace(ONE, resolution=resolution)).total
    assert (total.params, total.macs) == counted(torchvision_s, (3, *resolution))


def test_dropout_is_where_torchvision_has_it(torchvision_s: nn.Module) -> None:
    """Before the hidden layers; in the network of 2012 after them."""
    kinds = (nn.Linear, nn.Dropout, nn.ReLU)
    both = [
        [type(part) for part in module.classifier.modules() if isinstance(part, kinds)]
        for module in (torchvision_s, registry.build(ONE, width=0.01))
    ]
    assert both[0] == both[1]


def test_totals_and_field_in_one_tower() -> None:
    trace = registry.trace(ONE)
    total = analyse(trace).total
    assert (total.params, total.macs) == (61_100_840, 714_188_480)
    assert field_of_last_map(trace) == (195, 32, 66)


def test_only_256_kernels_make_the_printed_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """arXiv 1404.5997: 0.2% more parameters than in two towers; its footnote prints 384."""
    two, one = (analyse(registry.trace(name)).total for name in ("alexnet", ONE))
    assert f"{one.params / two.params - 1:.1%}" == "0.2%"
    assert f"{1 - one.macs / two.macs:.1%}" == "1.4%"
    rows = list(alexnet_one_tower.CONVOLUTIONS)
    rows[3] = rows[3]._replace(c=384)
    monkeypatch.setattr(alexnet_one_tower, "CONVOLUTIONS", rows)
    params = analyse(registry.trace(ONE)).total.params
    assert params == 61_838_248
    assert f"{params / two.params - 1:.1%}" == "1.4%"
    # TF-slim's, without padding at first: google-research/receptive_field prints 195, 32, 64, 1.38
    rows[0] = rows[0]._replace(p=0)
    slim = registry.trace(ONE)
    assert field_of_last_map(slim) == (195, 32, 64)
    convolutions = sum(row.macs for row in analyse(slim).rows if row.op == "conv2d")
    assert f"{2 * convolutions / 1e9:.2f}" == "1.38"


# Of 2012


def paper_s_norm(x: Tensor) -> Tensor:
    """Section 3.3: a / (k + alpha sum a^2)^beta; the sum over n neighbours is cut at the ends."""
    squares, maps = x**2, x.shape[1]
    sums = [squares[:, max(0, i - 2) : i + 3].sum(1) for i in range(maps)]
    return x / (2 + 1e-4 * torch.stack(sums, 1)) ** 0.75


def on_two_gpus(ours: nn.Module, x: Tensor) -> Tensor:
    """Figure 2 with the weights of our module: each half of the kernels by itself."""

    def half(layer: str, gpu: int) -> tuple[Tensor, Tensor]:
        part = ours.get_submodule(f"{layer}.conv")
        return part.weight.chunk(2)[gpu], part.bias.chunk(2)[gpu]

    def both(layer: str, maps: list[Tensor], pad: int, stride: int = 1) -> list[Tensor]:
        return [F.conv2d(maps[i], *half(layer, i), stride, pad).relu() for i in (0, 1)]

    def normed_and_pooled(maps: list[Tensor]) -> list[Tensor]:
        return list(F.max_pool2d(paper_s_norm(torch.cat(maps, 1)), 3, 2).chunk(2, 1))

    maps = normed_and_pooled(both("conv1", [x, x], 0, 4))
    maps = normed_and_pooled(both("conv2", maps, 2))
    maps = both("conv3", [torch.cat(maps, 1)] * 2, 1)
    maps = both("conv5", both("conv4", maps, 1), 1)
    y = F.max_pool2d(torch.cat(maps, 1), 3, 2).flatten(1)
    for name in ("hidden1.linear", "hidden2.linear"):
        y = ours.get_submodule(f"classifier.{name}")(y).relu()
    return ours.get_submodule("classifier.linear")(y)


@pytest.mark.parametrize("resolution", [(67, 67), (131, 75)])
def test_same_scores_as_two_towers(resolution: Pair) -> None:
    ours = awake(registry.build("alexnet", width=0.25, resolution=resolution))
    # images so bright that the norm is far from a division by 2^0.75
    x = 100 * images(2, 3, *resolution)
    with torch.no_grad():
        got, expected = ours(x), on_two_gpus(ours, x)
    scale = float(expected.abs().max())
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * scale)
    assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale


def test_the_norm_is_the_paper_s() -> None:
    x = 300 * images(2, 9, 4, 5)
    torch.testing.assert_close(nn.LocalResponseNorm(*alexnet.LRN)(x), paper_s_norm(x))
    assert not torch.allclose(nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x), paper_s_norm(x), 1e-2)


def test_totals_and_field_of_2012() -> None:
    trace = registry.trace("alexnet")
    total = analyse(trace).total
    assert (total.params, total.macs) == (60_965_224, 724_406_816)
    assert field_of_last_map(trace) == (195, 32, 64)


def test_printed_shapes() -> None:
    """Section 3.5's kernels, and the neurons of Figure 2 (whose 253,440 is a slip)."""
    trace = registry.trace("alexnet")
    layers = [layer for layer in trace.layers if layer.op in ("conv2d", "linear")]
    kernels = [
        (layer.out_shape[0], *(layer.kernel or ()), layer.in_shapes[0][0] // layer.groups)
        for layer in layers[:5]
    ]
    assert kernels == [
        (96, 11, 11, 3),
        (256, 5, 5, 48),
        (384, 3, 3, 256),
        (384, 3, 3, 192),
        (256, 3, 3, 192),
    ]
    neurons = [row.activations for row in analyse(trace).rows if row.op in ("conv2d", "linear")]
    assert neurons == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert neurons[0] == 96 * 55 * 55
    assert sum(neurons) == 659_272  # "650,000 neurons"
    # what is printed as the image's side gives no 55
    assert registry.trace("alexnet", resolution=224).layer("conv1.conv").out_shape == (96, 54, 54)


def test_the_image_must_be_67_pixels_at_least() -> None:
    assert registry.trace("alexnet", resolution=67).taps["C5"]
    with pytest.raises(VanishedError, match="the smallest resolution that works is 67x67"):
        registry.trace("alexnet", resolution=66)
    registry.build("alexnet", width=0.01, resolution=67)
    for resolution in (66, (67, 66), (1, 300)):
        with pytest.raises(LabError):
            registry.build("alexnet", width=0.01, resolution=resolution)
