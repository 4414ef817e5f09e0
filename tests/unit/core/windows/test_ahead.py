"""How long lines can wait: never the one that brings a verdict, nearly always those that cannot."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.config.compile import engine_for
from privet.config.model import Config, EngineConfig, SourceConfig
from privet.core.engine import Batch, Engine
from privet.core.jails import Jail, Matches, Predicate
from privet.core.windows.ahead import AHEAD, HOLD, LATE, MANY, MOMENT, VALID
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BEGIN = 1_763_800_000.0
CLIENTS = (
    *("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "2001:db8:1::1"),
    *("2001:db8:0:0:1:2:3:4", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::7"),
)


def a_jail(name: str = "leech", maxretry: int = 8, **more: object) -> Jail:
    return Jail(name=name, sources=("web",), maxretry=maxretry, findtime=60.0, bantime=100.0, **more)  # type: ignore[arg-type]  # mypy cannot tell


def an_engine(*jails: Jail, fmt: str = "combined", **sources: SourceConfig) -> Engine:
    config = Config(
        sources={"web": SourceConfig(name="web", pipe=True, format=fmt), **sources},
        jails={jail.name: jail for jail in jails},
    )
    return engine_for(config, zone=UTC)


def lines(*clients: str, path: str = "/", at: float = BEGIN) -> bytes:
    return "".join(f"{line(client, path, at=at)}\n" for client in clients).encode()


PROBE = (Predicate("path", (Matches("^/probe$"),)),)


@given(
    st.sets(st.integers(2, 12), max_size=3),
    st.sets(st.integers(1, 12), max_size=3),
    st.sampled_from(["window", "rate"]),
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(CLIENTS), st.integers(0, 4), st.sampled_from(["/", "/", "/probe"])),
            min_size=1,
            max_size=6,
        ),
        max_size=60,
    ),
    st.integers(2, 30),
)
def test_no_line_waits_that_brings_a_verdict(
    limits: set[int], probes: set[int], counting: str, reads: Sequence[Sequence[tuple[str, int, str]]], hold: int
) -> None:
    engine = an_engine(
        *(a_jail(f"j{limit}", limit, counting=counting) for limit in limits),
        *(a_jail(f"p{limit}", limit, counting=counting, predicates=PROBE) for limit in probes),
    )
    now, begun, fed, held, waited = BEGIN, BEGIN, BEGIN, b"", 0
    ahead = engine.ahead("web", now)
    assert ahead
    for number, read in enumerate(reads):
        block = b""
        for client, pause, path in read:
            now += pause
            block += lines(client, path=path, at=now)
        patient = ahead.add(block)
        held += block
        if patient and waited < hold and number < len(reads) - 1 and now + 6 * 4 < fed + AHEAD:
            waited += 1
            continue
        before = held.removesuffix(block)
        assert not before or engine.feed(Batch("web", before), now) == []
        verdicts = engine.feed(Batch("web", block), now)
        assert not (verdicts and patient)
        ahead.fed(now)
        fed, held, waited = now, b"", 0
        if now >= begun + VALID:
            ahead, begun = engine.ahead("web", now), now
            assert ahead


def test_of_many_clients_many_lines_can_wait() -> None:
    ahead = an_engine(a_jail(maxretry=30)).ahead("web", BEGIN)
    assert ahead
    everybody = [f"198.51.100.{number}" for number in range(200)]

    assert all(ahead.add(lines(*everybody)) for _ in range(7))


def test_of_one_client_as_many_as_he_has_left() -> None:
    engine = an_engine(a_jail())
    ahead = engine.ahead("web", BEGIN)
    assert ahead
    engine.feed(Batch("web", lines(*["192.0.2.1"] * 3)), BEGIN)
    ahead = engine.ahead("web", BEGIN)
    assert ahead

    assert [ahead.add(lines("192.0.2.1")) for _ in range(5)] == [True, True, True, True, False]


def test_failures_that_no_longer_count_keep_nobody_waiting() -> None:
    engine = an_engine(a_jail())
    engine.feed(Batch("web", lines(*["192.0.2.1"] * 7)), BEGIN)
    for later, patient in ((50.0, False), (60.0 + LATE, False), (61.0 + LATE, True)):
        ahead = engine.ahead("web", BEGIN + later)
        assert ahead
        assert ahead.add(lines("192.0.2.1", at=BEGIN + later)) is patient


def test_who_is_banned_keeps_nobody_waiting() -> None:
    engine = an_engine(a_jail())
    assert len(engine.feed(Batch("web", lines(*["192.0.2.1"] * 8)), BEGIN)) == 1
    ahead = engine.ahead("web", BEGIN + 1)
    assert ahead

    assert all(ahead.add(lines("192.0.2.1", at=BEGIN + 1)) for _ in range(50))


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    ahead = an_engine(a_jail()).ahead("web", BEGIN)
    assert ahead

    assert [ahead.add(lines(f"2001:db8::{number}")) for number in range(1, 9)] == [True] * 7 + [False]


def test_a_line_that_tells_no_client_cannot_wait() -> None:
    ahead = an_engine(a_jail()).ahead("web", BEGIN)
    assert ahead

    assert not ahead.add(b"\n")
    assert not ahead.add(b"www.example.org:443 192.0.2.1 - - [x]\n")


def test_a_format_that_was_not_recognised_yet_cannot_wait() -> None:
    engine = an_engine(a_jail(), fmt="auto")
    ahead = engine.ahead("web", BEGIN)
    assert ahead

    assert not ahead.add(lines("192.0.2.1"))
    engine.feed(Batch("web", lines("192.0.2.1")), BEGIN)
    assert ahead.add(lines("192.0.2.1"))


@pytest.mark.parametrize(
    "jails",
    [
        (a_jail(maxretry=1),),
        (a_jail(), a_jail("first", 1), a_jail("other", distinct="path")),
        (Jail(name="both", sources=("web", "shop"), maxretry=8, findtime=60.0, bantime=300.0),),
    ],
    ids=["at the first", "one of two at the first", "two sources"],
)
def test_where_it_cannot_be_foreseen_nothing_waits(jails: Sequence[Jail]) -> None:
    engine = an_engine(*jails, shop=SourceConfig(name="shop", pipe=True, format="combined"))

    assert engine.ahead("web", BEGIN) is None


NGINX = '$remote_user "$remote_addr" [$time_iso8601] "$request" $status'
STAMP = "2025-11-22T08:26:40+00:00"


@pytest.mark.parametrize(
    ("fmt", "shape"),
    [
        (NGINX, '- "{}" [' + STAMP + '] "GET / HTTP/1.1" 200\n'),
        ("json", '{{"remote_addr":"{}","time_iso8601":"' + STAMP + '","request":"GET / HTTP/1.1","status":200}}\n'),
    ],
    ids=["text", "json"],
)
def test_where_the_client_does_not_stand_in_front_lines_are_parsed(fmt: str, shape: str) -> None:
    engine = an_engine(a_jail(), fmt=fmt)
    ahead = engine.ahead("web", BEGIN)
    assert ahead
    block = shape.format("192.0.2.1").encode()

    assert [ahead.add(block) for _ in range(8)] == [True] * 7 + [False]
    assert ahead.add(shape.format("192.0.2.2").encode())
    ahead.fed(BEGIN)
    assert ahead.add(block)
    assert len(engine.feed(Batch("web", block * 8), BEGIN)) == 1


def test_where_one_failure_is_enough_only_failures_cannot_wait() -> None:
    engine = an_engine(a_jail(), a_jail("first", 1, predicates=PROBE))
    ahead = engine.ahead("web", BEGIN)
    assert ahead

    assert [ahead.add(lines("192.0.2.1")) for _ in range(8)] == [True] * 7 + [False]  # the other jail counts, too
    assert not ahead.add(lines("192.0.2.2", "192.0.2.3") + lines("192.0.2.4", path="/probe"))
    assert ahead.add(lines("192.0.2.2", "192.0.2.3"))
    assert len(engine.feed(Batch("web", lines("192.0.2.4", path="/probe")), BEGIN)) == 1
    ahead.fed(BEGIN)
    assert ahead.add(lines("192.0.2.4", path="/probe"))  # he is banned


def test_of_larger_clients_each_is_one() -> None:
    config = Config(
        engine=EngineConfig(ipv6_client=56),
        sources={"web": SourceConfig(name="web", pipe=True, format="combined")},
        jails={"leech": a_jail()},
    )
    ahead = engine_for(config, zone=UTC).ahead("web", BEGIN)
    assert ahead

    assert [ahead.add(lines(f"2001:db8:0:{number}::1")) for number in range(1, 9)] == [True] * 7 + [False]


def test_detectors_of_whole_blocks_wait_a_moment_and_others_in_their_company() -> None:
    alone = an_engine(a_jail(distinct="path")).ahead("web", BEGIN)
    assert alone
    assert alone.hold == MOMENT
    assert all(alone.add(lines("192.0.2.1")) for _ in range(100))
    ahead = an_engine(a_jail(), a_jail("other", distinct="path")).ahead("web", BEGIN)
    assert ahead
    assert ahead.hold == MOMENT
    assert [ahead.add(lines("192.0.2.1")) for _ in range(8)] == [True] * 7 + [False]
    plain = an_engine(a_jail()).ahead("web", BEGIN)
    assert plain
    assert plain.hold == HOLD > MOMENT


def test_regular_expressions_are_watched() -> None:
    engine = an_engine(a_jail("first", 1, predicates=PROBE))
    (watch,) = engine.watches("web")
    seen: list[object] = []

    @contextmanager
    def watched() -> Iterator[None]:
        seen.append(watch.text)
        yield
        seen.append(watch.text)

    ahead = engine.ahead("web", BEGIN, watched)
    assert ahead
    assert ahead.add(lines("192.0.2.1", path="/probes"))
    assert seen == ["", b"/probes"]


ANY_TEXT = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda one: one.exploded),
    st.text("0123456789.:abcf x-", max_size=20),
    st.sampled_from(["::ffff:192.0.2.1", "192.0.2.1:80", "192.0.2.1x", "2001:db8:0:0:1", "198.51.100.1 "]),
)


@given(st.lists(ANY_TEXT, max_size=6))
def test_clients_that_are_told_faster_are_the_same(texts: Sequence[str]) -> None:
    plan = an_engine(a_jail()).sources["web"].plan
    assert plan
    for text in texts:
        block = f"{text} - - [x] rest\n".encode()
        (told,), (fast,) = plan.clients(block), plan.plain(block)
        assert fast in (told, b"")
        assert fast or text.count(".") != 3 or not text.replace(".", "").isdigit()


def test_after_many_clients_those_with_little_left_are_still_known() -> None:
    engine = an_engine(a_jail())
    ahead = engine.ahead("web", BEGIN)
    assert ahead
    assert ahead.add(lines(*["192.0.2.1"] * 7))
    engine.feed(Batch("web", lines(*["192.0.2.1"] * 7)), BEGIN)
    ahead.fed(BEGIN)
    for start in range(0, MANY + 256, 256):
        some = lines(*(f"10.1.{start // 256}.{number}" for number in range(256)))
        assert ahead.add(some)
        engine.feed(Batch("web", some), BEGIN)
        ahead.fed(BEGIN)

    assert not ahead.add(lines("192.0.2.1"))


def test_where_no_jail_listens_everything_waits() -> None:
    ahead = an_engine().ahead("web", BEGIN)
    assert ahead

    assert ahead.add(lines(*["192.0.2.1"] * 100_000))
