"""How fast `privet scrub` masks every address in a line, with numpy and without, and how fast anonip masks the first.

`python -m bench.scrub ARGUMENT…` is `privet scrub` where there is no numpy.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench import logs
from bench.report import Result
from bench.runs import PRIVET, Cost, Spread, alternating, cores, pinned, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.runs import Settings

LINES, SAMPLE = 1_000_000, 100_000
ALONE, FAST = "with the standard library alone", "with numpy"
GOALS = {("access", ALONE): 0.15e6, ("access", FAST): 0.25e6, ("auth", FAST): 1e6}
"""Lines per second of CPU that are asked for."""


def archives(settings: Settings) -> Iterator[Result]:
    """Measure `privet scrub -` as a whole process on logs of web server and sshd, beside anonip."""
    lines, sample = settings.scaled(LINES), settings.scaled(SAMPLE)
    for kind, make in (("access", logs.access), ("auth", logs.auth)):
        yield from _one_log(settings, kind, make, lines, sample)
    yield from _two_cores(settings, lines // 2)


def _one_log(
    settings: Settings, kind: str, make: Callable[[Settings, int], Path], lines: int, sample: int
) -> Iterator[Result]:
    log = make(settings, lines)
    ways: dict[str, Callable[[], Cost]] = {ALONE: lambda: run([sys.executable, "-m", "bench.scrub", "-"], stdin=log)}
    if find_spec("numpy"):
        ways[FAST] = lambda: run([PRIVET, "scrub", "-"], stdin=log)
    if find_spec("anonip"):
        some = make(settings, sample)
        ways["anonip"] = lambda: run(anonip(kind), stdin=some)
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    for name in (ALONE, FAST, "anonip"):
        work = f"masking every address in {lines:,} lines of {kind}.log, whole process, {name}"
        if name == "anonip":
            work = f"the same by anonip: {'the first field' if kind == 'access' else 'one regular expression'} alone"
        if name in costs:
            yield _speed(work, costs[name], sample if name == "anonip" else lines, GOALS.get((kind, name)))
        else:
            yield Result(work, "skipped: the package is not installed")


def anonip(kind: str) -> list[str]:
    """Return the command for anonip, which looks at columns, or at one regular expression."""
    how = ["--regex", r".* from (\S+) port"] if kind == "auth" else []
    return [sys.executable, "-m", "anonip", *how]


def _speed(work: str, costs: list[Cost], lines: int, goal: float | None) -> Result:
    speed = Spread.of([lines / cost.cpu for cost in costs])
    return Result(
        work,
        f"{speed} lines per second of CPU, {max(cost.memory for cost in costs) / 1e6:.0f} MB",
        f"≥ {goal:,.0f}" if goal else "",
        speed.median >= goal if goal else None,
        {"lines_per_cpu_second": speed.median},
    )


def _two_cores(settings: Settings, lines: int) -> Iterator[Result]:
    """Measure what a second process gains on two compressed files."""
    text = logs.access(settings, lines)
    packed = settings.folder / "one.gz", settings.folder / "two.gz"
    for path in packed:
        run(["gzip", "-1", "--stdout", str(text)], stdout=path)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(settings.rounds):
        for count, walls in times.items():
            with pinned(cores()[:count]):
                walls.append(run([PRIVET, "scrub", "--dry-run", *map(str, packed)]).wall)
    gain = Spread.of([one / two for one, two in zip(times[1], times[2], strict=True)])
    yield Result(f"two files of {lines:,} lines, gzip: on two cores, beside one", f"{gain} times as fast")


if __name__ == "__main__":
    sys.modules["numpy"] = None  # type: ignore[assignment]  # how Python says that a module is not there
    from privet.cli.main import main

    main(["scrub", *sys.argv[1:]])
