"""How dates are written: patterns of `%` letters as regular expressions, and what was matched as seconds.

A form knows neither where in a line it stands nor what is found if several fit: that is `dates`' business.
Seconds are whole, except for epochs, which fail2ban reads with their fraction.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.zones import ABBREVIATIONS, zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ZONE_NAMES = "|".join(sorted(ABBREVIATIONS, key=lambda name: (-len(name), name)))
_OFFSET = r"[+-][01]\d(?::?\d\d)?"
_WORDS = frozenset("aAbBp")

_FIELDS = {
    "a": "|".join(_DAYS),
    "A": "|".join(_LONG_DAYS),
    "b": "|".join(MONTHS),
    "B": "|".join(_LONG_MONTHS),
    "d": r"3[01]|[12]\d|[ 0]?[1-9]",
    "m": r"1[0-2]|0?[1-9]",
    "Y": r"\d{4}",
    "y": r"\d\d",
    "G": r"\d{4}",
    "H": r"2[0-3]|[01]?\d",
    "k": r" ?[0-2]?\d",
    "I": r"1[0-2]|0?[1-9]",
    "l": r" ?1?\d",
    "M": r"[0-5]?\d",
    "S": r"6[01]|[0-5]?\d",
    "f": r"\d{1,6}",
    "p": r"[ap]m",
    "j": r"36[0-6]|3[0-5]\d|[12]\d\d|0?[1-9]\d|0{0,2}[1-9]",
    "U": r"5[0-3]|[0-4]?\d",
    "W": r"5[0-3]|[0-4]?\d",
    "V": r"5[0-3]|[0-4]?\d",
    "w": "[0-6]",
    "u": "[1-7]",
    "z": rf"(?-i:Z|(?:UTC|GMT))|{_OFFSET}",
    "Z": rf"(?-i:{_ZONE_NAMES})",
    "ExY": r"20\d\d",
    "Exy": r"\d\d",
    "Exm": r"1[0-2]|0[1-9]",
    "Exd": r"3[01]|[12]\d|0[1-9]",
    "ExH": r"2[0-3]|[01]\d",
    "ExM": r"[0-5]\d",
    "ExS": r"6[01]|[0-5]\d",
    "Exz": rf"(?-i:(?:UTC|GMT){_OFFSET}|{_ZONE_NAMES}|{_OFFSET})",
    "ExZ": rf"(?-i:{_ZONE_NAMES})",
}
"""What each letter matches; the names are those of strptime, `Ex` marks fail2ban's stricter kin."""

_MEANS = {"k": "H", "l": "I", "ExY": "Y", "Exy": "y", "Exm": "m", "Exd": "d", "ExH": "H", "ExM": "M", "ExS": "S"}
_MEANS |= {"Exz": "z", "ExZ": "z", "Z": "z", "A": "a", "B": "b"}
_WHOLE = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}  # as the locale C has them
_LETTER = re.compile(r"%(Ex)?(.)", re.DOTALL)

EPOCH = r"(?P<epoch>\d{10,11}(?:\.\d{3,6})?)"
LONG_EPOCH = r"(?P<epoch>\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?)"
TAI64N = r"(?P<tai>@[0-9a-f]{24})"


class UnknownLetterError(ValueError):
    """A `%` letter that is no field of a date."""


def fields_of(pattern: str, *, named: bool) -> tuple[str, bool]:
    """Return the regular expression of a pattern, and whether it spells words, whose case does not matter."""
    for letter, whole in _WHOLE.items():
        pattern = re.sub(rf"(?<!%)((?:%%)*)%{letter}", rf"\g<1>{whole}", pattern)
    words = False

    def replace(found: re.Match[str]) -> str:
        nonlocal words
        name = (found[1] or "") + found[2]
        if name == "%":
            return "%"
        if name not in _FIELDS:
            raise UnknownLetterError(f"%{name} is no field of a date; a percent sign is written %%")
        words |= name in _WORDS
        return f"(?P<{_MEANS.get(name, name)}>{_FIELDS[name]})" if named else f"(?:{_FIELDS[name]})"

    return _LETTER.sub(replace, pattern), words


