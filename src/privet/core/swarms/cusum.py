"""How many suspects there are for one aim of a swarm: a CUSUM, see `core.swarms.swarm`.

It is a sum that grows by one with each suspect, shrinks by what is usual and somewhat more, and never falls below zero.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privet.core.swarms.swarm import Event

HOURS = 3600.0  # of the mean of what is usual
DAYS = 3 * 86_400.0  # in which the highest sum of the past halves, and more
LEAST = {"page": (7.0, 12.0), "shape": (7.0, 12.0), "site": (36.0, 72.0)}
"""The smallest threshold of each level, where few suspects come and where many do: they pile up by chance, too."""

FEWEST = 5  # clients that make a swarm, however dear their requests are
EXCESS = 0.05  # suspects a second beyond the usual that a sum does not count, at least
BEYOND = 1.6  # times the highest sum that came to nothing
CAP = 1.5  # times the threshold that a sum grows to, so that the end of a swarm shows in time


class Look:
    """A look at the sums at a time: what is the same for all of them. The log began at `start`.

    `busy` says from 0 to 1 how many suspects there are elsewhere.
    """

    def __init__(self, time: float, start: float, busy: float) -> None:
        self.time = time
        self.seconds = HOURS * (1.0 - exp(min(start - time, -1.0) / HOURS))
        self.least = {level: low + (high - low) * busy for level, (low, high) in LEAST.items()}
        self._passed, self._fading = 0.0, (1.0, 1.0)

    def fading(self, passed: float) -> tuple[float, float]:
        """Return what is left of mass and peak after so many seconds, which most sums have in common."""
        if passed != self._passed:
            self._passed, self._fading = passed, (exp(-passed / HOURS), exp(-passed / DAYS))
        return self._fading


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

    def look(self, look: Look) -> float:
        """Find out what is usual, and return it; nothing is learnt while a swarm goes on."""
        time = look.time
        self.fall(time)
        hours, days = look.fading(time - self.looked if time > self.looked else 0.0)
        self.looked = time
        self.peak *= days
        if self.event is None:
            self.mass *= hours
            self.usual = usual = self.mass / look.seconds
            self.loss = usual + (EXCESS if usual < 2 * EXCESS else usual / 2)
        least, beyond = look.least[self.level], BEYOND * self.peak
        self.limit = least if beyond < least else beyond  # noqa: FURB136  as in `add`
        return self.usual

    def fall(self, time: float) -> None:
        """Let time pass."""
        if time > self.at:
            self.sum -= (time - self.at) * self.loss
            self.at = time
        if self.sum <= 0:
            self.sum = 0.0
            if self.height:
                self._end_at_zero()

    def _end_at_zero(self) -> None:
        """Begin anew: what there was came to nothing, unless a swarm goes on."""
        if self.event is None:
            if self.height > self.peak:  # noqa: PLR1730  as in `add`
                self.peak = self.height
            self.suspects.clear()
            self.strangers = 0
        self.height = 0.0

    @property
    def is_swarm(self) -> bool:
        """Tell whether there are too many, most of them never seen before."""
        return self.sum >= self.limit and self.strangers >= max(FEWEST, len(self.suspects) / 2)

    def add(self, client: int, time: float, weight: float, *, regular: bool = False) -> bool:
        """Count a suspect; tell whether there are too many now."""
        height = self.sum
        if time > self.at:
            height -= (time - self.at) * self.loss
            self.at = time
        if height <= 0:
            height = 0.0
            if self.height:
                self._end_at_zero()
        self.suspects[client] = time
        height += weight
        if not regular:
            self.strangers += 1
        if self.event is None:
            self.mass += weight
            if height > self.height:  # noqa: PLR1730  a call of max for each suspect takes too long
                self.height = height
        else:
            height = min(height, CAP * self.limit)
            self.event.members += 1
        self.sum = height
        return height >= self.limit

    @property
    def has_meaning(self) -> bool:
        """Tell whether forgetting the sum would change what it says next."""
        return self.event is not None or self.sum > 0 or is_worth(self.mass, self.peak)


def is_worth(mass: float, peak: float) -> bool:
    """Tell whether what was learnt of an aim says anything."""
    return mass >= 1 or peak > LEAST["shape"][0] / BEYOND
