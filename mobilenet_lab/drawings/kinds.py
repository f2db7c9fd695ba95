"""Figures by name, as the command line asks for them."""

from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mobilenet_lab import drawings
from mobilenet_lab.drawings.canvas import check_format, rendered
from mobilenet_lab.errors import LabError, UnknownNameError

SHEET = ("ax", "theme")
"""What every kind takes."""
NETWORKS = ("width", "resolution", "classes", "in_channels", "input")
"""Options of whoever traces a network."""
ONE = {"network": "network", "run": "run's JSON"}
"""What a kind that takes one thing takes."""
WITHOUT_SCREEN = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
"""Backends of matplotlib that only write files; it takes the first where there is no screen."""
FLAGS = {"c_in": "--in", "c_out": "--out"}
"""Options that the command line calls otherwise."""


def draw(kind: str, networks: Sequence[str], theme: str = "light", **options: Any) -> Axes:
    """A figure of one kind.

    `networks` are as many as the kind takes, `options` those of the function of the same name, and
    of its networks.

    Raises:
        UnknownNameError: no such kind.
        LabError: too few or too many networks, an option that the kind does not take, or what the
            kind raises.
    """
    if kind not in drawings.KINDS:
        raise UnknownNameError("kind", kind, drawings.KINDS, f"known: {', '.join(drawings.KINDS)}")
    make = drawings.KINDS[kind]
    parameters = signature(make).parameters.values()
    _check_networks(kind, len(networks), parameters)
    _check_options(kind, options, parameters)
    return make(*networks, theme=theme, **options)


def show(kind: str, networks: Sequence[str], **options: Any) -> None:
    """A figure in a window, until that is closed; arguments are those of `draw`.

    Raises:
        LabError: there is no screen, or as `draw`.
    """
    if pyplot.get_backend().lower() in WITHOUT_SCREEN:
        raise LabError("there is no screen to draw on; --output FILE writes PNG, SVG or PDF")
    draw(kind, networks, **options)
    pyplot.show()


def file(kind: str, networks: Sequence[str], format: str, **options: Any) -> bytes:
    """A figure as a file of one of canvas.FORMATS; further arguments are those of `draw`.

    Raises:
        UnknownNameError: no such format.
        LabError: as `draw`.
    """
    check_format(format)
    matplotlib.use("agg")
    figure = draw(kind, networks, **options).figure
    assert isinstance(figure, Figure)
    try:
        return rendered(figure, format)
    finally:
        pyplot.close(figure)


def _check_networks(kind: str, given: int, parameters: Any) -> None:
    several = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    one = next((each.name for each in parameters if each.name in ONE), None)
    if several or given == (one is not None):
        return
    takes = f"one {ONE[one]}" if one else "no network"
    raise LabError(f"draw {kind} takes {takes}, not {given}")


def _check_options(kind: str, options: dict[str, Any], parameters: Any) -> None:
    traces = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
    own = [
        each.name
        for each in parameters
        if each.kind is not Parameter.VAR_KEYWORD
        and each.kind is not Parameter.VAR_POSITIONAL
        and each.name not in (*SHEET, *ONE)
    ]
    known = dict.fromkeys([*own, *(NETWORKS if traces else ())])
    for key in options:
        if key not in known and not (traces and key not in FIGURES):
            flags = ", ".join(map(flag, known))
            raise LabError(f"draw {kind} takes no {flag(key)}; it takes {flags}")


def flag(option: str) -> str:
    """What the command line calls an option."""
    return FLAGS.get(option, f"--{option.replace('_', '-')}")


FIGURES = frozenset(
    each.name
    for make in drawings.KINDS.values()
    for each in signature(make).parameters.values()
    if each.name not in (*SHEET, *NETWORKS)
)
"""Options of one kind or another: none of them is meant for a network."""
