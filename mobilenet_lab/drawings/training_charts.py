"""Pictures of a training run: its curves, and which classes it takes for which."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from mobilenet_lab.drawings.canvas import (
    CYCLE,
    LINE,
    MARGIN,
    PAGE,
    SMALL,
    Heading,
    Theme,
    chart,
    describe,
    rendered,
    sheet,
    text_width,
)
from mobilenet_lab.drawings.cost_bars import fitting
from mobilenet_lab.drawings.planes import readable
from mobilenet_lab.errors import LabError
from mobilenet_lab.output import write_file
from mobilenet_lab.reports.table import write
from mobilenet_lab.training import run_folder
from mobilenet_lab.training.records import Epoch

CURVES, CONFUSION = "curves.png", "confusion.png"
PANELS = {"loss": "loss per image", "accuracy": "accuracy"}
"""Fields of an Epoch behind train_ and val_, and what the axes are called."""
LOOKS = {"train": ("o", "--", CYCLE[0]), "val": ("s", "-", CYCLE[1])}
"""Marker, line and colour."""
MARKED = 40
"""Epochs up to which each has a marker."""


def curves(history: Sequence[Epoch], *, theme: str = "light") -> Axes:
    """Loss and accuracy over the epochs, in training and in validation; the best one is marked.

    Gives the axes of the loss; those of the accuracy are below.

    Raises:
        LabError: no epoch is finished.
        UnknownNameError: no such theme.
    """
    if not history:
        raise LabError("no epoch is finished, so there are no curves to draw")
    best, last = run_folder.best(history), history[-1]
    told = f"Best validation accuracy: {write(best.val_accuracy, 'share')} after epoch {best.epoch}"
    heading = Heading("Loss and accuracy by epoch", f"{told}. Averages are over images.")
    with chart(None, theme, heading, (PAGE, 340)) as (ax, look):
        figure = ax.figure.figure
        places = figure.add_gridspec(2, 1)
        ax.set_subplotspec(places[0])
        below = figure.add_subplot(places[1], sharex=ax)
        for panel, (key, label) in zip((ax, below), PANELS.items(), strict=True):
            _panel(panel, look, history, key, best)
            panel.set_ylabel(label)
        ax.tick_params(labelbottom=False)
        below.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.6g}%")
        below.set_xlabel("epoch")
        below.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
        first = history[0].epoch
        beside = max(0.02 * (last.epoch - first), 0.5)
        below.set_xlim(first - beside, last.epoch + beside)
        figure.legend(
            *ax.get_legend_handles_labels(), loc="outside lower right", ncols=3, handlelength=3
        )
        describe(
            ax,
            f"Loss and accuracy over epochs {first} to {last.epoch}. {told}. After the last: "
            f"training loss {last.train_loss:.4g}, accuracy {last.train_accuracy:.1%}; "
            f"validation loss {last.val_loss:.4g}, accuracy {last.val_accuracy:.1%}.",
        )
    return ax


def _panel(ax: Axes, look: Theme, history: Sequence[Epoch], key: str, best: Epoch) -> None:
    """The two lines of one quantity."""
    ax.axvline(best.epoch, color=look.muted, lw=0.8, ls=":", label="best", gid=f"best:{key}")
    for phase, (marker, style, colour) in LOOKS.items():
        ax.plot(
            [epoch.epoch for epoch in history],
            [getattr(epoch, f"{phase}_{key}") for epoch in history],
            marker=marker if len(history) <= MARKED else "",
            ms=4,
            ls=style,
            lw=1.3,
            color=colour,
            label={"train": "training", "val": "validation"}[phase],
            gid=f"{phase}:{key}",
        )
    ax.grid(axis="y")


def save(folder: Path) -> None:
    """Writes the curves and the confusion matrix of a run's best epoch into the run's folder.

    Of a run without a whole epoch nothing is written.

    Raises:
        LabError: the run's files are damaged, or the pictures cannot be written.
    """
    if not (folder / run_folder.LAST).exists():
        return
    last, best = (
        run_folder.read_json(folder / name) for name in (run_folder.LAST, run_folder.BEST)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a class in other letters
        for name, ax in (
            (CURVES, curves([Epoch(**row) for row in last["history"]])),
            (CONFUSION, confusion(best["confusion"], best["classes"])),
        ):
            figure = ax.figure.figure
            write_file(folder / name, rendered(figure, "png"), force=True)
            pyplot.close(figure)


LARGEST_CELL = 84.0
LEAST_WIDTH = 330.0
"""Of a figure of few classes, in points."""
LONGEST_NAME = 110.0
PAD = 4.0
ROW = SMALL * LINE
NORM = PowerNorm(0.5, 0.0, 1.0)
"""A root, so that rare mistakes are seen."""
KEY = (0.0, 0.01, 0.1, 0.25, 0.5, 1.0)
KEY_WIDTH = 200.0
STEPS = (1, 5, 10, 20, 50, 100, 200)
"""From one class that is named on the axes to the next."""
LISTED = 12
"""Pairs of classes that are named where the cells have no room for numbers."""


class Confused(NamedTuple):
    """Images of class `true` that were taken for class `predicted`."""

    true: int
    predicted: int
    images: int
    share: float
    """Of the images of class `true`."""


def confused(matrix: Any) -> list[Confused]:
    """The mistakes in a confusion matrix (row: true, column: predicted).

    Those first that befall the largest share of their true class, then those of most images.
    """
    counts = numpy.asarray(matrix)
    totals = counts.sum(1)
    pairs = [
        Confused(row, column, int(counts[row, column]), float(counts[row, column] / totals[row]))
        for row, column in numpy.argwhere(counts).tolist()
        if row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.images))


def confusion(matrix: Any, classes: Sequence[str], *, theme: str = "light") -> Axes:
    """How often each class was taken for which: shares of the true class, and numbers of images.

    `matrix` is C x C whole numbers: images of the true class (row) that were given the predicted
    class (column). Where the cells have no room for numbers, the classes most often confused are
    listed below; where names have none, the axes have the numbers of the classes, from 0.

    Raises:
        LabError: it is no such matrix.
        UnknownNameError: no such theme.
    """
    counts = _checked(matrix, classes)
    layout = _Layout(counts, [" ".join(name.split()) for name in classes])
    right, total = int(counts.trace()), int(counts.sum())
    said = f"{right:,} of {total:,} images are right"
    said += f" ({right / total:.1%})." if total else "."
    if empty := int((counts.sum(1) == 0).sum()):
        said += f" No image at all: {empty} of {len(classes)} classes."
    heading = Heading("Confusion of classes", f"{said}\n{RULES[layout.lines]}")
    with sheet(None, theme, heading, (layout.width, layout.height)) as (ax, look):
        layout.draw(ax, look)
        worst = "; ".join(map(layout.told, layout.mistakes[:3]))
        worst = f" Most often confused: {worst}." if worst else ""
        describe(ax, f"Confusion matrix of {len(classes)} classes. {said}{worst}")
    return ax


RULES = {
    2: "In a cell: its share of the true class (a row adds up to 100%), and the images.",
    1: "In a cell: images. Its colour: their share of the true class.",
    0: "Colour: share of the images of the true class.",
}
"""By the lines of text in a cell."""


def _checked(matrix: Any, classes: Sequence[str]) -> Any:
    counts = numpy.asarray(matrix)
    if not len(classes) or counts.shape != (len(classes), len(classes)):
        raise LabError(
            f"a confusion matrix of {len(classes)} classes has as many rows and columns, "
            f"not {'×'.join(map(str, counts.shape))}"
        )
    if not numpy.issubdtype(counts.dtype, numpy.integer) or counts.min() < 0:
        raise LabError("a confusion matrix holds numbers of images")
    return counts


class _Layout:
    """Where everything is, in points from the lower left."""

    def __init__(self, counts: Any, names: Sequence[str]) -> None:
        self.counts, self.names = counts, names
        self.mistakes = confused(counts)
        self.labels = [fitting(name, LONGEST_NAME) for name in names]
        if self._side() < ROW:
            self.labels = [str(number) for number in range(len(names))]
        self.side = self._side()
        self.lines = self._lines()
        self.upright = self._widest() + PAD > self.side >= ROW
        self.left = MARGIN + self._widest() + PAD
        self.under = (self._widest() if self.upright else SMALL) + 2 * PAD + ROW
        self.list = [] if self.lines else self.mistakes[:LISTED]
        below = (0 if self.lines else 3 * ROW) + (len(self.list) + 2) * ROW * bool(self.list)
        self.floor = MARGIN + below + self.under
        self.extent = self.side * len(names)
        self.width = max(self.left + self.extent + MARGIN, LEAST_WIDTH)
        self.height = self.floor + self.extent + ROW + 2 * PAD

    def told(self, pair: Confused) -> str:
        """A kind of mistake, in words."""
        true, predicted = map(self._called, (pair.true, pair.predicted))
        total = int(self.counts[pair.true].sum())
        return f"{true} as {predicted}: {pair.images:,} of {total:,} ({pair.share:.1%})"

    def _called(self, number: int) -> str:
        name = fitting(self.names[number], 1.6 * LONGEST_NAME)
        return name if self.side >= ROW else f"{number} {name}"

    def draw(self, ax: Axes, look: Theme) -> None:
        count, top = len(self.names), self.floor + self.extent
        end = self.left + self.extent
        self._cells(ax, look)
        ax.text(MARGIN, top + PAD, "true class", size=SMALL, color=look.muted)
        ax.text(
            end,
            self.floor - self.under + PAD,
            "predicted class",
            size=SMALL,
            color=look.muted,
            ha="right",
        )
        needed = max(ROW, 0 if self.upright else self._widest() + PAD) / self.side
        every = next((step for step in STEPS if step >= needed), count)
        for number in range(0, count, every):
            middle = (number + 0.5) * self.side
            label = self.labels[number]
            ax.text(
                self.left - PAD,
                top - middle,
                label,
                size=SMALL,
                ha="right",
                va="center_baseline",
                gid=f"row:{number}",
            )
            ax.text(
                self.left + middle,
                self.floor - PAD,
                label,
                size=SMALL,
                ha="center",
                va="top",
                rotation=90 if self.upright else 0,
                gid=f"column:{number}",
            )
        if not self.lines:
            self._key(ax, look)
            self._listed(ax, look)

    def _side(self) -> float:
        """Of a cell."""
        return min((PAGE - 2 * MARGIN - PAD - self._widest()) / len(self.names), LARGEST_CELL)

    def _widest(self) -> float:
        return max(text_width(label, SMALL) for label in self.labels)

    def _lines(self) -> int:
        """How many lines of text a cell has room for."""
        number = text_width(f"{self.counts.max():,}", SMALL)
        share = text_width("100.0%", SMALL)
        if self.side >= max(number, share, 2 * ROW) + PAD:
            return 2
        return int(self.side >= max(number, ROW) + PAD / 2)

    def _cells(self, ax: Axes, look: Theme) -> None:
        counts, count = self.counts, len(self.names)
        shares = counts / numpy.maximum(counts.sum(1, keepdims=True), 1)
        left, right = self.left, self.left + self.extent
        low, top = self.floor, self.floor + self.extent
        ax.imshow(
            numpy.ma.masked_where(counts == 0, shares),
            cmap=look.shades,
            norm=NORM,
            extent=(left, right, low, top),
            interpolation="nearest",
            gid="cells",
        )
        lines = range(count + 1) if self.side >= ROW else (0, count)
        for number in lines:
            at = number * self.side
            ax.plot([left, right], [low + at] * 2, color=look.faint, lw=0.5)
            ax.plot([left + at] * 2, [low, top], color=look.faint, lw=0.5)
        if not self.lines:
            return
        shades = colormaps[look.shades]
        for row, column in numpy.argwhere(counts).tolist():
            share, images = shares[row, column], f"{counts[row, column]:,}"
            ax.text(
                left + (column + 0.5) * self.side,
                top - (row + 0.5) * self.side,
                f"{share:.1%}\n{images}" if self.lines == 2 else images,
                size=SMALL,
                ha="center",
                va="center",
                linespacing=LINE,
                weight="bold" if row == column else "normal",
                color=readable(shades(NORM(share))),
                gid=f"cell:{row}:{column}",
            )

    def _key(self, ax: Axes, look: Theme) -> None:
        """Which colour is which share."""
        y = self.floor - self.under - 2 * ROW
        left = PAGE - 3 * MARGIN - KEY_WIDTH
        shares = numpy.linspace(0, 1, 256) ** 2
        ax.imshow(
            shares[numpy.newaxis],
            cmap=look.shades,
            norm=NORM,
            extent=(left, left + KEY_WIDTH, y + ROW, y + 2 * ROW),
            aspect="auto",
            gid="key",
        )
        for share in KEY:
            x = left + float(NORM(share)) * KEY_WIDTH
            ax.text(x, y, f"{share:.0%}", size=SMALL, ha="center", color=look.muted)
        ax.text(MARGIN, y + ROW, "colour: share of the true class", size=SMALL)

    def _listed(self, ax: Axes, look: Theme) -> None:
        y = MARGIN + (len(self.list) + 0.5) * ROW
        if self.list:
            ax.text(MARGIN, y, "Most often confused", size=SMALL, weight="bold")
        for number, pair in enumerate(self.list):
            ax.text(
                MARGIN,
                y - (number + 1) * ROW,
                self.told(pair),
                size=SMALL,
                gid=f"mistake:{number}",
            )
