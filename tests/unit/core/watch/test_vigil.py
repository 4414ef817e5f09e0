"""What goes dead is named, and a quiet night is not: simulated weeks through the engine."""

from __future__ import annotations

import random
from itertools import pairwise
from math import pi, sin
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch
from privet.core.watch.vigil import LINES, Vigil
from tests.unit.core.traffic import DAY, HOUR, START, Entry, address, entry, moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONFIG = """
[source.web]
path = "/var/log/web.log"
format = "combined"
[jail.scanner]
source = "web"
status = 404
maxretry = 100000
"""
LOOK = 600.0  # seconds between looks, here


class Watched:
    """An engine under a vigil, fed with the lines of some days."""

    def __init__(self, text: str = CONFIG) -> None:
        self.config = parse(text, "p.toml")
        self.engine = engine_for(self.config)
        self.vigil = Vigil()
        self.alarms: list[tuple[str, float]] = []  # by kind, when it was raised
        self._before: set[str] = set()

    def live(self, entries: Iterable[Entry], begin: float, end: float, every: float = LOOK) -> None:
        """Feed lines as they come, and look around every ten minutes."""
        waiting = sorted(entries)
        place = 0
        for now, later in pairwise(range(int(begin), int(end) + int(every), int(every))):
            block = []
            while place < len(waiting) and waiting[place][0] < later:
                block.append(waiting[place][1])
                place += 1
            if block:
                self.engine.feed(Batch("web", b"".join(block)), later)
            self.look(now + every)

    def look(self, now: float) -> None:
        """Look around once."""
        self.vigil.look(now, self.engine.sources, self.engine.jails, self.engine.matches())
        kinds = {alarm.kind for alarm in self.vigil.alarms}
        self.alarms += [(kind, now) for kind in sorted(kinds - self._before)]
        self._before = kinds


def visits(draw: random.Random, a_day: float, begin: float, days: float, status: float = 0.1) -> list[Entry]:
    """Return visits of some requests each, more by day than by night, so many requests a day; some are not found."""
    found = []
    for time in moments(draw, a_day / 1440 / 2, begin, begin + days * DAY):
        if draw.random() < 0.5 - 0.45 * sin(2 * pi * (time - begin) / DAY):
            client = address(draw)
            for number in range(draw.choice((1, 2, 4, 9))):
                code = 404 if draw.random() < status else 200
                found.append(entry(time + 20 * number, client, f"/{number}", status=code))
    return found


@pytest.fixture(scope="module")
def busy() -> Watched:
    """Return a site of some 2000 requests a day, watched for three weeks."""
    watched = Watched()
    watched.live(visits(random.Random(1), 2000, START, 21), START, START + 21 * DAY)
    return watched


AFTER = START + 21 * DAY


def test_a_quiet_blog_raises_no_alarm_in_sixty_days() -> None:
    for seed in (2, 3, 4):
        watched = Watched()
        entries = visits(random.Random(seed), 30, START, 60)
        watched.live(entries, START, START + 60 * DAY)

        assert 20 * 60 < len(entries) < 45 * 60
        assert watched.alarms == []


def test_a_busy_site_raises_none_either(busy: Watched) -> None:
    assert busy.alarms == []


def changed(busy: Watched, seed: int, change: Callable[[bytes], bytes], *, days: float = 0.5) -> Watched:
    """Let a site go on with other lines."""
    watched = Watched()
    watched.live(visits(random.Random(seed), 2000, START, 2), START, START + 2 * DAY)
    other = [(time, change(line)) for time, line in visits(random.Random(seed + 1), 2000, START + 2 * DAY, days)]
    watched.live(other, START + 2 * DAY, START + (2 + days) * DAY, every=60)
    assert busy.alarms == []
    hundredth = sorted(other)[LINES][0]
    watched.alarms = [(kind, time - hundredth) for kind, time in watched.alarms]
    return watched


