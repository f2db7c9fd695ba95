"""Every network by name: which file describes it, and with which arguments.

Looking a name up imports one module; building it imports its twin (and so torch).
"""

import inspect
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from mobilenet_lab.errors import (
    LabError,
    MissingPackageError,
    ShapeError,
    UnknownNameError,
    VanishedError,
    quoted,
)
from mobilenet_lab.layers import Pair, Trace, parse_shape
from mobilenet_lab.net import LARGEST
from mobilenet_lab.sources import Paper, Published

if TYPE_CHECKING:
    from torch import nn


Task: TypeAlias = Literal["classification", "detection", "segmentation"]
AFTER_THE_LAYERS: dict[Task, str] = {
    "classification": "",
    "detection": "decoding of boxes, non-maximum suppression",
    "segmentation": "the class of each pixel",
}
"""What a built network does beyond its layers in eval mode, and no count holds."""


class Entry(NamedTuple):
    """A file of `architectures`, and the arguments that make it this network."""

    module: str
    options: Mapping[str, Any] = {}
    task: Task = "classification"
    defaults: Mapping[str, Any] = {}
    """Arguments that can still be given, where this network's are not those of the file."""


SSDLITE_320 = {"resolution": 320, "classes": 91, "reduced_tail": True, "style": "torchvision"}
NETWORKS: dict[str, Entry] = {
    "mobilenet_v1": Entry("mobilenet_v1"),
    "mobilenet_v1_full_conv": Entry("mobilenet_v1", {"separable_blocks": False}),
    "mobilenet_v2": Entry("mobilenet_v2"),
    "mobilenet_v3_large": Entry("mobilenet_v3", {"size": "large"}),
    "mobilenet_v3_small": Entry("mobilenet_v3", {"size": "small"}),
    "mobilenet_v3_large_minimal": Entry("mobilenet_v3", {"size": "large", "minimalistic": True}),
    "mobilenet_v3_small_minimal": Entry("mobilenet_v3", {"size": "small", "minimalistic": True}),
    "mixnet_s": Entry("mixnet", {"size": "s"}),
    "mixnet_m": Entry("mixnet", {"size": "m"}),
    "mixnet_l": Entry("mixnet", {"size": "l"}),
    "mnasnet_a1": Entry("mnasnet", {"variant": "a1"}),
    "mnasnet_b1": Entry("mnasnet", {"variant": "b1"}),
    "efficientnet_lite0": Entry("efficientnet_lite"),
    "mobilenet_v4_conv_small": Entry("mobilenet_v4", {"size": "conv_small"}),
    "mobilenet_v4_conv_medium": Entry("mobilenet_v4", {"size": "conv_medium"}),
    "resnet18": Entry("resnet", {"depth": 18, "stride_in_1x1": False}),
    "resnet50": Entry("resnet", {"depth": 50, "stride_in_1x1": False}),
    "resnet50_v1": Entry("resnet", {"depth": 50, "stride_in_1x1": True}),
    "googlenet": Entry("googlenet", {"torchvision": False}),
    "googlenet_torchvision": Entry("googlenet", {"torchvision": True}),
    "shufflenet_v2": Entry("shufflenet_v2"),
    "ghostnet": Entry("ghostnet"),
    "replknet_31b": Entry("replknet"),
    "lenet5": Entry("lenet"),
    "alexnet": Entry("alexnet"),
    "alexnet_one_tower": Entry("alexnet_one_tower"),
    "vgg16": Entry("vgg", {"configuration": "D"}),
    "lraspp_mobilenet_v3_large": Entry("lraspp", {"size": "large"}, "segmentation"),
    "lraspp_mobilenet_v3_small": Entry("lraspp", {"size": "small"}, "segmentation"),
    "ssdlite300_mobilenet_v2": Entry(
        "ssdlite",
        {"backbone": "mobilenet_v2", "size": "large", "reduced_tail": False},
        "detection",
    ),
    "ssdlite320_mobilenet_v3_large": Entry(
        "ssdlite", {"backbone": "mobilenet_v3", "size": "large"}, "detection", SSDLITE_320
    ),
    "ssdlite320_mobilenet_v3_small": Entry(
        "ssdlite", {"backbone": "mobilenet_v3", "size": "small"}, "detection", SSDLITE_320
    ),
    "yolov4_mobilenet_v1": Entry(
        "yolov4", {"backbone": "mobilenet_v1", "dense_neck": False}, "detection"
    ),
    "yolov4_mobilenet_v2": Entry(
        "yolov4", {"backbone": "mobilenet_v2", "dense_neck": False}, "detection"
    ),
    "yolov4_mobilenet_v3": Entry(
        "yolov4", {"backbone": "mobilenet_v3", "dense_neck": False}, "detection"
    ),
    "yolov4_mobilenet_v1_dense": Entry(
        "yolov4", {"backbone": "mobilenet_v1", "dense_neck": True}, "detection"
    ),
    "yolov4_mobilenet_v2_dense": Entry(
        "yolov4", {"backbone": "mobilenet_v2", "dense_neck": True}, "detection"
    ),
    "yolov4_mobilenet_v3_dense": Entry(
        "yolov4", {"backbone": "mobilenet_v3", "dense_neck": True}, "detection"
    ),
    "yolov5n": Entry("yolov5", {"config": "stock", "size": "n"}, "detection"),
    "yolov5n_mobilenet_v3_large": Entry(
        "yolov5", {"config": "mobilenet_v3_large", "size": "n"}, "detection"
    ),
    "yolov5n_mobilenet_v3_stock": Entry(
        "yolov5", {"config": "mobilenet_v3_large_stock", "size": "n"}, "detection"
    ),
}
WIDEST = 1000
COMMON = ("width", "resolution", "classes", "in_channels")
"""The options that a trace always names among its settings, if it has them."""
SEARCHED = 4096
"""The side up to which a smallest working resolution is looked for, in pixels."""


