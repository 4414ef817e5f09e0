"""From a line without its date to the failure that it tells."""

from __future__ import annotations

import pytest

from privet.core.filters.errors import FilterError
from privet.core.filters.expression import Expression
from privet.core.filters.matching import Filter
from privet.core.filters.model import FilterSpec
from privet.core.filters.watch import Overrun, Watch

CONTENT = "^<F-MLFID> \\w+\\[\\d+\\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$"


def filter_of(
    *failregex: str,
    prefregex: str = "",
    ignoreregex: tuple[str, ...] = (),
    usedns: str = "raw",
    watch: Watch | None = None,
) -> Filter:
    spec = FilterSpec(name="f", failregex=failregex, prefregex=prefregex, ignoreregex=ignoreregex, usedns=usedns)  # type: ignore[arg-type]
    return Filter(spec, watch or Watch(), lambda line: (line.decode() + "\n", None))


def who(one: Filter, *lines: str) -> list[str | None]:
    found = [one.feed(line + "\n", 0.0, one.failures) for line in lines]
    return [failure.who if failure else None for failure in found]


def test_the_first_expression_that_matches_ends_the_line() -> None:
    one = filter_of("^<F-NOFAIL>a</F-NOFAIL> <HOST>", "a <HOST>", "b <HOST>")
    assert who(one, "a 192.0.2.1", "b 192.0.2.2") == [None, "192.0.2.2"]


def test_what_is_told() -> None:
    one = filter_of("^<HOST> <F-USER>\\w+</F-USER>$")
    failure = one.feed("192.0.2.1 bob\n", 5.0, one.failures)
    assert failure
    assert (failure.time, failure.kind, failure.lines) == (5.0, "ip4", ["192.0.2.1 bob"])
    assert failure.facts["user"] == "bob"


def test_an_id_goes_before_an_address() -> None:
    assert who(filter_of("^<F-ID>\\w+</F-ID> <HOST>$"), "bob 192.0.2.1") == ["bob"]


def test_the_prefix_is_matched_once_and_its_groups_count() -> None:
    one = filter_of("^<F-USER>\\w+</F-USER>$", prefregex="^<HOST>: <F-CONTENT>.*</F-CONTENT>$")
    assert who(one, "192.0.2.1: bob", "bob") == ["192.0.2.1", None]


def test_own_groups_win_over_those_of_the_prefix() -> None:
    one = filter_of("^<HOST>?$", prefregex="^<HOST>: <F-CONTENT>.*</F-CONTENT>$")
    assert who(one, "192.0.2.1: 192.0.2.2") == ["192.0.2.2"]


def test_ignoreregex_sees_the_line_and_the_content() -> None:
    one = filter_of("^a <HOST>$", prefregex=CONTENT, ignoreregex=("^ good", "192.0.2.9$"))
    assert who(one, " evil[1]: a 192.0.2.1", " good[2]: a 192.0.2.1", " evil[3]: a 192.0.2.9") == [
        "192.0.2.1",
        None,
        None,
    ]
    assert one.ignored == 2


def test_a_conversation() -> None:
    one = filter_of("^fail <F-USER>\\w+</F-USER>$", "^<F-NOFAIL>from</F-NOFAIL> <HOST>$", prefregex=CONTENT)
    lines = (" sshd[1]: from 192.0.2.1", " sshd[2]: fail bob", " sshd[1]: fail bob")
    assert who(one, *lines) == [None, None, "192.0.2.1"]


def test_names_are_no_hosts_without_dns() -> None:
    assert who(filter_of("^<HOST>$"), "host.example") == ["host.example"]
    assert who(filter_of("^<HOST>$", usedns="no"), "host.example") == [None]


def test_a_filter_must_tell_who() -> None:
    with pytest.raises(FilterError, match="failregex 2: it tells no address"):
        filter_of("<HOST>", "x")
    with pytest.raises(FilterError, match="failregex 1: the filter f has none"):
        filter_of()


class Slow(Watch):
    """Interrupts some expressions every time that they see a text with a word."""

    def __init__(self, *victims: str) -> None:
        super().__init__()
        self.victims = victims

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "at" and isinstance(value, Expression) and value.text in self.victims and "slow" in self.text:
            raise Overrun


def test_an_expression_that_takes_too_long_sees_shorter_lines_only() -> None:
    one = filter_of("^<HOST> .*$", "<HOST>", watch=Slow("^<HOST> .*$"))
    long = "192.0.2.1 slow" + " " * 4000
    assert who(one, long) == ["192.0.2.1"]  # by the other
    assert [expression.longest < len(long) for expression in one.failures] == [True, False]
    assert one.failures[0].longest > 0
    assert who(one, "192.0.2.1 slow") == ["192.0.2.1"]
    assert [expression.longest < 0 for expression in one.failures] == [True, False]


def test_a_conversation_is_not_counted_twice_when_a_line_is_tried_again() -> None:
    one = filter_of(
        "^fail slow$", "^fail", "^<F-NOFAIL>from</F-NOFAIL> <HOST>$", prefregex=CONTENT, watch=Slow("^fail slow$")
    )
    assert who(one, " sshd[1]: fail", " sshd[1]: fail slow") == [None, None]
    failure = one.feed(" sshd[1]: from 192.0.2.1\n", 0.0, one.failures)
    assert failure
    assert failure.lines == [" sshd[1]: fail", " sshd[1]: fail slow", " sshd[1]: from 192.0.2.1"]
