"""GoogLeNet against torchvision's, as it is and rebuilt to be the paper's."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.googlenet import GoogLeNet, Inception, InceptionAux
from twins.interpreter import run

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse, as_published
from mobilenet_lab.architectures.googlenet import OPS
from mobilenet_lab.layers import Pair

from .foreign import after_training, assert_same_scores, copy_by_order, images
from .foreign import parameters_and_macs as counted

TORCHVISION = "googlenet_torchvision"


def theirs_with(auxiliary: bool = False, **options: Any) -> GoogLeNet:
    options = {"num_classes": 5, "transform_input": False, "init_weights": False} | options
    return GoogLeNet(aux_logits=auxiliary, **options)


class BiasedConv(nn.Module):
    """The paper's convolution, in the place of torchvision's with batch norm."""

    def __init__(self, c_in: int, c_out: int, **window: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, **window)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu()


class WithFive(Inception):
    """torchvision's module with the 5x5 that the paper has."""

    def __init__(self, c_in: int, *widths: int, conv_block: Any = BiasedConv) -> None:
        super().__init__(c_in, *widths, conv_block=conv_block)
        reduce, large = widths[3:5]
        self.branch3[1] = conv_block(reduce, large, kernel_size=5, padding=2)


def paper_s(auxiliary: bool = False, **options: Any) -> GoogLeNet:
    """torchvision's network with biases, 5x5, local response norms and the paper's last pool."""
    aux = partial(InceptionAux, conv_block=BiasedConv)
    module = theirs_with(auxiliary, blocks=[BiasedConv, WithFive, aux], **options)
    module.maxpool1 = nn.Sequential(module.maxpool1, nn.LocalResponseNorm(5))
    module.maxpool2 = nn.Sequential(nn.LocalResponseNorm(5), module.maxpool2)
    module.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return module


@torch.no_grad()
def outputs(module: GoogLeNet, x: Tensor) -> list[Tensor]:
    """The scores, aux1's and aux2's, also in evaluation, where torchvision leaves them out."""
    halfway: list[Tensor] = []
    for part in (module.inception4a, module.inception4d):
        part.register_forward_hook(lambda _, __, out: halfway.append(out))
    return [module(x), module.aux1(halfway[0]), module.aux2(halfway[1])]


def assert_alike(ours: Any, theirs: Any) -> None:
    assert len(ours) == len(theirs) == 3
    for mine, other in zip(ours, theirs, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4 * scale)
        assert (other[0] - other[1]).abs().max() > 1e-3 * scale


def test_same_scores_with_the_same_weights() -> None:
    theirs = after_training(theirs_with())
    assert_same_scores(copy_by_order(theirs, registry.build(TORCHVISION, classes=5)), theirs)


def test_same_scores_as_the_paper_s() -> None:
    theirs = paper_s().eval()
    assert_same_scores(copy_by_order(theirs, registry.build("googlenet", classes=5)), theirs)


@pytest.mark.parametrize("name", ["googlenet", TORCHVISION])
def test_same_auxiliary_scores(name: str) -> None:
    """Of the twin and of its trace, in the same order."""
    theirs = paper_s(True).eval() if name == "googlenet" else after_training(theirs_with(True))
    ours = copy_by_order(theirs, registry.build(name, classes=5, auxiliary=True))
    x = images(2, 3, 64, 97)
    expected = outputs(theirs, x)
    with torch.no_grad():
        assert_alike(ours(x), expected)
        trace = registry.trace(name, resolution=(64, 97), classes=5, auxiliary=True)
        assert_alike(run(trace, ours.get_submodule, x), expected)


def test_an_answer_of_the_same_form_in_training() -> None:
    module = registry.build(TORCHVISION, classes=5, auxiliary=True).train()
    assert [out.shape for out in module(images(2, 3, 64, 64))] == [(2, 5)] * 3


@pytest.mark.parametrize("name", ["googlenet", TORCHVISION])
@pytest.mark.parametrize("resolution", [(64, 64), (65, 97)])
def test_same_parameters_and_macs(name: str, resolution: Pair) -> None:
    make = paper_s if name == "googlenet" else theirs_with
    total = analyse(registry.trace(name, resolution=resolution)).total
    assert (total.params, total.macs) == counted(make(num_classes=1000), (3, *resolution))


@pytest.mark.parametrize(
    ("name", "options", "params", "macs"),
    [
        (TORCHVISION, {}, 6_624_904, 1_498_376_192),
        (TORCHVISION, {"auxiliary": True}, 13_004_888, 1_506_748_416),
        ("googlenet", {}, 6_998_552, 1_582_671_872),
        ("googlenet", {"separable_stem": True}, 6_991_856, 1_498_677_248),
    ],
)
def test_totals(name: str, options: dict[str, bool], params: int, macs: int) -> None:
    total = analyse(registry.trace(name, **options)).total
    assert (total.params, total.macs) == (params, macs)


def test_the_printed_operations_add_up_to_the_printed_budget() -> None:
    """The last column of Table 1 is about 1.5 billion, as the paper's text says."""
    assert sum(int(printed.removesuffix(" M")) for _, printed in OPS) == 1502
    rows = [row for row in registry.published("googlenet") if "Table 1, " in row.source]
    analysis = analyse(registry.trace("googlenet", separable_stem=True))
    ours = [as_published(analysis, row) for row in rows if row.quantity == "macs"]
    assert sum(ours) == analysis.total.macs
