"""Files are replaced whole or not at all, look as before, and tell whether somebody writes to them."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from privet.adapters.replace import Replacement, is_written, mark_of, put_mark
from privet.ports import SinkError

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400 * 10**9


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "access.log.1"
    path.write_bytes(b"old\n")
    path.chmod(0o604)
    os.utime(path, ns=(DAY + 1, 2 * DAY + 3))
    return path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_new_file_looks_like_the_old_one(old: Path) -> None:
    attributes = _with_attribute(old)
    with Replacement(old, old) as new:
        new.write(b"new")
        new.write(b"er\n")
        assert new.size == 6
        assert old.read_bytes() == b"old\n"
        new.commit("mark", strict=True)
    info = old.stat()
    assert old.read_bytes() == b"newer\n"
    assert stat.S_IMODE(info.st_mode) == 0o604
    assert info.st_mtime_ns == 2 * DAY + 3
    assert names(old.parent) == [old.name]
    if attributes:
        assert os.getxattr(old, "user.other") == b"kept"
        assert mark_of(old) == "mark"


def _with_attribute(path: Path) -> bool:
    with suppress(OSError):
        os.setxattr(path, "user.other", b"kept")
        return True
    return False


def test_what_is_not_committed_is_thrown_away(old: Path) -> None:
    with Replacement(old, old) as new:
        new.write(b"new\n")
    assert old.read_bytes() == b"old\n"
    assert names(old.parent) == [old.name]


def test_a_copy_goes_elsewhere_and_is_nobody_elses_meanwhile(old: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / old.name
    target.parent.mkdir()
    with Replacement(old, target) as new:
        (draft,) = target.parent.iterdir()
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
        new.commit("", strict=False)
    assert target.read_bytes() == b""
    assert (target.stat().st_mtime_ns, stat.S_IMODE(target.stat().st_mode)) == (2 * DAY + 3, 0o604)


def test_two_runs_do_not_meet_in_one_file(old: Path) -> None:
    with Replacement(old, old), pytest.raises(SinkError, match="another run"):
        Replacement(old, old)


def test_what_a_killed_run_left_behind_is_taken_away(old: Path) -> None:
    draft = old.with_name(f".{old.name}.privet-scrub")
    draft.write_bytes(b"half")
    with Replacement(old, old) as new:
        new.write(b"new\n")
        new.commit("", strict=True)
    assert old.read_bytes() == b"new\n"
    assert not draft.exists()


def test_a_link_in_the_place_of_the_draft_is_not_followed(old: Path) -> None:
    victim = old.with_name("victim")
    victim.write_bytes(b"precious")
    old.with_name(f".{old.name}.privet-scrub").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        Replacement(old, old)
    assert victim.read_bytes() == b"precious"


@pytest.mark.needs("root")
def test_the_owner_is_kept_or_the_file_is(old: Path) -> None:
    os.chown(old, 1234, 2345)
    with Replacement(old, old) as new:
        new.commit("", strict=True)
    assert (old.stat().st_uid, old.stat().st_gid) == (1234, 2345)
    old.parent.chmod(0o777)
    for folder in old.parents:
        if stat.S_IMODE(folder.stat().st_mode) & 0o005 != 0o005:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o055)
    child = os.fork()
    if child == 0:  # as somebody else
        os.setgid(99)
        os.setuid(99)
        try:
            with Replacement(old, old) as new:
                new.commit("", strict=True)
        except SinkError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert old.stat().st_uid == 1234


def test_whoever_writes_is_seen(old: Path) -> None:
    assert is_written(old) is False
    with old.open("rb"):
        assert is_written(old) is False
    with old.open("ab"):
        assert is_written(old) is True
    with old.open("r+b"):
        assert is_written(old) is True
    assert is_written(old) is False


def test_where_there_are_no_leases_nobody_knows(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _command: int, _argument: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert is_written(old) is None


def test_marks(old: Path) -> None:
    assert mark_of(old) == ""
    assert mark_of(old.with_name("missing")) == ""
    put_mark(old.with_name("missing"), "x")
    put_mark(old, "done")
    assert mark_of(old) in ("done", "")
