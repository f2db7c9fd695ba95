"""Curves of a training run and its confusion matrix: every number where it belongs, readable."""

import math
from typing import Any

import numpy
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes

from drawings.layout import flaws, shown_texts
from mobilenet_lab.drawings.canvas import PAGE, THEMES
from mobilenet_lab.drawings.planes import luminance
from mobilenet_lab.drawings.training_charts import NORM, confused, confusion, curves
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.training.records import Epoch

NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip


def history(epochs: int, best: int = 0, first: int = 1) -> list[Epoch]:
    """Falling losses; the validation accuracy is highest in epoch `best`."""
    return [
        Epoch(e, 1e-3, 2 / e, 1 - 0.6 / e, 2.1 / e, 0.5 - 0.001 * abs(e - best), 800.0, 7.0)
        for e in range(first, first + epochs)
    ]


def found(ax: Axes, prefix: str) -> dict[str, Any]:
    """The artists of its figure whose ids begin so."""
    named = {each.get_gid(): each for each in ax.figure.findobj() if each.get_gid()}
    return {gid: each for gid, each in named.items() if gid.startswith(prefix)}


def matrix_of(classes: int, images: int = 1000) -> Any:
    """Most are right, some are taken for the next class."""
    matrix = numpy.eye(classes, dtype=int) * images
    for row in range(classes - 1):
        matrix[row, row] -= row + 1
        matrix[row, row + 1] += row + 1
    return matrix