def architecture(name: str) -> ModuleType:
    """The module that describes network `name`: its table, trace, paper and published numbers.

    Raises:
        UnknownNameError: no network is called so; the message offers near names.
    """
    return import_module(f"mobilenet_lab.architectures.{_entry(name).module}")


def paper(name: str) -> Paper:
    """Where network `name` comes from."""
    found: Paper = architecture(name).PAPER
    return found


def task(name: str) -> Task:
    """What network `name` is for."""
    return _entry(name).task


def published(name: str) -> tuple[Published, ...]:
    """What has been printed about network `name`: paper, authors' code, later papers."""
    rows: tuple[Published, ...] = architecture(name).PUBLISHED
    return tuple(row for row in rows if row.network == name)


def options(name: str) -> dict[str, Any]:
    """What network `name` can be traced with, and what is taken where it is not given."""
    entry = _entry(name)
    known = {**_arguments(architecture(name).trace), **entry.defaults}
    return {key: value for key, value in known.items() if key not in entry.options}


def trace(name: str, **options: Any) -> Trace:
    """Network `name` over shapes; options are width, resolution, classes, in_channels ...

    `resolution` is a side, (height, width) or "HxW"; what is not given is the architecture's.

    Raises:
        UnknownNameError: no such network, or no such option.
        LabError: an option's value is of no use.
        VanishedError: the resolution is too small; the message names the smallest that works.
        ShapeError: maps do not fit together; the message names the next resolution that works.
    """
    try:
        return attempt(name, **options)
    except ShapeError as error:
        make = architecture(name).trace
        settings = _settings(name, options)
        hint = _smallest if isinstance(error, VanishedError) else _next
        raise type(error)(f"{error}{hint(make, settings)}") from None


def attempt(name: str, **options: Any) -> Trace:
    """As `trace`, but quick to fail: no message names a resolution that works."""
    make = architecture(name).trace
    settings = _settings(name, options)
    try:
        made: Trace = make(**settings)
    except ShapeError as error:
        raise type(error)(f"{name}: {error}") from None
    shown = {key: settings[key] for key in (*COMMON, *options) if key in settings}
    shown["resolution"] = made.input_shape[1:]
    return replace(made, name=name, settings=shown)


