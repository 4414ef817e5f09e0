"""Lines as filters see them: decoded, dated, and with the date cut out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.filters.dates import Dates, JournalDates
from privet.core.filters.errors import FilterError
from privet.core.filters.zones import zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from privet.core.filters.model import FilterSpec
    from privet.core.filters.watch import Watch

RECENT = 60.0
"""Seconds that a line without a date may come after the last one that has one, to count with its time."""
BYTEWISE = frozenset({"utf-8", "ascii", "latin-1", "iso-8859-1", "iso8859-1"})
"""Encodings in which ASCII is a byte each, and nothing else holds these bytes."""
REACH = 8192
"""Bytes before a line without a date in which one with a date is looked for."""


class History:
    """The lines of one source by their place in its stream: the block at hand, and a little of what came before."""

    def __init__(self) -> None:
        self.block = b""
        self.base = 0  # bytes of the stream before the block
        self._before = b""

    def turn(self, block: bytes) -> None:
        """Go on to the next block."""
        self._before = self.block[-REACH:] if len(self.block) >= REACH else (self._before + self.block)[-REACH:]
        self.base += len(self.block)
        self.block = block

    def line_before(self, place: int, limit: int) -> tuple[int, bytes] | None:
        """Return the line that ends before a place in the stream and where it begins, if that is not before `limit`."""
        if place > self.base:
            end = place - self.base - 1
            begin = self.block.rfind(b"\n", 0, end) + 1
            start, line = self.base + begin, self.block[begin:end]
        else:
            end = len(self._before) - (self.base - place) - 1
            begin = self._before.rfind(b"\n", 0, max(end, 0)) + 1
            start, line = self.base - len(self._before) + begin, self._before[begin : max(end, 0)]
        return (start, line) if start >= limit and end >= 0 else None


class View:
    """How filters with the same datepattern and encoding see the lines of a source, which come in order.

    A line without a date has the time of the last line shortly before it that has one, if that is recent.
    """

    def __init__(self, spec: FilterSpec, zone: tzinfo, watch: Watch, history: History, *, journal: bool) -> None:
        own = zone_of(spec.logtimezone) if spec.logtimezone else zone
        if own is None:
            raise FilterError("logtimezone", 0, f"{spec.logtimezone} is no time zone that is known here")
        self.name = spec.name
        self.encoding = codec(spec.logencoding)
        self.dates = JournalDates() if journal else Dates(spec.datepattern, own)
        self.undated = 0
        self._bytewise = self.encoding.lower() in BYTEWISE
        self.brackets = "[" in spec.datepattern  # whether dates may be in such
        self._watch, self._history = watch, history
        self._now = 0.0
        self._last = self._dated_at = float("-inf")  # the time of the last line with a date, and its place
        self._seen = 0  # up to which place this is known
        self._same, self._cut, self._time = b"", 0, 0.0  # how lines begin that have the last date, and what is cut out

    def begin(self, now: float) -> None:
        """Say what time it is: for dates without a year, or without a day, and for lines without any."""
        self.dates.begin(now)
        self._now, self._same = now, b""

    def read(self, line: bytes) -> tuple[str, float | None]:
        """Return a line with a newline and without its date, and what that says.

        What is not in the encoding becomes U+FFFD.
        """
        if self._same and line.startswith(self._same):
            return self._decoded(line[self._cut :]) + "\n", self._time
        text = self._decoded(line)
        dates = self.dates
        self._same = b""
        stamp = self._watch.look(dates, dates.find, text)
        if stamp is None:
            return text + "\n", None
        _, begin, end, time = stamp
        if self._bytewise and (settled := dates.lasting(text, stamp)) and text[:settled].isascii():
            self._same, self._cut, self._time = line[:settled], end, time or 0.0
        return f"{text[:begin]}{text[end:]}\n", time

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode(self.encoding)
        except UnicodeDecodeError:
            return line.decode(self.encoding, "replace")

    def time_before(self, start: int) -> float:
        """Return the time of a line without a date that begins at `start` in the block."""
        self.undated += 1
        place = self._history.base + start
        limit = place - REACH
        pos = place
        while pos > self._seen and (found := self._history.line_before(pos, limit)):
            pos, line = found
            _, time = self.read(line)
            if time is not None:
                self._last, self._dated_at = time, pos
                break
        self._seen = max(self._seen, place)
        return self._last if self._dated_at >= limit and self._last > self._now - RECENT else self._now


def codec(name: str) -> str:
    """Return the encoding that a name stands for; raises FilterError for an unknown one."""
    word = "utf-8" if name.strip().lower() in ("", "auto") else name.strip()
    try:
        b"\n".decode(word)  # of nothing Python would not look at the name
    except (LookupError, UnicodeError):
        raise FilterError("logencoding", 0, f"{word} is no encoding that is known here") from None
    return word
