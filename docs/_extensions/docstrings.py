"""Docstrings in plain prose as reStructuredText wants them: what is indented is code."""

from typing import Any

from sphinx.application import Sphinx


def marked(lines: list[str]) -> list[str]:
    """`lines` with "::" before each block that is indented deeper than the paragraph above it."""
    found = []
    for place, line in enumerate(lines):
        found.append(line)
        blank, after = [*lines[place + 1 : place + 3], "", ""][:2]
        if line and not blank and after and _deep(after, line) and not line.endswith("::"):
            if line.endswith(":"):
                found[-1] += ":"
            else:
                found += ["", "::"]
    return found


def _deep(after: str, line: str) -> bool:
    return len(after) - len(after.lstrip()) > len(line) - len(line.lstrip())


def on_docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = marked(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", on_docstring, priority=400)  # before napoleon
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
