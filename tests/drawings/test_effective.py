"""Gradients of units: an independent witness of receptive fields, and how they are drawn."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.text import Text
from networks import NAMES, fitting
from torch import nn

from drawings.layout import flaws
from mobilenet_lab import effective_fields, registry, weights
from mobilenet_lab.analysis import known_fields
from mobilenet_lab.drawings import effective_chart
from mobilenet_lab.drawings.effective_chart import effective
from mobilenet_lab.effective_fields import Effective, chosen, effective_field
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.net import Net
from mobilenet_lab.networks import trace

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def touched(found: Effective) -> list[tuple[int, int]]:
    """First and last pixel with a gradient, vertical and horizontal."""
    spans = []
    for axis in (1, 0):
        places = numpy.flatnonzero(found.gradient.any(axis))
        spans.append((int(places[0]), int(places[-1])))
    return spans


def inside(found: Effective) -> list[tuple[int, int]]:
    """What the unit's field tells, as far as it is image."""
    field = known_fields(found.unit.trace)[found.unit.layer_index]
    assert field is not None
    return [
        (max(lo, 0), min(hi, side - 1))
        for (lo, hi), side in zip(
            [axis.span(place) for axis, place in zip(field.axes, found.unit.place, strict=True)],
            found.unit.trace.input_shape[1:],
            strict=True,
        )
    ]


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("mobilenet_v1", "stage7.2.pointwise.act"),
        ("mobilenet_v2", "stage4.1.add"),
        ("mobilenet_v2", "stage5.1.depthwise.conv"),
        ("mobilenet_v4_conv_small", "stage3.1.add"),
        ("efficientnet_lite0", "stage4.1.add"),
        ("resnet18", "stage3.1.act"),
        ("googlenet", "inception3b.concat"),
        ("googlenet_torchvision", "inception4a.concat"),
        ("shufflenet_v2", "stage3.1.shuffle"),
        ("shufflenet_v2", "stage3.1.concat"),
        ("ssdlite300_mobilenet_v2", "box_heads.0.predict"),
        ("yolov5n", "neck.17_c3.merge.act"),
        ("alexnet_one_tower", "conv4.act"),
    ],
)
def test_nothing_comes_from_outside_of_the_field(name: str, layer: str) -> None:
    """Of the twin, at odd sizes: at corners, the borders and the middle."""
    made = fitting(name, {"width": 0.25, "resolution": (161, 129)})
    rows, columns = chosen(registry.trace(name, **made), layer).units
    units = [(0, 0), (rows // 2, columns - 1), (rows - 1, columns // 3), (rows // 2, columns // 2)]
    for unit in units:
        found = effective_field(name, layer=layer, unit=unit, images=1, **made)
        (top, bottom), (left, right) = inside(found)
        held = found.gradient[top : bottom + 1, left : right + 1]
        assert held.sum() == pytest.approx(1)
        assert numpy.count_nonzero(held) == numpy.count_nonzero(found.gradient)


def test_every_pixel_of_a_small_field_counts() -> None:
    """The bound is reached: fields are not told too large."""
    for name, layer in (("mobilenet_v2", "stage2.1.add"), ("resnet18", "stage2.1.act")):
        for unit in ("0,0", "7,5"):
            found = effective_field(name, layer=layer, unit=unit, images=2, resolution=97)
            assert touched(found) == inside(found)


def test_a_gate_has_seen_the_whole_image() -> None:
    found = effective_field("mobilenet_v3_small", layer="stage1.0.project.norm", images=1)
    assert found.unit.field.gated
    assert touched(found) == [(0, 223), (0, 223)]
    (top, bottom), (left, right) = inside(found)
    assert found.gradient[top : bottom + 1, left : right + 1].sum() > 0.9


def mean(shape: tuple[int, int], **window: Any) -> nn.Module:
    """A convolution of equal weights, so that its gradient is known."""
    module = nn.Sequential(nn.Conv2d(1, 1, shape, **window))
    nn.init.constant_(module[0].weight, -1.0)
    return module


def test_the_gradient_of_a_window_is_its_weights() -> None:
    found = effective_field(mean((3, 5)), input=(1, 9, 12), layer="0", unit=(2, 3), images=3)
    expected = numpy.zeros((9, 12))
    expected[2:5, 3:8] = 1 / 15
    assert found.gradient == pytest.approx(expected)
    assert found.side() == 5
    assert found.side(0.5) == 3
    assert found.within(3) == pytest.approx(9 / 15)
    assert found.within(5) == pytest.approx(1)
    assert found.weights == "its own weights"


def test_channels_do_not_cancel() -> None:
    module = nn.Sequential(nn.Conv2d(2, 1, 3))
    weight = torch.ones(1, 2, 3, 3)
    weight[:, 1] = -1
    module[0].weight = nn.Parameter(weight)
    found = effective_field(module, input=(2, 7, 7), layer="0", images=1)
    assert found.gradient[2:5, 2:5] == pytest.approx(numpy.full((3, 3), 1 / 9))


def test_a_square_around_a_centre_between_pixels() -> None:
    found = effective_field(mean((4, 4)), input=(1, 9, 9), layer="0", unit=(2, 2), images=1)
    assert [found.side(share) for share in (0.2, 0.25, 0.3, 1 - 1e-9)] == [2, 2, 4, 4]


def test_a_seed_makes_it_again_and_leaves_nothing_behind() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    asked: dict[str, Any] = {"images": 1, "resolution": 64}
    once = effective_field("mobilenet_v3_small", **asked)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    again = effective_field("mobilenet_v3_small", **asked)
    other = effective_field("mobilenet_v3_small", seed=1, **asked)
    assert (once.gradient == again.gradient).all()
    assert (once.gradient != other.gradient).any()


def test_a_module_stays_as_it_is() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.ReLU())
    state = {name: value.clone() for name, value in module.state_dict().items()}
    found = effective_field(module, input=(1, 9, 9), layer="1", images=2)
    assert touched(found) == inside(found)
    assert module.training
    assert module[1].training
    assert all(each.grad is None and each.requires_grad for each in module.parameters())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert not any(part._forward_hooks for part in module.modules())


class Shared(nn.Module):
    """One module at two places, and a sum in the open."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(self.conv(x))


def test_a_module_that_runs_twice_is_looked_at_when_it_is_meant() -> None:
    made = {layer.name: layer for layer in trace(Shared(), input=(2, 9, 9)).layers}
    second = next(name for name in made if name.endswith(":2"))
    sizes = []
    for layer in ("conv", second):
        found = effective_field(Shared(), input=(2, 9, 9), layer=layer, images=1)
        assert touched(found) == inside(found)
        sizes.append(found.unit.field.size)
    assert sizes == [(3, 3), (5, 5)]


@pytest.mark.parametrize(
    ("network", "layer", "options"),
    [
        (EXAMPLES / "small.toml", "branches.concat", {}),
        ("shufflenet_v2", "stage2.1.split.1", {"resolution": 64}),
        (f"{EXAMPLES / 'two_branches.py'}:network", "concat", {"input": (3, 32, 32)}),
    ],
)
def test_layers_that_are_no_module(network: Any, layer: str, options: dict[str, Any]) -> None:
    """A branch of a file's network, a part of a split, what a function makes of a module."""
    found = effective_field(network, layer=layer, images=1, **options)
    assert found.unit.field.gated or touched(found) == inside(found)


def test_untrained_beside_given_weights(tmp_path: Path) -> None:
    """Weights of the same seed give the same picture; others another."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        module = registry.build("mobilenet_v3_small")
    path = tmp_path / "weights.safetensors"
    weights.save_weights(module, path)
    asked: dict[str, Any] = {"images": 1, "resolution": 64, "layer": "stage2.1.add"}
    loaded = effective_field("mobilenet_v3_small", weights=path, **asked)
    first = effective_field("mobilenet_v3_small", **asked)
    assert (loaded.gradient != first.gradient).any()
    ax = effective("mobilenet_v3_small", weights=path, **asked)
    for panel, each in enumerate((first, loaded)):
        shown = drawn(ax, f"gradient {panel}").get_array()
        assert (shown == each.gradient / each.gradient.max()).all()
    said = words(ax)
    assert f"untrained, seed 0: 95% of the gradient in {first.side()}×{first.side()} px" in said
    assert f"weights of weights.safetensors: 95% of the gradient in {loaded.side()}×" in said
    assert flaws(ax.figure) == []


def drawn(ax: Axes, gid: str) -> Any:
    (found,) = ax.findobj(lambda artist: artist.get_gid() == gid)
    return found


def words(ax: Axes) -> str:
    return " ".join(" ".join(text.get_text() for text in ax.findobj(Text)).split())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenet_v2", {"resolution": 96, "theme": "dark"}),
        ("mobilenet_v3_small", {"resolution": (64, 160)}),
        ("lenet5", {"unit": "0,4"}),
        ("googlenet", {"resolution": (160, 64), "layer": "inception3a.concat", "unit": (0, 3)}),
    ],
)
def test_the_drawing(name: str, options: dict[str, Any]) -> None:
    ax = effective(name, images=1, **options)
    options.pop("theme", None)
    found = effective_field(name, images=1, **options)
    field = drawn(ax, "field 0")
    (top, bottom), (left, right) = inside(found)
    assert field.get_bbox().extents.tolist() == [left - 0.5, top - 0.5, right + 0.5, bottom + 0.5]
    square, side = drawn(ax, "square 0"), found.side()
    assert (square.get_width(), square.get_height()) == (side, side)
    assert found.within(side) >= 0.95
    assert found.within(side - 2) < 0.95
    height, width = found.unit.image
    assert drawn(ax, "gradient 0").get_extent() == [-0.5, width - 0.5, height - 0.5, -0.5]
    assert drawn(ax, "gradient 0").get_array().max() == 1
    said, size = words(ax), "×".join(map(str, found.unit.field.size))
    assert f"theoretical field, {size} px" in said
    assert f"95% of the gradient in {side}×{side} px" in said
    assert f"95% of the gradient in {side}×{side} px" in ax.figure.alt
    assert "over 1 inputs of normal noise" in said
    assert flaws(ax.figure) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_network_is_drawn_without_running_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout, with a gradient that fades towards the border of the field, twice as if measured.

    That real ones lie where they should is tested above, on a few.
    """

    def faded(network: str, weights: Any = None, **asked: Any) -> Effective:
        unit = chosen(trace(network))
        (top, bottom), (left, right) = unit.clipped
        gradient = numpy.zeros(unit.image)
        rows, columns = numpy.indices((bottom - top + 1, right - left + 1))
        middle = (bottom - top) / 2, (right - left) / 2
        gradient[top : bottom + 1, left : right + 1] = numpy.exp(
            -((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / 200
        )
        gradient /= gradient.sum()
        told = "weights of a_file_of_some_length.safetensors" if weights else "untrained, seed 0"
        return Effective(unit, gradient, 16, 0, told)

    monkeypatch.setattr(effective_chart, "effective_field", faded)
    assert flaws(effective(name, weights="given").figure) == []


def dead() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    nn.init.zeros_(module[0].weight)
    return module


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("lenet5", {"images": 0}, "images is a whole number from 1 to 10,000, not 0"),
        ("lenet5", {"images": True}, "images is a whole number"),
        ("lenet5", {"seed": -1}, "seed is a whole number"),
        ("mobilenet_v2", {"layer": "classifier.linear"}, "its field has no limit"),
        ("lenet5", {"weights": "no.pt"}, "cannot read no.pt"),
        ("lenet5", {"layer": "s4.poool"}, "unknown layer 's4.poool': did you mean s4.pool"),
        (EXAMPLES / "signal.toml", {}, "is drawn on one image"),
        (dead(), {"input": (1, 9, 9)}, "no gradient comes through"),
    ],
)
def test_what_cannot_be_measured(network: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError) as error:
        effective(network, **options)
    assert message in str(error.value)


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match="an effective receptive field needs torch"):
        effective("lenet5")


def test_a_network_of_one_input_only() -> None:
    net = Net()
    made = net.trace(net.add(net.input(3, 9), net.tensor((3, 9, 9), name="other")))
    with pytest.raises(LabError, match="is drawn on one image"):
        effective_fields.effective_field(made)
