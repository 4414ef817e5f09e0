"""Hits by one field."""

from __future__ import annotations

from privet.core.parsing.parse import Rows
from privet.core.reports.hits import By, Hits


def rows(times: list[float], **columns: list[bytes]) -> Rows:
    one = Rows(len(times))
    one.keys, one.times, one.columns = [bytes((10, 0, 0, 1))] * len(times), times, dict(columns)
    return one


def counted(by: By, *parts: Rows, file: str = "", most: int = 100) -> Hits:
    hits = Hits(by, file, most)
    for part in parts:
        hits.take(part)
    return hits


def told(hits: Hits, limit: int | None = None) -> list[tuple[str, int, int]]:
    return [(row.value, row.hits, row.share) for row in hits.rows(limit)]


def test_values_come_most_hits_first_with_their_share() -> None:
    hits = counted("status", rows([1.0] * 3, status=[b"200", b"404", b"200"]), rows([2.0], status=[b"503"]))

    assert told(hits) == [("200", 2, 50), ("404", 1, 25), ("503", 1, 25)]
    assert told(hits, 1) == [("200", 2, 50)]


def test_hours_are_written_as_in_the_log_and_come_newest_first() -> None:
    stamps = [b"27/Jun/2019:13:59:59 +0200", b"28/Jun/2019:09:00:00 +0200", b"2019-06-28T10:00:00Z", b"1561716000"]

    hits = counted("hour", rows([1_561_636_799.0, 1_561_705_200.0, 1_561_716_000.0, 1_561_716_000.5], stamp=stamps))

    assert [value for value, _, _ in told(hits)] == [
        "28/Jun/2019:10", "2019-06-28T10", "28/Jun/2019:09", "27/Jun/2019:13",
    ]  # fmt: skip


def test_days_come_newest_first() -> None:
    stamps = [b"27/Jun/2019:13:59:59 +0200", b"2019-06-28T10:00:00Z", b"27/Jun/2019:14:00:00 +0200", b"1561716000"]

    hits = counted("day", rows([1_561_636_799.0, 1_561_716_000.0, 1_561_636_800.0, 1_561_716_001.0], stamp=stamps))

    assert told(hits) == [("28/Jun/2019", 1, 25), ("2019-06-28", 1, 25), ("27/Jun/2019", 2, 50)]


def test_statuses_have_classes() -> None:
    statuses = [b"200", b"101", b"304", b"404", b"429", b"503", b"999"]

    assert told(counted("status-class", rows([1.0] * 7, status=statuses))) == [
        ("2xx", 2, 28), ("4xx", 2, 28), ("3xx", 1, 14), ("5xx", 1, 14), ("other", 1, 14),
    ]  # fmt: skip


def test_paths_are_cut_out_of_requests() -> None:
    requests = [b"GET /a?x=1 HTTP/1.1", b"GET /a HTTP/1.1", b"\x16\x03"]

    assert told(counted("path", rows([1.0] * 3, request=requests))) == [("/a", 2, 66), ("\x16\x03", 1, 33)]


def test_files_are_counted_by_name_and_keep_their_order() -> None:
    one, two = counted("file", rows([1.0]), file="b.log"), counted("file", rows([1.0] * 3), file="a.log")

    one.merge(two)

    assert told(one) == [("b.log", 1, 25), ("a.log", 3, 75)]


def test_memory_is_bounded() -> None:
    hits = counted("agent", *(rows([1.0] * 3, agent=[b"often", b"often", b"%d" % number]) for number in range(1000)))

    assert hits.rows(1)[0].value == "often"
    assert len(hits.rows()) <= 101
    assert hits.evicted == 1001 - len(hits.rows())
    assert hits.hits == 3000
