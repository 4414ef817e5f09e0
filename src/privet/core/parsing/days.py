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
from privet.core.parsing.times import MONTHS, read_epoch

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

_CLOCK = rb"\d\d:\d\d"
_BRACKET = rb"(?![A-Z][a-z]{2} [ \d]\d |\d{4}[-/]\d\d|\d{9}|<|\{)[^\[\n]*+\["
_KEYS = rb"ts|time|timestamp|@timestamp|date|msec|time_iso8601|time_local|StartUTC|StartLocal"
_STAMPS = (  # what stands before the day, the day, and what behind it
    (_BRACKET, rb"\d\d/[A-Z][a-z]{2}/\d{4}", rb":" + _CLOCK),  # access logs
    (_BRACKET, rb"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d " + _CLOCK + rb":\d\d(?:\.\d+)? \d{4}", rb"\]"),  # Apache's errors
    (_BRACKET, rb"\d\d-[A-Z][a-z]{2}-\d{4}|\d{4}-\d\d-\d\d", rb"[T ]" + _CLOCK),  # PHP and others
    (rb"(?:<\d{1,3}>)?", rb"[A-Z][a-z]{2} [ \d]\d", rb" " + _CLOCK),  # syslog, without a year
    (rb"(?:<\d{1,3}>1 )?", rb"\d{4}[-/]\d\d[-/]\d\d", rb"[T ]" + _CLOCK),  # syslog with one, nginx's errors
    (rb'\{[^\n]*?"(?:' + _KEYS + rb')" ?: ?"?\[?', rb'[0-9][^",}\]\n]{7,39}', b""),  # JSON
    (b"", rb"\d{9,10}", rb"(?:\.\d+)?[ \t]"),  # squid
)
_ONE = [re.compile(b"%b(%b)%b" % stamp) for stamp in _STAMPS]
_EVERY = [re.compile(rb"(?:%b(%b)%b.*|.*)\n" % stamp) for stamp in _STAMPS]
_NUMBERS, _WORDS = re.compile(rb"\d++"), re.compile(rb"[A-Z][a-z]{2}")


def all_begin(block: bytes, text: bytes) -> bool:
    """Tell whether all of whole lines begin with a text."""
    return block.startswith(text) and block.count(b"\n" + text) == block.count(b"\n") - 1


class Days:
    """Tells the days of one log's lines. `last` is when it was written to last: syslog says no year."""

    def __init__(self, last: date, all_begin: Callable[[bytes, bytes], bool] = all_begin) -> None:
        self._last, self._all_begin = last, all_begin
        self._day = ""  # of the last line
        self._kind = 0  # how that of the last line which had one is written
        self._begins = b""  # how the last line began, if its day came first
        self._same: re.Pattern[bytes] | None = None  # whole lines with its day, if that stood within them
        self._names: Cache[str] = Cache(self._name)

    def split(self, block: bytes) -> list[tuple[str, bytes]]:
        """Return whole lines in pieces of one day each, with the day as YYYY-MM-DD; "" while none is known."""
        if self._is_same(block):
            return [(self._day, block)]
        stamps = _EVERY[self._kind].findall(block)
        days = list(map(self._names.__getitem__, stamps))
        if "" in days:
            days = list(map(self._of, block.split(b"\n")[:-1]))
        self._day = days[-1]
        self._begins, self._same = b"", None
        if days.count(days[0]) == len(days):
            self._learn(block[block.rfind(b"\n", 0, -1) + 1 :])
            return [(days[0], block)]
        lines = zip(days, block.split(b"\n")[:-1], strict=True)
        return [(day, b"".join(line + b"\n" for _, line in run)) for day, run in groupby(lines, itemgetter(0))]

    def _is_same(self, block: bytes) -> bool:
        """Tell whether all lines have the day of the last one, or one like it that is none."""
        if self._begins:
            return self._all_begin(block, self._begins)
        return self._same is not None and self._same.fullmatch(block) is not None

    def _learn(self, line: bytes) -> None:
        """Remember how other lines of the same day will look, if that can be told from this one."""
        before, _, behind = _STAMPS[self._kind]
        found = _ONE[self._kind].match(line)
        if not found or not self._names[found[1]]:
            return
        if not found.start(1):
            self._begins = line[: found.end(1) + 1]
        elif before == _BRACKET and behind.endswith(_CLOCK):  # or else it holds the time as well
            self._same = re.compile(rb"(?:%b%b%b.*+\n)*+" % (before, re.escape(found[1]), behind))

    def _of(self, line: bytes) -> str:
        for number, one_line in enumerate(_ONE):
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
