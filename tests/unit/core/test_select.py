"""The fields of requests: how they are cut out of what the log has."""

from __future__ import annotations

import pytest

from privet.core.formats import APACHE, parse_format
from privet.core.jails import Predicate
from privet.core.parse import plan_of
from privet.core.select import columns_for, split_request, values_of


@pytest.mark.parametrize(
    ("request_line", "parts"),
    [
        (b"GET /a?b HTTP/1.1", (b"GET", b"/a", b"b")),
        (b"GET /a b?c d HTTP/1.1", (b"GET", b"/a b", b"c d")),
        (b"GET /a", (b"GET", b"/a", b"")),
        (b"GET  HTTP/1.1", (b"GET", b"", b"")),
        (b"garbage", (b"", b"garbage", b"")),
        (b"", (b"", b"", b"")),
        (b" ", (b"", b"", b"")),
        (b"GET ? HTTP/1.1", (b"GET", b"", b"")),
    ],
)
def test_splitting_a_request(request_line: bytes, parts: tuple[bytes, bytes, bytes]) -> None:
    assert split_request(request_line) == parts


def test_columns() -> None:
    assert columns_for([Predicate("status"), Predicate("agent")]) == {"status", "agent"}
    assert {"request", "target", "path"} <= columns_for([Predicate("path")])
    assert columns_for([]) == set()
    parsed = plan_of(parse_format(APACHE["common"])).parse(b"")
    assert values_of(parsed, "path", []) == []
