"""Who has which bad habits, from any logs: what is behind `privet report manners`.

The signals are those of jails. Memory is bounded: beyond the cap clients with the fewest requests, or offences, go.
"""

from __future__ import annotations

from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from privet.core.addresses.address import Subject
from privet.core.cache import LONGEST
from privet.core.jails import Jail, Signal
from privet.core.manners.asked import target_of
from privet.core.manners.feeds import TooOften
from privet.core.manners.pace import Unslowed
from privet.core.manners.robots import TooSoon
from privet.core.manners.window import COLUMNS, habit_for
from privet.core.masking.mask import sample
from privet.core.plurals import counted
from privet.core.rows.facts import Registry, requests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from privet.core.manners.known import Known
    from privet.core.parsing.parse import Rows

FIELDS = frozenset[str]().union(*COLUMNS.values())
"""What is read of each row."""

OFTEN = 5
"""Offences that make a habit; to be somebody else takes one."""

WAIT = 3600.0
"""Seconds after a refusal in which somebody is to come back more slowly."""

_NEEDS_ROBOTS, _NEEDS_CRAWLERS = frozenset(("robots", "crawl-delay")), frozenset(("fake-robot",))


class Tally(msgspec.Struct):
    """The offences of one client and signal: how many, one of them, and the pauses before them that are known."""

    times: int = 0
    example: str = ""
    pauses: int = 0
    paused: float = 0.0

    def note(self, pause: float | None) -> None:
        """Count an offence."""
        self.times += 1
        if pause is not None:
            self.pauses += 1
            self.paused += pause

    def merge(self, other: Tally) -> None:
        """Count what another has counted."""
        self.times += other.times
        self.pauses += other.pauses
        self.paused += other.paused
        self.example = self.example or other.example

    @property
    def pace(self) -> str:
        """How long the pauses are, in words."""
        return f", after {self.paused / self.pauses:.0f} s" if self.pauses else ""


class Offender(msgspec.Struct):
    """One client: what it calls itself, masked, and its offences."""

    agent: str
    tallies: dict[Signal, Tally] = {}

    @property
    def times(self) -> int:
        """All of its offences."""
        return sum(tally.times for tally in self.tallies.values())


class HabitsRow(msgspec.Struct, frozen=True):
    """What is to be said of one client."""

    subject: Subject
    hits: int
    agent: str
    habits: dict[str, int]
    says: list[str]


class Habits:
    """Find the offences in the rows of logs, in their order."""

    def __init__(self, known: Known, most: int = 100_000) -> None:
        self.evicted = 0
        self._most = most
        self._hits: Counter[bytes] = Counter()
        self._offenders: dict[bytes, Offender] = {}
        left_out = (frozenset() if known.robots else _NEEDS_ROBOTS) | (
            frozenset() if known.crawlers else _NEEDS_CRAWLERS
        )
        signals: list[Signal] = [one for one in get_args(Signal) if one not in left_out]
        self._registry = Registry(most)
        self._habits = {
            one: habit_for(Jail("", (), kind="manners", signal=one, wait=WAIT), most, self._registry) for one in signals
        }
        for habit in self._habits.values():
            habit.know(known)

    def __getstate__(self) -> dict[str, Any]:
        """Go to another process with what was found, and without what finds it."""
        return self.__dict__ | {"_habits": {}, "_registry": None}

    def __len__(self) -> int:
        return len(self._offenders)

    def take(self, rows: Rows) -> None:
        """Look at the rows of a block."""
        self._hits.update(rows.keys)
        self._registry.crowd.make_room()
        facts = self._registry.facts(rows)
        for signal, habit in self._habits.items():
            found = habit.find(facts, facts.times)
            pauses = habit.pauses if isinstance(habit, TooSoon | TooOften | Unslowed) else repeat(None)
            for row, pause in zip(found, pauses, strict=False):
                self._note(signal, rows, row, pause)
        self._bound()

    def merge(self, other: Habits) -> None:
        """Take what another has found, in other lines."""
        self._hits.update(other._hits)
        self.evicted += other.evicted
        for key, offender in other._offenders.items():
            own = self._offenders.setdefault(key, Offender(offender.agent))
            for signal, tally in offender.tallies.items():
                own.tallies.setdefault(signal, Tally()).merge(tally)
        self._bound()

    def rows(self, limit: int | None = None) -> list[HabitsRow]:
        """Return who has bad habits, most offences first."""
        rows = []
        for key, offender in self._offenders.items():
            habits = {
                signal: tally
                for signal, tally in offender.tallies.items()
                if tally.times >= (1 if signal == "fake-robot" else OFTEN)
            }
            if habits:
                times = {str(signal): tally.times for signal, tally in habits.items()}
                says = [_SAYS[signal](tally) for signal, tally in habits.items()]
                rows.append(HabitsRow(Subject.of_key(key), self._hits[key], offender.agent, times, says))
        rows.sort(key=lambda row: (-sum(row.habits.values()), row.subject))
        return rows[:limit]

    def _note(self, signal: Signal, rows: Rows, row: int, pause: float | None) -> None:
        key = rows.keys[row]
        offender = self._offenders.get(key)
        if offender is None:
            offender = self._offenders[key] = Offender(sample(rows.column("agent")[row]))
        tally = offender.tallies.setdefault(signal, Tally())
        if not tally.example:
            tally.example = sample(target_of(requests_of(rows)[row][:LONGEST]))
        tally.note(pause)

    def _bound(self) -> None:
        if len(self._hits) > 2 * self._most:
            self._hits = Counter(dict(self._hits.most_common(self._most)))
        if len(self._offenders) > 2 * self._most:
            order = sorted(self._offenders, key=lambda key: self._offenders[key].times)
            self.evicted += len(order) - self._most
            for key in order[: -self._most]:
                del self._offenders[key]


_SAYS: Mapping[Signal, Callable[[Tally], str]] = {
    "heads": lambda one: f"asks by HEAD twice or more before it fetches a page ({counted(one.times, 'page')})",
    "backoff": lambda one: f"comes back no slower after 429 or 503 ({counted(one.times, 'request')}{one.pace})",
    "robots": lambda one: (
        f"asks for what robots.txt disallows ({counted(one.times, 'request')}, such as {one.example})"
    ),
    "crawl-delay": lambda one: (
        f"makes shorter pauses than robots.txt asks for ({counted(one.times, 'request')}{one.pace})"
    ),
    "feeds": lambda one: f"fetches a feed too often ({counted(one.times, 'time')}{one.pace}: {one.example})",
    "whole-feeds": lambda one: (
        f"never asks whether a feed has changed ({counted(one.times, 'time')} all of {one.example} for nothing)"
    ),
    "fake-browser": lambda one: (
        f"calls itself a browser and never loads what belongs to a page ({counted(one.times, 'page')})"
    ),
    "fake-robot": lambda one: f"calls itself a robot that comes from elsewhere ({counted(one.times, 'request')})",
}
