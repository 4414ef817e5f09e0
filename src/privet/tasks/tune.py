"""What other limits of a jail would have done on old logs: all of them at once, in one pass."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import msgspec

from privet.core.jails import Jail
from privet.core.swarms.looks import tally
from privet.tasks.replay import Player, Replayed, play

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.config.model import Config
    from privet.core.bans.escalate import Escalation
    from privet.core.swarms.looks import Looks

MOST = 200
"""Limits that are tried at once."""

FINDTIMES = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0)
"""Times that people write, around which a grid is laid."""

FACTORS = (0.25, 0.5, 1, 2, 4)  # of the present maxretry
AROUND = 2  # times before and after the present findtime


class Cell(msgspec.Struct, frozen=True):
    """What one limit would have done: `yes`, `maybe` and `no` are the clients it hit by how innocent they look."""

    maxretry: int
    findtime: float
    present: bool
    bans: int
    clients: int
    yes: int
    maybe: int
    no: int
    requests: int
    bytes: int


class Tuned(msgspec.Struct, frozen=True):
    """The outcome: cells by maxretry and then findtime, of so many `requests` in the log, and what was read."""

    jail: Jail
    cells: list[Cell]
    requests: int
    replayed: Replayed

    @property
    def maxretries(self) -> list[int]:
        """The values of maxretry, ascending."""
        return sorted({cell.maxretry for cell in self.cells})

    @property
    def findtimes(self) -> list[float]:
        """The values of findtime, ascending."""
        return sorted({cell.findtime for cell in self.cells})

    @property
    def best(self) -> Cell | None:
        """The limit that saves the most of those that hit nobody who looks innocent; None if none bans anybody so."""
        harmless = [cell for cell in self.cells if cell.bans and not cell.yes]
        return max(harmless, key=_worth, default=None)

    @property
    def gentlest(self) -> Cell:
        """The limit that hits the fewest who look innocent, of those that ban anybody."""
        return min(
            (cell for cell in self.cells if cell.bans), key=lambda cell: (cell.yes, *(-worth for worth in _worth(cell)))
        )


def _worth(cell: Cell) -> tuple[int, int, int, int, float]:
    """Return what to compare limits by; among equals the gentler one is better."""
    return cell.requests, cell.no, -cell.maybe, cell.maxretry, -cell.findtime


def grid(jail: Jail) -> tuple[list[int], list[float]]:
    """Return values of maxretry and findtime around those that a jail has."""
    maxretries = sorted({max(1, round(jail.maxretry * factor)) for factor in FACTORS})
    times = sorted({*FINDTIMES, jail.findtime})
    place = times.index(jail.findtime)
    return maxretries, times[max(0, place - AROUND) : place + AROUND + 1]


def tune(  # noqa: PLR0913  each is a thing of its own
    config: Config,
    jail: Jail,
    paths: Sequence[str],
    source: str,
    limits: tuple[Sequence[int], Sequence[float]],
    *,
    looks: Looks,
    progress: Callable[[int], None] | None = None,
) -> Tuned:
    """Try limits of a jail. Raises SourceError as `play` does, LookupError for a jail that has no such limits.

    The jail is multiplied: where jails count the same, they share a window. Each has its own
    repeat offenders.
    """
    if jail.kind == "swarm":
        raise LookupError(f"jail {jail.name} looks for swarms: it has no limits to choose")
    pairs = sorted({*product(*limits), (jail.maxretry, jail.findtime)})
    if len(pairs) > MOST:
        raise LookupError(f"{len(pairs)} limits are more than {MOST}: give fewer values")
    tried = {f"{jail.name} {number}": _with(jail, number, *pair) for number, pair in enumerate(pairs)}
    watched = {name: other for name, other in config.jails.items() if jail.watches(other)}
    config = msgspec.structs.replace(config, jails={**watched, **tried})
    player = Player(config, source, tuple(tried), looks)
    play([player], paths, progress)
    replayed, effects = player.outcome(), player.effects
    first = next(iter(tried))
    replayed.complaints = [one.replace(f"jail {first}:", f"jail {jail.name}:") for one in replayed.complaints]
    assert effects is not None  # noqa: S101  there are looks
    judged = {key: looks.look(key) for key in effects.hit}
    cells = []
    for number, (one, (maxretry, findtime)) in enumerate(zip(effects.jails, pairs, strict=True)):
        sums = tally(judged, effects.hits(number))
        present = (maxretry, findtime) == (jail.maxretry, jail.findtime)
        cells.append(
            Cell(maxretry, findtime, present, one.bans, one.clients, **sums, requests=one.requests, bytes=one.bytes)
        )
    return Tuned(jail, cells, effects.requests, replayed)


def _with(jail: Jail, number: int, maxretry: int, findtime: float) -> Jail:
    alone: Escalation = msgspec.structs.replace(jail.escalation, overalljails=False)
    name = f"{jail.name} {number}"
    return msgspec.structs.replace(jail, name=name, maxretry=maxretry, by_load=(), findtime=findtime, escalation=alone)
