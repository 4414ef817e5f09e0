"""Lines of the usual formats are masked by their pieces, and come out as they do when they are parsed."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import MASKED_COLUMNS
from privet.core.masking import rewrite
from privet.core.masking.mask import Masks, masked_log
from privet.core.masking.rewrite import FEW, PAUSE, Rewriter
from privet.core.parsing.formats import parse_format
from privet.core.parsing.parse import plan_of
from privet.core.parsing.recognise import AutoPlan

if TYPE_CHECKING:
    from privet.core.parsing.parse import Plan, Rows

KEY = bytes(range(32))
NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
COMBINED = (
    b'192.0.2.%d - - [17/May/2015:10:05:03 +0000] "GET /a%d HTTP/1.1" 200 %d "http://198.51.100.7/" "(2001:db8::7)"\n'
)
PRIVET = (
    b"www%d.example:443 2001:db8:%d:: - - [17/May/2015:12:05:03 +0200] "
    b'"GET /192.0.2.%d HTTP/1.1" 404 - "-" "-" 12 "-" "-"\n'
)
VHOST = b"".join([b"e.org:80 ", COMBINED])


def plan_for(text: str) -> Plan | AutoPlan:
    return AutoPlan(MASKED_COLUMNS, UTC) if text == "auto" else plan_of(parse_format(text), MASKED_COLUMNS)


def lines_of(shape: bytes, count: int = FEW) -> list[bytes]:
    return [shape % tuple(number % 7 + place for place in range(shape.count(b"%d"))) for number in range(count)]


def parsed(plan: Plan | AutoPlan, block: bytes, mode: str) -> bytes:
    return masked_log(plan.parse(block), plan, Masks(mode, KEY), b"web")


@pytest.fixture
def never_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(rewrite, "masked_log", fails)


@pytest.mark.parametrize("mode", ["drop", "truncate", "pseudonym"])
@pytest.mark.parametrize(("text", "shape"), [
    ("combined", COMBINED),
    (NGINX, COMBINED),
    ("vhost_combined", VHOST),
    ("privet", PRIVET),
])  # fmt: skip
@pytest.mark.usefixtures("never_parsed")
def test_usual_lines_are_not_parsed_and_come_out_the_same(mode: str, text: str, shape: bytes) -> None:
    block, plan = b"".join(lines_of(shape)), plan_for(text)
    assert Rewriter(plan, b"web").masked(block, Masks(mode, KEY)) == parsed(plan, block, mode)


def test_a_format_that_was_recognised_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    block, plan = b"".join(lines_of(PRIVET)), plan_for("auto")
    rewriter, masks = Rewriter(plan, b"web"), Masks("pseudonym", KEY)
    first = rewriter.masked(block, masks)
    monkeypatch.setattr(rewrite, "masked_log", None)
    assert rewriter.masked(block, masks) == first


@pytest.mark.parametrize("place", [0, 1, FEW // 2, FEW - 1])
@pytest.mark.parametrize("odd", [
    b"\n",
    b"nothing of the kind\n",
    b'"""""\n',
    b'192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
    b'192.0.2.1 - 203.0.113.9 [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
    b'192.0.2.1 203.0.113.9 - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
    b'192.0.2.1 - - [32/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET \\"203.0.113.9\\" HTTP/1.1" 200 5 "-" "-"\n',
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 203.0.113.9 "-" "-"\n',
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-"  "-"\n',
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-" 203.0.113.9\n',
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-\n',
    b'" "-"\n',
    b'203.0.113.9 - - [17/May/2015:10:05:03 +0000]"GET /b HTTP/1.1" 200 5 "-" "x" \n',
    b'203.0.113.9"GET /b HTTP/1.1" 200 5 "-" "x" - - [17/May/2015:10:05:03 +0000] \n',
    b"203.0.113.9 - - [17/May/2015:10:05:03 +0000] \n" + 2 * b'"GET / HTTP/1.1" 200 5 "-" "-"' + b"\n",
    b'host.example - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
    b'- - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
])  # fmt: skip
@pytest.mark.parametrize("text", ["combined", "vhost_combined", "auto"])
def test_a_block_with_an_odd_line_comes_out_as_if_it_was_parsed(text: str, odd: bytes, place: int) -> None:
    lines = lines_of(VHOST if text == "vhost_combined" else COMBINED)
    lines.insert(place, odd)
    block, plan = b"".join(lines), plan_for(text)
    assert Rewriter(plan, b"web").masked(block, Masks("pseudonym", KEY)) == parsed(plan_for(text), block, "pseudonym")


@pytest.mark.parametrize("text", [
    "common",
    "json",
    '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i"',
    '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %v "x"',
    '%h %l %u %t "%r" %>s %b "%{User-Agent}i" "%{Referer}i"',
    '%h %l %u %t "%r" %>s %b "%{X}i" %{Referer}i "%{Referer}i" "%{User-Agent}i"',
    '%h %l %u %t "%m %U" %>s %b "%{Referer}i" "%{User-Agent}i"',
    '%h %l %u %t %D "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
    '%h %l %u %{%s}t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
])  # fmt: skip
def test_other_formats_are_parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "masked_log", lambda *_: b"parsed")
    block = b"".join(lines_of(COMBINED))
    assert Rewriter(plan_for(text), b"web").masked(block, Masks("drop", None)) == b"parsed"


def test_where_a_block_does_not_fit_the_next_ones_are_parsed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = b"".join(lines_of(COMBINED))
    rewriter, masks = Rewriter(plan_for("combined"), b"web"), Masks("drop", None)
    parsed: list[bytes] = []

    def parses(rows: Rows, *_: object) -> bytes:
        parsed.append(b"")
        return b"%d" % rows.lines

    monkeypatch.setattr(rewrite, "masked_log", parses)
    for block in [usual + b"odd\n"] + [usual] * (PAUSE + 3):
        rewriter.masked(block, masks)
    assert len(parsed) == 1 + PAUSE
    for block in (usual[: usual.index(b"\n") + 1], usual):  # a few lines are parsed, and tell nothing of others
        rewriter.masked(block, masks)
    assert len(parsed) == 2 + PAUSE
