"""fail2ban's own reading, measured: `python -m bench.peer LIBRARY LOG FILTERS` prints CPU seconds and failures.

The classes are those of its server: a jail with a polling filter, which reads the file line by line, finds
date and host, and keeps its count of failures; its log goes to a file at the level that it is shipped with.
Left out, in its favour: start, waiting, actions, its database and its other threads.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import logs
from bench.runs import Cost, Failed, Settings, Skip, run

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARY = "usr/lib/python3/dist-packages"
EVERY_HIT = r'^<HOST> .*"(?:GET|POST|HEAD) '
APACHE_DATE = r"^[^\[]*\[({DATE})"
"""The datepattern of its own Apache filters; without one it looks for dates of every kind in every line."""

Filter = dict[str, Any]
"""What a filter says: `failregex`, a list, and maybe `prefregex` and `datepattern`."""

SPAN = 50.0
"""Seconds that a log for it spans: it counts only what is newer than its findtime, a minute."""


def reading(settings: Settings, lines: int, *, jails: int = 1, date_pattern: str = "") -> Cost:
    """Let it read a log of the generator, made now, with some jails that count every hit."""
    log = logs.access(settings, lines, start=time.time() - SPAN, rate=lines / SPAN)
    one: Filter = {"failregex": [EVERY_HIT], **({"datepattern": date_pattern} if date_pattern else {})}
    cost, counted = cost_of(settings, log, [one] * jails)
    if counted != lines * jails:
        raise Failed(f"fail2ban counted {counted} of {lines * jails} failures")
    return cost


def cost_of(settings: Settings, log: Path, filters: Sequence[Filter]) -> tuple[Cost, int]:
    """Let it read a log, with a jail for each filter; return the cost and how many failures it counted."""
    library = settings.peers / "fail2ban" / LIBRARY
    if not library.is_dir():
        raise Skip("fail2ban is not unpacked: scripts/fetch-peer fail2ban")
    told, answer = settings.folder / "peer.json", settings.folder / "peer.txt"
    told.write_text(json.dumps(filters), encoding="utf-8")
    whole = run([sys.executable, "-m", "bench.peer", str(library), str(log), str(told)], stdout=answer)
    cpu, counted = answer.read_text().split()
    return whole._replace(cpu=float(cpu)), int(counted)


def main(arguments: Sequence[str]) -> None:
    """Read a log as its server would, and print what that took and how many failures it counted."""
    library, log, told = arguments
    os.environ["TZ"] = "UTC"  # as the generator's
    time.tzset()
    sys.path.insert(0, library)
    counter = _Found(f"{log}.found")
    logger = logging.getLogger("fail2ban")
    logger.addHandler(counter)
    logger.setLevel(logging.INFO)
    told_filters = json.loads(Path(told).read_bytes())
    filters = [made_filter(number, log, one) for number, one in enumerate(told_filters)]
    began = time.process_time()
    for one in filters:
        one.getFailures(log)
    print(time.process_time() - began, counter.found)


class _Found(logging.FileHandler):
    """Its log, in its format; counts the failures that it tells of."""

    def __init__(self, path: str) -> None:
        super().__init__(path, mode="w")
        self.setFormatter(logging.Formatter("%(asctime)s %(name)-24s[%(process)d]: %(levelname)-7s %(message)s"))
        self.found = 0

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.found += "Found" in str(record.msg)


def made_filter(number: int, log: str, told: Filter) -> Any:  # noqa: ANN401  its class is not known here
    """Make a jail of its own with a filter that looks at a log; its library must be found already."""
    found = import_module("fail2ban.server.jail").Jail(f"leech{number}", backend="polling").filter
    if prefix := told.get("prefregex"):
        found.prefRegex = prefix
    if pattern := told.get("datepattern"):
        found.setDatePattern(pattern)
    for regex in told["failregex"]:
        found.addFailRegex(regex)
    found.setMaxRetry(30)
    found.setFindTime(60)
    found.addLogPath(log, autoSeek=False)
    found.active = True
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
