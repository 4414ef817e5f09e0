"""Who else hears of bans: programs that are told when one begins and ends, and commands that are asked before."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from privet.adapters.actions import Actions
from privet.config.actions import programs
from privet.core.actions.programs import LINES, Occasion
from privet.core.actions.shell import compile_command
from privet.core.addresses.address import client_key, widened
from privet.core.bans.model import ADOPTED
from privet.core.plurals import counted
from privet.core.verdicts import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.config.model import Config
    from privet.core.actions.programs import Program
    from privet.core.actions.shell import Script
    from privet.core.bans.model import Ban
    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec
    from privet.core.verdicts import Verdict
    from privet.daemon.service import Daemon

MOST_FACTS = 10_000
"""Failures whose facts are kept, for tags such as `<F-USER>`; a client has one in each filter, the last."""

SLOW = 60.0
"""Seconds without a pause after which an action is called slow."""

LONGEST_FACT = 1024
"""Characters of one of them."""

MOST_LINES = 100
"""Lines of one ban that programs get."""

MOST_ASKED = 100
"""Bans that may wait for the answer of a command at a time; more are made at once."""

PATIENCE = 10.0
"""Seconds in which a command must have answered."""

AGAIN = 300.0
"""Seconds for which its answer counts."""

ENDING = 30.0
"""Seconds that all programs together may take to end their bans when the daemon stops."""

_SIDE_BY_SIDE = 2  # commands that are asked at a time
_MOST_ANSWERS = 10_000
_JAIL = "jail."


class Told:
    """Keeps programs informed of the bans in the daemon's places, and asks commands whether one is to be."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._actions = Actions(daemon.clock.now)
        self._wanting: dict[str, list[Program]] = {}  # by jail
        self._filters: frozenset[FilterSpec] = frozenset()  # whose facts are of interest
        self._facts: dict[tuple[FilterSpec, bytes], dict[str, str]] = {}
        self._commands: dict[str, Script] = {}  # by jail, what is asked before a ban
        self._answers: dict[tuple[str, bytes, int], tuple[float, bool]] = {}
        self._asked: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE, "asked")
        self.unasked = 0  # bans that were made without an answer, since too many waited
        self.unanswered: dict[str, int] = {}  # how often a command failed to answer, by jail

    def configure(self, config: Config) -> None:
        """Heed a configuration."""
        known = programs(config)
        self._wanting = {}
        for program in known:
            self._wanting.setdefault(program.jail, []).append(program)
        jails = config.jails.values()
        self._commands = {jail.name: compile_command(jail.ignorecommand) for jail in jails if jail.ignorecommand}
        concerned = [jail for jail in jails if jail.name in self._wanting or jail.name in self._commands]
        self._filters = frozenset(jail.filter for jail in concerned if jail.filter)
        self._answers.clear()
        self._actions.change(known)

    def observe(self, _source: str, spec: FilterSpec, _place: int, failure: Failure) -> None:
        """Take note of what a filter found in a failure."""
        if spec not in self._filters:
            return
        key = client_key(failure.who.encode())
        if key is None:
            return
        known = spec, widened(key, self._daemon.config.engine.ipv6_client)
        self._facts.pop(known, None)  # so that it is the youngest
        self._facts[known] = {
            name: text[:LONGEST_FACT] for name, text in failure.facts.items() if isinstance(text, str)
        }
        if len(self._facts) > MOST_FACTS:
            del self._facts[next(iter(self._facts))]

    def begin(self, verdict: Verdict) -> None:
        """Tell the programs of its jail of a ban that was entered."""
        wanting = self._wanting.get(verdict.jail)
        if wanting:
            self._actions.ban(verdict.jail, self._occasion(verdict, frozenset().union(*(one.tags for one in wanting))))

    def restore(self, bans: Iterable[Ban]) -> None:
        """Tell of the bans that were there before a restart."""
        for ban in bans:
            if ban.jail in self._wanting and ban.origin != ADOPTED:
                self._actions.ban(
                    ban.jail,
                    Occasion(
                        subject=ban.subject, since=ban.since, until=ban.until, failures=ban.failures, restored=True
                    ),
                )

    def end(self, ban: Ban) -> None:
        """Tell of a ban that was lifted."""
        if ban.jail in self._wanting:
            self._actions.unban(ban.jail, ban.subject)

    def look(self, *, everything: bool) -> None:
        """Tell of bans that are over, now and then of any that are gone: to be called every second."""
        now = self._daemon.clock.now()
        for jail, subject in self._actions.told() if everything else self._actions.told(now):
            if not any(ban.jail == jail for ban in self._daemon.bans_of(subject)):
                self._actions.unban(jail, subject)

    def asks(self, verdict: Verdict) -> bool:
        """Tell whether a command has to say whether a ban is to be; it is asked, and the ban made after that."""
        script = self._commands.get(verdict.jail)
        if script is None or verdict.action is Action.REPORT:
            return False
        known = self._answers.get(_client(verdict))
        if known and known[0] > self._daemon.clock.now():
            if known[1]:
                self._spare(verdict)
            return known[1]
        if len(self._asked) >= MOST_ASKED:
            self.unasked += 1
            return False
        task = asyncio.get_running_loop().create_task(self._ask(verdict, script))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return True

    def state(self) -> list[dict[str, Any]]:
        """Return what the programs do."""
        return [msgspec.to_builtins(one) for one in self._actions.state()]

    @property
    def problems(self) -> list[str]:
        """What is wrong with programs now."""
        found = []
        for one in self._actions.state():
            name = f"action {one.action} of jail {one.jail}"
            if one.in_a_row:
                runs = counted(one.runs, "command")
                found.append(f"{name}: {one.failures} of {runs} failed, the last one: {one.last_failure}")
            if one.untold:
                found.append(f"{name}: was not told of {counted(one.untold, 'ban')}, since too many waited for it")
        found += [
            f"action {one.action} of jail {one.jail}: is slow: busy for {one.seconds:.0f} s, "
            f"and {counted(one.waiting, 'command')} more to run: bans and their ends reach it late"
            for one in self._actions.behind()
            if one.seconds >= SLOW
        ]
        found += [
            f"jail {jail}: ignorecommand gave no answer {counted(count, 'time')}; whom it should have spared was banned"
            for jail, count in self.unanswered.items()
        ]
        if self.unasked:
            bans = counted(self.unasked, "ban")
            found.append(f"{bans} made without asking ignorecommand, since too many waited for it")
        return found

    async def close(self) -> None:
        """Make the bans that wait for an answer, end those that programs know of, and stop these."""
        if self._asked:
            await asyncio.wait(self._asked)
        self._pool.shutdown()
        if not await asyncio.to_thread(self._actions.stop, ENDING):
            self._daemon.log.warning("programs that were told of bans did not end in time")

    async def _ask(self, verdict: Verdict, script: Script) -> None:
        loop, occasion = asyncio.get_running_loop(), self._occasion(verdict, frozenset(script.tags))
        problem = await loop.run_in_executor(self._pool, self._actions.ask, script, occasion, PATIENCE)
        if problem and not problem.startswith("exited with 1"):
            self.unanswered[verdict.jail] = self.unanswered.get(verdict.jail, 0) + 1
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[_client(verdict)] = self._daemon.clock.now() + AGAIN, problem is None
        if problem is None:
            self._spare(verdict)
        else:
            self._daemon.act([verdict], self._daemon.clock.now())

    def _spare(self, verdict: Verdict) -> None:
        engine = self._daemon.engine
        engine.spared[verdict.jail] += 1
        engine.bans[verdict.jail] -= 1
        engine.forget(verdict.subject, self._daemon.clock.now())

    def _occasion(self, verdict: Verdict, tags: frozenset[str]) -> Occasion:
        """Put together what commands with these tags want to know."""
        engine, config = self._daemon.engine, self._daemon.config
        jail = config.jails.get(verdict.jail)
        key = engine.key_of(verdict.subject)
        lines = engine.lines(verdict, min(verdict.failures, MOST_LINES)) if tags & LINES and verdict.failures else []
        return Occasion(
            subject=verdict.subject,
            since=verdict.time,
            until=verdict.until,
            failures=verdict.failures,
            count=verdict.count + 1,
            lines=tuple(line.decode(errors="replace") for line in lines),
            facts=self._facts.get((jail.filter, key), {}) if jail and jail.filter and key else {},
            totals=self._totals(verdict.jail) if any(tag.startswith(_JAIL) for tag in tags) else {},
        )

    def _totals(self, jail: str) -> dict[str, int]:
        daemon = self._daemon
        return {
            "jail.banned": sum(ban.jail == jail for ban in daemon.bans()),
            "jail.banned_total": daemon.engine.bans[jail],
            "jail.found": daemon.engine.failing(jail, daemon.clock.now()),
            "jail.found_total": daemon.engine.matches()[jail][0],
        }


def _client(verdict: Verdict) -> tuple[str, bytes, int]:
    return verdict.jail, verdict.subject.packed, verdict.subject.length
