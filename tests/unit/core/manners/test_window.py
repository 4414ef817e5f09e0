"""Manners, judged by labelled trials through the engine: who is found, and who is left alone."""

from __future__ import annotations

import random
import tracemalloc
from datetime import UTC, datetime
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, get_args

import pytest

from privet.adapters.manners import ProtegoRules
from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.addresses.prefixes import PrefixSet
from privet.core.engine import Batch, Engine
from privet.core.jails import Signal
from privet.core.manners.known import Known
from privet.core.manners.window import COLUMNS
from privet.core.verdicts import Action, Verdict
from tests.unit.core.manners.callers import (
    FORMAT,
    START,
    Entry,
    blocks,
    browser,
    cloud,
    crawler,
    entry,
    fetcher,
    impostor,
    poller,
    pretender,
    reader,
)
from tests.unit.tasks.test_ordinary import CLIENTS, household
from tests.unit.tasks.test_ordinary import line as written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.unit.tasks.test_ordinary import Hit

ROBOTS = "User-agent: *\nDisallow: /private/\nCrawl-delay: 5\n"
KNOWN = Known(
    {"*": ProtegoRules(ROBOTS)},
    {"googlebot": PrefixSet([Subject.parse("192.0.2.0/24"), Subject.parse("2001:db8::/48")])},
)
SIGNALS: tuple[Signal, ...] = get_args(Signal)
BASE = (
    f"[source.web]\npath = '/var/log/web.log'\nformat = '{FORMAT}'\n"
    "[manners]\nrobots = '/robots.txt'\ncrawlers = {{ googlebot = '/googlebot.json' }}\n".replace("{{", "{").replace(
        "}}", "}"
    )
)


def jail(signal: str, more: str = "") -> str:
    return (
        f"[jail.{signal}]\nsource = 'web'\nkind = 'manners'\nsignal = '{signal}'\n"
        f"findtime = '1h'\nmaxretry = 5\nbantime = '1d'\n{more}"
    )


def watching(*signals: str, more: str = "", base: str = BASE) -> Engine:
    engine = engine_for(parse(base + "".join(jail(signal, more) for signal in signals), "p.toml"))
    engine.know(KNOWN)
    return engine


def fed(engine: Engine, entries: Iterable[Entry], size: int = 500) -> list[Verdict]:
    return [verdict for block in blocks(list(entries), size) for verdict in engine.feed(Batch("web", block), inf)]


def found(verdicts: Iterable[Verdict]) -> dict[str, set[str]]:
    guilty: dict[str, set[str]] = {}
    for verdict in verdicts:
        guilty.setdefault(verdict.jail, set()).add(verdict.subject.reveal())
    return guilty


ILL = [
    *fetcher("10.0.0.1"),
    *crawler("10.0.0.2"),
    *poller("10.0.0.3"),
    *pretender("10.0.0.4"),
    *impostor("10.0.0.5"),
]
WELL = [
    *chain.from_iterable(browser(f"10.1.0.{number}", START - 900 + 11 * number) for number in range(1, 60)),
    *chain.from_iterable(reader(f"10.2.0.{number}", START - 7200 + 40 * number) for number in range(1, 40)),
    *chain.from_iterable(cloud(f"10.3.0.{number}", START - 600 + 3 * number) for number in range(1, 6)),
    *impostor("192.0.2.7"),
    *impostor("2001:db8::7"),
]
LABELS = {
    "heads": {"10.0.0.1"},
    "backoff": {"10.0.0.1"},
    "robots": {"10.0.0.2"},
    "crawl-delay": {"10.0.0.2"},
    "feeds": {"10.0.0.3"},
    "whole-feeds": {"10.0.0.3"},
    "fake-browser": {"10.0.0.4"},
    "fake-robot": {"10.0.0.5"},
}


def test_the_ill_mannered_are_found_and_nobody_else() -> None:
    assert found(fed(watching(*SIGNALS), [*ILL, *WELL])) == LABELS


@pytest.mark.needs("shared")
def test_the_ill_mannered_are_found_between_the_lines_of_a_real_log(shared: Path) -> None:
    real = (shared / "data" / "blog-access.log").read_bytes()
    combined = BASE.replace(FORMAT, "combined")
    engine = watching(*SIGNALS, base=combined)
    start = 1_431_900_000.0
    shifted = [(time - START + start, line) for time, line in _restamped([*ILL, *WELL], start - START)]
    lines = [(time, line.rsplit(b' "', 1)[0] + b"\n") for time, line in shifted]
    read = engine.sources["web"]
    known = [(time, line) for line in real.splitlines(keepends=True) if (time := read.time_of(line)) is not None]

    guilty = found(fed(engine, [*known, *lines]))

    for name, who in LABELS.items():
        assert {one for one in guilty[name] if one.startswith(("10.", "2001:db8:"))} == who, name


