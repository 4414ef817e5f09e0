"""Swarms, judged by labelled trials through the engine: who is seen, how soon, and who is left alone."""

from __future__ import annotations

import random
import tracemalloc
from itertools import count
from math import inf
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import client_key
from privet.core.engine import Batch, Engine
from privet.core.swarms.swarm import LOOK_BACK, SHOWN, WARM
from privet.core.verdicts import Action, Verdict
from tests.conftest import SHARED
from tests.unit.core.traffic import HOUR, START, Entry, address, background, blocks, entry, moments, swarm, visitor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from privet.core.swarms.swarm import Event

CONFIG = '[source.web]\npath = "/var/log/web.log"\n[jail.swarm]\nsource = "web"\nkind = "swarm"\nbantime = "1w"\n'
BAN = CONFIG + 'action = "ban"\n'
HISTORIES = (f"/wiki/Page{number}?action=history&id=Page{number}" for number in count())


def watching(text: str = BAN) -> Engine:
    return engine_for(parse(text, "p.toml"))


def fed(engine: Engine, entries: Iterable[Entry], size: int = 500) -> list[Verdict]:
    return [verdict for block in blocks(entries, size) for verdict in engine.feed(Batch("web", block), inf)]


def clients(entries: Iterable[Entry]) -> set[bytes | None]:
    return {client_key(line.partition(b" ")[0]) for _, line in entries}


@pytest.fixture(scope="module")
def day() -> list[Entry]:
    return background(random.Random(1), START, 1)


def judged(entries: list[Entry], attack: list[Entry]) -> tuple[float, float, float, list[Event]]:
    """Return after how many seconds a swarm was seen, the share of members that are right, and of it that was found."""
    engine = watching()
    verdicts = fed(engine, [*entries, *attack])
    events = [event for event in engine.swarms() if event.seen >= attack[0][0]]
    members, guilty = {verdict.subject.key for verdict in verdicts}, clients(attack)
    seen = min((event.seen for event in events), default=inf) - attack[0][0]
    return seen, len(members & guilty) / max(1, len(members)), len(members & guilty) / len(guilty), events


@pytest.mark.parametrize(("a_minute", "within"), [(15, 90), (30, 45), (60, 30)])
@pytest.mark.parametrize("hour", [3, 14])
def test_a_swarm_on_one_shape_is_seen(day: list[Entry], a_minute: int, within: float, hour: int) -> None:
    attack = swarm(random.Random(a_minute), a_minute, START + hour * HOUR + 17, HISTORIES, seconds=1800)

    seen, right, found, events = judged(day, attack)

    assert seen <= within
    assert (right >= 0.95, found >= 0.95) == (True, True)
    assert [(event.level, event.what) for event in events] == [("shape", "/wiki/Page*?action=history&id=*")]
    assert events[0].members == pytest.approx(len(attack), rel=0.05)


def test_a_swarm_over_pages_that_exist_is_seen(day: list[Entry]) -> None:
    draw = random.Random(4)
    pages = iter(lambda: f"/blog/{draw.choice(('spring', 'summer'))}/{draw.randrange(40)}", None)
    old = iter(lambda: f"/blog/old/{draw.randrange(500)}", None)
    attack = swarm(
        draw, 60, START + 14 * HOUR, (one for pair in zip(pages, old, strict=False) for one in pair), seconds=1200
    )

    seen, right, found, _events = judged(day, attack)

    assert seen <= 120
    assert (right >= 0.95, found >= 0.9) == (True, True)


@pytest.mark.parametrize("hour", [3, 14])
def test_a_crowd_of_browsers_is_no_swarm(day: list[Entry], hour: int) -> None:
    draw, begin = random.Random(5), START + hour * HOUR
    crowd = [one for second in range(1800) for one in visitor(draw, begin + second / 2, address(draw))]

    seen, _right, _found, events = judged(day, crowd)

    assert (seen, events) == (inf, [])


def test_a_week_of_ordinary_traffic_brings_at_most_one_alarm() -> None:
    engine = watching(CONFIG)

    fed(engine, background(random.Random(6), START, 7), size=5000)

    assert len(engine.swarms()) <= 1


STARTS = 16
"""Moments at which a swarm begins in the real log, drawn at random."""


@pytest.fixture(scope="module")
def real() -> list[Entry]:
    return real_log(SHARED)


