"""What the readers of configurations have in common: files with includes, and where a log goes."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_FILES = 2000  # of one configuration: more is a loop of includes
_PRIVET = re.compile(r"(?:^|[\s/'\"|])privet(?:\s+pipe\b|-pipe\b)")


class Log(NamedTuple):
    """One log directive.

    `kind` is where it goes: file, privet, program, syslog, journal, nothing or unknown; `target` says it in the
    words of the configuration. `tells` is False when what is logged has no field that holds an address.
    """

    server: str
    place: str
    directive: str
    target: str
    kind: str
    path: str = ""
    tells: bool = True


class Trouble(NamedTuple):
    """Something in a configuration that lets addresses out, or that could not be read."""

    server: str
    place: str
    says: str
    remedy: str
    leaks: bool


class Found(NamedTuple):
    """What a configuration says about logs."""

    logs: list[Log]
    troubles: list[Trouble]


class Files:
    """Configuration files below a root, as if the root were `/`; what cannot be read is a trouble."""

    def __init__(self, server: str, root: Path) -> None:
        self.server, self.root = server, root
        self.troubles: list[Trouble] = []
        self._left = MOST_FILES

    def read(self, path: str) -> str:
        """Return the text of a file, "" if it cannot be read."""
        self._left -= 1
        if self._left < 0:
            return ""
        try:
            return (self.root / path.lstrip("/")).read_text("utf-8", "replace")
        except OSError as error:
            self.troubles.append(
                Trouble(self.server, path, f"cannot be read: {error.strerror}", "run as root", leaks=False)
            )
            return ""

    def matching(self, pattern: str, base: str) -> Iterator[str]:
        """Yield the files that an include means, in order; a directory means all files below it."""
        absolute = pattern if pattern.startswith("/") else f"{base.rstrip('/')}/{pattern}"
        relative = absolute.lstrip("/")
        try:
            found = sorted(self.root.glob(relative)) if re.search(r"[*?\[]", relative) else [self.root / relative]
        except (ValueError, NotImplementedError):
            found = []
        for path in found:
            if path.is_dir():
                yield from (self._inside(file) for file in sorted(path.rglob("*")) if file.is_file())
            else:
                yield self._inside(path)

    def _inside(self, path: Path) -> str:
        return "/" + str(path.relative_to(self.root))

    def kind_of(self, path: str) -> str:
        """Say what a log with this file name is written to."""
        if path == "/dev/null":
            return "nothing"
        if path in ("/dev/stderr", "/dev/stdout", "/proc/self/fd/2", "/proc/self/fd/1"):
            return "journal"
        try:
            mode = (self.root / path.lstrip("/")).stat().st_mode
        except OSError:
            return "file"
        if stat.S_ISFIFO(mode):
            return "privet" if path.startswith("/run/privet/") else "program"
        return "file"


def kind_of_program(command: str) -> str:
    """Say whose program takes a log."""
    return "privet" if _PRIVET.search(command) else "program"


def kind_of_syslog(address: str) -> str:
    """Say who listens at a syslog address."""
    return "privet" if address.startswith("unix:/run/privet/") else "syslog"
