"""Privet's engine and fail2ban's own see the same in lines that nobody wrote down: samples shuffled, torn and mixed."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import engine, oracle, samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from privet.core.filters.model import FilterSpec

pytestmark = [pytest.mark.needs("fail2ban"), pytest.mark.usefixtures("local_zone")]

SCRIPT = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from fail2ban.server.filter import Filter
from fail2ban.server.mytime import MyTime
now = float(sys.argv[2])
MyTime.setAlternateNow(int(now))
MyTime.setTime(int(now))
told = []
for spec, lines in json.load(open(sys.argv[1])):
    own = Filter(None)
    own.returnRawHost, own.checkAllRegex, own.checkFindTime, own.active = True, False, False, True
    if spec["maxlines"] > 1:
        own.setMaxLines(spec["maxlines"])
    if spec["prefregex"]:
        own.prefRegex = spec["prefregex"]
    for regex in spec["failregex"]:
        own.addFailRegex(regex)
    for regex in spec["ignoreregex"]:
        own.addIgnoreRegex(regex)
    if spec["datepattern"]:
        own.setDatePattern(spec["datepattern"])
    rows = []
    for line in lines:
        try:
            found = own.processLine(line)
        except Exception as error:
            rows.append([repr(error)])
            continue
        rows.append([[str(fid), when, fail.get("user"), len(fail.get("matches", ()))]
                     for _, fid, when, fail in found or () if fid is not None and not fail.get("nofail")])
    told.append(rows)
json.dump(told, sys.stdout)
"""

Row = list[Any]


def theirs(work: Sequence[tuple[FilterSpec, Sequence[str]]], folder: Path) -> list[list[list[Row]]]:
    """Return what fail2ban finds in each line."""
    wanted = ("failregex", "ignoreregex", "prefregex", "datepattern", "maxlines")
    told = [[{name: getattr(spec, name) for name in wanted}, lines] for spec, lines in work]
    file = folder / "work.json"
    file.write_text(json.dumps(told), encoding="utf-8")
    done = oracle.run(SCRIPT, str(file), str(engine.NOW))
    assert done.returncode == 0, done.stderr
    answer: list[list[list[Row]]] = json.loads(done.stdout)
    return answer


def ours(spec: FilterSpec, lines: Sequence[str]) -> list[list[Row]]:
    """Return what Privet finds in each line."""
    feed = engine.feed_of(spec)
    return [[[h["fid"], h["time"], h.get("user"), len(h["matches"])] for h in feed(line, None)] for line in lines]


def compare(work: Sequence[tuple[FilterSpec, Sequence[str]]], folder: Path) -> int:
    """Compare line by line; return how many failures there were."""
    failures = 0
    for (spec, lines), wanted in zip(work, theirs(work, folder), strict=True):
        for line, have, want in zip(lines, ours(spec, lines), wanted, strict=True):
            if not any(isinstance(row, str) for row in want):  # else fail2ban fell over
                dated = all(row[1] is not None for row in want)
                columns = 3 if spec.maxlines > 1 else 4  # fail2ban takes equal lines for one when it counts them
                assert _plain(have, columns, dated=dated) == _plain(want, columns, dated=dated), (spec.name, line)
                failures += len(have)
    return failures


def _plain(rows: Sequence[Row], columns: int, *, dated: bool) -> list[Row]:
    """Return rows in one notation; fail2ban's have no time where a line has no date and it never saw one."""
    return [
        [samples.comparable(who), when if dated else None, tuple(user) if isinstance(user, list) else user, count][
            :columns
        ]
        for who, when, user, count in rows
    ]


ADDRESS = re.compile(r"(?<![\d.:a-f])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
DATED = 40  # characters at the beginning of a line that may hold a date
DATE = re.compile(r"^[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d|^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
PROCESS = re.compile(r"(?<=[a-z])\[\d+\]")


def disturbed(lines: Sequence[str], rng: random.Random, kinds: int) -> list[str]:
    """Return lines in another order, or with more than one of `kinds`, some of them torn or with parts of others.

    What may be a date stays: a torn one makes fail2ban look for dates elsewhere in all lines that follow.

    Every process keeps to one address: where two share a process, Privet deliberately differs.
    """
    found = []
    for _ in range(len(lines)):
        line = rng.choice(lines)
        other = rng.choice(lines)
        kind = rng.randrange(kinds)
        if kind == 1:
            line = line[: rng.randrange(DATED, max(len(line), DATED) + 1)]
        elif kind == 2:
            line = (
                line[: rng.randrange(DATED, max(len(line), DATED) + 1)]
                + other[rng.randrange(DATED, len(other) + DATED) :]
            )
        elif kind == 3:
            line = line[:DATED] + line[DATED:].replace(" ", "  ", 1)
        elif kind == 4 and len(line) > DATED:
            place = rng.randrange(DATED, len(line))
            line = line[:place] + rng.choice("[](): \t'\"<>é\u017f") + line[place:]
        number = rng.randrange(40)
        line = ADDRESS.sub(f"192.0.2.{number}", line)
        found.append(PROCESS.sub(f"[{1000 + number}]", line))
    return found


def test_disturbed_samples(tree: Path, tmp_path: Path) -> None:
    by_feed: dict[Any, list[samples.Case]] = {}
    for case in samples.cases(tree):
        if not case.journal and case.options.get("logtype") != "rfc5424":  # whose prefix takes for ever if torn
            by_feed.setdefault(case.key, []).append(case)
    rng = random.Random(4)
    work = []
    for cases in by_feed.values():
        first = cases[0]
        spec = engine.read(first.conf_dir, first.filter, first.options)
        lines = [case.line for case in cases if case.line.isprintable()]
        # With torn lines both go on differently from one to the next: where dates of every form are looked for,
        # and in conversations, in which a torn address is another one.
        talks = any("F-MLFID" in text for text in (spec.prefregex, *spec.failregex))
        some = disturbed(lines * max(1, 200 // len(lines)), rng, 8 if spec.datepattern and not talks else 1)
        if talks:  # fail2ban remembers a hundred for five minutes by the clock, and so takes no note of dates
            some = [DATE.sub("Jun  7 04:10:35", line) for line in some[:90]]
        work.append((spec, some))
    assert compare(work, tmp_path) > 1000
