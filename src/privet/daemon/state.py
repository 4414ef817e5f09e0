"""What the daemon says of itself: the items behind `privet status`, `privet jails` and `privet bans`."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from privet import __version__
from privet.adapters.networks import NO_TABLE
from privet.config.fail2ban.report import Fate, as_items
from privet.config.model import PLAIN
from privet.core.parsing.recognise import AutoPlan
from privet.core.plurals import counted
from privet.core.verdicts import Action
from privet.daemon.byhand import asked, described, merged
from privet.daemon.feeds import MOST_PEERS
from privet.daemon.lists import ORIGIN as FEED
from privet.daemon.whom import gently

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.core.bans.ledger import Ledger
    from privet.core.jails import Jail
    from privet.core.source import SourceState
    from privet.daemon.enforce import Enforcement
    from privet.daemon.service import Daemon


def status(daemon: Daemon) -> dict[str, Any]:
    """Return the whole state; `warnings` is empty when all is well."""
    sources = [_source(daemon, state) for state in daemon.engine.sources.values()]
    return {
        "version": __version__,
        "pid": os.getpid(),
        "since": daemon.since,
        "config": daemon.config.path,
        "firewall": _place(daemon.kernel),
        "store": _store(daemon),
        "clock": {"set": daemon.clock.jumps, "suspensions": daemon.clock.naps},
        "items": sources,
        "bans": _accounts(daemon.kernel.ledger),
        "web": {**_place(daemon.web), "bans": _accounts(daemon.web.ledger)},
        "slow": {**_place(daemon.slow), "bans": _accounts(daemon.slow.ledger)},
        "told": _accounts(daemon.places[Action.TELL].ledger),
        "clients": {"tracked": daemon.engine.tracked, "evicted": daemon.engine.evicted},
        "load": daemon.engine.loads.at(daemon.clock.now()),
        "paused_until": daemon.pause.until,
        "networks": {"rows": len(daemon.networks), "problem": daemon.networks.problem},
        "feeds": daemon.lists.state(),
        "actions": daemon.told.state(),
        "swarms": daemon.swarms.state(),
        "alarms": daemon.vigilance.state(),
        "escrow": daemon.escrow.state(),
        "notify": daemon.herald.state(),
        "fail2ban": {
            "config": daemon.config.fail2ban.config,
            "jails": len(daemon.config.places),
            "findings": dict(Counter(one.fate.value for one in daemon.config.findings)),
        },
        "warnings": [
            *_warnings(daemon),
            *daemon.told.problems,
            *daemon.swarms.problems,
            *daemon.vigilance.problems,
            *daemon.herald.problems,
            *(warning for source in sources for warning in source["warnings"]),
        ],
    }


def _place(place: Enforcement) -> dict[str, Any]:
    return {
        "name": place.firewall.name,
        "problem": place.problem,
        "losses": place.losses,
        "last_loss": place.last_loss,
        "brought_back": place.brought_back,
    }


def _accounts(ledger: Ledger) -> dict[str, Any]:
    accounts = ledger.accounts
    return {**ledger.totals(), "refused_by": dict(accounts.refused), "failed_by": dict(accounts.failed)}


def _store(daemon: Daemon) -> dict[str, Any]:
    bans, notes, ring, *_ = daemon.keeper.stores
    return {
        "persist": daemon.config.store.persist,
        "keys": ring.level,
        "unseen": len(daemon.sight.waiting),
        "problem": daemon.keeper.problem,
        "refused": bans.refused + notes.refused,
        "evicted": bans.evicted + notes.evicted,
        "losses": bans.losses + notes.losses,
    }


def jails(daemon: Daemon) -> list[dict[str, Any]]:
    """Return the jails with how often they matched and whom they hold."""
    matches = daemon.engine.matches()
    banned = Counter(ban.jail for ban in daemon.bans() if ban.action is not Action.SLOW)
    load = daemon.engine.loads.at(daemon.clock.now())
    return [
        {
            "jail": jail.name,
            "sources": list(jail.sources),
            "bans_of": None if jail.bans_of is None else list(jail.bans_of),
            "filter": jail.filter.name if jail.filter else None,
            "actions": list(jail.actions),
            "findtime": jail.findtime,
            "maxretry": jail.maxretry,
            "limit": jail.limit_at(load),
            "by_load": [{"load": above, "limit": limit} for above, limit in jail.by_load],
            "bantime": jail.bantime,
            "increment": jail.escalation.increment,
            "kind": jail.kind,
            "distinct": jail.distinct,
            "scope": jail.scope,
            "close": jail.close,
            "dry_run": jail.dry_run,
            "reports": jail.only_reports,
            "adopted_from": str(daemon.config.places[jail.name]) if jail.name in daemon.config.places else None,
            "findings": _findings(daemon, jail),
            "failures": matches[jail.name][0],
            "last_failure": matches[jail.name][1],
            "verdicts": daemon.engine.bans[jail.name],
            "spared": daemon.engine.spared[jail.name],
            "banned": banned[jail.name],
        }
        for jail in daemon.engine.jails
    ]


def _findings(daemon: Daemon, jail: Jail) -> list[dict[str, Any]]:
    """Return what was changed on purpose or not understood when a jail was adopted."""
    place = daemon.config.places.get(jail.name)
    return as_items(
        one for one in daemon.config.findings if place and one.jail == jail.name and one.fate is not Fate.ADOPTED
    )


async def bans(daemon: Daemon, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return who is banned now, the latest first; those of feeds are counted only, unless they are asked for."""
    chosen, feeds = [], Counter[str]()
    for ban in asked(daemon, daemon.bans(), request):
        if ban.origin == FEED and not (request.get("all") or request.get("jail")):
            feeds[ban.jail] += 1
        else:
            chosen.append(ban)
    chosen.sort(key=lambda ban: -ban.since)
    reveal = bool(request.get("reveal"))
    listed = [[ban] for ban in chosen] if request.get("each") else merged(chosen)
    return {
        "items": [described(daemon, some, reveal=reveal) async for some in gently(listed)],
        "feeds": dict(feeds),
    }