# Curves


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("epochs", [1, 2, 10, 300])
def test_the_curves_are_the_history(epochs: int, theme: str) -> None:
    run = history(epochs, best=(epochs + 1) // 2)
    ax = curves(run, theme=theme)
    assert flaws(ax.figure) == []
    for key in ("loss", "accuracy"):
        for phase in ("train", "val"):
            line = found(ax, f"{phase}:{key}")[f"{phase}:{key}"]
            assert list(line.get_xdata()) == [epoch.epoch for epoch in run]
            assert list(line.get_ydata()) == [getattr(epoch, f"{phase}_{key}") for epoch in run]
            assert line.axes is ax.figure.axes[0 if key == "loss" else 1]
        assert found(ax, "best:")[f"best:{key}"].get_xdata()[0] == (epochs + 1) // 2
    assert [axes.get_ylabel() for axes in ax.figure.axes] == ["loss per image", "accuracy"]
    assert ax.figure.axes[1].get_xlabel() == "epoch"


def test_training_and_validation_differ_not_by_colour_alone() -> None:
    lines = found(curves(history(5)), "")
    looks = {
        (lines[f"{phase}:loss"].get_marker(), lines[f"{phase}:loss"].get_linestyle())
        for phase in ("train", "val")
    }
    assert len({marker for marker, _ in looks}) == len({style for _, style in looks}) == 2
    legend = curves(history(5)).figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["best", "training", "validation"]


def test_of_the_best_epochs_that_of_the_least_loss_is_named() -> None:
    run = [epoch._replace(val_accuracy=0.875) for epoch in history(3, first=4)]
    run[1] = run[1]._replace(val_loss=0.1)
    ax = curves(run)
    assert "Best validation accuracy: 87.5% after epoch 5." in ax.figure.alt
    assert "epochs 4 to 6" in ax.figure.alt
    assert any("87.5% after epoch 5" in text.get_text() for text in shown_texts(ax.figure))


def test_epochs_are_whole_and_shares_are_percent() -> None:
    ax = curves(history(3)).figure.axes[1]
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2", "3", "4"]
    assert all(label.get_text().endswith("%") for label in ax.get_yticklabels())


def test_a_run_that_diverged_is_drawn() -> None:
    run = [epoch._replace(train_loss=math.nan, val_loss=math.inf) for epoch in history(3)]
    assert flaws(curves(run).figure) == []


def test_no_curves_without_an_epoch() -> None:
    with pytest.raises(LabError, match="no epoch is finished"):
        curves([])


# Confusion


@pytest.mark.parametrize("theme", THEMES)
def test_a_cell_has_its_share_and_its_number(theme: str) -> None:
    matrix = matrix_of(10)
    ax = confusion(matrix, NAMES, theme=theme)
    assert flaws(ax.figure) == []
    cells = {gid: text.get_text() for gid, text in found(ax, "cell:").items()}
    expected = {
        f"cell:{row}:{column}": f"{matrix[row, column] / 10:.1f}%\n{matrix[row, column]:,}"
        for row in range(10)
        for column in range(10)
        if matrix[row, column]
    }
    assert cells == expected
    assert cells["cell:9:9"] == "100.0%\n1,000"
    for axis in ("row", "column"):
        labels = {gid: text.get_text() for gid, text in found(ax, f"{axis}:").items()}
        assert labels == {f"{axis}:{number}": name for number, name in enumerate(NAMES)}


def test_true_classes_are_rows_from_the_top_and_predicted_ones_columns() -> None:
    ax = confusion([[90, 10], [0, 50]], ["ants", "bees"])
    assert flaws(ax.figure) == []
    texts = found(ax, "")
    right, wrong = texts["cell:0:0"], texts["cell:0:1"]
    assert wrong.get_text() == "10.0%\n10"
    assert "cell:1:0" not in texts
    assert wrong.get_position()[1] == right.get_position()[1]
    assert wrong.get_position()[0] > right.get_position()[0]
    assert texts["row:0"].get_position()[1] == right.get_position()[1]
    assert texts["row:1"].get_position()[1] < right.get_position()[1]
    assert texts["column:1"].get_position()[0] == wrong.get_position()[0]
    said = [text.get_text() for text in shown_texts(ax.figure)]
    assert {"true class", "predicted class"} <= set(said)
    assert "140 of 150 images are right (93.3%)." in ax.figure.alt
    assert "Most often confused: ants as bees: 10 of 100 (10.0%)." in ax.figure.alt


@pytest.mark.parametrize("theme", THEMES)
def test_the_colour_of_a_cell_is_its_share(theme: str) -> None:
    matrix = numpy.array([[1, 3], [0, 100]])
    ax = confusion(matrix, ["few", "many"], theme=theme)
    image = found(ax, "cells")["cells"]
    shown = image.get_array()
    assert shown.filled(-1).tolist() == [[0.25, 0.75], [-1, 1]]  # none: paper
    shades = colormaps[THEMES[theme].shades]
    for gid, text in found(ax, "cell:").items():
        row, column = map(int, gid.split(":")[1:])
        back = luminance(shades(NORM(shown[row, column])))
        ink = 0.0 if text.get_color() == "#000000" else 1.0
        assert (max(back, ink) + 0.05) / (min(back, ink) + 0.05) > 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_a_hundred_and_two_classes_have_numbers_and_a_list(theme: str) -> None:
    names = [f"a flower with a long name, number {number}" for number in range(102)]
    ax = confusion(matrix_of(102), names, theme=theme)
    assert flaws(ax.figure) == []
    assert ax.figure.get_figwidth() * 72 == PAGE
    assert not found(ax, "cell:")
    shown = found(ax, "row:")
    assert [text.get_text() for text in shown.values()] == [str(n) for n in range(0, 102, 5)]
    first = found(ax, "mistake:")["mistake:0"].get_text()
    assert first.startswith("100 ")
    assert "101 of 1,000 (10.1%)" in first
    ticks = [text.get_text() for text in shown_texts(ax.figure)]
    assert {"0%", "1%", "10%", "25%", "50%", "100%"} <= set(ticks)
    middle = shown["row:50"].get_position()[1]
    left, right, low, top = found(ax, "cells")["cells"].get_extent()
    assert middle == pytest.approx(top - (top - low) * 50.5 / 102)
    assert right - left == pytest.approx(top - low)


@pytest.mark.parametrize("classes", [1, 2, 5, 11, 20, 30, 45, 60, 300, 1000])
def test_any_number_of_classes_is_readable(classes: int) -> None:
    names = [f"class {number}" * (1 + number % 3) for number in range(classes)]
    ax = confusion(matrix_of(classes, images=20_000), names)
    assert flaws(ax.figure) == []
    assert ax.figure.get_figwidth() * 72 <= PAGE + 1e-6


def test_mistakes_are_by_share_then_by_number() -> None:
    matrix = [[8, 2, 0], [10, 80, 10], [0, 30, 70]]
    assert [(pair.true, pair.predicted, pair.images) for pair in confused(matrix)] == [
        (2, 1, 30),
        (0, 1, 2),
        (1, 0, 10),
        (1, 2, 10),
    ]
    assert [pair.share for pair in confused(matrix)] == [0.3, 0.2, 0.1, 0.1]
    assert confused(numpy.eye(3, dtype=int)) == []


def test_a_class_without_images_and_an_empty_matrix() -> None:
    ax = confusion([[5, 0], [0, 0]], ["some", "none"])
    assert flaws(ax.figure) == []
    assert "No image at all: 1 of 2 classes." in ax.figure.alt
    assert list(found(ax, "cell:")) == ["cell:0:0"]
    ax = confusion(numpy.zeros((2, 2), int), ["a", "b"])
    assert "0 of 0 images are right." in ax.figure.alt


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ([[1, 0]], "2 classes has as many rows and columns, not 1×2"),
        ([[0.5, 0.5], [0, 1]], "numbers of images"),
        ([[1, -1], [0, 1]], "numbers of images"),
    ],
)
def test_what_is_no_confusion_matrix(matrix: Any, says: str) -> None:
    with pytest.raises(LabError, match=says):
        confusion(matrix, ["a", "b"])


def test_an_unknown_theme() -> None:
    with pytest.raises(UnknownNameError):
        curves(history(1), theme="lihgt")
    with pytest.raises(UnknownNameError):
        confusion([[1]], ["a"], theme="lihgt")
