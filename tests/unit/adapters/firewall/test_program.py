"""What is made of what nft says, with programs in its place that say it."""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import program
from privet.adapters.firewall.layout import HOOK, Structure
from privet.adapters.firewall.program import TextWriter, build, listing, run
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE, TWO = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::1")


@pytest.fixture
def nft(tmp_path: Path) -> Callable[[str], str]:
    """Give a program in place of nft that does what a shell script says."""

    def make(script: str) -> str:
        path = tmp_path / "nft"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return str(path)

    return make


def test_a_missing_program_is_permanent_and_says_what_to_install() -> None:
    with pytest.raises(FirewallError, match="install the package nftables") as caught:
        run("nft-that-is-missing")
    assert not caught.value.transient


def test_a_missing_right_is_permanent(nft: Callable[[str], str]) -> None:
    with pytest.raises(FirewallError, match="run as root") as caught:
        run(nft("echo 'Operation not permitted (you must be root)' >&2; exit 1"))
    assert not caught.value.transient


def test_a_hanging_program_is_transient(nft: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_WITHIN", 0.2)
    with pytest.raises(FirewallError, match="did not end") as caught:
        run(nft("exec sleep 10"))
    assert caught.value.transient


def test_a_program_that_cannot_start(nft: Callable[[str], str], tmp_path: Path) -> None:
    path = nft("")
    (tmp_path / "nft").write_text("#!/nowhere/sh\n")
    with pytest.raises(FirewallError, match="cannot be run"):
        run(path)


def test_a_refused_structure_tells_the_first_complaint(nft: Callable[[str], str]) -> None:
    with pytest.raises(FirewallError, match=r"structure: /dev/stdin:2:1-3: Error: Odd$") as caught:
        build(nft("echo '/dev/stdin:2:1-3: Error: Odd' >&2; echo second >&2; exit 1"), "add table inet privet\n")
    assert caught.value.transient


def test_listing_what_is_not_there_is_empty(nft: Callable[[str], str]) -> None:
    assert listing(nft("echo 'Error: No such file or directory' >&2; exit 1"), "list") == ""
    with pytest.raises(FirewallError, match="cannot list"):
        listing(nft("echo 'Error: oddity' >&2; exit 1"), "list")


def test_orders_go_by_standard_input_with_the_steps_of_netlink(nft: Callable[[str], str], tmp_path: Path) -> None:
    writer = TextWriter(nft(f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/input'))
    orders = [Order(ONE, 60.0), Order(TWO, 1.5, known=True), Order(ONE, None), Order(TWO, math.inf)]
    assert writer.commit([*orders, Order(ONE, 60.0, service="tcp/22")]) == {}
    assert (tmp_path / "arguments").read_text() == "-f -\n"
    assert (tmp_path / "input").read_text().splitlines() == [
        "create element inet privet v4_32 { 192.0.2.1 timeout 60000ms }",
        "add element inet privet v6_64 { 2001:db8:: timeout 1500ms }",
        "delete element inet privet v6_64 { 2001:db8:: }",
        "add element inet privet v6_64 { 2001:db8:: timeout 1500ms }",
        "add element inet privet v4_32 { 192.0.2.1 timeout 100ms }",
        "delete element inet privet v4_32 { 192.0.2.1 }",
        "create element inet privet v6_64 { 2001:db8:: }",
        "create element inet privet v4_32_ports { 192.0.2.1 . tcp . 22 timeout 60000ms }",
    ]


def test_complaints_name_their_orders(nft: Callable[[str], str]) -> None:
    complaints = [
        "/dev/stdin:3:36-43: Error: Could not process rule: No such file or directory",
        "delete element inet privet v6_64 { 2001:db8:: }",
        "/dev/stdin:5:36-43: Error: value too large",
        "/dev/stdin:6:36-43: Error: Could not process rule: File exists",
    ]
    writer = TextWriter(nft("\n".join([*(f"echo '{line}' >&2" for line in complaints), "exit 1"])))
    orders = [Order(ONE, 60.0), Order(TWO, 60.0, known=True), Order(ONE, 1e15), Order(TWO, 60.0)]
    assert writer.commit(orders) == {1: errno.ENOENT, 2: errno.EINVAL, 3: errno.EEXIST}


def test_a_failure_without_a_line_tells_no_address(nft: Callable[[str], str]) -> None:
    with pytest.raises(FirewallError) as caught:
        TextWriter(nft("echo 'cannot take 192.0.2.1' >&2; exit 1")).commit([Order(ONE, 60.0)])
    assert str(caught.value) == "nft failed without naming a line"


def test_a_listing_is_read(nft: Callable[[str], str]) -> None:
    listing = """{"nftables": [{"metainfo": {}}, {"set": {"name": "v4_32", "handle": 5, "elem": [
        {"elem": {"val": "192.0.2.1", "timeout": 60, "expires": 7}}, "192.0.2.2", {"prefix": {"addr": "192.0.2.8",
        "len": 29}}, {"range": ["192.0.2.4", "192.0.2.6"]}, "2001:db8::", {"concat": ["192.0.2.1", 6, 22]},
        {"elem": {"val": {"concat": ["192.0.2.1", 17, 53]}, "expires": 9}}]}}, {"table": {"handle": 3}},
        {"chain": {"name": "bans", "type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"}},
        {"chain": {"name": "others"}}, {"rule": {"chain": "others", "expr": []}},
        {"rule": {"chain": "bans", "comment": "v4_32", "expr": [{"match": {"right": "@v4_32"}},
        {"counter": {"packets": 2, "bytes": 80}}, {"drop": null}]}},
        {"rule": {"chain": "bans", "expr": [{"match": {"right": {"set": [1]}}}]}},
        {"rule": {"chain": "bans", "comment": "v6_64", "expr": [{"match": {"right": "@v6_64"}}]}}]}"""
    writer = TextWriter(nft(f"cat <<'EOF'\n{listing}\nEOF"))
    assert list(writer.elements("v4_32")) == [
        (b"\xc0\0\2\1", 7),
        (b"\xc0\0\2\2", None),
        (b"\xc0\0\2\x08", None),
        (b"\xc0\0\2\4", None),
        (bytes.fromhex("20010db8") + bytes(12), None),
        (b"\xc0\0\2\1\6\0\0\0\0\x16\0\0", None),
        (b"\xc0\0\2\1\x11\0\0\0\0\x35\0\0", 9),
    ]
    assert writer.structure() == Structure(3, {"v4_32": 5}, {"v4_32": (2, 80)}, ("v4_32", "", "v6_64"), HOOK)
