"""Networks by name, and what a wrong option is told."""

import math
import sys
from itertools import product
from types import ModuleType

import pytest
from networks import NAMES, SPINE, fitting, options

from mobilenet_lab import registry
from mobilenet_lab.errors import LabError, ShapeError, UnknownNameError, VanishedError
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.registry import Entry
from mobilenet_lab.sources import Paper

SCALED = [name for name in NAMES if "width" in options(name)]


def assert_answers(trace: Trace, classes: int) -> None:
    """What comes out has the form that the network's task asks for."""
    shapes = [trace.layers[index].out_shape for index in trace.outputs]
    match registry.task(trace.name):
        case "classification":
            assert shapes == [(classes,)]
        case "segmentation":
            assert shapes == [(classes, *trace.input_shape[1:])]
        case "detection":
            assert len(shapes) > 1
            assert {len(shape) for shape in shapes} == {3}


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_traced_with_its_defaults(name: str) -> None:
    trace = registry.trace(name)
    assert trace.name == name
    assert trace.input_shape[1:] == trace.settings["resolution"]
    assert trace.input_shape[0] == trace.settings["in_channels"]
    assert_answers(trace, trace.settings["classes"])
    assert registry.paper(name).year in range(1998, 2030)
    assert registry.published(name)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean mobilenet_v2"):
        registry.trace("mobilnet_v2")
    with pytest.raises(UnknownNameError, match="`mobilenet-lab list` shows them all"):
        registry.trace("xyz")


def test_a_network_of_one_width_has_no_such_option() -> None:
    for name in set(NAMES) - set(SCALED):
        with pytest.raises(UnknownNameError, match=f"option of {name} 'width'"):
            registry.trace(name, width=0.5)


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize(
    "width", [0, -1, -0.5, math.nan, math.inf, -math.inf, True, False, "wide", None, "nan", [1.0]]
)
def test_a_width_that_is_no_positive_number_is_refused(name: str, width: object) -> None:
    with pytest.raises(LabError, match="width must be a positive number"):
        registry.trace(name, width=width)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["classes", "in_channels", "resolution"])
@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, True, None, math.nan])
def test_a_count_that_is_no_whole_number_is_refused(name: str, option: str, value: object) -> None:
    with pytest.raises(LabError, match=f"{option} must be a whole number from 1"):
        registry.trace(name, **{option: value})


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (192, (192, 192)),
        ("192", (192, 192)),
        ("192x256", (192, 256)),
        ("192X256", (192, 256)),
        ("192×256", (192, 256)),
        ((192, 256), (192, 256)),
        ([192, 256], (192, 256)),
        ((1, 1), (1, 1)),
    ],
)
def test_forms_of_a_resolution(given: object, taken: tuple[int, int]) -> None:
    trace = registry.trace("mobilenet_v2", resolution=given)
    assert trace.input_shape == (3, *taken)
    assert trace.settings["resolution"] == taken


@pytest.mark.parametrize(
    "given",
    [
        *("", "x", "224x", "x224", "1x2x3", "224.0", "big", "0", "-224", "0x224"),
        *((224,), (1, 2, 3), (), (224, 0), (224.0, 224), ("224", "224"), {224: 224}),
    ],
)
def test_a_resolution_of_no_use_is_refused(given: object) -> None:
    with pytest.raises(LabError, match="resolution"):
        registry.trace("mobilenet_v2", resolution=given)


def test_an_unknown_option_offers_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match=r"option of mobilenet_v2 'widht': did you mean wid"):
        registry.trace("mobilenet_v2", widht=1)
    with pytest.raises(UnknownNameError, match="option of mobilenet_v2 'alpha': known: width, res"):
        registry.trace("mobilenet_v2", alpha=1)


def test_an_option_that_makes_the_network_what_it_is_cannot_be_given() -> None:
    with pytest.raises(UnknownNameError, match="option of mobilenet_v1_full_conv 'separable_bl"):
        registry.trace("mobilenet_v1_full_conv", separable_blocks=True)


@pytest.mark.parametrize("name", NAMES)
def test_options_reach_the_network(name: str) -> None:
    settings = {"width": 0.5, "resolution": (64, 96), "classes": 7, "in_channels": 1}
    settings = fitting(name, settings)
    trace = registry.trace(name, **settings)
    assert trace.input_shape == (1, *settings["resolution"])
    assert_answers(trace, 7)
    assert trace.settings == settings
    if name in SPINE:
        assert trace.layers[1].out_shape == (16, 32, 48)


@pytest.mark.parametrize("name", SPINE)
def test_one_pixel_is_enough_for_a_padded_network(name: str) -> None:
    """Every window is padded, so nothing vanishes; a width near nothing leaves 8 channels."""
    trace = registry.trace(name, width=1e-9, resolution=1, classes=1)
    assert {layer.out_shape[1:] for layer in trace.layers} == {(1, 1), ()}
    assert trace.layers[1].out_shape == (8, 1, 1)


# Resolutions at which a map vanishes


