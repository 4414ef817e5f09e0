"""Filters held against the logs that they are to read: whether they can match anything of that kind at all."""

from __future__ import annotations

from glob import glob
from typing import TYPE_CHECKING

from privet.core.filters.matching import Filter
from privet.core.filters.near import fits, head
from privet.core.filters.views import History, View
from privet.core.filters.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from privet.config.model import Config, SourceConfig
    from privet.core.filters.model import FilterSpec

LEAST = 20
"""Lines that there must be to judge by."""

MOST = 500
"""Lines of a source that are looked at, and of"""
_FILES = 20  # files
_END = 1 << 16  # bytes of each
_LONGEST = 4096  # characters of a line


def unsuitable(config: Config, zone: tzinfo, now: float) -> list[str]:
    """Name the jails whose filter does not fit what stands at the end of their logs; dates are in `zone`."""
    lines = {name: _last_lines(source) for name, source in config.sources.items() if source.paths}
    return [
        f"jail {jail.name}: {problem}"
        for jail in config.jails.values()
        if jail.filter
        for name in jail.sources
        for problem in unfit(jail.filter, lines.get(name, []), name, zone, now)
    ]


def unfit(spec: FilterSpec, lines: list[bytes], source: str, zone: tzinfo, now: float) -> list[str]:
    """Say why a filter cannot match such lines, the last ones of a source; nothing if they are too few to judge by."""
    return list(_problems(spec, lines[-MOST:], source, zone, now)) if len(lines) >= LEAST else []


def _problems(spec: FilterSpec, lines: list[bytes], source: str, zone: tzinfo, now: float) -> Iterator[str]:
    """Yield what is wrong with a filter for these lines."""
    watch = Watch()
    view = View(spec, zone, watch, History(), journal=False)
    view.begin(now)
    one = Filter(spec, watch, view.read)
    read = [view.read(line) for line in lines]
    where = f"of the last {len(lines)} lines of source {source}"
    if spec.datepattern != "{NONE}" and all(time is None for _, time in read):
        yield f"its filter finds a date in none {where}: lines count as they are read (see datepattern)"
    texts = [text[:_LONGEST] for text, _ in read]
    if one.prefix is not None:
        if not any(map(one.prefix.search, texts)):
            yield f"its prefregex matches none {where}: it can never match"
    elif spec.maxlines == 1:
        heads = {head(expression.text) for expression in one.failures}
        if not any(fits(beginning, texts, names=spec.usedns != "no") for beginning in heads):
            shown = ", ".join(f"`{beginning}`" for beginning in sorted(heads)[:3])
            yield f"none of its failregexes can match: none {where} begins as they want it, {shown}"


def _last_lines(source: SourceConfig) -> list[bytes]:
    """Return lines from the ends of the files of a source."""
    paths = sorted({path for pattern in source.paths for path in glob(pattern)})  # noqa: PTH207  patterns are absolute
    found: list[bytes] = []
    for path in paths[:_FILES]:
        try:
            found += _end_of(path)
        except OSError:  # the daemon will tell
            continue
    return found[-MOST:]


def _end_of(path: str) -> list[bytes]:
    with open(path, "rb") as file:  # noqa: PTH123  as it was found
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        lines = file.read(_END).split(b"\n")
    return [line for line in lines[size > _END : -1] if line.strip()]
