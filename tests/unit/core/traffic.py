"""Made-up visitors of a small site, as log lines: people with browsers, feed readers, robots, and swarms."""

from __future__ import annotations

from datetime import UTC, datetime
from math import pi, sin
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

START = 1_795_305_600.0  # a Sunday at midnight
HOUR, DAY = 3600.0, 86_400.0

Entry = tuple[float, bytes]


def entry(time: float, client: str, target: str, referer: str = "-", status: int = 200) -> Entry:
    """Return a line of the combined format, and when it was written."""
    stamp = datetime.fromtimestamp(int(time), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return time, f'{client} - - [{stamp}] "GET {target} HTTP/1.1" {status} 512 "{referer}" "Mozilla/5.0"\n'.encode()


def moments(draw: random.Random, a_minute: float, begin: float, end: float) -> Iterator[float]:
    """Yield moments at random, so many a minute."""
    time = begin + draw.expovariate(a_minute / 60)
    while time < end:
        yield time
        time += draw.expovariate(a_minute / 60)


def address(draw: random.Random) -> str:
    """Return any address of 10.0.0.0/8."""
    return f"10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"


def visitor(draw: random.Random, time: float, client: str) -> Iterator[Entry]:
    """Yield what a browser asks for: some pages, the first one with its assets, pictures with each."""
    for number in range(draw.choice((1, 1, 2, 4))):
        page = f"/blog/{draw.choice(('spring', 'summer', 'autumn', 'winter'))}/{draw.randrange(40)}"
        yield entry(time, client, page)
        for asset in ("/style.css", "/script.js", "/logo.png") if number == 0 else ():
            yield entry(time + draw.uniform(0, 2), client, asset, f"https://blog.example{page}")
        yield entry(time + draw.uniform(0, 3), client, f"/image/{draw.randrange(40)}", f"https://blog.example{page}")
        time += draw.uniform(8, 90)


def background(draw: random.Random, begin: float, days: float) -> list[Entry]:
    """Return the traffic of some days: more by day than by night, robots at any time, readers on the hour."""
    end = begin + days * DAY
    found: list[Entry] = []
    for time in moments(draw, 1.2, begin, end):
        if draw.random() < 0.55 - 0.45 * sin(2 * pi * (time - begin) / DAY):
            found += visitor(draw, time, address(draw))
    for time in moments(draw, 1.0, begin, end):
        found.append(entry(time, f"198.51.100.{draw.randrange(1, 120)}", f"/blog/old/{draw.randrange(500)}"))
    hour = begin
    while hour < end:
        readers = (f"203.0.113.{number}" for number in range(1, 25))
        found += [entry(hour + draw.expovariate(1 / 120), reader, "/feed.xml") for reader in readers]
        hour += HOUR
    return sorted(one for one in found if one[0] < end)


def swarm(draw: random.Random, a_minute: float, begin: float, targets: Iterable[str], *, seconds: float) -> list[Entry]:
    """Return what a swarm asks for, evenly spaced, each time from another address of 192.0.2.0/24 and 2001:db8::/32."""
    wanted, step = iter(targets), 60 / a_minute
    return [
        entry(begin + number * step, f"2001:db8:{draw.randrange(1 << 16):x}:{number:x}::1", next(wanted))
        for number in range(int(seconds / step))
    ]


def blocks(entries: Iterable[Entry], size: int = 500) -> Iterator[bytes]:
    """Yield entries in the order of their times, as blocks of lines."""
    lines = [line for _, line in sorted(entries)]
    for start in range(0, len(lines), size):
        yield b"".join(lines[start : start + size])
