"""What scripts written for fail2ban-client ask of the daemon: one jail, whom it spares, a reload, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.core.verdicts import Action
from privet.daemon.byhand import described, merged
from privet.daemon.whom import Refusal, found, shown

if TYPE_CHECKING:
    from privet.core.jails import Jail
    from privet.daemon.service import Daemon

Request = dict[str, Any]


def jail(daemon: Daemon, request: Request) -> dict[str, Any]:
    """Return one jail with what it reads and whom it holds, the next to be let go first; nothing if it is not there."""
    one = daemon.config.jails.get(str(request.get("jail")))
    if one is None:
        return {"jail": None}
    bans = sorted(
        (ban for ban in daemon.bans() if ban.jail == one.name and ban.action is not Action.SLOW),
        key=lambda ban: ban.until,
    )
    failures, _ = daemon.engine.matches()[one.name]
    return {
        "jail": one.name,
        "failing": daemon.engine.failing(one.name, daemon.clock.now()),
        "failures": failures,
        "verdicts": max(daemon.engine.bans[one.name], len(bans)),
        "settings": _settings(one),
        **_reads(daemon, one),
        "items": [described(daemon, some, reveal=bool(request.get("reveal"))) for some in merged(bans)],
    }


def _settings(one: Jail) -> dict[str, Any]:
    """Return what a jail was told, under fail2ban's names; of a filter that it has."""
    found = one.filter
    return {
        "findtime": one.findtime,
        "bantime": one.bantime,
        "maxretry": one.maxretry,
        "ignorecommand": one.ignorecommand or "",
        "actions": ["privet"] * (one.close and not one.dry_run) + list(one.actions),
        "failregex": list(found.failregex) if found else [],
        "ignoreregex": list(found.ignoreregex) if found else [],
        "prefregex": found.prefregex if found else "",
        "datepattern": found.datepattern if found else "",
        "maxlines": found.maxlines if found else 1,
        "usedns": found.usedns if found else "no",
        "logencoding": found.logencoding if found else "auto",
    }


def _reads(daemon: Daemon, one: Jail) -> dict[str, Any]:
    """Return the files of a jail, and the matches if it reads a journal."""
    sources = [daemon.config.sources[name] for name in one.sources]
    journal = [" ".join(match) for source in sources for match in source.journal or ()]
    files = [path for name in one.sources if name in daemon.files.sources for path in daemon.files.sources[name].paths]
    return {"files": files, "matches": journal if any(source.journal is not None for source in sources) else None}


async def spare(daemon: Daemon, request: Request) -> dict[str, Any]:
    """Add to those whom a jail spares, or take out, until the next reload; return who they are then."""
    name = str(request.get("jail"))
    if name not in daemon.config.jails:
        return {"jail": None}
    spared = dict.fromkeys(daemon.protection.spared_by(name))
    for one in await found(daemon, request.get("add", ())):
        spared.update(dict.fromkeys(one.members))
    for one in await found(daemon, request.get("drop", ())):
        if not spared.keys() >= set(one.members):
            raise Refusal("is not on the list")
        for member in one.members:
            del spared[member]
    daemon.protection.spare(name, tuple(spared))
    reveal = bool(request.get("reveal"))
    return {"jail": name, "items": [shown(daemon, subject, reveal=reveal) for subject in spared]}


def reload(daemon: Daemon, _request: Request) -> dict[str, Any]:
    """Read the configuration again; return what is wrong with it."""
    daemon.reload()
    return {"problem": daemon.config_problem}


def stop(daemon: Daemon, _request: Request) -> dict[str, Any]:
    """Let the daemon end."""
    daemon.stop()
    return {"items": []}
