"""What was measured, as a table for people, as JSON for programs, and as Markdown for the manual."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import privet
from bench.runs import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""What the manual's page has around the table that is written anew."""


class Result(msgspec.Struct, frozen=True):
    """One row. `ok` is None where there is no target, or where nothing could be measured.

    `values` are the bare numbers; their names end in their units.
    """

    work: str
    measured: str
    target: str = ""
    ok: bool | None = None
    values: dict[str, float] = {}

    @property
    def verdict(self) -> str:
        """One word."""
        return {True: "ok", False: "MISSED", None: ""}[self.ok]


def waiting(work: str, delays: Sequence[float], limit: float | None = None) -> Result:
    """Return a row of delays in milliseconds, of which 99 in 100 are to be no longer than `limit`."""
    p50, p99 = percentile(delays, 50), percentile(delays, 99)
    return Result(
        f"{work}, {len(delays)} of them",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {max(delays):.1f} ms",
        f"p99 ≤ {limit:g} ms" if limit else "",
        p99 <= limit if limit else None,
        {"p50_ms": p50, "p99_ms": p99},
    )


def machine() -> str:
    """Describe where this runs."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")), "?")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {model}, {os.cpu_count()} cores, Linux {platform.release()}, {python}, "
        f"Privet {privet.__version__}; load when it began: {load:.1f}"
    )


def as_table(results: Sequence[Result], where: str) -> str:
    """Return rows for a terminal: one or two lines each."""
    lines = [where, ""]
    for result in results:
        lines.append(f"{result.verdict:7} {result.work}")
        lines.append(f"{'':7}   {result.measured}" + (f"   (target: {result.target})" if result.target else ""))
    return "\n".join(lines)


def as_json(results: Sequence[Result], where: str) -> str:
    """Return everything for programs."""
    return msgspec.json.format(msgspec.json.encode({"machine": where, "results": results})).decode()


def as_markdown(results: Sequence[Result], where: str) -> str:
    """Return the table of the manual."""
    rows = [("Work", "Measured", "Target", ""), ("---",) * 4]
    rows += [(result.work, result.measured, result.target, result.verdict) for result in results]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    command = " ".join(["python", "-m", "bench", *sys.argv[1:]])
    return f"{where}. Printed by `{command}`.\n\n{table}"


def rewrite(page: Path, markdown: str) -> None:
    """Put the table between the two marks of a page; raise ValueError when they are not there."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} does not have the lines {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n\n{markdown}\n\n{end}{after}", encoding="utf-8")
