"""The seal opens what it sealed, in the same place only; its key is the owner's alone."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store.seal import KEY_BYTES, NONCE_BYTES, TAG_BYTES, TOKEN_BYTES, KeySeal, read_key
from privet.ports import SealError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_sealed_can_be_opened(seal: KeySeal) -> None:
    sealed = seal.seal(b"who", b"where")

    assert seal.open(sealed, b"where") == b"who"
    assert len(sealed) == NONCE_BYTES + len(b"who") + TAG_BYTES
    assert b"who" not in sealed


def test_the_same_looks_different_each_time(seal: KeySeal) -> None:
    assert seal.seal(b"who", b"where") != seal.seal(b"who", b"where")


def test_another_seal_with_the_same_key_opens_it() -> None:
    key = secrets.token_bytes(KEY_BYTES)

    assert KeySeal(key).open(KeySeal(key).seal(b"who", b""), b"") == b"who"
    assert KeySeal(key).token(b"who", b"a") == KeySeal(key).token(b"who", b"a")


def test_another_key_does_not_open_it(seal: KeySeal) -> None:
    with pytest.raises(SealError):
        KeySeal(bytes(KEY_BYTES)).open(seal.seal(b"who", b"where"), b"where")


def test_another_place_does_not_open_it(seal: KeySeal) -> None:
    with pytest.raises(SealError):
        seal.open(seal.seal(b"who", b"where"), b"elsewhere")


def test_every_byte_counts(seal: KeySeal) -> None:
    sealed = bytearray(seal.seal(b"who", b"where"))
    for at in range(len(sealed)):
        sealed[at] ^= 1
        with pytest.raises(SealError):
            seal.open(bytes(sealed), b"where")
        sealed[at] ^= 1

    assert seal.open(bytes(sealed), b"where") == b"who"


@pytest.mark.parametrize("left", [0, 1, NONCE_BYTES, NONCE_BYTES + TAG_BYTES - 1, NONCE_BYTES + TAG_BYTES])
def test_what_is_cut_off_does_not_open(seal: KeySeal, left: int) -> None:
    with pytest.raises(SealError):
        seal.open(seal.seal(b"who", b"where")[:left], b"where")


def test_tokens_are_the_same_for_the_same_only(seal: KeySeal) -> None:
    token = seal.token(b"who", b"bans")

    assert len(token) == TOKEN_BYTES
    assert seal.token(b"who", b"bans") == token
    assert seal.token(b"who else", b"bans") != token
    assert seal.token(b"who", b"something else") != token
    assert KeySeal(bytes(KEY_BYTES)).token(b"who", b"bans") != token


def test_the_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    key = read_key(path)

    assert len(key) == KEY_BYTES
    assert read_key(path) == key
    assert read_key(tmp_path / "another") != key


def test_the_key_file_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    old = os.umask(0)
    try:
        read_key(path)
    finally:
        os.umask(old)

    assert [one.name for one in path.parent.iterdir()] == ["key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_all_who_come_at_once_find_the_same_key(tmp_path: Path) -> None:
    for round_ in range(20):
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(read_key, [tmp_path / str(round_)] * 8))
        assert len(keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    key = read_key(path)
    path.chmod(mode)

    with pytest.raises(SealError, match=r"chmod 600 .*/key") as caught:
        read_key(path)

    assert not caught.value.transient
    path.chmod(0o600)
    assert read_key(path) == key


@pytest.mark.needs("root")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    read_key(path)
    os.chown(path, 12345, 12345)

    with pytest.raises(SealError, match="owner"):
        read_key(path)


@pytest.mark.parametrize("size", [0, 1, KEY_BYTES - 1, KEY_BYTES + 1])
def test_a_key_of_the_wrong_length_is_refused_and_kept(tmp_path: Path, size: int) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(bytes(size))

    with pytest.raises(SealError, match="restore it, or remove it"):
        read_key(path)

    assert path.stat().st_size == size


def test_a_link_is_no_key(tmp_path: Path) -> None:
    read_key(tmp_path / "elsewhere")
    (tmp_path / "key").symlink_to("elsewhere")

    with pytest.raises(SealError, match=os.strerror(errno.ELOOP)):
        read_key(tmp_path / "key")


def test_a_pipe_is_no_key_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)

    with pytest.raises(SealError, match="plain file"):
        read_key(tmp_path / "key")


def test_where_no_key_can_be_made_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SealError, match=os.strerror(errno.ENOTDIR)) as caught:
        read_key(tmp_path / "file" / "key")

    assert caught.value.transient
