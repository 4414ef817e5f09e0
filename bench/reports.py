"""What it takes to sum up old logs: `privet report` over many compressed files, all cores at once."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

from bench import logs
from bench.report import Result
from bench.runs import PRIVET, Cost, Failed, Spread, alternating, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.runs import Settings

FILES, DIFFERENT, LINES = 20, 4, 500_000
SPEED = 800_000
WAYS = {"leeches": ("leeches", "--limit", "100"), "hits": ("hits", "--by", "path")}


def archive(settings: Settings) -> Iterator[Result]:
    """Measure reports over an archive: lines per second on the clock, with two cores."""
    lines = settings.scaled(LINES)
    paths = packed(settings, lines)
    ways = {name: partial(_reported, settings, words, paths) for name, words in WAYS.items()}
    costs = alternating(ways, settings.rounds)
    for name, words in WAYS.items():
        speed = Spread.of([FILES * lines / cost.wall for cost in costs[name]])
        cores = Spread.of([cost.cpu / cost.wall for cost in costs[name]]).median
        yield Result(
            f"privet report {' '.join(words)}, {FILES * lines:,} lines in {FILES} files of gzip, "
            f"{len(os.sched_getaffinity(0))} cores",
            f"{speed} lines/s; {cores:.2g} cores at work",
            f"≥ {SPEED:,} lines/s" if name == "leeches" else "",
            speed.median >= SPEED if name == "leeches" else None,
            {"lines_per_second": speed.median},
        )


def packed(settings: Settings, lines: int) -> list[Path]:
    """Return compressed logs, a few different ones and copies of them."""
    folder = settings.folder / "archive"
    paths = [folder / f"access.log.{number}.gz" for number in range(FILES)]
    if folder.is_dir():
        return paths
    folder.mkdir()
    for number, path in enumerate(paths):
        if number >= DIFFERENT:
            shutil.copyfile(paths[number % DIFFERENT], path)
            continue
        start = 1_767_225_600 + number * 86_400
        with logs.access(settings, lines, start=start).open("rb") as log, gzip.open(path, "wb", 6) as target:
            shutil.copyfileobj(log, target)
    return paths


def _reported(settings: Settings, words: Sequence[str], paths: Sequence[Path]) -> Cost:
    told = settings.folder / "report.json"
    cost = run([PRIVET, "report", *words, "--json", *map(str, paths)], stdout=told)
    if not json.loads(told.read_bytes())["items"]:
        raise Failed("the report is empty")
    return cost
