"""The daemon's history: numbers of each minute, kept and told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from privet.adapters.pressure import machine_now
from privet.adapters.store.history import FILE, STEPS, History
from privet.core.addresses.address import PSEUDONYM_NET, unpack
from privet.core.addresses.tokens import Tokens
from privet.core.reports.history import Tallies
from privet.daemon.whom import Refusal
from privet.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from privet.core.parsing.parse import Rows
    from privet.core.reports.history import Bans, Offence, Traffic
    from privet.core.verdicts import Verdict
    from privet.daemon.service import Daemon

HOURLY = 60  # looks


def token_name(token: bytes) -> str:
    """Return what somebody is called who is known by a token only: a pseudonym that lasts an epoch."""
    return unpack(PSEUDONYM_NET + token[:8]).decode()


class Past:
    """Counts what the engine sees; `look` writes it down, to be called every minute."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.problem: str | None = None
        self._tallies = Tallies()
        self._looks = 0
        self._history: History | None = None

    def open(self) -> None:
        """Open the file, before the first line is read."""
        daemon = self._daemon
        sealed = daemon.config.store.persist == "sealed" and daemon.state.is_dir()
        try:
            self._history = History(daemon.state / FILE if sealed else None)
        except (StoreError, OSError) as error:
            self.problem = str(error)
        else:
            self._tallies, self.problem = Tallies(self._history.newest()), None

    def loads(self) -> list[tuple[float, float]]:
        """Return the load of each minute that is kept, by its beginning; none where it cannot be read."""
        try:
            return self._history.loads() if self._history else []
        except StoreError:
            return []

    def see(self, source: str, rows: Rows) -> None:
        """Count requests."""
        self._tallies.see(source, rows)

    def judge(self, verdicts: Iterable[Verdict]) -> None:
        """Count what jails decided."""
        self._tallies.judge(verdicts, Tokens(self._daemon.epochs.secrets))

    async def look(self) -> None:
        """Write down what was counted; try again to open what could not be opened."""
        if self._history is None:
            self.open()
        self._daemon.decided.look()
        await asyncio.to_thread(self._write, *self._tallies.take(), self._tallies.newest, self._daemon.clock.now())

    def close(self) -> None:
        """Write down the rest."""
        self._daemon.decided.look()
        if self._history:
            self._write(*self._tallies.take(), self._tallies.newest, self._daemon.clock.now())
            self._history.close()

    async def tell_offenders(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `privet report offenders`."""
        since = self._daemon.clock.now() - float(request["since"])
        found = await self._asked(lambda history: history.offenders(since))
        return {"items": [{**one, "client": token_name(one["client"])} for one in found]}

    async def tell(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `privet report history`."""
        start, step = self._daemon.clock.now() - float(request["since"]), int(request["step"])
        if step not in STEPS:
            raise Refusal(f"step: expected one of {', '.join(map(str, STEPS))}")
        return {
            "items": await self._asked(lambda history: history.read(start, step)),
            "sites": await self._asked(lambda history: history.by("traffic", start)),
            "jails": await self._asked(lambda history: history.by("bans", start)),
        }

    async def _asked(self, question: Callable[[History], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        if self._history is None:
            raise Refusal(f"there is no history: {self.problem}")
        try:
            return await asyncio.to_thread(question, self._history)
        except StoreError as error:
            raise Refusal(f"the history cannot be read: {error}") from None

    def _write(
        self, traffic: list[Traffic], bans: list[Bans], offences: list[Offence], newest: float, now: float
    ) -> None:
        if self._history is None:
            return
        try:
            self._history.add(traffic, bans, machine_now(now), newest if traffic else None, offences)
            if self._looks % HOURLY == 0:
                self._history.roll_up(now)
        except StoreError as error:
            self.problem = str(error)
        else:
            self.problem = None
        self._looks += 1
