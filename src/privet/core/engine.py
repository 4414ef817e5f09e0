"""The one path from lines to verdicts, for the daemon, replay, the demo and the tests alike.

`Engine.feed` is a function of what it was fed before: it reads no clock, and any split of the input
into batches gives the same verdicts (`tests/property/test_engine.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import msgspec

from privet.core.address import Subject, is_pseudonym
from privet.core.detect import Limit, Reached, Window
from privet.core.mask import sample
from privet.core.parse import NO_ADDRESS, Rows
from privet.core.select import Selector
from privet.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from privet.core.jails import Jail

BLIND_AFTER = 100  # lines in a row without a client's address, before a source is called blind
SAMPLES = 3  # masked lines kept per reason
FUTURE = 60.0  # seconds that a stamp may lie ahead of the clock, as server and Privet may share none


class Batch(msgspec.Struct, frozen=True):
    """Whole lines of one source, each with its newline, as one read brought them."""

    source: str
    data: bytes


class LinePlan(Protocol):
    """What parses the lines of a source: a plan of `core.parse`, or `core.recognise.AutoPlan`."""

    def parse(self, block: bytes) -> Rows:
        """Parse whole lines."""

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""


class SourceState:
    """What is known of a source: counters that balance, and whether it has gone blind."""

    def __init__(self, name: str, plan: LinePlan) -> None:
        self.name, self.plan = name, plan
        self.newest = float("-inf")
        self.lines = self.parsed = self.ignored = self.late = self.ahead = self.pseudonyms = 0
        self.unparsed: Counter[str] = Counter()
        self.samples: dict[str, list[str]] = {}
        self.without_address = 0  # lines since the last one with an address

    @property
    def complaint(self) -> str | None:
        """What is wrong with this source so that jails on it cannot work, None if nothing is."""
        seen = self.parsed - self.pseudonyms
        if self.without_address >= BLIND_AFTER or (self.without_address and not self.parsed):
            since = f" (the last {self.without_address} lines)" if seen else ""
            return f"source {self.name}: no line carries a client address{since}; no jail on it can ever match"
        if self.pseudonyms and not seen:
            return f"source {self.name}: every client is a pseudonym; no jail on it can ever ban"
        return None

    def count(self, rows: Rows, block: bytes) -> None:
        """Count the lines of a block."""
        self.lines += rows.lines
        self.parsed += len(rows)
        self.ignored += rows.ignored
        blind = {line for reason, line in rows.bad if reason == NO_ADDRESS}
        if rows.keys:
            self.without_address = _at_the_end(block, blind, {line for _, line in rows.bad}) if blind else 0
            self.pseudonyms += sum(map(is_pseudonym, rows.keys)) if 16 in map(len, rows.keys) else 0
        for reason, line in rows.bad:
            self.unparsed[reason] += 1
            self.without_address += not rows.keys and reason == NO_ADDRESS
            kept = self.samples.setdefault(reason, [])
            if len(kept) < SAMPLES:
                kept.append(sample(line))


def _at_the_end(block: bytes, blind: Collection[bytes], bad: Collection[bytes]) -> int:
    """Count the blind lines of a block after its last row."""
    count = 0
    for line in reversed(block.split(b"\n")[:-1]):
        if line in blind:
            count += 1
        elif line and line not in bad:
            break
    return count


class _Rule:
    """A window, the rows that belong in it, and the sources it listens to."""

    def __init__(self, jails: Sequence[tuple[int, Jail]], tolerance: float, max_clients: int) -> None:
        first = jails[0][1]
        self.identity = _identity(first)
        self.sources = frozenset(first.sources)
        self.select = Selector(first.predicates) if first.predicates else None
        self.window = Window([Limit(jail, order) for order, jail in jails], tolerance, max_clients)
        self.matched = 0
        self.last_match: float | None = None

    def feed(self, rows: Rows) -> list[Reached]:
        """Count the failures among the rows."""
        if self.select is None:
            chosen: Sequence[int] = range(len(rows))
            keys, times = rows.keys, rows.times
        else:
            chosen = self.select(rows)
            keys, times = [rows.keys[i] for i in chosen], [rows.times[i] for i in chosen]
        if not chosen:
            return []
        self.matched += len(chosen)
        self.last_match = times[-1]
        return self.window.hit(chosen, keys, times)


def _identity(jail: Jail) -> tuple[object, ...]:
    """Return what jails that share a window have in common."""
    return tuple(sorted(jail.sources)), tuple(sorted(jail.predicates, key=repr))


class Engine:
    """Jails over sources. `observers` are called with each source's name and parsed rows, for reports."""

    def __init__(
        self,
        plans: Mapping[str, LinePlan],
        jails: Iterable[Jail],
        *,
        tolerance: float,
        max_clients: int,
        observers: Sequence[Callable[[str, Rows], None]] = (),
    ) -> None:
        self.sources = {name: SourceState(name, plan) for name, plan in plans.items()}
        self.jails = tuple(jails)
        self.bans: Counter[str] = Counter()
        self.spared: Counter[str] = Counter()  # limits reached by clients in ignoreip
        self._tolerance = tolerance
        self._observers = observers
        shared: dict[tuple[object, ...], list[tuple[int, Jail]]] = {}
        for order, jail in enumerate(self.jails):
            shared.setdefault(_identity(jail), []).append((order, jail))
        self._rules = [_Rule(group, tolerance, max_clients) for group in shared.values()]

    def feed(self, batch: Batch, now: float) -> list[Verdict]:
        """Return the verdicts that the batch brings about, in the order of its lines.

        `now` is the clock in seconds since the epoch: stamps further ahead of it than a minute count
        as now. Replay passes infinity, since there the log's own time is the clock.
        """
        source = self.sources[batch.source]
        rows = source.plan.parse(batch.data)
        source.count(rows, batch.data)
        if rows.keys:
            self._clamp(source, rows, now)
        for observe in self._observers:
            observe(batch.source, rows)
        if not rows.keys:
            return []
        reached = [r for rule in self._rules if batch.source in rule.sources for r in rule.feed(rows)]
        if len(self._rules) > 1:
            reached.sort(key=lambda r: (r.row, r.limit.order))
        return [verdict for r in reached if (verdict := self._verdict(r))]

    def carry(self, old: Engine) -> None:
        """Take over the state of an engine that this one replaces: sources, and windows of equal rules."""
        for name in self.sources.keys() & old.sources.keys():
            fresh, self.sources[name] = self.sources[name], old.sources[name]
            self.sources[name].plan = fresh.plan
        before = {rule.identity: rule for rule in old._rules}
        for rule in self._rules:
            if rule.identity in before:
                rule.window.carry(before[rule.identity].window)
                rule.matched, rule.last_match = before[rule.identity].matched, before[rule.identity].last_match
        self.bans, self.spared = old.bans, old.spared

    def forget(self, key: bytes) -> None:
        """Let a client's counts start anew, as after an unban."""
        for rule in self._rules:
            rule.window.forget(key)

    def matches(self) -> dict[str, tuple[int, float | None]]:
        """Return for each jail how many failures it saw and the time of the last."""
        return {
            limit.jail.name: (rule.matched, rule.last_match) for rule in self._rules for limit in rule.window.limits
        }

    @property
    def tracked(self) -> int:
        """How many clients are remembered now, over all windows."""
        return sum(len(rule.window.clients) for rule in self._rules)

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return sum(rule.window.evicted for rule in self._rules)

    def _clamp(self, source: SourceState, rows: Rows, now: float) -> None:
        """Bring stamps within reach: none far ahead of the clock, none later than the tolerance allows."""
        times = rows.times
        highest = max(times)
        if highest > now + FUTURE:
            source.ahead += sum(time > now + FUTURE for time in times)
            times = rows.times = [now if time > now + FUTURE else time for time in times]
            highest = max(times)
        if min(times) < max(source.newest, highest) - self._tolerance:
            times = rows.times = self._at_the_edge(source, times)
        source.newest = max(source.newest, highest)

    def _at_the_edge(self, source: SourceState, times: Sequence[float]) -> list[float]:
        newest, moved = source.newest, []
        for time in times:
            newest = max(newest, time)
            edge = newest - self._tolerance
            source.late += time < edge
            moved.append(max(time, edge))
        return moved

    def _verdict(self, reached: Reached) -> Verdict | None:
        jail, subject = reached.limit.jail, Subject.of_key(reached.key)
        if any(spared.overlaps(subject) for spared in jail.ignoreip):
            self.spared[jail.name] += 1
            return None
        self.bans[jail.name] += 1
        return Verdict(jail.action, subject, jail.name, reached.time, reached.time + jail.bantime, reached.failures)
