"""Bans of fail2ban that go on here: handed over by `privet init --adopt-bans`, kept sealed from then on."""

from __future__ import annotations

import asyncio
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

from privet.config.compile import places_for
from privet.core.addresses.address import Subject
from privet.core.guard import refusal
from privet.core.verdicts import Action, Verdict

if TYPE_CHECKING:
    from privet.daemon.service import Daemon

ORIGIN = "fail2ban"
_AT_ONCE = 500  # bans, some milliseconds: then everything else gets its turn


async def adopt(daemon: Daemon, request: dict[str, Any]) -> dict[str, Any]:
    """Enter bans, each as jail, address, beginning, end (null for good) and how many the client has had.

    A jail that runs here closes what it closes, others close everything.
    """
    now, refused = daemon.clock.now(), Counter[str]()
    adopted = 0
    for number, (jail, address, since, until, count) in enumerate(request["bans"], 1):
        subject = Subject.parse(str(address))
        rule, end = daemon.config.jails.get(str(jail)), inf if until is None else float(until)
        reason = refusal(subject, daemon.protected)
        for action in places_for(daemon.config, str(jail)):
            scope = rule.scope if rule and action is not Action.DENY else ""
            before = int(count) - 1
            verdict = Verdict(action, subject, str(jail), float(since), end, 0, scope, ORIGIN, count=before)
            daemon.enter(verdict, now, reason, "adopted from fail2ban")
        if reason:
            refused[reason] += 1
        else:
            adopted += 1
            daemon.engine.memory.recall(subject, str(jail), int(count), end)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    await daemon.settle()
    return {"adopted": adopted, "refused": dict(refused)}
