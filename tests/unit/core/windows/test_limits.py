"""The highest count of each client is the engine's own: a count by hand says the same, whatever window counts."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject, client_key
from privet.core.engine import Batch
from privet.core.jails import Jail
from privet.core.windows.limits import Peaks, hovering, tenths

if TYPE_CHECKING:
    from privet.core.engine import Engine
    from privet.core.verdicts import Verdict

BEGIN = 1_795_345_200
FINDTIME, MAXRETRY = 60, 8
WINDOWS = {
    "sliding": "",
    "two": f'[jail.two]\nsource = "web"\nfindtime = {FINDTIME * 3}\nmaxretry = 40\nbantime = "1h"\n',
    "distinct": 'distinct = "path"\n',
    "prefix": 'key = "prefix"\nprefixes = [32, 64]\n',
    "rate": 'counting = "rate"\n',
}


def config(extra: str) -> str:
    return (
        f'[source.web]\npipe = true\nformat = "combined"\n[jail.one]\nsource = "web"\nfindtime = {FINDTIME}\n'
        f'maxretry = {MAXRETRY}\nbantime = "1h"\n{extra}'
    )


def requests(number: int, jumble: int) -> list[tuple[int, str]]:
    """Return seconds and clients, some of whom come often; each time is at most so many places away from its own."""
    random.seed(number)
    moments = sorted(random.randrange(2000) for _ in range(number))
    clients = [f"192.0.2.{int(random.paretovariate(0.5)) % 30}" for _ in range(number)]
    order = sorted(range(number), key=lambda place: place + random.random() * jumble)
    return [(moments[place], clients[place]) for place in order]


def feed(text: str, seen: list[tuple[int, str]], peaks: Peaks | None, step: int = 7) -> list[Verdict]:
    engine = engine_for(parse(text, "test"))
    if peaks is not None:
        engine.watch(peaks)
    return fed(engine, seen, step)


def fed(engine: Engine, seen: list[tuple[int, str]], step: int = 7) -> list[Verdict]:
    verdicts = []
    for begin in range(0, len(seen), step):
        block = "".join(
            f"{who} - - [{time.strftime('%d/%b/%Y:%H:%M:%S +0000', time.gmtime(BEGIN + at))}] "
            f'"GET /{begin + place} HTTP/1.1" 200 1 "-" "-"\n'
            for place, (at, who) in enumerate(seen[begin : begin + step])
        )
        verdicts += engine.feed(Batch("web", block.encode()), math.inf)
    return verdicts


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("jumble", [0, 6])
def test_whoever_watches_changes_no_verdict(window: str, jumble: int) -> None:
    seen = requests(400, jumble)

    assert feed(config(WINDOWS[window]), seen, Peaks()) == feed(config(WINDOWS[window]), seen, None) != []


@pytest.mark.parametrize("window", ["sliding", "two", "distinct", "prefix"])
@pytest.mark.parametrize("jumble", [0, 6])
def test_the_highest_count_is_that_of_a_count_by_hand(window: str, jumble: int) -> None:
    seen, peaks = requests(400, jumble), Peaks()

    feed(config(WINDOWS[window]), seen, peaks)

    found = {one.key[:4]: one for one in peaks if one.jail == "one"}
    for who in {who for _, who in seen}:
        mine = sorted(at for at, one in seen if one == who)
        highest = max(sum(last - FINDTIME <= at <= last for at in mine) for last in mine)
        peak = found[client_key(who.encode()) or b""]
        assert peak.reached == (highest >= MAXRETRY)
        assert peak.count == min(highest, MAXRETRY)


def test_failures_within_a_ban_do_not_count() -> None:
    peaks = Peaks()

    feed(config("").replace("1h", "10m"), [(second, "192.0.2.1") for second in range(15)], peaks)

    (peak,) = peaks
    assert (peak.count, peak.reached, peak.time) == (MAXRETRY, True, BEGIN + MAXRETRY - 1)
    assert hovering(peaks, 0.1, lambda _peak: False) == []


def test_who_is_closest_comes_first_and_tenths_are_counted() -> None:
    peaks, jail = Peaks(), Jail("one", ("web",), findtime=60.0, maxretry=20, bantime=60.0)
    for place, count in enumerate((1, 10, 19, 12, 5)):
        peaks.see(jail, bytes([10, 0, 0, place]), 100.0 + place, count)
        peaks.see(jail, bytes([10, 0, 0, place]), 200.0, 1)  # less than before
    peaks.reach(jail, b"\n\0\0\x09", 300.0)

    close = hovering(peaks, 0.5, lambda _peak: False)

    assert [(one.count, one.time) for one in close] == [(19, 102.0), (12, 103.0), (10, 101.0)]
    assert tenths(peaks, lambda _peak: False) == {"one": [1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1]}
    assert hovering(peaks, 0.5, lambda peak: peak.key[-1] == 2) == close[1:]
    assert "0.0.2" not in repr(close[0])


def test_memory_is_bounded_and_the_closest_are_kept() -> None:
    peaks, jail = Peaks(most=100), Jail("one", ("web",), findtime=60.0, maxretry=2000, bantime=60.0)
    for number in range(1000):
        peaks.see(jail, number.to_bytes(4), 1.0, number + 1)

    kept = [one.count for one in peaks]
    assert len(kept) <= 100
    assert len(kept) + peaks.evicted == 1000
    assert max(kept) == 1000


@pytest.mark.parametrize("window", ["sliding", "two", "distinct", "prefix"])
@pytest.mark.parametrize("jumble", [0, 6])
def test_who_stands_where_now_is_a_count_by_hand(window: str, jumble: int) -> None:
    engine, seen = engine_for(parse(config(WINDOWS[window]), "test")), requests(1200, jumble)
    now = max(at for at, _ in seen)
    seen += [(now, "198.51.100.1"), (now, "198.51.100.1"), (now - FINDTIME, "198.51.100.2")]
    banned = {verdict.subject for verdict in fed(engine, seen) if verdict.jail == "one"}

    found = {one.key[:4]: one for one in engine.standings(BEGIN + now) if one.jail.name == "one"}

    assert len(banned) > 2
    for who in {who for _, who in seen}:
        mine = [at for at, one in seen if one == who and at >= now - FINDTIME]
        if Subject.parse(who) in banned:
            assert (
                found.get(client_key(who.encode()) or b"") is None or found[client_key(who.encode()) or b""].count == 0
            )
        else:
            assert found[client_key(who.encode()) or b""].count == len(mine)
    assert "198" not in repr(found[b"\xc6\x33\x64\x01"])
    assert all(one.count == 0 for one in engine.standings(BEGIN + now + 4 * FINDTIME) if one.jail.name == "one")


def test_rates_stand_as_they_are_counted() -> None:
    engine = engine_for(parse(config(WINDOWS["rate"]), "test"))
    fed(engine, [(at, "192.0.2.1") for at in range(6)])

    assert [one.count for one in engine.standings(BEGIN + 5 + FINDTIME)] == [6]
    assert [one.count for one in engine.standings(BEGIN + 6 + FINDTIME)] == [0]


def test_who_stands_where_may_be_asked_while_lines_come() -> None:
    engine = engine_for(parse(config(WINDOWS["two"]), "test"))
    fed(engine, [(0, f"192.0.2.{number}") for number in range(100)])

    found = engine.standings(BEGIN)
    first = next(found)
    fed(engine, [(1, f"198.51.100.{number}") for number in range(100)])

    assert (first.jail.name, first.count, first.time) == ("one", 1, BEGIN)
    assert [one.jail.name for one in found].count("two") == 200


def test_bans_that_count_stand_by_tokens() -> None:
    again = '[jail.again]\nbans_of = ["one"]\nfindtime = "1d"\nmaxretry = 3\nbantime = "1w"\n'
    engine = engine_for(parse(config(again).replace('"1h"', '"1m"'), "test"), secrets=[b"s" * 32])

    fed(engine, [(start + at, "192.0.2.1") for start in (0, 100) for at in range(MAXRETRY)])

    (one,) = [one for one in engine.standings(BEGIN + 200) if one.token]
    assert (one.jail.name, one.count, len(one.key)) == ("again", 2, 16)


def test_networks_stand_with_their_clients() -> None:
    engine = engine_for(parse(config('key = "prefix"\nclients = 3\n'), "test"))

    fed(engine, [(at, f"192.0.2.{at % 2}") for at in range(MAXRETRY - 1)])
    (few,) = engine.standings(BEGIN + MAXRETRY)
    fed(engine, [(at, f"192.0.2.{at % 2}") for at in range(MAXRETRY, 2 * MAXRETRY + 2)])
    (many,) = engine.standings(BEGIN + 2 * MAXRETRY)

    assert (few.key, few.count, few.clients) == (b"\xc0\0\x02\0\x18", MAXRETRY - 1, 2)
    assert (many.count, many.clients) == (MAXRETRY, 2)  # as far as the limit
