"""Who reaches the limit of a patient jail is told first, and banned last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.engine import Batch, Engine
from privet.core.jails import Jail
from privet.core.verdicts import Action
from privet.core.windows.patience import Patience

if TYPE_CHECKING:
    from privet.core.verdicts import Verdict

WHO, OTHER = Subject.parse("10.0.0.1"), Subject.parse("10.0.0.2")
JAIL = Jail("feeds", ("web",), bantime=100.0, patience=1000.0)
CONFIG = (
    "[source.web]\npath = '/x'\n"
    "[jail.fast]\nsource = 'web'\nfindtime = 10\nmaxretry = 3\nbantime = '1m'\npatience = '5m'\n"
    "[jail.again]\nbans_of = 'fast'\nmaxretry = 1\nbantime = '1w'\n"
)


def test_who_goes_on_is_banned_in_the_end() -> None:
    patience = Patience(10)

    assert [patience.ends(JAIL, WHO, time) for time in (0.0, 150.0, 600.0, 999.0, 1000.0, 1200.0)] == [
        False,
        False,
        False,
        False,
        True,
        True,
    ]


def test_who_stays_below_the_limit_for_long_enough_begins_anew() -> None:
    patience = Patience(10)
    patience.ends(JAIL, WHO, 0.0)

    assert not patience.ends(JAIL, WHO, 1100.0)
    assert not patience.ends(JAIL, WHO, 2000.0)
    assert patience.ends(JAIL, WHO, 2100.0)


def test_a_jail_without_patience_bans_at_once() -> None:
    assert Patience(10).ends(Jail("one", ("web",)), WHO, 0.0)


def test_memory_is_bounded_and_whoever_was_told_longest_ago_goes() -> None:
    patience = Patience(1)
    patience.ends(JAIL, WHO, 0.0)
    patience.ends(JAIL, OTHER, 1.0)

    assert (len(patience), patience.evicted) == (1, 1)
    assert patience.ends(JAIL, OTHER, 1001.0)
    assert not patience.ends(JAIL, WHO, 1001.0)


def test_what_does_not_matter_any_more_is_forgotten() -> None:
    patience = Patience(10)
    patience.ends(JAIL, WHO, 0.0)
    patience.expire({"feeds": JAIL}, 1099.0)
    assert len(patience) == 1
    patience.expire({"feeds": JAIL}, 1100.0)
    assert len(patience) == 0

    patience.ends(JAIL, WHO, 0.0)
    patience.expire({}, 1.0)
    assert len(patience) == 0


def test_it_goes_with_the_clock_and_ends_with_an_unban() -> None:
    patience, other = Patience(10), Patience(10)
    patience.ends(JAIL, WHO, 0.0)
    other.carry(patience)
    other.shift(500.0)
    assert not other.ends(JAIL, WHO, 1400.0)
    assert other.ends(JAIL, WHO, 1500.0)

    other.forget(WHO, "another")
    assert other.ends(JAIL, WHO, 1600.0)
    other.forget(WHO)
    assert not other.ends(JAIL, WHO, 1700.0)


def fed(engine: Engine, begin: int, seconds: int) -> list[Verdict]:
    lines = [
        b'10.0.0.1 - - [22/Nov/2026:10:%02d:%02d +0000] "GET / HTTP/1.1" 200 5\n' % divmod(begin + second, 60)
        for second in range(0, seconds, 2)
    ]
    return [one for line in lines for one in engine.feed(Batch("web", line), 1e12)]


def test_verdicts_are_slow_first_and_bans_last() -> None:
    engine = engine_for(parse(CONFIG, "p.toml"))

    verdicts = fed(engine, 0, 380)

    kinds = [(one.jail, one.action) for one in verdicts]
    assert kinds[:5] == [("fast", Action.SLOW)] * 5
    assert kinds[5:] == [("fast", Action.BAN), ("again", Action.BAN)]
    assert verdicts[0].until - verdicts[0].time == 60
    assert engine.memory.offences.of(b"") == {}


def test_a_reload_and_an_unban_are_heeded() -> None:
    old, new = engine_for(parse(CONFIG, "p.toml")), engine_for(parse(CONFIG, "p.toml"))
    fed(old, 0, 280)
    new.carry(old)
    assert [one.action for one in fed(new, 322, 10)] == [Action.BAN, Action.BAN]

    new.forget(WHO, 1e12)
    assert {one.action for one in fed(new, 1500, 30)} == {Action.SLOW}


def test_a_dry_run_only_reports() -> None:
    engine = engine_for(parse(CONFIG.replace("patience", "dry_run = true\npatience"), "p.toml"))

    assert {one.action for one in fed(engine, 0, 100)} == {Action.REPORT}
