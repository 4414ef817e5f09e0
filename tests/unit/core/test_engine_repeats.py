"""Longer bans and bans for bans, as the engine orders them: dialogues of lines and verdicts."""

from __future__ import annotations

import math

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.engine import Batch, Engine
from privet.core.parsing.times import write_clf
from privet.core.verdicts import Action, Verdict

START = 1_700_000_000.0
HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
WEB = '[source.web]\npipe = true\nformat = "common"\n'
HASTY = WEB + '[jail.hasty]\nsource = "web"\nmaxretry = 1\nbantime = "1h"\n'
RECIDIVE = '[jail.recidive]\nbans_of = "*"\nfindtime = "1d"\nmaxretry = 6\nbantime = "1w"\n'


def line(client: str, seconds: float, status: int = 200) -> bytes:
    return b'%b - - [%b] "GET / HTTP/1.1" %d 5\n' % (client.encode(), write_clf(START + seconds), status)


def engine(config: str, *secrets: bytes) -> Engine:
    return engine_for(parse(config, "p.toml"), secrets=secrets)


def feed(one: Engine, *lines: bytes) -> list[Verdict]:
    return one.feed(Batch("web", b"".join(lines)), math.inf)


def told(verdicts: list[Verdict]) -> list[tuple[str, str, float, float, int]]:
    """Return jail, subject, when, how long and the count of each verdict."""
    return [(v.jail, v.subject.reveal(), v.time - START, v.until - v.time, v.count) for v in verdicts]


def lengths(verdicts: list[Verdict]) -> list[float]:
    return [verdict.until - verdict.time for verdict in verdicts]


def test_an_hour_and_a_week_for_the_sixth_within_a_day() -> None:
    verdicts = feed(engine(HASTY + RECIDIVE), *(line("192.0.2.1", hour * HOUR) for hour in range(8)))

    hours = [("hasty", "192.0.2.1", hour * HOUR, HOUR, 0) for hour in range(8)]
    assert told(verdicts) == [*hours[:6], ("recidive", "192.0.2.1", 5 * HOUR, WEEK, 0), *hours[6:]]
    assert {verdict.failures for verdict in verdicts if verdict.jail == "recidive"} == {6}


def test_the_sixth_after_more_than_a_day_is_an_hour_again() -> None:
    verdicts = feed(engine(HASTY + RECIDIVE), *(line("192.0.2.1", number * (DAY / 5 + 1)) for number in range(20)))

    assert lengths(verdicts) == [HOUR] * 20


def test_six_banned_clients_of_a_network_bring_it_down_once() -> None:
    config = HASTY + RECIDIVE.replace("recidive", "neighbours") + 'key = "prefix"\n'
    clients = [f"198.51.100.{last}" for last in range(1, 12)]
    elsewhere = [f"203.0.113.{last}" for last in range(1, 6)]
    verdicts = feed(engine(config), *(line(client, second) for second, client in enumerate(elsewhere + clients)))

    assert [entry for entry in told(verdicts) if entry[0] == "neighbours"] == [
        ("neighbours", "198.51.100.0/24", 10, WEEK, 0)
    ]
    assert len(verdicts) == len(clients) + len(elsewhere) + 1


def test_bans_grow_and_are_forgiven() -> None:
    config = HASTY + 'increment = true\nforget = "1d"\nmaxtime = "3h"\n'
    times = [0, 1, 3, 6, 10, 10 + 3 + 24, 10 + 3 + 24 + 3 + 25]
    verdicts = feed(engine(config), *(line("192.0.2.1", hour * HOUR) for hour in times))

    assert [length / HOUR for length in lengths(verdicts)] == [1, 2, 3, 3, 3, 3, 1]
    assert [verdict.count for verdict in verdicts] == [0, 1, 2, 3, 4, 5, 0]


