"""Time stamps of log lines, as seconds since the epoch; what cannot be read is None, never an exception."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MONTHS = {
    month: number
    for number, month in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_LONGEST = 64  # no stamp is longer; int() and strptime() of an attacker's text stay cheap
_MILLISECONDS_FROM = 1e11  # the year 5138 in seconds, 1973 in milliseconds


def read_clf(text: bytes) -> float | None:
    """Read `17/May/2015:10:05:03 +0000`, the time of Apache's %t and nginx's $time_local."""
    if len(text) != 26 or text[20:21] != b" " or text[21] not in b"+-":
        return None
    try:
        day, year = int(text[:2]), int(text[7:11])
        clock = int(text[12:14]) * 3600 + int(text[15:17]) * 60 + int(text[18:20])
        zone = int(text[22:24]) * 3600 + int(text[24:26]) * 60
        midnight = datetime(year, _MONTHS[text[3:6]], day, tzinfo=UTC).timestamp()
    except (ValueError, KeyError, OverflowError):
        return None
    return midnight + clock - (zone if text[21] == 0x2B else -zone)


def read_epoch(text: bytes) -> float | None:
    """Read seconds since the epoch, with or without a fraction; milliseconds are told by their size."""
    if len(text) > _LONGEST:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    if not 0 <= value < 1e17:
        return None
    while value >= _MILLISECONDS_FROM:
        value /= 1000
    return value


def reader(pattern: str, zone: tzinfo) -> Callable[[bytes], float | None]:
    """Return a reader for a strftime pattern; stamps without an offset are in `zone`."""
    with suppress(ValueError):  # loads what strptime needs while files can still be opened
        datetime.strptime("", "%Y")  # noqa: DTZ007

    def read(text: bytes) -> float | None:
        if len(text) > _LONGEST:
            return None
        try:
            moment = datetime.strptime(text.decode("ascii"), pattern)  # noqa: DTZ007  the zone is set below
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
        except (ValueError, OverflowError):
            return None

    return read


def read_iso(text: bytes) -> float | None:
    """Read `2015-05-17T10:05:03+00:00` and its variants; without an offset it is UTC."""
    if len(text) > _LONGEST:
        return None
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def read_any(text: bytes) -> float | None:
    """Read whichever of the common forms the text has."""
    return read_clf(text.strip(b"[]")) or read_iso(text) or read_epoch(text)


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


_NAMES = {number: month for month, number in _MONTHS.items()}
