"""The pictures of reports, made of what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.adapters.localtime import local_zone
from privet.cli.charts import Figure, Series, Times, bars, lines, moment, week
from privet.core.plurals import counted
from privet.core.reports.pulse import KINDS, Pulse, floor, width_for

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = {"ok": "answered (2xx)", "moved": "elsewhere (3xx)", "refused": "refused (4xx)", "failed": "failed (5xx)"}
JAILS = 5  # that have a colour of their own
MOST = 96  # bars of a picture
OTHERS = "others"


def requests(when: Pulse) -> list[Figure]:
    """Return the pictures of requests: over time by the class of their answers, and over the hours of the week."""
    if not when:
        return []
    zone = local_zone()
    bins = when.bins(zone, MOST, KINDS)
    series = [Series(kind, NAMES.get(kind, kind), numbers) for kind, numbers in bins.counts.items()]
    times = Times([bins.start + place * bins.step for place in range(len(series[0].numbers))], bins.step)
    return [
        bars("Requests over time", "requests", times, series),
        week("Requests by hour of the week", "requests", when.week(zone)),
    ]


def tiles(when: Pulse, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the numbers that stand above the pictures of requests."""
    hits = sum(when.total.values())
    shares = [
        (name, f"{when.total[kind] * 100 / hits:.1f}%")
        for kind, name in (("refused", "Refused (4xx)"), ("failed", "Failed (5xx)"))
        if hits
    ]
    return [("Requests", f"{hits:,}"), *more, *shares]


def period(when: Pulse, logs: int) -> str:
    """Return in words what a page is about."""
    if not when:
        return f"No requests in {counted(logs, 'log')}"
    first, last = when.span
    return f"{moment(first)} to {moment(last)}, from {counted(logs, 'log')}"


def bans(when: Pulse, span: tuple[float, float] | None = None) -> list[Figure]:
    """Return the picture of bans over time by jail, over the time of something else if one is given."""
    if not when:
        return []
    bins = when.bins(local_zone(), MOST, span=span)
    times = Times([bins.start + place * bins.step for place in range(len(next(iter(bins.counts.values()))))], bins.step)
    return [bars("Bans over time", "bans", times, by_jail(bins.counts))]


def by_jail(counts: dict[str, list[int]]) -> list[Series]:
    """Give each of the first jails a colour of its own, and one to all others."""
    ranked = sorted(counts.items(), key=lambda item: -sum(item[1]))
    series = [Series(f"k{place}", jail, numbers) for place, (jail, numbers) in enumerate(ranked[:JAILS], 1)]
    rest = [numbers for _, numbers in ranked[JAILS:]]
    if rest:
        series.append(Series(f"k{JAILS + 1}", OTHERS, [sum(column) for column in zip(*rest, strict=True)]))
    return series


def history(items: Sequence[dict[str, Any]], step: int) -> list[Figure]:
    """Return the pictures of what the daemon counted: requests, bans, load, and what waited or was in use."""
    if not items:
        return []
    zone = local_zone()
    first, last = items[0]["time"], items[-1]["time"] + step
    step = width_for(last - first, MOST * 2, step)
    start = floor(first, step, zone)
    times = Times([start + place * step for place in range(int((last - start - 1) // step) + 1)], step)
    found = [_requests(items, times), _bans(items, times)]
    for title, series, form in (
        ("Load", [("k3", "load", "load")], "{:.1f}"),
        ("The machine", [("k1", "waiting for the CPU", "psi"), ("k4", "memory in use", "memory")], "{:.0f}%"),
    ):
        drawn = [Series(colour, name, _highest(items, times, field)) for colour, name, field in series]
        if any(number >= 0 for one in drawn for number in one.numbers):
            found.append(lines(title, times, drawn, form))
    return [figure for figure in found if figure]


def _requests(items: Sequence[dict[str, Any]], times: Times) -> Figure | None:
    series = [Series(kind, NAMES.get(kind, kind), _sums(items, times, kind)) for kind in KINDS]
    series = [one for one in series if any(one.numbers)]
    return bars("Requests over time", "requests", times, series) if series else None


def _bans(items: Sequence[dict[str, Any]], times: Times) -> Figure | None:
    numbers = _sums(items, times, "bans")
    return bars("Bans over time", "bans", times, [Series("k1", "bans", numbers)]) if any(numbers) else None


def _sums(items: Sequence[dict[str, Any]], times: Times, field: str) -> list[int]:
    numbers = [0] * len(times.begins)
    for item in items:
        numbers[_place(item, times)] += item.get(field, 0)
    return numbers


def _highest(items: Sequence[dict[str, Any]], times: Times, field: str) -> list[float]:
    numbers = [-1.0] * len(times.begins)
    for item in items:
        if field in item:
            place = _place(item, times)
            numbers[place] = max(numbers[place], item[field])
    return numbers


def _place(item: dict[str, Any], times: Times) -> int:
    return int((item["time"] - times.begins[0]) // times.step)
