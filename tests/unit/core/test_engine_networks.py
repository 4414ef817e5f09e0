"""IPv6 clients wider than a /64, and jails that count by AS number."""

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

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.verdicts import Verdict

START = 1_700_000_000.0
WEB = '[source.web]\npipe = true\nformat = "common"\n'
HASTY = WEB + '[jail.hasty]\nsource = "web"\nmaxretry = 1\nbantime = "1h"\n'
FARM = (
    '[networks]\ntable = "/x"\n[jail.farm]\nbans_of = "*"\nkey = "asn"\nfindtime = "1d"\nmaxretry = 2\nbantime = "2h"\n'
)
TABLE = "192.0.2.0/25\t64500\n198.51.100.0/24\t64500\n203.0.113.0/24\t64501\n2001:db8::/32\t64500\n"
HOUR = 3600.0


def line(client: str, seconds: float) -> bytes:
    return b'%b - - [%b] "GET / HTTP/1.1" 200 5\n' % (client.encode(), write_clf(START + seconds))


def feed(one: Engine, *lines: bytes) -> list[Verdict]:
    return one.feed(Batch("web", b"".join(lines)), math.inf)


def told(verdicts: list[Verdict]) -> list[tuple[str, str, str]]:
    return [(v.jail, v.subject.reveal(), v.group) for v in verdicts]


@pytest.fixture
def networks(tmp_path: Path) -> Networks:
    path = tmp_path / "table"
    path.write_text(TABLE)
    found = Networks(path)
    found.refresh()
    return found


def farm(networks: Networks | None, more: str = "") -> Engine:
    return engine_for(parse(HASTY + FARM + more, "p.toml"), networks=networks)


@pytest.mark.parametrize(("length", "expected"), [(64, []), (56, ["2001:db8:0:100::/56"]), (33, ["2001:db8::/33"])])
def test_an_ipv6_client_is_as_wide_as_the_configuration_says(length: int, expected: list[str]) -> None:
    config = f'[engine]\nipv6_client = {length}\n{WEB}[jail.one]\nsource = "web"\nmaxretry = 3\n'
    one = engine_for(parse(config, "p.toml"))
    verdicts = feed(one, *(line(f"2001:db8:0:1{n:02x}::{n}", n) for n in range(3)))
    assert [verdict.subject.reveal() for verdict in verdicts] == expected


def test_other_clients_stay_as_they_are() -> None:
    one = engine_for(parse("[engine]\nipv6_client = 48\n" + HASTY, "p.toml"))
    verdicts = feed(one, line("192.0.2.1", 0), line("100::1", 0), line("2001:db8:1:2::3", 0))
    assert [verdict.subject.reveal() for verdict in verdicts] == ["192.0.2.1", "100::1", "2001:db8:1::/48"]


def test_an_unban_makes_a_wide_client_start_anew() -> None:
    one = engine_for(parse("[engine]\nipv6_client = 48\n" + HASTY.replace("= 1\n", "= 2\n"), "p.toml"))
    assert feed(one, line("2001:db8:1:2::3", 0)) == []
    one.forget(Subject.parse("2001:db8:1::/48"), START + 0.5)
    assert feed(one, line("2001:db8:1:7::3", 1)) == []
    assert len(feed(one, line("2001:db8:1:8::3", 2))) == 1
    assert one.key_of(Subject.parse("2001:db8:1:2::/64")) is None


def test_an_as_number_is_banned_with_all_its_prefixes(networks: Networks) -> None:
    verdicts = feed(farm(networks), line("192.0.2.1", 0), line("203.0.113.1", 1), line("2001:db8::1", 2))
    assert told(verdicts)[3:] == [
        ("farm", "192.0.2.0/25", "AS64500"),
        ("farm", "198.51.100.0/24", "AS64500"),
        ("farm", "2001:db8::/32", "AS64500"),
    ]
    assert {verdict.until - verdict.time for verdict in verdicts if verdict.jail == "farm"} == {2 * HOUR}


def test_each_client_counts_once_and_the_count_begins_anew_after_the_ban(networks: Networks) -> None:
    one = farm(networks)
    assert told(feed(one, *(line("192.0.2.1", hour * HOUR) for hour in range(5))))[-1][0] == "hasty"
    assert len(feed(one, line("192.0.2.2", 5 * HOUR))) == 4
    assert len(feed(one, line("192.0.2.3", 5 * HOUR + 1), line("192.0.2.4", 5 * HOUR + 2))) == 2


def test_who_is_in_no_network_counts_nowhere(networks: Networks) -> None:
    assert len(feed(farm(networks), *(line(f"10.0.0.{n}", n) for n in range(9)))) == 9


def test_without_a_table_nothing_is_counted() -> None:
    assert len(feed(farm(None), line("192.0.2.1", 0), line("192.0.2.2", 1))) == 2


def test_prefixes_with_somebody_ignored_are_left_out(networks: Networks) -> None:
    one = farm(networks, 'ignoreip = ["198.51.100.7", "2001:db8:1::/48"]\n')
    verdicts = feed(one, line("192.0.2.1", 0), line("192.0.2.2", 1))
    assert told(verdicts)[2:] == [("farm", "192.0.2.0/25", "AS64500")]
    nobody = farm(networks, 'ignoreip = ["0.0.0.0/0", "::/0"]\n')
    assert len(feed(nobody, line("192.0.2.1", 0), line("192.0.2.2", 1))) == 2
    assert nobody.spared["farm"] == 1


def test_bans_of_an_as_number_grow_and_are_forgotten(networks: Networks) -> None:
    one = farm(networks, "increment = true\n")
    feed(one, line("192.0.2.1", 0), line("192.0.2.2", 1))
    second = feed(one, line("192.0.2.3", 3 * HOUR), line("192.0.2.4", 3 * HOUR + 1))
    assert {(v.until - v.time, v.count) for v in second if v.group} == {(4 * HOUR, 1)}
    one.forget(64500, START + 3 * HOUR + 2)
    third = feed(one, line("192.0.2.5", 4 * HOUR), line("192.0.2.6", 4 * HOUR + 1))
    assert {(v.until - v.time, v.count) for v in third if v.group} == {(2 * HOUR, 0)}
