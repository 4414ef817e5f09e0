"""Who this process is: the run-time directory is made as root, then root is given up."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEYS, INTAKES = "keys", "intakes"


def user_ids(name: str) -> tuple[int, int] | None:
    """Return the user and group id of an account, None if there is no such account."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def prepare_runtime(directory: Path, user: str) -> None:
    """Make the run-time directory, and in it those for day keys and for the counts of intakes, which belong to `user`.

    Idempotent. As root the directory may be entered by all, since web servers write to sockets in it; what
    is inside has its own modes. Raises OSError.
    """
    root = os.geteuid() == 0
    directory.mkdir(mode=0o755 if root else 0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid not in (0, os.geteuid()):
        raise PermissionError(13, "belongs to somebody else", str(directory))
    ids = user_ids(user)
    for name in (KEYS, INTAKES):
        with suppress(FileExistsError):
            (directory / name).mkdir(mode=0o700)
        if root and ids:
            os.chown(directory / name, *ids, follow_symlinks=False)


def drop_to(user: str) -> str | None:
    """Become `user` for good; return why that was not possible, None if it was or was not needed."""
    if os.geteuid() != 0:
        return None
    ids = user_ids(user)
    if ids is None:
        return f"no user {user}: still running as root; make one with: adduser --system --group {user}"
    try:
        os.setgroups([])
        os.setresgid(ids[1], ids[1], ids[1])
        os.setresuid(ids[0], ids[0], ids[0])
    except OSError as error:
        return f"cannot become the user {user}: {error.strerror}; still running as root"
    return None
