"""Lines as filters see them: decoded, dated, and with the date cut out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.filters.dates import Dates, Stamp
from privet.core.filters.errors import FilterError
from privet.core.filters.watch import Overrun
from privet.core.filters.zones import zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from privet.core.filters.model import FilterSpec
    from privet.core.filters.watch import Watch

RECENT = 60.0
"""Seconds that a line without a date may come after the last one that has one, to count with its time."""


class View:
    """How filters with the same datepattern and encoding see the lines of a source, which come in order.

    A line without a date has the time of the last one before it that has one, if that is recent.
    """

    def __init__(self, spec: FilterSpec, zone: tzinfo, watch: Watch) -> None:
        own = zone_of(spec.logtimezone) if spec.logtimezone else zone
        if own is None:
            raise FilterError("logtimezone", 0, f"{spec.logtimezone} is no time zone that is known here")
        self.encoding = codec(spec.logencoding)
        self.dates = Dates(spec.datepattern, own)
        self._watch = watch
        self.undated = 0
        self._now = 0.0
        self._last = float("-inf")
        self._block = b""
        self._seen = 0  # bytes of the block whose dates are known to `_last`

    def begin(self, block: bytes, now: float) -> None:
        """Turn to the next lines. `now` is for dates without a year, or without a day."""
        self.dates.begin(now)
        self._block, self._seen, self._now = block, 0, now

    def end(self) -> None:
        """Learn what the next lines need to know of these."""
        self._look_back(len(self._block))

    def text(self, line: bytes) -> str:
        """Decode a line; what is not in the encoding becomes U+FFFD."""
        try:
            return line.decode(self.encoding)
        except UnicodeDecodeError:
            return line.decode(self.encoding, "replace")

    def cut(self, line: bytes, start: int) -> tuple[str, float]:
        """Return a line that begins at `start` without its date and with a newline, and its time."""
        text = self.text(line)
        stamp = self._find(text)
        if stamp is None or stamp.time is None:
            self._look_back(start)
            self.undated += 1
            time = self._last if self._last > self._now - RECENT else self._now
        else:
            self._seen, self._last = start + len(line) + 1, stamp.time
            time = stamp.time
        return without(text, stamp), time

    def without_date(self, line: bytes) -> str:
        """Return a line without its date, whenever it was written."""
        text = self.text(line)
        return without(text, self._find(text))

    def _find(self, text: str) -> Stamp | None:
        """Find the date under watch."""
        if len(text) > self.dates.longest:
            return None
        watch = self._watch
        try:
            watch.text, watch.at = text, self.dates
            return self.dates.find(text)
        except Overrun:
            watch.punish()
            return None
        finally:
            watch.at = None

    def _look_back(self, end: int) -> None:
        """Find the last date before a place."""
        block, pos = self._block, end
        while pos > self._seen:
            begin = block.rfind(b"\n", self._seen, pos - 1) + 1 or self._seen
            stamp = self._find(self.text(block[begin : pos - 1]))
            pos = begin
            if stamp and stamp.time is not None:
                self._last = stamp.time
                break
        self._seen = end


def without(text: str, stamp: Stamp | None) -> str:
    """Return a line with a newline, and without its date."""
    return text + "\n" if stamp is None else f"{text[: stamp.start]}{text[stamp.end :]}\n"


def codec(name: str) -> str:
    """Return the encoding that a name stands for; raises FilterError for an unknown one."""
    word = "utf-8" if name.strip().lower() in ("", "auto") else name.strip()
    try:
        b"".decode(word)
    except LookupError:
        raise FilterError("logencoding", 0, f"{word} is no encoding that is known here") from None
    return word
