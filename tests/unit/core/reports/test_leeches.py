"""The leech table: its sums, its columns, its bounds."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject, client_key
from privet.core.reports.leeches import HEADER, Leeches, LeechRow, format_row

if TYPE_CHECKING:
    from collections.abc import Sequence

Line = tuple[bytes, float, bytes | int, bytes]


def key(number: int) -> bytes:
    return bytes((10, *number.to_bytes(3)))


ONE, TWO, THREE = key(1), key(2), key(3)


def summed(lines: Sequence[Line], batch: int = 1000, max_clients: int = 1000) -> Leeches:
    leeches = Leeches(max_clients)
    for start in range(0, len(lines), batch):
        part = lines[start : start + batch]
        leeches.add([line[0] for line in part], *([line[n] for line in part] for n in (1, 2, 3)))  # type: ignore[arg-type]
    return leeches


def example() -> list[Line]:
    """Make the row that administrators know: 43 hits, 9K, 100%, 128.8s, 200 (93%), 503 (6%)."""
    times = [1000.0 + 128.8 * number for number in range(43)]
    statuses = [b"503" if number in {10, 20, 30} else b"200" for number in range(43)]
    return [(ONE, time, b"9999", status) for time, status in zip(times, statuses, strict=True)]


def test_the_row_that_administrators_know() -> None:
    (row,) = summed(example()).rows()
    assert row.subject == Subject.of_key(ONE)
    assert (row.hits, row.kib, row.share) == (43, 9, 100)
    assert row.interval == pytest.approx(128.8)
    assert row.statuses == (("200", 93), ("503", 6))
    assert format_row(row, "192.0.2.1") == "           192.0.2.1         43     9K  100%  128.8s 200 (93%), 503 (6%)"


def test_columns_stand_under_their_heads() -> None:
    assert HEADER.split() == ["ip", "hits", "bandw.", "hits%", "interv.", "status", "code", "distrib."]
    line = format_row(LeechRow(Subject.of_key(ONE), 1_234_567_890, 12_345, 99, 12_345.6, (("404", 100),)), "x" * 20)
    assert line == "x" * 20 + " 1234567890 12345K   99% 12345.6s 404 (100%)"
    line = format_row(LeechRow(Subject.of_key(ONE), 7, 3, 1, 2.0, (("404", 100),)), "you")
    ends = [HEADER.index(word) + len(word) for word in ("ip", "hits", "bandw.", "hits%", "interv.")]
    for end in ends:
        assert line[end - 1] != " "
        assert line[end] == " "
    assert line[HEADER.index("status") :] == "404 (100%)"


def test_a_long_name_moves_the_row_and_loses_nothing() -> None:
    (row,) = summed(example()).rows()
    name = "100::1234:5678:9abc:def0"
    assert format_row(row, name).startswith(name + "         43 ")


def test_no_interval_for_one_hit_or_for_no_time() -> None:
    lines: list[Line] = [(ONE, 5.0, b"0", b"200"), (TWO, 7.0, b"0", b"200"), (TWO, 7.0, b"0", b"200")]
    rows = summed(lines).rows()
    assert [row.interval for row in rows] == [None, None]
    assert format_row(rows[0], "a") == f"{'a':>20} {2:>10} {'0K':>6} {'66%':>5} {'':>7} 200 (100%)"


def test_most_hits_first_and_among_equals_the_first_comer() -> None:
    order = [TWO, ONE, THREE, THREE, ONE, TWO, key(4), key(4), key(4), key(5)]
    lines: list[Line] = [(who, 1.0, b"1", b"200") for who in order]
    expected = [key(4), TWO, ONE, THREE, key(5)]
    for limit in (None, 0, 1, 3, 5, 9):
        rows = summed(lines).rows(limit)
        assert [row.subject for row in rows] == [Subject.of_key(who) for who in expected[:limit]]


def test_lines_out_of_order_count_by_their_own_time() -> None:
    lines: list[Line] = [(ONE, time, b"0", b"200") for time in (50.0, 20.0, 90.0, 30.0, 80.0)]
    (row,) = summed(lines).rows()
    assert row.interval == (90.0 - 20.0) / 4


def test_a_size_that_is_no_number_counts_as_nothing() -> None:
    sizes: list[bytes | int] = [b"-", b"4096", 2048, b"", b"6\xff", b"9" * 5000]
    lines: list[Line] = [(ONE, 1.0, size, b"200") for size in sizes]
    (row,) = summed(lines).rows()
    assert row.kib == 1
    assert row.hits == 6


def test_statuses_come_most_frequent_first_whichever_was_seen_first() -> None:
    codes = [b"404", b"200", b"301", b"200", b"200", b"301"]
    (row,) = summed([(ONE, 1.0, b"0", code) for code in codes]).rows()
    assert row.statuses == (("200", 50), ("301", 33), ("404", 16))


def test_one_row_for_all_addresses_of_an_ipv6_network_and_for_each_pseudonym() -> None:
    texts = [b"2001:db8::1", b"2001:db8::2:1", b"100::1", b"100::2", b"2001:db8::3"]
    keys = [found for text in texts if (found := client_key(text))]
    rows = summed([(found, 1.0, b"0", b"200") for found in keys]).rows()
    assert [row.hits for row in rows] == [3, 1, 1]
    assert rows[0].subject == Subject.parse("2001:db8::/64")
    assert "db8" not in repr(rows)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        Leeches().add([ONE, TWO], [1.0], [b"1"], [b"200"])


def test_when_full_the_clients_with_the_fewest_hits_go_first_then_the_oldest() -> None:
    busy = [(key(number), 1.0, b"0", b"200") for number in range(8) for _ in range(2)]
    lines: list[Line] = [*busy, *((key(100 + number), 2.0, b"0", b"200") for number in range(8))]
    leeches = summed(lines, max_clients=16)
    assert leeches.evicted == 0
    leeches.add([key(200)], [3.0], [b"0"], [b"200"])
    assert leeches.evicted == 2  # an eighth
    left = {row.subject for row in leeches.rows()}
    assert left == {Subject.of_key(key(number)) for number in (*range(8), *range(102, 108), 200)}
    assert leeches.hits == len(lines) + 1


def test_eviction_goes_on_to_the_next_level_when_the_lowest_is_not_enough() -> None:
    hits = [1, 5, 3, 3, 2, 9, 9, 9] * 3
    lines: list[Line] = [(key(number), 1.0, b"0", b"200") for number, count in enumerate(hits) for _ in range(count)]
    leeches = summed(lines, max_clients=24)
    leeches.add([key(99)], [3.0], [b"0"], [b"200"])  # three must go: those with one hit
    assert leeches.evicted == 3
    assert sorted(row.hits for row in leeches.rows())[:4] == [1, 2, 2, 2]
    leeches.add([key(98), key(97)], [3.0] * 2, [b"0"] * 2, [b"200"] * 2)
    assert leeches.evicted == 3  # there was still room
    leeches.add([key(96)], [3.0], [b"0"], [b"200"])
    assert leeches.evicted == 6


def test_leeches_stay_known_while_a_flood_of_strangers_passes() -> None:
    lines: list[Line] = []
    for number in range(5000):
        lines.append((key(10_000 + number), float(number), b"1", b"200"))
        if number % 5 == 0:
            lines.append((ONE, float(number), b"2048", b"404"))
    leeches = summed(lines, max_clients=100)
    rows = leeches.rows()
    assert len(rows) <= 100
    assert (rows[0].subject, rows[0].hits, rows[0].share) == (Subject.of_key(ONE), 1000, 16)
    assert leeches.evicted == 5001 - len(rows)
    assert leeches.hits == 6000


@pytest.mark.parametrize("cap", [1, 2, 7])
def test_even_the_smallest_caps_hold(cap: int) -> None:
    leeches = summed([(key(number), 1.0, b"0", b"200") for number in range(50)], max_clients=cap)
    assert 0 < len(leeches.rows()) <= cap
    assert leeches.evicted + len(leeches.rows()) == 50


lines_of_few_clients = st.lists(
    st.tuples(
        st.integers(0, 12).map(key),
        st.integers(0, 50).map(float),
        st.one_of(st.integers(0, 1 << 40), st.binary(max_size=4)),
        st.sampled_from((b"200", b"304", b"404", b"503")),
    ),
    max_size=60,
)


@given(lines_of_few_clients, st.integers(1, 60), st.integers(1, 14))
def test_batches_make_no_difference(lines: list[Line], batch: int, cap: int) -> None:
    whole, parts = summed(lines, 1000, cap), summed(lines, batch, cap)
    assert whole.rows() == parts.rows()
    assert (whole.hits, whole.evicted) == (parts.hits, parts.evicted)


@given(lines_of_few_clients, st.integers(0, 60))
def test_parts_that_are_merged_make_no_difference(lines: list[Line], cut: int) -> None:
    one, two, whole = summed(lines[:cut]), summed(lines[cut:]), summed(lines)

    one.merge(two)

    def known(leeches: Leeches) -> dict[Subject, tuple[object, ...]]:
        return {row.subject: (row.hits, row.kib, row.interval, sorted(row.statuses)) for row in leeches.rows()}

    assert known(one) == known(whole)
    assert one.hits == len(lines)


def test_what_is_merged_is_bounded_too() -> None:
    one, two = (
        summed([(key(number), 1.0, b"0", b"200") for number in range(start, start + 10)], max_clients=10)
        for start in (0, 100)
    )

    one.merge(two)

    assert (len(one.rows()), one.hits, one.evicted) == (10, 20, 10)


def test_the_sums_agree_with_the_plain_way() -> None:
    rng = random.Random(5)
    lines: list[Line] = [
        (
            key(int(rng.paretovariate(0.6)) % 300),
            rng.random() * 1e4,
            rng.randrange(90_000),
            rng.choice((b"200", b"404")),
        )
        for _ in range(20_000)
    ]
    rows = summed(lines, 777).rows()
    assert all(one.hits >= two.hits for one, two in pairwise(rows))
    of_client: dict[Subject, list[Line]] = {}
    for line in lines:
        of_client.setdefault(Subject.of_key(line[0]), []).append(line)
    assert {row.subject for row in rows} == set(of_client)
    for row in rows:
        mine = of_client[row.subject]
        times = [line[1] for line in mine]
        assert row.hits == len(mine)
        assert row.kib == sum(int(line[2]) for line in mine) // len(mine) // 1024
        assert row.share == 100 * len(mine) // 20_000
        if len(mine) > 1:
            assert row.interval == pytest.approx((max(times) - min(times)) / (len(mine) - 1))
        else:
            assert row.interval is None
        counts = Counter(line[3].decode() for line in mine)
        assert dict(row.statuses) == {code: 100 * count // len(mine) for code, count in counts.items()}
