"""One configuration file of fail2ban, line by line, as Python's configparser reads it for fail2ban.

The rules:
- a line that begins (after white space) with `#` or `;` is a comment; ` ;` after a value begins one too;
- a line indented more than the option that it follows continues its value, blank lines included;
- `name = value` or `name : value`, the first of the two signs counts; names are lower-cased;
- a section or an option that comes twice is an error, and so is what is none of these;
- the section DEFAULT may come again, its options may not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.config.fail2ban.text import Place, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = "DEFAULT"

_HEADER = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"(.*?)\s*[=:]\s*(.*)")
_QUOTED = 60  # characters of a refused line that a message shows

Options = dict[str, Text]


class RefusedError(ValueError):
    """Something in the configuration that cannot be used, and where it stands."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place, self.message = place, message


class Document(msgspec.Struct):
    """The sections of one file; DEFAULT stands apart. `lines` tells where each section begins."""

    name: str
    defaults: Options = {}
    sections: dict[str, Options] = {}
    lines: dict[str, int] = {}


def parse(content: str, name: str) -> Document:
    """Read a file's content. Raises RefusedError at the first mistake."""
    document = Document(name)
    options: Options | None = None
    for line, header, option, parts in _statements(content, name):
        if header:
            options = _section(document, header, line)
        elif options is None:
            raise RefusedError(Place(name, line), "an option stands before the first [section]")
        elif not option:
            raise RefusedError(Place(name, line), f"neither a [section] nor an option: {_short(parts[0].text)}")
        elif option in options:
            raise RefusedError(Place(name, line), f"option {option!r} comes twice in one section")
        else:
            text = Text.join(parts, "\n")
            options[option] = text[: len(text.text.rstrip())]
    return document


def _section(document: Document, header: str, line: int) -> Options:
    if header == DEFAULT:
        return document.defaults
    if header in document.sections:
        raise RefusedError(Place(document.name, line), f"section [{header}] comes twice in one file")
    document.lines[header] = line
    return document.sections.setdefault(header, {})


def _statements(content: str, name: str) -> Iterator[tuple[int, str, str, list[Text]]]:
    """Yield line number, header, option and value lines; a line that is neither has no header and no option."""
    pending: tuple[int, str, str, list[Text]] | None = None
    indent = 0
    for number, line in enumerate(content.split("\n"), 1):
        value, commented = _without_comment(line)
        here = Place(name, number)
        if not value:
            if pending and pending[2] and not commented:
                pending[3].append(Text.of("", here))
            continue
        depth = len(line) - len(line.lstrip())
        if pending and pending[2] and depth > indent:
            pending[3].append(Text.of(value, here))
            continue
        if pending:
            yield pending
        indent = depth
        pending = _statement(number, value, here)
    if pending:
        yield pending


def _statement(number: int, value: str, here: Place) -> tuple[int, str, str, list[Text]]:
    header = _HEADER.match(value)
    if header:
        return number, header[1], "", []
    option = _OPTION.match(value)
    if option:
        return number, "", option[1].rstrip().lower(), [Text.of(option[2], here)]
    return number, "", "", [Text.of(value, here)]


def _without_comment(line: str) -> tuple[str, bool]:
    """Return what a line says, and whether it had a comment."""
    if line.lstrip().startswith(("#", ";")):
        return "", True
    found = line.find(";")
    while found > 0 and not line[found - 1].isspace():
        found = line.find(";", found + 1)
    return (line.strip(), False) if found < 0 else (line[:found].strip(), True)


def _short(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…")
