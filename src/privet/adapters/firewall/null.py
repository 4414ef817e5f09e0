"""The firewall that closes nothing: for dry runs, demonstrations, replay and tests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from privet.core.bans import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from privet.core.address import Subject
    from privet.core.bans import Order

_ROOM = 1024  # bans before over ones are first looked for


class NullFirewall:
    """Keeps bans in memory and lets them end by the clock that it is given."""

    name = "null"

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty; `clock` tells the time in seconds."""
        self._clock = clock
        self._ends: dict[Subject, float] = {}
        self._room = _ROOM

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
                self._ends.pop(order.subject, None)
            else:
                self._ends[order.subject] = now + order.seconds
        if len(self._ends) > self._room:
            self._forget(now)
        return [None] * len(orders)

    def _forget(self, now: float) -> None:
        """Drop bans that are over; waiting until their number doubles keeps this cheap."""
        self._ends = {subject: end for subject, end in self._ends.items() if end > now}
        self._room = max(_ROOM, 2 * len(self._ends))

    def held(self) -> Iterator[Held]:
        """List what would be closed now."""
        now = self._clock()
        ends = [(subject, end) for subject, end in self._ends.items() if end > now]
        return (Held(subject, None if end == math.inf else end - now) for subject, end in ends)

    def show(self) -> str:
        """Say that there are no rules."""
        return "# no firewall: bans are noted, nothing is closed\n"

    def remove(self) -> None:
        """Forget all bans."""
        self._ends.clear()

    def close(self) -> None:
        """Do nothing: the bans stay."""
