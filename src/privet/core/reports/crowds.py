"""Clients summed up by the network that they come from: what is behind `privet report networks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import Subject, is_pseudonym, mask_bits
from privet.core.addresses.networks import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.addresses.networks import Networks
    from privet.core.reports.leeches import Leeches

Lengths = tuple[int, int]  # bits of an IPv4 and of an IPv6 network
UNKNOWN = "unknown"


class CrowdRow(msgspec.Struct, frozen=True):
    """What a network asked: it is named by an AS number or, with `subject`, a prefix. `kib` is the mean size in KiB."""

    subject: Subject | None
    asn: str
    name: str
    clients: int
    hits: int
    kib: int
    share: int


def crowds(leeches: Leeches, lengths: Lengths, table: Networks | None = None) -> tuple[list[CrowdRow], int]:
    """Sum up clients by AS number if there is a table, else by prefix; most hits first.

    Returns with them how many clients are pseudonyms, of which nobody knows the network.
    """
    where = _by_asn(table) if table else _by_prefix(lengths)
    sums: dict[tuple[Subject | None, str, str], list[int]] = {}
    pseudonyms = 0
    for key, hits, size in leeches.clients():
        if is_pseudonym(key):
            pseudonyms += 1
            continue
        one = sums.setdefault(where(Subject.of_key(key)), [0, 0, 0])
        one[0] += 1
        one[1] += hits
        one[2] += size
    ranked = sorted(sums.items(), key=lambda item: -item[1][1])
    return [
        CrowdRow(*place, clients, hits, size // hits // 1024, hits * 100 // leeches.hits)
        for place, (clients, hits, size) in ranked
    ], pseudonyms


def _by_prefix(lengths: Lengths) -> Callable[[Subject], tuple[Subject | None, str, str]]:
    def where(subject: Subject) -> tuple[Subject | None, str, str]:
        length = min(lengths[subject.version == 6], subject.length)
        return Subject(mask_bits(subject.packed, length), length), "", ""

    return where


def _by_asn(table: Networks) -> Callable[[Subject], tuple[Subject | None, str, str]]:
    def where(subject: Subject) -> tuple[Subject | None, str, str]:
        network = table.of(subject)
        return (None, as_text(network.asn), network.name) if network else (None, UNKNOWN, "")

    return where
