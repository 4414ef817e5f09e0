"""Who asks how much, from any log: the report that finds leeches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from privet.adapters.localtime import local_zone
from privet.config.compile import engine_for
from privet.config.model import Config, EngineConfig, SourceConfig
from privet.core.leeches import Leeches
from privet.tasks.replay import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.core.parse import Rows
    from privet.core.source import SourceState

COLUMNS = ("status", "size")
_SOURCE = "log"


def observer(leeches: Leeches) -> Callable[[str, Rows], None]:
    """Return what counts the rows of an engine into `leeches`."""

    def observe(_source: str, rows: Rows) -> None:
        leeches.add(rows.keys, rows.times, rows.column("size"), rows.column("status"))

    return observe


def leeches(
    paths: Sequence[str], format_text: str, progress: Callable[[int], None] | None = None
) -> tuple[Leeches, SourceState]:
    """Count the clients of some logs. Raises SourceError for files, FormatError for the format."""
    found = Leeches()
    any_order = EngineConfig(tolerance=math.inf)  # nothing here depends on the order of lines
    config = Config(sources={_SOURCE: SourceConfig(name=_SOURCE, format=format_text)}, engine=any_order)
    engine = engine_for(config, zone=local_zone(), want=COLUMNS, observers=(observer(found),))
    for batch in batches(engine, paths, _SOURCE, progress):
        engine.feed(batch, math.inf)
    return found, engine.sources[_SOURCE]
