"""Whom the engine spares, and what becomes of clients behind proxies."""

from __future__ import annotations

import math

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.engine import Batch, Engine
from privet.core.guard import Listed
from privet.core.parsing.forwarded import Proxies
from privet.core.parsing.times import write_clf
from privet.core.verdicts import Action, Verdict

START = 1_700_000_000.0
JAIL = '[jail.one]\nsource = "web"\nmaxretry = 1\nports = 22\n'
REPEAT = '[jail.again]\nbans_of = "one"\nkey = "{key}"\nmaxretry = 2\n'
PLAIN = '[source.web]\npipe = true\nformat = "common"\n'
FORWARDED = (
    "[source.web]\npipe = true\n"
    """format = '%h %l %u %t "%r" %>s %b "%{X-Forwarded-For}i"'\n"""
    '[proxies]\ntrusted = ["10.0.0.0/8"]\n'
)


def line(client: str, forwarded: str = "-", *, plain: bool = False) -> bytes:
    text = b'%b - - [%b] "GET / HTTP/1.1" 200 5' % (client.encode(), write_clf(START))
    return text + b"\n" if plain else text + b' "%b"\n' % forwarded.encode()


def made(text: str, proxies: Proxies | None = None) -> Engine:
    return engine_for(parse(text, "p.toml"), proxies=proxies)


def feed(one: Engine, *lines: bytes) -> list[Verdict]:
    return one.feed(Batch("web", b"".join(lines)), math.inf)


def told(verdicts: list[Verdict]) -> list[tuple[str, str, str, str]]:
    return [(v.action.value, v.jail, v.subject.reveal(), v.scope) for v in verdicts]


def test_a_client_behind_a_trusted_proxy_is_denied_and_others_are_banned() -> None:
    verdicts = feed(
        made(FORWARDED + JAIL),
        line("10.0.0.1", "203.0.113.7"),
        line("203.0.113.8", "198.51.100.1"),
        line("10.0.0.1", "198.51.100.1, 2001:db8::5, 10.0.0.2"),
    )
    assert told(verdicts) == [
        ("deny", "one", "203.0.113.7", ""),
        ("ban", "one", "203.0.113.8", "tcp:22"),
        ("deny", "one", "2001:db8::/64", ""),
    ]


def test_trust_comes_from_outside_where_it_is_given() -> None:
    assert told(feed(made(FORWARDED + JAIL, Proxies()), line("10.0.0.1", "203.0.113.7"))) == [
        ("ban", "one", "10.0.0.1", "tcp:22")
    ]


def test_a_source_behind_a_proxy_that_the_server_sees_through() -> None:
    text = PLAIN.replace("pipe", "proxied = true\npipe")
    assert told(feed(made(text + JAIL), line("203.0.113.7", plain=True))) == [("deny", "one", "203.0.113.7", "")]
    assert told(feed(made(PLAIN + JAIL), line("203.0.113.7", plain=True))) == [("ban", "one", "203.0.113.7", "tcp:22")]


def test_a_dry_run_reports_behind_proxies_too() -> None:
    (verdict,) = feed(made(FORWARDED + JAIL + "dry_run = true\n"), line("10.0.0.1", "203.0.113.7"))
    assert verdict.action is Action.REPORT


@pytest.mark.parametrize(("key", "expected"), [("address", "203.0.113.7"), ("prefix", "203.0.113.0/24")])
def test_who_comes_back_behind_a_proxy_is_denied_for_longer(key: str, expected: str) -> None:
    one = made(FORWARDED + JAIL.replace("ports = 22", "bantime = 1") + REPEAT.format(key=key))
    feed(one, line("10.0.0.1", "203.0.113.7"))
    later = line("10.0.0.1", "203.0.113.7" if key == "address" else "203.0.113.8")
    later = later.replace(write_clf(START), write_clf(START + 5))
    assert told(feed(one, later))[1:] == [("deny", "again", expected, "")]


def test_lists_in_ignoreip_count_as_soon_as_they_are_known_and_as_long() -> None:
    office, folder = Listed("name", ("office.example.org",)), Listed("file", ("/etc/office",))
    text = PLAIN + JAIL + 'ignoreip = ["office.example.org", "file:/etc/office", "198.51.100.1"]\n'
    one = made(text + REPEAT.format(key="prefix"))
    clients = [f"203.0.113.{number}" for number in range(4)]
    assert told(feed(one, *(line(c, plain=True) for c in ("198.51.100.1", clients[0])))) == [
        ("ban", "one", clients[0], "tcp:22")
    ]
    one.ignore({office: [Subject.parse(clients[1])], folder: [Subject.parse(clients[2])]})
    assert feed(one, *(line(client, plain=True) for client in clients[1:3])) == []
    assert told(feed(one, line(clients[3], plain=True))) == [("ban", "one", clients[3], "tcp:22")]
    assert one.spared == {"one": 3, "again": 1}, "a network in which one of them lies is spared, too"
    one.ignore({office: []})
    later = line(clients[2], plain=True).replace(write_clf(START), write_clf(START + 600))
    assert told(feed(one, later))[0] == ("ban", "one", clients[2], "tcp:22")


def test_whom_watched_jails_ignore_is_ignored_too() -> None:
    text = PLAIN + JAIL + 'ignoreip = "203.0.113.9"\n' + REPEAT.format(key="prefix")
    for config, spared in ((text, 1), (text.replace('ignoreip = "203.0.113.9"', ""), 0)):
        one = made(config)
        feed(one, line("203.0.113.1", plain=True), line("203.0.113.2", plain=True))
        assert one.spared["again"] == spared
