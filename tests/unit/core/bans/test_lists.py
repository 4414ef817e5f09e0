"""Lists of others: every form that they come in, and nothing that only looks like one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject
from privet.core.bans.lists import Entry, ListError, parse_list

FAIL2BAN = "[{'sshd': ['192.0.2.1', '2001:db8::1']}, {'apache': []}, {'web': ['192.0.2.9']}]\n"
IPSET = """\
create bad hash:ip family inet hashsize 1024 maxelem 65536 timeout 300
add bad 192.0.2.1 timeout 86400 comment "timeout 5"
add bad 192.0.2.2 timeout 0
create nets hash:net family inet6
add nets 2001:db8::/32
"""
PLAIN = """\
# a list; with comments
192.0.2.1
192.0.2.0/24 ; SBL1
  198.51.100.7\t# tabs
203.0.113.9,evil
AS64500

2001:db8::1
192.0.2.1
"""


def told(text: str, **options: int) -> list[tuple[str, float | None]]:
    entries = parse_list(text, options.pop("most", 1000), **options)
    return [(e.who.reveal() if isinstance(e.who, Subject) else f"AS{e.who}", e.seconds) for e in entries]


def test_plain_text_with_comments() -> None:
    words = ["192.0.2.1", "192.0.2.0/24", "198.51.100.7", "203.0.113.9", "AS64500", "2001:db8::/64"]
    assert told(PLAIN) == [(word, None) for word in words]


def test_what_ipset_saves() -> None:
    assert told(IPSET) == [("192.0.2.1", 86_400.0), ("192.0.2.2", None), ("2001:db8::/32", None)]


def test_what_fail2ban_lists() -> None:
    assert parse_list(FAIL2BAN, 9)[0] == Entry(Subject.parse("192.0.2.1"), None, "banned by fail2ban (sshd)")
    assert [word for word, _ in told(FAIL2BAN)] == ["192.0.2.1", "2001:db8::/64", "192.0.2.9"]


def test_an_ipv6_client_is_as_wide_as_configured() -> None:
    assert told("2001:db8:1:2::3\n", ipv6_client=48) == [("2001:db8:1::/48", None)]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n; here\n", "[]", "[{'sshd': []}]", "create x hash:ip\n"])
def test_an_empty_list_is_a_list(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("192.0.2.1\nexample.org\n", "line 2 has no address"),
        ("<html>\n", "line 1 has no address"),
        ("192.0.2.1/33\n", "line 1 has no address"),
        ("add bad 192.0.2.1,tcp:80\n", "line 1 has no address"),
        ("add bad 192.0.2.1\nflush bad\n", "line 2 is not what ipset save prints"),
        ("add bad 192.0.2.0/24 nomatch\n", "line 1 is an exception"),
        ("[{'sshd': ['192.0.2.1'\n", "line 1 is not what fail2ban-client banned prints"),
        ("[1]\n", "line 1 is not what fail2ban-client banned prints"),
        ("[" * 5000, "line 1 is not what fail2ban-client banned prints"),
        ("[{'sshd': __import__('os')}]", "line 1 is not what fail2ban-client banned prints"),
        ("[{'sshd': ['x']}]", "line 1 has no address"),
    ],
)
def test_anything_else_is_refused_as_a_whole_and_never_quoted(text: str, complaint: str) -> None:
    with pytest.raises(ListError) as caught:
        told(text)
    assert str(caught.value).startswith(complaint)
    assert "192" not in str(caught.value)


def test_a_list_has_its_bound() -> None:
    with pytest.raises(ListError, match="more than 2 entries"):
        told("192.0.2.1\n192.0.2.2\n192.0.2.3\n", most=2)
    assert len(told("192.0.2.1\n192.0.2.2\n192.0.2.1\n", most=2)) == 2


@given(st.text(max_size=200))
def test_garbage_is_a_list_error_or_a_list(text: str) -> None:
    with suppress(ListError):
        assert len(told(text)) <= 200
