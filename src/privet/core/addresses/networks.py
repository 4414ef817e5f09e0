"""To which network an address belongs: its AS number and name, as a local table says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import msgspec

from privet.core.addresses.address import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

_AS = re.compile(r"AS([0-9]{1,10})", re.IGNORECASE | re.ASCII)
_LARGEST = (1 << 32) - 1


class Network(msgspec.Struct, frozen=True):
    """An autonomous system, and the largest prefix around an address that the table gives to it."""

    asn: int
    name: str
    prefix: Subject


class Networks(Protocol):
    """A table of networks. It answers from memory, and nothing that it is asked leaves the process."""

    # Why it has no answers, or old ones; None when all is well.
    problem: str | None

    def of(self, subject: Subject) -> Network | None:
        """Return the network of a subject, None when the table has none or the subject lies in several."""

    def number(self, key: bytes) -> int | None:
        """Return the AS number of a client by its key, as quickly as can be; None when the table has none."""

    # Raises KeyError when the table does not know the number.
    def prefixes(self, asn: int) -> Sequence[Subject]:
        """Return all prefixes of an AS number."""

    def name(self, asn: int) -> str:
        """Return the name of an AS number, "" when it has none."""


def as_number(text: str) -> int | None:
    """Read `AS64500`; None when a text is no AS number."""
    found = _AS.fullmatch(text.strip())
    number = int(found[1]) if found else 0
    return number if 0 < number <= _LARGEST else None


def as_text(number: int) -> str:
    """Write an AS number as `AS64500`."""
    return f"AS{number}"
