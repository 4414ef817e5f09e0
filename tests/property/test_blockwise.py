"""With numpy, blocks are parsed and summed up to the same rows as without, whatever stands in them."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from privet.core.addresses.address import Subject
from privet.core.parsing.blocks.columns import Counts
from privet.core.parsing.blocks.layout import layout
from privet.core.parsing.formats import Literal, parse_format
from privet.core.parsing.parse import PAUSE, Rows, TextPlan, plan_of
from privet.core.reports.leeches import Leeches, LeechRow, numbers
from tests.property.test_parse import HARMLESS, HOSTILE, PLAIN, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.parsing.blocks.blockwise import Blockwise

WANT = ("status", "size", "request", "agent", "host", "duration_us", "content_type")
FORMATS = (
    *("common", "combined", "vhost_combined", "privet"),
    '%v %h %u %t "%r" %D',
    '%h %t "%r" %Dms "%{Referer}i" %>s %b',
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"',
    '%u %h %t "%r" "%{User-Agent}i"',
    '%h x%t "%r"--"%{Referer}i" %>s %b tail',
    '%h %t "%r" %>s %b',
)
OTHERS = (
    *("%h %l %u %t %r", '%h "%u" %t', '%h %t "%r %s"', '%h %t "%s" %b', '%h %t "%r" %b %>s', '%t %h "%r"'),
    '%{X-Forwarded-For}i %t "%r"',
    '%h %a %c %{c}a %t "%r"',
    '%h [%{%Y-%m-%d %H:%M:%S}t] "%r" %>s %b',
)


def plan_for(text: str) -> TextPlan:
    plan = plan_of(parse_format(text), WANT, arrays=True)
    assert isinstance(plan, TextPlan)
    return plan


PLANS = {text: plan_for(text) for text in FORMATS}


def usual(plan: TextPlan) -> list[bytes]:
    """Return lines as they should be."""
    said = {"time": b"17/May/2015:10:05:03 +0000", "status": b"200", "size": b"512", "duration_us": b"1234"}
    also = {"time": b"17/May/2015:10:05:04 +0000", "status": b"404", "size": b"-", "duration_us": b"0.25"}
    said["client"], also["client"] = b"192.0.2.1", b"2001:db8::1"
    return [
        b"".join(one.text if isinstance(one, Literal) else values.get(one.name, b"x") for one in plan.format.elements)
        + b"\n"
        for values in (said, also)
    ]


def blockwise(plan: TextPlan) -> Blockwise:
    found = plan._blockwise  # noqa: SLF001  the way of a plan that is held to be equal
    assert found
    return found


def said(rows: Rows) -> tuple[object, ...]:
    columns = {name: list(column) for name, column in rows.columns.items()}
    return rows.lines, list(rows.keys), list(rows.times), columns, sorted(rows.bad), rows.ignored


def agrees(plan: TextPlan, block: bytes) -> bool:
    """Compare both ways; False where numpy leaves it alone."""
    exact = plan._slow(block, block.count(b"\n"))  # noqa: SLF001  likewise
    found = blockwise(plan).parse(block)
    assert found is None or said(found) == said(exact)
    return found is not None


@settings(max_examples=300)
@given(st.sampled_from(FORMATS), st.data())
def test_blocks_with_hostile_lines(text: str, data: st.DataObject) -> None:
    plan = PLANS[text]
    lines = usual(plan) * data.draw(st.integers(8, 15))
    for _ in range(data.draw(st.integers(0, 3))):
        values = data.draw(st.sampled_from([PLAIN, HARMLESS, HOSTILE]))
        odd = line(data, plan, values, odd=data.draw(st.booleans()))
        lines.insert(data.draw(st.integers(0, len(lines))), odd)
    agrees(plan, b"".join(lines))


@settings(max_examples=300)
@given(st.sampled_from(FORMATS), st.data())
def test_blocks_with_something_missing_or_added(text: str, data: st.DataObject) -> None:
    plan = PLANS[text]
    block = bytearray(b"".join(usual(plan) * 12))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(block) - 1))
        what = data.draw(
            st.sampled_from(
                [*(b"", b'"', b'""', b'\\"', b"\\", b"\n", b" ", b"]", b"[", b" [", b"\0", b":", b"-"), b"7" * 12]
            )
        )
        block[place : place + data.draw(st.integers(0, 2))] = what
    agrees(plan, bytes(block[: block.rfind(b"\n") + 1]))


@pytest.mark.parametrize("text", FORMATS)
def test_usual_lines_are_taken(text: str) -> None:
    assert agrees(PLANS[text], b"".join(usual(PLANS[text]) * 5))


USUAL = b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"\n'


@pytest.mark.parametrize(
    "odd",
    [
        b"\n",
        b'"\n',
        b'192.0.2.1 - x [a [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
        b'192.0.2.1 - x [17/May/2015:10:05:03 +0000] [17/May/2015:10:05:04 +0000] "GET /" 200 5 "-" "-"\n',
        b'192.0.2.1 - a b [17/May/2015:10:05:03 +0000] "GET /" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET \\" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET \\\\" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 200 999999999999 "-" "-"\n',
        b'\x00192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" - - "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 200 - "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 200  "-" "-"\n',
        b'192.0.2.1 - - [99/May/2015:10:05:03 +0000] "GET /" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +000] "GET /" 200 5 "-" "-"\n',
        b'host.example.org - - [17/May/2015:10:05:03 +0000] "GET /" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 200 5 "-""-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 200 5 "-" "-" \n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000]  "GET /" 200 5 "-" "-"\n',
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 2000 5 "-" "-"\n',
        b'[17/May/2015:10:05:03 +0000] "GET /" 200 5 "-" "-"\n',
        b'" "" 200 5 "" ""\n',
    ],
)
@pytest.mark.parametrize("place", [0, 4, 20])
def test_a_line_that_lies(odd: bytes, place: int) -> None:
    lines = [USUAL] * 20
    lines.insert(place, odd)
    assert agrees(PLANS["combined"], b"".join(lines))


@pytest.mark.parametrize("text", OTHERS)
def test_other_formats_are_left_alone(text: str) -> None:
    assert layout(parse_format(text), frozenset(WANT)) is None


def test_where_most_lines_do_not_fit_the_block_goes_the_other_way() -> None:
    assert blockwise(PLANS["combined"]).parse((USUAL + b"x\n") * 20) is None


@pytest.mark.parametrize("size", [b"9" * 20, b"007"])
def test_where_a_size_has_no_place_in_a_column_the_block_goes_the_other_way(size: bytes) -> None:
    odd = USUAL.replace(b" 5 ", b" %b " % size)
    assert blockwise(PLANS["combined"]).parse(USUAL * 20 + odd) is None
    assert plan_for("combined").parse(USUAL * 1000 + odd).column("size")[-1] == size


def test_large_blocks_are_taken_with_numpy() -> None:
    plan = plan_for("combined")
    few, many = plan.parse(USUAL * 100), plan.parse(USUAL * 1000)
    assert not isinstance(few.column("size"), Counts)
    assert isinstance(many.column("size"), Counts)
    assert list(many.keys) == list(few.keys) * 10


def test_where_a_block_does_not_fit_the_next_ones_are_not_tried_but_later_ones_are() -> None:
    plan = plan_for("combined")
    assert not isinstance(plan.parse((USUAL + b"x\n") * 1000).column("size"), Counts)
    kinds = [isinstance(plan.parse(USUAL * 1000).column("size"), Counts) for _ in range(PAUSE + 1)]
    assert kinds == [False] * PAUSE + [True]


Line = tuple[bytes, float, bytes | int, bytes]
LINES = st.lists(
    st.tuples(
        st.integers(1, 9).map(lambda number: bytes((10, 0, 0, number))),
        st.integers(0, 50).map(float),
        st.sampled_from([b"-", b"5", b"4096", b"x", 7, b"9" * 12, 10**30]),
        st.sampled_from([b"200", b"304", b"404", b"-"]),
    ),
    max_size=60,
)


class Plain:
    """Sums, line after line."""

    def __init__(self, cap: int) -> None:
        self.hits = self.evicted = 0
        self.cap, self.of = cap, dict[bytes, dict[str, Any]]()

    def add(self, key: bytes, when: float, size: bytes | int, status: bytes) -> None:
        self.hits += 1
        self._add(key, when, when, Counter({status: 1}), numbers([size])[0])

    def merge(self, other: Plain) -> None:
        self.hits += other.hits
        self.evicted += other.evicted
        for key, one in other.of.items():
            self._add(key, one["first"], one["last"], one["statuses"], one["size"])

    def _add(self, key: bytes, first: float, last: float, statuses: Counter[bytes], size: int) -> None:
        if key not in self.of and len(self.of) >= self.cap:
            gone = sorted(self.of, key=lambda one: self.of[one]["statuses"].total())[: max(1, self.cap // 8)]
            self.evicted += len(gone)
            for one in gone:
                del self.of[one]
        mine = self.of.setdefault(key, {"first": first, "last": last, "size": 0, "statuses": Counter()})
        mine["first"], mine["last"] = min(mine["first"], first), max(mine["last"], last)
        mine["size"] += size
        mine["statuses"].update(statuses)

    def rows(self) -> list[LeechRow]:
        found = []
        for key, one in self.of.items():
            hits, passed = one["statuses"].total(), one["last"] - one["first"]
            statuses = tuple((code.decode(), n * 100 // hits) for code, n in one["statuses"].most_common())
            interval = passed / (hits - 1) if passed else None
            share = hits * 100 // self.hits
            row = LeechRow(Subject.of_key(key), hits, one["size"] // hits // 1024, share, interval, statuses)
            found.append(row)
        return sorted(found, key=lambda row: -row.hits)


def add(sums: Leeches, lines: Sequence[Line], batch: int) -> None:
    for start in range(0, len(lines), batch):
        part = lines[start : start + batch]
        sums.add([one[0] for one in part], [one[1] for one in part], [one[2] for one in part], [one[3] for one in part])


def agree(sums: Leeches, plain: Plain) -> None:
    assert (sums.hits, sums.evicted, len(sums)) == (plain.hits, plain.evicted, len(plain.of))
    assert sums.rows() == plain.rows()
    assert sums.rows(2) == plain.rows()[:2]
    counted = [(key, one["statuses"].total(), one["size"]) for key, one in plain.of.items()]
    assert list(sums.clients()) == counted


@settings(max_examples=300)
@given(st.lists(LINES, min_size=1, max_size=3), st.sampled_from([1, 2, 3, 8, 1000]), st.integers(1, 60))
@example([[], []], 1, 1)
def test_sums_by_columns_are_those_of_line_after_line(parts: list[list[Line]], cap: int, batch: int) -> None:
    whole, plain = Leeches(cap), Plain(cap)
    for number, lines in enumerate(parts):
        one, other = (Leeches(cap), Plain(cap)) if number else (whole, plain)
        add(one, lines, batch)
        for line_ in lines:
            other.add(*line_)
        agree(one, other)
        if number:
            whole.merge(pickle.loads(pickle.dumps(one)))  # noqa: S301  our own
            plain.merge(other)
    agree(whole, plain)
