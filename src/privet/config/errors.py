"""What is wrong with a configuration, said so that an editor can jump to the place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class ConfigError(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake. `line` 0 means the whole file, `column` 0 the whole line; `key` is dotted."""

    file: str
    line: int
    message: str
    column: int = 0
    key: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return `file:line: key: message, hint`."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        message = ", ".join(part for part in (self.message, self.hint) if part)
        return ": ".join(part for part in (place, self.key, message) if part)


class ConfigErrors(Exception):  # noqa: N818  it holds several ConfigError
    """The configuration cannot be used; `errors` holds every mistake, by line."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = sorted(errors, key=lambda error: (error.line, error.column))
        super().__init__("\n".join(map(str, self.errors)))


def dotted(path: Sequence[str]) -> str:
    """Return a key path as it is written in TOML."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else repr(part) for part in path)
