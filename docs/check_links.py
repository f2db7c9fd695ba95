"""Whether every link of the built site leads somewhere: `python docs/check_links.py [FOLDER]`.

Pages, anchors, pictures, scripts and downloads inside must exist; addresses outside must be well
formed, and are not asked; and nothing that a page loads by itself may come from outside.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

BUILT = Path(__file__).resolve().parent / "_build" / "html"
LOADED = {("img", "src"), ("script", "src"), ("source", "src"), ("iframe", "src"), ("link", "href")}
"""What a browser fetches without a click."""
NAMED = {"canonical", "next", "prev", "index", "search", "license"}
"""Kinds of `<link>` that are addresses only."""


class Link(NamedTuple):
    """An address on a page, and whether a browser loads it by itself."""

    target: str
    loaded: bool


class Page(HTMLParser):
    """The anchors and links of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[Link] = []
        self.flaws: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Every start tag, also of elements that are closed at once."""
        given = dict(attrs)
        if name := given.get("id"):
            if name in self.anchors:
                self.flaws.append(f"the id {name!r} comes twice")
            self.anchors.add(name)
        if tag == "a" and given.get("name"):
            self.anchors.add(given["name"] or "")
        if tag == "img" and "alt" not in given:
            self.flaws.append(f"a picture without a description: {given.get('src', '')[:60]}")
        named = set((given.get("rel") or "").split()) & NAMED
        for key in ("href", "src", "data"):
            target = given.get(key)
            if target is not None:
                self.links.append(Link(target, (tag, key) in LOADED and not named))
        if "math" in (given.get("class") or "").split():
            self.flaws.append("a formula that waits for a script")


def checked(folder: Path = BUILT) -> list[str]:
    """One line for each link, anchor or picture that is wrong, by page."""
    folder = folder.resolve()
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        return [f"no pages in {folder.name}"]
    flaws = []
    for path, page in pages.items():
        found = [*page.flaws, *filter(None, (_wrong(link, path, pages) for link in page.links))]
        flaws += [f"{path.relative_to(folder)}: {flaw}" for flaw in dict.fromkeys(found)]
    return flaws


def _wrong(link: Link, path: Path, pages: dict[Path, Page]) -> str | None:
    """What is wrong with a link, None if nothing is."""
    try:
        parts = urlsplit(link.target)
    except ValueError as error:
        return f"{link.target} is no address: {error}"
    if parts.scheme == "data":
        return None
    if parts.scheme == "mailto":
        return None if re.fullmatch(r"\S+@\S+\.\S+", parts.path) else f"{link.target} is no address"
    if parts.scheme or parts.netloc:
        well = parts.scheme in ("http", "https") and re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc)
        if not well or " " in link.target:
            return f"{link.target} is no address"
        return f"{link.target} is loaded from outside" if link.loaded else None
    if parts.path.startswith("/"):
        return f"{link.target} begins at the root, which may be elsewhere"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return f"{link.target} is not there"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return f"{link.target}: there is no such anchor"
    return None


def main(arguments: list[str]) -> int:
    """The command line; returns the exit code."""
    folder = Path(arguments[0]) if arguments else BUILT
    found = checked(folder)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
