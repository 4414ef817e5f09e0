"""The table of networks: read when it changes, and the bans of AS numbers made to fit it again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from privet.adapters.networks import NO_TABLE, Networks
from privet.core.addresses.networks import as_number
from privet.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.config.model import NetworksConfig
    from privet.core.addresses.address import Subject
    from privet.core.bans.model import Ban
    from privet.core.bans.seen import Cost
    from privet.daemon.service import Daemon


TOO_DEAR = "it would close out too many clients of the last day who did nothing wrong (most_innocent)"


def networks_for(config: NetworksConfig) -> Networks:
    """Return the table that the configuration names, not yet read."""
    return Networks(Path(config.table) if config.table else None)


async def look(daemon: Daemon) -> None:
    """Read the table if it changed."""
    networks, before = daemon.networks, daemon.networks.problem
    if await asyncio.to_thread(networks.refresh):
        daemon.log.info("read the table of networks", rows=len(networks))
        daemon.engine.networks_changed()
        await _fit(daemon)
    elif networks.problem not in (before, NO_TABLE, None):
        daemon.log.error("networks", problem=networks.problem)


def costs(daemon: Daemon, verdicts: Iterable[Verdict]) -> dict[Subject | str, Cost]:
    """Return what bans of ranges would close out, by their subject or group."""
    ranges: dict[Subject | str, list[Subject]] = {}
    for verdict in verdicts:
        if daemon.engine.key_of(verdict.subject) is None:
            ranges.setdefault(verdict.group or verdict.subject, []).append(verdict.subject)
    census = daemon.seen.census()
    return {name: census.cost(members) for name, members in ranges.items()}


def too_dear(daemon: Daemon, cost: Cost | None) -> str | None:
    """Return why a range is not banned: it would close out too many who did nothing wrong."""
    return TOO_DEAR if cost and cost.innocent > daemon.config.networks.most_innocent else None


def in_words(cost: Cost | None) -> str:
    """Say what the ban of a range closes out; nothing for the ban of a client."""
    if cost is None:
        return ""
    least = "at least " if cost.at_least else ""
    return f"of the clients of the last day it closes out {least}{cost.clients}, {cost.innocent} of them innocent"


async def _fit(daemon: Daemon) -> None:
    """Ban the prefixes that banned AS numbers have now, and no others."""
    groups: dict[tuple[str, str, str], list[Ban]] = {}
    for ban in daemon.bans():
        if ban.group:
            groups.setdefault((ban.group, ban.jail, ban.action), []).append(ban)
    now = daemon.clock.now()
    for (group, _jail, _action), bans in groups.items():
        try:
            wanted = dict.fromkeys(daemon.networks.prefixes(as_number(group) or 0))
        except KeyError:
            daemon.log.warning("the table of networks has a banned AS number no more: its bans stay", group=group)
            continue
        one = bans[0]
        for subject in wanted.keys() - {ban.subject for ban in bans}:
            verdict = Verdict(
                one.action, subject, one.jail, one.since, one.until, one.failures, one.scope, one.origin, group=group
            )
            daemon.order(verdict, now, daemon.protected, one.why)
        for ban in bans:
            if ban.subject not in wanted:
                daemon.lift(ban)
    await daemon.settle()
