"""Lists for other programs."""

from __future__ import annotations

from typing import Any

from privet.cli.export import exported

NOW = 1000.0


def ban(subject: str, until: float | None, **more: str) -> dict[str, Any]:
    return {"subject": subject, "until": until, "scope": "", "action": "ban"} | more


def test_each_subject_stands_there_once_with_its_latest_end() -> None:
    items = [ban("192.0.2.1", 1100), ban("192.0.2.1", 1300), ban("192.0.2.2", 1100), ban("192.0.2.2", None)]
    text, left_out = exported("ipset", [*items, ban("192.0.2.2", 1200)], NOW)

    assert text.splitlines()[2:] == ["add privet4 192.0.2.1 timeout 300", "add privet4 192.0.2.2 timeout 0"]
    assert left_out == 0


def test_what_lists_cannot_say_is_left_out_and_counted() -> None:
    items = [ban("192.0.2.1", 1100, scope="tcp:22"), ban("192.0.2.2", 1100, action="deny"), ban("192.0.2.3", 1100)]

    assert exported("plain", items, NOW) == ("192.0.2.3\n", 2)


def test_ipset_takes_no_longer_times_and_nft_none_for_good() -> None:
    assert "timeout 2147483\n" in exported("ipset", [ban("192.0.2.1", 1e9)], NOW)[0]
    assert "banned6 { 2001:db8::/32 }" in exported("nft", [ban("2001:db8::/32", None)], NOW)[0]
    assert "timeout 1s" in exported("nft", [ban("192.0.2.1", 999)], NOW)[0]
