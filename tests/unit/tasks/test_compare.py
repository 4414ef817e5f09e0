"""Two rule sets over the same log: what only one of them does, and who is banned earlier."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from privet.config.loader import parse
from privet.tasks.compare import compare
from privet.tasks.replay import replay
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path

    from privet.tasks.compare import Compared

BEGIN = 1_795_345_200.0
SOURCE = '[source.web]\npath = "/x"\n'
JAIL = SOURCE + '[jail.leech]\nsource = "web"\nmaxretry = {}\nfindtime = "{}"\nbantime = "10m"\n'
QUICK, SLOW, READER = "192.0.2.1", "198.51.100.7", "2001:db8:a:b::7"


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Return a log of one who asks every second, one who asks twice a minute, and one who asks now and then."""
    paces = [(QUICK, 1, 30), (SLOW, 30, 30), (READER, 300, 5)]
    asked = [(BEGIN + number * every, client) for client, every, count in paces for number in range(count)]
    path = tmp_path / "log"
    path.write_text("".join(f"{line(client, '/', at=time)}\n" for time, client in sorted(asked)))
    return str(path)


def compared(log: str, first: str, second: str, source: str | None = None) -> Compared:
    return compare((parse(first, "a.toml"), parse(second, "b.toml")), [log], source)


def test_who_is_banned_by_one_only_and_who_earlier_or_later(log: str) -> None:
    found = compared(log, JAIL.format(5, "10s"), JAIL.format(8, "5m"))

    told = {one.subject.reveal(): (one.later, bool(one.a), bool(one.b)) for one in found.banned}
    assert told == {QUICK: (3, True, True), SLOW: (None, False, True)}
    assert [one.look is not None for one in found.banned] == [True, True]
    assert found.bans == {"leech": (1, 2, 0)}


def test_equal_rules_differ_in_nothing(log: str) -> None:
    found = compared(log, JAIL.format(5, "10s"), JAIL.format(5, "10s"))

    assert found.bans == {"leech": (0, 0, 1)}
    assert [one.later for one in found.banned] == [0]


@pytest.mark.parametrize("second", [JAIL.replace('"/x"\n', '"/x"\nformat = "combined"\n'), JAIL])
def test_each_side_is_what_its_own_replay_says(log: str, second: str) -> None:
    texts = JAIL.format(5, "10s"), second.format(8, "5m")
    found = compared(log, *texts)

    for outcome, text in zip((found.a, found.b), texts, strict=True):
        alone = replay(parse(text, "x.toml"), [log], "web")
        assert outcome.verdicts == alone.verdicts
        assert outcome.totals == alone.totals
        assert outcome.effects is not None
        assert outcome.looks is not None
        assert all(outcome.looks.look(key).requests == 30 for key in outcome.effects.hit)


def test_networks_of_other_lengths_are_others(log: str) -> None:
    net = '[jail.nets]\nbans_of = "leech"\nkey = "prefix"\nprefixes = [{}, 48]\nmaxretry = 1\n'
    found = compared(log, JAIL.format(5, "10s") + net.format(24), JAIL.format(5, "10s") + net.format(16))

    told = {(one.subject.length, one.look is None, bool(one.a), bool(one.b)) for one in found.banned}
    assert told == {(32, False, True, True), (24, True, True, False), (16, True, False, True)}


def test_only_the_jails_asked_for_are_compared(log: str) -> None:
    other = '[jail.other]\nsource = "web"\nmaxretry = 1\n'
    configs = parse(JAIL.format(5, "10s"), "a"), parse(JAIL.format(5, "10s") + other, "b")

    found = compare(configs, [log], jails=["other"])
    assert {(one.a is None, one.b and one.b.jails) for one in found.banned} == {(True, ("other",))}


def test_files_stand_for_the_source_of_each(log: str) -> None:
    renamed = JAIL.format(5, "10s").replace("web", "site")

    found = compared(log, JAIL.format(5, "10s"), renamed)
    assert found.bans == {"leech": (0, 0, 1)}
    with pytest.raises(LookupError, match="no source web"):
        compared(log, JAIL.format(5, "10s"), renamed, source="web")


def test_items_come_in_the_order_of_time(log: str) -> None:
    found = compared(log, JAIL.format(3, "10s"), JAIL.format(2, "1h"))

    firsts = [min(side.first for side in (one.a, one.b) if side) for one in found.banned]
    assert len(firsts) == 3
    assert all(one <= other for one, other in itertools.pairwise(firsts))
