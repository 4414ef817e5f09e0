"""Run the rules over old logs: the daemon's own path, with files as the source and the log's time as the clock."""

from __future__ import annotations

import math
import time
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.folders import state_folder
from privet.adapters.ignore import IgnoreLists
from privet.adapters.localtime import local_zone
from privet.adapters.manners import MannersFiles
from privet.adapters.networks import Networks
from privet.adapters.sources.archive import Archive
from privet.adapters.stopwatch import Stopwatch
from privet.adapters.store.history import loads_in
from privet.adapters.suit import unfit
from privet.config.compile import engine_for, lists_of, trusted_by
from privet.core.engine import Batch
from privet.core.parsing.forwarded import Proxies
from privet.core.parsing.lines import in_portions
from privet.core.parsing.parse import TOO_LONG
from privet.core.plurals import counted
from privet.core.reports.effects import Effects
from privet.core.reports.leeches import numbers
from privet.core.swarms.looks import COLUMNS, Looks
from privet.core.swarms.swarm import Event
from privet.core.verdicts import Verdict
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from privet.config.model import Config
    from privet.core.filters.plan import Found
    from privet.core.jails import Jail
    from privet.core.parsing.parse import Rows
    from privet.core.source import SourceState

_END = 1 << 16  # bytes at the end of a log that filters are held against


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

    `swarms` are those that were found last, the oldest first. `effects` are what the verdicts would have done to whom,
    and `looks` how innocent these are, if that was asked for. `damages` name the files that could not be read to their
    end.
    """

    verdicts: list[Verdict]
    totals: Totals
    samples: dict[str, list[str]]
    complaints: list[str]
    swarms: list[Event]
    effects: Effects | None = None
    looks: Looks | None = None
    damages: list[str] = []


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


class Player:
    """The engine of a configuration over the blocks of one source, and what comes of it.

    With `jails` only those are asked; what they count of other jails' bans counts all the same. Of the lists that
    the configuration names, files are read; names and commands are not asked. With `looks` the effect of the verdicts
    is measured, and with `observing` the looks are those of the clients in these blocks. Raises SourceError.
    """

    def __init__(
        self,
        config: Config,
        source: str,
        jails: Sequence[str] = (),
        looks: Looks | None = None,
        *,
        observing: bool = True,
    ) -> None:
        chosen = {name: jail for name, jail in config.jails.items() if not jails or name in jails}
        if not any(jail.bans_of is not None or jail.escalation.overalljails for jail in chosen.values()):
            config = msgspec.structs.replace(config, jails=chosen)
        networks = networks_of(config) if any(jail.key == "asn" for jail in chosen.values()) else None
        self._lists = IgnoreLists()
        self._lists.want(lists_of(config))
        self._lists.refresh(("file",))
        self.engine = engine_for(
            config,
            zone=local_zone(),
            want=COLUMNS if looks else (),
            observers=(self._observe,),
            networks=networks,
            proxies=Proxies(trusted_by(config, self._lists.answers)),
            found=self._observe_found,
            today=time.time(),
        )
        self.engine.ignore(self._lists.answers)
        self._problems = self._learn_loads(config, chosen)
        self._manners = MannersFiles(config.manners.robots, config.manners.crawlers)
        if any(jail.kind == "manners" for jail in chosen.values()):
            self._manners.refresh()
        self.engine.know(self._manners.known())
        self.verdicts: list[Verdict] = []
        self.looks, self._observing = looks, observing
        self.effects = Effects(chosen, config.engine.tolerance, config.engine.ipv6_client) if looks else None
        self.source, self._chosen = source, chosen
        self._clients: set[bytes] = set()
        self._rows: Rows | None = None
        self._found: list[Found] = []
        self.damages: list[str] = []
        self._end = b""
        self._stopwatch = Stopwatch()

    def feed(self, block: bytes) -> None:
        """Take whole lines."""
        self._rows, self._found = None, []
        self._end = block[-_END:] if len(block) >= _END else (self._end + block)[-_END:]
        with self._stopwatch.over(*self.engine.watches(self.source)):
            verdicts = [
                one for one in self.engine.feed(Batch(self.source, block), math.inf) if one.jail in self._chosen
            ]
        self.verdicts += verdicts
        if self.effects:
            self.effects.decided(verdicts)
            self.effects.asked(*self._requests())
        if self.looks and self._observing and self._rows:
            self.looks.take(self._rows)

    def miss(self, too_long: int) -> None:
        """Count lines that were dropped for their length."""
        state = self.engine.sources[self.source]
        state.lines += too_long
        state.unparsed += Counter({TOO_LONG: too_long})  # nothing, if there are none

    def outcome(self) -> Replayed:
        """Return what came of all blocks."""
        state = self.engine.sources[self.source]
        own = [*self._lists.problems, *self._manners.problems, *self._problems]
        problems = [*self.engine.slow(self.source), *own, *self._dead(state)]
        outcome = _outcome(state, self.verdicts, len(self._clients), problems, self.engine.swarms())
        outcome.effects, outcome.looks, outcome.damages = self.effects, self.looks, self.damages
        return outcome

    def _dead(self, state: SourceState) -> list[str]:
        """Say which filters can match no such lines, the first jail of each; or else that no line says anything."""
        lines = [line for line in self._end.split(b"\n")[len(self._end) == _END :] if line.strip()]
        matches = self.engine.matches()
        own = [jail for jail in self._chosen.values() if jail.filter and self.source in jail.sources]
        idle = {id(jail.filter): jail for jail in reversed(own) if not matches[jail.name][0]}
        found = [
            f"jail {jail.name}: {problem}"
            for jail in reversed(idle.values())
            if jail.filter
            for problem in unfit(jail.filter, lines, self.source, local_zone(), time.time())
        ]
        if found or not state.lines or state.ignored < state.lines:
            return found
        lost = f"{counted(state.lines, 'line')} read, and none says anything to these rules"
        return [f"source {state.name}: {lost}: is it their log?"]

    def _learn_loads(self, config: Config, jails: Mapping[str, Jail]) -> list[str]:
        """Let the engine know the load of this machine, as its history has it, where limits depend on that."""
        if not any(jail.by_load for jail in jails.values()):
            return []
        folder = state_folder(config.daemon.state)
        minutes = loads_in(folder)
        self.engine.loads.learn(minutes)
        if minutes:
            return []
        return [f"limits by load: {folder} has no history of the load, so those of a calm machine count throughout"]

    def _requests(self) -> tuple[Sequence[bytes], Sequence[float], Sequence[int]]:
        """Return clients, times and sizes of a block's requests, or where there are none, of the failures in it."""
        if self._rows:
            return self._rows.keys, self._rows.times, numbers(self._rows.column("size"))
        if self.engine.sources[self.source].plan is not None:
            return (), (), ()
        lines = {
            (place, key): time
            for found in self._found
            for place, key, time in zip(found.places, found.keys, found.times, strict=True)
        }
        return [key for _, key in lines], list(lines.values()), [0] * len(lines)

    def _observe(self, _source: str, rows: Rows) -> None:
        self._clients.update(rows.keys)
        self._rows = rows if rows.keys else None

    def _observe_found(self, _source: str, found: Found) -> None:
        self._clients.update(found.keys)
        self._found.append(found)


