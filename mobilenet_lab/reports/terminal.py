"""A table in a terminal, by rich."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from mobilenet_lab.reports.table import Column, Table, write

BAR_CELLS = (12, 8, 4, 0)
"""Lengths of a bar, from what looks best to what leaves room."""
EIGHTHS = " ▏▎▍▌▋▊▉"


def render(table: Table, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Heading, body and notes, one after another."""
    yield Text(table.title, style="bold")
    if table.subtitle:
        yield Text(table.subtitle, style="dim")
    if table.layout == "equations":
        yield from _equations(table)
    else:
        yield _fitting(table, console, options)
    for note in table.notes:
        yield Text(note, style="dim")


def _fitting(table: Table, console: Console, options: ConsoleOptions) -> RichTable:
    """The table with the longest bars that leave room for the rest."""
    unlimited = options.update(width=10_000)
    for cells in BAR_CELLS:
        grid = _grid(table, cells)
        if console.measure(grid, options=unlimited).maximum <= options.max_width:
            break
    return grid


def _grid(table: Table, cells: int) -> RichTable:
    grid = RichTable(
        box=box.SIMPLE_HEAD,
        show_footer=table.total is not None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in table.columns:
        grid.add_column(
            column.title,
            footer=_cell(table.total, column, cells) if table.total is not None else "",
            justify="left" if column.kind == "text" else "right",
            overflow="fold",
            footer_style="bold",
        )
    for row in table.rows:
        grid.add_row(*(_cell(row, column, cells) for column in table.columns))
    return grid


def _equations(table: Table) -> Iterator[RenderableType]:
    """Each row as `quantity = symbols`, `= numbers`, `= result`, under its layer's name."""
    layer = ""
    for row in table.rows:
        if row.layer != layer:
            layer = row.layer
            yield Text(f"\n{layer}", style="cyan")
        body = RichTable.grid(padding=(0, 1))
        body.add_column(no_wrap=True)
        body.add_column(no_wrap=True)
        body.add_column(overflow="fold")
        shown = list(dict.fromkeys([row.symbols, row.numbers, f"{row.result:,}"]))
        shown[-1] = f"{shown[-1]} {row.unit}".rstrip()
        for number, step in enumerate(shown):
            style = "bold" if number == len(shown) - 1 else ""
            body.add_row("" if number else f"  {row.quantity}", "=", Text(step, style=style))
        yield body
    yield Text()


def _cell(row: Any, column: Column, cells: int) -> Text:
    value = column.value(row)
    if column.kind == "share" and value is not None:
        return Text.assemble((bar(value, cells), "cyan"), f" {write(value, column.kind):>6}")
    return Text(write(value, column.kind))


def bar(share: float, cells: int) -> str:
    """A bar of `cells` cells filled to `share`, in eighths of a cell."""
    full, rest = divmod(round(share * cells * 8), 8)
    return ("█" * full + EIGHTHS[rest] * (rest > 0)).ljust(cells)
