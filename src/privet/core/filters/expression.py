"""One regular expression of a filter, compiled, with all that is known of it before a line comes."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from privet.core.filters.errors import FilterError
from privet.core.filters.tags import IDENTITIES, expand
from privet.core.filters.trees import needles_of, starts_at_beginning, surely_filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.filters.trees import Needles

Facts = dict[str, Any]
"""What the groups of a match hold, by name: texts, None, and of `<F-TUPLE_...>` and users several texts."""

_SILENT = ("nofail", "mlfgained")


class Expression:
    """A failregex, ignoreregex or prefregex.

    `search` finds it in a text that ends with a newline. Texts longer than `longest` are kept from it, see `watch`.
    """

    def __init__(self, option: str, number: int, text: str, *, names: bool = True, lines: bool = False) -> None:
        self.option, self.number, self.text = option, number, text
        expanded = expand(text, names=names)
        flags = re.MULTILINE if lines else 0
        try:
            self.regex = re.compile(expanded.pattern, flags)
            self.needles: list[Needles] = needles_of(expanded.pattern, flags)
            anchored = starts_at_beginning(expanded.pattern, flags)
            self.surely = frozenset(
                name for name in (*_SILENT, "mlfforget") if surely_filled(expanded.pattern, name, flags)
            )
        except (re.error, OverflowError, RecursionError) as error:
            raise FilterError(option, number, f"not a regular expression: {error}") from None
        self.search: Callable[[str], re.Match[str] | None] = self.regex.match if anchored else self.regex.search
        self.longest, self.overruns = sys.maxsize, 0
        self.skips = tuple(f"skiplines{n}" for n in range(expanded.skips))
        groups = self.regex.groupindex.keys()
        names_of = dict(expanded.alternates)
        self.groups = frozenset(groups | set(names_of.values()) | {name for _, name in expanded.tuples})
        self._alternates, self._tuples = expanded.alternates, expanded.tuples
        self.plain = not (expanded.alternates or expanded.tuples or self.skips or self.groups - {*IDENTITIES, "cidr"})
        self.has_cidr = "cidr" in groups
        self.identities = tuple(name for name in IDENTITIES if name in groups)

    @property
    def name(self) -> str:
        """What it is called, as in fail2ban-regex: counted from 1."""
        return f"{self.option} {self.number + 1}"

    @property
    def silent(self) -> bool:
        """Whether a match is by itself never a failure."""
        return not self.surely.isdisjoint(_SILENT)

    def facts(self, match: re.Match[str]) -> Facts:
        """Return the groups, with alternates and tuples under the names that they stand for."""
        facts: Facts = match.groupdict()
        for group, name in self._alternates:
            if facts[group] and not facts.get(name):
                facts[name] = facts[group]
        if self._tuples:
            together: dict[str, list[str | None]] = {}
            for group, name in self._tuples:
                together.setdefault(name, [facts.get(name)]).append(facts[group])
            facts.update({name: tuple(texts) for name, texts in together.items()})
        return facts
