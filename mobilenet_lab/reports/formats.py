"""A table as text, one function a format. Counts are exact; nothing is shortened."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from html import escape
from typing import Any

from mobilenet_lab.reports.table import Column, Table, write


def plain(table: Table) -> str:
    """What a terminal shows, without colours and as wide as it needs."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=10_000, color_system=None, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def markdown(table: Table) -> str:
    """A pipe table under a bold heading."""
    lines = [f"**{_markdown(table.title)}**", ""]
    if table.subtitle:
        lines += [_markdown(table.subtitle), ""]
    lines.append(_piped(_markdown(column.title) for column in table.columns))
    lines.append(_piped("---" if _left(column) else "---:" for column in table.columns))
    for row in table.rows:
        lines.append(_piped(_markdown(text) for text in _texts(table, row)))
    if table.total is not None:
        lines.append(
            _piped(f"**{_markdown(text)}**" if text else "" for text in _texts(table, table.total))
        )
    for note in table.notes:
        lines += ["", _markdown(note)]
    return "\n".join(lines) + "\n"


def comma_separated(table: Table) -> str:
    """The rows alone: a line of keys, then raw values; no total, so that a sum is a sum."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.key for column in table.columns)
    for row in table.rows:
        writer.writerow(_flat(column.value(row)) for column in table.columns)
    return text.getvalue()


def json_text(table: Table) -> str:
    """Facts, rows, total and notes as one object."""
    whole = {
        "title": table.title,
        **table.facts,
        "columns": {column.key: column.meaning or column.title for column in table.columns},
        "rows": [_raw(table.record(row)) for row in table.rows],
        "total": None if table.total is None else _raw(table.record(table.total)),
        "notes": list(table.notes),
    }
    return json.dumps(_raw(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def latex(table: Table) -> str:
    """A booktabs table; a long one breaks over pages."""
    texts = "p{0.27\\linewidth}" if table.layout == "equations" else "l"
    spec = "".join(_latex_column(column, texts) for column in table.columns)
    short, whole = _latex(table.title), " -- ".join(filter(None, (table.title, table.subtitle)))
    caption = rf"\caption[{{{short}}}]{{{_latex(whole)}}}"
    head = " & ".join(_latex(column.title) for column in table.columns) + r" \\"
    body = [" & ".join(map(_latex, _texts(table, row))) + r" \\" for row in table.rows]
    if table.total is not None:
        body += [r"\midrule", " & ".join(map(_latex, _texts(table, table.total))) + r" \\"]
    notes = [rf"\par\small {_latex(note)}" for note in table.notes]
    rules = [r"\toprule", head, r"\midrule"]
    if len(table.rows) > 40:
        lines = [
            r"% needs \usepackage{booktabs,longtable}",
            rf"\begin{{longtable}}{{{spec}}}",
            caption + r" \\",
            *rules,
            r"\endhead",
            *body,
            r"\bottomrule",
            r"\end{longtable}",
            *notes,
        ]
    else:
        lines = [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            caption,
            rf"\begin{{tabular}}{{{spec}}}",
            *rules,
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


STYLE = """<meta charset="utf-8">
<style>
.mobilenet-lab {font-family: system-ui, sans-serif; font-size: 0.9em; color: inherit}
.mobilenet-lab table {border-collapse: collapse; margin: 0.5em 0}
.mobilenet-lab td {font-variant-numeric: tabular-nums}
.mobilenet-lab caption {text-align: left; font-weight: bold; padding: 0.3em 0}
.mobilenet-lab div {overflow-x: auto}
.mobilenet-lab th, .mobilenet-lab td {padding: 0.15em 0.7em; text-align: right; background: none}
.mobilenet-lab th, .mobilenet-lab td {white-space: nowrap}
.mobilenet-lab .left {text-align: left}
.mobilenet-lab .prose {white-space: normal; min-width: 12em}
.mobilenet-lab thead th, .mobilenet-lab tbody {border-bottom: 1px solid #888}
.mobilenet-lab tfoot td {font-weight: bold}
.mobilenet-lab .bar {display: inline-block; width: 6em; text-align: left; margin-right: 0.6em}
.mobilenet-lab .bar i {display: inline-block; height: 0.75em; background: #3a93c9}
.mobilenet-lab .share {display: inline-block; min-width: 3.6em}
.mobilenet-lab p {margin: 0.2em 0; opacity: 0.75}
</style>"""


def html(table: Table) -> str:
    """A fragment with its own small style sheet, as Jupyter shows it."""

    def cell(row: Any, column: Column) -> str:
        value = column.value(row)
        text = escape(write(value, column.kind))
        if column.kind == "share" and value is not None:
            colour = f"; background: {column.colour(row)}" if column.colour else ""
            text = (
                f'<span class="bar"><i style="width: {value:.1%}{colour}"></i></span>'
                f'<span class="share">{text}</span>'
            )
        return f"<td{_class(column)}>{text}</td>"

    def line(row: Any) -> str:
        return f"<tr>{''.join(cell(row, column) for column in table.columns)}</tr>"

    heads = (
        f'<th scope="col"{_class(column)}{_hint(column)}>{escape(column.title)}</th>'
        for column in table.columns
    )
    parts = [
        STYLE,
        '<div class="mobilenet-lab">',
        f"<div><table><caption>{escape(table.title)}</caption>",
        f"<thead><tr>{''.join(heads)}</tr></thead>",
        "<tbody>",
        *map(line, table.rows),
        "</tbody>",
    ]
    if table.total is not None:
        parts.append(f"<tfoot>{line(table.total)}</tfoot>")
    parts.append("</table></div>")
    parts += [f"<p>{escape(text)}</p>" for text in (table.subtitle, *table.notes) if text]
    return "\n".join([*parts, "</div>"]) + "\n"


FORMATS: dict[str, Callable[[Table], str]] = {
    "table": plain,
    "markdown": markdown,
    "csv": comma_separated,
    "json": json_text,
    "latex": latex,
    "html": html,
}


def _texts(table: Table, row: Any) -> list[str]:
    return [write(column.value(row), column.kind) for column in table.columns]


def _left(column: Column) -> bool:
    return column.kind in ("text", "prose")


def _latex_column(column: Column, text: str) -> str:
    if column.kind == "prose":
        return "p{0.2\\linewidth}"
    return text if _left(column) else "r"


def _class(column: Column) -> str:
    names = {"text": "left", "prose": "left prose"}
    return f' class="{names[column.kind]}"' if _left(column) else ""


def _hint(column: Column) -> str:
    return f' title="{escape(column.meaning)}"' if column.meaning else ""


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    for mark in "\\|*_<>`":
        text = text.replace(mark, f"\\{mark}")
    return text


LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "×": r"$\times$",
        "⌊": r"$\lfloor$",
        "⌋": r"$\rfloor$",
        "·": r"$\cdot$",
        "–": "--",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
    }
)


def _latex(text: str) -> str:
    return text.translate(LATEX)


def _raw(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, Mapping):
        return {str(key): _raw(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_raw(item) for item in value]
    if isinstance(value, Fraction):
        return float(value)
    return value


def _flat(value: Any) -> Any:
    """A value as one cell of a CSV file."""
    if isinstance(value, tuple | list):
        return "x".join(str(_flat(item)) for item in value)
    if isinstance(value, Fraction):
        return float(value)
    return value