def test_failures_within_a_longer_ban_do_not_count() -> None:
    config = HASTY + "increment = true\n"
    verdicts = feed(engine(config), *(line("192.0.2.1", hour * HOUR / 2) for hour in range(16)))

    assert told(verdicts) == [
        ("hasty", "192.0.2.1", 0, HOUR, 0),
        ("hasty", "192.0.2.1", HOUR, 2 * HOUR, 1),
        ("hasty", "192.0.2.1", 3 * HOUR, 4 * HOUR, 2),
        ("hasty", "192.0.2.1", 7 * HOUR, 8 * HOUR, 3),
    ]


def test_each_client_grows_for_itself() -> None:
    config = HASTY + "increment = true\n"
    clients = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"]
    verdicts = feed(engine(config), *(line(client, number * DAY) for number in range(2) for client in clients))

    assert [verdict.count for verdict in verdicts] == [0] * 4 + [1] * 4


OVERALL = (
    WEB
    + "[escalation]\nincrement = true\noveralljails = true\n"
    + '[jail.wanted]\nsource = "web"\nstatus = 404\nmaxretry = 1\nbantime = "1h"\n'
    + '[jail.other]\nsource = "web"\nstatus = 403\nmaxretry = 1\nbantime = "1h"\n'
)


def test_with_overalljails_other_jails_count_row_by_row() -> None:
    statuses = [404, 403, 404, 403, 404]
    lines = [line("192.0.2.1", number * DAY, status) for number, status in enumerate(statuses)]

    assert [v.count for v in feed(engine(OVERALL), *lines)] == [0, 1, 2, 3, 4]
    assert [v.count for v in feed(engine(OVERALL.replace("overalljails = true", "")), *lines)] == [0, 0, 1, 1, 2]


def test_overalljails_is_a_matter_of_the_jail_that_asks() -> None:
    config = OVERALL.replace("overalljails = true", "") + "overalljails = true\n"
    lines = [line("192.0.2.1", number * DAY, status) for number, status in enumerate([404, 403, 404, 403])]

    assert [v.count for v in feed(engine(config), *lines)] == [0, 1, 1, 3]


def test_jails_without_increment_count_for_those_with_overalljails() -> None:
    config = OVERALL.replace("bantime", "increment = false\nbantime", 1)
    lines = [line("192.0.2.1", number * DAY, status) for number, status in enumerate([404, 404, 403, 404])]

    assert [(v.jail, v.count, v.until - v.time) for v in feed(engine(config), *lines)] == [
        ("wanted", 0, HOUR),
        ("wanted", 0, HOUR),
        ("other", 2, 4 * HOUR),
        ("wanted", 0, HOUR),
    ]


def test_a_dry_run_and_a_ban_for_bans_count_for_nobody_else() -> None:
    dry = OVERALL.replace("status = 404", "status = 404\ndry_run = true")
    lines = [line("192.0.2.1", number * DAY, status) for number, status in enumerate([404, 404, 403])]
    verdicts = feed(engine(dry), *lines)
    assert [(v.action, v.count) for v in verdicts] == [(Action.REPORT, 0), (Action.REPORT, 1), (Action.BAN, 0)]

    with_recidive = OVERALL + RECIDIVE.replace("6", "1")
    verdicts = feed(engine(with_recidive), *(line("192.0.2.1", number * 40 * DAY / 7, 404) for number in range(4)))
    assert [(v.jail, v.count, v.until - v.time) for v in verdicts] == [
        ("wanted", 0, HOUR),
        ("recidive", 0, WEEK),
        ("wanted", 1, 2 * HOUR),
        ("wanted", 2, 4 * HOUR),
        ("recidive", 1, 2 * WEEK),
        ("wanted", 3, 8 * HOUR),
    ]


def test_reports_are_no_bans() -> None:
    config = HASTY + "dry_run = true\n" + RECIDIVE.replace("6", "1")

    assert [v.jail for v in feed(engine(config), line("192.0.2.1", 0))] == ["hasty"]


def test_a_dry_run_on_bans_reports() -> None:
    config = HASTY + RECIDIVE.replace("6", "1") + "dry_run = true\n"

    assert [v.action for v in feed(engine(config), line("192.0.2.1", 0))] == [Action.BAN, Action.REPORT]


