"""What the administrator orders by hand: bans, unbans, why somebody is banned, and pauses.

Nothing is done before all of it was understood, and every answer says what changed, what was there before,
and whom it would hit.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec

from privet.adapters import machine
from privet.config.compile import places_for
from privet.config.values import did_you_mean
from privet.core.addresses.address import Subject, mask_bits
from privet.core.addresses.networks import as_number, as_text
from privet.core.addresses.prefixes import PrefixSet
from privet.core.bans.lists import ListError, parse_list, printable
from privet.core.guard import refusal
from privet.core.verdicts import Action, Verdict
from privet.daemon.lists import jail_of
from privet.daemon.tables import TOO_DEAR
from privet.daemon.whom import Refusal, Whom, found, gently, shown
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from privet.core.bans.model import Ban
    from privet.core.bans.seen import Census
    from privet.daemon.service import Daemon

LONGEST = 100 * 366 * 86_400.0  # seconds of one ban: what the configuration allows, and dates can be told
LONGEST_PAUSE = 86_400.0  # seconds: who needs more wants to stop the daemon
BY_HAND = "by hand"
PLACES = {Action.BAN: "firewall", Action.DENY: "web server", Action.TELL: "programs", Action.SLOW: "web server (429)"}
DEFAULT = 3600.0  # seconds
MOST = 1_000_000  # entries of one list
ADDRESS = {4: 32, 6: 128}  # bits
LONGEST_WHY = 200  # letters of a reason, which is kept with every ban of a request
MANY = 1000  # subjects of one request that are banned without asking back
MOST_SHOWN = 100  # bans inside a range that `why` lists, and bans lifted that are looked around for others

Request = dict[str, Any]


class _Plan(msgspec.Struct):
    """One entry of a request: who, the verdicts, and why each of them must not be."""

    whom: Whom
    verdicts: list[Verdict]
    refusals: list[str | None]
    why: str
    before: float | None  # the end of the ban that the jail has already
    cost: dict[str, Any] | None

    @property
    def refused(self) -> str | None:
        """Why nothing of it is done, None if something is."""
        return None if None in self.refusals else self.refusals[0]


class ByHand:
    """Answers the requests by which a daemon's bans are changed or explained."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def ban(self, request: Request, pid: int) -> dict[str, Any]:
        """Ban, or with `dry_run` say what would be.

        Ranges and long lists need `agreed`: the answer otherwise is what they cost, and nothing is done.
        """
        daemon, now = self._daemon, self._daemon.clock.now()
        plans = await self._plans(request, pid, now)
        asks = [plan async for plan in gently(plans) if plan.cost and not plan.refused]
        if not (request.get("agreed") or request.get("dry_run")) and (asks or len(plans) > MANY):
            return {"items": [self._item(plan, request, "asked") for plan in plans], "agreed": False}
        if request.get("dry_run"):
            return {"items": [self._item(plan, request, "would be banned") for plan in plans], "agreed": True}
        async for plan in gently(plans):
            for verdict, refused in zip(plan.verdicts, plan.refusals, strict=True):
                daemon.enter(verdict, now, refused, plan.why)
        await daemon.settle()
        items = [self._done(plan, request) async for plan in gently(plans)]
        return {"items": items, "agreed": True}

    async def unban(self, request: Request) -> dict[str, Any]:
        """End bans and let the counts of those who had them start anew; with `dry_run` list them only."""
        daemon, jail = self._daemon, str(request.get("jail") or "")
        whom = None
        if request.get("subjects") or request.get("lists"):
            whom = await found(daemon, [word for word, _, _ in await self._entries(request)])
        elif not (request.get("all") or request.get("jail") or request.get("since")):
            raise Refusal("say whom: subjects, a jail, a time or all")
        chosen = list(self._chosen(whom, request))
        if not request.get("dry_run"):
            async for ban in gently(chosen):
                daemon.lift(ban)
                daemon.engine.forget(as_number(ban.group) or ban.subject, daemon.clock.now(), jail)
            for one in whom or ():
                daemon.engine.forget(one.who, daemon.clock.now(), jail)
            if whom is None:
                daemon.sight.waiting.lift(jail or None, _earliest(daemon, request))
            await daemon.settle()
        lifted = merged(chosen)
        looks = not request.get("dry_run") and len(lifted) <= MOST_SHOWN
        return {
            "items": [
                self._told(bans, request) | {"still": self._still(bans[0]) if looks else None}
                async for bans in gently(lifted)
            ]
        }

    async def why(self, request: Request) -> dict[str, Any]:
        """Explain: the bans around and inside a subject, what led to them, and how often there were others."""
        daemon = self._daemon
        (one,) = await found(daemon, [request["subject"]])
        bans = (
            [ban for ban in daemon.bans() if ban.group == one.group]
            if one.group
            else [*self._around(one.members[0]), *self._inside(one.members[0])]
        )
        network = None if one.group else daemon.networks.of(one.members[0])
        cost = None if daemon.engine.key_of(one.who) else daemon.seen.census().cost(one.members)
        items = [self._told(some, request) for some in merged(bans)]
        return {
            "subject": shown(daemon, one, reveal=bool(request.get("reveal"))),
            "items": items[:MOST_SHOWN],
            "more": max(0, len(items) - MOST_SHOWN),
            "protected": next(filter(None, (refusal(member, daemon.protected) for member in one.members)), None),
            "before": daemon.engine.memory.history(one.who),
            "network": None
            if network is None
            else {"asn": network.asn, "name": network.name, "prefix": network.prefix.reveal()}
            if request.get("reveal")
            else {"asn": network.asn, "name": network.name},
            "cost": None if cost is None else msgspec.to_builtins(cost),
        }

    async def pause(self, request: Request) -> dict[str, Any]:
        """Let everybody through for a while, or end that."""
        pause, end = self._daemon.pause, bool(request.get("end"))
        seconds, was = 0.0 if end else float(request["seconds"]), pause.until
        if not end and not 0 < seconds <= LONGEST_PAUSE:
            raise Refusal("a pause lasts for some time, at most a day")
        if not request.get("dry_run"):
            try:
                await (pause.end() if end else pause.begin(seconds))
            except FirewallError as error:
                raise Refusal(f"the firewall did not take it: {error}") from None
        return {"items": [], "until": None if end else self._daemon.clock.now() + seconds, "was": was}

    async def _plans(self, request: Request, pid: int, now: float) -> list[_Plan]:
        jail = str(request.get("jail") or BY_HAND)
        base, places = self._base(jail), places_for(self._daemon.config, jail)
        entries = await self._entries(request)
        named = await found(self._daemon, [word for word, _, _ in entries])
        protected = {**self._daemon.protected, "your own ssh connection": PrefixSet(machine.ssh_peer_of(pid))}
        given_why, census = printable(str(request.get("why") or ""), LONGEST_WHY), self._daemon.seen.census()
        plans = {}
        async for whom, (_, own, why) in gently(list(zip(named, entries, strict=True))):
            given = request.get("seconds")
            seconds = given if given is not None else own or base.until
            verdict = msgspec.structs.replace(base, time=now, until=now + _length(seconds))
            wanted = [
                msgspec.structs.replace(verdict, action=one, scope="" if one is Action.DENY else verdict.scope)
                for one in places  # a web server's list knows of no ports
            ]
            plans[whom.who] = self._plan(whom, wanted, given_why or why, protected, census)
        return list(plans.values())

    async def _entries(self, request: Request) -> list[tuple[str, float | None, str]]:
        """Return who stands in a request, singly or in lists: as text, with the seconds and the reason of a list."""
        entries: list[tuple[str, float | None, str]] = [(str(word), None, "") for word in request.get("subjects", ())]
        bits = self._daemon.config.engine.ipv6_client
        for text in request.get("lists", ()):
            try:
                listed = await asyncio.to_thread(parse_list, str(text), MOST, bits)
            except ListError as error:
                raise Refusal(f"the list cannot be used: {error}") from None
            entries += [
                (one.who.reveal() if isinstance(one.who, Subject) else as_text(one.who), one.seconds, one.why)
                async for one in gently(listed)
            ]
        return entries

    def _base(self, jail: str) -> Verdict:
        """Return what verdicts of a jail are like; `until` is how long they last."""
        nobody = Subject(bytes(4), 32)
        if jail == BY_HAND:
            return Verdict(Action.BAN, nobody, jail, 0.0, DEFAULT, 0, origin="administrator")
        rule = self._daemon.config.jails.get(jail)
        if rule is None:
            raise no_such(self._daemon, jail)
        return Verdict(Action.BAN, nobody, jail, 0.0, rule.bantime, 0, rule.scope, origin="administrator")

    def _plan(
        self, whom: Whom, wanted: Sequence[Verdict], why: str, protected: Mapping[str, Any], census: Census
    ) -> _Plan:
        daemon, jail = self._daemon, wanted[0].jail
        both = [(base, one) for base in wanted for one in whom.members]
        verdicts = [msgspec.structs.replace(base, subject=one, group=whom.group) for base, one in both]
        refusals = [refusal(one, protected) for one in whom.members] * len(wanted)
        cost = None if daemon.engine.key_of(whom.who) else census.cost(whom.members)
        if cost and cost.innocent > daemon.config.networks.most_innocent:
            refusals = [TOO_DEAR] * len(refusals)
        bans = [ban for one in whom.members for ban in daemon.bans_of(one) if ban.jail == jail]
        before = max((ban.until for ban in bans), default=None)
        return _Plan(whom, verdicts, refusals, why, before, None if cost is None else msgspec.to_builtins(cost))

    def _open(self, plan: _Plan) -> list[Action]:
        """Return where a plan was to be carried out, and is not."""
        missing = dict.fromkeys(
            verdict.action
            for verdict, refused in zip(plan.verdicts, plan.refusals, strict=True)
            if refused is None and not self._holds(verdict)
        )
        return list(missing)

    def _holds(self, verdict: Verdict) -> bool:
        """Tell whether a ban is in force."""
        bans = self._daemon.places[verdict.action].ledger.of(verdict.subject)
        return any(ban.jail == verdict.jail and ban.confirmed for ban in bans)

    def _done(self, plan: _Plan, request: Request) -> dict[str, Any]:
        """Tell what became of a plan: one that is carried out in one place of two is told to be so."""
        missing, places = self._open(plan), {verdict.action for verdict in plan.verdicts}
        item = self._item(plan, request, "waiting" if places <= set(missing) else "banned")
        if missing and not plan.refused:
            told = {one: self._daemon.places[one].problem or f"the {PLACES[one]} did not take it" for one in missing}
            texts = told.values() if len(places) == 1 else [f"{PLACES[one]}: {why}" for one, why in told.items()]
            item["reason"] = "; ".join(filter(None, (item["reason"], *texts)))
        return item

    def _item(self, plan: _Plan, request: Request, result: str) -> dict[str, Any]:
        refused = [reason for reason in plan.refusals if reason]
        reason = refused[0] if refused else None
        if reason and not plan.refused:
            places = len(plan.refusals) // len(plan.whom.members)
            reason = f"{len(refused) // places} of {len(plan.whom.members)} prefixes stay open: {reason}"
        elif reason not in (None, TOO_DEAR) and plan.cost and plan.cost["addresses"] + plan.cost["networks"] > 1:
            reason = f"part of it must never be banned: {reason}"
        return {
            "subject": shown(self._daemon, plan.whom, reveal=bool(request.get("reveal"))),
            "prefixes": len(plan.whom.members),
            "result": "refused" if plan.refused else result,
            "reason": reason,
            "jail": plan.verdicts[0].jail,
            "until": _date(plan.verdicts[0].until),
            "was": None if plan.before is None else {"until": _date(plan.before)},
            "cost": plan.cost,
        }

    def _told(self, bans: Sequence[Ban], request: Request) -> dict[str, Any]:
        return described(self._daemon, bans, reveal=bool(request.get("reveal"))) | {"evidence": list(bans[0].evidence)}

    def _chosen(self, whom: Sequence[Whom] | None, request: Request) -> Iterator[Ban]:
        """Yield the bans of these, or of everybody, that a request is about."""
        bans = self._daemon.bans() if whom is None else self._of(whom)
        return asked(self._daemon, bans, request)

    def _of(self, whom: Sequence[Whom]) -> Iterator[Ban]:
        """Yield the bans of these and of whoever is inside of them: one pass, however many they are."""
        groups = {one.group for one in whom if one.group}
        subjects = {one.members[0] for one in whom if not one.group}
        ranges = PrefixSet(one for one in subjects if one.length < ADDRESS[one.version])
        if not (groups or ranges):
            return chain.from_iterable(map(self._daemon.bans_of, subjects))
        return (
            ban
            for ban in self._daemon.bans()
            if ban.subject in subjects or ban.group in groups or ranges.covers(ban.subject)
        )

    def _still(self, lifted: Ban) -> list[str]:
        """Return which bans close out a subject all the same."""
        bans = [] if lifted.group else self._around(lifted.subject)
        return list(dict.fromkeys(f"{ban.jail} ({ban.group})" if ban.group else ban.jail for ban in bans))

    def _around(self, subject: Subject) -> list[Ban]:
        """Return the bans of a subject and of all prefixes around it."""
        lengths = range(subject.length, -1, -1)
        prefixes = (Subject(mask_bits(subject.packed, length), length) for length in lengths)
        return list(chain.from_iterable(map(self._daemon.bans_of, prefixes)))

    def _inside(self, subject: Subject) -> list[Ban]:
        """Return the bans of smaller prefixes within a subject."""
        return [ban for ban in self._daemon.bans() if ban.subject != subject and subject.covers(ban.subject)]


