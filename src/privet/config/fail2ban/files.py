"""Which files make one configuration, in which order, and what they say together.

For `jail`, `fail2ban`, `filter.d/X` and `action.d/X` these are X.conf, X.d/*.conf, X.local and X.d/*.local,
each surrounded by the files that its [INCLUDES] name `before` and `after` it, which bring their own
`.local` along. What is read later wins, option by option; what it replaces stays readable as `known/OPTION`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from privet.config.fail2ban.ini import Document, Options, RefusedError, parse
from privet.config.fail2ban.interpolate import Merged
from privet.config.fail2ban.text import Place, Text

INCLUDES = "INCLUDES"
_MOST, _DEEPEST = 500, 50
"""Files of one configuration, and includes inside includes: ten times what is seen, so that they cannot multiply."""

_CONDITIONAL = re.compile(r"(\w+)(\?.+)")


class Files:
    """Reads files below a folder, each once. `notes` collects what is odd but does no harm."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder).rstrip("/") or "/"
        self.notes: dict[tuple[Place, str], None] = {}
        self._documents: dict[str, Document | RefusedError | None] = {}

    def merged(self, name: str) -> Merged | None:
        """Read the configuration of a name below the folder; None if there is no file of it.

        Raises RefusedError for a file that cannot be used.
        """
        base = os.path.join(self.folder, name)  # noqa: PTH118  as fail2ban spells it
        found = [path for end in ("conf", "local") for path in (f"{base}.{end}", *_dropped(base + ".d", end))]
        found = [path for path in found if Path(path).exists()]
        order = self._with_includes(found, ())
        documents = [document for document in map(self._document, order) if document]
        return _merge(documents) if documents else None

    def _with_includes(self, paths: list[str], outer: tuple[str, ...]) -> list[str]:
        """Return files in the order in which they are read, included ones with them."""
        order: list[str] = []
        for path in _with_local(paths):
            order += self._around(path, outer)
            if len(order) > _MOST or len(outer) > _DEEPEST:
                raise RefusedError(Place(path), "[INCLUDES] lead to too many files; do they go round in a circle?")
        return order

    def _around(self, path: str, outer: tuple[str, ...]) -> list[str]:
        document = self._document(path)
        if document is None:
            return []
        before, after = (self._included(document, option, outer) for option in ("before", "after"))
        return [*before, path, *after]

    def _included(self, document: Document, option: str, outer: tuple[str, ...]) -> list[str]:
        merged = Merged(dict(document.defaults), dict(document.sections))
        if INCLUDES not in merged.sections or not merged.has(INCLUDES, option):
            return []
        order: list[str] = []
        for line in merged.get(INCLUDES, option).split():
            path = os.path.join(os.path.dirname(document.name), line.text)  # noqa: PTH118, PTH120  as it is written
            if line.text and os.path.normpath(path) in outer:
                self.note(line.place, f"{line.text} includes this file again: the loop is cut here")
            elif line.text:
                order += self._one_include(line, path, (*outer, os.path.normpath(document.name)))
        return order

    def _one_include(self, line: Text, path: str, outer: tuple[str, ...]) -> list[str]:
        order = self._with_includes([path], outer)
        if not order and not path.endswith(".local"):  # one that may be missing is how fail2ban offers a place for it
            self.note(line.place, f"there is no file {line.text} to include")
        return order

    def note(self, place: Place, message: str) -> None:
        """Note something odd."""
        self.notes[place, message] = None

    def _document(self, path: str) -> Document | None:
        """Read a file, once. None if there is none, or none that can be decoded. Raises RefusedError."""
        if path not in self._documents:
            self._documents[path] = self._read(path)
        found = self._documents[path]
        if isinstance(found, RefusedError):
            raise found
        return found

    def _read(self, path: str) -> Document | RefusedError | None:
        try:
            content = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self.note(Place(path), "is not UTF-8, and so is left out")
            return None
        except OSError as error:
            if Path(path).exists():
                self.note(Place(path), f"cannot be read: {error.strerror}")
            return None
        try:
            return parse(content, path)
        except RefusedError as error:
            return error


def _dropped(folder: str, end: str) -> list[str]:
    """Return the files of a drop-in directory that end so, in the order in which they are read."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  Path() would spell the folder in its own way
    except OSError:
        return []
    return [f"{folder}/{name}" for name in sorted(names) if name.endswith("." + end) and not name.startswith(".")]


def _with_local(paths: list[str]) -> list[str]:
    """Put after each file its `.local` sibling, unless that is in the list already."""
    order = []
    for path in paths:
        local = os.path.splitext(path)[0] + ".local"  # noqa: PTH122  pathlib has no such split
        order += [path, local] if local not in paths and Path(local).is_file() else [path]
    return order


def _merge(documents: list[Document]) -> Merged:
    merged = Merged({}, {})
    for document in documents:
        merged.defaults.update(document.defaults)
        for header, options in document.sections.items():
            name, own = _unconditional(header, options)
            merged.lines[name] = Place(document.name, document.lines[header])
            there = merged.sections.setdefault(name, {})
            known = {option: value for option, value in there.items() if option in own}
            if known:
                merged.known.setdefault(name, {}).update(known)
            there.update(own)
    return merged


def _unconditional(header: str, options: Options) -> tuple[str, Options]:
    """Turn `[Init?family=inet6] x = 1` into `[Init] x?family=inet6 = 1`."""
    found = _CONDITIONAL.fullmatch(header)
    if found is None:
        return header, options
    return found[1], {option + found[2]: value for option, value in options.items()}
