"""The search for addresses finds planted ones, and nothing else."""

from __future__ import annotations

import gzip
import lzma
import sys
from base64 import b64encode
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.privacy import search
from tests.privacy.search import leaks, spellings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
ADDRESSES = (V4, V6, "10.77.3.7", "2001:db8::7")

SPELT = [
    (V4, "203.0.113.77"),
    (V4, "[client 203.0.113.77:4711]"),
    (V4, "x=203%2E0%2E113%2E77"),
    (V4, "203%2e0%2e113%2e77"),
    (V4, "203%252E0%252E113%252E77"),
    (V4, "%32%30%33%2E%30%2e%31%31%33%2E%37%37"),
    (V4, "::ffff:203.0.113.77"),
    (V4, "::FFFF:CB00:714D"),
    (V4, "0000:0000:0000:0000:0000:ffff:cb00:714d"),
    (V4, "64:ff9b::cb00:714d"),
    (V4, "77.113.0.203.in-addr.arpa"),
    (V4, "ec2-203-0-113-77.example.net"),
    (V4, "dyn-77-113-0-203.example.net"),
    (V4, "203.000.113.077"),
    (V4, "0xCB00714D"),
    (V4, "0xcb.0x0.0x71.0x4d"),
    (V4, "0313.00.0161.0115"),
    (V4, "http://3405803853/"),
    (V4, "key b'\\xcb\\x00qM' is gone"),
    (V4, "\x1b[31m203.0.113.77\x1b[0m"),
    (V4, "v203.0.113.77"),
    (V4, "f203.0.113.77a"),
    (V6, "2001:db8:a:b::7"),
    (V6, "2001:DB8:A:B::7"),
    (V6, "2001:Db8:a:B::7"),
    (V6, "[2001:db8:a:b::7]:443"),
    (V6, "f2001:db8:a:b::7"),
    (V6, "2001:0db8:000a:000b:0000:0000:0000:0007"),
    (V6, "2001:0DB8:000A:000B:0000:0000:0000:0007"),
    (V6, "2001:db8:a:b:0:0:0:7"),
    (V6, "2001:db8:a:b:0:0:0.0.0.7"),
    (V6, "2001%3Adb8%3Aa%3Ab%3A%3A7"),
    (V6, "2001%3adb8%3aa%3ab%3a%3a7"),
    (V6, "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    (V6, "20010db8000a000b0000000000000007"),
    (V6, str(int(ip_address(V6)))),
    (V6, "2001:db8:a:b::/64"),
    (V6, "2001:db8:a:b::1:2"),
    (V6, "2001-0db8-000a-000b-0000-0000-0000-0007.example.net"),
]


@pytest.mark.parametrize(("address", "text"), SPELT)
def test_a_planted_address_is_found(tmp_path: Path, address: str, text: str) -> None:
    place = tmp_path / "some.log"
    place.write_text(f"before {text} after\n")

    assert place in {path for path, _ in leaks([tmp_path], [address])}


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_spelling_is_found_by_its_name(tmp_path: Path, address: str) -> None:
    for name, word in spellings(address).items():
        place = tmp_path / name.replace("/", "-")
        place.write_bytes(b"\xff\x00<" + word + b">\x00\xff")

        assert (place, name) in leaks([place], [address])


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("shift", range(6))
def test_base64_is_found_wherever_it_begins(tmp_path: Path, address: str, shift: int) -> None:
    (tmp_path / "mail").write_bytes(b64encode(b"abcdef"[:shift] + address.encode() + b" and more"))

    assert leaks([tmp_path], [address])


@pytest.mark.parametrize("address", ADDRESSES)
def test_packed_bytes_are_found(tmp_path: Path, address: str) -> None:
    packed = ip_address(address).packed
    for number, data in enumerate((packed, packed[::-1], bytes(10) + b"\xff\xff" + packed, b64encode(packed))):
        (tmp_path / str(number)).write_bytes(data)

    assert {path.name for path, _ in leaks([tmp_path], [address])} == {"0", "1", "2", "3"}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd.compress])
def test_packed_files_are_looked_into(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    place = tmp_path / "log.1"
    place.write_bytes(pack(b"some lines\n" * 1000 + V4.encode()))

    assert (place, "plain") in leaks([tmp_path], [V4])


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd.compress])
def test_packed_files_that_are_cut_off_are_looked_into(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    lines = V4.encode() + b"\n" + Random(7).randbytes(300_000)
    (tmp_path / "log.1").write_bytes(pack(lines)[:-1000])

    assert leaks([tmp_path], [V4])


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"])
def test_what_only_looks_packed_is_read_as_it_is(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "odd").write_bytes(magic + V4.encode())

    assert leaks([tmp_path], [V4])


def test_names_links_and_folders_are_looked_at(tmp_path: Path) -> None:
    deep = tmp_path / "a" / f"of {V4}"
    deep.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(f"/nowhere/{quote(V6, safe='')}")
    hidden = tmp_path / "a" / ".hidden"
    hidden.write_text(V6)

    assert {path for path, _ in leaks([tmp_path], [V4, V6])} == {deep, link, hidden}


def test_an_address_across_the_border_of_two_pieces_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CHUNK", 4096)
    word = V4.encode()
    place = tmp_path / "large"
    for cut in range(len(word) + 1):
        place.write_bytes(b"x" * (search.CHUNK - cut) + word + b"y" * 10)

        assert (place, "plain") in leaks([place], [V4])


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7",
        "203.0.113.177 1203.0.113.77 203.0.113.770",
        "100::cb00:714e:1:2",
        "2001:db8:a::",
        "2001:db8:a:b1::7 2001:db8:a:bc::",
        "34058038530",
        "Chrome/75.0.3770.100",
    ],
)
def test_other_addresses_are_not_mistaken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(text)

    assert leaks([tmp_path], [V4, V6]) == []


def test_the_48_bits_that_the_mask_truncate_keeps_are_no_leak(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("2001:db8:a:: - - [26/Jun/2019:20:00:00 +0000]\n203.0.113.0 - -\n")

    assert leaks([tmp_path], [V4, V6, "2001:db8:a::7"]) == []


def test_random_text_holds_no_address(tmp_path: Path) -> None:
    random = Random(7)
    (tmp_path / "log").write_text("\n".join(f"100::{random.randbytes(8).hex(':', 2)}" for _ in range(20_000)))

    assert leaks([tmp_path], ADDRESSES) == []


def test_a_root_that_does_not_exist_is_no_clean_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        leaks([tmp_path / "typo"], [V4])
