"""Run programs and tell what they cost: CPU seconds, wall time and memory, as the kernel counts them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
PRIVET = str(Path(sys.executable).with_name("privet"))
INSIDE = "PRIVET_BENCH_INSIDE"
APART = (
    *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "env", f"{INSIDE}=1"),
    *("sh", "-c", 'ip link set lo up && exec "$@"', "sh"),
)
"""Before a command: as root, run it in namespaces of its own. No rule and no packet touches the machine's network,
and whatever it started ends with it, however it ends."""

LONGEST = 180.0
"""Seconds that one program may run."""


class Skip(Exception):  # noqa: N818  it is an answer
    """Something cannot be measured here; the text says why."""


class Failed(Exception):  # noqa: N818  likewise
    """Something that was to be measured did not work; the text says how."""


class Settings(NamedTuple):
    """What the pieces share: a folder for their files, one of unpacked packages, whether time is short."""

    folder: Path
    peers: Path
    quick: bool = False

    def scaled(self, whole: int, share: int = 10) -> int:
        """Return a number of things to do: a share of `whole`, a tenth for one, when time is short."""
        return max(1, whole // share) if self.quick else whole

    @property
    def rounds(self) -> int:
        """How often each measurement is repeated."""
        return 1 if self.quick else 3


class Cost(NamedTuple):
    """What a program cost: seconds of CPU (user and system), seconds on the clock, bytes of memory at the most."""

    cpu: float
    wall: float
    memory: int


class Spread(NamedTuple):
    """The median of several values, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise values."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.low == self.high:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(self.low)}–{_short(self.high)})"  # noqa: RUF001  a dash between numbers


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent do not exceed, by nearest rank."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def run(
    command: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None, allowed: Sequence[int] = (0,)
) -> Cost:
    """Run a program to its end; raise Failed when it ends with another code than those allowed."""
    nowhere = Path(os.devnull)
    with (
        (stdin or nowhere).open("rb") as source,
        (stdout or nowhere).open("wb") as target,
        tempfile.TemporaryFile() as errors,
    ):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=source, stdout=target, stderr=errors, cwd=ROOT)
        limit = threading.Timer(LONGEST, process.kill)
        limit.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-3:]
            raise Failed(f"{Path(command[0]).name} ended with {process.returncode}: {' | '.join(said)}")
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024)


def alternating(ways: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Run each way in turn, again and again, so that what disturbs the machine disturbs all alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            costs[name].append(way())
    return costs


def ratio(these: Sequence[Cost], those: Sequence[Cost]) -> Spread:
    """Return how many times the CPU of `those` it took, round by round."""
    return Spread.of([one.cpu / other.cpu for one, other in zip(these, those, strict=True)])


def pace() -> float:
    """Return how many milliseconds a fixed loop takes: more on a core that is shared while others are at work there."""
    took = []
    for _ in range(9):
        began = time.perf_counter()
        sum(number * number for number in range(200_000))
        took.append(1e3 * (time.perf_counter() - began))
    return statistics.median(took)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a running process has used, all threads, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) would return


def memory_of(pid: int) -> int:
    """Return the bytes of memory that a running process holds now (RSS)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def apart() -> bool:
    """Tell whether this is root in a network namespace that the benchmark made."""
    return os.geteuid() == 0 and INSIDE in os.environ


def needs_namespaces(what: str) -> None:
    """Raise Skip unless the firewall and the network may be used at will."""
    if not apart():
        raise Skip(f"needs root and namespaces of its own: {what}")


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Keep this process, and all that it starts meanwhile, on some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> tuple[int, int]:
    """Return the core for what makes the load, and the core for what is measured; one and the same if need be."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def eventually(condition: Callable[[], bool], what: str, within: float = 10.0, every: float = 0.01) -> None:
    """Wait until a condition holds; raise Failed when it does not in time."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {within:g} s")
        time.sleep(every)
