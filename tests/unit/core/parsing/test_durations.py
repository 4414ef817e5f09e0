"""Response times, in the units of Apache and nginx."""

from __future__ import annotations

import pytest

from privet.core.parsing.durations import duration_of
from privet.core.parsing.formats import parse_format
from privet.core.parsing.parse import plan_of

HEAD = '192.0.2.1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 '
FORMAT = '%h %l %u %t "%r" %>s %b '


def seconds(how: str, text: str) -> float | None:
    rows = plan_of(parse_format(FORMAT + how), {"duration", "duration_ms", "duration_us"}).parse(
        f"{HEAD}{text}\n".encode()
    )
    took = duration_of(rows)
    assert took is not None
    return took(0)


@pytest.mark.parametrize(
    ("how", "text", "expected"),
    [
        ("%D", "2500000", 2.5),
        ("%D", "0.125", 0.125),
        ("%T", "3", 3.0),
        ("%{s}T", "3", 3.0),
        ("%{ms}T", "1500", 1.5),
        ("%{us}T", "1500", 0.0015),
        ("%D", "-", None),
        ("%D", "nan", None),
        ("%D", "1e9", None),
        ("%D", "9" * 40, None),
    ],
)
def test_durations_are_read_in_their_units(how: str, text: str, expected: float | None) -> None:
    assert seconds(how, text) == (None if expected is None else pytest.approx(expected))


def test_a_log_without_them_has_none() -> None:
    assert duration_of(plan_of(parse_format("combined")).parse(f'{HEAD}"-" "-"\n'.encode())) is None


def test_nginx_writes_seconds() -> None:
    text = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $request_time'
    rows = plan_of(parse_format(text), {"duration"}).parse(f"{HEAD}0.042\n".encode())
    took = duration_of(rows)
    assert took is not None
    assert took(0) == pytest.approx(0.042)
