"""What filters in fail2ban's language cost: Privet beside fail2ban itself, on the same generated logs."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING

from bench import logs, peer
from bench.report import Result
from bench.runs import Cost, Failed, Skip, Spread, alternating, cores, pinned, ratio, run
from bench.throughput import replaying
from privet.config.fail2ban.files import Files
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.text import Place, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bench.runs import Settings

LINES, SAMPLE, FEW = 1_000_000, 20_000, 4_000
SOURCE = '[source.log]\npath = "/nonexistent/*.log"\nformat = "plain"\n'
LIMITS = 'findtime = "60s"\nmaxretry = 30\nbantime = "10m"\n'
SSHD = re.compile(rb" sshd\[\d+\]: (?:Failed password for|Invalid user) ")
"""What makes a failure in a generated log of sshd."""

BOTS = re.compile(rb'"(?:EmailCollector|WebEMailExtrac|[^"]*Advanced Email Extractor v2\.xx\))"\n')
"""What makes a failure of apache-badbots."""

TRAPS = tuple(f"/trap{number:02}/" for number in range(19))
"""What nineteen filters more look for in a web server's log; nobody asks for it."""

Settled = dict[str, object]


def sshd(settings: Settings) -> Iterator[Result]:
    """Measure fail2ban's filter for sshd, which follows every connection by its process."""
    sshd_filter = stock(settings, "sshd")
    log = logs.auth(settings, settings.scaled(LINES, 4))
    ways = {
        "privet": _privet(settings, "sshd", {"sshd": sshd_filter}, log),
        "fail2ban": lambda: _fail2ban(settings, {"sshd": sshd_filter}, logs.auth, settings.scaled(SAMPLE)),
        "re": lambda: _child(settings, "re", log),
    }
    yield from _beside(settings, "the filter sshd", ways, 8.0)


