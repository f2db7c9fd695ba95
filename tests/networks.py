"""The registered networks, and settings cut to what each of them takes."""

from inspect import signature
from typing import Any

from mobilenet_lab import registry

NAMES = list(registry.NETWORKS)
SPINE = ["mobilenet_v1", "mobilenet_v1_full_conv", "mobilenet_v2"]
"""Padded at every window and without a gate: what the simplest statements are true of."""


def options(name: str) -> set[str]:
    """The options that network `name` can be traced with."""
    return set(signature(registry.architecture(name).trace).parameters)


def fitting(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Those of `settings` that network `name` has an option for."""
    return {key: value for key, value in settings.items() if key in options(name)}
