"""The filter of a jail: its file in filter.d with the options in brackets, and what the jail itself sets."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from privet.config.fail2ban.definitions import DEFINITION, Definition, misspelt
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.model import Filter, Rule
from privet.config.fail2ban.text import Text
from privet.config.fail2ban.words import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from privet.config.fail2ban.files import Files

OPTIONS = ("usedns", "prefregex", "ignoreregex", "failregex", "maxlines", "datepattern", "journalmatch")
"""What a jail may set as well as its filter."""


class FilterFile:
    """The file of a jail's filter; there may be none."""

    def __init__(self, files: Files, filter_: Text, backend: str) -> None:
        """Find the file that `filter = NAME[…]` names. Raises RefusedError."""
        self.place, self.name = filter_.place, ""
        self._definition: Definition | None = None
        if not filter_.text:
            return
        self.name, passed = named(filter_)
        merged = files.merged(f"filter.d/{self.name}")
        if merged is None:
            raise RefusedError(filter_.place, f"there is no filter {self.name!r} in filter.d")
        if not (("logtype" in passed and passed["logtype"].text) or "logtype" in merged.sections.get(DEFINITION, {})):
            journal = backend.startswith("systemd")
            passed["logtype"] = Text.of("journal" if journal else "file", filter_.place)
        for text, message in misspelt(merged, OPTIONS):
            files.note(text.place, message)
        self._definition = Definition(merged, passed)

    def known(self, jail: Mapping[str, Text]) -> dict[str, Text]:
        """Return all that the file says, which the jail may use as `%(known/OPTION)s`."""
        if self._definition is None:
            return {}
        self._definition.load(jail, OPTIONS, everything=True)
        combined = self._definition.combined()
        return {"known/" + name: value for name, value in combined.items() if not name.startswith("known/")}

    def read(self, jail: Mapping[str, Text]) -> Filter:
        """Put the file and the options of the jail together. Raises RefusedError."""
        own: dict[str, Text] = {}
        if self._definition:
            self._definition.load(jail, OPTIONS)
            own = self._definition.combined()
        both = [source[name] for name in ("journalmatch",) for source in (own, jail) if name in source]
        first, last = {**jail, **own}, {**own, **jail}  # the order in which fail2ban's client tells its server
        prefregex, datepattern = first.get("prefregex"), last.get("datepattern")
        return Filter(
            name=self.name,
            place=self.place,
            failregex=tuple(_rules("failregex", own, jail)),
            ignoreregex=tuple(_rules("ignoreregex", own, jail)),
            prefregex=Rule(prefregex.text, prefregex.place) if prefregex and prefregex.text else None,
            datepattern=datepattern.text if datepattern and datepattern.text else None,
            maxlines=_lines(first.get("maxlines")),
            usedns=first["usedns"].text.lower() if "usedns" in first else "warn",
            journalmatch=tuple(_words(line) for text in both for line in text.split() if line.text),
            logtype=own["logtype"].text if "logtype" in own else "file",
            options={name: value.text for name, value in own.items() if not name.startswith("known/")},
        )


def _rules(option: str, *sources: Mapping[str, Text]) -> Iterator[Rule]:
    for source in sources:
        if option in source:
            yield from (Rule(line.text, line.place) for line in source[option].split() if line.text)


def _words(line: Text) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line.text))
    except ValueError as error:
        raise RefusedError(line.place, f"journalmatch: {error}") from None


def _lines(value: Text | None) -> int:
    try:
        return max(1, int(value.text)) if value else 1
    except ValueError:
        return 1
