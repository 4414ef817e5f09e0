"""Clients summed up by network."""

from __future__ import annotations

from privet.core.addresses.address import Subject, client_key
from privet.core.addresses.networks import Network
from privet.core.reports.crowds import crowds
from privet.core.reports.leeches import Leeches


def leeches(*addresses: str) -> Leeches:
    found = Leeches()
    keys = [client_key(address.encode()) or b"" for address in addresses]
    found.add(keys, [1.0] * len(keys), [2048] * len(keys), [b"200"] * len(keys))
    return found


def test_clients_are_summed_up_by_prefix() -> None:
    found = leeches("192.0.2.1", "192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8:0:1::1", "2001:db8:0:2::1")

    rows, pseudonyms = crowds(found, (24, 48))

    assert [(row.subject, row.clients, row.hits, row.kib, row.share) for row in rows] == [
        (Subject.parse("192.0.2.0/24"), 2, 3, 2, 50),
        (Subject.parse("2001:db8::/48"), 2, 2, 2, 33),
        (Subject.parse("198.51.100.0/24"), 1, 1, 2, 16),
    ]
    assert pseudonyms == 0


class Table:
    """Knows one network."""

    problem: str | None = None

    def of(self, subject: Subject) -> Network | None:
        mine = Subject.parse("192.0.2.0/24")
        return Network(64500, "Example", mine) if mine.covers(subject) else None

    def number(self, key: bytes) -> int | None:
        network = self.of(Subject.of_key(key))
        return network.asn if network else None

    def prefixes(self, asn: int) -> list[Subject]:
        raise KeyError(asn)

    def name(self, asn: int) -> str:
        return "Example" if asn == 64500 else ""


def test_clients_are_summed_up_by_as_number() -> None:
    rows, _ = crowds(leeches("192.0.2.1", "192.0.2.200", "198.51.100.1"), (24, 48), Table())

    assert [(row.asn, row.name, row.clients, row.hits) for row in rows] == [
        ("AS64500", "Example", 2, 2),
        ("unknown", "", 1, 1),
    ]


def test_pseudonyms_have_no_network() -> None:
    rows, pseudonyms = crowds(leeches("100::1", "100::2", "192.0.2.1"), (24, 48))

    assert ([row.hits for row in rows], pseudonyms) == ([1], 2)