def test_several_jails_on_bans_answer_in_their_order() -> None:
    config = HASTY + RECIDIVE.replace("6", "1") + RECIDIVE.replace("6", "1").replace("recidive", "again")

    assert [v.jail for v in feed(engine(config), line("192.0.2.1", 0), line("192.0.2.2", 0))] == [
        *("hasty", "recidive", "again") * 2
    ]


def test_bans_for_bans_grow_too_and_those_within_do_not_count() -> None:
    config = HASTY + RECIDIVE.replace("6", "1") + "increment = true\n"
    verdicts = feed(engine(config), *(line("192.0.2.1", days * DAY) for days in range(23)))

    assert [entry for entry in told(verdicts) if entry[0] == "recidive"] == [
        ("recidive", "192.0.2.1", 0, WEEK, 0),
        ("recidive", "192.0.2.1", WEEK, 2 * WEEK, 1),
        ("recidive", "192.0.2.1", 3 * WEEK, 4 * WEEK, 2),
    ]


def test_jails_that_one_row_concerns_answer_in_their_order() -> None:
    jails = [("first", ""), ("second", "status = 200\n"), ("third", "")]
    config = WEB + "".join(f"[jail.{name}]\nsource = 'web'\nmaxretry = 1\n{rest}" for name, rest in jails)
    verdicts = feed(engine(config), line("192.0.2.1", 0), line("192.0.2.2", 0))

    assert [v.jail for v in verdicts] == ["first", "second", "third"] * 2


def test_nobody_who_is_ignored_anywhere_is_banned_with_a_network() -> None:
    network = RECIDIVE.replace("6", "2") + 'key = "prefix"\n'
    config = HASTY + 'ignoreip = "198.51.100.77"\n' + network
    one = engine(config)
    verdicts = feed(one, *(line(f"198.51.100.{last}", last) for last in range(70, 80)))

    assert {v.jail for v in verdicts} == {"hasty"}
    assert one.spared == {"hasty": 1, "recidive": 1}


def test_chance_is_the_same_every_time_and_hidden_by_the_secret() -> None:
    config = HASTY + 'increment = true\nrndtime = "1h"\n'
    lines = [line("192.0.2.1", number * DAY) for number in range(4)]
    here, again, there = (lengths(feed(engine(config, secret), *lines)) for secret in (b"", b"", b"x" * 32))

    assert here == again
    assert here[0] == there[0] == HOUR
    assert all(0 <= length - HOUR * 2**number < HOUR for number, length in enumerate(here))
    assert not set(here[1:]) & set(there[1:])


def test_the_secret_hides_who_was_banned() -> None:
    clear, hidden = engine(HASTY + "increment = true\n"), engine(HASTY + "increment = true\n", b"x" * 32)
    for one in (clear, hidden):
        feed(one, line("192.0.2.1", 0), line("192.0.2.1", DAY), line("2001:db8::1", 0))

    known, kept = list(clear.memory.offences.export()), list(hidden.memory.offences.export())
    assert known[0][0] == bytes([192, 0, 2, 1, 32])
    assert all(bytes([192, 0, 2, 1]) not in state[0] and len(state[0]) == 16 for state in kept)
    assert [state[1:] for state in known] == [state[1:] for state in kept]


def test_counts_go_on_in_the_next_epoch_but_not_in_the_one_after_it() -> None:
    config = HASTY + 'increment = true\nforget = "100d"\n'
    one, late, renewed = (engine(config, b"first") for _ in range(3))
    for each in (one, late, renewed):
        feed(each, line("192.0.2.1", 0))
        each.memory.turn([b"second", b"first"])
    renewed.memory.renew(Subject.parse("192.0.2.1"))
    assert [v.count for v in feed(one, line("192.0.2.1", DAY))] == [1]
    assert len(one.memory.offences) == 1
    for each in (late, renewed):
        each.memory.turn([b"third", b"second"])
    assert [v.count for v in feed(late, line("192.0.2.1", DAY))] == [0]
    assert [v.count for v in feed(renewed, line("192.0.2.1", DAY))] == [1]
    assert renewed.memory.history(Subject.parse("192.0.2.1")) == {"hasty": 2}


