"""Who asks for what, from any logs: lines are parsed as the engine does and summed up, file by file, on all cores."""

from __future__ import annotations

from collections import Counter
from glob import glob
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import msgspec

from privet.adapters.localtime import local_zone
from privet.adapters.sources.archive import Archive, File
from privet.config.compile import plan_for
from privet.config.model import PLAIN, SourceConfig
from privet.core.parsing.parse import TOO_LONG
from privet.core.reports.offenders import Offenders
from privet.ports import SourceError
from privet.tasks.together import jobs_for, together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from privet.config.model import Config
    from privet.core.parsing.parse import Rows


class Sums(Protocol):
    """What sums up rows."""

    def take(self, rows: Rows) -> None:
        """Count the rows of a block."""

    def merge(self, other: Self) -> None:
        """Count what another has counted, of other lines."""


S = TypeVar("S", bound=Sums)


class Read(msgspec.Struct):
    """What was read: lines, those parsed, the others by reason, and the files that could not be read to their end."""

    lines: int = 0
    parsed: int = 0
    unparsed: Counter[str] = msgspec.field(default_factory=Counter)
    damages: list[str] = []

    def see(self, rows: Rows) -> None:
        """Count the rows of a block."""
        self.lines += rows.lines
        self.parsed += len(rows)
        self.unparsed.update(reason for reason, _ in rows.bad)

    def miss(self, too_long: int) -> None:
        """Count lines that were dropped for their length."""
        self.lines += too_long
        self.unparsed += Counter({TOO_LONG: too_long})  # nothing, if there are none

    def merge(self, other: Read) -> None:
        """Count what was read elsewhere."""
        self.lines += other.lines
        self.parsed += other.parsed
        self.unparsed.update(other.unparsed)
        self.damages += other.damages


def summed(
    paths: Sequence[str],
    format_text: str,
    want: Collection[str],
    make: Callable[[str], S],
    progress: Callable[[int], None] | None = None,
) -> tuple[S, Read]:
    """Sum up logs: `make` begins the sums of a file, which look at the columns of `want`.

    Raises SourceError where not one line could be read, FormatError for the format.
    """
    source = SourceConfig(name="log", format=format_text)
    plan = plan_for(source, want, local_zone(), arrays=True)  # which tells a wrong format before anything is read

    def one(path: str, count: Callable[[int], None]) -> tuple[S, Read]:
        sums, read = make(path), Read()
        archive = Archive([path], plan.time_of, count)
        for block in archive.blocks():
            rows = plan.parse(block)
            read.see(rows)
            sums.take(rows)
        read.damages += archive.damages
        read.miss(archive.too_long)
        return sums, read

    parts = together(paths, lambda: one, progress, jobs_for(paths))
    whole, read = next(parts)
    for sums, other in parts:
        whole.merge(sums)
        read.merge(other)
    if read.damages and not read.lines:
        raise SourceError("; ".join(read.damages))
    return whole, read


def logs_of(config: Config) -> dict[str, list[str]]:
    """Return the logs of requests that sources read, or that their pipes write, by the format of their lines."""
    found: dict[str, list[str]] = {}
    for source in config.sources.values():
        if source.format != PLAIN and source.log is not None:  # what a pipe writes is of a common format
            found.setdefault(SourceConfig(name="log").format, []).append(source.log)
        elif source.format != PLAIN and source.journal is None:
            for pattern in source.paths:
                missing = [] if source.optional else [pattern]
                found.setdefault(source.format, []).extend(sorted(glob(pattern)) or missing)  # noqa: PTH207  as the source does
    return {text: list(dict.fromkeys(paths)) for text, paths in found.items() if paths}


def offenders(paths: Sequence[str], progress: Callable[[int], None] | None = None) -> tuple[Offenders, list[str]]:
    """Count the bans in logs of fail2ban; return what could not be read, too. Raises SourceError if that is all."""
    found, damages, anything = Offenders(local_zone()), [], False
    for path in paths:
        try:
            for block in (File(path, progress) if progress else File(path)).blocks():
                found.add(block)
                anything = True
        except SourceError as error:
            damages.append(str(error))
    if damages and not anything:
        raise SourceError("; ".join(damages))
    return found, damages
