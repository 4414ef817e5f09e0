"""Sealed batches in a folder: nothing of them is in clear, and nothing stays beyond its time."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pyrage
import pytest

from privet.adapters import escrow
from privet.adapters.escrow import Batches, batches_in, identities_in, is_private, opened
from privet.ports import SealError, StoreError
from tests.privacy.search import leaks

if TYPE_CHECKING:
    from pathlib import Path

V4 = "203.0.113.77"
TEXT = f"{V4}\n".encode()
BEGIN = 1574698440.0  # 2019-11-25T16:14Z
KEY = pyrage.x25519.Identity.generate()


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    return Batches(tmp_path / "escrow", str(KEY.to_public()))


def test_a_batch_is_sealed_and_can_be_opened_by_who_has_the_key(tmp_path: Path, batches: Batches) -> None:
    batches.put(TEXT, BEGIN)
    (path,) = batches_in(tmp_path / "escrow")

    assert opened(path, [KEY]) == TEXT
    assert leaks([tmp_path], [V4]) == []
    assert path.name.startswith("2019-11-25T16Z-")
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o600, 0o700]


def test_two_batches_of_an_hour_are_two_files(tmp_path: Path, batches: Batches) -> None:
    batches.put(TEXT, BEGIN)
    batches.put(TEXT, BEGIN)

    assert len(list(batches_in(tmp_path / "escrow"))) == 2


def test_batches_go_when_their_time_is_over_and_nothing_else_does(tmp_path: Path, batches: Batches) -> None:
    for hour in range(3):
        batches.put(TEXT, BEGIN + 3600 * hour)
    other = tmp_path / "escrow" / "note.age"
    other.touch()

    assert batches.expire(BEGIN + 3600) == 2  # its hour began before
    assert [path.name[:14] for path in batches_in(tmp_path / "escrow")] == ["2019-11-25T18Z"]
    assert other.exists()
    assert list(batches_in(tmp_path / "nowhere")) == []


@pytest.mark.needs("root")
def test_a_full_disk_is_an_error_and_leaves_nothing_behind(tmp_path: Path, batches: Batches) -> None:
    place = tmp_path / "escrow"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", place], check=True)
    try:
        with pytest.raises(StoreError, match="No space left on device") as caught:
            batches.put(os.urandom(1 << 16), BEGIN)
        assert caught.value.transient
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path, batches: Batches) -> None:
    (tmp_path / "escrow").write_text("")

    with pytest.raises(StoreError):
        batches.put(TEXT, BEGIN)


def test_what_a_crash_left_behind_is_in_nobodys_way(tmp_path: Path, batches: Batches) -> None:
    (tmp_path / "escrow").mkdir()
    (tmp_path / "escrow" / ".draft").write_bytes(b"half")
    batches.put(TEXT, BEGIN)

    assert [path.suffix for path in (tmp_path / "escrow").iterdir()] == [".age"]


def test_no_other_key_opens_it_and_no_damaged_one_opens(tmp_path: Path, batches: Batches) -> None:
    batches.put(TEXT, BEGIN)
    (path,) = batches_in(tmp_path / "escrow")
    with pytest.raises(SealError, match="cannot be opened with this key"):
        opened(path, [pyrage.x25519.Identity.generate()])

    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SealError, match="cannot be opened with this key"):
        opened(path, [KEY])


def test_what_is_too_large_for_a_batch_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escrow, "LARGEST", 100)
    (tmp_path / "large").write_bytes(bytes(101))

    with pytest.raises(SealError, match="too large"):
        opened(tmp_path / "large", [KEY])


def test_what_is_no_recipient_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="no public key of age"):
        Batches(tmp_path, "age1")


def test_keys_are_read_as_age_writes_them() -> None:
    text = f"# created: today\n# public key: {KEY.to_public()}\n{KEY}\n"

    assert [str(one.to_public()) for one in identities_in(text)] == [str(KEY.to_public())]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", str(KEY)[:-1], f"{KEY}\nx"], ids=["empty", "comment", "cut", "more"]
)
def test_what_is_no_key_is_not_quoted(text: str) -> None:
    with pytest.raises(SealError, match="AGE-SECRET-KEY-1") as caught:
        identities_in(text)
    assert str(KEY)[20:-1] not in str(caught.value)


def test_a_key_that_others_can_read_is_noticed(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    assert is_private(key)
    key.chmod(0o640)
    assert not is_private(key)
