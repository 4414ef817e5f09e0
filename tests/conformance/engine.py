"""Privet's engine for whoever has samples of log lines: `make(conf_dir, filter, options) -> feed(line, epoch) -> hits`.

`conf_dir` holds `filter.d`, `options` are those in the brackets of a jail's `filter = NAME[...]`. A feed takes the
lines of one log in order; `epoch` is None unless the line comes from a journal, which knows when it was written.
A hit is a dict: `fid` who is to be banned, `time`, `matches` the lines that made the failure, and the named groups of
the regular expressions. The clock stands at `NOW`; stamps without a zone are in the local one, as TZ says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.text import Place, Text
from privet.core.filters.model import FilterSpec
from privet.core.filters.plan import FilterPlan

if TYPE_CHECKING:
    from privet.core.filters.matching import Failure

NOW = 1124013600.0
"""2005-08-14T10:00:00Z: "now" while samples are read, which decides the year of dates without one."""

Hit = dict[str, Any]
Feed = Callable[[str, float | None], list[Hit]]


class Local(tzinfo):
    """The zone that the C library takes from TZ, whatever form that has."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """Return how far local clocks are ahead of UTC."""
        fields = (moment or datetime.fromtimestamp(NOW, UTC)).timetuple()
        return timedelta(seconds=time.localtime(time.mktime((*fields[:8], -1))).tm_gmtoff)

    def dst(self, _moment: datetime | None) -> None:
        """Return nothing: nobody asks."""

    def tzname(self, _moment: datetime | None) -> str:
        """Return a name for messages."""
        return "local"

    def fromutc(self, moment: datetime) -> datetime:
        """Turn UTC into local time."""
        return moment + timedelta(seconds=time.localtime(moment.replace(tzinfo=UTC).timestamp()).tm_gmtoff)


def read(conf_dir: str, name: str, options: Mapping[str, str]) -> FilterSpec:
    """Read a filter as a jail with these options would have it."""
    brackets = ", ".join(f"{key}={_quoted(value)}" for key, value in options.items())
    place = Place(conf_dir)
    found = FilterFile(Files(conf_dir), Text.of(f"{name}[{brackets}]" if brackets else name, place), "auto").read({})
    return FilterSpec(
        name=name,
        failregex=tuple(rule.regex for rule in found.failregex),
        ignoreregex=tuple(rule.regex for rule in found.ignoreregex),
        prefregex=found.prefregex.regex if found.prefregex else "",
        datepattern=found.datepattern or "",
        maxlines=found.maxlines,
        usedns="raw",  # samples want names as they are written
    )


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def make(conf_dir: str, name: str, options: Mapping[str, str]) -> Feed:
    """Return the feed of a filter."""
    return feed_of(read(str(conf_dir), name, options), journal=options.get("logtype") == "journal")


def feed_of(spec: FilterSpec, *, journal: bool = False) -> Feed:
    """Return the feed of a filter that has been read."""
    hits: list[Hit] = []

    def observe(_spec: FilterSpec, _place: int, failure: Failure) -> None:
        hits.append({**failure.facts, "fid": _banned(failure), "time": failure.time, "matches": failure.lines})

    plan = FilterPlan([spec], Local(), observe, journal=journal)

    def feed(line: str, epoch: float | None) -> list[Hit]:
        hits.clear()
        text = line if not journal else f"{NOW if epoch is None else epoch} {line}"
        plan.parse(text.encode("utf-8", "surrogateescape") + b"\n", NOW)
        return list(hits)

    return feed


def _banned(failure: Failure) -> str:
    """Return who is to be banned, in the usual notation."""
    if failure.cidr is None:
        return failure.who
    try:
        return str(ip_network(f"{failure.who}/{failure.cidr}", strict=False))
    except ValueError:
        return failure.who
