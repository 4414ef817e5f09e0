"""What this machine does with memory, logins and time, as far as files below /proc, /sys and /etc tell."""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_JOURNAL_CONF = ("etc/systemd/journald.conf", "usr/lib/systemd/journald.conf")
_STORAGE = re.compile(r"^\s*Storage\s*=\s*(\w+)", re.MULTILINE)
_UNSYNCHRONISED = 5  # TIME_ERROR
_TIMEX_BYTES = 208


class Machine:
    """The machine that it runs on, or one whose files stand below another root."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def swap(self) -> list[str]:
        """Return the swap areas that write to a disk in the clear: neither zram nor dm-crypt."""
        areas = [line.split()[0] for line in self._read("proc/swaps").splitlines()[1:] if line.split()]
        return [area for area in areas if not area.startswith("/dev/zram") and not self._is_encrypted(area)]

    def _is_encrypted(self, area: str) -> bool:
        device = Path(area).name
        with suppress(OSError):
            device = (self.root / area.lstrip("/")).resolve().name
        return self._read(f"sys/class/block/{device}/dm/uuid").startswith("CRYPT-")

    def hibernates(self) -> bool:
        """Tell whether the kernel is told where to put all of its memory."""
        return self._read("sys/power/resume").strip() not in ("", "0:0")

    def core_pattern(self) -> str:
        """Return where core dumps go, "" if nowhere."""
        return self._read("proc/sys/kernel/core_pattern").strip()

    def setting(self, name: str) -> int | None:
        """Return a whole number among the kernel's settings, None if there is no such setting."""
        text = self._read("proc/sys/" + name.replace(".", "/")).strip()
        return int(text) if text.lstrip("-").isdecimal() else None

    def logins(self) -> Iterator[str]:
        """Yield the files of logins and audits, which hold addresses, as far as there is something in them."""
        for name in ("wtmp", "btmp", "lastlog", "wtmp.db", "lastlog2.db", "audit/audit.log"):
            path = self.root / "var/log" / name
            with suppress(OSError):
                if path.stat().st_size:
                    yield f"/var/log/{name}"

    def journal(self) -> str:
        """Return where the journal is: `volatile`, `persistent` or `none`, as configured and as it comes out."""
        configured = "auto"
        for path in self._journal_files():
            for value in _STORAGE.findall(self._read(str(path.relative_to(self.root)))):
                configured = value.lower()
        if configured != "auto":
            return configured
        return "persistent" if (self.root / "var/log/journal").is_dir() else "volatile"

    def _journal_files(self) -> Iterator[Path]:
        yield from (self.root / name for name in reversed(_JOURNAL_CONF))
        for folder in ("usr/lib", "run", "etc"):
            yield from sorted((self.root / folder / "systemd/journald.conf.d").glob("*.conf"))

    def _read(self, path: str) -> str:
        try:
            return (self.root / path).read_text("utf-8", "replace")
        except OSError:
            return ""


def clock_is_synchronised() -> bool:
    """Tell whether the kernel believes that its clock is right."""
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))) != _UNSYNCHRONISED
