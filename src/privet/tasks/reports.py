"""Who asks for what, from any logs: lines are parsed by the engine and summed up, file by file, on all cores."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import msgspec

from privet.adapters.localtime import local_zone
from privet.adapters.sources.archive import Archive, File
from privet.config.compile import engine_for
from privet.config.model import Config, EngineConfig, SourceConfig
from privet.core.engine import Batch
from privet.core.offenders import Offenders
from privet.tasks.together import jobs_for, together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from privet.core.parse import Rows

_SOURCE = "log"


class Sums(Protocol):
    """What sums up rows."""

    def take(self, rows: Rows) -> None:
        """Count the rows of a block."""

    def merge(self, other: Self) -> None:
        """Count what another has counted, of other lines."""


S = TypeVar("S", bound=Sums)


class Read(msgspec.Struct):
    """What was read: lines, those parsed, and the others by reason."""

    lines: int = 0
    parsed: int = 0
    unparsed: Counter[str] = msgspec.field(default_factory=Counter)

    def merge(self, other: Read) -> None:
        """Count what was read elsewhere."""
        self.lines += other.lines
        self.parsed += other.parsed
        self.unparsed.update(other.unparsed)


def summed(
    paths: Sequence[str],
    format_text: str,
    want: Collection[str],
    make: Callable[[str], S],
    progress: Callable[[int], None] | None = None,
) -> tuple[S, Read]:
    """Sum up logs: `make` begins the sums of a file, which look at the columns of `want`.

    Raises SourceError for files, FormatError for the format.
    """
    any_order = EngineConfig(tolerance=math.inf)  # nothing here depends on the order of lines
    config = Config(sources={_SOURCE: SourceConfig(name=_SOURCE, format=format_text)}, engine=any_order)
    engine_for(config, zone=local_zone())  # so that a wrong format is told before anything is read

    def one(path: str, count: Callable[[int], None]) -> tuple[S, Read]:
        sums = make(path)
        observers = (lambda _source, rows: sums.take(rows),)
        engine = engine_for(config, zone=local_zone(), want=want, observers=observers)
        state = engine.sources[_SOURCE]
        for block in Archive([path], state.time_of, count).blocks():
            engine.feed(Batch(_SOURCE, block), math.inf)
        return sums, Read(state.lines, state.parsed, Counter(state.unparsed))

    parts = together(paths, lambda: one, progress, jobs_for(paths))
    whole, read = next(parts)
    for sums, other in parts:
        whole.merge(sums)
        read.merge(other)
    return whole, read


def offenders(paths: Sequence[str], progress: Callable[[int], None] | None = None) -> Offenders:
    """Count the bans in logs of fail2ban. Raises SourceError."""
    found = Offenders(local_zone())
    for path in paths:
        for block in (File(path, progress) if progress else File(path)).blocks():
            found.add(block)
    return found
