"""Jails on networks: what counts together, how many clients must be behind it, and what is closed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from privet.adapters.networks import Networks
from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.engine import Batch, Engine
from privet.core.parsing.times import write_clf
from privet.core.windows.limits import Peaks

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.verdicts import Verdict

START = 1_700_000_000.0
WEB = '[source.web]\npipe = true\nformat = "common"\n'
NET = WEB + '[jail.net]\nsource = "web"\nkey = "prefix"\nfindtime = 60\nmaxretry = 4\nbantime = 600\n'
AS = (
    '[networks]\ntable = "/x"\n' + WEB + '[jail.as]\nsource = "web"\nkey = "asn"\nclients = 2\n'
    "findtime = 60\nmaxretry = 3\nbantime = 600\n"
)
TABLE = "192.0.2.0/25\t64500\n198.51.100.0/24\t64500\n203.0.113.0/24\t64501\n"


def line(client: str, seconds: float) -> bytes:
    return b'%b - - [%b] "GET / HTTP/1.1" 200 5\n' % (client.encode(), write_clf(START + seconds))


def feed(one: Engine, *hits: tuple[str, float]) -> list[Verdict]:
    return one.feed(Batch("web", b"".join(line(*hit) for hit in hits)), math.inf)


def engine(text: str = NET, networks: Networks | None = None) -> Engine:
    return engine_for(parse(text, "p.toml"), networks=networks)


def told(verdicts: list[Verdict]) -> list[tuple[str, float, int, str]]:
    return [(v.subject.reveal(), v.time - START, v.failures, v.group) for v in verdicts]


@pytest.fixture
def networks(tmp_path: Path) -> Networks:
    path = tmp_path / "table"
    path.write_text(TABLE)
    found = Networks(path)
    found.refresh()
    return found


def test_the_clients_of_a_network_count_together() -> None:
    verdicts = feed(engine(), *[(f"192.0.2.{n}", n) for n in range(1, 5)], ("198.51.100.1", 5))

    assert told(verdicts) == [("192.0.2.0/24", 4, 4, "")]
    assert verdicts[0].until == START + 604


def test_how_large_a_network_is_says_the_jail() -> None:
    wide = engine(NET + "prefixes = [16, 32]\n")

    assert told(feed(wide, *[(f"10.1.{n}.7", n) for n in range(4)])) == [("10.1.0.0/16", 3, 4, "")]
    assert told(feed(wide, *[(f"2001:db8:{n}::7", n) for n in range(4)])) == [("2001:db8::/32", 3, 4, "")]
    assert told(feed(engine(), *[(f"2001:db8:7:{n}::1", n) for n in range(4)])) == [("2001:db8:7::/48", 3, 4, "")]


def test_one_client_alone_brings_down_nobody_where_several_must_fail() -> None:
    one = engine(NET + "clients = 3\n")

    assert feed(one, *[("192.0.2.1", n) for n in range(20)]) == []
    assert feed(one, ("192.0.2.2", 20)) == []
    assert told(feed(one, ("192.0.2.3", 21))) == [("192.0.2.0/24", 21, 4, "")]


def test_clients_of_long_ago_are_none() -> None:
    one = engine(NET + "clients = 3\n")

    feed(one, ("192.0.2.1", 0), ("192.0.2.2", 1))
    assert feed(one, *[("192.0.2.3", 70 + n) for n in range(10)]) == []


def test_failures_further_apart_than_findtime_do_not_count_and_late_ones_do() -> None:
    assert feed(engine(), *[(f"192.0.2.{n}", 21 * n) for n in range(20)]) == []
    assert told(feed(engine(), *[("192.0.2.1", time) for time in (60, 10, 70, 20)])) == [("192.0.2.0/24", 20, 4, "")]


def test_after_a_ban_the_count_starts_anew() -> None:
    verdicts = feed(engine(), *[(f"192.0.2.{n % 250}", n) for n in range(1, 700)])

    assert [(time, failures) for _, time, failures, _ in told(verdicts)] == [(4, 4), (607, 4)]


def test_an_autonomous_system_is_banned_with_all_its_prefixes(networks: Networks) -> None:
    one = engine(AS, networks)

    assert feed(one, *[("203.0.113.5", n) for n in range(9)], ("10.0.0.1", 9), ("192.0.2.200", 9)) == []
    verdicts = feed(one, ("192.0.2.1", 10), ("198.51.100.9", 11), ("192.0.2.1", 12))
    assert told(verdicts) == [("192.0.2.0/25", 12, 3, "AS64500"), ("198.51.100.0/24", 12, 3, "AS64500")]


def test_another_table_gives_other_answers(networks: Networks, tmp_path: Path) -> None:
    one = engine(AS, networks)
    feed(one, ("10.0.0.1", 0))
    (tmp_path / "table").write_text(TABLE + "10.0.0.0/8\t64502\n")
    networks.refresh()
    one.networks_changed()

    assert told(feed(one, *[(f"10.0.0.{n % 2 + 1}", n) for n in range(3)])) == [("10.0.0.0/8", 2, 3, "AS64502")]


def test_bans_grow(networks: Networks) -> None:
    one = engine(AS + "increment = true\nmultipliers = [1, 5]\n", networks)
    hits = [[(f"192.0.2.{n % 2}", begin + n) for n in range(1, 4)] for begin in (0, 1000)]

    lengths = [{v.until - v.time for v in feed(one, *some)} for some in hits]

    assert lengths == [{600}, {3000}]


def test_a_network_with_somebody_who_is_spared_is_spared() -> None:
    one = engine(NET + 'ignoreip = "192.0.2.77"\n')

    assert feed(one, *[(f"192.0.2.{n}", n) for n in range(1, 5)]) == []
    assert one.spared["net"] == 1


def test_the_engine_says_who_did_it_and_shows_the_lines() -> None:
    one = engine()
    (verdict,) = feed(one, *[(f"192.0.2.{n}", n) for n in range(1, 5)])

    assert {Subject.of_key(key).reveal() for key in one.accused(verdict)} == {f"192.0.2.{n}" for n in range(1, 5)}
    assert len(one.evidence(verdict)) == 3
    assert "192.0.2" not in str(one.evidence(verdict))


def test_an_unban_lets_a_network_be_counted_anew() -> None:
    one = engine()
    (verdict,) = feed(one, *[(f"192.0.2.{n}", n) for n in range(1, 5)])
    one.forget(verdict.subject, START + 5)

    assert len(feed(one, *[("192.0.2.9", 10 + n) for n in range(4)])) == 1


def test_counts_survive_a_reload_and_a_clock_that_is_set() -> None:
    old, new = engine(), engine()
    feed(old, *[(f"192.0.2.{n}", n) for n in range(1, 4)])
    new.carry(old)
    new.shift(1000)

    assert len(feed(new, ("192.0.2.9", 1004))) == 1


def test_recidive_does_not_count_bans_of_networks() -> None:
    one = engine(NET + '[jail.again]\nbans_of = "*"\nmaxretry = 1\n[jail.hasty]\nsource = "web"\nmaxretry = 4\n')

    assert [v.jail for v in feed(one, *[("192.0.2.1", n) for n in range(4)])] == ["net", "hasty", "again"]


def test_pseudonyms_have_no_network() -> None:
    assert feed(engine(), *[(f"100::{n}", n) for n in range(1, 9)]) == []


def test_memory_stays_within_the_cap() -> None:
    one = engine(NET.replace("findtime = 60", "findtime = 6000") + "clients = 300\n[engine]\nmax_clients = 1000\n")
    for number in range(0, 6000, 500):
        feed(one, *[(f"10.{n >> 8}.{n & 255}.{k}", n / 100) for n in range(number, number + 500) for k in (1, 2)])

    assert one.tracked <= 1000 + 1000 + 1000 + 500  # clients and networks; room for them is made between blocks
    assert one.evicted > 0


@pytest.mark.parametrize("size", [1, 3, 50])
def test_any_split_gives_the_same_verdicts(size: int) -> None:
    hits = [(f"192.0.{n % 3}.{n % 7 + 1}", n * 7 % 50 + n) for n in range(200)]
    one, whole = engine(NET + "clients = 2\n"), engine(NET + "clients = 2\n")

    parts = [v for at in range(0, 200, size) for v in feed(one, *hits[at : at + size])]

    assert parts == feed(whole, *hits) != []


def test_clients_of_networks_with_many_failures_stay_within_the_cap() -> None:
    one = engine(NET.replace("findtime = 60", "findtime = 60000") + "clients = 3000\n[engine]\nmax_clients = 1000\n")
    for number in range(0, 20_000, 500):
        feed(one, *[(f"10.{n % 3}.0.{n % 200}", n) for n in range(number, number + 500)])
        feed(one, *[(f"2001:db8:{n % 7}:{n}::1", n) for n in range(number, number + 500)])

    assert one.evicted > 0
    assert sum(standing.clients for standing in one.standings(START + 20_000)) <= 2000


def test_bans_and_unbans_hold_for_networks_that_have_been_away_for_long() -> None:
    one = engine()
    (verdict,) = feed(one, *[(f"192.0.2.{n}", n) for n in range(1, 5)])
    for number in range(0, 20_000, 500):  # so many other networks, for so long, that the first has no number any more
        feed(one, *[(f"10.{n >> 8}.{n & 255}.1", 4 + n / 50) for n in range(number, number + 500)])

    assert feed(one, *[(f"192.0.2.{n}", 500 + n) for n in range(1, 5)]) == []  # its ban goes on until 604
    one.forget(verdict.subject, START + 550)
    assert len(feed(one, *[(f"192.0.2.{n}", 560 + n) for n in range(1, 5)])) == 1


def test_a_network_with_too_few_clients_is_counted_as_far_as_the_limit() -> None:
    one = engine(NET + "clients = 3\n")
    feed(one, *[(f"192.0.2.{n % 2}", n / 10) for n in range(400)])

    (standing,) = one.standings(START + 40)
    assert (standing.count, standing.clients) == (4, 2)
    assert told(feed(one, ("192.0.2.3", 40))) == [("192.0.2.0/24", 40, 4, "")]


def test_limits_are_watched_without_changing_verdicts() -> None:
    hits = [(f"192.0.{n % 3}.{n % 7 + 1}", n * 7 % 50 + n) for n in range(200)]
    one, watched, peaks = engine(NET + "clients = 2\n"), engine(NET + "clients = 2\n"), Peaks()
    watched.watch(peaks)

    assert feed(one, *hits) == feed(watched, *hits) != []
    assert {peak.count for peak in peaks} == {4}


def test_counts_survive_when_a_limit_is_raised() -> None:
    old, new = engine(NET + "clients = 3\n"), engine(NET.replace("maxretry = 4", "maxretry = 8") + "clients = 2\n")
    assert feed(old, ("192.0.2.1", 0), *[(f"192.0.2.{2 + n % 2}", 100 + n) for n in range(6)]) == []
    new.carry(old)

    assert told(feed(new, *[(f"192.0.2.{2 + n % 2}", 110 + n) for n in range(6)])) == [("192.0.2.0/24", 113, 8, "")]