class Today(msgspec.Struct, frozen=True):
    """What stamps leave open: the clock, and the day that it is in the zone of stamps without one."""

    now: float
    day: date
    zone: tzinfo

    @classmethod
    def at(cls, now: float, zone: tzinfo) -> Today:
        """Return the day of a time."""
        return cls(now, datetime.fromtimestamp(now, zone).date(), zone)


def seconds_of(fields: Mapping[str, str | None], today: Today) -> tuple[float | None, bool]:
    """Return the time that the fields of a stamp tell, None for one that does not exist.

    Without a year it is this year's, unless that is more than a day ahead: then last year's. Without any
    date it is today's, or if that is still to come, yesterday's. The second value tells whether the same
    stamp says the same as long as it is the same day.
    """
    epoch, tai = fields.get("epoch"), fields.get("tai")
    if epoch:
        return _epoch(epoch), True
    if tai:
        return float(int(tai[2:17], 16)), True
    zone: tzinfo | None = today.zone
    if name := fields.get("z"):
        zone = zone_of(name)
    clock = _clock(fields)
    if zone is None or clock is None:
        return None, True
    try:
        return _settle(fields, today, zone, clock)
    except (ValueError, OverflowError):
        return None, True


def _settle(
    fields: Mapping[str, str | None], today: Today, zone: tzinfo, clock: timedelta
) -> tuple[float | None, bool]:
    year = _year(fields)
    if year is not None:
        return _moment(_day(fields, year), clock, zone), True
    if not any(fields.get(name) for name in ("d", "m", "b", "j")):
        seconds = _moment(today.day, clock, zone)
        if seconds <= today.now:
            return seconds, True
        return _moment(today.day - timedelta(days=1), clock, zone), False
    for back in (0, 1):
        try:
            seconds = _moment(_day(fields, today.day.year - back), clock, zone)
        except ValueError:  # 29 February
            continue
        if seconds <= today.now + 86_400:
            return seconds, back == 0
    return None, False


def _epoch(text: str) -> float:
    """Read seconds with a fraction, or with three or six more digits."""
    whole, _, rest = text.partition(".")
    extra = (len(whole) - 10) // 3 * 3
    if extra:
        whole, rest = whole[:-extra], whole[-extra:] + rest
    return float(f"{whole}.{rest or 0}")


def _clock(fields: Mapping[str, str | None]) -> timedelta | None:
    hour = int(fields.get("H") or 0)
    if twelve := fields.get("I"):
        hour = int(twelve) % 12 + 12 * ((fields.get("p") or "").lower() == "pm")
    if hour > 23:
        return None
    return timedelta(hours=hour, minutes=int(fields.get("M") or 0), seconds=int(fields.get("S") or 0))


def _year(fields: Mapping[str, str | None]) -> int | None:
    if year := fields.get("Y") or fields.get("G"):
        return int(year)
    if year := fields.get("y"):
        return int(year) + 2000
    return None


def _day(fields: Mapping[str, str | None], year: int) -> date:
    if day := fields.get("j"):
        return date(year, 1, 1) + timedelta(days=int(day) - 1)
    if week := fields.get("V"):
        return date.fromisocalendar(year, int(week), _weekday(fields) + 1)
    if week := fields.get("W") or fields.get("U"):
        starts = 0 if fields.get("W") else 6  # the day of the week that begins one
        first = date(year, 1, 1)
        begin = first + timedelta(days=(starts - first.weekday()) % 7 - 7)
        return begin + timedelta(days=7 * int(week) + (_weekday(fields) - starts) % 7)
    month = int(fields.get("m") or 0)
    if name := fields.get("b"):
        month = MONTHS.index(name[:3].lower()) + 1
    return date(year, month or 1, int(fields.get("d") or 1))


def _weekday(fields: Mapping[str, str | None]) -> int:
    """Return the day of the week, from Monday on."""
    if day := fields.get("w") or fields.get("u"):
        return (int(day) - 1) % 7
    name = fields.get("a")
    return _DAYS.index(name[:3].lower()) if name else 0


def _moment(day: date, clock: timedelta, zone: tzinfo) -> float:
    """Return a time of day, given from midnight on by the clock on the wall."""
    whole = datetime(day.year, day.month, day.day, tzinfo=None) + clock  # noqa: DTZ001  the zone comes next
    return whole.replace(tzinfo=zone).timestamp()
