"""Bans as lists for other programs; they have addresses in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONGEST_IPSET = 2_147_483  # seconds: what ipset takes at most

Line = tuple[str, int | None]
"""A subject and the seconds that are left, None for good."""


def exported(form: str, items: Iterable[dict[str, Any]], now: float) -> tuple[str, int]:
    """Return bans as a list, each subject once with its latest end; and how many are of no such kind."""
    ends: dict[str, float | None] = {}
    left_out = 0
    for item in items:
        if item["scope"] or item["action"] != "ban":
            left_out += 1
            continue
        subject, until = item["subject"], item["until"]
        before = ends.get(subject, 0.0)
        ends[subject] = None if until is None or before is None else max(until, before)
    lines = [(subject, None if until is None else max(1, round(until - now))) for subject, until in ends.items()]
    return "".join(f"{line}\n" for line in FORMS[form](lines)), left_out


def _plain(lines: Iterable[Line]) -> list[str]:
    return [subject for subject, _ in lines]


def _ipset(lines: Iterable[Line]) -> list[str]:
    return [
        "create privet4 hash:net family inet timeout 0",
        "create privet6 hash:net family inet6 timeout 0",
        *(
            f"add {_of_version(subject, 'privet')} {subject} timeout {min(left or 0, _LONGEST_IPSET)}"
            for subject, left in lines
        ),
    ]


def _nft(lines: Iterable[Line]) -> list[str]:
    return [
        "add table inet bans",
        "add set inet bans banned4 { type ipv4_addr; flags interval,timeout; }",
        "add set inet bans banned6 { type ipv6_addr; flags interval,timeout; }",
        *(
            f"add element inet bans {_of_version(subject, 'banned')} {{ {subject}{_timeout(left)} }}"
            for subject, left in lines
        ),
    ]


def _timeout(left: int | None) -> str:
    return f" timeout {left}s" if left else ""


def _of_version(subject: str, name: str) -> str:
    return f"{name}{6 if ':' in subject else 4}"


FORMS: dict[str, Callable[[Iterable[Line]], list[str]]] = {"plain": _plain, "ipset": _ipset, "nft": _nft}
