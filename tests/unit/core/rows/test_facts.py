"""What is known of the rows of a block, as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from privet.core.parsing.formats import named, parse_format
from privet.core.parsing.parse import Rows, plan_of
from privet.core.parsing.texts import MOST, ROOM, Texts, digest
from privet.core.rows.facts import Facts, Registry, previous

LINES = (
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 5 "-" "x"\n'
    b'192.0.2.2 - - [17/May/2015:10:05:04 +0000] "POST /a HTTP/1.1" 404 5 "-" "y"\n'
    b'192.0.2.1 - - [17/May/2015:10:05:05 +0000] "GET /a?b HTTP/1.1" 200 5 "-" "x"\n'
)


def parsed(text: str = "combined") -> Rows:
    fmt = named(text) if text == "combined" else parse_format(text)
    return plan_of(fmt, ("status", "request", "agent", "referer")).parse(LINES)


def test_rows_of_one_client_and_of_one_request_have_one_number() -> None:
    facts = Registry(10).facts(parsed())
    for column in (facts.clients, facts.requests, facts.agents, facts.statuses):
        assert column[0] == column[2] != column[1]
    assert (facts.times - facts.times[0]).tolist() == [0.0, 1.0, 2.0]
    assert facts.before(np.arange(3)).tolist() == [-1, -1, 0]
    assert facts.before(np.array([1, 2])).tolist() == [-1, -1]


def test_the_same_rows_are_looked_at_once() -> None:
    registry, rows = Registry(10), parsed()
    assert registry.facts(rows) is registry.facts(rows)
    assert registry.facts(rows) is not registry.facts(parsed())


@pytest.mark.parametrize("field", ["path", "query", "method", "target", "agent", "status", "host"])
def test_hashes_of_fields(field: str) -> None:
    names = Registry(10).facts(parsed()).names(field).tolist()
    values = {
        "path": [b"/a"] * 3, "query": [b"b", b"", b"b"], "method": [b"GET", b"POST", b"GET"],
        "target": [b"/a?b", b"/a", b"/a?b"], "agent": [b"x", b"y", b"x"], "status": [b"200", b"404", b"200"],
        "host": [b"-"] * 3,
    }  # fmt: skip
    assert names == list(map(digest, values[field]))


def test_facts_about_texts_are_found_out_once() -> None:
    asked = list[bytes]()

    def is_long(text: bytes) -> bool:
        asked.append(text)
        return len(text) > 1

    texts = Texts()
    fact = texts.fact(is_long)
    assert texts.fact(is_long) is fact
    assert fact(texts.numbers([b"a", b"bb", b"a"])).tolist() == [False, True, False]
    assert fact(texts.numbers([b"bb", b"c"])).tolist() == [True, False]
    assert asked == [b"a", b"bb", b"c"]


def test_texts_are_forgotten_at_the_bound() -> None:
    texts = Texts(1000)
    size = texts.fact(len, np.int64, MOST)
    for start in range(0, 10_000, 500):
        block = [b"%d" % number for number in range(start, start + 500)]
        assert size(texts.numbers(block)).tolist() == list(map(len, block))
        assert len(texts) == len(texts.texts) <= 1500


def test_long_texts_are_cut_and_do_not_fill_the_memory() -> None:
    texts = Texts()
    size, short = texts.fact(len, np.int64, MOST), texts.fact(len, np.int64)
    for _ in range(3 * ROOM // MOST // 100):
        numbers = texts.numbers([b"a" * 100_000] * 100)
        assert set(size(numbers)) == {MOST}
        assert set(short(numbers)) == {512}
        assert sum(map(len, texts.texts)) <= ROOM + 100 * MOST
    assert not texts


def test_the_place_before_with_the_same_number() -> None:
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 9, 200, np.int32)
    last, expected = dict[int, int](), list[int]()
    for place, number in enumerate(numbers.tolist()):
        expected.append(last.get(number, -1))
        last[number] = place
    assert previous(numbers).tolist() == expected
    assert previous(numbers[:0]).tolist() == []


def test_what_a_fact_says_of_a_block_and_what_is_found_in_it_is_found_out_once() -> None:
    one = Registry(10)
    facts = one.facts(parsed())
    fact = one.requests.fact(len, np.int64)
    asked: list[int] = []

    assert facts.said(fact, "requests").tolist() == [len(b"GET /a?b HTTP/1.1"), len(b"POST /a HTTP/1.1"), 17]
    assert facts.said(fact, "requests") is facts.said(fact, "requests")

    def find(rows: Facts) -> int:
        asked.append(len(rows))
        return 7

    assert (facts.once(find), facts.once(find), asked) == (7, 7, [3])


def test_a_format_without_sites_has_one() -> None:
    facts = Registry(10).facts(parsed())
    assert facts.hosts.tolist() == [0, 0, 0]


class Listener:
    """Counts what it is told."""

    clients = (b"aaaa",)
    evicted = 2

    def __init__(self, registry: Registry) -> None:
        self.known = len(registry.crowd)

    def carry(self, old: Listener) -> None:
        self.known = old.known

    def shift(self, seconds: float) -> None:
        self.known += int(seconds)


def test_what_detectors_share_is_carried_moved_and_counted_once() -> None:
    old, new = Registry(10), Registry(10)
    assert old.shared(Listener) is old.shared(Listener)
    old.shift(5.0)
    new.shared(Listener)
    new.carry(old)

    assert new.shared(Listener).known == 5
    assert (new.tracked, new.evicted) == (1, 2)
    assert Registry(10).tracked == 0
