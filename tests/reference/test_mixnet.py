"""MixNet against timm's: same weights, same answers; same counts; and building changes nothing.

timm's mixnet_s, m and l have PyTorch's batch norm and symmetric padding, as ours do (its tf_ ones
have TensorFlow's). Its other widths come from the functions behind the registered ones.
"""

from collections.abc import Callable

import pytest
import timm
from timm.models.efficientnet import _gen_mixnet_m, _gen_mixnet_s
from torch import nn

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.errors import UnknownNameError

from .foreign import after_training, assert_same_scores, channels, copy_by_order
from .foreign import parameters_and_macs as counted

NAMES = ("mixnet_s", "mixnet_m", "mixnet_l")
COUNTS = {
    "mixnet_s": (4_134_606, 239_173_360),
    "mixnet_m": (5_014_382, 339_172_672),
    "mixnet_l": (7_329_252, 555_251_792),
}


def of(name: str, **options: int) -> nn.Module:
    return timm.create_model(name, pretrained=False, **options)


def ours(name: str) -> tuple[int, int]:
    total = analyse(registry.trace(name)).total
    return total.params, total.macs


def signature(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(value.shape)) for key, value in module.state_dict().items()]


@pytest.mark.parametrize("name", NAMES)
def test_same_scores_with_the_same_weights(name: str) -> None:
    theirs = after_training(of(name))
    assert_same_scores(copy_by_order(theirs, registry.build(name)), theirs)


def test_same_scores_with_one_channel_and_few_classes() -> None:
    theirs = after_training(of("mixnet_s", in_chans=1, num_classes=5), in_channels=1)
    twin = registry.build("mixnet_s", in_channels=1, classes=5)
    assert_same_scores(copy_by_order(theirs, twin), theirs, in_channels=1)


@pytest.mark.parametrize(
    ("name", "width", "make"), [("mixnet_s", 0.5, _gen_mixnet_s), ("mixnet_m", 0.6, _gen_mixnet_m)]
)
def test_same_scores_at_other_widths(
    name: str, width: float, make: Callable[..., nn.Module]
) -> None:
    theirs = after_training(make(name, width))
    assert_same_scores(copy_by_order(theirs, registry.build(name, width=width)), theirs)


@pytest.mark.parametrize("name", NAMES)
def test_same_parameters_and_macs(name: str) -> None:
    assert ours(name) == COUNTS[name] == counted(of(name), (3, 224, 224))


@pytest.mark.parametrize("percent", [13, 61, 198])
def test_same_channels_at_any_width(percent: int) -> None:
    """Rounding rules differ at odd widths first; the last convolution has 1536 at all of them."""
    width = percent / 100
    theirs = {
        "mixnet_s": _gen_mixnet_s("mixnet_s", width),
        "mixnet_m": _gen_mixnet_m("mixnet_m", width),
        "mixnet_l": _gen_mixnet_m("mixnet_l", 1.3 * width),
    }
    for name, module in theirs.items():
        layers = registry.trace(name, width=width, resolution=32).layers
        convolutions = [layer for layer in layers if layer.op == "conv2d"]
        assert [layer.out_shape[0] for layer in convolutions] == channels(module)
        assert convolutions[-1].out_shape[0] == 1536


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_parts_are_split_as_theirs(width: float) -> None:
    """Five kernels are the only ones that leave a remainder, and not at width 1."""
    theirs = _gen_mixnet_s("mixnet_s", width)
    convolutions = [part for part in theirs.modules() if isinstance(part, nn.Conv2d)]
    windows = [(part.in_channels, part.groups, part.kernel_size) for part in convolutions]
    trace = registry.trace("mixnet_s", width=width, resolution=32)
    layers = [layer for layer in trace.layers if layer.op == "conv2d"]
    assert [(x.in_shapes[0][0], x.groups, x.kernel) for x in layers] == windows
    parts = [trace.layer(f"stage6.0.depthwise.conv.{i}").groups for i in range(5)]
    assert (len(set(parts)) == 1) == (width == 1.0), parts


def test_building_one_changes_no_other() -> None:
    """L, which is M's table at another width, comes between two Ms."""
    names = ("mixnet_m", "mixnet_l", "mixnet_m", "mixnet_s", "mixnet_l", "mixnet_s")
    first = {name: signature(of(name)) for name in NAMES}
    for name in names:
        built = registry.build(name)
        assert [shape for _, shape in signature(built)] == [shape for _, shape in first[name]]
        assert ours(name) == COUNTS[name]


def test_l_is_m_1_3_times_as_wide() -> None:
    assert signature(registry.build("mixnet_l")) == signature(registry.build("mixnet_m", width=1.3))


def test_the_size_is_the_network_s_own() -> None:
    with pytest.raises(UnknownNameError, match="option of mixnet_l 'size'"):
        registry.trace("mixnet_l", size="s")
    with pytest.raises(UnknownNameError, match="unknown size 'xl'"):
        registry.architecture("mixnet_s").trace(size="xl")