def build(name: str, **options: Any) -> "nn.Module":
    """Network `name` as a freshly initialised nn.Module in training mode.

    Options are those of `trace`. The resolution matters to networks only whose layers depend on it
    (LeNet-5, AlexNet of 2012); the others take images as they come.

    In training mode a detector or segmenter gives its raw maps, in the order of the trace's
    outputs; in eval mode boxes or a mask, unless its attribute `raw` is set to True.

    Raises:
        UnknownNameError: no such network, or no such option.
        LabError: an option's value is of no use.
        MissingPackageError: torch is not installed.
    """
    settings = _settings(name, options)
    try:
        make = import_module(f"mobilenet_lab.architectures.{_entry(name).module}_torch").build
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError("torch", "torch", "building a network") from None
    built: nn.Module = make(**{key: settings[key] for key in _arguments(make)})
    return built


def parse_pair(what: str, text: str) -> Pair:
    """(vertical, horizontal) from "3" or "3x5".

    Raises:
        LabError: it is neither.
    """
    sides = parse_shape(text)
    if sides is None or len(sides) > 2:
        raise LabError(f"{what} is one whole number or HxW like 192x256, not {quoted(text)}")
    return sides[0], sides[-1]


def _entry(name: str) -> Entry:
    if not isinstance(name, str):
        raise LabError(f"a network's name is a text, not {type(name).__name__}")
    if name not in NETWORKS:
        raise UnknownNameError("network", name, NETWORKS, "`mobilenet-lab list` shows them all")
    return NETWORKS[name]


@cache
def _arguments(make: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a function, with their defaults."""
    return {key: each.default for key, each in inspect.signature(make).parameters.items()}


def _settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that make network `name`: its defaults, the options given, the entry's own."""
    free = options(name)
    settings = dict(free)
    for key, value in given.items():
        if key not in free:
            raise UnknownNameError(f"option of {name}", key, free)
        check = _flag if isinstance(settings[key], bool) else CHECKS.get(key, _as_given)
        settings[key] = check(key, value)
    return {**settings, **_entry(name).options}


def _as_given(what: str, value: Any) -> Any:
    return value


def _flag(what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise LabError(f"{what} is True or False, not {value!r}")
    return value


def _positive(what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 < number <= WIDEST:
        raise LabError(f"{what} must be a positive number up to {WIDEST:,}, not {value}")
    return number


def _count(what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or not 1 <= number <= LARGEST:
        raise LabError(f"{what} must be a whole number from 1 to {LARGEST:,}, not {quoted(value)}")
    return number


def _resolution(what: str, value: Any) -> Pair:
    if isinstance(value, str):
        value = parse_pair(what, value)
    sides = value if isinstance(value, tuple | list) else (value, value)
    if len(sides) != 2:
        raise LabError(f"{what} is a side or (height, width), not {value}")
    height, width = (_count(what, side) for side in sides)
    return height, width


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "width": _positive,
    "resolution": _resolution,
    "classes": _count,
    "in_channels": _count,
    "eps": _positive,
}


def _smallest(make: Callable[..., Trace], settings: Mapping[str, Any]) -> str:
    """The end of a sentence that says from which resolution on the network works."""

    def fails(resolution: Pair, kind: type[ShapeError]) -> bool:
        try:
            make(**{**settings, "resolution": resolution})
        except kind:
            return True
        except ShapeError:
            return False
        return False

    def least(resolution: Callable[[int], Pair]) -> int:
        low, high = 0, SEARCHED
        while high - low > 1:
            middle = (low + high) // 2
            vanishes = fails(resolution(middle), VanishedError)
            low, high = (middle, high) if vanishes else (low, middle)
        return high

    height = least(lambda side: (side, SEARCHED))
    width = least(lambda side: (SEARCHED, side))
    # sizes that do not fit together (a pyramid asks for even ones) are passed over
    for more in range(256):
        if not fails((height + more, width + more), ShapeError):
            return f"; the smallest resolution that works is {height + more}x{width + more}"
    return ""


def _next(make: Callable[..., Trace], settings: Mapping[str, Any]) -> str:
    """The end of a sentence that says which resolution from the given one on fits together.

    A pyramid asks for sides that halve well; each side is looked for as that of a square.
    """

    def fits(resolution: Pair) -> bool:
        try:
            make(**{**settings, "resolution": resolution})
        except ShapeError:
            return False
        return True

    height, width = _resolution("resolution", settings["resolution"])
    found = [
        next((side for side in range(least, least + 129) if fits((side, side))), 0)
        for least in (height, width)
    ]
    if all(found) and fits((found[0], found[1])):
        return f"; the next resolution that works is {found[0]}x{found[1]}"
    return ""
