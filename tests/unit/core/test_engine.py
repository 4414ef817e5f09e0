"""The engine, one promise each: what it counts, what it says, what it keeps over a reload."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch, Engine
from privet.core.parsing.parse import NO_ADDRESS, NO_TIME, NOT_IN_FORMAT
from privet.core.source import BLIND_AFTER, SAMPLES
from privet.core.verdicts import Action

if TYPE_CHECKING:
    from privet.core.parsing.parse import Rows
    from privet.core.verdicts import Verdict

T = 1431857103
ONE = """
[source.web]
path = "/var/log/apache2/*access.log"
[jail.j]
source = "web"
findtime = 60
maxretry = 3
bantime = 600
"""


def engine(text: str = ONE) -> Engine:
    return engine_for(parse(text, "p.toml"))


def line(time: float = 0, client: str = "192.0.2.1", path: str = "/", status: int = 200) -> bytes:
    stamp = datetime.fromtimestamp(T + time, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{client} - - [{stamp}] "GET {path} HTTP/1.1" {status} 5 "-" "x"\n'.encode()


def feed(to: Engine, *lines: bytes, now: float = inf, source: str = "web") -> list[Verdict]:
    return to.feed(Batch(source, b"".join(lines)), now)


def told(verdicts: list[Verdict]) -> list[tuple[str, str, float]]:
    return [(v.jail, v.subject.reveal(), v.time - T) for v in verdicts]


def test_a_verdict_says_all_there_is_to_say() -> None:
    (verdict,) = feed(engine(), line(0), line(1), line(2), line(3))
    assert (verdict.action, verdict.jail, verdict.failures) == (Action.BAN, "j", 3)
    assert (verdict.time, verdict.until) == (T + 2, T + 602)
    assert (verdict.scope, verdict.origin) == ("", "jail")
    assert verdict.subject.reveal() == "192.0.2.1"


def test_a_dry_run_reports() -> None:
    (verdict,) = feed(engine(ONE + "dry_run = true"), line(0), line(1), line(2))
    assert verdict.action is Action.REPORT


def test_verdicts_come_in_the_order_of_lines_and_then_of_jails() -> None:
    jails = "".join(
        f'[jail.{name}]\nsource = "web"\nmaxretry = {maxretry}\nstatus = {status}\n'
        for name, maxretry, status in (("late", 2, 404), ("first", 1, "'4xx'"), ("second", 1, 404))
    )
    verdicts = feed(
        engine(f'[source.web]\npath = "/x"\n{jails}'),
        *(line(0, "192.0.2.1", status=404), line(0, "192.0.2.2", status=404), line(0, "192.0.2.1", status=404)),
    )
    assert told(verdicts) == [
        *[("first", "192.0.2.1", 0), ("second", "192.0.2.1", 0), ("first", "192.0.2.2", 0), ("second", "192.0.2.2", 0)],
        ("late", "192.0.2.1", 0),
    ]


def test_ipv6_clients_count_by_their_64_and_mapped_ones_as_ipv4() -> None:
    verdicts = feed(
        engine(),
        *(line(0, "2001:db8:1:2::1"), line(1, "2001:db8:1:3::1"), line(2, "2001:db8:1:2::2"), line(3, "192.0.2.1")),
        *(line(4, "2001:db8:1:2:ffff::"), line(5, "::ffff:192.0.2.1"), line(6, "::ffff:c000:201")),
    )
    assert told(verdicts) == [("j", "2001:db8:1:2::/64", 4), ("j", "192.0.2.1", 6)]


def test_whom_a_jail_ignores_is_counted_as_spared() -> None:
    counting = engine(ONE + 'ignoreip = ["192.0.2.0/28", "2001:db8::1"]')
    lines = [line(n, client) for client in ("192.0.2.1", "192.0.2.17", "2001:db8::ffff") for n in range(3)]
    assert told(feed(counting, *lines)) == [("j", "192.0.2.17", 2)]
    assert counting.spared == {"j": 2}
    assert counting.bans == {"j": 1}


def test_every_line_is_in_one_account() -> None:
    counting = engine()
    feed(counting, line(0), b"\n", b"noise\n", line(1, "-"), line(2).replace(b"May", b"Mai"), b"\xff\0\n", line(3))
    state = counting.sources["web"]
    assert (state.lines, state.parsed, state.ignored) == (7, 2, 1)
    assert state.unparsed == {NOT_IN_FORMAT: 2, NO_ADDRESS: 1, NO_TIME: 1}


def test_samples_are_few_masked_and_printable() -> None:
    counting = engine()
    feed(counting, *(b"noise %d from 192.0.2.77 \x1b[2J [client 2001:db8::77:80] \xff\n" % n for n in range(9)))
    samples = counting.sources["web"].samples[NOT_IN_FORMAT]
    assert len(samples) == SAMPLES
    for sample in samples:
        assert sample.startswith("noise ")
        assert sample.isprintable()
        assert "192.0.2.77" not in sample
        assert "2001:db8::77" not in sample
    feed(counting, b"x " * 50_000 + b"\n")
    assert all(len(sample) <= 200 for sample in samples)


def test_late_lines_count_at_their_own_time_and_later_ones_at_the_edge() -> None:
    counting = engine()
    assert told(feed(counting, line(100), line(40), line(50))) == [("j", "192.0.2.1", 50)]
    assert counting.sources["web"].late == 0
    assert told(feed(counting, line(99, "192.0.2.2"), line(-500, "192.0.2.2"), line(39, "192.0.2.2"))) == [
        ("j", "192.0.2.2", 40)
    ]
    assert counting.sources["web"].late == 2


def test_the_tolerance_may_be_longer() -> None:
    counting = engine("[engine]\ntolerance = 120\n" + ONE)
    assert told(feed(counting, line(100), line(-20), line(40))) == [], "120 apart"
    assert told(feed(counting, line(30))) == [("j", "192.0.2.1", 30)]
    assert counting.sources["web"].late == 0


def test_stamps_ahead_of_the_clock_count_as_now() -> None:
    counting = engine()
    verdicts = feed(counting, line(100_000), line(60), line(60.9), now=T)
    assert told(verdicts) == [("j", "192.0.2.1", 60)], "the clock says 0, two lines 60: those are taken as they are"
    assert counting.sources["web"].ahead == 1
    assert counting.sources["web"].requests.newest == T + 60


def test_each_source_has_its_own_clock() -> None:
    two = ONE.replace('source = "web"', 'source = ["web", "api"]') + '[source.api]\npath = "/y"\n'
    counting = engine(two)
    assert not feed(counting, line(1000, "192.0.2.9"))
    assert told(feed(counting, line(0), line(1), line(2), source="api")) == [("j", "192.0.2.1", 2)]
    assert counting.sources["api"].late == 0


def test_jails_listen_to_their_sources_only() -> None:
    counting = engine(ONE + '[source.api]\npath = "/y"\n[jail.k]\nsource = ["web", "api"]\nmaxretry = 4\n')
    assert not feed(counting, line(0), line(1), line(2), source="api")
    assert told(feed(counting, line(3), line(4), line(5))) == [("k", "192.0.2.1", 3), ("j", "192.0.2.1", 5)]


def test_jails_with_equal_predicates_share_one_window() -> None:
    predicates = ["", "status = 404\n", "status = [404]\n", "status = 404\npath = 'x'\n", "path = 'x'\nstatus = 404\n"]
    jails = [f'[jail.j{n}]\nsource = "web"\nmaxretry = {n + 1}\n{p}' for n, p in enumerate([*predicates, ""])]
    counting = engine('[source.web]\npath = "/x"\n' + "".join(jails))
    windows = [sorted(limit.jail.name for limit in rule.window.limits) for rule in counting._rules]  # noqa: SLF001
    assert windows == [["j0", "j5"], ["j1", "j2"], ["j3", "j4"]]
    feed(counting, line(0), line(1, status=404), line(2, path="/x", status=404))
    assert {name: count for name, (count, _) in counting.matches().items()} == {
        "j0": 3,
        "j5": 3,
        "j1": 2,
        "j2": 2,
        "j3": 1,
        "j4": 1,
    }
    assert counting.matches()["j3"] == (1, T + 2)
    assert counting.tracked == 3


def test_observers_see_every_batch() -> None:
    seen: list[tuple[str, int, int]] = []

    def observe(source: str, rows: Rows) -> None:
        seen.append((source, len(rows), len(rows.bad)))

    counting = engine_for(parse(ONE, "p.toml"), observers=[observe])
    feed(counting, line(0), b"noise\n")
    feed(counting, b"noise\n")
    assert seen == [("web", 1, 1), ("web", 0, 1)]


def complaint(to: Engine) -> str | None:
    return to.sources["web"].complaint


NO_ONE = "source web: no line carries a client address; no jail on it can ever match"


def test_a_source_that_never_had_an_address_is_blind_at_once() -> None:
    counting = engine()
    assert complaint(counting) is None
    feed(counting, line(0, "-"))
    assert complaint(counting) == NO_ONE
    feed(counting, line(0, "dsl.example.net"), b"\n")
    assert complaint(counting) == NO_ONE
    feed(counting, line(0))
    assert complaint(counting) is None


@pytest.mark.parametrize("client", ["-", "0.0.0.0", "::", "dsl.example.net"])  # noqa: S104  what the mask `drop` writes
@pytest.mark.parametrize("split", [1, 10, 1000])
def test_addresses_that_vanish_midway_are_missed_after_a_hundred_lines(client: str, split: int) -> None:
    counting = engine()
    lines = [line(0)] * 3 + [line(1, client), b"\n", b"noise\n"] * (BLIND_AFTER - 1)
    for start in range(0, len(lines), split):
        feed(counting, *lines[start : start + split])
    assert complaint(counting) is None
    feed(counting, line(2, client))
    assert complaint(counting) == (
        "source web: no line carries a client address (the last 100 lines); no jail on it can ever match"
    )
    feed(counting, line(3))
    assert complaint(counting) is None


def test_noise_alone_does_not_make_a_source_blind() -> None:
    counting = engine()
    feed(counting, line(0), *[b"noise\n"] * 1000)
    assert complaint(counting) is None


def test_pseudonyms_alone_can_never_be_banned() -> None:
    counting = engine()
    assert told(feed(counting, line(0, "100::1"), line(1, "100::1"), line(1, "100::2"), line(2, "100::1"))) == [
        ("j", "100::1", 2)
    ]
    assert complaint(counting) == "source web: every client is a pseudonym; no jail on it can ever ban"
    assert counting.sources["web"].pseudonyms == 4
    feed(counting, line(3))
    assert complaint(counting) is None


def test_a_reload_keeps_counts_of_jails_that_stay() -> None:
    old = engine(ONE + '[jail.k]\nsource = "web"\nstatus = 404\n')
    feed(old, line(0), line(1))
    new = engine(ONE + '[jail.k]\nsource = "web"\nstatus = 403\nmaxretry = 1\n')
    new.carry(old)
    assert told(feed(new, line(2, status=403))) == [("j", "192.0.2.1", 2), ("k", "192.0.2.1", 2)]
    assert new.sources["web"].lines == 3
    assert new.bans == {"j": 1, "k": 1}


def test_a_reload_keeps_bans_of_jails_that_stay() -> None:
    old = engine()
    assert feed(old, line(0), line(1), line(2))
    new = engine(ONE + "[jail.other]\nsource = 'web'\nmaxretry = 100\n")
    new.carry(old)
    assert not feed(new, line(3), line(4), line(5), line(601))
    assert told(feed(new, line(602), line(603), line(604))) == [("j", "192.0.2.1", 604)]


def test_a_changed_jail_applies() -> None:
    old = engine()
    assert feed(old, line(0), line(1), line(2))
    new = engine(ONE.replace("600", "10"))
    new.carry(old)
    assert feed(new, line(100), line(101), line(102))


def test_a_reload_may_change_the_format_of_a_source() -> None:
    old = engine()
    feed(old, line(0), line(1))
    new = engine(ONE.replace('access.log"', 'access.log"\nformat = "%a %t"'))
    new.carry(old)
    assert told(feed(new, b"192.0.2.1 [17/May/2015:10:05:05 +0000]\n")) == [("j", "192.0.2.1", 2)]


def test_a_source_that_goes_is_forgotten_and_one_that_comes_starts_empty() -> None:
    old = engine()
    feed(old, line(0))
    new = engine('[source.other]\npath = "/x"\n')
    new.carry(old)
    assert list(new.sources) == ["other"]
    assert new.sources["other"].lines == 0
    assert new.tracked == 0


def test_after_an_unban_the_count_starts_anew() -> None:
    counting = engine()
    (verdict,) = feed(counting, line(0), line(1), line(2))
    counting.forget(verdict.subject, T + 2.5)
    assert told(feed(counting, line(3), line(4), line(5))) == [("j", "192.0.2.1", 5)]


def test_an_empty_batch_is_nothing() -> None:
    counting = engine()
    assert feed(counting, b"") == []
    assert feed(counting, b"\n\n") == []
    assert counting.sources["web"].lines == 2
