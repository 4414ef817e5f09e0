"""Keys are made for buckets and epochs, kept under the host's key, and destroyed by the clock."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import struct
import subprocess
from base64 import b64encode
from contextlib import closing
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.store import ring as rings
from privet.adapters.store.host import CREDENTIAL, KEY_BYTES, credential, sealed_by
from privet.adapters.store.ring import DAY, EPOCH, Buckets, Ring, is_under_credential, window_of
from privet.adapters.store.rows import BANS, NOTES
from privet.adapters.store.seal import KeySeal
from privet.adapters.store.sqlite import SqliteStore
from privet.core.bans.notes import Note
from privet.ports import SealError, StoreError
from tests.privacy.search import leaks
from tests.unit.adapters.store.examples import HOUR, NOW, ban, bans, by_subject, for_good

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.bans.model import Ban

HOST = bytes(range(KEY_BYTES))


def buckets_of(folder: Path, host: bytes | None = None) -> Buckets:
    """Return the buckets of bans from the ring in a folder, as a daemon opens it."""
    return Buckets(Ring(folder / "ring", host), "bans")


def store_of(folder: Path, host: bytes | None = None) -> SqliteStore[Ban]:
    """Return the store of bans in a folder."""
    return SqliteStore(folder / "bans.db", buckets_of(folder, host), BANS)


def ids(folder: Path) -> set[bytes]:
    """Return the ids of all rows."""
    with closing(sqlite3.connect(folder / "bans.db")) as db:
        return {identity for (identity,) in db.execute("SELECT id FROM kept")}


# Buckets


@pytest.mark.parametrize(
    ("lasts", "span"),
    [(0, 1), (600, 1), (DAY, 1), (DAY + 1, 7), (7 * DAY, 7), (8 * DAY, 30), (31 * DAY, 365), (4000 * DAY, 365)],
)
def test_a_bucket_ends_after_all_that_is_in_it_and_within_its_span(lasts: float, span: float) -> None:
    for since in (0.0, NOW, NOW + 12_345.6):
        class_, ends = window_of(since, since + lasts)
        assert class_ == span * DAY
        assert 0 < ends - (since + lasts) <= span * DAY


def test_what_never_ends_has_a_bucket_that_never_ends() -> None:
    assert window_of(NOW, inf) == (inf, inf)


def test_bans_of_one_day_share_a_key_and_those_of_the_next_have_another(path: Path) -> None:
    buckets = Buckets(Ring(path), "bans")
    day = [buckets.number(NOW, NOW + hours * HOUR) for hours in range(1, 24)]
    assert len(set(day)) == 2
    assert buckets.number(NOW, NOW + 3 * DAY) not in day
    assert len({buckets.number(NOW, NOW + HOUR), Buckets(Ring(path), "notes").number(NOW, NOW + HOUR)}) == 2


def test_keys_go_by_the_clock_over_simulated_days(tmp_path: Path) -> None:
    """A hundred days of bans: at any time there are keys for what is in force, and for nothing else."""
    buckets = buckets_of(tmp_path)
    with closing(SqliteStore(tmp_path / "bans.db", buckets, BANS)) as store:
        used: set[int] = set()
        for day in range(100):
            now = NOW + day * DAY
            fresh = [ban(day * 3 + number, hours=hours) for number, hours in enumerate((2, 20, 100))]
            for one in fresh:
                one.since, one.until = one.since + day * DAY, one.until + day * DAY
            store.put(fresh)
            store.expire(now)
            used |= set(buckets.seals)
            held = {buckets.number(one.since, one.until) for one in store.load(now)}
            assert held == set(buckets.seals)
            assert len(held) <= 5
        assert len(used) > 100
        store.expire(NOW + 108 * DAY)
        assert not buckets.seals
    assert Ring(tmp_path / "ring").buckets("bans") == []


@pytest.mark.parametrize("leap", [-40 * DAY, -HOUR, 3 * HOUR, 2 * DAY, 400 * DAY])
def test_after_a_leap_of_the_clock_keys_are_as_they_should_be(tmp_path: Path, leap: float) -> None:
    """A suspension is a leap forward; a clock that is set goes either way, and bans are stored again with new ends."""
    buckets = buckets_of(tmp_path)
    with closing(SqliteStore(tmp_path / "bans.db", buckets, BANS)) as store:
        store.put(bans(9, hours=5))
        store.expire(NOW)
        moved = bans(9, hours=5)
        for one in moved:
            one.since, one.until = one.since + leap, one.until + leap
        store.put(moved)
        store.expire(NOW + leap)
        assert store.size() == 9
        assert store.load(NOW + leap) == moved
        store.expire(NOW + leap + 6 * HOUR)
        store.expire(NOW + leap + 6 * HOUR + 61)
        assert (store.size(), dict(buckets.seals)) == (0, {})


def test_a_suspension_over_the_end_of_a_bucket_destroys_it_at_the_first_look(tmp_path: Path) -> None:
    buckets = buckets_of(tmp_path)
    with closing(SqliteStore(tmp_path / "bans.db", buckets, BANS)) as store:
        store.put(bans(9, hours=5))
        store.expire(NOW)
        store.expire(NOW + 3 * DAY)
        assert not buckets.seals


@pytest.mark.parametrize("host", [None, HOST])
def test_a_copy_from_before_cannot_be_opened_with_the_keys_of_today(tmp_path: Path, host: bytes | None) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    with closing(store_of(live, host)) as store:
        store.put([*bans(20), *bans(3, first=30, hours=300)])
        store.rest([*bans(20), *bans(3, first=30, hours=300)])
    shutil.copytree(live, copy)
    with closing(store_of(copy, host)) as opened:
        assert len(opened.load(NOW)) == 23, "as long as the keys are there, the copy opens"
    shutil.copytree(live, copy, dirs_exist_ok=True)

    with closing(store_of(live, host)) as store:
        store.expire(NOW + 2 * HOUR)
        assert by_subject(store.load(NOW)) == by_subject(bans(3, first=30, hours=300))
    shutil.copy(live / "ring", copy / "ring")
    with closing(store_of(copy, host)) as opened:
        assert by_subject(opened.load(NOW)) == by_subject(bans(3, first=30, hours=300))
        assert opened.refused == 20


def test_ids_in_a_copy_tell_nothing_without_the_key_of_the_bucket(tmp_path: Path) -> None:
    """Who knows the address, and has the keys of today, cannot find out whether it was banned yesterday."""
    with closing(store_of(tmp_path)) as store:
        store.put([ban(1)])
    before, seals = ids(tmp_path), buckets_of(tmp_path).seals.values()
    assert before == {seal.token(BANS.key(ban(1)), BANS.purpose) for seal in seals}
    with closing(store_of(tmp_path)) as store:
        store.expire(NOW + 2 * HOUR)
        store.put([ban(1, hours=3)])
    assert len(ids(tmp_path)) == 1
    assert not before & ids(tmp_path)
    seals = buckets_of(tmp_path).seals.values()
    assert not before & {seal.token(BANS.key(ban(1)), BANS.purpose) for seal in seals}


def test_a_ban_that_moves_to_another_bucket_leaves_its_row(tmp_path: Path) -> None:
    with closing(store_of(tmp_path)) as store:
        for hours in (1, 30, 200, 1, 9000):
            store.put([ban(1, hours=hours), ban(2)])
            assert store.size() == 2
        assert by_subject(store.load(NOW)) == by_subject([ban(1, hours=9000), ban(2)])
        store.drop([ban(1)])
        assert store.load(NOW) == [ban(2)]


def test_a_key_that_cannot_be_stored_seals_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(store_of(tmp_path)) as store:
        with monkeypatch.context() as broken:

            def fail(*_: object) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            broken.setattr(rings, "_write", fail)
            with pytest.raises(StoreError, match="keys cannot be stored"):
                store.put([ban(1)])
            assert store.size() == 0
            assert store.complaint is not None
            assert "waiting in memory: 1" in store.complaint
        store.put([ban(2)])
        assert store.size() == 2
        assert not store.complaint


# Epochs


def test_epochs_turn_over_simulated_days_and_two_are_kept(path: Path) -> None:
    seen: list[bytes] = []
    for day in range(200):
        known = Ring(path).secrets(NOW + day * DAY)
        assert known == Ring(path).secrets(NOW + day * DAY)
        assert len(known) == min(2, day // 30 + 1)
        seen += [known[0]] if known[0] not in seen else []
        assert list(known) == seen[: -len(known) - 1 : -1]
    assert len(seen) == 7


def test_a_clock_that_is_set_back_begins_no_epoch_and_makes_none_longer(path: Path) -> None:
    first = Ring(path).secrets(NOW + 1000 * DAY)
    assert Ring(path).secrets(NOW) == first
    assert Ring(path).secrets(NOW + EPOCH)[1:] == first


# The file and the host's key


def test_the_ring_is_its_owners_alone_and_nothing_else_is_left(path: Path) -> None:
    old = os.umask(0)
    try:
        Buckets(Ring(path), "bans").number(NOW, NOW + HOUR)
    finally:
        os.umask(old)

    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_a_new_ring_replaces_is_overwritten(path: Path) -> None:
    buckets = Buckets(Ring(path), "bans")
    buckets.number(NOW, NOW + HOUR)
    link = path.with_name("the old blocks")
    os.link(path, link)
    buckets.number(NOW, NOW + 5 * DAY)

    assert set(link.read_bytes()) == {0}
    assert len(Ring(path).buckets("bans")) == 2


def test_without_a_credential_the_ring_is_a_key_file(path: Path) -> None:
    ring = Ring(path)
    number = Buckets(ring, "bans").number(NOW, NOW + HOUR)
    assert (ring.level, is_under_credential(path)) == ("file", False)
    assert Buckets(Ring(path), "bans").number(NOW, NOW + HOUR) == number


def test_a_credential_takes_over_and_from_then_on_nothing_opens_without_it(path: Path) -> None:
    number = Buckets(Ring(path), "bans").number(NOW, NOW + HOUR)
    ring = Ring.after(path, HOST, path.with_name("key"), (), NOW)
    assert (ring.level, is_under_credential(path)) == ("credential", True)
    key = ring.buckets("bans")[0].key

    assert Buckets(Ring(path, HOST), "bans").number(NOW, NOW + HOUR) == number
    assert key not in path.read_bytes()
    with pytest.raises(SealError, match="did not hand over: restore that, or remove it"):
        Ring(path)
    with pytest.raises(SealError, match="holds no keys that open"):
        Ring(path, bytes(KEY_BYTES))


def test_a_credential_comes_from_systemds_directory(tmp_path: Path) -> None:
    there = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert credential({}) is None
    assert credential(there) is None
    (tmp_path / CREDENTIAL).write_bytes(bytes(31))
    with pytest.raises(SealError, match="32 random bytes or more"):
        credential(there)
    (tmp_path / CREDENTIAL).write_bytes(bytes(32))
    first = credential(there)
    (tmp_path / CREDENTIAL).write_bytes(bytes(33))
    assert first is not None
    assert (len(first), first == credential(there)) == (KEY_BYTES, False)


@pytest.mark.parametrize(
    ("begin", "level"),
    [
        ("5a1c6a86df9d4096b1d5a65e0862f19a", "credential"),
        ("0c7cc07b117645919c4b0bea08bc20fe", "tpm"),
        ("93a894094874449090caf2fc93cab553", "tpm"),
        ("058469daf6f543248005 49da0f8ea2fb".replace(" ", ""), "unsealed"),  # by nothing
        ("00" * 16, "unsealed"),
    ],
)
def test_what_seals_a_credential_is_told_by_its_beginning(tmp_path: Path, begin: str, level: str) -> None:
    assert sealed_by(tmp_path) == "unsealed"
    path = tmp_path / "etc/credstore.encrypted" / CREDENTIAL
    path.parent.mkdir(parents=True)
    path.write_bytes(b64encode(bytes.fromhex(begin) + bytes(80)))
    assert sealed_by(tmp_path) == level


@pytest.mark.needs("root", "systemd-creds")
def test_what_systemd_itself_seals_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "etc/credstore.encrypted" / CREDENTIAL
    path.parent.mkdir(parents=True)
    command = ["systemd-creds", "encrypt", "--with-key=host", f"--name={CREDENTIAL}", "-", str(path)]
    done = subprocess.run(command, input=os.urandom(32), capture_output=True, check=False, timeout=30)
    if done.returncode:
        pytest.skip("systemd-creds has no secret of this host here")
    assert sealed_by(tmp_path) == "credential"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_ring_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    Ring(path).save()
    path.chmod(mode)

    with pytest.raises(SealError, match=r"chmod 600 ") as caught:
        Ring(path)
    assert not caught.value.transient


@pytest.mark.needs("root")
def test_a_ring_of_somebody_else_is_refused(path: Path) -> None:
    Ring(path).save()
    os.chown(path, 12345, 12345)

    with pytest.raises(SealError, match="owner"):
        Ring(path)


@pytest.mark.parametrize(
    "content", [b"", b"x", bytes(32), b"privet-ring 1 file\n", b"privet-ring 1 file\n" + bytes(99)]
)
def test_what_is_no_ring_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(content)

    with pytest.raises(SealError, match="restore it, or remove it"):
        Ring(path)
    assert path.read_bytes() == content


def test_every_byte_of_a_ring_counts(path: Path) -> None:
    Ring(path).save()
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(SealError):
            Ring(path)


def test_a_link_and_a_pipe_are_no_rings(tmp_path: Path) -> None:
    Ring(tmp_path / "elsewhere").save()
    (tmp_path / "ring").symlink_to("elsewhere")
    with pytest.raises(SealError, match=os.strerror(errno.ELOOP)):
        Ring(tmp_path / "ring")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SealError, match="plain file"):
        Ring(tmp_path / "pipe")


def test_where_no_ring_can_be_made_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SealError, match=os.strerror(errno.ENOTDIR)) as caught:
        Ring.after(tmp_path / "file" / "ring", None, tmp_path / "key", (), NOW)
    assert caught.value.transient


# What was stored when there was one key for all


SCHEMA = """
CREATE TABLE kept (id BLOB PRIMARY KEY, jail TEXT NOT NULL, until REAL NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX kept_by_end ON kept (until);
CREATE TABLE whole (sealed BLOB NOT NULL);
PRAGMA user_version = 1;
"""
OLD = bytes(range(1, 33))
NOTE = Note("ssh", b"offences token", NOW + 20 * DAY, b"0123456789abcdef")


def old_store(folder: Path) -> None:
    """Store bans and a note as it was done before there were buckets."""
    folder.mkdir()
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_bytes(OLD)
    seal = KeySeal(OLD)
    things: list[tuple[str, Any, list[Any]]] = [
        ("bans.db", BANS, [*bans(20), for_good(20)]),
        ("notes.db", NOTES, [NOTE]),
    ]
    for name, form, items in things:
        with closing(sqlite3.connect(folder / name)) as db, db:
            db.executescript(SCHEMA)
            for item in items:
                identity = seal.token(form.key(item), form.purpose)
                context = form.label + identity + item.jail.encode() + struct.pack(">d", item.until)
                plain = (form.inside(item, seal) + b"\x80").ljust(128, b"\0")
                row = (identity, item.jail, item.until, seal.seal(plain, context))
                db.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", row)
            db.execute("INSERT INTO whole VALUES (x'00')")


def test_what_was_stored_under_one_key_is_taken_over_and_that_key_destroyed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    old_store(state)
    shutil.copytree(state, tmp_path / "copy")
    link = tmp_path / "the old key"
    os.link(state / "key", link)

    ring = Ring.after(tmp_path / "ring", None, state / "key", ("bans", "notes"), NOW)
    assert not (state / "key").exists()
    assert link.read_bytes() == bytes(KEY_BYTES)
    assert ring.secrets(NOW) == (KeySeal(OLD).token(b"", b"repeated bans"),), "counts of repeated bans go on"
    bans_store = SqliteStore(state / "bans.db", Buckets(ring, "bans"), BANS)
    notes = SqliteStore(state / "notes.db", Buckets(ring, "notes"), NOTES)
    with closing(bans_store), closing(notes):
        assert by_subject(bans_store.load(NOW)) == by_subject([*bans(20), for_good(20)])
        assert notes.load(NOW) == [NOTE]
        assert (bans_store.refused, notes.refused, bans_store.size()) == (0, 0, 21)
        bans_store.expire(NOW)
        notes.expire(NOW)

    ring = Ring(tmp_path / "ring")
    assert all(one.number for owner in ("bans", "notes") for one in ring.buckets(owner))
    assert OLD not in (tmp_path / "ring").read_bytes()
    with closing(SqliteStore(state / "bans.db", Buckets(ring, "bans"), BANS)) as again:
        assert by_subject(again.load(NOW)) == by_subject([*bans(20), for_good(20)])
    with closing(SqliteStore(tmp_path / "copy/bans.db", Buckets(ring, "bans"), BANS)) as copy:
        assert copy.load(NOW) == []
    assert leaks([state], [one.subject.reveal().partition("/")[0] for one in bans(20)]) == []


def test_a_start_that_was_cut_short_is_made_good_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_store(tmp_path / "state")
    monkeypatch.setattr(rings, "_destroy", lambda _path: None)
    Ring.after(tmp_path / "ring", None, tmp_path / "state/key", ("bans", "notes"), NOW)
    ring = Ring.after(tmp_path / "ring", None, tmp_path / "state/key", ("bans", "notes"), NOW)
    assert len(ring.secrets(NOW)) == 1
    with closing(SqliteStore(tmp_path / "state/bans.db", Buckets(ring, "bans"), BANS)) as store:
        assert len(store.load(NOW)) == 21


def test_an_old_key_that_is_none_is_said_and_kept(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    with pytest.raises(SealError, match="restore it, or remove it"):
        Ring.after(tmp_path / "ring", None, tmp_path / "key", ("bans",), NOW)
    assert (tmp_path / "key").exists()
