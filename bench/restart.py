"""A hundred thousand bans over a restart of the daemon, and over a reboot; and what they cost in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from bench.guard import Guard
from bench.report import Result
from bench.runs import Failed, Spread, eventually, memory_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.runs import Settings

JAILS = '[jail.trap]\nsource = "web"\nbantime = "1h"\n'
BANS = 100_000
WITHIN = 60.0


class Round(NamedTuple):
    """Seconds from the start of the process until all bans are in force, and its memory then."""

    adopted: float
    restored: float
    memory: int


def held(settings: Settings) -> Iterator[Result]:
    """Ban many, then end the daemon and start it again: with what the kernel holds, and without."""
    count = settings.scaled(BANS)
    with Guard(settings, JAILS, "nftables") as guard:
        began = time.perf_counter()
        subjects = [_subject(number) for number in range(count)]
        guard.ask("ban", subjects=subjects, seconds=3600.0, agreed=True)
        eventually(lambda: guard.in_kernel() == count, f"{count:,} bans in the kernel", WITHIN)
        ordered = time.perf_counter() - began
        rounds = [_round(guard, count) for _ in range(settings.rounds)]
    yield Result(f"{count:,} bans ordered by hand in one go", f"{ordered:.2f} s", values={"s": ordered})
    yield _row(f"{count:,} bans adopted by a daemon that starts again", [one.adopted for one in rounds], 1.0)
    yield _row(f"{count:,} bans back after a reboot", [one.restored for one in rounds], 3.0)
    memory = max(one.memory for one in rounds) / 1e6
    yield Result(
        f"memory of the daemon (RSS) with {count:,} bans",
        f"{memory:.0f} MB",
        "≤ 120 MB",
        memory <= 120,
        {"mb": memory},
    )


def _row(work: str, seconds: list[float], limit: float) -> Result:
    spread = Spread.of(seconds)
    return Result(
        work,
        f"{spread} s from the start of the process",
        f"≤ {limit:g} s",
        spread.median <= limit,
        {"s": spread.median},
    )


def _round(guard: Guard, count: int) -> Round:
    restored = _again(guard, count, reboot=True)
    adopted = _again(guard, count, reboot=False)
    time.sleep(2.5)  # two ticks of everything that is done each second
    return Round(adopted, restored, memory_of(guard.daemon.pid))


def _again(guard: Guard, count: int, *, reboot: bool) -> float:
    guard.stop()
    if reboot:
        guard.lose_memory()
    began = time.perf_counter()
    guard.start()  # it answers once every ban is in force
    spent = time.perf_counter() - began
    if guard.in_kernel() != count:
        raise Failed(f"{guard.in_kernel():,} of {count:,} bans are in force")
    return spent


def _subject(number: int) -> str:
    """Return one of many clients, a quarter of them with IPv6."""
    high, low = divmod(number, 256)
    if number % 4:
        return f"10.{high >> 8}.{high & 255}.{low}"
    return f"2001:db8:{high:x}:{low:x}::/64"
