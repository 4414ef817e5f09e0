"""Lists of others and tables of networks, as they are written."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.config.model import FeedConfig, NetworksConfig

WEB = "[source.web]\npipe = true\n[jail.leech]\nsource = 'web'\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "p.toml")
    return [line.removeprefix("p.toml:") for line in str(caught.value).splitlines()]


def test_every_setting_of_a_feed_arrives() -> None:
    text = (
        "[feed.drop]\nurl = 'https://example.org/drop.txt'\nevery = '12h'\nmax_entries = 5\n[feed.own]\npath = '/x'\n"
    )

    assert parse(text, "").feeds == {
        "drop": FeedConfig(name="drop", url="https://example.org/drop.txt", every=43_200.0, max_entries=5),
        "own": FeedConfig(name="own", path="/x"),
    }


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "1: feed.one: needs 'url' or 'path'"),
        ("url = 'https://example.org/'\npath = '/x'", "3: feed.one.path: a feed has either 'url' or 'path', not both"),
        ("url = 'http://example.org/'", "2: feed.one.url: expected an address that begins with https://, got "),
        ("url = 'file:///etc/passwd'", "2: feed.one.url: expected an address that begins with https://, got "),
        ("url = 'https://'", "2: feed.one.url: expected an address that begins with https://, got "),
        ("url = 'https://[::'", "2: feed.one.url: expected an address that begins with https://, got "),
        ("url = 'https://example.org/a b'", "2: feed.one.url: expected an address that begins with https://, got "),
        ("path = '/x'\nevery = '1m'", "3: feed.one.every: must be 300 seconds or more"),
        ("path = '/x'\nmax_entries = 0", "3: feed.one.max_entries: expected a whole number, 1 or more"),
        ("path = '/x'\nmax_entries = 1000001", "3: feed.one.max_entries: must be 1,000,000 or less"),
        ("path = '/x'\nurls = 'x'", "3: feed.one.urls: unknown setting"),
    ],
)
def test_mistakes_in_a_feed_have_their_place(text: str, mistake: str) -> None:
    assert mistakes(f"[feed.one]\n{text}\n")[0].startswith(mistake)


def test_the_name_of_a_feed_is_a_name() -> None:
    assert mistakes("[feed.'a b']\npath = '/x'\n")[0].startswith("1: feed.'a b': a name consists of")


def test_the_table_of_networks() -> None:
    assert parse("[networks]\ntable = '/x'\nmost_innocent = 7\n", "").networks == NetworksConfig(
        table="/x", most_innocent=7
    )


def test_a_jail_that_counts_by_as_number_needs_the_table() -> None:
    jail = "[jail.farm]\nbans_of = '*'\nkey = 'asn'\n"

    assert mistakes(WEB + jail)[0].startswith("7: jail.farm.key: needs a table of AS numbers")
    assert parse(f"{WEB}{jail}[networks]\ntable = '/x'\n", "").jails["farm"].key == "asn"


@pytest.mark.parametrize("length", ["31", "65", "'56'", "true", "56.0"])
def test_an_ipv6_client_has_a_sensible_length(length: str) -> None:
    assert mistakes(f"[engine]\nipv6_client = {length}\n")[0].startswith(
        "2: engine.ipv6_client: expected a prefix length"
    )


def test_an_ipv6_client_may_be_wider() -> None:
    assert parse("[engine]\nipv6_client = 48\n", "").engine.ipv6_client == 48
