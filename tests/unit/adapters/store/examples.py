"""Bans to store, in great variety."""

from __future__ import annotations

import math

from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban

NOW = 1_790_000_000.0
HOUR = 3600.0

NETS = ("192.0.2.{}", "198.51.100.{}", "2001:db8:7:{:x}::", "203.0.113.{}", "2001:db8:a:{:x}::/64", "10.{}.0.0/16")


def ban(number: int, jail: str = "ssh", hours: float = 1.0, why: str = "") -> Ban:
    """Return one of many different bans; 192.0.2.0 comes first."""
    subject = Subject.parse(NETS[number % len(NETS)].format(number // len(NETS) + 1))
    return Ban(subject, jail, NOW + number / 7, NOW + hours * HOUR, 3 + number, "jail", why)


def bans(count: int, first: int = 0, hours: float = 1.0) -> list[Ban]:
    """Return many bans, each of its own subject."""
    return [ban(number, hours=hours) for number in range(first, first + count)]


def for_good(number: int) -> Ban:
    """Return a ban without end."""
    endless = ban(number)
    endless.until = math.inf
    return endless


def by_subject(found: list[Ban]) -> list[Ban]:
    """Return bans in an order of their own."""
    return sorted(found, key=lambda one: (one.subject, one.jail))