def every_hit(settings: Settings) -> Iterator[Result]:
    """Measure a failregex of one's own that counts every hit, without a datepattern."""
    own: Settled = {"failregex": [peer.EVERY_HIT]}
    log = logs.access(settings, settings.scaled(LINES, 4))
    ways = {
        "privet": _privet(settings, "every", {"every": own}, log),
        "fail2ban": lambda: _fail2ban(settings, {"every": own}, logs.access, settings.scaled(SAMPLE) // 4),
        "re": lambda: _child(settings, "re", log),
    }
    yield from _beside(settings, "a failregex that counts every hit, without a datepattern", ways, 80.0)


def many(settings: Settings) -> Iterator[Result]:
    """Measure twenty filters on one log beside one."""
    twenty = {"badbots": stock(settings, "apache-badbots")}
    for trap in TRAPS:
        found = rf'^<HOST> \S+ \S+ \[\] "(?:GET|POST|HEAD) {trap}'
        twenty[trap.strip("/")] = {"failregex": [found], "datepattern": peer.APACHE_DATE}
    one = {"badbots": twenty["badbots"]}
    log, few = logs.access(settings, settings.scaled(LINES, 4)), settings.scaled(FEW)
    with pinned(cores()[1:]):
        ours = alternating(
            {
                "one": _privet(settings, "one", one, log),
                "twenty": _privet(settings, "twenty", twenty, log),
            },
            settings.rounds,
        )
        its = alternating(
            {
                "one": lambda: _fail2ban(settings, one, logs.access, few),
                "twenty": lambda: _fail2ban(settings, twenty, logs.access, few),
            },
            settings.rounds,
        )
    times = ratio(ours["twenty"], ours["one"])
    yield Result(
        "20 filters on one access log, beside one of them", f"{times} times", "≤ 2 times", times.median <= 2.0,
        {"times": times.median},
    )  # fmt: skip
    times = ratio(its["twenty"], its["one"])
    yield Result("fail2ban: the same", f"{times} times", values={"times": times.median})


def patterns(settings: Settings) -> Iterator[Result]:
    """Measure the expressions of a hundred filters in one pass beside a loop over them, and five hundred."""
    log = logs.auth(settings, settings.scaled(LINES // 10, 4))
    folder = _config(settings)
    ways = {way: lambda way=way: _child(settings, way, log, str(folder)) for way in ("loop", "100", "1", "500")}
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    lines = settings.scaled(LINES // 10, 4)
    times = ratio(costs["100"], costs["loop"])
    yield Result(
        "100 filters of fail2ban in one pass, beside a loop over their regular expressions alone",
        f"1/{1 / times.median:.3g}; {1e6 * Spread.of([c.cpu for c in costs['100']]).median / lines:.3g} µs per line",
        "≤ 1/15", times.median <= 1 / 15, {"times": times.median},
    )  # fmt: skip
    for number in (1, 500):
        each = 1e6 * Spread.of([cost.cpu for cost in costs[str(number)]]).median / lines
        what = "500 filters with one regular expression each" if number > 1 else "one filter with one"
        yield Result(f"{what}, µs per line", f"{each:.3g} µs", values={"us_per_line": each})


def _beside(settings: Settings, what: str, ways: Mapping[str, Callable[[], Cost]], target: float) -> Iterator[Result]:
    """Yield the rows of one filter in Privet, in fail2ban, and as a plain pass of `re`; costs are those of a line."""
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    times = Spread.of([theirs.cpu / ours.cpu for theirs, ours in zip(costs["fail2ban"], costs["privet"], strict=True)])
    each = Spread.of([1e6 * cost.cpu for cost in costs["privet"]])
    its = Spread.of([1e6 * cost.cpu for cost in costs["fail2ban"]])
    yield Result(
        f"{what}: lines per second of CPU, beside fail2ban",
        f"{times} times as many; {each} µs per line, fail2ban {its} µs",
        f"≥ {target:g} times",
        times.median >= target,
        {"times": times.median, "us_per_line": each.median},
    )  # fmt: skip
    times = ratio(costs["privet"], costs["re"])
    yield Result("the same beside a plain pass of CPython's re", f"{times} times", values={"times": times.median})


def _config(settings: Settings) -> Path:
    folder = settings.peers / "fail2ban/etc/fail2ban"
    if not folder.is_dir():
        raise Skip("fail2ban is not unpacked: scripts/fetch-peer fail2ban")
    return folder


def stock(settings: Settings, name: str) -> Settled:
    """Read a filter that comes with fail2ban, as its own configuration says it."""
    folder = str(_config(settings))
    found = FilterFile(Files(folder), Text.of(name, Place(folder)), "auto").read({})
    settled: Settled = {"failregex": [rule.regex for rule in found.failregex]}
    if found.prefregex:
        settled["prefregex"] = found.prefregex.regex
    if found.datepattern:
        settled["datepattern"] = found.datepattern
    return settled


def _privet(settings: Settings, name: str, filters: Mapping[str, Settled], log: Path) -> Callable[[], Cost]:
    """Return what replays a log with a jail for each filter, the cost being that of one line."""
    text = ""
    for jail, settled in filters.items():
        told = "".join(f"{option} = {json.dumps(value)}\n" for option, value in settled.items())
        text += f'[filter.{jail}]\n{told}[jail.{jail}]\nsource = "log"\nfilter = "{jail}"\n{LIMITS}'
    way = replaying(settings, f"filters-{name}", text, log, SOURCE)
    lines = log.read_bytes().count(b"\n")

    def each() -> Cost:
        cost = way()
        return cost._replace(cpu=cost.cpu / lines)

    return each


def _fail2ban(settings: Settings, filters: Mapping[str, Settled], make: Callable[..., Path], lines: int) -> Cost:
    """Let fail2ban read a log of the generator, made now; return the cost of one line."""
    log = make(settings, lines, start=time.time() - peer.SPAN, rate=lines / peer.SPAN)
    cost, counted = peer.cost_of(settings, log, list(filters.values()))
    wanted = _failures(log, filters)
    if counted != wanted:
        raise Failed(f"fail2ban counted {counted} of {wanted} failures")
    return cost._replace(cpu=cost.cpu / lines)


def _failures(log: Path, filters: Mapping[str, Settled]) -> int:
    """Return how many failures the generator put into a log."""
    text = log.read_bytes()
    if "every" in filters:
        return text.count(b"\n")
    return len((SSHD if "sshd" in filters else BOTS).findall(text))


def _child(settings: Settings, way: str, log: Path, *more: str) -> Cost:
    """Run a way of `bench.passes`, which prints what it cost; the cost is that of one line for the way `re`."""
    answer = settings.folder / "passes.txt"
    whole = run([sys.executable, "-m", "bench.passes", way, str(log), *more], stdout=answer)
    cpu, lines = answer.read_text().split()
    return whole._replace(cpu=float(cpu) / (int(lines) if way == "re" else 1))
