"""The fields of requests: how they are cut out of what the log has."""

from __future__ import annotations

import pytest

from privet.core.jails import Predicate
from privet.core.parsing.formats import APACHE, parse_format
from privet.core.parsing.parse import plan_of
from privet.core.rows.select import columns_for, parts_of, split_request, values_of


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


@pytest.mark.parametrize(
    ("request_line", "target", "protocol"),
    [
        (b"GET /a?b HTTP/1.1", b"/a?b", b"HTTP/1.1"),
        (b"GET /a b HTTP/9", b"/a b", b"HTTP/9"),
        (b"GET /a", b"/a", b""),
        (b"garbage", b"garbage", b""),
        (b"", b"", b""),
    ],
)
def test_target_and_protocol(request_line: bytes, target: bytes, protocol: bytes) -> None:
    assert parts_of(request_line) == (*split_request(request_line), target, protocol)
