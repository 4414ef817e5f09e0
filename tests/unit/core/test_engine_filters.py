"""Jails with filters in the engine: beside those on requests, in any cut, with dates that lie, and names told later."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import client_key
from privet.core.engine import Batch, Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec
    from privet.core.verdicts import Verdict

T = 1_700_000_000.0
CONFIG = """
[source.auth]
path = "/var/log/auth.log"
format = "plain"
[jail.gate]
source = "auth"
filter = { failregex = 'gate: <ADDR> refused$' }
maxretry = 2
findtime = "10m"
bantime = "1h"
[jail.door]
source = "auth"
filter = { failregex = 'door: <ADDR> knocked$' }
maxretry = 2
[jail.both]
bans_of = "*"
maxretry = 2
"""


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(T + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def gate(seconds: float, client: str = "192.0.2.1", what: str = "gate: {} refused") -> bytes:
    return f"{stamp(seconds)} host {what.format(client)}\n".encode()


def door(seconds: float, client: str = "192.0.2.1") -> bytes:
    return gate(seconds, client, "door: {} knocked")


def engine(text: str = CONFIG, **options: object) -> Engine:
    return engine_for(parse(text, "privet.toml"), today=T, **options)  # type: ignore[arg-type]


def told(verdicts: Sequence[Verdict]) -> list[tuple[str, str, float]]:
    return [(one.jail, one.subject.reveal(), one.time - T) for one in verdicts]


def test_failures_that_filters_find_are_counted_and_lines_balance() -> None:
    counting = engine()

    verdicts = counting.feed(Batch("auth", gate(0) + b"noise\n" + gate(5) + gate(6, "2001:db8::1")), inf)

    assert told(verdicts) == [("gate", "192.0.2.1", 5.0)]
    source = counting.sources["auth"]
    assert (source.lines, source.parsed, source.ignored, source.unparsed.total()) == (4, 3, 1, 0)
    assert (source.late, source.ahead, source.complaint) == (0, 0, None)
    assert counting.matches()["gate"] == (3, T + 6)
    masked = "0.0.0.0"  # noqa: S104  of an address nothing is left
    assert counting.evidence(verdicts[0]) == tuple(gate(s, masked).decode().strip() for s in (0, 5))


LINES = [
    gate(0),
    door(10),
    gate(300),
    door(1000, "192.0.2.7"),
    door(20),  # a thousand seconds late: at the edge of the tolerance
    gate(1001, "2001:db8::5"),
    gate(1002, "2001:db8::6"),
    b"no date: nothing\n",
    door(1100, "2001:db8::7"),
    door(1101, "2001:db8::8"),
]


@pytest.mark.parametrize("cut", [1, 2, 3, 5, len(LINES)])
def test_no_cut_matters(cut: int) -> None:
    counting = engine()
    verdicts: list[Verdict] = []
    for start in range(0, len(LINES), cut):
        verdicts += counting.feed(Batch("auth", b"".join(LINES[start : start + cut])), inf)

    assert told(verdicts) == [
        ("gate", "192.0.2.1", 300.0),
        ("gate", "2001:db8::/64", 1002.0),
        ("door", "2001:db8::/64", 1101.0),
        ("both", "2001:db8::/64", 1101.0),
    ]
    assert counting.sources["auth"].late == 1


@pytest.mark.parametrize(
    ("old", "now", "counted"), [(True, 4000, -8000.0), (False, 4000, 4000.0), (False, -8000, -8000.0)]
)
def test_a_line_written_now_counts_as_now_whatever_it_says(old: bool, now: float, counted: float) -> None:  # noqa: FBT001
    counting = engine()

    verdicts = counting.feed(Batch("auth", gate(-8001) + gate(-8000), old), T + now)

    assert told(verdicts) == [("gate", "192.0.2.1", counted)]
    assert counting.sources["auth"].late == (2 if counted == now and not old and now > 0 else 0)


def test_a_stamp_ahead_of_the_clock_counts_as_now() -> None:
    counting = engine()

    assert told(counting.feed(Batch("auth", gate(9000) + gate(9001)), T)) == [("gate", "192.0.2.1", 0.0)]
    assert counting.sources["auth"].ahead == 2


MIXED = """
[source.web]
path = "/var/log/access.log"
format = "common"
[jail.requests]
source = "web"
maxretry = 3
[jail.lines]
source = "web"
filter = { failregex = '^<ADDR> .*"GET /admin' }
maxretry = 1
[jail.both]
bans_of = "*"
maxretry = 2
"""


def request(seconds: float, path: str, client: str = "192.0.2.1") -> bytes:
    time = datetime.fromtimestamp(T + seconds, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{client} - - [{time}] "GET {path} HTTP/1.1" 200 5\n'.encode()


@pytest.mark.parametrize("cut", [1, 2, 4, 7])
def test_filters_and_conditions_on_one_source(cut: int) -> None:
    lines = [
        request(0, "/"),
        request(1, "/admin"),
        b"garbage\n",
        request(500, "/admin", "192.0.2.9"),
        request(501, "/"),
        request(502, "/"),
        request(503, "/"),
    ]
    counting = engine(MIXED.replace("[jail.requests]", "[jail.requests]\nfindtime = '60s'"))
    verdicts: list[Verdict] = []
    for start in range(0, len(lines), cut):
        verdicts += counting.feed(Batch("web", b"".join(lines[start : start + cut])), inf)

    assert told(verdicts) == [
        ("lines", "192.0.2.1", 1.0),
        ("lines", "192.0.2.9", 500.0),
        ("requests", "192.0.2.1", 503.0),
        ("both", "192.0.2.1", 503.0),
    ]
    source = counting.sources["web"]
    assert (source.lines, source.parsed, source.unparsed.total()) == (7, 6, 1)


def test_clients_behind_a_proxy_are_denied_not_banned() -> None:
    counting = engine(CONFIG.replace('format = "plain"', 'format = "plain"\nproxied = true'))

    assert [one.action for one in counting.feed(Batch("auth", gate(0) + gate(1)), inf)] == ["deny"]


def test_ipv6_clients_can_be_wider() -> None:
    counting = engine(CONFIG + "[engine]\nipv6_client = 48\n")

    verdicts = counting.feed(Batch("auth", gate(0, "2001:db8:0:1::1") + gate(1, "2001:db8:0:2::1")), inf)

    assert told(verdicts) == [("gate", "2001:db8::/48", 1.0)]


def test_a_reload_keeps_what_was_counted() -> None:
    before, after = engine(), engine()
    before.feed(Batch("auth", gate(0)), inf)
    after.carry(before)

    assert told(after.feed(Batch("auth", gate(1)), inf)) == [("gate", "192.0.2.1", 1.0)]
    assert after.sources["auth"].lines == 2


NAMED = """
[source.auth]
path = "/var/log/auth.log"
[jail.gate]
source = "auth"
filter = { failregex = 'gate: <HOST> refused$', usedns = "yes" }
maxretry = 2
"""


def test_names_are_counted_when_somebody_has_looked_them_up() -> None:
    found: list[tuple[str, FilterSpec, Failure]] = []
    counting = engine(NAMED, observe=lambda source, spec, _place, failure: found.append((source, spec, failure)))
    lines = gate(0, "evil.example") + gate(1)

    assert counting.feed(Batch("auth", lines), inf) == []
    (source, spec, failure), _ = found
    assert (source, failure.kind, failure.who) == ("auth", "dns", "evil.example")
    keys = [key for text in (b"192.0.2.1", b"2001:db8::1") if (key := client_key(text))]
    assert told(counting.fail(source, spec, keys, T + 2)) == [("gate", "192.0.2.1", 2.0)]
    assert told(counting.fail(source, spec, keys[1:], T + 3)) == [("gate", "2001:db8::/64", 3.0)]


def test_failures_without_any_address_are_a_complaint() -> None:
    counting = engine(NAMED.replace('"yes"', '"warn"'))
    counting.feed(Batch("auth", gate(0, "evil.example") * 3), inf)

    complaint = counting.sources["auth"].complaint
    assert complaint == "source auth: there are failures, but never an address to ban (3 times a host name)"

    counting.feed(Batch("auth", gate(1)), inf)
    assert counting.sources["auth"].complaint is None


def test_the_journal_knows_when_a_line_was_written() -> None:
    text = CONFIG.replace('path = "/var/log/auth.log"\nformat = "plain"', "journal = []")
    counting = engine(text)

    verdicts = counting.feed(Batch("auth", b"1700000000.25 gate: 192.0.2.1 refused\n" * 2, old=True), T + 9e6)

    assert told(verdicts) == [("gate", "192.0.2.1", 0.25)]


def test_bans_from_elsewhere_make_the_next_one_longer() -> None:
    counting = engine(CONFIG.replace("[jail.door]", "increment = true\n[jail.door]"))
    (first,) = counting.feed(Batch("auth", gate(0) + gate(1)), inf)
    again = engine(CONFIG.replace("[jail.door]", "increment = true\n[jail.door]"))
    again.memory.recall(first.subject, "gate", 3, T)
    again.memory.recall(first.subject, "unknown", 3, T)
    (longer,) = again.feed(Batch("auth", gate(1) + gate(2)), inf)

    assert first.until - first.time == 3600
    assert longer.until - longer.time == 8 * 3600
    assert longer.count == 3


def test_a_jail_may_count_as_fail2ban_does() -> None:
    lines = b"".join(map(gate, (0, 1, 500, 650)))
    by_rate = CONFIG.replace("maxretry = 2\nfindtime", 'counting = "rate"\nmaxretry = 4\nfindtime')
    exact = by_rate.replace('"rate"', '"window"')

    assert told(engine(exact).feed(Batch("auth", lines), inf)) == []
    counting = engine(by_rate)
    before = engine(by_rate)
    before.feed(Batch("auth", gate(0)), inf)
    assert told(counting.feed(Batch("auth", lines), inf)) == [("gate", "192.0.2.1", 650.0)]
    after = engine(by_rate)
    after.carry(before)
    assert told(after.feed(Batch("auth", gate(1) + gate(500) + gate(650)), inf)) == [("gate", "192.0.2.1", 650.0)]