def in_half_a_day(real: list[Entry], seed: int, a_minute: int, targets: Iterator[str]) -> tuple[float, float]:
    """Return how soon a swarm at a moment of the real log is seen, at most after 400 s, and how many members are right.

    Its requests come at random moments; of the log there are the twelve hours before.
    """
    draw = random.Random(1000 * seed + a_minute)
    begin = draw.uniform(real[0][0] + HOUR, real[-1][0] - 2 * HOUR)
    times = moments(draw, a_minute, begin, begin + 400)
    attack = [
        entry(time, f"2001:db8:{draw.randrange(1 << 16):x}:{number:x}::1", next(targets))
        for number, time in enumerate(times)
    ]
    before = [one for one in real if begin - 12 * HOUR < one[0] < begin + 400]
    seen, right, _found, _events = judged(before, attack)
    return seen, right


@pytest.mark.needs("shared")
@pytest.mark.parametrize(("a_minute", "within"), [(15, 90), (30, 45), (60, 30)])
def test_swarms_on_one_shape_of_a_real_log_are_seen(real: list[Entry], a_minute: int, within: float) -> None:
    trials = [in_half_a_day(real, seed, a_minute, HISTORIES) for seed in range(STARTS)]

    assert [seen for seen, _ in trials if seen > within] == []
    assert min(right for _, right in trials) >= 0.95


@pytest.mark.needs("shared")
def test_swarms_over_the_pages_of_a_real_log_are_seen_and_nothing_without_them(real: list[Entry]) -> None:
    draw = random.Random(8)
    asked = [line.split(b" ")[6].decode() for _, line in real if b'" 200 ' in line]
    pages = [target for target in asked if "." not in target.rpartition("/")[2]]
    trials = [in_half_a_day(real, seed, 60, iter(lambda: draw.choice(pages), None)) for seed in range(STARTS)]

    assert [seen for seen, _ in trials if seen > 120] == []
    assert min(right for _, right in trials) >= 0.95
    assert judged(real, [entry(real[0][0], "192.0.2.1", "/")])[3] == []


def real_log(shared: Path) -> list[Entry]:
    lines = (shared / "data" / "blog-access.log").read_bytes().splitlines(keepends=True)
    read = watching().sources["web"]
    return [(time, line) for line in lines if (time := read.time_of(line)) is not None]


def slow(draw: random.Random, a_minute: float, seconds: float, *, took: int) -> list[Entry]:
    """Return a swarm whose requests take so many microseconds each, in the recommended format."""
    attack = swarm(draw, a_minute, START + 5 * HOUR, HISTORIES, seconds=seconds)
    return [(time, timed(line, took)) for time, line in attack]


def timed(line: bytes, took: int) -> bytes:
    return b"www.example:443 " + line.rstrip(b"\n") + b' %d "text/html" "-"\n' % took


def test_a_few_requests_that_are_dear_are_seen_and_cheap_ones_are_not() -> None:
    usual = [(time, timed(line, 40_000)) for time, line in background(random.Random(12), START, 0.25)]
    seen = {}
    for took in (40_000, 2_500_000):
        engine = watching(BAN.replace('log"\n', 'log"\nformat = "privet"\n', 1))
        fed(engine, [*usual, *slow(random.Random(13), 6, 600, took=took)])
        seen[took] = [round(event.seen - START - 5 * HOUR) for event in engine.swarms() if "history" in event.what]

    assert seen[40_000] == [] or seen[40_000][0] > 120
    assert seen[2_500_000][0] <= 60


def test_two_dear_requests_are_no_swarm() -> None:
    engine = watching(BAN.replace('log"\n', 'log"\nformat = "privet"\n', 1))
    quiet = [(time, timed(line, 40_000)) for time, line in warm()]

    fed(engine, [*quiet, *slow(random.Random(13), 6, 35, took=9_000_000)])

    assert engine.swarms() == []


def test_those_who_come_every_hour_are_no_swarm_when_they_come_together() -> None:
    engine = watching()
    hourly = [
        entry(START + hour * HOUR + 3 * number, f"203.0.113.{number}", "/feed.xml")
        for hour in range(5)
        for number in range(1, 30 if hour == 4 else 8)
    ]
    crawler = [entry(START + 4 * HOUR + second, f"203.0.113.{second}", f"/p{second}") for second in range(1, 8)]

    fed(engine, [*warm(), *hourly, *crawler, entry(START + 4 * HOUR + 120, "192.0.2.9", "/robots.txt")])

    (event,) = engine.swarms()
    assert event.members == 22  # those that were never here before