def _restamped(entries: Iterable[Entry], seconds: float) -> Iterable[Entry]:
    """Return entries as they would have been written at another time."""
    for time, line in entries:
        head, _, rest = line.partition(b"[")
        _, _, tail = rest.partition(b"]")
        stamp = datetime.fromtimestamp(int(time + seconds), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        yield time, head + b"[" + stamp.encode() + b"]" + tail


@pytest.mark.parametrize("who", [one for one in CLIENTS if one is not household])  # six people who load no asset ever
def test_ordinary_clients_are_left_alone(who: Callable[[random.Random], Iterator[Hit]]) -> None:
    engine = watching(*SIGNALS, base=BASE.replace(FORMAT, "combined"), more="")
    crowd = [written(f"198.51.100.{number}", (0.0, "GET /style.css", 200, "-", "x")) for number in range(1, 9)]
    lines = [*crowd, *(written("192.0.2.7", hit) for hit in sorted(who(random.Random(7))))]

    assert engine.feed(Batch("web", b"".join(lines)), inf) == []


@pytest.mark.parametrize("signal", SIGNALS)
def test_any_split_of_the_lines_gives_the_same_verdicts(signal: str) -> None:
    answers = []
    for size in (1, 13, 5000):
        engine = watching(signal)
        answers.append((fed(engine, [*ILL, *WELL[::4]], size), engine.matches()))

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_reload_changes_nothing(signal: str) -> None:
    entries = sorted([*ILL, *WELL[::4]])
    middle = len(entries) // 2
    without, old, new = watching(signal), watching(signal), watching(signal)

    before = fed(old, entries[:middle])
    new.carry(old)
    new.know(KNOWN)

    assert before + fed(new, entries[middle:]) == fed(without, entries) != []


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_clock_that_is_set_changes_nothing(signal: str) -> None:
    entries = sorted([*ILL, *WELL[::4]])
    middle, still, moved = len(entries) // 2, watching(signal), watching(signal)
    expected = fed(still, entries)

    verdicts = fed(moved, entries[:middle])
    moved.shift(7200)
    verdicts += fed(moved, _restamped([(time, line) for time, line in entries[middle:]], 7200))

    assert [verdict.subject for verdict in verdicts] == [verdict.subject for verdict in expected]


def test_who_is_unbanned_begins_anew() -> None:
    entries = list(fetcher("10.0.0.1"))
    engine, without = watching("heads"), watching("heads")
    assert fed(engine, entries[:14]) == fed(without, entries[:14]) == []
    engine.forget(Subject.parse("10.0.0.1"), START + 50)

    assert fed(engine, entries[14:26]) == []
    assert fed(without, entries[14:26]) != []


def test_conditions_say_which_requests_can_be_offences() -> None:
    assert fed(watching("heads", more="path = '^/other'\n"), fetcher("10.0.0.1")) == []
    assert fed(watching("heads", more="path = '^/wiki'\n"), fetcher("10.0.0.1"))


def test_jails_with_the_same_signal_share_what_is_known() -> None:
    two = jail("feeds").replace("jail.feeds", "jail.soon").replace("maxretry = 5", "maxretry = 2")
    engine = engine_for(parse(BASE + jail("feeds") + two, "p.toml"))

    verdicts = fed(engine, poller("10.0.0.3"))

    assert [verdict.jail for verdict in verdicts] == ["soon", "feeds"]


@pytest.mark.parametrize("signal", SIGNALS)
def test_memory_stays_bounded_whatever_comes(signal: str) -> None:
    draw, sizes = random.Random(3), []
    for number in (10_000, 20_000):
        engine = watching(signal, base=BASE + "[engine]\nmax_clients = 1000\n")
        agents = ["curl", "Nosybot/1", "Mozilla/5.0 (X11) Firefox/1", "Googlebot"]
        requests = [
            (f"GET /robots.txt?{n}", f"HEAD /{n}", f"GET /feed/?{n}", "GET /robots.txt", f"GET /{n}.css", f"GET /{n}")[
                n % 6
            ]
            for n in range(120)
        ]
        lines = [
            entry(
                START + n / 20,
                f"10.0.{draw.randrange(64)}.{draw.randrange(40)}",
                requests[draw.randrange(120)],
                (200, 503, 304)[draw.randrange(3)],
                agent=f"{agents[n % 4]}{draw.randrange(20)}",
            )
            for n in range(number)
        ]
        tracemalloc.start()
        fed(engine, lines)
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert engine.tracked <= 3000 + 500  # of the signal, of the window, and of all, with those of a block

    assert sizes[1] < 1.5 * sizes[0]  # times and the last lines are remembered, too, up to a bound


@pytest.mark.parametrize("signal", SIGNALS)
def test_formats_that_lack_what_a_signal_needs_bring_nothing(signal: str) -> None:
    engine = watching(signal, base=BASE.replace(FORMAT, "%h %t %>s"))
    lines = b"".join(b"10.0.0.1 [22/Nov/2026:10:00:%02d +0000] 503\n" % second for second in range(50))

    assert engine.feed(Batch("web", lines), inf) == []


@pytest.mark.parametrize("signal", SIGNALS)
def test_no_line_raises(signal: str) -> None:
    engine, draw = watching(signal), random.Random(5)
    pieces = [
        b'"',
        b" ",
        b"GET ",
        b"HEAD ",
        b"//[",
        b"/robots.txt",
        b"?",
        b"%zz",
        b"\xff",
        b"/feed",
        b"Googlebot",
        b"-",
    ]
    for _ in range(300):
        junk = b"".join(draw.choice(pieces) for _ in range(draw.randrange(20)))
        line = b'10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "%s" 200 5 "-" "bot %s" "%s"\n' % (junk, junk, junk)
        engine.feed(Batch("web", line.replace(b"\n", b"") + b"\n"), inf)

    assert engine.sources["web"].lines == 300


def test_every_signal_says_what_it_reads() -> None:
    assert set(COLUMNS) == set(SIGNALS)


def test_verdicts_are_bans_or_reports() -> None:
    assert {one.action for one in fed(watching("heads"), fetcher("10.0.0.1"))} == {Action.BAN}
    assert {one.action for one in fed(watching("heads", more="dry_run = true\n"), fetcher("10.0.0.1"))} == {
        Action.REPORT
    }
