"""What other processes hold open for writing, and what is told about them in /proc."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = frozenset(
    (
        *("apache2", "httpd", "nginx", "caddy", "haproxy", "traefik", "lighttpd", "varnishd", "php-fpm"),
        *("rsyslogd", "syslog-ng", "systemd-journal", "auditd", "sshd", "dovecot", "exim4", "master", "smtpd"),
        *("privet", "fail2ban-server"),
    )
)
"""Names in /proc/PID/comm of those who know visitors' addresses, or write what others know."""


class Open(NamedTuple):
    """A regular file that processes of one name hold open for writing."""

    path: Path
    name: str
    deleted: bool


class Process(NamedTuple):
    """A process of Privet: its arguments and its environment, as the kernel shows them to root."""

    pid: int
    arguments: bytes
    environment: bytes


def open_files(proc: Path = Path("/proc")) -> tuple[set[Open], int]:
    """Return what servers and loggers write to, and of how many processes that could not be told."""
    found, hidden = set[Open](), 0
    for process, name in _processes(proc):
        if name.removesuffix(":").split("/")[0].rstrip("0123456789.") not in SERVERS and name not in SERVERS:
            continue
        try:
            descriptors = list((process / "fd").iterdir())
        except FileNotFoundError:
            continue
        except OSError:
            hidden += 1
            continue
        for descriptor in descriptors:
            with suppress(OSError):
                path = _written(descriptor, process / "fdinfo" / descriptor.name)
                if path:
                    found.add(Open(Path(path.removesuffix(" (deleted)")), name, path.endswith(" (deleted)")))
    return found, hidden


def _written(descriptor: Path, info: Path) -> str:
    """Return the regular file behind a descriptor that is open for writing, "" for anything else."""
    if not stat.S_ISREG(descriptor.stat().st_mode):
        return ""
    flags = next((line.split()[1] for line in info.read_text().splitlines() if line.startswith("flags:")), "0")
    return str(descriptor.readlink()) if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY else ""


def own_processes(proc: Path = Path("/proc")) -> Iterator[Process]:
    """Yield the processes of Privet that run now, but for this one."""
    for process, name in _processes(proc):
        with suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            words = arguments.split(b"\0")
            ours = name == "privet" or any(word.rsplit(b"/", 1)[-1] == b"privet" for word in words[:2])
            if ours and int(process.name) != os.getpid():
                yield Process(int(process.name), arguments, (process / "environ").read_bytes())


def _processes(proc: Path) -> Iterator[tuple[Path, str]]:
    for process in proc.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                yield process, (process / "comm").read_text().strip()