def described(daemon: Daemon, bans: Sequence[Ban], *, reveal: bool) -> dict[str, Any]:
    """Return bans that are told as one: of a group with all its prefixes, and in all places."""
    ban = bans[0]
    return {
        "subject": shown(daemon, ban, reveal=reveal),
        "length": ban.subject.length,
        "prefixes": len({one.subject for one in bans}) if len(bans) > 1 else 1,
        "jail": ban.jail,
        "since": ban.since,
        "until": _date(ban.until),
        "failures": ban.failures,
        "origin": ban.origin,
        "why": ban.why,
        "scope": ban.scope,
        "group": ban.group,
        "action": ban.action.value,
        "places": list(dict.fromkeys(PLACES[one.action] for one in bans)),
        "in_force": all(one.confirmed for one in bans),
    }


def asked(daemon: Daemon, bans: Iterable[Ban], request: Mapping[str, Any]) -> Iterator[Ban]:
    """Yield the bans that the `jail` of a request has and that were made in the last `since` seconds."""
    jail = request.get("jail")
    known = {BY_HAND, *daemon.config.jails, *map(jail_of, daemon.config.feeds)}
    if jail is not None and jail not in known and all(ban.jail != jail for ban in daemon.bans()):
        raise no_such(daemon, str(jail))
    earliest = _earliest(daemon, request)
    return (ban for ban in bans if jail in (None, ban.jail) and ban.since >= earliest)


def _earliest(daemon: Daemon, request: Mapping[str, Any]) -> float:
    return daemon.clock.now() - float(request["since"]) if request.get("since") else -inf


def merged(bans: Iterable[Ban]) -> list[list[Ban]]:
    """Return bans in lists of those that are one for who looks at them: of a group, or of a subject in two places."""
    found: dict[tuple[object, str, float], list[Ban]] = {}
    for ban in bans:
        found.setdefault((ban.group or ban.subject, ban.jail, 0.0 if ban.group else ban.until), []).append(ban)
    return list(found.values())


def no_such(daemon: Daemon, jail: str) -> Refusal:
    """Return the answer to whoever asks for a jail that is not there."""
    hint = did_you_mean(jail, daemon.config.jails) or "privet jails lists them"
    return Refusal(f"there is no such jail: {hint}")


def _date(until: float) -> float | None:
    return None if until == inf else until


def _length(seconds: object) -> float:
    """Return for how long to ban; "good" is for good."""
    if seconds == "good":
        return inf
    length = float(seconds)  # type: ignore[arg-type]  # whatever was sent: what is no number is refused
    if not 0 < length <= LONGEST:
        raise Refusal("a ban lasts for some time, at most 100 years, or for good")
    return length
