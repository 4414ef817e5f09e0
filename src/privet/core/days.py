"""Which day each line of a log is from, as the log itself writes it: pseudonyms last for a day.

A line has a day if its time stands where servers put it: at its beginning (syslog, nginx's errors, squid), in its
first square brackets (access logs, Apache's errors, PHP), or under one of the usual keys of JSON. No line fits two
of these. One that fits none belongs to the day of the line before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from privet.core.cache import Cache
from privet.core.times import MONTHS, read_epoch

if TYPE_CHECKING:
    from datetime import date

_CLOCK = rb"\d\d:\d\d"
_BRACKET = rb"(?![A-Z][a-z]{2} [ \d]\d |\d{4}[-/]\d\d|\d{9}|<|\{)[^\[\n]*+\["
_KEYS = rb"ts|time|timestamp|@timestamp|date|msec|time_iso8601|time_local|StartUTC|StartLocal"
_STAMPS = (
    _BRACKET + rb"(\d\d/[A-Z][a-z]{2}/\d{4}):" + _CLOCK,  # access logs
    _BRACKET + rb"([A-Z][a-z]{2} [A-Z][a-z]{2} \d\d " + _CLOCK + rb":\d\d(?:\.\d+)? \d{4})\]",  # Apache's errors
    _BRACKET + rb"(\d\d-[A-Z][a-z]{2}-\d{4}|\d{4}-\d\d-\d\d)[T ]" + _CLOCK,  # PHP and others
    rb"(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d) " + _CLOCK,  # syslog, without a year
    rb"(?:<\d{1,3}>1 )?(\d{4}[-/]\d\d[-/]\d\d)[T ]" + _CLOCK,  # syslog with one, nginx's errors
    rb'\{[^\n]*?"(?:' + _KEYS + rb')" ?: ?"?\[?([0-9][^",}\]\n]{7,39})',  # JSON
    rb"(\d{9,10})(?:\.\d+)?[ \t]",  # squid
)
_KINDS = [(re.compile(stamp), re.compile(rb"(?:" + stamp + rb"[^\n]*|[^\n]*)\n")) for stamp in _STAMPS]
_NUMBERS, _WORDS = re.compile(rb"\d++"), re.compile(rb"[A-Z][a-z]{2}")


class Days:
    """Tells the days of one log's lines. `last` is when it was written to last: syslog says no year."""

    def __init__(self, last: date) -> None:
        self._last = last
        self._day = ""  # of the last line
        self._kind = 0  # how that of the last line which had one is written
        self._begins = b"\n"  # how the last line began, if its day came first; no line begins with a newline
        self._names: Cache[str] = Cache(self._name)

    def split(self, block: bytes) -> list[tuple[str, bytes]]:
        """Return whole lines in pieces of one day each, with the day as YYYY-MM-DD; "" while none is known."""
        if block.startswith(self._begins) and block.count(b"\n" + self._begins) == block.count(b"\n") - 1:
            return [(self._day, block)]  # each line has this day, or one like it that is none
        _, every_line = _KINDS[self._kind]
        stamps = every_line.findall(block)
        days = list(map(self._names.__getitem__, stamps))
        if "" in days:
            days = list(map(self._of, block.split(b"\n")[:-1]))
        self._day, self._begins = days[-1], self._beginning(block)
        if days.count(days[0]) == len(days):
            return [(days[0], block)]
        lines = zip(days, block.split(b"\n")[:-1], strict=True)
        return [(day, b"".join(line + b"\n" for _, line in run)) for day, run in groupby(lines, itemgetter(0))]

    def _beginning(self, block: bytes) -> bytes:
        """Return the last line of a block up to its day and what parts that from the time; a newline if it has none."""
        line = block[block.rfind(b"\n", 0, -1) + 1 :]
        found = _KINDS[self._kind][0].match(line)
        return line[: found.end(1) + 1] if found and not found.start(1) and self._names[found[1]] else b"\n"

    def _of(self, line: bytes) -> str:
        for number, (one_line, _) in enumerate(_KINDS):
            if (found := one_line.match(line)) and (day := self._names[found[1]]):
                self._kind, self._day = number, day
                break
        return self._day

    def _name(self, stamp: bytes) -> str:
        """Return the day of a stamp as it is written, of seconds since the epoch that of UTC; "" if it has none."""
        seconds = read_epoch(stamp)
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC).date().isoformat()
        numbers = [int(text) for text in _NUMBERS.findall(stamp)]
        months = [MONTHS[word] for word in _WORDS.findall(stamp) if word in MONTHS]
        match months, numbers:
            case [month], [day]:
                year = self._year(month, day)
            case ([month], [day, year, *_]) if year > 31:
                pass
            case [month], [day, *_, year]:
                pass
            case [], [year, month, day, *_]:
                pass
            case _:
                return ""
        return f"{year:04}-{month:02}-{day:02}"

    def _year(self, month: int, day: int) -> int:
        """Return the last year in which there can have been such a day."""
        return self._last.year - ((month, day) > (self._last.month, self._last.day))
