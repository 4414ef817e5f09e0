"""Numbers of each minute: what counts where, and that no address gets in."""

from __future__ import annotations

from privet.core.addresses.address import Subject
from privet.core.addresses.tokens import Tokens
from privet.core.parsing.formats import parse_format
from privet.core.parsing.parse import Rows, plan_of
from privet.core.parsing.times import write_clf
from privet.core.reports.history import COLUMNS, OTHERS, SITES, Bans, Offence, Tallies, Traffic
from privet.core.verdicts import Action, Verdict

START = 1_700_000_040  # a full minute


def rows(*lines: tuple[float, str, int, str]) -> Rows:
    plan = plan_of(parse_format("vhost_combined"), COLUMNS)
    parsed = plan.parse(
        b"".join(
            b'%b:80 192.0.2.1 - - [%b] "GET / HTTP/1.1" %d %b "-" "x"\n'
            % (host.encode(), write_clf(START + at), status, size.encode())
            for at, host, status, size in lines
        )
    )
    assert not parsed.bad
    return parsed


def test_requests_count_by_minute_site_and_class_of_answer() -> None:
    tallies = Tallies()
    tallies.see("web", rows((0, "a", 200, "10"), (59, "a", 404, "5"), (60, "a", 503, "-"), (61, "b", 301, "7")))
    tallies.see("web", rows((2, "a", 200, "1")))

    traffic, bans, _ = tallies.take()

    assert sorted(traffic, key=lambda one: (one.time, one.site)) == [
        Traffic(START, "a", 3, 16, ok=2, refused=1),
        Traffic(START + 60, "a", 1, 0, failed=1),
        Traffic(START + 60, "b", 1, 7, moved=1),
    ]
    assert (bans, tallies.take()) == ([], ([], [], []))


def test_a_log_without_names_counts_for_its_source() -> None:
    tallies = Tallies()
    tallies.see("web", rows((0, "-", 200, "1")))

    assert [one.site for one in tallies.take()[0]] == ["web"]


def test_names_that_visitors_make_up_are_bounded_and_masked() -> None:
    tallies = Tallies()
    tallies.see("web", rows((0, "203.0.113.9", 200, "1"), *((1, f"host{n}.example", 200, "1") for n in range(500))))

    sites = {one.site: one.hits for one in tallies.take()[0]}

    assert len(sites) == SITES + 1
    assert sites[OTHERS] == 501 - SITES
    assert "203.0.113.9" not in sites


def test_what_an_earlier_daemon_counted_does_not_count_again() -> None:
    tallies = Tallies(START + 30.0)
    tallies.see("web", rows((10, "a", 200, "1"), (30, "a", 200, "1"), (31, "a", 200, "1")))

    assert [one.hits for one in tallies.take()[0]] == [1]
    assert tallies.newest == START + 31


def test_verdicts_count_by_jail() -> None:
    tallies = Tallies()
    base = Verdict(Action.BAN, Subject.parse("192.0.2.1"), "leech", START + 5.0, START + 9.0, 3)
    report = Verdict(Action.REPORT, Subject.parse("192.0.2.1"), "leech", START + 6.0, START + 9.0, 3)
    tallies.judge([base, base, report], Tokens([bytes(32)]))

    _, bans, offences = tallies.take()
    assert bans == [Bans(START, "leech", 2, 1)]
    assert offences == [Offence(START + 5.0, "leech", Tokens([bytes(32)]).of(base.subject))] * 2


def test_a_network_that_is_banned_in_many_prefixes_is_one_offender() -> None:
    tallies = Tallies()
    first, second = (
        Verdict(Action.BAN, Subject.parse(text), "leech", START + 5.0, START + 9.0, 3, group="AS64500")
        for text in ("192.0.2.0/24", "198.51.100.0/24")
    )

    tallies.judge([first, second], Tokens([bytes(32)]))

    _, bans, offences = tallies.take()
    assert bans == [Bans(START, "leech", 1, 0)]
    assert [one.who for one in offences] == [Tokens([bytes(32)]).of(64500)]


def test_blocks_count_as_their_lines_do() -> None:
    lines = [
        b'%b:80 192.0.2.%d - - [01/Jan/2026:12:%02d:%02d +0000] "GET / HTTP/1.1" %d %b "-" "x"\n'
        % ((b"a", b"b")[number // 150], number % 9, number // 60, number % 60, 200 + number % 4 * 100, size)
        for number, size in enumerate([b"-", b"7", b"12"] * 100)
    ]
    plan = plan_of(parse_format("vhost_combined"), COLUMNS)
    told = []
    for size in (1, 7, 50, 300):
        tallies = Tallies()
        for start in range(0, len(lines), size):
            tallies.see("web", plan.parse(b"".join(lines[start : start + size])))
        told.append(sorted(tallies.take()[0], key=lambda one: (one.time, one.site)))

    assert told[0] == told[1] == told[2] == told[3]
    assert (sum(one.hits for one in told[0]), sum(one.bytes for one in told[0])) == (300, 1900)
