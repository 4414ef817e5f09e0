"""Journals of our own, written by systemd's program for it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.conftest import JOURNAL_REMOTE

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_700_000_000.0
"""When the first entry was a second away."""

_BOOT = "0123456789abcdef0123456789abcdef"
_LIBRARIES = ":".join(str(path) for path in JOURNAL_REMOTE.parents[3].glob("libmicrohttpd12/usr/lib/*"))


class Journal:
    """A journal that grows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.folder.mkdir()
        self._count = 0

    def write(self, *messages: str | bytes, unit: str = "ssh.service", **fields: str) -> None:
        """Add an entry for each message, a second apart."""
        text = b""
        for message in messages:
            self._count += 1
            micros = int(BEGIN + self._count) * 1_000_000
            text += f"__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={self._count}\n_BOOT_ID={_BOOT}\n".encode()
            known = {"_SYSTEMD_UNIT": unit, "_HOSTNAME": "mars", "_COMM": "sshd", "_PID": "77", **fields}
            text += "".join(f"{name}={value}\n" for name, value in known.items()).encode()
            data = message if isinstance(message, bytes) else message.encode()
            text += b"MESSAGE\n" + len(data).to_bytes(8, "little") + data + b"\n\n"
        subprocess.run(
            [JOURNAL_REMOTE, "-o", self.folder / "one.journal", "-"],
            input=text,
            env={"LD_LIBRARY_PATH": _LIBRARIES},
            capture_output=True,
            check=True,
        )
