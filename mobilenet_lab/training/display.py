"""How the progress of a run is shown: bars in a terminal, else a line for each epoch."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from mobilenet_lab.training.records import Epoch, Step
from mobilenet_lab.training.run_folder import best

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

UNTIL_VALIDATED = 0.95
"""The share of an epoch that its training is taken for."""


class Display:
    """Watches a run, on standard error unless another `stream` is given.

    Nothing is shown before the first step, so that the processes of a distributed run that are
    told of none stay silent.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream or sys.stderr
        self._bars: Progress | None = None
        self._run: TaskID | None = None
        self._images: TaskID | None = None
        self._epochs = 0
        self._shown: tuple[int, str] | None = None
        self._best: Epoch | None = None

    def __call__(self, event: Step | Epoch) -> None:
        """Shows how far the run has come."""
        if self.stream is None:
            return
        if isinstance(event, Epoch):
            self._finished(event)
            return
        if self._epochs == 0 and self.stream.isatty():
            self._start(event)
        self._epochs = event.epochs
        if self._bars is not None:
            self._went_on(event)

    def close(self) -> None:
        """Takes the bars off the screen; the lines of the epochs stay."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _start(self, step: Step) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(file=self.stream, highlight=False)
        if console.is_dumb_terminal:
            return
        self._bars = Progress(
            "{task.description}",
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            "{task.fields[told]}",
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            speed_estimate_period=float("inf"),  # an epoch may take longer than any other period
        )
        self._run = self._bars.add_task(
            "epochs", total=step.epochs, completed=step.epoch - 1, told=""
        )
        self._images = self._bars.add_task("train", total=None, told="")
        self._bars.start()

    def _went_on(self, step: Step) -> None:
        assert self._bars is not None
        assert self._run is not None
        assert self._images is not None
        if self._shown != (step.epoch, step.phase):
            self._shown = step.epoch, step.phase
            self._bars.reset(self._images, description=step.phase, total=step.total)
        speed = next(task.speed for task in self._bars.tasks if task.id == self._images)
        told = f"loss {step.loss:.4f} accuracy {step.accuracy:.1%}"
        if speed:
            told += f" {speed:,.0f} images/s"
        self._bars.update(self._images, completed=step.done, told=told)
        if step.phase == "train":  # in parts, so that the time left is known in the first epoch
            part = UNTIL_VALIDATED * step.done / step.total
            self._bars.update(self._run, completed=step.epoch - 1 + part)

    def _finished(self, epoch: Epoch) -> None:
        self._best = best([self._best, epoch] if self._best else [epoch])
        if self._bars is None:
            print(line(epoch, self._epochs), file=self.stream, flush=True)
            return
        assert self._run is not None
        self._bars.console.print(line(epoch, self._epochs), soft_wrap=True, markup=False)
        told = f"best {self._best.val_accuracy:.1%} in epoch {self._best.epoch}"
        self._bars.update(self._run, completed=epoch.epoch, told=told)


def line(epoch: Epoch, epochs: int) -> str:
    """What one epoch of so many gave."""
    return (
        f"epoch {epoch.epoch}/{epochs}: "
        f"train loss {epoch.train_loss:.4f}, accuracy {epoch.train_accuracy:.1%}; "
        f"val loss {epoch.val_loss:.4f}, accuracy {epoch.val_accuracy:.1%}; "
        f"{epoch.images_per_second:,.0f} images/s, {epoch.seconds:.1f} s"
    )


@contextmanager
def display(stream: IO[str] | None = None) -> Iterator[Display]:
    """A `Display` whose bars are taken off the screen at the end, however that comes."""
    shown = Display(stream)
    try:
        yield shown
    finally:
        shown.close()


def is_main() -> bool:
    """Whether this process is the one that speaks, of those that accelerate or torchrun started."""
    return os.environ.get("RANK", "0") == "0"