def test_what_a_store_keeps_of_a_count_moves_to_the_new_token() -> None:
    one = engine(HASTY + "increment = true\n", b"first")
    one.restore([])
    feed(one, line("192.0.2.1", 0))
    ((before,), _) = one.memory.changes()
    one.memory.turn([b"second", b"first"])
    one.memory.renew(Subject.parse("192.0.2.1"))
    puts, drops = one.memory.changes()
    assert [note.key for note in drops] == [before.key]
    assert [note.data for note in puts] == [before.data]
    assert puts[0].key != before.key


def test_nothing_is_remembered_that_nobody_asks_for() -> None:
    one = engine(HASTY)
    feed(one, *(line("192.0.2.1", number * DAY) for number in range(4)))

    assert len(one.memory.offences) == 0


def test_an_unban_forgets_everything_about_a_client() -> None:
    one = engine(HASTY + "increment = true\n" + RECIDIVE.replace("6", "3"))
    feed(one, line("192.0.2.1", 0), line("192.0.2.1", 2 * HOUR))
    one.forget(Subject.parse("192.0.2.1"), START + 2 * HOUR + 1)

    assert told(feed(one, line("192.0.2.1", 3 * HOUR))) == [("hasty", "192.0.2.1", 3 * HOUR, HOUR, 0)]


@pytest.mark.parametrize("other", ["2001:db8::/32", "192.0.2.0/24"])
def test_an_unban_of_a_network_forgets_no_client(other: str) -> None:
    """The first 32 bits of a network are no client's key, though an IPv4 client could look like them."""
    one = engine(HASTY + "increment = true\n")
    client = "32.1.13.184"  # what 2001:db8::/32 would be as an IPv4 address
    feed(one, line(client, 0), line(client, 10))
    one.forget(Subject.parse(other), START + 11)

    assert feed(one, line(client, 20)) == []


def test_a_reload_keeps_the_counts() -> None:
    config = HASTY + "increment = true\n" + RECIDIVE.replace("6", "3")
    one, fresh = engine(config), engine(config.replace("bantime", "ignoreip = []\nbantime"))
    feed(one, line("192.0.2.1", 0), line("192.0.2.1", 2 * HOUR))
    fresh.carry(one)

    verdicts = feed(fresh, line("192.0.2.1", 8 * HOUR))
    assert told(verdicts) == [
        ("hasty", "192.0.2.1", 8 * HOUR, 4 * HOUR, 2),
        ("recidive", "192.0.2.1", 8 * HOUR, WEEK, 0),
    ]
    assert fresh.matches() == {"hasty": (3, START + 8 * HOUR), "recidive": (3, START + 8 * HOUR)}


def test_counts_that_a_store_kept_go_on() -> None:
    config = HASTY + "increment = true\n" + RECIDIVE.replace("6", "3")
    one, fresh = engine(config, b"secret"), engine(config, b"secret")
    feed(one, line("192.0.2.1", 0), line("192.0.2.1", 2 * HOUR))
    fresh.memory.offences.restore(one.memory.offences.export())
    fresh.memory.recidives[0].restore(one.memory.recidives[0].export())

    assert [v.count for v in feed(fresh, line("192.0.2.1", 8 * HOUR))] == [2, 0]


def test_a_line_that_is_read_again_after_a_restart_makes_the_same_ban() -> None:
    config = HASTY + "increment = true\nrndtime = 1000\n"
    one, fresh = engine(config), engine(config)
    lines = [line("192.0.2.1", 0), line("192.0.2.1", 2 * HOUR)]
    before = feed(one, *lines)
    fresh.memory.offences.restore(one.memory.offences.export())

    assert feed(fresh, lines[-1]) == before[-1:]
    assert list(fresh.memory.offences.export()) == list(one.memory.offences.export())


