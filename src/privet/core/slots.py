"""How much of something there was over time, in slots that widen as the time grows, so that memory is bounded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTHS = (10, 60, 300, 900, 3600, 10_800, 86_400, 604_800)
"""Seconds of a slot; each is a multiple of the one before."""

SLOTS = 4096  # kept before they become wider


class Timeline:
    """Counts by time; a slot is `width` seconds, and the first one of a day begins at midnight in UTC."""

    def __init__(self) -> None:
        self.width = WIDTHS[0]
        self._slots: Counter[int] = Counter()

    def add(self, times: Iterable[float]) -> None:
        """Count what happened at these times."""
        width = self.width
        self._slots.update([int(time) // width for time in times])
        while len(self._slots) > SLOTS and self.width < WIDTHS[-1]:
            self._widen(WIDTHS[WIDTHS.index(self.width) + 1])

    def within(self, begin: int, width: int, count: int) -> list[int]:
        """Return the counts of so many slots from a time on; `width` is a multiple of this one's."""
        counts = [0] * count
        for slot, number in self._slots.items():
            place = (slot * self.width - begin) // width
            if 0 <= place < count:
                counts[place] += number
        return counts

    def span(self) -> tuple[int, int] | None:
        """Return when the first slot begins and the last one ends; None if nothing was counted."""
        if not self._slots:
            return None
        return min(self._slots) * self.width, (max(self._slots) + 1) * self.width

    def _widen(self, width: int) -> None:
        step = width // self.width
        wider: Counter[int] = Counter()
        for slot, number in self._slots.items():
            wider[slot // step] += number
        self.width, self._slots = width, wider


def ruled(timeline: Timeline, most: int) -> tuple[int, int, int]:
    """Return where slots of one width begin, how wide they are, and how many: all that was counted, in `most` slots."""
    span = timeline.span()
    if span is None:
        return 0, timeline.width, 0
    width = timeline.width
    while _count(span, width) > most:
        wider = [one for one in WIDTHS if one > width]
        width = wider[0] if wider else width * 2
    return span[0] // width * width, width, _count(span, width)


def _count(span: tuple[int, int], width: int) -> int:
    """Return how many slots of a width it takes to cover a span."""
    return -(-span[1] // width) - span[0] // width
