"""The firewall that closes nothing: for dry runs, demonstrations, replay and tests."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from privet.core.bans.model import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from privet.core.addresses.address import Subject
    from privet.core.bans.model import Order

_ROOM = 1024  # bans before over ones are first looked for


class NullFirewall:
    """Keeps bans in memory and lets them end by the clock that it is given."""

    name = "null"

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty; `clock` tells the time in seconds."""
        self._clock = clock
        self._ends: dict[tuple[Subject, str], float] = {}
        self._allowed: frozenset[Subject] = frozenset()
        self._paused_until = -math.inf
        self._room = _ROOM
        self._watch = -1

    def open(self) -> None:
        """Do nothing: there is no structure."""

    def repair(self) -> bool:
        """Do nothing: memory is not lost."""
        return False

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Note what would be closed; nothing is ever refused."""
        now = self._clock()
        for order in orders:
            if order.seconds is None:
                self._ends.pop((order.subject, order.service), None)
            else:
                self._ends[order.subject, order.service] = now + order.seconds
        if len(self._ends) > self._room:
            self._forget(now)
        return [None] * len(orders)

    def _forget(self, now: float) -> None:
        """Drop bans that are over; waiting until their number doubles keeps this cheap."""
        self._ends = {element: end for element, end in self._ends.items() if end > now}
        self._room = max(_ROOM, 2 * len(self._ends))

    def held(self) -> Iterator[Held]:
        """List what would be closed now."""
        now = self._clock()
        ends = [(element, end) for element, end in self._ends.items() if end > now]
        return (Held(subject, None if end == math.inf else end - now, service) for (subject, service), end in ends)

    def mark(self) -> None:
        """Return nothing: asking is as quick."""

    def allow(self, subjects: Collection[Subject]) -> None:
        """Note who would be let through."""
        self._allowed = frozenset(subjects)

    def pause(self, seconds: float) -> None:
        """Note until when everybody would be let through."""
        self._paused_until = self._clock() + seconds

    def resume(self) -> None:
        """End the pause."""
        self._paused_until = -math.inf

    def paused(self) -> float:
        """Return how long the pause lasts still."""
        return max(0.0, self._paused_until - self._clock())

    def watch(self) -> int:
        """Return a descriptor that never becomes readable: nobody else reaches this memory."""
        if self._watch < 0:
            self._watch = os.eventfd(0, os.EFD_CLOEXEC)
        return self._watch

    def seen(self) -> bool:
        """Say that nothing happened."""
        return False

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return nothing: no packet comes by."""
        return {}

    def show(self) -> str:
        """Say that there are no rules."""
        allowed = f"# always let through: {len(self._allowed)}\n" if self._allowed else ""
        return f"# no firewall: bans are noted, nothing is closed\n{allowed}"

    def remove(self) -> None:
        """Forget all bans."""
        self._ends.clear()

    def close(self) -> None:
        """Release the descriptor; the bans stay."""
        if self._watch >= 0:
            os.close(self._watch)
            self._watch = -1
