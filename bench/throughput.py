"""How much CPU it takes to read a log, beside a yardstick, fail2ban, gawk and a plain pass of `re`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from bench import logs, peer
from bench.guard import Guard
from bench.report import Result
from bench.runs import PRIVET, Cost, Failed, Spread, alternating, cores, cpu_of, pinned, ratio, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.runs import Settings

LINES, SAMPLE = 1_000_000, 10_000
FILES = '[source.web]\npath = "/nonexistent/*.log"\nformat = "combined"\n'
ONE = '[jail.leech]\nsource = "web"\nfindtime = "60s"\nmaxretry = 30\nbantime = "10m"\n'
TWENTY = "".join(
    f'[jail.leech{number}]\nsource = "web"\nfindtime = {60 * number}\nmaxretry = {20 + 10 * number}\nbantime = "10m"\n'
    for number in range(1, 21)
)
PATHS = (
    *("wiki", "pics", "feed", "view", "edit", "css", "cgi-bin", "admin", "scripts", "phpmyadmin"),
    *("HomePage", "Main", "RecentChanges", "Gopher", "Traveller", "About", "Emacs", "Perl", "Privacy", "SiteMap"),
)
TWENTY_APART = "".join(
    f'[jail.finder{number}]\nsource = "web"\npath = \'{word}\'\nfindtime = "60s"\nmaxretry = 30\nbantime = "10m"\n'
    for number, word in enumerate(PATHS)
)


def count(settings: Settings) -> Iterator[Result]:
    """Measure one jail that counts every hit: the whole process of `privet replay`."""
    lines = settings.scaled(LINES, 4)
    log = logs.access(settings, lines)
    ways = {
        "privet": replaying(settings, "one", ONE, log),
        "yard": lambda: _python("bench.yard", log),
        "re": lambda: _python("bench.plain", log),
        "gawk": lambda: run(["env", "LC_ALL=C", "gawk", "{c[$1]++}", str(log)]),
    }
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    yield _at_most(
        f"one jail that counts every hit, {lines:,} lines, whole process, beside the yardstick",
        ratio(costs["privet"], costs["yard"]),
        0.4,
        f"; {Spread.of([cost.cpu for cost in costs['privet']])} s of CPU, {banned(settings, 'one'):,} bans, "
        f"{max(cost.memory for cost in costs['privet']) / 1e6:.0f} MB",
    )
    yield _aim("the same beside a plain pass of CPython's re", ratio(costs["privet"], costs["re"]))
    yield _aim("the same beside gawk '{c[$1]++}'", ratio(costs["privet"], costs["gawk"]))


def beside_fail2ban(settings: Settings) -> Iterator[Result]:
    """Measure the same jail in Privet and in fail2ban: lines per second of CPU."""
    lines, sample = settings.scaled(LINES, 4), settings.scaled(SAMPLE)
    ways = {
        "privet": replaying(settings, "one", ONE, logs.access(settings, lines)),
        "plain": lambda: peer.reading(settings, sample),
        "dated": lambda: peer.reading(settings, sample, date_pattern=peer.APACHE_DATE),
    }
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    for name, what, target in (("plain", "", 150.0), ("dated", " with the datepattern of its Apache filters", None)):
        times = Spread.of(
            [(its.cpu / sample) / (ours.cpu / lines) for its, ours in zip(costs[name], costs["privet"], strict=True)]
        )
        speed = sample / Spread.of([cost.cpu for cost in costs[name]]).median
        yield Result(
            f"one jail that counts every hit, lines per second of CPU, beside fail2ban{what}",
            f"{times} times as many; fail2ban {speed:,.0f} lines/s",
            f"≥ {target:g} times" if target else "",
            times.median >= target if target else None,
            {"times": times.median, "fail2ban_lines_per_cpu_second": speed},
        )


def many(settings: Settings) -> Iterator[Result]:
    """Measure twenty jails beside one."""
    log = logs.access(settings, settings.scaled(LINES, 4))
    some = logs.access(settings, LINES // 4)
    with pinned(cores()[1:]):
        costs = alternating(
            {"one": replaying(settings, "one", ONE, log), "twenty": replaying(settings, "twenty", TWENTY, log)},
            settings.rounds,
        )
        apart = alternating(
            {"one": replaying(settings, "some", ONE, some), "twenty": replaying(settings, "apart", TWENTY_APART, some)},
            settings.rounds,
        )
    yield _at_most("20 jails that count every hit, beside one", ratio(costs["twenty"], costs["one"]), 2.5)
    yield _aim(
        "20 jails, each with a regular expression of its own on the path, beside one that counts every hit",
        ratio(apart["twenty"], apart["one"]),
    )
    yield from _many_in_fail2ban(settings)


def _many_in_fail2ban(settings: Settings) -> Iterator[Result]:
    sample = settings.scaled(SAMPLE) // 10
    ways = {
        "one": lambda: peer.reading(settings, sample, date_pattern=peer.APACHE_DATE),
        "twenty": lambda: peer.reading(settings, sample, jails=20, date_pattern=peer.APACHE_DATE),
    }
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    yield _aim("fail2ban: 20 jails that count every hit, beside one", ratio(costs["twenty"], costs["one"]))


def masked(settings: Settings) -> Iterator[Result]:
    """Measure jail, masks and writing the log: `privet pipe` and the daemon together, beside the yardstick."""
    lines = settings.scaled(LINES, 4)
    inputs = {"generated lines": logs.access(settings, lines)}
    if logs.BLOG.exists():
        inputs["a real log, repeated"] = logs.repeated(settings, logs.BLOG, lines // 2)
    else:
        yield Result("jail, masks and writing the log, a real log", "skipped: the log is not beside the checkout")
    for what, log in inputs.items():
        yield _masked(settings, what, log)


def _masked(settings: Settings, what: str, log: Path) -> Result:
    shares: list[float] = []
    lines = log.read_bytes().count(b"\n")
    ways = {"privet": lambda: _guarded(settings, log, shares), "yard": lambda: _python("bench.yard", log)}
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    return _at_most(
        f"jail, masks and writing the log, {what}: pipe and daemon together, beside the yardstick",
        ratio(costs["privet"], costs["yard"]),
        1.5,
        f"; {Spread.of([1e6 * cost.cpu / lines for cost in costs['privet']])} µs per line, "
        f"of which the pipe {Spread.of(shares).median:.0%}",
    )


def _guarded(settings: Settings, log: Path, shares: list[float]) -> Cost:
    """Send a log through pipe and daemon; fail if a line is lost on the way or not written."""
    lines = log.read_bytes().count(b"\n")
    with Guard(settings, ONE, "null") as guard:
        before = cpu_of(guard.daemon.pid)
        pipe = run(guard.pipe_command(), stdin=log)
        guard.settled(lines)
        daemon = cpu_of(guard.daemon.pid) - before
        written = guard.log.read_bytes().count(b"\n")
    if written != lines:
        raise Failed(f"{written:,} of {lines:,} lines were written")
    shares.append(pipe.cpu / (pipe.cpu + daemon))
    return pipe._replace(cpu=pipe.cpu + daemon)


def replaying(settings: Settings, name: str, jails: str, log: Path, source: str = FILES) -> Callable[[], Cost]:
    """Return what replays a log with some jails."""
    config, output = settings.folder / f"{name}.toml", settings.folder / f"{name}.json"
    config.write_text(source + jails, encoding="utf-8")
    command = [PRIVET, "replay", "--config", str(config), "--json", str(log)]
    return lambda: run(command, stdout=output)


def banned(settings: Settings, name: str) -> int:
    """Return how many bans the last replay of that name made."""
    return len(json.loads((settings.folder / f"{name}.json").read_bytes())["items"])


def _python(module: str, log: Path) -> Cost:
    return run([sys.executable, "-m", module, str(log)])


def _at_most(work: str, times: Spread, limit: float, more: str = "") -> Result:
    """Return a row of CPU as a multiple of something, which is to be no more than `limit`."""
    return Result(work, f"{times} times{more}", f"≤ {limit:g} times", times.median <= limit, {"times": times.median})


def _aim(work: str, times: Spread) -> Result:
    """Return a row without a target."""
    return Result(work, f"{times} times", values={"times": times.median})
