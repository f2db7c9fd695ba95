"""How a note reaches a student: as HTML in a notebook, as plain text elsewhere."""

import html
import re
import sys
from dataclasses import dataclass
from typing import Any

from mobilenet_lab.exercises.records import State
from mobilenet_lab.output import printing

LOOKS = {
    "correct": ("✓", "#009E73"),
    "wrong": ("✗", "#D55E00"),
    "open": ("…", "#7f7f7f"),
    "hint": ("?", "#0072B2"),
    "solution": ("=", "#0072B2"),
    "predicted": ("→", "#CC79A7"),
}
"""Mark and colour (Okabe and Ito's palette) of each kind of note."""
LOOK_OF = {
    State.correct: "correct",
    State.not_yet: "wrong",
    State.wrong_kind: "wrong",
    State.not_attempted: "open",
}

MARKS = re.compile(r"\*\*(.+?)\*\*|`(.+?)`")
"""Bold, or code."""


@dataclass(frozen=True)
class Note:
    """A few sentences in Markdown's bold and code, under a mark."""

    look: str
    text: str
    head: str = ""

    def __str__(self) -> str:
        head = f"{self.head}. " if self.head else ""
        text = MARKS.sub(lambda m: m[1] or m[2], self.text)
        return f"{LOOKS[self.look][0]} {head}{text}".rstrip()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        mark, colour = LOOKS[self.look]
        text = html.escape(self.text, quote=False)
        text = MARKS.sub(lambda m: f"<b>{m[1]}</b>" if m[1] else f"<code>{m[2]}</code>", text)
        text = text.replace("\n\n", "<br>")
        head = f"<b>{html.escape(self.head)}.</b> " if self.head else ""
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 0.2em 0.8em; max-width: 48em">'
            f'<span style="color: {colour}; font-weight: bold">{mark}</span> {head}{text}</div>'
        )


def shell() -> Any:
    """IPython's shell, None outside of it; IPython is not imported for this."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()


def show(note: object) -> None:
    """Displays it in a notebook, prints it elsewhere."""
    if shell() is None:
        with printing():
            print(note)
        return
    from IPython.display import display

    display(note)  # type: ignore[no-untyped-call]
