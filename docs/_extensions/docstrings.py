"""Docstrings in plain prose as reStructuredText wants them.

What is indented is code, what stands under "Raises:" becomes a list of fields, and what
says nothing is left out.
"""

import re
from typing import Any

from sphinx.application import Sphinx


def marked(lines: list[str]) -> list[str]:
    """`lines` with "::" before each block that is indented deeper than the paragraph above it."""
    found = []
    for place, line in enumerate(lines):
        found.append(line)
        blank, after = [*lines[place + 1 : place + 3], "", ""][:2]
        if line and not blank and after and _indent(after) > _indent(line):
            if line.endswith(":"):
                found[-1] += ":"
            else:
                found += ["", "::"]
    return found


def raises(lines: list[str]) -> list[str]:
    """`lines` with each "Error: when" under "Raises:" as a field."""
    found: list[str] = []
    inside = False
    for line in lines:
        if line == "Raises:":
            inside = True
            continue
        inside = inside and (line.startswith(" ") or not line)
        if inside and line:
            error = re.fullmatch(r" {4}([\w.]+): (.*)", line)
            found.append(f":raises {error[1]}: {error[2]}" if error else f"    {line.strip()}")
        else:
            found.append(line)
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def on_docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    nothing = len(lines) > 0 and lines[0].startswith("Alias for field number")  # Python's own words
    lines[:] = [] if nothing else raises(marked(lines))


def on_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """What a dataclass makes anew is no expression, and would leave the signature unread."""
    return (signature.replace("<factory>", "..."), returns) if signature else None


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", on_docstring)
    app.connect("autodoc-process-signature", on_signature)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
