"""fail2ban's own reading, measured: `python -m bench.peer LIBRARY LOG JAILS [DATEPATTERN]` prints CPU seconds.

The classes are those of its server: a jail with a polling filter, which reads the file line by line, finds
date and host, and keeps its count of failures; its log goes to a file at the level that it is shipped with.
Left out, in its favour: start, waiting, actions, its database and its other threads.
"""

from __future__ import annotations

import logging
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench import logs
from bench.runs import Cost, Failed, Settings, Skip, run

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARY = "usr/lib/python3/dist-packages"
EVERY_HIT = r'^<HOST> .*"(?:GET|POST|HEAD) '
APACHE_DATE = r"^[^\[]*\[({DATE})"
"""The datepattern of its own Apache filters; without one it looks for dates of every kind in every line."""

SPAN = 50.0
"""Seconds that a log for it spans: it counts only what is newer than its findtime, a minute."""


def reading(settings: Settings, lines: int, *, jails: int = 1, date_pattern: str = "") -> Cost:
    """Let it read a log of the generator, made now, with some jails that count every hit."""
    library = settings.peers / "fail2ban" / LIBRARY
    if not library.is_dir():
        raise Skip("fail2ban is not unpacked: scripts/fetch-peer fail2ban")
    log = logs.access(settings, lines, start=time.time() - SPAN, rate=lines / SPAN)
    answer = settings.folder / "peer.txt"
    command = [sys.executable, "-m", "bench.peer", str(library), str(log), str(jails), date_pattern]
    whole = run(command, stdout=answer)
    cpu, counted = answer.read_text().split()
    if int(counted) != lines * jails:
        raise Failed(f"fail2ban counted {counted} of {lines * jails} failures")
    return whole._replace(cpu=float(cpu))


def main(arguments: Sequence[str]) -> None:
    """Read a log as its server would, and print what that took and how many failures it counted."""
    library, log, count, date_pattern = arguments
    sys.path.insert(0, library)
    counter = _Found(f"{log}.found")
    logger = logging.getLogger("fail2ban")
    logger.addHandler(counter)
    logger.setLevel(logging.INFO)
    filters = [_filter(number, log, date_pattern) for number in range(int(count))]
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


def _filter(number: int, log: str, date_pattern: str) -> Any:  # noqa: ANN401  its class is not known here
    found = import_module("fail2ban.server.jail").Jail(f"leech{number}", backend="polling").filter
    if date_pattern:
        found.setDatePattern(date_pattern)
    found.addFailRegex(EVERY_HIT)
    found.setMaxRetry(30)
    found.setFindTime(60)
    found.addLogPath(log, autoSeek=False)
    found.active = True
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
