"""One page of what is set up on this machine, what is missing, and what that means for addresses and bans."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from privet.adapters.canary import last_result
from privet.adapters.kernel import Machine, clock_is_synchronised
from privet.adapters.store.host import first_level
from privet.adapters.store.ring import keys_of
from privet.adapters.tree import MOUNTS, devices_in_memory
from privet.core.plurals import counted
from privet.tasks.structure import Structure, structure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from privet.adapters.store.host import Level
    from privet.config.model import Config
    from privet.core.masking.leaks import Finder

QUEUE = 4096  # datagrams that may wait for a pipe: packaging/privet.sysctl
STALE = 86_400.0  # seconds after which a canary proves little
UNITS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
HARDENED = ("LimitCORE=0", "MemorySwapMax=0", "NoNewPrivileges=yes", "ProtectSystem=strict")
LEVELS: dict[Level, str] = {
    "tpm": "sealed by the TPM: neither a stolen disk nor a copy of the state and its keys can be read elsewhere",
    "credential": (
        "sealed by a credential of this host: a backup without /var/lib/systemd cannot be read; a stolen disk can, "
        "since the secret is on it"
    ),
    "unsealed": "under a credential that nothing seals: a backup without that cannot be read; a stolen disk can",
    "file": (
        "in a file for its owner only, apart from the state: a copy of the state alone cannot be read; a stolen disk, "
        "or a backup with the file in it, can"
    ),
    "memory": "memory only: nothing on disk can be read by anybody, and bans do not outlast a restart of the daemon",
}
"""What the key of the bans at rest protects against, by where it is."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `state` is ok or warning, with a remedy."""

    name: str
    state: Literal["ok", "warning"]
    says: str
    remedy: str = ""


class Setup(NamedTuple):
    """What is known of Privet's own: the configuration, or why it cannot be used, and where the bans' key is."""

    config: Config | str
    runtime: Path
    state: Path
    level: Level | None  # None where that may not be seen


