"""What all detectors together cost: swarms, networks, rates, jails for the web, history and the eye on dead rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench import logs
from bench.report import Result
from bench.runs import Spread, alternating, cores, pinned, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.runs import Settings

LINES, CLIENTS = 1_000_000, 200_000
"""Of so many that there may be, half are seen in so many lines."""

ALL = """\
[networks]
table = "{table}"
[manners]
robots = "{robots}"
[source.web]
path = "/nonexistent/*.log"
format = "combined"
[builtin.web]
source = "web"
[jail.swarm]
source = "web"
kind = "swarm"
[jail.neighbours]
source = "web"
key = "prefix"
prefixes = [24, 48]
clients = 20
findtime = "2h"
maxretry = 500
bantime = "1h"
[jail.providers]
source = "web"
query = '(action=(rc|rss|history)|search=)'
key = "asn"
clients = 5
findtime = "2h"
maxretry = 2000
bantime = "1h"
"""
"""As the manual shows them: all jails for the web, a swarm, networks by /24 and by the table, and all manners."""

SIGNALS = ("robots", "crawl-delay", "heads", "backoff", "feeds", "whole-feeds", "fake-browser")
MANNERS = '[jail.{signal}]\nsource = "web"\nkind = "manners"\nsignal = "{signal}"\nmaxretry = 100\nfindtime = "1h"\n'
ROBOTS = "User-agent: *\nDisallow: /edit/\nDisallow: /cgi-bin/\nCrawl-delay: 5\n"
SPEED, MEMORY = 150_000, 150e6


def together(settings: Settings) -> Iterator[Result]:
    """Measure all detectors on one log."""
    lines = settings.scaled(LINES, 4)
    log = logs.crowded(settings, lines, CLIENTS)
    with pinned(cores()[1:]):
        costs = alternating({"all": lambda: run(_command(settings, log))}, settings.rounds)["all"]
    speed = Spread.of([lines / cost.cpu for cost in costs])
    memory = max(cost.memory for cost in costs)
    yield Result(
        f"all detectors and all built-in jails for the web, {lines:,} lines: lines per second of CPU",
        f"{speed}; {memory / 1e6:.0f} MB",
        f"≥ {SPEED:,} and ≤ {MEMORY / 1e6:.0f} MB",
        speed.median >= SPEED and memory <= MEMORY,
        {"lines_per_cpu_second": speed.median, "mb": memory / 1e6},
    )


def _command(settings: Settings, log: Path) -> list[str]:
    config, table = settings.folder / "detectors.toml", settings.folder / "networks.tsv"
    robots = settings.folder / "robots.txt"
    table.write_text(_table(), encoding="ascii")
    robots.write_text(ROBOTS, encoding="ascii")
    manners = "".join(MANNERS.format(signal=signal) for signal in SIGNALS)
    config.write_text(ALL.format(table=table, robots=robots) + manners, encoding="utf-8")
    return [sys.executable, "-m", "bench.detecting", str(config), str(log)]


def _table() -> str:
    """Make a table of networks, in the form of iptoasn: a number for each /18 of the generator's IPv4 clients."""
    rows = [
        f"10.{place >> 2}.{64 * (place & 3)}.0\t10.{place >> 2}.{64 * (place & 3) + 63}.255\t{64512 + place}\tZZ\tNET\n"
        for place in range(1024)
    ]
    return "".join([*rows, "2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\t64500\tZZ\tWIDE\n"])
