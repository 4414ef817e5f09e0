"""How much memory the daemon and the pipe hold: after the start, and with many clients."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.guard import Guard, write
from bench.logs import line
from bench.report import Result
from bench.runs import apart, eventually, memory_of
from bench.throughput import ONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.runs import Settings

CLIENTS, HITS = 100_000, 3
FINDTIME = ONE.replace("60s", "10m")


def held(settings: Settings) -> Iterator[Result]:
    """Measure the resident memory, before and after clients have come."""
    clients = settings.scaled(CLIENTS)
    with Guard(settings, FINDTIME, "nftables" if apart() else "null") as guard:
        pipe = guard.pipe()
        time.sleep(2.5)  # two ticks of everything that is done each second
        yield _row("memory of the daemon (RSS), idle", memory_of(guard.daemon.pid), 60)
        before = memory_of(pipe.pid)
        for _ in range(HITS):
            for start in range(0, clients, 1000):
                write(pipe, b"".join(line(number, "/") for number in range(start, start + 1000)))
        guard.settled(clients * HITS)
        eventually(lambda: guard.status()["clients"]["tracked"] == clients, f"{clients:,} tracked clients")
        yield _row(f"the same with {clients:,} tracked clients, {HITS} hits each", memory_of(guard.daemon.pid), 120)
        after = memory_of(pipe.pid)
    yield Result(
        "memory of one privet pipe (RSS), idle and after those lines",
        f"{before / 1e6:.0f} MB, {after / 1e6:.0f} MB",
        values={"idle_mb": before / 1e6, "after_mb": after / 1e6},
    )


def _row(work: str, size: int, limit: float) -> Result:
    megabytes = size / 1e6
    return Result(work, f"{megabytes:.0f} MB", f"≤ {limit:g} MB", megabytes <= limit, {"mb": megabytes})
