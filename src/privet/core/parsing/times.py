"""Time stamps of log lines, as seconds since the epoch; what cannot be read is None, never an exception."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MONTHS = {
    month: number
    for number, month in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
LONGEST = 64  # no stamp is longer; int() and strptime() of an attacker's text stay cheap
_END = 1e11  # the year 5138 in seconds, 1973 in milliseconds
_CLF = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")


def read_clf(text: bytes) -> float | None:
    """Read `17/May/2015:10:05:03 +0000`, the time of Apache's %t and nginx's $time_local."""
    found = _CLF.fullmatch(text)
    if found is None:
        return None
    midnight = _midnight(*found.group(1, 2, 3))
    if midnight is None:
        return None
    hour, minute, second, zone_hours, zone_minutes = map(int, found.group(4, 5, 6, 8, 9))
    if hour > 23 or minute > 59 or second > 60:  # 60 is a leap second
        return None
    zone = zone_hours * 3600 + zone_minutes * 60
    return _sane(midnight + hour * 3600 + minute * 60 + second - (zone if found[7] == b"+" else -zone))


@lru_cache(maxsize=64)  # days
def _midnight(day: bytes, month: bytes, year: bytes) -> float | None:
    try:
        return datetime(int(year), MONTHS[month], int(day), tzinfo=UTC).timestamp()
    except (ValueError, KeyError):
        return None


def read_epoch(text: bytes) -> float | None:
    """Read seconds since the epoch, with or without a fraction; milliseconds are told by their size."""
    if len(text) > LONGEST:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    if not 0 <= value < 1e17:
        return None
    while value >= _END:
        value /= 1000
    return value


def reader(pattern: str, zone: tzinfo) -> Callable[[bytes], float | None]:
    """Return a reader for a strftime pattern; stamps without an offset are in `zone`.

    Raises ValueError for a pattern that does not tell both date and time of day.
    """

    def read(text: bytes) -> float | None:
        if len(text) > LONGEST:
            return None
        try:
            moment = datetime.strptime(text.decode("ascii"), pattern)  # noqa: DTZ007  the zone is set below
            return _sane((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
        except (ValueError, OverflowError, re.error):  # the last for a directive that stands there twice
            return None

    # This also loads what strptime needs while files can still be opened.
    probe = datetime(2015, 5, 17, 10, 5, tzinfo=zone)
    if read(probe.strftime(pattern).encode()) != probe.timestamp():
        raise ValueError("it does not tell date and time of day")
    return read


def read_iso(text: bytes) -> float | None:
    """Read `2015-05-17T10:05:03+00:00` and its variants; without an offset it is UTC."""
    if len(text) > LONGEST:
        return None
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
        return _sane((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def read_any(text: bytes) -> float | None:
    """Read whichever of the common forms the text has; a number is never a date like 20150517."""
    seconds = read_clf(text.strip(b"[]"))
    if seconds is None:
        seconds = read_epoch(text)
    return read_iso(text) if seconds is None else seconds


def _sane(seconds: float) -> float | None:
    """Pass what can be the time of a request, and be written again by `write_clf`."""
    return seconds if 0 <= seconds < _END else None


def write_clf(seconds: float) -> bytes:
    """Write a time as Apache's %t does, in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return b"%02d/%b/%04d:%02d:%02d:%02d +0000" % (
        moment.day,
        _NAMES[moment.month],
        moment.year,
        moment.hour,
        moment.minute,
        moment.second,
    )


_NAMES = {number: month for month, number in MONTHS.items()}
