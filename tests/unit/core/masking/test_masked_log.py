"""The masked log: plain combined lines, one pseudonym per client, site and day, and no name that tells an address."""

from __future__ import annotations

import re
from datetime import UTC

import pytest

from privet.config.compile import MASKED_COLUMNS
from privet.core.masking.mask import Masks, masked_log
from privet.core.masking.scrub import DROPPED_V4
from privet.core.parsing.formats import APACHE, named
from privet.core.parsing.parse import plan_of
from privet.core.parsing.recognise import AutoPlan

KEY = bytes(range(32))
STAMP = "22/Nov/2026:10:00:00 +0000"


def line(client: str, host: str = "", user: str = "-", request: str = "GET / HTTP/1.1", agent: str = "x") -> str:
    """Return a line in the format recommended for pipes."""
    where = f"{host or 'www.example.org'}:443 "
    return f'{where}{client} - {user} [{STAMP}] "{request}" 200 5 "-" "{agent}" 812 "text/html" "-"\n'


def masked(text: str, mode: str = "pseudonym", key: bytes = KEY) -> list[str]:
    plan = plan_of(named("privet"), MASKED_COLUMNS)
    masks = Masks(mode, key if mode == "pseudonym" else None)
    return masked_log(plan.parse(text.encode()), plan, masks, b"web").decode().splitlines()


@pytest.mark.parametrize("lines", [1, 100])
def test_lines_are_plain_combined_and_read_again_the_same(lines: int) -> None:
    text = "".join(line(f"192.0.2.{number % 7 + 1}", user="jo hn", agent='a \\"b\\"') for number in range(lines))
    shown = masked(text)
    rows = plan_of(named("combined"), MASKED_COLUMNS).parse("".join(f"{one}\n" for one in shown).encode())
    assert len(rows) == len(shown) == lines
    assert len(set(rows.keys)) == min(lines, 7)
    assert set(rows.columns["user"]) == {b"jo hn"}
    assert set(rows.columns["agent"]) == {b'a \\"b\\"'}
    assert set(rows.columns["stamp"]) == {STAMP.encode()}


@pytest.mark.parametrize(
    ("mode", "v4", "v6"), [("drop", DROPPED_V4.decode(), "::"), ("truncate", "203.0.113.0", "2001:db8:1::")]
)
def test_the_modes_that_need_no_key(mode: str, v4: str, v6: str) -> None:
    shown = masked(line("203.0.113.77") + line("2001:db8:1:2::3"), mode)
    assert [one.partition(" ")[0] for one in shown] == [v4, v6]


def test_a_pseudonym_is_one_per_client_site_and_day() -> None:
    first, same, other_site = masked(
        line("2001:db8:0:1::1") + line("2001:db8:0:1::2") + line("2001:db8:0:1::1", host="blog.example.org")
    )
    (tomorrow,) = masked(line("2001:db8:0:1::1"), key=bytes(32))
    names = [one.partition(" ")[0] for one in (first, same, other_site, tomorrow)]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"100::[0-9a-f:]+", name) for name in names)


def test_addresses_elsewhere_in_the_line_have_the_same_name() -> None:
    (shown,) = masked(line("192.0.2.1", user="192.0.2.1", request="GET /?ip=192.0.2.1 HTTP/1.1", agent="at 192.0.2.1"))
    assert "192.0.2.1" not in shown
    assert shown.count(shown.partition(" ")[0]) == 4


@pytest.mark.parametrize("form", ["privet", "auto"])
def test_a_client_that_is_a_name_is_dropped(form: str) -> None:
    plan = AutoPlan(MASKED_COLUMNS, UTC) if form == "auto" else plan_of(named(form), MASKED_COLUMNS)
    rows = plan.parse(line("ec2-203-0-113-7.compute.example.net").encode())
    shown = masked_log(rows, plan, Masks("drop", None), b"web")
    assert b"203-0-113" not in shown
    assert DROPPED_V4 in shown


def test_lines_that_do_not_parse_are_kept_masked() -> None:
    shown = masked('192.0.2.9 \\x16\\x03\\x01 "\n' + line("192.0.2.9") + line("-"))
    assert len(shown) == 3
    assert not any("192.0.2.9" in one for one in shown)


def test_pseudonyms_need_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        Masks("pseudonym", None).site(b"web")


def test_every_text_format_can_be_masked() -> None:
    for name in APACHE:
        plan = plan_of(named(name), MASKED_COLUMNS)
        assert plan.format.fields >= {"client", "time", "request", "status", "size", "user"}