def replay(  # noqa: PLR0913  each is a thing of its own
    config: Config,
    paths: Sequence[str],
    source: str,
    *,
    jails: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    looks: Looks | None = None,
) -> Replayed:
    """Feed files to the engine of the configuration and collect its verdicts, as `Player` says.

    Raises SourceError where not one line could be read.
    """
    player = Player(config, source, jails, looks)
    play([player], paths, progress)
    return player.outcome()


def play(players: Sequence[Player], paths: Sequence[str], progress: Callable[[int], None] | None = None) -> None:
    """Feed files to several engines in one pass; the first tells the order of the files.

    What cannot be read is left out and taken down by the first. Raises SourceError where not one line could be read.
    """
    first = players[0]
    state = first.engine.sources[first.source]
    archive = Archive([path if path == "-" else Path(path) for path in paths], state.time_of, progress)
    for block in in_portions(archive.blocks(), max(player.engine.portion for player in players)):
        for player in players:
            player.feed(block)
    first.damages += archive.damages
    for player in players:
        player.miss(archive.too_long)
    if first.damages and not state.lines:
        raise SourceError("; ".join(first.damages))


def networks_of(config: Config) -> Networks:
    """Read the table of networks. Raises SourceError."""
    networks = Networks(Path(config.networks.table) if config.networks.table else None)
    networks.refresh()
    if networks.problem:
        raise SourceError(networks.problem)
    return networks


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
    return Replayed(verdicts, totals, state.samples, complaints + problems, swarms)
