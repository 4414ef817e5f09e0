"""Two rule sets over the same logs, in one pass: whom only one of them bans, and who is banned earlier."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import Subject
from privet.core.swarms.looks import Look, Looks
from privet.core.verdicts import decisions
from privet.tasks.replay import Player, Replayed, play, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.config.model import Config
    from privet.core.verdicts import Verdict


class Side(msgspec.Struct, frozen=True):
    """What one rule set did to somebody: when first, how often, and by which jails."""

    first: float
    bans: int
    jails: tuple[str, ...]


class Banned(msgspec.Struct, frozen=True):
    """A client, a network or a group whom at least one rule set bans. `look` is None for what is not one client."""

    subject: Subject
    group: str
    a: Side | None
    b: Side | None
    look: Look | None

    @property
    def later(self) -> float | None:
        """By how many seconds the second rule set bans later than the first; None if only one bans."""
        return self.b.first - self.a.first if self.a and self.b else None


class Compared(msgspec.Struct):
    """The outcome. `bans` are the numbers of those only in the first, only in the second, and in both, by jail."""

    a: Replayed
    b: Replayed
    banned: list[Banned]
    bans: dict[str, tuple[int, int, int]]


def compare(  # noqa: PLR0913  each is a thing of its own
    configs: tuple[Config, Config],
    paths: Sequence[str],
    source: str | None = None,
    *,
    jails: Sequence[str] = (),
    members: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Compared:
    """Feed files to both. Raises SourceError as `play` does, LookupError where no source fits them."""
    first, second = configs
    names = [source_of(config, paths, source) for config in configs]
    looks = Looks(first.engine.max_clients, members)
    alike = _reading(first, names[0]) == _reading(second, names[1])
    others = looks if alike else Looks(second.engine.max_clients, members)
    players = (Player(first, names[0], jails, looks), Player(second, names[1], jails, others, observing=not alike))
    play(players, paths, progress)
    a, b = (player.outcome() for player in players)
    return Compared(a, b, _banned(a, b, (first, second)), _bans(a, b))


def _reading(config: Config, name: str) -> tuple[object, ...]:
    """Return what decides which clients the lines of a source are from."""
    one = config.sources[name]
    return one.format, one.proxied, config.proxies, config.engine


def _who(verdict: Verdict) -> tuple[str, Subject]:
    """Return whom a verdict is about; of a group the prefixes do not matter."""
    return verdict.group, Subject(b"\0\0\0\0", 0) if verdict.group else verdict.subject


def _sides(outcome: Replayed) -> dict[tuple[str, Subject], Side]:
    verdicts = sorted((verdict for verdict, _ in decisions(outcome.verdicts)), key=_who)
    found = {}
    for who, some in groupby(verdicts, _who):
        own = list(some)
        jails = tuple(dict.fromkeys(verdict.jail for verdict in own))
        found[who] = Side(min(verdict.time for verdict in own), len(own), jails)
    return found


def _banned(a: Replayed, b: Replayed, configs: tuple[Config, Config]) -> list[Banned]:
    first, second = _sides(a), _sides(b)
    found: list[Banned] = []
    for group, subject in {**first, **second}:
        one, other = first.get((group, subject)), second.get((group, subject))
        outcome, config = (a, configs[0]) if one else (b, configs[1])
        key = None if group else subject.key_in(config.engine.ipv6_client)
        look = outcome.looks.look(key) if outcome.looks and key is not None else None
        found.append(Banned(subject, group, one, other, look))
    return sorted(found, key=lambda one: min(side.first for side in (one.a, one.b) if side))


def _bans(a: Replayed, b: Replayed) -> dict[str, tuple[int, int, int]]:
    """Count bans of the same jail, subject and time as the same."""
    first, second = ({(v.jail, _who(v), v.time) for v in outcome.verdicts} for outcome in (a, b))
    jails = sorted({jail for jail, _, _ in first | second})
    sets = (first - second, second - first, first & second)
    return {jail: _numbers(jail, *sets) for jail in jails}


def _numbers(jail: str, *sets: set[tuple[str, tuple[str, Subject], float]]) -> tuple[int, int, int]:
    only_a, only_b, both = (sum(one[0] == jail for one in some) for some in sets)
    return only_a, only_b, both
