"""Jails for manners, as they are written, and the files that they need."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.jails import Jail

WEB = "[source.web]\npipe = true\n[jail.one]\nsource = 'web'\n"


def test_a_jail_for_manners_has_a_signal_and_counts_like_any_other() -> None:
    text = WEB + "kind = 'manners'\nsignal = 'backoff'\nwait = '2m'\nmaxretry = 3\npatience = '6h'\n"

    assert parse(text, "").jails["one"] == Jail(
        name="one", sources=("web",), kind="manners", signal="backoff", wait=120.0, maxretry=3, patience=21_600.0
    )


def test_robots_are_read_from_one_place_or_from_one_for_each_site() -> None:
    one = parse("[manners]\nrobots = '/var/www/html/robots.txt'\n", "").manners
    many = "{ 'Blog.example' = 'http://127.0.0.1:8080/robots.txt', '*' = 'https://wiki.example/robots.txt' }"

    assert one.robots == {"*": "/var/www/html/robots.txt"}
    assert parse(f"[manners]\nrobots = {many}\n", "").manners.robots == {
        "blog.example": "http://127.0.0.1:8080/robots.txt",
        "*": "https://wiki.example/robots.txt",
    }


def test_crawlers_are_named_by_a_word_of_their_agent() -> None:
    text = "[manners]\ncrawlers = { Googlebot = '/etc/privet/googlebot.json' }\n"

    assert parse(text, "").manners.crawlers == {"googlebot": "/etc/privet/googlebot.json"}


PLACES = "expected an absolute path, an https address, or an http address of this machine, got"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WEB + "kind = 'manners'", "3: jail.one: needs 'signal'"),
        (WEB + "signal = 'heads'", "5: jail.one.signal: only a jail with 'kind = \"manners\"' has this"),
        (WEB + "wait = 5", "5: jail.one.wait: only a jail with 'kind = \"manners\"' has this"),
        (WEB + "kind = 'manners'\nsignal = 'heads'\nwait = 5", "7: jail.one.wait: only the signal 'backoff' has this"),
        (WEB + "kind = 'manners'\nsignal = 'heads'\nevery = 5", "7: jail.one.every: only the signal 'feeds' has this"),
        (
            WEB + "kind = 'manners'\nsignal = 'heads'\ncounting = 'rate'",
            "7: jail.one.counting: a jail for manners does not have this",
        ),
        (
            WEB + "kind = 'manners'\nsignal = 'robots'",
            "6: jail.one.signal: this signal needs to know where robots.txt is: 'robots' in [manners]",
        ),
        (
            WEB + "kind = 'manners'\nsignal = 'fake-robot'",
            "6: jail.one.signal: this signal needs files with networks: 'crawlers' in [manners]",
        ),
        (
            WEB + "kind = 'swarm'\npatience = '1h'",
            "6: jail.one.patience: only a jail that bans single clients for what they do has this",
        ),
        ("[manners]\nrobots = 'robots.txt'", f"2: manners.robots: {PLACES} 'robots.txt'"),
        (
            "[manners]\nrobots = 'http://blog.example/robots.txt'",
            f"2: manners.robots: {PLACES} 'http://blog.example/robots.txt'",
        ),
        (
            "[manners]\ncrawlers = { googlebot = 'ranges.json' }",
            "2: manners.crawlers: googlebot: expected an absolute path, got 'ranges.json'",
        ),
        (
            "[manners]\ncrawlers = { a = '/x' }",
            "2: manners.crawlers: a robot is named by a word of its agent, three letters or longer, got 'a'",
        ),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(f"{text}\n", "p.toml")
    assert str(caught.value).splitlines() == [f"p.toml:{said}"]