def _warnings(daemon: Daemon) -> list[str]:
    evicted, intakes, unasked = daemon.keeper.stores.bans.evicted, daemon.intakes, daemon.lookups.unasked
    unknown = daemon.unknown_lines
    said = {
        "no firewall: bans are noted, nothing is closed": daemon.kernel.firewall.name == "null",
        f"firewall: {daemon.kernel.problem}": daemon.kernel.problem,
        f"deny list of the web server: {daemon.web.problem}": daemon.web.problem,
        f"list of the web server's for 429: {daemon.slow.problem}": daemon.slow.problem,
        f"store: {daemon.keeper.problem}": daemon.keeper.problem,
        f"history: {daemon.past.problem}": daemon.past.problem,
        f"{counted(evicted, 'ban')} will end with a restart: [store] holds max_bans already": evicted,
        "all bans are off for a while; let them hold again with: privet pause --end": daemon.pause.until,
        f"escrow: {daemon.escrow.problem}": daemon.escrow.problem,
        str(daemon.networks.problem): daemon.config.networks.table and daemon.networks.problem not in (None, NO_TABLE),
        **{problem: problem for problem in daemon.protection.lists.problems},
        **{problem: problem for problem in daemon.manners.problems},
        **{f"feed {feed['feed']}: {feed['problem']}": feed["problem"] for feed in daemon.lists.state()},
        "the configuration on disk cannot be used, the old one is in force: "
        f"{daemon.config_problem}": daemon.config_problem,
        f"{counted(unasked, 'failure')} of names not counted, since too many waited to be looked up": unasked,
        f"{counted(unknown, 'line')} came from pipes whose source is not in the configuration": unknown,
        f"{counted(intakes.nameless, 'line')} came from pipes that did not say whose they are": intakes.nameless,
        f"{counted(intakes.refused, 'connection')} to the intake came from users who may not speak": intakes.refused,
        f"{counted(intakes.surplus, 'connection')} to the intake closed, of more than {MOST_PEERS}": intakes.surplus,
        f"the daemon had too many files open to accept a pipe, {counted(intakes.starved, 'time')}": intakes.starved,
    }
    return [text for text, holds in said.items() if holds]


def _source(daemon: Daemon, state: SourceState) -> dict[str, Any]:
    config = daemon.config.sources[state.name]
    pipes = [peer for peer in daemon.intakes.peers.values() if peer.hello and peer.hello.source == state.name]
    files = daemon.files.sources.get(state.name)
    filling = daemon.since + daemon.longest_findtime(state.name) if config.pipe else 0.0
    plan, filters = state.plan, state.filters
    warnings = [
        f"source {state.name}: {complaint}" for peer in pipes if peer.hello for complaint in peer.hello.complaints
    ]
    warnings += [
        f"source {state.name}: {path}: {problem}" for path, problem in (files.problems if files else {}).items()
    ]
    warnings += [f"source {state.name}: {slow}" for slow in daemon.engine.slow(state.name)]
    return {
        "source": state.name,
        "kind": "pipe" if config.pipe else "files" if config.journal is None else "journal",
        "format": plan.name if isinstance(plan, AutoPlan) else config.format if plan else PLAIN,
        "addresses_at_rest": not config.pipe and state.parsed > state.pseudonyms,
        "lines": state.lines,
        "parsed": state.parsed,
        "ignored": state.ignored,
        "unparsed": dict(state.unparsed),
        "late": state.late,
        "ahead": state.ahead,
        "samples": state.samples,
        "nobody": dict(filters.nobody) if filters else {},
        "undated": filters.undated if filters else 0,
        "windows_filling_until": filling if filling > time.time() else None,
        "files": files.paths if files else [],
        "too_long": files.counts.too_long if files else 0,
        "pipes": [
            {
                "pid": peer.hello.pid if peer.hello else None,
                "mask": peer.hello.mask if peer.hello else None,
                "taken": peer.taken,
                "dropped": peer.dropped,
                "unwritten": peer.unwritten,
                "killed": {"dropped": peer.hello.unheard, "unwritten": peer.hello.unwritten} if peer.hello else None,
            }
            for peer in pipes
        ],
        "warnings": [*([state.complaint] if state.complaint else []), *warnings],
    }
