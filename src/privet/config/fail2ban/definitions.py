"""A filter or an action as a jail uses it: its file, and the options that the jail passes in brackets.

What stands in brackets goes before [Init], and that before [Definition], of which nothing is read that the jail
itself sets. What the jail sets and what comes from here are put together by those who ask.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from privet.config.fail2ban.tags import resolve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from privet.config.fail2ban.interpolate import Merged
    from privet.config.fail2ban.text import Text

DEFINITION, INIT = "Definition", "Init"

_ALIKE = 0.8  # of 1, for equal: a letter or two of difference
_CONDITIONAL = re.compile(r"(\w+)\?.+")


class Definition:
    """Options of one filter or action for one jail. Every method can raise RefusedError."""

    def __init__(self, merged: Merged, passed: Mapping[str, Text]) -> None:
        self.merged = merged
        self.passed = dict(passed)
        self._own: dict[str, Text] = {}
        self._given: dict[str, Text] = {}
        self._answers: dict[str, Text | None] = {}

    def load(self, jail: Mapping[str, Text], wanted: Collection[str], *, everything: bool = False) -> None:
        """Read the `wanted` options that neither the jail nor its brackets set; with `everything` all others too."""
        above = {**jail, **self.passed}
        self._given = {name.lower(): value for name, value in above.items()}
        self._own = {}
        for option in wanted:
            if option not in above and (value := self.option(option)):
                self._own[option] = value
        for option in self.merged.sections.get(INIT, {}):
            value = self.merged.get(INIT, option)
            self.passed["known/" + option] = value
            self.passed.setdefault(option, value)
        if everything:
            for option in self.merged.sections.get(DEFINITION, {}):
                if option not in self._own:
                    self._own[option] = self.merged.get(DEFINITION, option)

    def option(self, name: str) -> Text | None:
        """Return an option of [Definition], before its tags are replaced."""
        try:
            return self.merged.get(DEFINITION, name, self._given)
        except KeyError:
            return None

    def combined(self, leave: Collection[str] = ()) -> dict[str, Text]:
        """Return all options that were loaded, with their tags replaced, but for those in `leave`."""
        options = {**self._own, **self.passed}
        conditional = {found[1] for name in options if (found := _CONDITIONAL.fullmatch(name))}
        return resolve(options, leave=conditional.union(leave), otherwise=self._answer)

    def _answer(self, tag: str) -> Text | None:
        """Find what a tag stands for that is none of the loaded options."""
        if tag not in self._answers:
            self._answers[tag] = self.merged.elsewhere(DEFINITION, tag, self._given)
        return self._answers[tag]


def misspelt(merged: Merged, wanted: Collection[str]) -> Iterator[tuple[Text, str]]:
    """Yield options of [Definition] that look like one of those that are read, and that nothing refers to."""
    options = merged.sections.get(DEFINITION, {})
    everything = "".join(
        text.text for section in (merged.defaults, *merged.sections.values()) for text in section.values()
    )
    for option, text in options.items():
        close = get_close_matches(option, wanted, 1, _ALIKE) if option not in wanted else ()
        if close and f"({option})" not in everything and f"<{option}>" not in everything:
            yield text, f"{option}: nothing reads this option; did you mean {close[0]!r}?"
