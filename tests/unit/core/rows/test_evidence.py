"""The lines behind a verdict: the right ones, masked, few, and none where it is not sure."""

from __future__ import annotations

import math
import tracemalloc
from time import process_time

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch, Engine
from privet.core.parsing.formats import named
from privet.core.parsing.parse import plan_of
from privet.core.parsing.times import write_clf
from privet.core.rows import evidence

START = 1_700_000_000.0
WEB = '[source.web]\npipe = true\nformat = "common"\n'
LOGIN = WEB + '[jail.login]\nsource = "web"\npath = "^/login"\nmaxretry = 3\nfindtime = "1h"\n'


def line(client: str, seconds: float, path: str = "/login") -> bytes:
    return b'%b - - [%b] "GET %b HTTP/1.1" 200 5\n' % (client.encode(), write_clf(START + seconds), path.encode())


def engine(config: str = LOGIN) -> Engine:
    return engine_for(parse(config, "p.toml"))


def shown(one: Engine, *batches: bytes) -> list[list[str]]:
    """Feed batches; return the requests in the evidence of each verdict."""
    found = []
    for batch in batches:
        for verdict in one.feed(Batch("web", batch), math.inf):
            requests_of = [text.split('"')[1] for text in one.evidence(verdict)]
            found.append(requests_of)
    return found


def requests(*paths: str) -> list[str]:
    return [f"GET {path} HTTP/1.1" for path in paths]


def test_the_failures_that_counted_are_shown_without_the_address() -> None:
    one = engine()
    lines = [line("192.0.2.1", n, f"/login?{n}&from=192.0.2.1") for n in range(3)]
    (verdict,) = one.feed(Batch("web", b"".join([*lines, line("192.0.2.9", 3)])), math.inf)
    told = one.evidence(verdict)
    assert [text.split('"')[1] for text in told] == requests(*(f"/login?{n}&from=0.0.0.0" for n in range(3)))
    assert "192.0.2" not in "".join(told)


def test_they_are_found_over_several_batches_and_between_other_lines() -> None:
    other = line("192.0.2.1", 0, "/") + line("192.0.2.7", 0, "/login")
    batches = [other + line("192.0.2.1", n, f"/login{n}") + other for n in range(3)]
    assert requests("/login0", "/login1", "/login2") in shown(engine(), *batches)


def test_the_last_three_of_many_are_enough() -> None:
    many = engine(LOGIN.replace("maxretry = 3", "maxretry = 9"))
    batch = b"".join(line("192.0.2.1", n, f"/login{n}") for n in range(9))
    assert shown(many, batch) == [requests("/login6", "/login7", "/login8")]


def test_what_comes_after_the_verdict_did_not_lead_to_it() -> None:
    batch = b"".join(line("192.0.2.1", n, f"/login{n}") for n in range(6))
    found = shown(engine(LOGIN.replace("maxretry", 'bantime = "1s"\nmaxretry')), batch)
    assert found == [requests("/login0", "/login1", "/login2"), requests("/login3", "/login4", "/login5")]


def test_bad_and_blank_lines_do_not_shift_the_rows() -> None:
    batch = b"nonsense\n\n" + line("192.0.2.1", 0, "/login0") + b"more\n" + line("192.0.2.1", 1, "/login1") + b"\n"
    assert shown(engine(), batch + line("192.0.2.1", 2, "/login2")) == [requests("/login0", "/login1", "/login2")]


def test_where_it_is_not_sure_there_is_none() -> None:
    config = LOGIN.replace("common", "json")
    request = '{"remote_ip":"192.0.2.1","method":"GET","host":"h","uri":"/login"}'
    row = f'{{"level":"info","ts":{START},"msg":"handled request","request":{request},"status":200,"size":1}}\n'
    message = '{"level":"info","ts":1.0,"msg":"server running"}\n'
    one = engine(config)
    (verdict,) = one.feed(Batch("web", (row * 3).encode()), math.inf)
    assert len(one.evidence(verdict)) == 3
    one = engine(config)
    (verdict,) = one.feed(Batch("web", (row + message + row * 2).encode()), math.inf)
    assert one.evidence(verdict) == ()


def test_a_ban_for_bans_has_none_of_its_own() -> None:
    one = engine(
        WEB + '[jail.hasty]\nsource = "web"\nmaxretry = 1\n[jail.net]\nbans_of = "*"\nkey = "prefix"\nmaxretry = 1\n'
    )
    hasty, net = one.feed(Batch("web", line("192.0.2.1", 0)), math.inf)
    assert len(one.evidence(hasty)) == 1
    assert one.evidence(net) == ()


def test_old_blocks_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "ROOM", 2 * len(line("192.0.2.1", 0, "/login0")))
    batches = [line("192.0.2.1", n, f"/login{n}") for n in range(3)]
    assert shown(engine(), *batches) == [requests("/login1", "/login2")]


@pytest.mark.parametrize("config", [LOGIN, WEB + '[jail.all]\nsource = "web"\nmaxretry = 3\n'])
def test_conditions_or_none_make_no_difference(config: str) -> None:
    assert shown(engine(config), *[line(f"2001:db8::{n}", n) for n in range(3)]) == [requests(*["/login"] * 3)]


def test_where_lines_begin_is_found_in_one_go_among_many_that_are_bad() -> None:
    block = b"".join(line("192.0.2.1", n) + b"garbage %d\n" % n for n in range(6000))
    rows = plan_of(named("common")).parse(block)
    assert len(rows) == len(rows.bad) == 6000
    begin = process_time()
    place = evidence.Lines(block, rows).place(5999)
    assert process_time() - begin < 0.5
    assert block[place:].startswith(line("192.0.2.1", 5999))


def test_no_block_is_kept_for_the_sake_of_one_line() -> None:
    many = engine(
        LOGIN
        + "".join(f'[jail.j{n}]\nsource = "web"\npath = "^/{n}$"\nmaxretry = 2\nfindtime = "1h"\n' for n in range(30))
    )
    rest = line("192.0.2.9", 0, "/" + "x" * 1000) * 1000
    tracemalloc.start()
    try:
        for number in range(30):
            assert shown(many, line("192.0.2.1", number, f"/{number}") + rest) == []
        assert tracemalloc.get_traced_memory()[0] < 6 * len(rest)
    finally:
        tracemalloc.stop()
    assert shown(many, line("192.0.2.1", 40, "/29")) == [requests("/29")]


@pytest.mark.parametrize("blank", [b"", b"\n"])
def test_every_line_is_found_by_its_row_be_it_the_first_that_is_asked_for_or_a_later_one(blank: bytes) -> None:
    texts = [line("192.0.2.1", n, f"/{n}") for n in range(7)]
    block = b"".join(texts[:3]) + blank + b"".join(texts[3:])
    rows = plan_of(named("common")).parse(block)
    expected = [text[:-1] for text in texts]
    assert [evidence.Lines(block, rows)[row] for row in range(7)] == expected
    lines = evidence.Lines(block, rows)
    assert [lines[row] for row in (6, 0, 3, 1, 2, 5, 4)] == [expected[row] for row in (6, 0, 3, 1, 2, 5, 4)]
    assert [block[lines.place(row) :].split(b"\n")[0] for row in range(7)] == expected
