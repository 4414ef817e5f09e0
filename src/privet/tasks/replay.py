"""Run the rules over old logs: the daemon's own path, with files as the source and the log's time as the clock."""

from __future__ import annotations

import math
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.ignore import IgnoreLists
from privet.adapters.localtime import local_zone
from privet.adapters.manners import MannersFiles
from privet.adapters.networks import Networks
from privet.adapters.sources.archive import Archive
from privet.adapters.stopwatch import Stopwatch
from privet.config.compile import engine_for, lists_of, trusted_by
from privet.core.engine import Batch
from privet.core.forwarded import Proxies
from privet.core.swarm import Event
from privet.core.verdicts import Verdict
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from privet.config.model import Config
    from privet.core.engine import Engine
    from privet.core.filters.plan import Found
    from privet.core.parse import Rows
    from privet.core.source import SourceState


class Totals(msgspec.Struct):
    """What was read: `lines` = parsed + ignored + unparsed; `clients` are distinct."""

    lines: int = 0
    parsed: int = 0
    ignored: int = 0
    unparsed: dict[str, int] = {}
    late: int = 0
    clients: int = 0
    pseudonyms: int = 0


class Replayed(msgspec.Struct):
    """The outcome of a replay. `samples` hold masked lines per reason, `complaints` what the sources suffer from.

    `swarms` are those that were found last, the oldest first.
    """

    verdicts: list[Verdict]
    totals: Totals
    samples: dict[str, list[str]]
    complaints: list[str]
    swarms: list[Event]


def source_of(config: Config, paths: Sequence[str], name: str | None) -> str:
    """Return which source the files stand for: the one named, the only one, or the one whose paths match all.

    Raises LookupError that says what to do.
    """
    if not config.sources:
        raise LookupError("the configuration has no source that these files could stand for")
    if name is not None:
        if name not in config.sources:
            raise LookupError(f"no source {name}; there are: {', '.join(config.sources)}")
        return name
    if len(config.sources) == 1:
        return next(iter(config.sources))
    fitting = [
        source.name
        for source in config.sources.values()
        if all(any(fnmatch(path, pattern) for pattern in source.paths) for path in paths)
    ]
    if len(fitting) != 1:
        raise LookupError(f"say which source these files stand for: --source {'|'.join(config.sources)}")
    return fitting[0]


def replay(
    config: Config,
    paths: Sequence[str],
    source: str,
    *,
    jails: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Feed files to the engine of the configuration and collect its verdicts.

    With `jails` only those are asked; what they count of other jails' bans counts all the same. Of the lists that
    the configuration names, files are read; names and commands are not asked. Raises SourceError for files that
    cannot be read.
    """
    clients: set[bytes] = set()

    def observe(_source: str, found: Rows | Found) -> None:
        clients.update(found.keys)

    chosen = {name: jail for name, jail in config.jails.items() if not jails or name in jails}
    if not any(jail.bans_of is not None or jail.escalation.overalljails for jail in chosen.values()):
        config = msgspec.structs.replace(config, jails=chosen)
    networks = networks_of(config) if any(jail.key == "asn" for jail in chosen.values()) else None
    lists = IgnoreLists()
    lists.want(lists_of(config))
    lists.refresh(("file",))
    engine = engine_for(
        config,
        zone=local_zone(),
        observers=(observe,),
        networks=networks,
        proxies=Proxies(trusted_by(config, lists.answers)),
        found=observe,
        today=time.time(),
    )
    engine.ignore(lists.answers)
    manners = MannersFiles(config.manners.robots, config.manners.crawlers)
    if any(jail.kind == "manners" for jail in chosen.values()):
        manners.refresh()
    engine.know(manners.known())
    verdicts: list[Verdict] = []
    stopwatch, filters = Stopwatch(), engine.sources[source].filters
    for batch in batches(engine, paths, source, progress):
        with stopwatch.over(filters.watch if filters else None):
            verdicts += [verdict for verdict in engine.feed(batch, math.inf) if verdict.jail in chosen]
    return _outcome(engine.sources[source], verdicts, len(clients), lists.problems + manners.problems, engine.swarms())


def networks_of(config: Config) -> Networks:
    """Read the table of networks. Raises SourceError."""
    networks = Networks(Path(config.networks.table) if config.networks.table else None)
    networks.refresh()
    if networks.problem:
        raise SourceError(networks.problem)
    return networks


def batches(
    engine: Engine, paths: Sequence[str], source: str, progress: Callable[[int], None] | None = None
) -> Iterator[Batch]:
    """Yield files as batches of one source."""
    archive = Archive([path if path == "-" else Path(path) for path in paths], engine.sources[source].time_of, progress)
    for block in archive.blocks():
        yield Batch(source, block)


def _outcome(
    state: SourceState, verdicts: list[Verdict], clients: int, problems: list[str], swarms: list[Event]
) -> Replayed:
    totals = Totals(
        lines=state.lines,
        parsed=state.parsed,
        ignored=state.ignored,
        unparsed=dict(state.unparsed.most_common()),
        late=state.late,
        clients=clients,
        pseudonyms=state.pseudonyms,
    )
    complaints = [state.complaint] if state.complaint else []
    complaints += [f"filter {slow}" for slow in state.filters.slow] if state.filters else []
    return Replayed(verdicts, totals, state.samples, complaints + problems, swarms)