class Doctor:
    """Looks at one machine. `ask` asks the daemon for its status, and returns None when it does not run."""

    def __init__(
        self, setup: Setup, finder: Finder, ask: Callable[[], dict[str, object] | None], root: Path = Path("/")
    ) -> None:
        self._config, self._runtime, self._state, self._level = setup
        self._finder, self._ask, self._root = finder, ask, root
        self._machine = Machine(root)

    def checks(self) -> Iterator[Check]:
        """Yield all lines of the page."""
        yield self._configuration()
        yield self._daemon()
        yield self._user()
        yield self._runtime_directory()
        yield self._key()
        yield self._escrow()
        yield self._queue()
        yield from self._units()
        yield self._firewall()
        yield self._swap()
        yield self._core_dumps()
        yield self._kernel()
        yield self._clock()
        yield self._web_servers(structure(self._finder, self._root))
        yield self._canary()

    def _configuration(self) -> Check:
        if isinstance(self._config, str):
            return _warning("configuration", self._config, "privet check")
        count = f"{counted(len(self._config.sources), 'source')}, {counted(len(self._config.jails), 'jail')}"
        at_rest = [name for name, source in self._config.sources.items() if not source.pipe]
        if at_rest:
            says = f"{count}; addresses stay on disk in the files of: {', '.join(at_rest)}"
            return _warning("configuration", says, "let privet pipe take these logs")
        return _ok("configuration", count)

    def _daemon(self) -> Check:
        answer = self._ask()
        if answer is None:
            return _warning("daemon", "does not run: nobody is banned", "systemctl enable --now privet")
        warnings = answer.get("warnings")
        if isinstance(warnings, list) and warnings:
            return _warning("daemon", f"runs, with {counted(len(warnings), 'warning')}", "privet status")
        return _ok("daemon", "runs")

    def _escrow(self) -> Check:
        if isinstance(self._config, str) or self._config.escrow.recipient is None:
            return _ok("escrow", "none: once its day is over, nobody can tell who a pseudonym was")
        told = (self._ask() or {}).get("escrow")
        problem = told.get("problem") if isinstance(told, dict) else "the daemon does not seal"
        if problem:
            return _warning("escrow", str(problem), "privet status")
        return _ok("escrow", "who has the secret key, and the sealed files, can tell who a pseudonym was")

    def _user(self) -> Check:
        name = "privet" if isinstance(self._config, str) else self._config.daemon.user
        try:
            pwd.getpwnam(name)
        except KeyError:
            remedy = f"adduser --system --group --no-create-home --home /nonexistent {name}"
            return _warning("user", f"no user {name}: pipes that a web server starts stay root", remedy)
        return _ok("user", f"pipes become {name}")

    def _runtime_directory(self) -> Check:
        remedy = "systemd-tmpfiles --create privet.conf"
        try:
            info = self._runtime.stat()
        except OSError as error:
            return _warning("day keys", f"{self._runtime}: {error.strerror}", remedy)
        if info.st_dev not in devices_in_memory(str(self._root / MOUNTS.lstrip("/"))):
            says = f"{self._runtime} is not on tmpfs: keys stay in memory, and every pipe has pseudonyms of its own"
            return _warning("day keys", says, "let `runtime` in [daemon] be a directory on tmpfs")
        if info.st_uid not in (0, os.geteuid()) or info.st_mode & 0o022:
            return _warning(
                "day keys", f"{self._runtime} can be changed by others", f"chmod 755 {self._runtime}; chown root"
            )
        return _ok("day keys", f"{self._runtime} is on tmpfs: gone with the day, and with the machine's power")

    def _key(self) -> Check:
        name = "key of the bans at rest"
        if self._level is None:
            return _warning(name, "not root: where it is cannot be told", "run privet doctor as root")
        if (self._state / "key").exists():
            says = "of an earlier version, in the state itself: the daemon replaces it at its next start"
            return _warning(name, says, "systemctl restart privet")
        level, before = self._level, ""
        if level == "memory" and self._will_store():
            level, before = first_level(self._root), "none yet; the next start makes it "
        left_out = f"; leave {keys_of(self._state)} out of backups" if level in ("file", "credential") else ""
        return _ok(name, f"{before}{LEVELS[level]}{left_out}")

    def _will_store(self) -> bool:
        """Tell whether a daemon that does not run yet would store bans."""
        return not isinstance(self._config, str) and self._config.store.persist != "none" and self._ask() is None

    def _queue(self) -> Check:
        length = self._machine.setting("net.unix.max_dgram_qlen")
        if length is None or length < QUEUE:
            says = f"net.unix.max_dgram_qlen is {length}: nginx drops log lines that find no room, and attacks in them"
            return _warning(
                "socket queue", says, "install packaging/privet.sysctl; sysctl --load /etc/sysctl.d/privet.conf"
            )
        return _ok("socket queue", f"{length} log lines of nginx may wait")

    def _units(self) -> Iterator[Check]:
        text = next((text for folder in UNITS if (text := self._read(f"{folder}/privet.service"))), None)
        if text is None:
            yield _warning("systemd unit", "privet.service is not installed", "install packaging/privet.service")
            return
        missing = [wanted for wanted in HARDENED if not re.search(rf"^{wanted}$", text, re.MULTILINE)]
        if missing:
            yield _warning("systemd unit", f"lacks {', '.join(missing)}", "install packaging/privet.service again")
        else:
            yield _ok("systemd unit", "no core files, no swap, no new privileges, file systems read-only")

    def _firewall(self) -> Check:
        if not shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin"):
            return _warning("nftables", "the program nft is not there: nothing can be closed", "apt install nftables")
        if os.geteuid() != 0:
            return _warning("nftables", "not root: what the kernel allows cannot be told", "run privet doctor as root")
        return _ok("nftables", "nft is there")

    def _swap(self) -> Check:
        areas = self._machine.swap()
        if self._machine.hibernates():
            return _warning(
                "swap",
                "hibernation writes all of the memory to a disk",
                "remove resume= from the kernel's command line",
            )
        if areas:
            says = f"{', '.join(areas)}: what is in memory of other programs, the web server's too, can reach a disk"
            return _warning("swap", says, "swapoff, or encrypt it with a new key at each boot")
        return _ok("swap", "none that writes to a disk in the clear")

    def _core_dumps(self) -> Check:
        pattern = self._machine.core_pattern()
        if not pattern or pattern.endswith("/bin/false"):
            return _ok("core dumps", "none are written")
        says = f"those of other programs go to {pattern}; Privet itself makes none"
        return _warning("core dumps", says, "sysctl kernel.core_pattern='|/bin/false'")

    def _kernel(self) -> Check:
        release = os.uname().release
        version = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
        if version < (5, 10):
            return _warning(
                "kernel", f"{release}: nftables sets with timeouts are tried from 5.10 on", "a newer kernel"
            )
        return _ok("kernel", release)

    def _clock(self) -> Check:
        if clock_is_synchronised():
            return _ok("clock", "set by the network")
        return _warning(
            "clock", "not synchronised: ends of bans and days of pseudonyms drift", "apt install systemd-timesyncd"
        )

    def _web_servers(self, found: Structure) -> Check:
        if found.leaks:
            return _warning(
                "web servers", f"{found.leaks} settings write addresses to disk or let them out", "privet audit"
            )
        unknown = sum(remark.level == "unknown" for remark in found.remarks)
        if unknown:
            return _warning(
                "web servers", f"{unknown} settings could not be understood or read", "privet audit, as root"
            )
        return _ok("web servers", f"{found.rules} log directives, none of which writes addresses")

    def _canary(self) -> Check:
        result = last_result(self._runtime)
        if result is None:
            return _warning("canary", "none was sent since the machine was started", "privet canary")
        if not result.passed:
            return _warning("canary", result.says(), "privet canary")
        if time.time() - result.time > STALE:
            return _warning("canary", "the last one is older than a day", "privet canary")
        return _ok("canary", result.says())

    def _read(self, name: str) -> str | None:
        try:
            return (self._root / name).read_text("utf-8", "replace")
        except OSError:
            return None


def _ok(name: str, says: str) -> Check:
    return Check(name=name, state="ok", says=says)


def _warning(name: str, says: str, remedy: str) -> Check:
    return Check(name=name, state="warning", says=says, remedy=remedy)
