"""The networks of clients, by prefix and by a table of AS numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.adapters.networks import Networks
from privet.core.addresses.address import Subject
from privet.core.jails import Jail
from privet.core.windows.nets import Keys, Named, network_key, number_of

if TYPE_CHECKING:
    from pathlib import Path

PSEUDONYM = bytes.fromhex("0100000000000000") + bytes(8)


def key(text: str) -> bytes:
    found = Subject.parse(text).key
    assert found
    return found


def test_prefixes_are_cut_off_whatever_their_length() -> None:
    clients = [key("192.0.2.130"), key("2001:db8:1:2::3"), PSEUDONYM]
    for prefixes, four, six in [
        ((24, 48), "192.0.2.0/24", "2001:db8:1::/48"),
        ((25, 33), "192.0.2.128/25", "2001:db8::/33"),
    ]:
        keys = Keys(Jail("net", ("web",), (), key="prefix", prefixes=prefixes), None)
        assert keys(clients) == [network_key(Subject.parse(four)), network_key(Subject.parse(six)), None]


def test_names_are_found_out_when_somebody_asks(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("192.0.2.0/24\t64500\n")
    networks = Networks(table)
    networks.refresh()
    keys = Keys(Jail("as", ("web",), (), key="asn"), networks)
    named = Named(keys, [key("192.0.2.1"), key("198.51.100.1")])
    assert [number_of(one) for one in named] == [64500, None]

    table.write_text("198.51.100.0/24\t64501\n192.0.2.0/24\t64502\n")
    networks.refresh()
    assert [number_of(one) for one in named] == [64500, None]  # what is known holds until it is cleared
    keys.clear()
    assert [number_of(one) for one in named] == [64502, 64501]
