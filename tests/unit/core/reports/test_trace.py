"""The requests of one client, and its habits."""

from __future__ import annotations

from privet.core.parsing.parse import Rows
from privet.core.reports.trace import Request, Trace

ME, OTHER = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def traced(*requests: tuple[float, str, str], key: bytes = ME, most: int = 1000) -> Trace:
    """Trace requests of ME, each (time, request line, status)."""
    trace = Trace(ME, most)
    for time, line, status in requests:
        rows = Rows(2)
        rows.keys, rows.times = [OTHER, key], [time, time]
        rows.columns = {
            "request": [b"GET /other HTTP/1.1", line.encode()], "status": [b"200", status.encode()],
            "agent": [b"a", b"feeder"],
        }  # fmt: skip
        trace.take(rows)
    return trace


def test_requests_of_one_client_come_in_order_of_time() -> None:
    trace = traced((2.0, "GET /b?x HTTP/1.1", "200"), (1.0, "HEAD /a HTTP/1.1", "304"))

    assert trace.rows() == [
        Request(1.0, "HEAD", "/a", "304", "feeder"),
        Request(2.0, "GET", "/b?x", "200", "feeder"),
    ]
    assert trace.rows(1) == trace.rows()[-1:]
    assert (trace.hits, traced((1.0, "GET / HTTP/1.1", "200"), key=OTHER).hits) == (2, 0)


def test_pages_asked_for_by_head_more_than_once_are_told() -> None:
    twice = ["HEAD /p{0} HTTP/1.1", "HEAD /p{0} HTTP/1.1", "GET /p{0} HTTP/1.1"]
    trace = traced(*((float(n), line.format(n // 3), "200") for n, line in enumerate(twice * 2)))
    polite = traced(
        *((float(n), line.format(n), "200") for n, line in enumerate(["HEAD /p HTTP/1.1", "GET /p HTTP/1.1"]))
    )

    assert [habit.partition(" (")[0] for habit in trace.habits()] == [
        "asks by HEAD more than once before it fetches a page"
    ]
    assert polite.habits() == []


def test_who_does_not_slow_down_is_told_and_who_does_is_not() -> None:
    def refused(pause: float) -> list[str]:
        time, requests = 0.0, []
        for number in range(40):
            status = "503" if number % 4 == 3 else "200"
            requests.append((time, f"GET /p{number} HTTP/1.1", status))
            time += pause if status == "503" else 10.0
        return traced(*requests).habits()

    assert refused(10.0) == [
        "does not slow down when it is told to (10 times 429 or 503; back after 10.0 s, else after 10.0 s)"
    ]
    assert refused(60.0) == []


def test_pages_fetched_again_and_again_are_told_unless_it_asks_whether_they_changed() -> None:
    again = [(3600.0 * n, "GET /feed HTTP/1.1", "200") for n in range(9)]

    assert traced(*again).habits() == ["never asks whether a page has changed (9 times all of /feed)"]
    assert traced(*again, (1e6, "GET /feed HTTP/1.1", "304")).habits() == []


def test_memory_is_bounded_and_the_newest_stay() -> None:
    trace = traced(*((float(n), "GET / HTTP/1.1", "200") for n in range(100)), most=10)

    assert trace.hits == 100
    assert trace.dropped + len(trace.rows()) == 100
    assert len(trace.rows()) <= 20
    assert trace.rows()[-1].time == 99.0


def test_parts_are_merged() -> None:
    one, two = traced((2.0, "GET /b HTTP/1.1", "200")), traced((1.0, "GET /a HTTP/1.1", "200"))

    one.merge(two)

    assert [request.path for request in one.rows()] == ["/a", "/b"]
    assert one.hits == 2
