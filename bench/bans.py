"""From a line to an address in the kernel: one offender at a time, and ten thousand at once."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from bench import fail2ban_server
from bench.guard import Guard, write
from bench.kernel import Watch
from bench.logs import line
from bench.report import Result, waiting
from bench.runs import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.runs import Settings

TRAP = '[jail.trap]\nsource = "web"\npath = "^/trap$"\nmaxretry = 1\nfindtime = "60s"\nbantime = "10m"\n'
OFFENDERS = 200
CROWD = 10_000
PATIENCE = 10.0


def single(settings: Settings) -> Iterator[Result]:
    """Measure offenders that come one by one, with pauses of no fixed length."""
    rng, delays = random.Random(1), []
    with Guard(settings, TRAP, "nftables") as guard, Watch() as watch:
        pipe = guard.pipe()
        for number in range(settings.scaled(OFFENDERS)):
            time.sleep(rng.uniform(0.05, 0.15))
            began = time.perf_counter()
            write(pipe, line(number, "/trap"))
            watch.wait(number + 1, PATIENCE)
            delays.append(1e3 * (max(watch.came.values()) - began))
    yield waiting("a line of a single offender written → its address in the kernel", delays, 50)
    delays, memory = fail2ban_server.delays(settings, settings.scaled(10))
    yield waiting("the same in fail2ban", delays)
    yield Result("memory of fail2ban's server (RSS), idle", f"{memory / 1e6:.0f} MB", values={"mb": memory / 1e6})


def burst(settings: Settings) -> Iterator[Result]:
    """Measure a crowd whose lines come as fast as they can be written."""
    count, rounds = settings.scaled(CROWD), settings.rounds
    after_first, after_last = [], []
    with Guard(settings, TRAP, "nftables") as guard, Watch() as watch:
        pipe = guard.pipe()
        for place in range(rounds):
            lines = b"".join(line(place * count + number, "/trap") for number in range(count))
            began = time.perf_counter()
            write(pipe, lines)
            ended = time.perf_counter()
            watch.wait((place + 1) * count, PATIENCE)
            last = max(watch.came.values())
            after_first.append(last - began)
            after_last.append(last - ended)
    spread = Spread.of(after_last)
    yield Result(
        f"{count:,} offenders at once: last line written → all in the kernel",
        f"{spread} s; from the first line on {Spread.of(after_first)} s",
        "≤ 1 s",
        spread.median <= 1,
        {"after_last_s": spread.median, "after_first_s": Spread.of(after_first).median},
    )
    crowd = settings.scaled(200)
    took = fail2ban_server.crowd(settings, crowd)
    yield Result(
        f"fail2ban: {crowd} offenders at once",
        f"{took:.1f} s: {took / crowd * CROWD:.0f} s for {CROWD:,} at this rate",
        values={"s": took, "per_10000_s": took / crowd * CROWD},
    )
