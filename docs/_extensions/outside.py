"""Links that lead out of docs/, as they stand for readers of the repository, made to fit the site.

A Markdown file outside that has a page here is that page; a notebook is its solved version; a
folder without a README is named, and not linked. Other files can be downloaded.
"""

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
SHOWN = {
    "contributing": ROOT / "CONTRIBUTING.md",
    "changelog": ROOT / "CHANGELOG.md",
    "add_a_network": ROOT / "mobilenet_lab" / "architectures" / "README.md",
}
"""Page -> the file outside that stands on it."""
PAGES = {ROOT / "README.md": "index.md"} | {file: f"{page}.md" for page, file in SHOWN.items()}
CONTENTS = {"architectures/README": "*"}
"""Page -> the pages below it, where the page itself is made to be read in the repository."""
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s:#]+)(#[^()\s]*)?\)")


def moved(text: str, read: Path, page: Path) -> str:
    """`text` of the file `read` with its relative links as `page` needs them."""

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        place = Path(os.path.normpath(read.parent / target))
        if place.is_dir():
            if not (place / "README.md").exists():
                return words
            place /= "README.md"
        if place in PAGES:
            place = DOCS / PAGES[place]
        elif place.parent == ROOT / "notebooks" and place.suffix == ".ipynb":
            place = DOCS / "course" / place.name
        return f"[{words}]({os.path.relpath(place, page.parent)}{anchor})"

    return LINK.sub(link, text)


def on_read(app: Sphinx, docname: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    text, read = source[0], page
    if docname in SHOWN:
        read = SHOWN[docname]
        text = read.read_text("utf-8")
        app.env.note_dependency(str(read))
    source[0] = moved(text, read, page)
    if docname in CONTENTS:
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{CONTENTS[docname]}\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", on_read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
