"""Which line of a TOML text a key stands on: `tomllib` does not tell.

This is no parser: it looks at a text that `tomllib` has accepted, and only as closely as it must to find
the keys. Any other text gives a useless answer, never an exception.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privet.config.values import Path

_TOKEN = re.compile(
    r'''
      """ (?: \\. | [^\\] )*? "{3,5}    # up to two quotes may stand before the closing three
    | \'\'\' .*? \'{3,5}
    | " (?: \\. | [^"\\\n] )* "
    | ' [^'\n]* '
    | \# [^\n]*
    | [][{}=.\n]
    | [^][{}=.\s\#"',]+
    ''',
    re.DOTALL | re.VERBOSE,
)
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")


class KeyLines:
    """The line of every key path of a TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        implied: dict[Path, int] = {}
        table: Path = ()
        for line, tokens in _statements(text):
            is_header = tokens[0] == "["
            path = () if is_header else table
            for part in _key(tokens):
                path = (*path, part)
                implied.setdefault(path, line)
            self._lines.setdefault(path, line)
            if is_header:
                table = path
        # [a.b] before [a] implies a, but the line of [a] is the better answer.
        self._lines = implied | self._lines

    def of(self, path: Path) -> int:
        """Return the line of a key path; inside an inline table or a list, that of the key it belongs to.

        A path of which no part is known has line 0.
        """
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 0


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each header and each key with its value as tokens, with the number of its first line."""
    line, depth = 1, 0
    start, tokens = line, list[str]()
    for found in _TOKEN.finditer(text):
        word = found[0]
        if word == "\n" and depth <= 0 and tokens:
            yield start, tokens
            tokens, depth = [], 0
        elif not (word == "\n" or word.startswith("#")):
            start = start if tokens else line
            tokens.append(word)
            depth += (word in _OPENING) - (word in _CLOSING)
        line += word.count("\n")
    if tokens:
        yield start, tokens


def _key(tokens: list[str]) -> Iterator[str]:
    """Yield the parts of the key in a statement."""
    for word in tokens:
        if word == "=":
            return
        if word not in {"[", "]", "."}:
            yield _unquoted(word)


def _unquoted(word: str) -> str:
    if word[0] == "'":
        return word[1:-1]
    if word[0] != '"':
        return word
    try:
        return str(tomllib.loads(f"key = {word}")["key"])
    except tomllib.TOMLDecodeError:
        return word
