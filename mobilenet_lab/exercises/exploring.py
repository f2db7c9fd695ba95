"""Sliders where there is ipywidgets, one plain call where there is not."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from mobilenet_lab.exercises.showing import shell
from mobilenet_lab.exercises.showing import show as show_note

STATIC = "MOBILENET_LAB_STATIC"
"""Set where pages are built: nobody can move a slider there."""


def explore(show: Callable[..., Any], **choices: Any) -> None:
    """Shows `show(name=value, ...)` for each choice of sliders: `kernel=(3, 5, 7)`.

    Each keyword is a sequence of values; the first call takes the first of each. Without a notebook
    or ipywidgets the answer for these is shown once.
    """
    first = {name: next(iter(values)) for name, values in choices.items()}
    if not _widgets():
        result = show(**first)
        if result is not None:
            show_note(result)
        return
    import ipywidgets

    sliders = {name: _control(ipywidgets, name, list(values)) for name, values in choices.items()}
    ipywidgets.interact(show, **sliders)


def _control(ipywidgets: Any, name: str, values: list[Any]) -> Any:
    """A slider for numbers, a menu for names."""
    if all(isinstance(value, str) for value in values):
        return ipywidgets.Dropdown(options=values, description=name)
    return ipywidgets.SelectionSlider(options=values, description=name, continuous_update=False)


def _widgets() -> bool:
    if os.environ.get(STATIC) or not hasattr(shell(), "kernel"):
        return False
    return find_spec("ipywidgets") is not None
