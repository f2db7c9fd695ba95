"""The registered networks, and settings cut to what each of them takes."""

from inspect import signature
from typing import Any

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.errors import ShapeError

NAMES = list(registry.NETWORKS)
CLASSIFIERS = [name for name in NAMES if registry.task(name) == "classification"]
SPINE = ["mobilenet_v1", "mobilenet_v1_full_conv", "mobilenet_v2"]
"""Padded at every window and without a gate: what the simplest statements are true of."""
KINDS = [
    *("mobilenet_v2", "mobilenet_v3_small", "googlenet", "lenet5"),
    *("ssdlite300_mobilenet_v2", "yolov4_mobilenet_v2", "lraspp_mobilenet_v3_small"),
]
"""One of each kind: what a test is tried on that is about a verb, not about the networks."""
HEAVY = [name for name in NAMES if analyse(registry.trace(name)).total.params > 30_000_000]
"""Made at a quarter of their width at most; at full width they are tried once or twice."""


def options(name: str) -> set[str]:
    """The options that network `name` can be traced with."""
    return set(signature(registry.architecture(name).trace).parameters)


def fitting(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Those of `settings` that network `name` has an option for.

    A heavy network is made thin. A resolution that the network does not take, for a map would
    vanish or a pyramid's maps would not meet, becomes the next larger one in steps of 32.
    """
    fit = {key: value for key, value in settings.items() if key in options(name)}
    if name in HEAVY:
        fit["width"] = min(fit.get("width", 1.0), 0.25)
    if "resolution" in fit:
        height, width = fit["resolution"]
        larger = [
            (-(-height // 32) * 32 + more, -(-width // 32) * 32 + more)
            for more in range(0, 320, 32)
        ]
        fit["resolution"] = next(
            sides
            for sides in ((height, width), *larger)
            if works(name, fit | {"resolution": sides})
        )
    return fit


def works(name: str, settings: dict[str, Any]) -> bool:
    """Whether the network can be traced so."""
    entry = registry.NETWORKS[name]
    try:
        registry.architecture(name).trace(**(dict(entry.defaults) | settings | dict(entry.options)))
    except ShapeError:
        return False
    return True
