"""Who a process is, and the run-time directory that is made before root is given up."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from privet.adapters.privileges import KEYS, drop_to, prepare_runtime, user_ids

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = pwd.getpwnam("nobody")
MYSELF = pwd.getpwuid(os.geteuid())
NO_SUCH_USER = "no-such-user-here"

DROP = """
import os, sys
from privet.adapters.privileges import drop_to
said = drop_to(sys.argv[1])
ids = [*os.getresuid(), *os.getresgid(), *os.getgroups()]
try:
    os.seteuid(0)
    back = True
except PermissionError:
    back = False
print(said, ids, back, sep="|")
"""


def test_a_user_is_known_by_his_ids() -> None:
    assert user_ids("nobody") == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert user_ids(NO_SUCH_USER) is None


def test_the_directory_and_that_of_the_keys_are_made_once(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "privet"
    for _ in range(2):
        prepare_runtime(place, MYSELF.pw_name)

        assert stat.S_IMODE(place.stat().st_mode) == (0o755 if os.geteuid() == 0 else 0o700)
        assert stat.S_IMODE((place / KEYS).stat().st_mode) == 0o700


def test_a_file_in_the_way_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "privet").touch()

    with pytest.raises(OSError, match=r"File exists.*privet"):
        prepare_runtime(tmp_path / "privet", MYSELF.pw_name)


@pytest.mark.needs("root")
def test_the_keys_belong_to_the_user(tmp_path: Path) -> None:
    prepare_runtime(tmp_path / "privet", "nobody")

    assert (tmp_path / "privet").stat().st_uid == 0
    assert (tmp_path / "privet" / KEYS).stat().st_uid == NOBODY.pw_uid


@pytest.mark.needs("root")
def test_a_missing_user_leaves_the_keys_to_root(tmp_path: Path) -> None:
    prepare_runtime(tmp_path / "privet", NO_SUCH_USER)

    assert (tmp_path / "privet" / KEYS).stat().st_uid == 0


@pytest.mark.needs("root")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "privet"
    place.mkdir()
    os.chown(place, NOBODY.pw_uid, -1)

    with pytest.raises(PermissionError, match="somebody else"):
        prepare_runtime(place, "nobody")

    assert list(place.iterdir()) == []


@pytest.mark.needs("root")
def test_a_link_in_place_of_the_keys_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "privet").mkdir()
    (tmp_path / "privet" / KEYS).symlink_to(victim)

    prepare_runtime(tmp_path / "privet", "nobody")

    assert victim.stat().st_uid == 0


def drop(name: str, *prefix: str) -> tuple[str, list[int], bool]:
    """Return what a child says that gives up root, its ids, and whether it got root back."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", DROP, name], capture_output=True, text=True, timeout=30, check=True
    )
    said, ids, back = done.stdout.strip().split("|")
    return said, [int(word) for word in ids.strip("[]").split(",")], back == "True"


@pytest.mark.needs("root")
def test_root_is_given_up_for_good() -> None:
    assert drop("nobody") == ("None", [NOBODY.pw_uid] * 3 + [NOBODY.pw_gid] * 3, False)


@pytest.mark.needs("root")
def test_a_missing_user_is_said_and_changes_nothing() -> None:
    said, ids, _ = drop(NO_SUCH_USER)

    assert f"adduser --system --group {NO_SUCH_USER}" in said
    assert ids[:6] == [0] * 6


@pytest.mark.needs("root", "setpriv")
def test_root_without_the_right_to_change_says_so() -> None:
    said, ids, _ = drop("nobody", "setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-all")

    assert "cannot become the user nobody" in said
    assert ids[:3] == [0] * 3


def test_who_is_not_root_has_nothing_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert drop_to(NO_SUCH_USER) is None
