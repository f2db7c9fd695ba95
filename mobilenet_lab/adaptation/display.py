"""How the progress of a search is shown: bars in a terminal, else a line for each iteration."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from mobilenet_lab.adaptation.search import ACCURACY, Event
from mobilenet_lab.reports.table import write

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """Watches a search, on standard error unless another `stream` is given."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream or sys.stderr
        self._bars: Progress | None = None
        self._search: TaskID | None = None
        self._tried: TaskID | None = None
        self._begun = False

    def __call__(self, event: Event) -> None:
        """Shows how far the search has come."""
        if self.stream is None:
            return
        if not self._begun and self.stream.isatty():
            self._start(event)
        self._begun = True
        if self._bars is not None:
            self._went_on(event)
        elif event.kept and event.judged_by == ACCURACY:  # by cost alone, it takes seconds
            print(line(event), file=self.stream, flush=True)

    def close(self) -> None:
        """Takes the bars off the screen; the lines of the iterations stay."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _start(self, event: Event) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=self.stream, highlight=False)
        if console.is_dumb_terminal:
            return
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[told]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            speed_estimate_period=float("inf"),  # an iteration may take longer than any other
        )
        begun = event.start - event.before
        whole = event.start - event.budget
        self._search = self._bars.add_task("to the budget", total=whole, completed=begun, told="")
        self._tried = self._bars.add_task("proposals", total=event.proposals, told="")
        self._bars.start()

    def _went_on(self, event: Event) -> None:
        assert self._bars is not None
        assert self._search is not None
        assert self._tried is not None
        if event.kept:
            self._bars.console.print(line(event), soft_wrap=True, markup=False)
            self._bars.update(self._search, completed=event.start - event.cost)
            return
        if event.done == 1:
            self._bars.reset(self._tried, total=event.proposals)
        told = f"{event.name} {write(float(event.value), 'share')}"
        self._bars.update(self._tried, completed=event.done, told=told)
        shares = (
            write(event.before / event.start, "share"),
            write(event.budget / event.start, "share"),
        )
        told = f"iteration {event.iteration}, at {shares[0]} of the cost, to {shares[1]}"
        self._bars.update(self._search, told=told)


def line(event: Event) -> str:
    """What an iteration kept."""
    return (
        f"iteration {event.iteration}: {event.name} to {event.width} channels, best of "
        f"{event.proposals} proposals; cost {write(event.cost / event.start, 'share')} "
        f"(budget {write(event.budget / event.start, 'share')}), "
        f"{event.judged_by} {write(float(event.value), 'share')}"
    )


@contextmanager
def display(stream: IO[str] | None = None) -> Iterator[Display]:
    """A `Display` whose bars are taken off the screen at the end, however that comes."""
    shown = Display(stream)
    try:
        yield shown
    finally:
        shown.close()
