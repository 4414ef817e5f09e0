"""News for the administrator: collected, so that many at a time are one message, and few messages follow each other."""

from __future__ import annotations

from math import inf

from privet.core.masking.mask import Mask
from privet.core.plurals import counted

SETTLE = 10.0
"""Seconds in which whatever else goes wrong with the first piece comes into the same message."""

MOST = 100
"""Pieces of one message; of more their number is told."""

_MASK = Mask("drop")


class News:
    """What is to be told. Between two messages lie `every` seconds at least."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.left_out = 0
        self._waiting: dict[str, None] = {}  # each once, in order
        self._since, self._last = inf, -inf

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, text: str, now: float) -> None:
        """Collect a piece: one line, in which whatever looks like an address is masked."""
        line = _MASK.scrub(" ".join(text.split()).encode("utf-8", "replace")).decode("utf-8", "replace")
        if line in self._waiting:
            return
        if len(self._waiting) >= MOST:
            self.left_out += 1
            return
        self._since = min(self._since, now)
        self._waiting[line] = None

    def take(self, now: float) -> list[str]:
        """Return the pieces of a message if it is time for one, else none."""
        if now < max(self._since + SETTLE, self._last + self.every):
            return []
        lines, self._since, self._last = list(self._waiting), inf, now
        if self.left_out:
            lines.append(f"and {counted(self.left_out, 'piece')} of news more: see privet status")
        self._waiting, self.left_out = {}, 0
        return lines

    def back(self, lines: list[str], now: float) -> None:
        """Take back what could not be told, for the next message."""
        later, self._waiting = self._waiting, {}
        for line in [*lines, *later]:
            self.add(line, now)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._since, self._last = self._since + seconds, self._last + seconds
