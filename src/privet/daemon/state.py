"""What the daemon says of itself: the items behind `privet status`, `privet jails` and `privet bans`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from privet import __version__
from privet.core.recognise import AutoPlan

if TYPE_CHECKING:
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


def bans(daemon: Daemon, *, reveal: bool) -> list[dict[str, Any]]:
    """Return who is banned now, the latest first."""
    return [
        {
            "subject": ban.subject.reveal() if reveal else daemon.name(ban.subject),
            "jail": ban.jail,
            "since": ban.since,
            "until": ban.until if ban.until != float("inf") else None,
            "failures": ban.failures,
            "origin": ban.origin,
            "why": ban.why,
            "scope": ban.scope,
            "group": ban.group,
            "in_kernel": ban.confirmed,
        }
        for ban in sorted(daemon.kernel.ledger, key=lambda ban: -ban.since)
    ]


def _warnings(daemon: Daemon) -> list[str]:
    warnings = []
    if daemon.kernel.firewall.name == "null":
        warnings.append("no firewall: bans are noted, nothing is closed")
    if daemon.kernel.problem:
        warnings.append(f"firewall: {daemon.kernel.problem}")
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
