"""How much the machine has to do, as the kernel says."""

from __future__ import annotations

import os
import re
from pathlib import Path

from privet.core.reports.history import MINUTE, Machine

_WAITED = re.compile(r"^some .*?avg60=([0-9.]+)", re.MULTILINE)
_MEMORY = re.compile(r"^(MemTotal|MemAvailable):\s+(\d+) kB", re.MULTILINE)


def machine_now(now: float, proc: Path = Path("/proc")) -> Machine:
    """Return load, the percentage of the last minute in which something waited for the CPU, and that of memory used.

    What a kernel does not tell is 0.
    """
    waited = _WAITED.search(_read(proc / "pressure" / "cpu"))
    memory = {name: int(size) for name, size in _MEMORY.findall(_read(proc / "meminfo"))}
    total = memory.get("MemTotal", 0)
    used = 100 * (1 - memory.get("MemAvailable", total) / total) if total else 0.0
    return Machine(int(now // MINUTE) * MINUTE, load_now(), float(waited[1]) if waited else 0.0, round(used, 1))


def load_now() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
