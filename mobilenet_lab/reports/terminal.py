"""A table in a terminal, by rich."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from mobilenet_lab.reports.table import Column, Table, write

BAR_CELLS = (12, 8, 4, 0)
"""Lengths of a bar, from what looks best to what leaves room."""
BAR_COLOUR = "cyan"
EIGHTHS = " ▏▎▍▌▋▊▉"


def render(table: Table, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Heading, body and notes, one after another."""
    yield Text(table.title, style="bold")
    if table.subtitle:
        yield Text(table.subtitle, style="dim")
    if table.layout == "equations":
        yield from _equations(table)
    elif table.layout == "sections":
        yield from _sections(table, options.max_width)
    else:
        yield _fitting(table, console, options)
    for note in table.notes:
        yield Text(note, style="dim")


def _fitting(table: Table, console: Console, options: ConsoleOptions) -> RichTable:
    """The table with the longest bars that leave room for the rest.

    Where even no bars leave too little, prose goes on in a second line, or if there is none the
    first column's names; where that is too little still, every cell does.
    """
    unlimited = options.update(width=10_000)
    for cells in BAR_CELLS:
        grid = _grid(table, cells)
        width = console.measure(grid, options=unlimited).maximum
        if width <= options.max_width:
            return grid
    names = max((len(write(table.columns[0].value(row), "any")) for row in table.rows), default=0)
    prose = any(column.kind == "prose" for column in table.columns)
    if prose or width - names + SHORTEST_NAME <= options.max_width:
        for number, column in enumerate(grid.columns):
            wraps = table.columns[number].kind == "prose" if prose else number == 0
            column.no_wrap = not wraps
    return grid


SHORTEST_NAME = 12


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
            justify="left" if column.kind in ("text", "prose") else "right",
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


NARROWEST = 12
"""What a column of texts keeps where room is short."""


def _sections(table: Table, room: int) -> Iterator[RenderableType]:
    """Titles once, then under its headings each run of rows that share them, all aligned."""
    known = {column.key: column for column in table.columns}
    headings = [[known[key] for key in keys] for keys in table.headings]
    columns = [column for column in table.columns if not any(column in some for some in headings)]
    widths = [max(map(len, _lines(table, column))) for column in columns]
    texts = [index for index, column in enumerate(columns) if column.kind == "text"]
    longest = max(texts, key=lambda index: widths[index])
    excess = sum(widths) + len(widths) - room  # one blank before each column
    if excess > 0:
        widths[longest] = max(widths[longest] - excess, min(NARROWEST, widths[longest]))

    def aligned(cells: Iterable[tuple[Text, ...]]) -> RenderableType:
        body = RichTable.grid(padding=(0, 1, 0, 0))
        for column, width in zip(columns, widths, strict=True):
            side: Literal["left", "right"] = "left" if column.kind == "text" else "right"
            fixed = width if sum(widths) + len(widths) <= room else None
            body.add_column(justify=side, width=fixed, overflow="fold")
        for row in cells:
            body.add_row(*row)
        return Padding(body, (0, 0, 0, 1))

    yield Text()
    yield aligned([tuple(Text(column.title, style="bold") for column in columns)])
    before = [""] * len(headings)
    for shared, rows in groupby(table.rows, lambda row: [_heading(row, some) for some in headings]):
        if shared[0] != before[0]:
            yield Text()
        for depth, text in enumerate(shared):
            if shared[: depth + 1] != before[: depth + 1]:
                line = Text(text, style="dim" if depth else "cyan", overflow="fold")
                yield Padding(line, (0, 0, 0, min(depth, 1)))
        yield aligned(tuple(_cell(row, column, 0) for column in columns) for row in rows)
        before = shared
    yield Text()


def _lines(table: Table, column: Column) -> Iterator[str]:
    yield column.title
    yield from (write(column.value(row), column.kind) for row in table.rows)


def _heading(row: Any, columns: list[Column]) -> str:
    return ": ".join(filter(None, (write(column.value(row), column.kind) for column in columns)))


def _cell(row: Any, column: Column, cells: int) -> Text:
    value = column.value(row)
    if column.kind == "share" and value is not None:
        colour = column.colour(row) if column.colour else BAR_COLOUR
        return Text.assemble((bar(value, cells), colour), f" {write(value, column.kind):>6}")
    return Text(write(value, column.kind))


def bar(share: float, cells: int) -> str:
    """A bar of `cells` cells filled to `share`, in eighths of a cell."""
    full, rest = divmod(round(share * cells * 8), 8)
    return ("█" * full + EIGHTHS[rest] * (rest > 0)).ljust(cells)
