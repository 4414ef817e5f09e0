"""The loop for dense blocks gives what the plan gives line by line."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from privet.core.filters.model import FilterSpec
from privet.core.filters.plan import FilterPlan, Found
from privet.core.filters.swift import Swift
from privet.core.filters.watch import Overrun

NOW = datetime(2005, 8, 14, 12, tzinfo=UTC).timestamp()
EVERY = FilterSpec(name="every", failregex=(r'^<HOST> .*"(?:GET|POST) ', "^<HOST> bad$"))
DENSE = b'192.0.2.7 - - [14/Aug/2005:11:59:00 +0000] "GET / HTTP/1.1" 200\n' * 3
ODD = (
    b'192.0.2.8 - - [14/Aug/2005:11:59:00 +0000] "GET / HTTP/1.1" 200\n',
    b'2001:db8::1 - - [14/Aug/2005:11:59:00 +0000] "PUT / HTTP/1.1" 200\n',
    b'192.0.2.9 - - [14/Aug/2005:11:59:01 +0000] "GET /[14/Aug/2005:11:59:00 +0000] HTTP/1.1" 200\n',
    b'192.0.2.9 [13/Aug/2005:11:59:01 +0000] [14/Aug/2005:11:59:00 +0000] "GET / HTTP/1.1" 200\n',
    b'192.0.2.9 - - [14/Aug/2005:11:59:00 +0000 "GET / HTTP/1.1" 200\n',
    b'192.0.2.9 - - no date "GET / HTTP/1.1" 200\n',
    b'999.0.2.9 - - [14/Aug/2005:11:59:00 +0000] "GET / HTTP/1.1" 200\n',
    '192.0.2.9 - ü [14/Aug/2005:11:59:00 +0000] "GET /é HTTP/1.1" 200\n'.encode(),
    b'192.0.2.9 - \xff\xc3 [14/Aug/2005:11:59:00 +0000] "GET / HTTP/1.1" 200\n',
    b"192.0.2.10 bad\n",
    b"\n",
    b"\r\n",
)


@pytest.mark.parametrize("odd", ODD)
def test_the_loop_finds_what_the_plan_finds(odd: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    swift = FilterPlan([EVERY], UTC)
    blocks = [DENSE, odd + DENSE + odd + DENSE + odd, odd + DENSE]
    found = [swift.parse(block, NOW)[EVERY] for block in blocks]
    monkeypatch.setattr(Swift, "fits", lambda *_: False)
    plain = FilterPlan([EVERY], UTC)
    assert found == [plain.parse(block, NOW)[EVERY] for block in blocks]
    assert (swift.nobody, swift.undated) == (plain.nobody, plain.undated)


@pytest.mark.parametrize(
    "regex",
    [
        r'^<HOST> .*"(?:GET|POST) ',
        r'(?i)^<HOST> .*"(get|post) /\S* HTTP',
        r"^<ADDR> (- )+\[\]",
        r"^<HOST> \S+ \S+ \[\] .* \d+$",
        r"^<F-ID>\S+</F-ID> - (?:<HOST>|.)",
        r'^<HOST>[^"]*"GET',
        r"^<HOST> .*\s$",
        r"<HOST> - -",
    ],
)
@pytest.mark.parametrize("odd", [b"".join(ODD), *ODD])
def test_any_simple_expression_finds_what_the_plan_finds(
    regex: str, odd: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = msgspec.structs.replace(EVERY, failregex=(regex,))
    blocks = [DENSE, odd + DENSE + odd, DENSE * 9 + odd]
    swift = FilterPlan([spec], UTC)
    found = [swift.parse(block, NOW).get(spec) or Found() for block in blocks]
    monkeypatch.setattr(Swift, "fits", lambda *_: False)
    plain = FilterPlan([spec], UTC)
    assert found == [plain.parse(block, NOW).get(spec) or Found() for block in blocks]
    assert any(one.places for one in found)
    assert (swift.nobody, swift.undated) == (plain.nobody, plain.undated)


@pytest.mark.parametrize(
    "more",
    [
        {"prefregex": "^<F-CONTENT>.*</F-CONTENT>$"},
        {"ignoreregex": ("x",)},
        {"datepattern": "{^LN-BEG}"},
        {"logencoding": "shift_jis"},
        {"failregex": ("^<F-MLFID>x</F-MLFID> <HOST>",)},
        {"failregex": ("^<SUBNET>",)},
        {"maxlines": 2},
    ],
)
def test_only_simple_filters_are_taken(more: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Swift, "run", lambda *_: pytest.fail("taken"))
    spec = msgspec.structs.replace(EVERY, **more)
    plan = FilterPlan([spec], UTC)
    plan.parse(DENSE, NOW)
    plan.parse(DENSE, NOW)


def test_whoever_observes_is_told_of_each_failure() -> None:
    told: list[int] = []
    plan = FilterPlan([EVERY], UTC, lambda _spec, place, _failure: told.append(place))
    plan.parse(DENSE, NOW)
    plan.parse(DENSE, NOW)
    assert len(told) == 6
    FilterPlan([EVERY], UTC, lambda *_: pytest.fail("told"), observed=()).parse(DENSE, NOW)


def test_an_expression_that_takes_too_long_is_punished_and_its_line_is_not_lost() -> None:
    plan = FilterPlan([EVERY], UTC)
    plan.parse(DENSE, NOW)
    slow = plan.filters[EVERY].failures[0]
    search, calls = slow.search, [0]

    def tardy(text: str) -> object:
        calls[0] += 1
        if calls[0] == 2:
            raise Overrun
        return search(text)

    slow.search = tardy  # type: ignore[assignment]
    assert plan.parse(DENSE, NOW)[EVERY] == Found([0, 64, 128], *plan_columns(3), [])
    assert plan.watch.at is None


def test_a_search_for_many_lines_that_takes_too_long_is_done_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = msgspec.structs.replace(EVERY, failregex=EVERY.failregex[:1])
    plan = FilterPlan([spec], UTC)
    calls: list[str] = []

    def tardy(_self: object, text: str) -> object:
        calls.append(text)
        raise Overrun

    monkeypatch.setattr("privet.core.filters.swift._Together.rows", tardy)
    for _ in range(3):
        assert plan.parse(DENSE, NOW)[spec] == Found([0, 64, 128], *plan_columns(3), [])
    assert len(calls) == 1
    assert plan.watch.at is None
    assert not plan.slow


def plan_columns(number: int) -> tuple[list[bytes], list[float]]:
    return [bytes([192, 0, 2, 7])] * number, [NOW - 60] * number
