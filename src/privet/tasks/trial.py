"""A filter tried on lines: what it finds, by which of its expressions, and what it misses."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.dates import Dates
from privet.core.filters.matching import Filter
from privet.core.filters.plan import FilterPlan
from privet.core.filters.views import History, View
from privet.core.filters.watch import Watch

if TYPE_CHECKING:
    from datetime import tzinfo

    from privet.core.filters.expression import Expression, Facts
    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec

MATCHED, IGNORED, MISSED = "matched", "ignored", "missed"
HARMLESS = ("nofail", "mlfgained")
"""Facts that say that a line is no failure."""

MOST_TIMES = 1000
"""Hits of one expression whose addresses and times are kept."""


class Hit(msgspec.Struct, frozen=True):
    """A failure: who, when, with which facts, and by which failregex, counted from 0."""

    who: str
    time: float | None
    facts: dict[str, str | None]
    number: int
    lines: tuple[str, ...]


class Trial:
    """Takes lines one by one, as the engine does, and counts. `kept` bounds how many lines of each fate are kept.

    Besides, all expressions are tried on all lines, so that those show which another always comes before. Lines
    of a `journal` begin with their time, in seconds, and a blank.
    """

    def __init__(self, spec: FilterSpec, zone: tzinfo, now: float, *, kept: int = 21, journal: bool = False) -> None:
        self.spec = spec
        self.lines: Counter[str] = Counter()
        self.kept: dict[str, list[str]] = {MATCHED: [], IGNORED: [], MISSED: []}
        self.dates: Counter[str] = Counter()
        self.hits: list[list[Hit]] = [[] for _ in spec.failregex]
        self.counts = Counter[tuple[str, int]]()
        self.found: list[Hit] = []  # by the line fed last
        self._now, self._most = now, kept
        watch = Watch()
        self._view = View(spec, zone, watch, History(), journal=journal)
        self._filter = Filter(spec, watch, self._view.read)
        self._plan = FilterPlan([spec], zone, self._observe, journal=journal)

    @property
    def prefix(self) -> str | None:
        """The prefregex with its tags replaced."""
        return self._filter.prefix.regex.pattern if self._filter.prefix else None

    @property
    def total(self) -> int:
        """How many lines there were."""
        return sum(self.lines.values())

    def count(self, expression: str, number: int = 0) -> int:
        """Return how many lines an expression matched: `failregex`, `ignoreregex` or `prefregex`, from 0."""
        return self.counts[expression, number]

    def feed(self, line: bytes) -> str:
        """Take a line without its newline; return whether it is matched, ignored or missed."""
        self.found = []
        self._plan.parse(line + b"\n", self._now)
        told, known = self._try(line)
        fate = MATCHED if self.found or told else IGNORED if known else MISSED
        self.lines[fate] += 1
        if len(self.kept[fate]) < self._most:
            self.kept[fate].append(self._text(line))
        return fate

    def _observe(self, _spec: FilterSpec, _place: int, failure: Failure) -> None:
        number = failure.expression.number
        hit = Hit(failure.who, failure.time, dict(failure.facts), number, tuple(failure.lines))
        self.found.append(hit)
        if len(self.hits[number]) < MOST_TIMES:
            self.hits[number].append(hit)
        if self.spec.maxlines > 1:
            self.counts["failregex", number] += 1

    def _try(self, line: bytes) -> tuple[bool, bool]:
        """Count what matches a line by itself; tell whether it tells of a failure, and whether anything matches.

        A failure without an address is told too: it waits for a line that names one.
        """
        self._view.begin(self._now)
        if isinstance(self._view.dates, Dates) and (form := self._view.dates.form(self._text(line))):
            self.dates[form] += 1
        content, _ = self._view.read(line)
        if self._filter.prefix:
            facts, content = self._filter.peel(content)
            if facts is None:
                return False, False
            self.counts["prefregex", 0] += 1
        if self.spec.maxlines > 1:
            return False, False
        failures = [facts for one in self._filter.failures if (facts := self._hit(one, content)) is not None]
        ignored = [one for one in self._filter.ignores if self._hit(one, content) is not None]
        told = bool(failures) and not any(failures[0].get(name) for name in HARMLESS) and not ignored
        return told, bool(failures or ignored)

    def _text(self, line: bytes) -> str:
        text = line.decode(self._view.encoding, "replace")
        return text if isinstance(self._view.dates, Dates) else text.partition(" ")[2]

    def _hit(self, expression: Expression, text: str) -> Facts | None:
        """Count an expression if it matches; return what it says."""
        match = expression.search(text)
        if match is None:
            return None
        self.counts[expression.option, expression.number] += 1
        return expression.facts(match)
