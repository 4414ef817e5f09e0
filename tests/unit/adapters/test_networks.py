"""Tables of networks: every form gives the same answers, and what cannot be read leaves the old ones."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from privet.adapters import networks
from privet.adapters.networks import NO_TABLE, Networks
from privet.core.addresses.address import Subject
from tests.unit.mmdb import Value, write_mmdb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IPTOASN = (
    "192.0.2.0\t192.0.2.127\t64500\tZZ\tEXAMPLE-ONE First Example\n"
    "192.0.2.128\t192.0.2.255\t0\tNone\tNot routed\n"
    "198.51.100.0\t198.51.101.255\t64501\tZZ\tEXAMPLE-TWO\n"
    "2001:db8::\t2001:db8:0:ffff:ffff:ffff:ffff:ffff\t64500\tZZ\tEXAMPLE-ONE First Example\n"
)
PYASN = (
    "; IP-ASN32-DAT file\n192.0.2.0/25\t64500\n198.51.100.0/23\t64501\n198.51.100.0/22\t64502\n2001:db8::/48\t64500\n"
)
RECORDS: list[tuple[str, dict[str, Value]]] = [
    ("192.0.2.0/25", {"autonomous_system_number": 64500, "autonomous_system_organization": "EXAMPLE-ONE"}),
    ("198.51.100.0/23", {"asn": "AS64501", "name": "EXAMPLE-TWO"}),
    ("2001:db8::/48", {"autonomous_system_number": 64500, "autonomous_system_organization": "EXAMPLE-ONE"}),
    ("203.0.113.0/24", {"country": "ZZ"}),
]


def text(path: Path) -> None:
    path.write_text(IPTOASN)


def packed(path: Path) -> None:
    path.write_bytes(gzip.compress(IPTOASN.encode()))


def pyasn(path: Path) -> None:
    path.write_text(PYASN)


def mmdb(path: Path) -> None:
    write_mmdb(path, [(Subject.parse(prefix), record) for prefix, record in RECORDS])


FORMS = pytest.mark.parametrize("write", [text, packed, pyasn, mmdb])


def table(path: Path, write: Callable[[Path], None] = text) -> Networks:
    write(path)
    found = Networks(path)
    assert found.refresh()
    assert found.problem is None
    return found


def asn(found: Networks, address: str) -> int | None:
    network = found.of(Subject.parse(address))
    return network.asn if network else None


@FORMS
def test_every_form_gives_the_same_numbers(tmp_path: Path, write: Callable[[Path], None]) -> None:
    found = table(tmp_path / "table", write)
    assert asn(found, "192.0.2.1") == asn(found, "2001:db8:0:7::1") == 64500
    assert asn(found, "198.51.101.9") == 64501
    assert asn(found, "192.0.2.200") is asn(found, "203.0.113.5") is asn(found, "2001:db9::1") is None
    assert [prefix.reveal() for prefix in found.prefixes(64500)] == ["192.0.2.0/25", "2001:db8::/48"]


@pytest.mark.parametrize("write", [text, packed, mmdb])
def test_names_come_with_the_numbers(tmp_path: Path, write: Callable[[Path], None]) -> None:
    found = table(tmp_path / "table", write)
    network = found.of(Subject.parse("192.0.2.1"))
    assert network is not None
    assert network.name.startswith("EXAMPLE-ONE")
    assert network.prefix == Subject.parse("192.0.2.0/25")
    assert found.name(64501) == "EXAMPLE-TWO"
    assert found.name(1) == ""


def test_what_is_closer_counts(tmp_path: Path) -> None:
    found = table(tmp_path / "table", pyasn)
    assert asn(found, "198.51.103.1") == 64502
    assert [prefix.reveal() for prefix in found.prefixes(64502)] == ["198.51.102.0/23"]


def test_without_a_table_it_says_so() -> None:
    found = Networks()
    assert not found.refresh()
    assert found.problem == NO_TABLE
    assert asn(found, "192.0.2.1") is None
    with pytest.raises(KeyError):
        found.prefixes(64500)


def test_a_number_that_the_table_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        table(tmp_path / "table").prefixes(64999)


def test_it_is_read_again_when_it_changes_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "table"
    found = table(path)
    assert not found.refresh()
    fresh = tmp_path / "fresh"
    fresh.write_text("192.0.2.0/24\t64999\n")
    fresh.replace(path)
    assert found.refresh()
    assert asn(found, "192.0.2.1") == 64999


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"192.0.2.0/24 64500\n", "line 1 is neither"),
        (IPTOASN.encode() + b"192.0.2.9\t192.0.2.1\t1\tZZ\tbackwards\n", "line 5 is neither"),
        (b"192.0.2.1\t2001:db8::1\t1\tZZ\tmixed\n", "line 1 is neither"),
        (b"\x1f\x8bno gzip", "it is damaged"),
        (gzip.compress(IPTOASN.encode())[:-12], "it is damaged"),
        (bytes(100) + b"\xab\xcd\xefMaxMind.com" + bytes(100), "it is no MMDB that can be read"),
    ],
)
def test_what_cannot_be_read_leaves_the_old_answers(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "table"
    found = table(path)
    path.write_bytes(content)
    assert not found.refresh()
    assert found.problem is not None
    assert problem in found.problem
    assert "the old one stays in force" in found.problem
    assert asn(found, "192.0.2.1") == 64500


def test_a_table_that_is_gone(tmp_path: Path) -> None:
    found = Networks(tmp_path / "table")
    assert not found.refresh()
    assert found.problem is not None
    assert found.problem.endswith("No such file or directory")


def test_a_table_of_any_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "LARGEST", 2)
    path = tmp_path / "table"
    text(path)
    found = Networks(path)
    assert not found.refresh()
    assert found.problem is not None
    assert "more than 2 rows" in found.problem


def test_a_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("192.0.2.0\t192.0.2.255\t64500\tZZ\tEX\x1b[2JAMPLE" + "x" * 200 + "\n")
    found = Networks(path)
    found.refresh()
    assert found.name(64500).startswith("EX?[2JAMPLE")
    assert len(found.name(64500)) == 80
