"""How much comes at which hour of the week, as it was in the last two weeks: so that silence can be told from quiet.

What is expected of an hour is the mean of the lower half of six counts, those of that hour and of its neighbours in two
weeks: a busy night of one week makes no rule. In the first week nothing is expected, in the second the lowest
of three counts. `worst` is the most that was ever expected of a time in which nothing came, fading slowly: visits come
in bursts, and how long the pauses are is different everywhere.
"""

from __future__ import annotations

from math import exp

import msgspec

HOUR = 3600.0
WEEK = 168  # hours
ENOUGH = 20.0
"""What must be expected of a silence before it means something: chance alone makes it once in e²⁰ times."""

FADING = 30 * 86_400.0  # seconds in which `worst` shrinks by more than half
LONGEST = 14 * 24  # hours of silence that are summed up: more changes nothing


class Rhythm(msgspec.Struct):
    """Counts by hour of the week, in UTC: `last` and `before` those of two weeks, `known` how many weeks there are."""

    last: list[int] = msgspec.field(default_factory=lambda: [0] * WEEK)
    before: list[int] = msgspec.field(default_factory=lambda: [0] * WEEK)
    known: list[int] = msgspec.field(default_factory=lambda: [0] * WEEK)
    worst: float = 0.0
    hour: int = -1  # the one that is counted now, since the epoch, and whether it was seen from its beginning
    whole: bool = False
    count: int = 0

    @property
    def sound(self) -> bool:
        """Tell whether this is a rhythm, as it should be after it was read from a file."""
        return len(self.last) == len(self.before) == len(self.known) == WEEK and self.worst >= 0

    def note(self, now: float, count: int) -> None:
        """Count what came since the last call."""
        hour = int(now // HOUR)
        if hour != self.hour:
            self._turn(hour)
        self.count += count

    def pause(self) -> None:
        """Let the hour that is counted now go: not all of it is seen."""
        self.whole = False

    def expected(self, since: float, until: float) -> float:
        """Return how much was to be expected of a time."""
        first, last = int(since // HOUR), int(until // HOUR)
        if first == last:
            return self._rate(first) * max(0.0, until - since) / HOUR
        between = range(max(first + 1, last - LONGEST), last)
        ends = self._rate(first) * (first + 1 - since / HOUR) + self._rate(last) * (until / HOUR - last)
        return ends + sum(map(self._rate, between))

    def heard(self, since: float, until: float) -> None:
        """Take note that something came at last, after a silence."""
        expected = self.expected(since, until)
        self.worst = max(self.worst * exp((since - until) / FADING), min(expected, 3 * ENOUGH))

    def is_silence(self, since: float, until: float) -> bool:
        """Tell whether it means something that nothing came since then."""
        return self.expected(since, until) > max(ENOUGH, 2 * self.worst)

    def _turn(self, hour: int) -> None:
        """Begin to count another hour; one that was not seen whole does not count."""
        follows = hour == self.hour + 1
        if follows and self.whole:
            place = self.hour % WEEK
            self.before[place], self.last[place] = self.last[place], self.count
            self.known[place] = min(2, self.known[place] + 1)
        self.hour, self.whole, self.count = hour, follows, 0

    def _rate(self, hour: int) -> float:
        """Return how much is expected of an hour."""
        counts = []
        for one in (hour - 1, hour, hour + 1):
            place = one % WEEK
            counts += [self.last[place], self.before[place]][: self.known[place]]
        counts.sort()
        if len(counts) < 3:
            return 0.0
        lower = counts[: len(counts) // 2]
        return sum(lower) / len(lower)
