"""What the verbs share: how a network is given, and what every table says about it."""

from collections import Counter
from typing import Any

from mobilenet_lab import conventions, registry
from mobilenet_lab.conventions import Convention
from mobilenet_lab.errors import LabError
from mobilenet_lab.layers import Trace
from mobilenet_lab.receptive_field import Field
from mobilenet_lab.reports.table import write

CONVENTION = conventions.PAPER.heading
NOT_COUNTED = f"Not counted as MACs: {conventions.PAPER_LEAVES_OUT}."
WHOLE = "image"
"""How a receptive field without limit is written."""


def heading(trace: Trace) -> str:
    """The network and the settings it was traced with, in one line."""
    shown = [
        f"{key.replace('_', ' ')} {_setting(value)}"
        for key, value in trace.settings.items()
        if key not in ("resolution", "in_channels")  # the input says both
    ]
    return " · ".join(
        [trace.name or "network", f"input {write(trace.input_shape, 'shape')}", *shown]
    )


def boxes(trace: Trace) -> int | None:
    """How many boxes a registered detector corrects on one image; None for other networks."""
    if trace.name not in registry.NETWORKS or registry.task(trace.name) != "detection":
        return None
    return len(registry.architecture(trace.name).priors(trace))


def after_the_layers(trace: Trace) -> tuple[str, ...]:
    """A note on what a registered network does beyond its layers, if it does."""
    if trace.name not in registry.NETWORKS:
        return ()
    work = registry.AFTER_THE_LAYERS[registry.task(trace.name)]
    if not work:
        return ()
    count = boxes(trace)
    subject = f" ({count:,} boxes an image)" if count is not None else ""
    return (f"After the layers, in no number here: {work}{subject}.",)


def unknown_operations(trace: Trace) -> tuple[str, ...]:
    """A note on operations whose cost is unknown, if there are any."""
    modes = Counter(layer.mode for layer in trace.unknown)
    if not modes:
        return ()
    told = ", ".join(f"{mode} ({count}x)" if count > 1 else mode for mode, count in modes.items())
    return (f"At least: what {told} costs is unknown here (–), and is in no sum.",)


def unused_parameters(trace: Trace) -> tuple[str, ...]:
    """A note on parameters of a module that its forward pass leaves out, if there are any."""
    if not trace.unused:
        return ()
    count, parts = sum(trace.unused.values()), {path.split(".")[0] for path in trace.unused}
    return (f"In no row: {count:,} parameters that no layer uses ({', '.join(sorted(parts))}).",)


def facts(trace: Trace, convention: Convention = conventions.PAPER) -> dict[str, Any]:
    """What a file says of the network beside its rows."""
    found = boxes(trace)
    return {
        "network": trace.name,
        "settings": dict(trace.settings),
        "input": trace.input_shape,
        **({} if found is None else {"boxes": found}),
        "convention": convention.heading,
        **({} if convention.release else {"not_counted": conventions.PAPER_LEAVES_OUT}),
        **({"unknown": [layer.name for layer in trace.unknown]} if trace.unknown else {}),
        **({"unused": dict(trace.unused)} if trace.unused else {}),
    }


def field_size(field: Field | None) -> tuple[int, ...] | str | None:
    """Height and width of a receptive field; WHOLE if it has no limit, None if it is unknown."""
    if field is None:
        return None
    return field.size or WHOLE


def spread(options: dict[str, Any], networks: int) -> list[dict[str, Any]]:
    """The options of each of several networks: a list has one for each, anything else is for all.

    Raises:
        LabError: a list that does not fit.
    """
    each: list[dict[str, Any]] = [{} for _ in range(networks)]
    for key, value in options.items():
        values = value if isinstance(value, list) else [value] * networks
        if len(values) == 1:
            values = values * networks
        if len(values) != networks:
            raise LabError(f"{key} has {len(values)} values for {networks} networks")
        for mine, one in zip(each, values, strict=True):
            mine[key] = one
    return each


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
