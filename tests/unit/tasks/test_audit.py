"""The search through files finds everything that was planted, and tells what it did not look at."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.tree import Tree
from privet.core.addresses.address import Subject
from privet.core.masking.leaks import Finder
from privet.tasks import audit
from privet.tasks.audit import Scan, scan

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

V4, V6 = "203.0.113.7", "2001:db8:a:b::7"
JOURNAL = Path(__file__).parents[2] / "data" / "two-entries.journal.xz"
PLANTED = {
    "plain": f"{V4} - - [x]",
    "inside a line": f'GET /?from={V4}&x HTTP/1.1" 200',
    "ipv6": f"{V6} - -",
    "bracketed with a port": f"[{V6}]:443",
    "mapped": f"::ffff:{V4}",
    "mapped in hexadecimal": "::ffff:cb00:7107",
    "error log": f"[client {V4}:4711] AH00124",
    "error log, ipv6": f"[client {V6}:4711] AH00124",
    "nginx": f"open() failed, client: {V4}, server: _",
    "percent": "x=203%2E0%2E113%2E7",
    "percent twice": "x=203%252e0%252e113%252e7",
    "percent, ipv6": "x=2001%3Adb8%3Aa%3Ab%3A%3A7",
    "reverse name": "7.113.0.203.in-addr.arpa",
    "reverse name, ipv6": "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "name with dashes": "ec2-203-0-113-7.compute.example.net",
    "zone": "fe80::1234%eth0",
    "JSON": f'{{"remote_ip":"{V4}","n":1}}',
    "key": f"<{V4}>",
}


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}


def look(*roots: Path, allowed: str = "", accepted: tuple[str, ...] = (), mounts: Path | None = None) -> Scan:
    subjects = [Subject.parse(text) for text in allowed.split()]
    return scan(Tree(roots, accepted, str(mounts)) if mounts else Tree(roots, accepted, "/dev/null"), Finder(subjects))


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_with_its_line_and_not_shown(tmp_path: Path, name: str) -> None:
    (tmp_path / "some.log").write_text(f"one\nbefore {PLANTED[name]} after\nthree\n")

    found = look(tmp_path)

    (file,) = found.leaky
    assert (file.found, file.doubtful, found.at_rest) == (1, 0, 1)
    assert file.places[0].where == "line 2"
    for secret in ("203", "113.7", "113-7", "a:b", "cb00", "db8"):
        assert secret not in file.places[0].sample


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_packed_files_are_looked_into(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log.1").write_bytes(pack(b"line\n" * 5000 + f"{V4} x\n".encode()))

    assert [(file.found, file.places[0].where) for file in look(tmp_path).leaky] == [(1, "line 5001")]


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_what_follows_packed_data_is_read_too(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log.1").write_bytes(pack(b"line\n") + f"\n{V4} x\n".encode())

    found = look(tmp_path)

    assert found.at_rest == 1
    assert any("damaged" in reason for reason in found.not_scanned)


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_what_stands_before_the_damage_is_looked_at(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    lines = 60_000 if pack is bz2.compress else 6_000  # it cannot unpack half a block of 900,000 bytes
    noise = b"".join(b"%s %032x\n" % (V4.encode(), pow(number, 20, 2**128)) for number in range(lines))
    packed = pack(noise)
    (tmp_path / "log.1").write_bytes(packed[: len(packed) * 2 // 3])

    found = look(tmp_path)

    assert found.at_rest > 0
    assert any("damaged" in reason for reason in found.not_scanned)


def database(place: Path) -> sqlite3.Connection:
    db = sqlite3.connect(place, isolation_level=None)
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("CREATE TABLE bips (ip TEXT, jail TEXT, n INTEGER)")
    db.executemany("INSERT INTO bips VALUES (?, 'sshd', 3)", [(f"203.0.113.{number}",) for number in range(200)])
    return db


def test_rows_and_free_pages_of_databases_are_looked_into(tmp_path: Path) -> None:
    with closing(database(tmp_path / "some.sqlite3")) as db:
        db.execute("DELETE FROM bips")
        assert db.execute("PRAGMA freelist_count").fetchone()[0] > 0

    (file,) = look(tmp_path).leaky

    assert file.found >= 190  # some bytes of free pages are used for the list of them
    assert file.places[0].where.startswith("byte ")


def test_the_write_ahead_log_is_looked_into(tmp_path: Path) -> None:
    place = tmp_path / "some.sqlite3"
    with closing(sqlite3.connect(place, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a TEXT)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("INSERT INTO t VALUES (?)", (V4,))

        assert [Path(file.path).name for file in look(tmp_path).leaky] == ["some.sqlite3-wal"]


@pytest.mark.needs("journalctl")
def test_journals_are_looked_into_plain_and_compressed(tmp_path: Path) -> None:
    data = lzma.decompress(JOURNAL.read_bytes())
    assert b"203.0.113.7" in data
    assert b"198.51.100.23" not in data  # it is in a compressed message
    (tmp_path / "system.journal").write_bytes(data)
    (tmp_path / "other.journal").write_bytes(data.replace(b"203.0.113.7", b"203.0.113.x"))

    found = {Path(file.path).name: file for file in look(tmp_path).leaky}

    assert found["system.journal"].places[0].where.startswith("byte ")
    assert found["other.journal"].places[0].where.startswith("entry text, line ")
    assert "198.51" not in found["other.journal"].places[0].sample


def test_names_of_files_are_looked_at_and_masked(tmp_path: Path) -> None:
    (tmp_path / f"sess_{V4}.txt").touch()

    (file,) = look(tmp_path).leaky

    assert (file.found, file.places[0].where) == (1, "name")
    assert V4 not in repr(file)


@pytest.mark.parametrize(
    "text",
    [
        "100::5c0e:91a2:7be5:f3d4 - - [x]",
        "0.0.0.0 - -", ":: - -", "127.0.0.1 - -", "::1 - -", "255.255.255.0", "ff02::1", "224.0.0.251",
        "Chrome/126.0.0.0", "192.0.2.53", "2001:db8:ffff::9", "12:34:56 a::b std::vector",
    ],
)  # fmt: skip
def test_pseudonyms_nobodys_and_allowed_addresses_are_no_findings(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(f"x {text} y\n")

    assert [file for file in look(tmp_path, allowed="192.0.2.53 2001:db8:ffff::/48").leaky if file.found] == []


@pytest.mark.parametrize(
    "text",
    [
        "nginx/1.22.1.4 (Debian)", "v1.2.3.4", "version 1.2.3.4", "package_1.2.3.4-1_amd64.deb",
        "libfoo 1.2.3.4-1+deb12u1",
        "(>= 2:1.2.3.4)", "(<< 2.38.50.20220609-2)", "1.3.4.20200120-3.1",
        "release: 10.1.2.3", "1-2-3-4", "foo-1.2.3.4.tar.gz",
        f"{V4}.20220609",
    ],
)  # fmt: skip
def test_numbers_of_versions_are_doubtful(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(f"x {text} y\n")

    found = look(tmp_path)

    assert [(file.found, file.doubtful) for file in found.leaky] == [(0, 1)]
    assert found.at_rest == 0


@pytest.mark.parametrize(
    "text",
    [
        f"tcp/{V4}",
        f"http://{V4}/",
        f"GET /v/{V4}",
        "host-203-0-113-7.example.net",
        f"from {V4}-203.0.113.9",
        f"{V4}-54321",
        f"{V4}2022",
    ],
)
def test_addresses_near_such_words_are_not_doubtful(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(f"x {text} y\n")

    assert [(file.found > 0, file.doubtful) for file in look(tmp_path).leaky] == [(True, 0)]


def test_what_is_in_memory_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(V4)
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 1 {device >> 8 & 0xFFF}:{device & 0xFF} / /x rw - tmpfs tmpfs rw\n")

    found = look(tmp_path / "log", mounts=mounts)

    assert (found.leaky[0].in_memory, found.at_rest) == (True, 0)


def test_what_is_not_looked_at_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(V4)
    (tmp_path / "link").symlink_to("/nowhere")
    (tmp_path / "old.zip").write_bytes(b"PK\x03\x04" + bytes(30))
    (tmp_path / "twice.log").hardlink_to(tmp_path / "old.zip")

    found = look(tmp_path, tmp_path / "typo", accepted=("*/a.log",))

    assert found.leaky == []
    assert found.files == 1
    assert found.not_scanned == {
        "symbolic links": 1, "accepted by --accept": 1, "the inside of zip files": 1, "roots that do not exist": 1,
    }  # fmt: skip


def test_an_address_is_found_wherever_a_file_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PIECE", 64)
    monkeypatch.setattr("privet.core.parsing.lines.BLOCK", 64)
    monkeypatch.setattr("privet.adapters.sources.archive.BLOCK", 64)
    for before in range(80):
        (tmp_path / "log").write_text("," * before + V4 + "," * 100)

        assert look(tmp_path).at_rest == 1, before


def test_memory_and_places_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"203.0.113.{number % 256} x\n" for number in range(5000)))

    (file,) = look(tmp_path).leaky

    assert file.found == 5000
    assert len(file.places) == audit.PLACES


def test_a_mask_that_lets_one_spelling_pass_is_noticed(tmp_path: Path) -> None:
    """Show that the search fails where something has leaked: the same log, masked and then not."""
    log = tmp_path / "web.log"
    log.write_text("100::5c0e:91a2:7be5:f3d4 - - x\n" * 100)
    assert look(tmp_path).at_rest == 0
    log.write_text(log.read_text() + f"100::5c0e:91a2:7be5:f3d4 - - x?ip={V4}\n")
    assert look(tmp_path).at_rest == 1
