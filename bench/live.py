"""Lines that arrive one by one: what pipe and daemon take of a core, and how long a line waits for its verdict."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from bench import generate
from bench.guard import Guard, write
from bench.logs import line
from bench.report import Result, waiting
from bench.runs import ROOT, Spread, cores, cpu_of, eventually, pinned
from bench.throughput import ONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.runs import Settings

RATE = 1000
SECONDS = 10
BEFORE = 60
"""Seconds whose lines the daemon has seen before: by then most of those who ask too often are banned."""

PACE = 0.02
"""Seconds to wait after each half a second's lines of these: as fast as that the daemon keeps up."""

READY = 5
"""Seconds that it takes to make such lines and to have them read."""

CALM = 8
"""Seconds of live lines until the pipe has lent its input again, as it does some seconds after a crowd."""
PROBES = 97
"""One line in so many is watched on its way to a verdict, so that it meets a timer of some 16 ms at all its phases."""

PROBE = (
    ONE + '[jail.probe]\nsource = "web"\npath = \'^/probe$\'\nmaxretry = 1\nfindtime = "60s"\nbantime = "1s"\n'
    "dry_run = true\n"
)


def flowing(settings: Settings) -> Iterator[Result]:
    """Measure a second's thousand lines, each written by itself."""
    seconds = SECONDS // 4 if settings.quick else SECONDS
    shares, first, floors = [], [], []
    for _ in range(settings.rounds):
        shares.append(_share(settings, seconds, settings.scaled(BEFORE)))
        first.append(_share(settings, seconds, 0))
        floors.append(100 * sum(_relayed(seconds // 2 or 1)))
    whole = Spread.of([100 * (one.pipe + one.daemon) for one in shares])
    yield Result(
        f"{RATE:,} lines/s arriving singly, {seconds} s after a minute of such lines: share of a core that pipe and "
        "daemon take",
        f"{whole} %; {_parts(shares)}",
        "≤ 2 %",
        whole.median <= 2,
        {"percent": whole.median},
    )
    at_first = Spread.of([100 * (one.pipe + one.daemon) for one in first])
    yield Result(
        "the same right after the start, when all who ask too often are found for the first time",
        f"{at_first} %; {_parts(first)}",
        values={"first_percent": at_first.median},
    )
    yield Result(
        "the same through two Python programs that only hand the lines on, by the same timer",
        f"{Spread.of(floors)} %",
        values={"floor_percent": Spread.of(floors).median},
    )
    delays = [delay for _ in range(settings.rounds) for delay in _delays(settings, seconds // 2 or 1)]
    yield waiting("the same: write of a line → verdict on it", delays, 20)


class Share(NamedTuple):
    """What pipe and daemon took of a core, and how many clients were banned each second meanwhile."""

    pipe: float
    daemon: float
    bans: float


def _share(settings: Settings, seconds: int, before: int) -> Share:
    """Measure for some seconds, after the lines of so many seconds before."""
    feeder, measured = cores()
    calm, ahead = (CALM, READY) if before else (0, 1)
    with pinned([measured]), Guard(settings, ONE, "null") as guard:
        lines = _lines(before + calm + seconds + 1, ahead - before)
        earlier, lines = lines[: RATE * before], lines[RATE * before :]
        pipe = guard.pipe()
        for start in range(0, len(earlier), RATE // 2):
            write(pipe, b"".join(earlier[start : start + RATE // 2]))
            time.sleep(PACE)
        guard.settled(len(earlier))
        with pinned([feeder]):
            _feed(pipe, lines[: RATE * calm])
        bans = guard.in_kernel()
        shares = _fed(pipe, guard.daemon, lines[RATE * calm :])
        guard.settled(len(earlier) + len(lines))
        bans = guard.in_kernel() - bans
    return Share(*shares, bans / (seconds + 1))


def _parts(shares: Sequence[Share]) -> str:
    pipe, daemon = (Spread.of([100 * share for share in column]) for column in list(zip(*shares, strict=True))[:2])
    return f"pipe {pipe} %, daemon {daemon} %; {Spread.of([one.bans for one in shares])} bans a second"


def _relayed(seconds: int) -> tuple[float, float]:
    """Return the shares of a core that moving the lines takes by itself."""
    command = [sys.executable, "-m", "bench.relay"]
    with (
        pinned([cores()[1]]),
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0) as second,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=second.stdin, bufsize=0) as first,
    ):
        time.sleep(0.5)  # until both have started
        shares = _fed(first, second, _lines(seconds + 1))
        for process in (first, second):
            if process.stdin:
                process.stdin.close()
    return shares


def _fed(
    first: subprocess.Popen[bytes], second: subprocess.Popen[bytes], lines: Sequence[bytes]
) -> tuple[float, float]:
    """Write lines to the first of two programs; return the shares of a core that they took after a first second."""
    with pinned([cores()[0]]):
        _feed(first, lines[:RATE])
        before, began = (cpu_of(first.pid), cpu_of(second.pid)), time.perf_counter()
        _feed(first, lines[RATE:])
        passed = time.perf_counter() - began
        after = cpu_of(first.pid), cpu_of(second.pid)
    return (after[0] - before[0]) / passed, (after[1] - before[1]) / passed


def _delays(settings: Settings, seconds: int) -> list[float]:
    """Return how many milliseconds each probe waited for its verdict."""
    lines = _lines(seconds)
    probes = range(RATE // 2, len(lines), PROBES)
    feeder, measured = cores()
    with pinned([measured]), Guard(settings, PROBE, "null") as guard:
        pipe = guard.pipe()
        for number in probes:
            lines[number] = line(number, "/probe", time.time() + number / RATE)
        with pinned([feeder]):
            written = _feed(pipe, lines)
        guard.settled(len(lines))
        eventually(lambda: len(_decided(guard)) >= len(probes), "a verdict on each probe", 5.0)
        decided = _decided(guard)
    return [1e3 * (then - written[number]) for number, then in zip(probes, decided, strict=True)]


def _decided(guard: Guard) -> list[float]:
    """Return when the firewall was asked for each probe; the daemon writes that down within a second."""
    told = [json.loads(text) for text in guard.said.read_bytes().splitlines()]
    return [datetime.fromisoformat(entry["timestamp"]).timestamp() for entry in told if entry.get("jail") == "probe"]


def _lines(seconds: int, ahead: float = 1) -> list[bytes]:
    """Make the lines of some seconds, of which the first begins so many seconds from now."""
    words = ["access", "--lines", str(RATE * seconds), "--rate", str(RATE), "--start", str(time.time() + ahead)]
    return [text.encode() for _, text in generate.generate(generate.parse(words))]


def _feed(pipe: subprocess.Popen[bytes], lines: Sequence[bytes]) -> list[float]:
    """Write lines at the rate, each at its time; return when each was written."""
    written = []
    due = time.perf_counter()
    for text in lines:
        due += 1 / RATE
        rest = due - time.perf_counter()
        if rest > 0:
            time.sleep(rest)
        written.append(time.time())
        write(pipe, text)
    return written
