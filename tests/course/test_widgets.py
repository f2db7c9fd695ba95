"""What a student can move, which needs ipywidgets."""

from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest

from mobilenet_lab import exercises
from mobilenet_lab.exercises import exploring


def test_names_have_a_menu_and_numbers_a_slider(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(exploring, "shell", lambda: SimpleNamespace(kernel=1))
    monkeypatch.delenv("MOBILENET_LAB_STATIC", raising=False)
    monkeypatch.setattr(ipywidgets, "interact", lambda show, **sliders: made.append(sliders))
    exercises.explore(print, kernel=(3, 5), network=("vgg16", "alexnet"))
    (sliders,) = made
    assert isinstance(sliders["network"], ipywidgets.Dropdown)
    assert isinstance(sliders["kernel"], ipywidgets.SelectionSlider)
    assert sliders["kernel"].continuous_update is False
    assert sliders["kernel"].value == 3
