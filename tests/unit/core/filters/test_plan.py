"""All filters of a source in one pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject
from privet.core.filters.model import FilterSpec
from privet.core.filters.plan import NAME, NO_ADDRESS, PSEUDONYM, FilterPlan
from privet.core.filters.views import View

if TYPE_CHECKING:
    import pytest

    from privet.core.filters.matching import Failure

NOW = datetime(2005, 8, 14, 12, tzinfo=UTC).timestamp()


def spec_of(*failregex: str, name: str = "f", **more: object) -> FilterSpec:
    return FilterSpec(name=name, failregex=failregex, **more)  # type: ignore[arg-type]


def test_columns() -> None:
    one, other = spec_of("^ bad <HOST>$", name="one"), spec_of("worse <HOST>", "bad <HOST>", name="other")
    found = FilterPlan([one, other], UTC).parse(b"11:59:58 bad 192.0.2.1\nx\n11:59:59 worse 2001:db8::1\n", NOW)
    assert (found[one].places, found[one].times) == ([0], [NOW - 2])
    assert (found[other].places, found[other].times) == ([0, 25], [NOW - 2, NOW - 1])
    assert [Subject.of_key(key) for key in found[other].keys] == [
        Subject.parse("192.0.2.1"),
        Subject.parse("2001:db8::"),
    ]


def test_a_date_right_behind_a_word_hides_no_needle() -> None:
    spec = spec_of("login failed from <HOST>", datepattern="TAI64N")
    line = b"login@400000005f0e0d0c0b0a0908 failed from 192.0.2.1\n"
    assert FilterPlan([spec], UTC).parse(line, NOW)[spec].places == [0]


def test_networks() -> None:
    spec = spec_of("^<SUBNET>$")
    keys = (
        FilterPlan([spec], UTC)
        .parse(b"192.0.2.9/24\n2001:db8::1/32\n192.0.2.9/32\n192.0.2.9/1\n2001:db8::/96\n", NOW)[spec]
        .keys
    )
    wanted = ["192.0.2.0/24", "2001:db8::/32", "192.0.2.9", "192.0.2.9", "2001:db8::"]
    assert [Subject.of_key(key) for key in keys] == [Subject.parse(text) for text in wanted]


def test_whom_nobody_can_ban_is_counted() -> None:
    plan = FilterPlan([spec_of("^<HOST>$")], UTC)
    found = plan.parse(b"host.example\n999.1.1.1\n0.0.0.0\n100::1\n192.0.2.1\n", NOW)
    assert plan.nobody == {NAME: 1, NO_ADDRESS: 2, PSEUDONYM: 1}
    assert [len(columns.keys) for columns in found.values()] == [2]  # a pseudonym is counted as a client is


def test_names_to_look_up() -> None:
    spec = spec_of("^<HOST>$", usedns="yes")
    assert FilterPlan([spec], UTC).parse(b"x y\nhost.example\n", NOW)[spec].names == [(4, "host.example", NOW)]


def test_lines_of_a_journal() -> None:
    spec = spec_of("^host sshd\\[1\\]: bad <HOST>$")
    found = FilterPlan([spec], UTC, journal=True).parse(b"1124020799.250000 host sshd[1]: bad 192.0.2.1\n", NOW)
    assert found[spec].times == [NOW - 0.75]


def test_the_time_of_a_line() -> None:
    plan = FilterPlan([spec_of("<HOST>"), spec_of("<HOST>", maxlines=2)], UTC)
    plan.begin(NOW)
    assert plan.time_of(b"11:59:59 x") == NOW - 1
    assert plan.time_of(b"x") is None


def test_a_reload_keeps_what_is_going_on() -> None:
    talk = spec_of(
        "^fail$",
        "^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
        prefregex="^<F-MLFID> \\w+\\[\\d+\\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$",
    )
    pair = spec_of("^begin$\n^finish <HOST>$", maxlines=2, name="pair")
    for block in (b"11:59:58 sshd[1]: from 192.0.2.1\nbegin\n", b"11:59:58 sshd[1]: fail\n"):
        old, new = FilterPlan([talk, pair], UTC), FilterPlan([pair, talk], UTC)
        old.parse(block, NOW)
        new.carry(old)
        found = new.parse(b"finish 192.0.2.2\n11:59:59 sshd[1]: fail\n11:59:59 sshd[1]: from 192.0.2.1\n", NOW)
        assert len(found[talk].keys) == 1
        assert (pair in found) == block.endswith(b"begin\n")


def test_what_was_too_slow_is_named() -> None:
    plan = FilterPlan([spec_of("<HOST>", prefregex="^x", name="sshd")], UTC)
    assert plan.slow == []
    prefix = next(iter(plan.filters.values())).prefix
    assert prefix
    plan.watch.at, plan.watch.text = prefix, "x" * 5000
    plan.watch.punish()
    assert plan.slow == ["sshd: prefregex 1 took too long: it sees no text of more than 2500 characters"]
    plan.watch.at, plan.watch.text = prefix, "x"
    plan.watch.punish()
    assert plan.slow == ["sshd: prefregex 1 is too slow to use"]


def test_harmless_lines_stay_unread_until_their_process_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    really = View.read

    def spy(view: View, line: bytes) -> tuple[str, float | None]:
        read.append(line)
        return really(view, line)

    monkeypatch.setattr(View, "read", spy)
    spec = spec_of(
        "^fail$",
        "^<F-NOFAIL>login of</F-NOFAIL> <HOST>$",
        prefregex="^<F-MLFID>\\s*\\w+\\[\\d+\\]: </F-MLFID><F-CONTENT>.+</F-CONTENT>$",
    )
    told: list[Failure] = []
    plan = FilterPlan([spec], UTC, lambda _spec, _place, failure: told.append(failure))
    plan.parse(b"sshd[1]: login of 192.0.2.1\nsshd[2]: login of 192.0.2.2\n", NOW)
    assert read == []
    plan.parse(b"sshd[2]: fail\n", NOW)
    assert read[0] == b"sshd[2]: fail"
    assert b"sshd[2]: login of 192.0.2.2" in read
    assert [(one.who, one.lines) for one in told] == [("192.0.2.2", ["sshd[2]: login of 192.0.2.2", "sshd[2]: fail"])]


def test_hostile_lines() -> None:
    spec = spec_of("^bad <HOST>$", datepattern="{NONE}")
    plan = FilterPlan([spec], UTC)
    lines = [b"bad 192.0.2.1\0", b"\xff\xfebad 192.0.2.2", b"bad 192.0.2.3\r", b"bad 192.0.2.4", b"b" * (1 << 20), b""]
    assert plan.parse(b"".join(line + b"\n" for line in lines), NOW)[spec].places == [46]
