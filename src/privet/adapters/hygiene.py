"""Keep what is in memory, addresses and keys among it, in memory: no core file, no look from outside, no swap.

And give back what is not needed any more.

To be called at the start of a process, and once more after it has become another user, which takes it all back.
"""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

_PR_SET_DUMPABLE = 4
_LOCK_ALL = 1 | 2 | 4  # MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT: what is touched stays
_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1  # of mallopt
_LARGE = 512 << 10  # bytes: blocks of lines are smaller. By itself glibc takes ever more for large
_FREE = 2 << 20  # bytes that may stay free, as page faults for each block that is fed cost more than to feed some lines
_FOREVER = resource.RLIM_INFINITY


def keep_private() -> str | None:
    """Forbid core files and looks at the memory; return what could not be had, None if all is well."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    return None if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 else "the kernel lets others look at the memory"


def keep_from_swap(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> str | None:
    """Keep the memory out of swap; return why that was not possible, None if it is or was not needed.

    Memory is locked only where nothing else does it and without a limit: with one, the process would be refused
    memory that it needs.
    """
    if not _has_swap(proc) or _is_kept_by_cgroup(proc, cgroups):
        return None
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (_FOREVER, _FOREVER))
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == _FOREVER:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mlockall(_LOCK_ALL) == 0:
            return None
    return "memory may be swapped out: start it with the systemd unit (MemorySwapMax=0), or turn swap off"


def keep_small() -> None:
    """Let all threads allocate from one heap, as each of its own would keep what it needed; what is large apart.

    What can be had for blocks of lines stays: or else a thousand lines a second cost twice as many page faults.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if mallopt:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _FREE)


def give_back() -> None:
    """Return memory that is not in use to the system: by itself the C library keeps much of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _has_swap(proc: Path) -> bool:
    try:
        return len((proc / "swaps").read_text().splitlines()) > 1
    except OSError:  # hidden by ProcSubset=pid
        return True


def _is_kept_by_cgroup(proc: Path, cgroups: Path) -> bool:
    """Tell whether this process's control group, or one around it, may use no swap."""
    with suppress(OSError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                folder = cgroups / line[3:].lstrip("/")
                for group in (folder, *folder.parents):
                    with suppress(OSError):
                        if (group / "memory.swap.max").read_text().strip() == "0":
                            return True
                    if group == cgroups:
                        break
    return False