def register(monkeypatch: pytest.MonkeyPatch, trace: object) -> None:
    """Makes `trace` the network "tiny"."""
    module = ModuleType("mobilenet_lab.architectures.tiny")
    module.trace = trace
    module.PAPER = Paper("Tiny", "Nobody", 2020, "nowhere")
    module.PUBLISHED = ()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry.NETWORKS, "tiny", Entry("tiny"))


def unpadded(
    width: float = 1.0, resolution: tuple[int, int] = (64, 64), kernel: tuple[int, int] = (5, 3)
) -> Trace:
    net = Net()
    x = net.input(1, resolution)
    x = net.conv2d(x, 1, kernel, 2, padding=0, name="first")
    x = net.max_pool(x, (3, 2), name="shrink")
    return net.trace(net.conv2d(x, 1, (2, 3), padding=0, name="last"))


def works(make: object, resolution: tuple[int, int]) -> bool:
    try:
        make(resolution=resolution)
    except VanishedError:
        return False
    return True


@pytest.mark.parametrize("kernel", [(5, 3), (1, 9), (2, 2)])
@pytest.mark.parametrize("resolution", [1, (1, 64), (64, 5), (2, 3)])
def test_a_vanished_map_names_its_layer_and_the_smallest_resolution(
    monkeypatch: pytest.MonkeyPatch, kernel: tuple[int, int], resolution: object
) -> None:
    def make(resolution: tuple[int, int] = (64, 64)) -> Trace:
        return unpadded(resolution=resolution, kernel=kernel)

    register(monkeypatch, make)
    fitting = [pair for pair in product(range(1, 40), repeat=2) if works(make, pair)]
    height, width = (min(pair[axis] for pair in fitting) for axis in (0, 1))
    assert (height, width) in fitting
    with pytest.raises(VanishedError) as vanished:
        registry.trace("tiny", resolution=resolution)
    message = str(vanished.value)
    assert message.startswith(("tiny: first: nothing", "tiny: shrink: nothing", "tiny: last: noth"))
    assert message.endswith(f"; the smallest resolution that works is {height}x{width}")
    assert registry.trace("tiny", resolution=(height, width)).input_shape == (1, height, width)


def test_a_map_that_always_vanishes_promises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(resolution: tuple[int, int] = (64, 64)) -> Trace:
        net = Net()
        x = net.adaptive_avg_pool(net.input(1, resolution))
        return net.trace(net.conv2d(x, 1, 3, padding=0))

    register(monkeypatch, make)
    with pytest.raises(VanishedError, match=r"^tiny: conv: nothing is left of 1 x 1 x 1[^;]*$"):
        registry.trace("tiny", resolution=8)


def test_a_search_passes_over_sizes_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pyramid needs even sides; the search for the smallest must not fail at the odd ones."""

    def make(resolution: tuple[int, int] = (64, 64)) -> Trace:
        net = Net()
        x = net.conv2d(net.input(1, resolution), 1, 9, padding=0, name="first")
        down = net.conv2d(x, 1, 3, 2, name="down")
        return net.trace(net.add(x, net.upsample(down, 2)))

    register(monkeypatch, make)
    assert registry.trace("tiny", resolution=10).input_shape == (1, 10, 10)
    with pytest.raises(VanishedError, match=r"^tiny: first: nothing is left") as vanished:
        registry.trace("tiny", resolution=4)
    if "works is" in str(vanished.value):
        registry.trace("tiny", resolution=str(vanished.value).rsplit(" ", 1)[-1])


def pyramid(resolution: tuple[int, int] = (64, 64)) -> Trace:
    """Three halvings (rounded up), and back up twice: the first half must be a multiple of 4."""
    net = Net()
    x = net.input(1, resolution)
    maps = [x := net.conv2d(x, 1, 3, 2, name=f"down{number}") for number in range(3)]
    with net.stage("neck"):
        top = net.concat(net.upsample(maps[2], 2), maps[1])
    return net.trace(net.concat(net.upsample(top, 2, name="up"), maps[0]))


@pytest.mark.parametrize(
    ("given", "works"), [(65, "71x71"), ((64, 70), "64x71"), ("33x20", "39x23"), ((9, 7), "15x7")]
)
def test_maps_that_do_not_meet_name_the_next_resolution_that_works(
    monkeypatch: pytest.MonkeyPatch, given: object, works: str
) -> None:
    register(monkeypatch, pyramid)
    with pytest.raises(ShapeError) as refused:
        registry.trace("tiny", resolution=given)
    message = str(refused.value)
    assert message.startswith(("tiny: neck.concat: cannot conc", "tiny: concat: cannot conc"))
    assert message.endswith(f"; the next resolution that works is {works}")
    assert registry.trace("tiny", resolution=works).outputs


def test_maps_that_never_meet_promise_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(resolution: tuple[int, int] = (64, 64)) -> Trace:
        net = Net()
        x = net.input(3, resolution)
        return net.trace(net.concat(x, net.conv2d(x, 1, 2, padding=0)))

    register(monkeypatch, make)
    with pytest.raises(ShapeError, match=r"^tiny: concat: [^;]*differs$"):
        registry.trace("tiny", resolution=8)