def test_a_format_that_changes_is_named_with_both_shapes(busy: Watched) -> None:
    watched = changed(busy, 5, lambda line: b"web01 " + line.replace(b'"', b"'"))

    ((kind, after),) = [one for one in watched.alarms if one[0] == "format"]
    (alarm,) = [one for one in watched.vigil.alarms if one.kind == "format"]
    assert after <= 600
    assert "lines cannot be read, now: web01 0.0.0.0 - - [" in alarm.text
    assert "; before: 0.0.0.0 - - [" in alarm.text
    assert kind == "format"
    assert [one.kind for one in watched.vigil.alarms] == ["format"]  # the jail is not to blame


def test_addresses_that_vanish_are_named(busy: Watched) -> None:
    watched = changed(busy, 7, lambda line: b"-" + line[line.index(b" ") :])

    ((_, after),) = [one for one in watched.alarms if one[0] == "addresses"]
    assert after <= 600


def test_a_proxy_that_takes_the_place_of_all_clients_is_named(busy: Watched) -> None:
    watched = changed(busy, 9, lambda line: b"192.0.2.80" + line[line.index(b" ") :])

    ((_, after),) = [one for one in watched.alarms if one[0] == "proxy"]
    assert after <= 600
    assert "192.0.2.80" not in repr(watched.vigil.alarms)


def test_one_client_that_asks_for_very_much_is_no_proxy(busy: Watched) -> None:
    watched = Watched()
    flood = [entry(START + 2 * DAY + number / 5, "192.0.2.80", "/") for number in range(20_000)]
    watched.live([*visits(random.Random(11), 2000, START, 2.3), *flood], START, START + 2.3 * DAY)

    assert watched.alarms == busy.alarms == []


def test_an_alarm_ends_when_its_cause_is_gone(busy: Watched) -> None:
    watched = changed(busy, 13, lambda line: b"x" + line)
    assert watched.vigil.alarms
    watched.live(visits(random.Random(14), 2000, START + 2.5 * DAY, 1), START + 2.5 * DAY, START + 3.5 * DAY)

    assert watched.vigil.alarms == []


def silent(text: str = CONFIG) -> Watched:
    watched = Watched(text)
    watched.live(visits(random.Random(1), 2000, START, 21), START, AFTER)
    return watched


def test_a_source_that_falls_silent_is_named_within_hours() -> None:
    watched = silent()
    watched.live([], AFTER, AFTER + DAY)

    ((kind, when),) = watched.alarms
    assert kind == "silence"
    assert when - AFTER <= 3 * HOUR
    assert "silent, though some" in watched.vigil.alarms[0].text


def test_a_jail_that_matches_nothing_any_more_is_named_while_its_source_goes_on() -> None:
    watched = silent()
    watched.live(visits(random.Random(15), 2000, AFTER, 2, status=0.0), AFTER, AFTER + 2 * DAY)

    ((kind, when),) = watched.alarms
    assert kind == "dead"
    assert when - AFTER <= DAY
    assert (watched.vigil.alarms[0].jail, watched.vigil.alarms[0].source) == ("scanner", "web")


def test_a_time_of_which_nothing_is_known_is_no_silence() -> None:
    watched = silent()
    watched.look(AFTER + 5 * DAY)

    assert watched.alarms == []


def test_rhythms_outlast_a_restart_and_hold_no_address() -> None:
    watched = silent()
    again = Watched()
    again.vigil = Vigil(watched.vigil.remembered)
    again.live([], AFTER, AFTER + DAY)

    assert [kind for kind, _ in again.alarms] == ["silence"]


def test_a_format_that_changes_right_after_a_start_is_named_with_both_shapes() -> None:
    watched = Watched()
    good = [entry(START + second, address(random.Random(second)), "/") for second in range(9)]
    watched.engine.feed(Batch("web", b"".join(line for _, line in good)), START + 9)
    watched.look(START + 60)
    watched.engine.feed(Batch("web", b"time=1 client=192.0.2.1\n" * LINES), START + 61)
    watched.look(START + 120)
    assert "; before: 0.0.0.0 - - [" in watched.vigil.alarms[0].text