def test_all_that_is_forgotten_is_counted() -> None:
    config = HASTY + "increment = true\n" + RECIDIVE + "[engine]\nmax_clients = 1000\n"
    one = engine(config)
    feed(one, *(line(f"10.0.{number >> 8}.{number & 255}", number / 100) for number in range(1500)))

    assert len(one.memory.offences) <= 1000
    assert len(one.memory.recidives[0]) <= 1000
    assert one.evicted >= one.memory.offences.evicted + one.memory.recidives[0].evicted > 1000
    assert one.tracked <= 2000


@pytest.mark.parametrize(("lifted", "config"), [("192.0.2.1", ""), ("192.0.2.0/24", 'key = "prefix"\n')])
def test_who_was_unbanned_is_not_banned_for_the_same_lines_again(lifted: str, config: str) -> None:
    """Read the log again, as after a restart, with what a store kept."""
    hasty, again = HASTY + RECIDIVE.replace("6", "2") + config, Subject.parse(lifted)
    lines = [line("192.0.2.1", 0), line("192.0.2.2", 0), line("192.0.2.1", 2 * HOUR)]
    one = engine(hasty)
    one.restore([])
    first = {verdict.subject for verdict in feed(one, *lines)}
    assert again in first
    for subject in first:
        one.forget(subject, START + 2 * HOUR + 10)
    puts, drops = one.memory.changes()
    assert one.memory.changes() == ([], [])

    fresh = engine(hasty)
    fresh.restore(note for note in puts if note.key not in {gone.key for gone in drops})
    assert feed(fresh, *lines) == []
    assert {verdict.jail for verdict in feed(fresh, line("192.0.2.1", 3 * HOUR))} == {"hasty"}
    fresh.shift(-86_400)
    fresh.memory.expire(START + 3 * HOUR)
    assert len(fresh.memory.pardons) == 0


def test_a_pardon_of_an_as_number_comes_back() -> None:
    one, fresh = engine(HASTY + RECIDIVE), engine(HASTY + RECIDIVE)
    one.restore([])
    one.forget(64500, START)
    fresh.restore(one.memory.changes()[0])
    assert fresh.memory.recidives[0].until == {64500: START}


def test_an_unban_from_one_jail_leaves_what_others_count_and_remember() -> None:
    """Two jails of equal predicates share a window, and a third counts the bans of both."""
    grow = 'increment = true\nforget = "1w"\n'
    slow = f'[jail.slow]\nsource = "web"\nfindtime = "1d"\nmaxretry = 3\nbantime = "1h"\n{grow}'
    config = HASTY + grow + slow + RECIDIVE.replace("6", "4")
    one, client = engine(config), Subject.parse("192.0.2.1")
    feed(one, *(line("192.0.2.1", hour * HOUR) for hour in (0, 4)))
    one.forget(client, START + 5 * HOUR, "hasty")

    assert one.memory.history(client) == {}
    assert told(feed(one, line("192.0.2.1", 6 * HOUR))) == [
        ("hasty", "192.0.2.1", 6 * HOUR, HOUR, 0),
        ("slow", "192.0.2.1", 6 * HOUR, HOUR, 0),  # its failures still count
    ]
    one.forget(client, START + 7 * HOUR, "hasty")
    assert one.memory.history(client) == {"slow": 1}
    verdicts = told(feed(one, *(line("192.0.2.1", hour * HOUR) for hour in (8, 12, 16))))
    assert [(jail, at / HOUR, count) for jail, _, at, _, count in verdicts] == [
        ("hasty", 8, 0),
        ("hasty", 12, 1),
        ("hasty", 16, 2),
        ("recidive", 16, 0),  # for one ban by slow before, and three by hasty since
        ("slow", 16, 1),
    ]


def test_a_pardon_of_one_jail_holds_for_that_jail_after_a_restart() -> None:
    config = HASTY + HASTY.replace(WEB, "").replace("hasty", "strict")
    one, again, client = engine(config), engine(config), Subject.parse("192.0.2.1")
    one.restore([])
    feed(one, line("192.0.2.1", 0))
    one.forget(client, START + 60, "hasty")
    again.restore(one.memory.changes()[0])

    assert [jail for jail, *_ in told(feed(again, line("192.0.2.1", 0)))] == ["strict"]