def test_what_is_usual_outlasts_a_restart_and_holds_no_address() -> None:
    before = watching()
    readers = [
        entry(START + hour * HOUR + 2 * number, f"10.{hour}.0.{number}", "/feed.xml?by=203.0.113.9")
        for hour in range(1, 9)
        for number in range(1, 11)
    ]
    fed(before, [*warm(), *readers])
    known = before.baselines()["swarm"]
    later = START + 40 * HOUR
    quiet = [entry(later + second, "192.0.2.9", "/robots.txt") for second in range(0, 330, 30)]
    feed = [entry(later + 310 + number, f"10.99.0.{number}", "/feed.xml?by=203.0.113.9") for number in range(13)]
    attack = swarm(random.Random(3), 60, later + 400, HISTORIES, seconds=60)

    aims = []
    for learnt in ({"swarm": known}, {}):
        engine = watching()
        engine.learn(learnt)
        fed(engine, [*quiet, *feed, *attack])
        aims.append([event.what for event in engine.swarms()])

    assert aims == [["/wiki/Page*?action=history&id=*"], []]
    assert known.sound
    assert "203.0.113" not in repr(known)
    assert "feed" not in repr(known)
    assert max(peak for _, peak in known.sums.values()) > 7


def test_what_is_usual_stays_when_a_jail_changes_its_conditions() -> None:
    old, new = watching(), watching(BAN + "path = '^/'\n")
    fed(old, [*warm(), *background(random.Random(2), START, 0.2)])
    new.carry(old)

    assert new.baselines() == old.baselines() != {}


def warm(begin: float = START) -> list[Entry]:
    """Return just enough before a swarm that it is called one."""
    return [entry(begin + second, "192.0.2.9", "/robots.txt") for second in range(0, int(WARM) + 60, 30)]


def attack_after(seconds: float = WARM + 60, length: float = 120) -> list[Entry]:
    return swarm(random.Random(9), 60, START + seconds, HISTORIES, seconds=length)


def test_nothing_is_called_a_swarm_before_anything_is_known() -> None:
    engine = watching()

    assert fed(engine, attack_after(0)) == []
    assert engine.swarms() == []


def test_any_split_of_the_lines_gives_the_same_verdicts_and_swarms() -> None:
    entries = [*warm(), *attack_after(), *background(random.Random(2), START, 0.05)]
    answers = []
    for size in (1, 7, 5000):
        engine = watching()
        answers.append((fed(engine, entries, size), engine.swarms()))

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0]


def test_members_are_banned_or_reported_or_only_counted() -> None:
    entries, actions = [*warm(), *attack_after()], []
    for text in (BAN, BAN + "dry_run = true\n", CONFIG):
        engine = watching(text)
        actions.append({verdict.action for verdict in fed(engine, entries)})
        (event,) = engine.swarms()
        assert event.members > 100

    assert actions == [{Action.BAN}, {Action.REPORT}, set()]


def test_members_are_slowed_down_or_denied_by_the_web_server() -> None:
    entries = [*warm(), *attack_after()]
    more = 'ports = "https"\n[escalation]\nincrement = true\n'
    more += '[jail.again]\nbans_of = "*"\nmaxretry = 1\nkey = "prefix"\n'
    for word, action, again in (("slow", Action.SLOW, False), ("deny", Action.DENY, True)):
        engine = watching(f'{CONFIG}action = "{word}"\n{more}')
        verdicts = fed(engine, entries)
        members = [verdict for verdict in verdicts if verdict.jail == "swarm"]
        assert {(one.action, one.scope, one.until - one.time) for one in members} == {(action, "", 7 * 24 * HOUR)}
        assert len(members) == len({one.subject for one in members})
        assert any(verdict.jail == "again" for verdict in verdicts) is again


def test_who_is_ignored_is_spared() -> None:
    engine = watching(BAN + 'ignoreip = "2001:db8::/32"\n')

    assert fed(engine, [*warm(), *attack_after()]) == []
    assert engine.spared["swarm"] > 100


def test_a_swarm_ends_and_a_new_one_is_another() -> None:
    engine = watching()
    quiet = [entry(START + second, "192.0.2.9", "/robots.txt") for second in range(1000, 4990, 30)]

    fed(engine, [*warm(), *attack_after(), *quiet, *attack_after(5000)])

    first, second = engine.swarms()
    assert first.ended is not None
    assert first.began < first.seen <= first.last < first.ended < START + 3000
    assert second.ended is None


