"""RepLKNet: its known totals, and the two forms of one network against each other.

timm has no RepLKNet, but its FastViT borrows the large kernel with the small one beside it.
"""

import pytest
import torch
import torch.nn.functional as F
from timm.models.fastvit import ReparamLargeKernelConv
from torch import Tensor, nn

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.architectures.replknet_torch import MergedKernel, ParallelKernels
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.receptive_field import receptive_fields

from .foreign import after_training, assert_same_scores, copy_by_order, images
from .foreign import parameters_and_macs as counted

NAME = "replknet_31b"


def folded(branch: nn.Module) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution that does what this one and its batch norm do."""
    norm = branch.get_submodule("norm")
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return branch.conv.weight * gain[:, None, None, None], norm.bias - gain * norm.running_mean


@torch.no_grad()
def merge(trained: ParallelKernels, merged: MergedKernel) -> None:
    """Adds the small kernel to the middle of the large one."""
    kernel, bias = folded(trained.large)
    if trained.small is not None:
        small, shift = folded(trained.small)
        border = (kernel.shape[-1] - small.shape[-1]) // 2
        kernel, bias = kernel + F.pad(small, [border] * 4), bias + shift
    merged.conv.weight.copy_(kernel)
    merged.conv.bias.copy_(bias)


def merge_all(trained: nn.Module, merged: nn.Module) -> nn.Module:
    """`merged` in eval mode with what `trained` has learned."""
    tensors = trained.state_dict()
    ours = merged.state_dict()
    merged.load_state_dict({name: tensors.get(name, ours[name]) for name in ours})
    for path, part in trained.named_modules():
        if isinstance(part, ParallelKernels):
            merge(part, merged.get_submodule(path))
    return merged.eval()


@pytest.mark.parametrize(
    ("width", "kernels"), [(0.25, "31-29-27-13"), (0.25, "7-7-7-7"), (0.5, "3-3-3-3")]
)
def test_merged_kernels_give_the_scores_of_the_trained_form(width: float, kernels: str) -> None:
    options = {"width": width, "kernels": kernels, "classes": 10}
    trained = after_training(registry.build(NAME, merged=False, **options))
    merged = merge_all(trained, registry.build(NAME, **options))
    assert_same_scores(merged, trained)


def test_and_so_at_width_1() -> None:
    trained = after_training(registry.build(NAME, merged=False))
    assert_same_scores(merge_all(trained, registry.build(NAME)), trained)


@pytest.mark.parametrize("kernel", [7, 13, 31])
def test_timm_s_large_kernel_is_ours(kernel: int) -> None:
    theirs = ReparamLargeKernelConv(8, 8, kernel, 1, 1, small_kernel=5, act_layer=nn.ReLU)
    after_training(nn.Sequential(nn.Conv2d(3, 8, 1), theirs))
    x = images(2, 8, 20, 33)
    ours = copy_by_order(theirs, ParallelKernels(8, kernel))
    with torch.no_grad():
        expected = theirs(x)
        torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-4)
        theirs.reparameterize()
        merged = copy_by_order(theirs, MergedKernel(8, kernel))
        torch.testing.assert_close(merged(x), theirs(x), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(merged(x), expected, rtol=1e-4, atol=1e-4)
    assert 0 < float((expected > 0).float().mean()) < 1


@pytest.mark.parametrize(
    ("width", "merged", "params", "macs"),
    [
        (1.0, True, 79_527_272, 15_353_525_248),
        (1.0, False, 79_864_168, 15_431_298_048),
        (1.5, True, 172_165_672, 32_664_079_872),
        (1.5, False, 172_671_016, 32_780_739_072),
    ],
)
def test_the_networks_have_these_numbers(
    width: float, merged: bool, params: int, macs: int
) -> None:
    total = analyse(registry.trace(NAME, width=width, merged=merged)).total
    assert (total.params, total.macs) == (params, macs)


@pytest.mark.parametrize("merged", [True, False])
def test_the_twin_has_them_too(merged: bool) -> None:
    total = analyse(registry.trace(NAME, resolution=(64, 97), merged=merged)).total
    module = registry.build(NAME, merged=merged)
    assert (total.params, total.macs) == counted(module, (3, 64, 97))


def test_a_kernel_s_share_is_small() -> None:
    """From 3x3 to 31x31: what the depthwise convolutions grow by, and nothing else."""
    small, large = (
        analyse(registry.trace(NAME, kernels=each)) for each in ("3-3-3-3", "31-29-27-13")
    )
    stages = [(2, 128, 31, 56), (2, 256, 29, 28), (18, 512, 27, 14), (2, 1024, 13, 7)]
    weights = [(b * c * (k * k - 9), side) for b, c, k, side in stages]
    assert large.total.params - small.total.params == sum(more for more, _ in weights)
    macs = sum(more * side * side for more, side in weights)
    assert large.total.macs - small.total.macs == macs
    assert macs / small.total.macs < 0.19


def test_training_costs_a_5x5_and_its_norms_more() -> None:
    merged, trained = (analyse(registry.trace(NAME, merged=each)) for each in (True, False))
    channels = 2 * 128 + 2 * 256 + 18 * 512 + 2 * 1024
    # 25 weights, two norms of two vectors for one bias
    assert trained.total.params - merged.total.params == channels * (25 + 4 - 1)


def test_no_5x5_stands_beside_a_3x3() -> None:
    merged, trained = (
        registry.trace(NAME, kernels="3-3-3-3", merged=each) for each in (True, False)
    )
    assert analyse(merged).total.macs == analyse(trained).total.macs
    assert not [layer for layer in trained.layers if ".small." in layer.name]


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize(
    ("kernels", "sizes"),
    [
        # by hand: 11 after the stem, and in each stage (k - 1) x stride for each large kernel;
        # a transition adds twice the stride before it
        ("31-29-27-13", (11 + 240, 259 + 448, 723 + 7488, 8243 + 768)),
        ("3-3-3-3", (11 + 16, 35 + 32, 83 + 576, 691 + 128)),
    ],
)
def test_receptive_fields(kernels: str, sizes: tuple[int, ...], merged: bool) -> None:
    trace = registry.trace(NAME, kernels=kernels, merged=merged)
    fields = receptive_fields(trace)
    found = [fields[trace.taps[tap]].size for tap in ("C2", "C3", "C4", "C5")]
    assert found == [(size, size) for size in sizes]


def test_unknown_kernels() -> None:
    for make in (registry.trace, registry.build):
        with pytest.raises(UnknownNameError, match="unknown kernels '31-29-27-12': did you mean"):
            make(NAME, kernels="31-29-27-12")
