"""How many suspects there are for one aim of a swarm: a CUSUM, see `core.swarm`.

It is a sum that grows by one with each suspect, shrinks by what is usual and somewhat more, and never falls below zero.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privet.core.swarm import Event

HOURS = 3600.0  # of the mean of what is usual
DAYS = 3 * 86_400.0  # in which the highest sum of the past halves, and more
LEAST = {"page": (7.0, 12.0), "shape": (7.0, 12.0), "site": (36.0, 72.0)}
"""The smallest threshold of each level, where few suspects come and where many do: they pile up by chance, too."""

FEWEST = 5  # clients that make a swarm, however dear their requests are
EXCESS = 0.05  # suspects a second beyond the usual that a sum does not count, at least
BEYOND = 1.6  # times the highest sum that came to nothing
CAP = 1.5  # times the threshold that a sum grows to, so that the end of a swarm shows in time


class Sum:
    """How many suspects there are for one aim. What is usual is found out at each `look`, not for each suspect."""

    __slots__ = (
        "at",
        "event",
        "height",
        "level",
        "limit",
        "looked",
        "loss",
        "mass",
        "peak",
        "strangers",
        "sum",
        "suspects",
        "usual",
        "what",
    )

    def __init__(self, level: str, what: bytes, time: float) -> None:
        self.level, self.what = level, what
        self.at = self.looked = time
        self.sum = self.height = 0.0  # height: how high it was since zero
        self.mass = self.peak = 0.0  # suspects, the older the less; the highest sum that came to nothing, likewise
        self.usual, self.loss = 0.0, EXCESS  # suspects a second, by how much the sum falls each second
        self.limit = LEAST[level][1]  # what makes a swarm
        self.suspects: dict[int, float] = {}  # by the numbers of the crowd
        self.strangers = 0  # those among them that are no regulars
        self.event: Event | None = None

    def look(self, time: float, start: float, busy: float) -> float:
        """Find out what is usual, and return it; nothing is learnt while a swarm goes on.

        `busy` says from 0 to 1 how many suspects there are elsewhere.
        """
        self.fall(time)
        passed, self.looked = max(0.0, time - self.looked), time
        self.peak *= exp(-passed / DAYS)
        if self.event is None:
            self.mass *= exp(-passed / HOURS)
            self.usual = self.mass / (HOURS * (1.0 - exp(min(start - time, -1.0) / HOURS)))
            self.loss = self.usual + max(EXCESS, self.usual / 2)
        low, high = LEAST[self.level]
        self.limit = max(low + (high - low) * busy, BEYOND * self.peak)
        return self.usual

    def fall(self, time: float) -> None:
        """Let time pass."""
        if time > self.at:
            self.sum -= (time - self.at) * self.loss
            self.at = time
        if self.sum <= 0:
            self._end_at_zero()

    def _end_at_zero(self) -> None:
        """Begin anew: what there was came to nothing, unless a swarm goes on."""
        self.sum = 0.0
        if self.height:
            if self.event is None:
                self.peak = max(self.peak, self.height)
                self.suspects.clear()
                self.strangers = 0
            self.height = 0.0

    @property
    def is_swarm(self) -> bool:
        """Tell whether there are too many, most of them never seen before."""
        return self.sum >= self.limit and self.strangers >= max(FEWEST, len(self.suspects) / 2)

    def add(self, client: int, time: float, weight: float, *, regular: bool = False) -> None:
        """Count a suspect."""
        if time > self.at:
            self.sum -= (time - self.at) * self.loss
            self.at = time
        if self.sum <= 0:
            self._end_at_zero()
        self.suspects[client] = time
        self.strangers += not regular
        self.sum += weight
        if self.event is None:
            self.mass += weight
            if self.sum > self.height:  # noqa: PLR1730  a call of max for each suspect takes too long
                self.height = self.sum
        else:
            self.sum = min(self.sum, CAP * self.limit)
            self.event.members += 1

    @property
    def has_meaning(self) -> bool:
        """Tell whether forgetting the sum would change what it says next."""
        return self.event is not None or self.sum > 0 or is_worth(self.mass, self.peak)


def is_worth(mass: float, peak: float) -> bool:
    """Tell whether what was learnt of an aim says anything."""
    return mass >= 1 or peak > LEAST["shape"][0] / BEYOND
