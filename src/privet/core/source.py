"""Sources as the engine sees them: how lines are read, and counters that balance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from privet.core.addresses.address import PSEUDONYM_KEY, is_pseudonym
from privet.core.filters.plan import PSEUDONYM
from privet.core.masking.mask import sample
from privet.core.parsing.blocks.columns import Answers, Coded, Frequencies, are_in_order, ends
from privet.core.parsing.lines import line_feeds
from privet.core.parsing.parse import NO_ADDRESS, Rows
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from privet.core.filters.plan import FilterPlan, Found

BLIND_AFTER = 100  # lines in a row without a client's address, before a source is called blind
SAMPLES = 3  # masked lines kept per reason
MOST_HITS = 10_000  # clients whose hits are counted between two looks
LONGEST = 4096  # bytes kept of a line
PAST = 60.0  # seconds after which a line of a log that is followed was not written just now
FUTURE = 60.0  # seconds that a stamp may lie ahead of the clock, as server and Privet may share none


class LinePlan(Protocol):
    """What parses the requests of a source: a plan of `core.parsing.parse`, or `core.parsing.recognise.AutoPlan`."""

    @property
    def direct(self) -> bool:
        """Whether the clients of lines can be told without parsing them."""

    def parse(self, block: bytes) -> Rows:
        """Parse whole lines."""

    @property
    def plain(self) -> Callable[[bytes], Sequence[bytes]]:
        """What does the same as `clients`, but faster, and has b"" for clients that it cannot tell."""

    def clients(self, block: bytes) -> list[bytes | None]:
        """Return who each line is of, by a text as `text_of` makes it; None where that cannot be told at sight."""

    def key_of(self, who: bytes) -> bytes:
        """Return the key of such a client."""

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""


class Pace:
    """Brings stamps within reach: none far ahead of the clock, none later than the tolerance allows."""

    def __init__(self) -> None:
        self.newest = float("-inf")
        self.late = self.ahead = 0

    def as_of(self, times: Sequence[float], now: float) -> Sequence[float]:
        """Return times of lines that were written just now: what says otherwise has a clock or zone of its own."""
        if min(times, default=now) >= now - PAST:
            return times
        self.late += sum(time < now - PAST for time in times)
        return [now if time < now - PAST else time for time in times]

    def keep(self, times: Sequence[float], now: float, tolerance: float) -> Sequence[float]:
        """Return times, in the order of their lines, as they count."""
        lowest, highest = ends(times)
        if highest > now + FUTURE:
            self.ahead += sum(time > now + FUTURE for time in times)
            times = [now if time > now + FUTURE else time for time in times]
            lowest, highest = ends(times)
        if lowest < max(self.newest, highest) - tolerance and not self._is_in_order(times, tolerance):
            times = self._at_the_edge(times, tolerance)
        self.newest = max(self.newest, highest)
        return times

    def _is_in_order(self, times: Sequence[float], tolerance: float) -> bool:
        """Tell whether none is late, since each is as new as those before it."""
        return times[0] >= self.newest - tolerance and are_in_order(times)

    def _at_the_edge(self, times: Sequence[float], tolerance: float) -> list[float]:
        edge, moved = self.newest - tolerance, []
        for time in times:
            if time < edge:
                self.late += 1
                moved.append(edge)
            else:
                moved.append(time)
                if time - tolerance > edge:  # noqa: PLR1730  a call would cost more than all the rest
                    edge = time - tolerance
        return moved


class SourceState:
    """What is known of a source. `plan` reads its lines as requests, `filters` look at them whole; one may be None.

    Counters balance: lines = parsed + ignored + unparsed. Where there are no requests, a parsed line is a failure.
    """

    def __init__(self, name: str, plan: LinePlan | None, filters: FilterPlan | None = None) -> None:
        self.name, self.plan, self.filters = name, plan, filters
        self.requests, self.failures = Pace(), Pace()
        self.lines = self.parsed = self.ignored = self.pseudonyms = 0
        self.unparsed: Counter[str] = Counter()
        self.samples: dict[str, list[str]] = {}
        self.without_address = 0  # lines since the last one with an address
        self.hits = Frequencies(MOST_HITS)  # of each client since somebody looked and cleared them
        self._are_pseudonyms = Answers(lambda keys: [*map(is_pseudonym, keys)])
        self.good = self.bad = b""  # the last line that was a request, more or less, and the last that was not

    @property
    def late(self) -> int:
        """How many lines came later than the tolerance."""
        return self.requests.late + self.failures.late

    @property
    def ahead(self) -> int:
        """How many lines had a stamp far ahead of the clock."""
        return self.requests.ahead + self.failures.ahead

    @property
    def complaint(self) -> str | None:
        """What is wrong with this source so that jails on it cannot work, None if nothing is."""
        seen = self.parsed - self.pseudonyms
        if self.without_address >= BLIND_AFTER or (self.without_address and not self.parsed):
            since = f" (the last {counted(self.without_address, 'line')})" if seen else ""
            return f"source {self.name}: no line carries a client address{since}; no jail on it can ever match"
        if self.pseudonyms and not seen:
            return f"source {self.name}: every client is a pseudonym; no jail on it can ever ban"
        nobody = self.filters.nobody if self.filters and self.plan is None else None
        if nobody and self.parsed <= nobody[PSEUDONYM]:
            told = ", ".join(f"{count} times {reason}" for reason, count in nobody.items())
            return f"source {self.name}: there are failures, but never an address to ban ({told})"
        return None

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""
        time = self.plan.time_of(line) if self.plan else None
        return self.filters.time_of(line) if time is None and self.filters else time

    def turn(self, fresh: SourceState) -> None:
        """Go on with the plan and the filters of another; counters and conversations stay."""
        if fresh.filters and self.filters:
            fresh.filters.carry(self.filters)
        self.plan, self.filters = fresh.plan, fresh.filters

    def shift(self, seconds: float) -> None:
        """Take note that the clock, by which lines are stamped, was set forward by so much."""
        self.requests.newest += seconds
        self.failures.newest += seconds

    def count(self, rows: Rows, block: bytes) -> None:
        """Count the lines of a block."""
        self.lines += rows.lines
        self.parsed += len(rows)
        self.ignored += rows.ignored
        self.hits.add(rows.keys)
        if rows.bad:
            self.bad = rows.bad[-1][1][:LONGEST]
        elif rows.keys:
            self.good = block[block.rfind(b"\n", 0, -1) + 1 : -1][:LONGEST]
        blind = {line for reason, line in rows.bad if reason == NO_ADDRESS}
        if rows.keys:
            self.without_address = _at_the_end(block, blind, {line for _, line in rows.bad}) if blind else 0
            if isinstance(rows.keys, Coded):
                self.pseudonyms += int((self._are_pseudonyms(rows.keys) > 0).sum())
            else:
                self.pseudonyms += sum(map(is_pseudonym, rows.keys)) if PSEUDONYM_KEY in map(len, rows.keys) else 0
        for reason, line in rows.bad:
            self.unparsed[reason] += 1
            self.without_address += not rows.keys and reason == NO_ADDRESS
            kept = self.samples.setdefault(reason, [])
            if len(kept) < SAMPLES:
                kept.append(sample(line))

    def keep_failures(self, columns: Sequence[Found], now: float, tolerance: float) -> None:
        """Bring the times of what all filters found within reach, in the order of the lines."""
        if len(columns) == 1 and columns[0].times:
            columns[0].times = list(self.failures.keep(columns[0].times, now, tolerance))
            return
        spots = sorted(
            (place, number, index) for number, one in enumerate(columns) for index, place in enumerate(one.places)
        )
        if not spots:
            return
        times = self.failures.keep([columns[number].times[index] for _, number, index in spots], now, tolerance)
        for (_, number, index), time in zip(spots, times, strict=True):
            columns[number].times[index] = time

    def count_failures(self, found: Iterable[Found], block: bytes) -> None:
        """Count the lines of a block of which only failures are known."""
        columns = list(found)
        places = columns[0].places if len(columns) == 1 else {place for one in columns for place in one.places}
        lines = line_feeds(block)
        self.lines += lines
        self.parsed += len(places)
        self.ignored += lines - len(places)


def _at_the_end(block: bytes, blind: Collection[bytes], bad: Collection[bytes]) -> int:
    """Count the blind lines of a block after its last row."""
    count = 0
    for line in reversed(block.split(b"\n")[:-1]):
        if line in blind:
            count += 1
        elif line and line not in bad:
            break
    return count
