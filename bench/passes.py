"""Passes over a log, each in a process of its own: `python -m bench.passes WAY LOG [CONFIG]`.

It prints the CPU seconds of the pass alone, and how many lines there were. WAY is `re`, one search in every line;
`loop`, a search for each of a hundred expressions of fail2ban's filters in every line; or a number, Privet's pass with
so many filters of one expression each. CONFIG is a folder like /etc/fail2ban.
"""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.text import Place, Text
from privet.core.filters.model import FilterSpec
from privet.core.filters.plan import FilterPlan
from privet.core.filters.tags import expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK = 1 << 17
PLAIN = {
    "auth": r"sshd\[\d+\]: (?:Failed password for (?:invalid user )?\S+ from (\S+)|Invalid user \S* from (\S+)) port",
    "access": r'^(\S+) \S+ \S+ \[([^\]]+)\] "(?:GET|POST|HEAD) ',
}
"""The plain pass of `re`: one expression for all failures, by the kind of log that a file's name begins with."""


def expressions(config: str) -> Iterator[str]:
    """Yield the failregexes of the filters that look at single lines, in the order of their names."""
    files = Files(config)
    for path in sorted(Path(config, "filter.d").glob("*.conf")):
        try:
            found = FilterFile(files, Text.of(path.stem, Place(config)), "auto").read({})
        except RefusedError:
            continue
        if found.maxlines == 1 and not path.stem.endswith("common"):
            yield from (rule.regex for rule in found.failregex if re.search("<(HOST|ADDR|IP|F-ID)", rule.regex))


def _other(number: int, word: re.Match[str]) -> str:
    return word[0][:-1] + chr(97 + number)


def many(config: str, number: int) -> list[str]:
    """Return so many expressions; where those of the filters run out, they come again with other words."""
    own = list(expressions(config))
    varied = (
        re.sub("[a-z]{5,}(?![^<(]*>)", partial(_other, round_), regex, count=1) for round_ in count() for regex in own
    )
    return list(islice((*own, *islice(varied, 10 * number)), number))


def main(arguments: Sequence[str]) -> None:
    """Make a pass and print what it cost."""
    way, log, *config = arguments
    lines = Path(log).read_bytes().count(b"\n")
    if way == "re":
        cost = _searched(log, [PLAIN[Path(log).name.partition("-")[0]]])
    elif way == "loop":
        cost = _searched(log, [expand(regex, names=False).pattern for regex in many(config[0], 100)])
    else:
        cost = _passed(log, many(config[0], int(way)))
    print(cost, lines)


def _searched(log: str, patterns: Sequence[str]) -> float:
    searches = [re.compile(pattern).search for pattern in patterns]
    began, found = time.process_time(), 0
    with Path(log).open(encoding="utf-8") as lines:
        for line in lines:
            for search in searches:
                found += search(line) is not None
    return time.process_time() - began


def _passed(log: str, patterns: Sequence[str]) -> float:
    specs = [
        FilterSpec(name=f"f{number}", failregex=(regex,), datepattern="{^LN-BEG}", usedns="no")
        for number, regex in enumerate(patterns)
    ]
    plan = FilterPlan(specs, UTC)
    now = time.time()
    began = time.process_time()
    with Path(log).open("rb") as file:
        rest = b""
        while data := file.read(BLOCK):
            block, newline, rest = (rest + data).rpartition(b"\n")
            plan.parse(block + newline, now)
    return time.process_time() - began


if __name__ == "__main__":
    main(sys.argv[1:])
