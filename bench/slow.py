"""Who is seen that takes his time: Privet, CrowdSec and fail2ban on the same log of sshd, and on one of Apache."""

from __future__ import annotations

import calendar
import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench import logs
from bench.crowdsec import CrowdSec
from bench.filters import stock
from bench.peer import LIBRARY, made_filter
from bench.report import Result
from bench.runs import PRIVET, Skip, Spread, alternating, cores, pinned, run
from bench.throughput import FILES, replaying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.runs import Settings

GAPS = (5, 20, 59, 61, 83, 120, 300, 590)
"""Seconds between two failures of each attacker."""

HOURS = 12
START = 1_767_225_600  # 1 January 2026
SSH = '[source.log]\npath = "/nonexistent/*.log"\nformat = "plain"\n[builtin.ssh]\nsource = "log"\n'
SOME = 10_000
SCENARIOS = ("http-probing", "http-crawl-non_statics", "http-sensitive-files", "http-bad-user-agent")
SHIPPED = 5, 600  # maxretry and findtime of fail2ban's jail.conf


def seen(settings: Settings) -> Iterator[Result]:
    """Show one log to all three, and say whom each bans, or at least accuses."""
    log = _attacked(settings)
    config, told = settings.folder / "slow.toml", settings.folder / "slow.json"
    config.write_text(SSH, encoding="utf-8")
    run([PRIVET, "replay", "--config", str(config), "--json", "--reveal", str(log)], stdout=told)
    items = json.loads(told.read_bytes())["items"]
    yield _row("Privet with [builtin.ssh]", {item["subject"] for item in items}, wanted=True)
    yield _row("fail2ban with its jail sshd as it is shipped", _by_fail2ban(settings, log))
    crowdsec = CrowdSec(settings, "slow", ("ssh-bf", "ssh-slow-bf"))
    crowdsec.read(log, "syslog")
    yield _row("CrowdSec with ssh-bf and ssh-slow-bf", crowdsec.accused())


def speed(settings: Settings) -> Iterator[Result]:
    """Let CrowdSec and Privet read the same lines of Apache; what CrowdSec takes to start does not count."""
    some, lines = settings.scaled(SOME), settings.scaled(1_000_000, 4)
    few, many, none = logs.access(settings, some), logs.access(settings, lines), settings.folder / "none.log"
    none.touch()
    crowdsec = CrowdSec(settings, "speed", SCENARIOS)
    ways = {
        "privet": replaying(settings, "web", '[builtin.web]\nsource = "web"\n', many, FILES),
        "crowdsec": lambda: crowdsec.read(few, "apache2"),
        "start": lambda: crowdsec.read(none, "apache2"),
    }
    with pinned(cores()[1:]):
        costs = alternating(ways, settings.rounds)
    ours = Spread.of([lines / cost.cpu for cost in costs["privet"]])
    its = Spread.of(
        [some / (cost.cpu - start.cpu) for cost, start in zip(costs["crowdsec"], costs["start"], strict=True)]
    )
    yield Result(
        "Apache's combined lines per second of CPU: Privet with [builtin.web], CrowdSec with four of its scenarios",
        f"{ours}, CrowdSec {its}",
        values={"lines_per_cpu_second": ours.median, "crowdsec_lines_per_cpu_second": its.median},
    )


def _attacked(settings: Settings) -> Path:
    """Return a log of attackers of whom each waits for as long as he does."""
    path = settings.folder / "slow.log"
    tries = sorted((START + second, gap) for gap in GAPS for second in range(0, 3600 * HOURS, gap))
    with path.open("w", encoding="ascii") as log:
        for number, (second, gap) in enumerate(tries):
            stamp = time.strftime("%b %d %H:%M:%S", time.gmtime(second))
            peer = f"{_address(gap)} port {20_000 + number % 40_000} ssh2"
            log.write(f"{stamp} host1 sshd[{1000 + number}]: Failed password for root from {peer}\n")
    return path


def _address(gap: int) -> str:
    return f"198.51.100.{GAPS.index(gap) + 1}"


def _row(who: str, accused: set[str], *, wanted: bool = False) -> Result:
    found = [gap for gap in GAPS if _address(gap) in accused]
    missed = [gap for gap in GAPS if gap not in found]
    return Result(
        f"one ssh failure every {', '.join(map(str, GAPS))} s, {HOURS} hours: {who}",
        f"finds {', '.join(map(str, found)) or 'nobody'}"
        + (f"; misses {', '.join(map(str, missed))}" if missed else ""),
        "finds all" if wanted else "",
        not missed if wanted else None,
        {"found": float(len(found))},
    )


def _by_fail2ban(settings: Settings, log: Path) -> set[str]:
    """Return whom fail2ban's own classes ban, when each line comes at its time."""
    library = settings.peers / "fail2ban" / LIBRARY
    if not library.is_dir():
        raise Skip("fail2ban is not unpacked: scripts/fetch-peer fail2ban")
    told, answer = settings.folder / "slow-filter.json", settings.folder / "slow.txt"
    told.write_text(json.dumps(stock(settings, "sshd")), encoding="utf-8")
    run([sys.executable, "-m", "bench.slow", str(library), str(log), str(told)], stdout=answer)
    return set(answer.read_text(encoding="ascii").split())


def main(library: str, log: str, told: str) -> None:
    """Print whom fail2ban bans, its clock being that of the log."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.path.insert(0, library)
    clock = import_module("fail2ban.server.mytime").MyTime
    clock.setTime(START)
    watch = made_filter(0, log, json.loads(Path(told).read_bytes()))
    watch.setMaxRetry(SHIPPED[0])
    watch.setFindTime(SHIPPED[1])
    banned: set[str] = set()
    for line in Path(log).read_text(encoding="ascii").splitlines():
        second = calendar.timegm(time.strptime(f"2026 {line[:15]}", "%Y %b %d %H:%M:%S"))
        clock.setTime(second)
        watch.processLineAndAdd(line)
        while ticket := watch.jail.getFailTicket():
            banned.add(str(ticket.getIP()))
    print(" ".join(sorted(banned)))


if __name__ == "__main__":
    main(*sys.argv[1:])
