"""Where each value of a TOML file stands, which `tomllib` does not say."""

import re
import tomllib
from collections.abc import Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a value: ("layers", 3, "channels")."""

TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{},=.\n]"
    r"|[^\s\[\]{},=.\"'\#]+",
    re.DOTALL,
)


def line_numbers(text: str) -> Mapping[Path, int]:
    """The line of each value and table of `text`, which `tomllib` has found valid."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens: list[tuple[str, int]] = []
        line, end = 1, 0
        for found in TOKEN.finditer(text):
            line += text.count("\n", end, found.start())
            end = found.start()
            if not found[0].startswith("#"):
                self._tokens.append((found[0], line))
        self._at = 0
        self._tables: dict[Path, int] = {}
        """Arrays of tables: how many tables each has so far."""

    def document(self) -> None:
        base: Path = ()
        while self._at < len(self._tokens):
            if self._peek() == "\n":
                self._at += 1
            elif self._peek() == "[":
                base = self._header()
            else:
                self._pair(base)

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else "\n"

    def _skip(self, *tokens: str) -> None:
        while self._at < len(self._tokens) and self._peek() in tokens:
            self._at += 1

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`, of which the last names a new table of an array."""
        line, start = self._tokens[self._at][1], self._at
        self._skip("[")
        array = self._at - start == 2
        *outer, last = self._key()
        self._skip("]")
        path: Path = ()
        for key in outer:
            path = self._latest((*path, key))
        path = (*path, last)
        if array:
            self._tables[path] = self._tables.get(path, 0) + 1
        self.lines.setdefault(path, line)
        path = self._latest(path)
        self.lines.setdefault(path, line)
        return path

    def _latest(self, path: Path) -> Path:
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _key(self) -> list[str]:
        keys = []
        while True:
            token = self._peek()
            keys.append(tomllib.loads(f"k = {token}")["k"] if token[0] in "\"'" else token)
            self._at += 1
            if self._peek() != ".":
                return keys
            self._at += 1

    def _pair(self, base: Path) -> None:
        line = self._tokens[self._at][1]
        path = base
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._skip("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        token, line = self._tokens[self._at]
        self.lines.setdefault(path, line)
        if token in ("[", "{"):
            self._at += 1
            self._skip("\n", ",")
            number = 0
            while self._peek() not in ("]", "}"):
                if token == "{":
                    self._pair(path)
                else:
                    self._value((*path, number))
                    number += 1
                self._skip("\n", ",")
            self._at += 1
        else:
            while self._peek() not in (",", "]", "}", "\n"):
                self._at += 1