def test_conditions_say_which_requests_count() -> None:
    engine = watching(BAN + "path = '^/other'\n")

    assert fed(engine, [*warm(), *attack_after()]) == []
    assert engine.swarms() == []


def test_the_state_survives_a_reload() -> None:
    old, new = watching(), watching()
    fed(old, [*warm(), *attack_after()])
    new.carry(old)

    assert new.swarms() == old.swarms() != []
    assert fed(new, attack_after(WARM + 180)) != []


def test_a_clock_that_is_set_changes_nothing() -> None:
    moved, still = watching(), watching()
    for engine in (moved, still):
        fed(engine, warm())
    moved.shift(7200)
    fed(still, attack_after())
    fed(moved, [entry(time + 7200, *_parts(line)) for time, line in attack_after()])

    assert [event.members for event in moved.swarms()] == [event.members for event in still.swarms()]


def _parts(line: bytes) -> tuple[str, str]:
    words = line.decode().split(" ")
    return words[0], words[6]


def test_an_unban_lets_a_client_be_counted_anew() -> None:
    engine = watching()
    verdicts = fed(engine, [*warm(), *attack_after()])
    first = verdicts[0].subject
    engine.forget(first, START)
    again = [
        entry(START + WARM + 185, first.reveal().partition("/")[0], next(HISTORIES)),
        *attack_after(WARM + 190, 20),
    ]

    assert first in {verdict.subject for verdict in fed(engine, again)}


def test_a_page_alone_is_an_aim_too() -> None:
    engine = watching()
    attack = swarm(random.Random(3), 60, START + WARM + 60, iter(lambda: "/page/17", None), seconds=60)
    busy = [
        entry(START + second, f"198.51.100.{second % 50 + 1}", f"/page/{second % 97}") for second in range(0, 900, 9)
    ]

    fed(engine, [*warm(), *busy, *attack])

    assert [(event.level, event.what) for event in engine.swarms()] == [("page", "/page/17")]


def test_the_aim_is_masked() -> None:
    engine = watching()
    attack = swarm(random.Random(3), 60, START + WARM + 60, iter(lambda: "/w?user=192.0.2.77", None), seconds=60)

    fed(engine, [*warm(), *attack])

    assert "192.0.2.77" not in repr(engine.swarms())


def test_whoever_gets_the_number_of_a_forgotten_suspect_is_no_member() -> None:
    engine = watching(BAN + "path = '^/wiki'\n[engine]\nmax_clients = 1000\n")
    begin, draw = START + WARM + 60, random.Random(4)
    first = [entry(begin + number / 10, f"192.0.2.{number}", next(HISTORIES)) for number in range(6)]
    others = [entry(begin + 10 + number / 100, address(draw), "/other") for number in range(2000)]
    second = [entry(begin + 31 + number, f"192.0.2.{100 + number}", next(HISTORIES)) for number in range(30)]

    verdicts = fed(engine, [*warm(), *first, *others, *second], 100)

    assert engine.evicted > 100
    assert len(verdicts) > 10
    assert {verdict.subject.key for verdict in verdicts} <= clients(second)


def test_memory_stays_bounded_whatever_comes() -> None:
    draw, sizes = random.Random(10), []
    for number in (10_000, 40_000):
        engine = engine_for(parse(BAN + "[engine]\nmax_clients = 1000\n", "p.toml"))
        targets = [f"/{draw.random()}?{draw.random()}={draw.random()}" for _ in range(5000)]
        lines = [entry(START + n / 20, address(draw), targets[n % 5000]) for n in range(number)]
        lines += [entry(START + n / 20, address(draw), f"/{n % 5000}.css") for n in range(number)]
        tracemalloc.start()
        fed(engine, lines)
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

        assert engine.tracked <= 1000 + 500  # of one block
        assert engine.evicted > 0
        assert len(engine.swarms()) <= SHOWN + 1

    assert sizes[1] < 1.3 * sizes[0]


def test_who_fetched_an_asset_half_an_hour_ago_is_a_browser_no_more() -> None:
    engine = watching()
    attack = attack_after(LOOK_BACK + 1200)
    dressed = [entry(time - LOOK_BACK - 600, _parts(line)[0], "/style.css") for time, line in attack]

    assert fed(engine, [*warm(), *dressed, *attack])
    assert (
        fed(watching(), [*warm(), *[entry(t + 700, _parts(line)[0], "/a.css") for t, line in dressed], *attack]) == []
    )
