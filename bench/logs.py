"""The logs that are measured on, each made once per run."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from bench.generate import client
from bench.runs import ROOT, Settings, run

if TYPE_CHECKING:
    from pathlib import Path

BLOG = ROOT.parent / "shared" / "data" / "blog-access.log"
"""A real log, too large for the repository; beside the checkout where a developer has it."""


def access(settings: Settings, lines: int, *, start: float | None = None, rate: float = 50.0) -> Path:
    """Return a generated log in the combined format; without `start` it is the same at every run."""
    return _generated(settings, "access", lines, start, rate)


def crowded(settings: Settings, lines: int, clients: int) -> Path:
    """Return a generated log in the combined format, of up to so many clients."""
    path = settings.folder / f"crowded-{lines}-{clients}.log"
    if not path.exists():
        words = ["access", "--lines", str(lines), "--bad", "0.02", "--clients", str(clients)]
        run([sys.executable, "-m", "bench.generate", *words], stdout=path)
    return path


def auth(settings: Settings, lines: int, *, start: float | None = None, rate: float = 50.0) -> Path:
    """Return a generated log of sshd and others; without `start` it is the same at every run."""
    return _generated(settings, "auth", lines, start, rate)


def _generated(settings: Settings, kind: str, lines: int, start: float | None, rate: float) -> Path:
    path = settings.folder / f"{kind}-{lines}-{rate:g}{'' if start is None else '-now'}.log"
    if start is not None or not path.exists():
        when = [] if start is None else ["--start", str(start)]
        words = [kind, "--lines", str(lines), "--rate", str(rate), *when]
        run([sys.executable, "-m", "bench.generate", *words], stdout=path)
    return path


def repeated(settings: Settings, source: Path, lines: int) -> Path:
    """Return a log repeated up to a number of lines."""
    path = settings.folder / f"repeated-{lines}.log"
    if not path.exists():
        text = source.read_bytes()
        with path.open("wb") as target:
            for _ in range(max(1, lines // text.count(b"\n"))):
                target.write(text)
    return path


def line(number: int, target: str, now: float | None = None) -> bytes:
    """Return a line in the combined format from client `number`, stamped with the time now."""
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
    return f'{client(number, 7)} - - [{stamp}] "GET {target} HTTP/1.1" 404 512 "-" "curl/8.5.0"\n'.encode()
