"""What lets addresses reach the disk, as configurations, processes and the machine say: no file's content is read.

A *leak* will write addresses as soon as somebody comes; a *look* is something to know; what could not be told is
`unknown`. The files that servers write to are named, so that the search through contents does not miss them.
"""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from privet.adapters.kernel import Machine
from privet.adapters.processes import open_files, own_processes
from privet.adapters.servers.apache import apache
from privet.adapters.servers.caddy import caddy
from privet.adapters.servers.nginx import nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privet.adapters.servers.found import Found, Log
    from privet.config.model import Config
    from privet.core.masking.leaks import Finder

Level = Literal["leak", "look", "unknown"]
_WHERE = {
    "file": "a file, in the clear",
    "program": "a program that is not privet pipe",
    "syslog": "syslog, so the journal or a file",
    "journal": "standard error or the journal",
    "unknown": "somewhere that is not understood",
}
_TAKE_IT = "let privet pipe take it, or turn it off"
_TOLD = "a program of yours gets the addresses of banned clients, and may show or keep them"
_MIND_IT = "see what becomes of them: arguments of what it runs can be seen by every user"
HISTORY = ("root/.bash_history", "root/.zsh_history", "root/.local/share/fish/fish_history")


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about the machine: where it stands, what it means, what to do."""

    level: Level
    place: str
    says: str
    remedy: str = ""


class Structure(msgspec.Struct, kw_only=True):
    """All remarks; `written` are files and directories to search; `rules` counts the log directives looked at."""

    remarks: list[Remark] = []
    written: list[Path] = []
    rules: int = 0

    @property
    def leaks(self) -> int:
        """How many of the remarks are leaks."""
        return sum(remark.level == "leak" for remark in self.remarks)


def structure(finder: Finder, root: Path = Path("/")) -> Structure:
    """Look at the configuration of the web servers, at processes, and at the machine."""
    result = Structure()
    for found in (apache(root), nginx(root), caddy(root)):
        _configuration(found, result)
    _processes(root / "proc", finder, result)
    result.remarks += _machine(Machine(root))
    result.written += [root / name for name in HISTORY if (root / name).exists()]
    result.remarks.sort(key=lambda remark: ("leak", "look", "unknown").index(remark.level))
    return result


def of_privet(config: Config) -> Structure:
    """Look at what Privet's own configuration says: whose logs hold addresses, and which programs get them."""
    result = Structure()
    for source in config.sources.values():
        if source.paths:
            says = f"reads {', '.join(source.paths)}, which hold the address of everybody who comes"
            result.remarks.append(Remark(level="look", place=f"source {source.name}", says=says, remedy=_TAKE_IT))
        found = [path for pattern in source.paths for path in sorted(glob(pattern))]  # noqa: PTH207  a whole path
        result.written += map(Path, found)
        result.written += [Path(source.log)] if source.log and Path(source.log).exists() else []
    for jail in config.jails.values():
        told = [] if jail.dry_run else [f"action {name}" for name in jail.actions]
        told += ["ignorecommand"] if jail.ignorecommand else []
        result.remarks += [
            Remark(level="look", place=f"jail {jail.name}", says=f"{one}: {_TOLD}", remedy=_MIND_IT) for one in told
        ]
    return result


def _configuration(found: Found, result: Structure) -> None:
    result.rules += len(found.logs)
    for log in found.logs:
        if log.kind == "file" and not any(letter in log.path for letter in "$%"):
            result.written.append(Path(log.path))
        if log.kind in _WHERE and log.tells:
            result.remarks.append(_remark(log))
    for trouble in found.troubles:
        level: Level = "leak" if trouble.leaks else "unknown"
        result.remarks.append(
            Remark(level=level, place=trouble.place, says=f"{trouble.server}: {trouble.says}", remedy=trouble.remedy)
        )


def _remark(log: Log) -> Remark:
    level: Level = "unknown" if log.kind == "unknown" else "leak"
    target = log.path or log.target
    return Remark(
        level=level,
        place=log.place,
        says=f"{log.server}: {log.directive} writes to {target}: {_WHERE[log.kind]}",
        remedy=_TAKE_IT,
    )


def _processes(proc: Path, finder: Finder, result: Structure) -> None:
    opened, hidden = open_files(proc)
    for file in sorted(opened):
        state = "deleted, so it is not searched, and " if file.deleted else ""
        result.remarks.append(
            Remark(level="look", place=str(file.path), says=f"{state}open for writing by {file.name}")
        )
        if not file.deleted:
            result.written.append(file.path)
    if hidden:
        says = f"what {hidden} processes hold open cannot be told"
        result.remarks.append(Remark(level="unknown", place=str(proc), says=says, remedy="run as root"))
    for process in own_processes(proc):
        for what, data in (("arguments", process.arguments), ("environment", process.environment)):
            names = [
                word.partition(b"=")[0]
                for word in data.split(b"\0")
                if any(not hit.doubtful for hit in finder.find(word))
            ]
            if names:
                result.remarks.append(_told(process.pid, what, names))


def _told(pid: int, what: str, names: list[bytes]) -> Remark:
    variables = ", ".join(name.decode("ascii", "replace") for name in names) if what == "environment" else "an argument"
    says = f"the {what} of this process of Privet holds an address, for root to see: {variables}"
    return Remark(
        level="look",
        place=f"process {pid}",
        says=says,
        remedy="start it with systemctl, and give addresses on standard input",
    )


def _machine(machine: Machine) -> Iterator[Remark]:
    for area in machine.swap():
        yield Remark(
            level="look",
            place=area,
            says="swap: memory with addresses and keys can reach this disk",
            remedy="swapoff, or encrypt it with a key of its own at each boot",
        )
    if machine.hibernates():
        yield Remark(
            level="look",
            place="/sys/power/resume",
            says="hibernation writes all of the memory to a disk",
            remedy="remove resume= from the kernel's command line",
        )
    pattern = machine.core_pattern()
    if pattern:
        says = f"core dumps of other programs go to {pattern}; Privet makes none of its own"
        yield Remark(
            level="look",
            place="/proc/sys/kernel/core_pattern",
            says=says,
            remedy="sysctl kernel.core_pattern=|/bin/false, or Storage=none in coredump.conf",
        )
    for path in machine.logins():
        yield Remark(
            level="look", place=path, says="records of logins hold the addresses of administrators and of those who try"
        )
    if machine.journal() == "persistent":
        says = "the journal is on disk: whatever sshd, mail and other services log stays there, addresses and all"
        yield Remark(
            level="look",
            place="/var/log/journal",
            says=says,
            remedy="Storage=volatile and MaxRetentionSec= in journald.conf",
        )
