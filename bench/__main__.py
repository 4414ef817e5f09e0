"""Measure what Privet costs, beside fail2ban where that has the feature: `python -m bench`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from bench import (
    apache,
    bans,
    detectors,
    filters,
    live,
    memory,
    ranges,
    report,
    reports,
    restart,
    scrub,
    slow,
    store,
    throughput,
)
from bench.report import Result
from bench.runs import APART, ROOT, Failed, Settings, Skip, Spread, apart, pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PIECES: dict[str, Callable[[Settings], Iterator[Result]]] = {
    "count": throughput.count,
    "fail2ban": throughput.beside_fail2ban,
    "detectors": detectors.together,
    "masked": throughput.masked,
    "many": throughput.many,
    "sshd": filters.sshd,
    "every": filters.every_hit,
    "filters": filters.many,
    "patterns": filters.patterns,
    "scrub": scrub.archives,
    "reports": reports.archive,
    "slow": slow.seen,
    "crowdsec": slow.speed,
    "live": live.flowing,
    "single": bans.single,
    "burst": bans.burst,
    "prefixes": ranges.loaded,
    "beside": ranges.beside,
    "packets": ranges.passed,
    "memory": memory.held,
    "restart": restart.held,
    "store": store.kept,
    "apache": apache.latency,
}
"""What can be measured, by the name that --only takes."""

PAGE = ROOT / "docs" / "performance.md"
PEERS = ROOT / ".cache" / "peers"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, once: to see that it runs")
    parser.add_argument("--only", action="append", choices=PIECES, metavar="NAME", help=f"one of {', '.join(PIECES)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/performance.md")
    parser.add_argument("--write", action="store_true", help="put that table into docs/performance.md")
    parser.add_argument("--peers", type=Path, default=PEERS, help="where packages to compare with are unpacked")
    return parser.parse_args(arguments)


def measure(settings: Settings, names: Sequence[str]) -> list[Result]:
    """Measure some pieces; say each row on stderr as soon as it is known."""
    results: list[Result] = []
    for name in names:
        with get_context("fork").Pool(1) as pool:  # as the kernel counts the peak of this program for those it starts
            results += pool.apply(_rows, (name, settings))
    return results


def _rows(name: str, settings: Settings) -> list[Result]:
    results = []
    for result in _piece(name, settings):
        print(f"{result.verdict:7} {result.work}: {result.measured}", file=sys.stderr, flush=True)
        results.append(result)
    return results


def _piece(name: str, settings: Settings) -> Iterator[Result]:
    """Yield the rows of a piece; what is missing or does not work is a row too."""
    try:
        yield from PIECES[name](settings)
    except Skip as reason:
        yield Result(f"({name})", f"skipped: {reason}")
    except Failed as reason:
        yield Result(f"({name})", f"failed: {reason}", ok=False)


def _apart() -> int | None:
    """As root, start again in namespaces of its own; return the exit code, None when that is done or cannot be."""
    if os.geteuid() != 0 or apart():
        return None
    command = [*APART, sys.executable, "-m", "bench", *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    """Measure and print; the exit code is 1 when a target is missed."""
    options = parse(None)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # where Privet is installed, its modules are compiled once
    code = _apart()
    if code is not None:
        return code
    where, names, paces, results = report.machine(), options.only or list(PIECES), list[float](), list[Result]()
    with tempfile.TemporaryDirectory(prefix="privet-bench-") as folder:
        Path(folder).chmod(0o755)  # Apache and the pipe give up root
        settings = Settings(Path(folder), options.peers, options.quick)
        for name in names:
            paces.append(pace())
            results += measure(settings, [name])
    where += f"; a fixed loop before each piece took {Spread.of(paces)} ms"
    form = report.as_json if options.json else report.as_markdown if options.markdown else report.as_table
    print(form(results, where))
    if options.write:
        report.rewrite(PAGE, report.as_markdown(results, where))
    return int(any(result.ok is False for result in results))


if __name__ == "__main__":
    sys.exit(main())
