"""What the daemon says of itself: the items behind `privet status`, `privet jails` and `privet bans`."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from privet import __version__
from privet.adapters.networks import NO_TABLE
from privet.core.recognise import AutoPlan
from privet.daemon.byhand import asked, described, merged
from privet.daemon.lists import ORIGIN as FEED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.core.engine import SourceState
    from privet.daemon.service import Daemon


def status(daemon: Daemon) -> dict[str, Any]:
    """Return the whole state; `warnings` is empty when all is well."""
    sources = [_source(daemon, state) for state in daemon.engine.sources.values()]
    totals = daemon.kernel.ledger.totals()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "since": daemon.since,
        "config": daemon.config.path,
        "firewall": {"name": daemon.kernel.firewall.name, "problem": daemon.kernel.problem},
        "items": sources,
        "bans": {
            **totals,
            "refused_by": dict(daemon.kernel.ledger.accounts.refused),
            "failed_by": dict(daemon.kernel.ledger.accounts.failed),
        },
        "clients": {"tracked": daemon.engine.tracked, "evicted": daemon.engine.evicted},
        "paused_until": daemon.pause.until,
        "networks": {"rows": len(daemon.networks), "problem": daemon.networks.problem},
        "feeds": daemon.lists.state(),
        "warnings": [*_warnings(daemon), *(w for source in sources for w in source["warnings"])],
    }


def jails(daemon: Daemon) -> list[dict[str, Any]]:
    """Return the jails with how often they matched and whom they hold."""
    matches = daemon.engine.matches()
    return [
        {
            "jail": jail.name,
            "sources": list(jail.sources),
            "bans_of": None if jail.bans_of is None else list(jail.bans_of),
            "findtime": jail.findtime,
            "maxretry": jail.maxretry,
            "bantime": jail.bantime,
            "increment": jail.escalation.increment,
            "scope": jail.scope,
            "dry_run": jail.dry_run,
            "failures": matches[jail.name][0],
            "last_failure": matches[jail.name][1],
            "verdicts": daemon.engine.bans[jail.name],
            "spared": daemon.engine.spared[jail.name],
            "banned": sum(ban.jail == jail.name for ban in daemon.kernel.ledger),
        }
        for jail in daemon.engine.jails
    ]


def bans(daemon: Daemon, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return who is banned now, the latest first; those of feeds are counted only, unless they are asked for."""
    chosen, feeds = [], Counter[str]()
    for ban in asked(daemon.bans(), request, daemon.clock.now()):
        if ban.origin == FEED and not (request.get("all") or request.get("jail")):
            feeds[ban.jail] += 1
        else:
            chosen.append(ban)
    chosen.sort(key=lambda ban: -ban.since)
    reveal = bool(request.get("reveal"))
    listed = [(ban, 1) for ban in chosen] if request.get("each") else merged(chosen)
    return {
        "items": [described(daemon, ban, prefixes, reveal=reveal) for ban, prefixes in listed],
        "feeds": dict(feeds),
    }


def _warnings(daemon: Daemon) -> list[str]:
    warnings = []
    if daemon.kernel.firewall.name == "null":
        warnings.append("no firewall: bans are noted, nothing is closed")
    if daemon.kernel.problem:
        warnings.append(f"firewall: {daemon.kernel.problem}")
    if daemon.pause.until:
        warnings.append("all bans are off for a while; let them hold again with: privet pause --end")
    if daemon.config.networks.table and daemon.networks.problem not in (None, NO_TABLE):
        warnings.append(daemon.networks.problem)
    warnings += [f"feed {feed['feed']}: {feed['problem']}" for feed in daemon.lists.state() if feed["problem"]]
    if daemon.config_problem:
        warnings.append(f"the configuration on disk cannot be used, the old one is in force: {daemon.config_problem}")
    if daemon.unknown_lines:
        warnings.append(f"{daemon.unknown_lines} lines came from pipes whose source is not in the configuration")
    if daemon.intakes.nameless:
        warnings.append(f"{daemon.intakes.nameless} lines came from pipes that did not say whose they are")
    if daemon.intakes.refused:
        warnings.append(f"{daemon.intakes.refused} connections to the intake came from users who may not speak")
    return warnings


def _source(daemon: Daemon, state: SourceState) -> dict[str, Any]:
    config = daemon.config.sources[state.name]
    pipes = [peer for peer in daemon.intakes.peers.values() if peer.hello and peer.hello.source == state.name]
    files = daemon.files.sources.get(state.name)
    filling = daemon.since + daemon.longest_findtime(state.name) if config.pipe else 0.0
    plan = state.plan
    warnings = [
        f"source {state.name}: {complaint}" for peer in pipes if peer.hello for complaint in peer.hello.complaints
    ]
    warnings += [
        f"source {state.name}: {path}: {problem}" for path, problem in (files.problems if files else {}).items()
    ]
    return {
        "source": state.name,
        "kind": "pipe" if config.pipe else "files",
        "format": plan.name if isinstance(plan, AutoPlan) else config.format,
        "addresses_at_rest": not config.pipe and state.parsed > state.pseudonyms,
        "lines": state.lines,
        "parsed": state.parsed,
        "ignored": state.ignored,
        "unparsed": dict(state.unparsed),
        "late": state.late,
        "ahead": state.ahead,
        "samples": state.samples,
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
            }
            for peer in pipes
        ],
        "warnings": [*([state.complaint] if state.complaint else []), *warnings],
    }
