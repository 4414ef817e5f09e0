"""What the daemon tells the administrator of its own accord: alarms, swarms, bans stopped short, canaries that died."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from privet.adapters.canary import last_result
from privet.adapters.notifier import CommandNotifier
from privet.core.plurals import counted
from privet.core.watch.news import News

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.daemon.rounds import Work
    from privet.daemon.service import Daemon
    from privet.ports import Notifier


class Herald:
    """Collects news and hands them to the notifier; without one they stand in the log and in `privet status` only."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._news = News(daemon.config.notify.every)
        self._notifier: Notifier | None = None
        self._canary: str | None = None
        self._trouble: str | None = None
        self.sent = self.failed = 0

    def configure(self, config: Config) -> None:
        """Go by a configuration."""
        self._notifier = CommandNotifier(config.notify.command) if config.notify.command else None
        self._news.every, self._trouble = config.notify.every, None

    def tell(self, text: str) -> None:
        """Have something told, with what else there is."""
        if self._notifier is not None:
            self._news.add(text, self._daemon.clock.now())

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._news.shift(seconds)

    def look(self) -> Work | None:
        """Return the work of handing over a message, if it is time for one: to be called every second."""
        lines = self._news.take(self._daemon.clock.now())
        return self._hand_over(lines, self._notifier) if lines and self._notifier else None

    async def _hand_over(self, lines: list[str], notifier: Notifier) -> None:
        head = f"privet on {os.uname().nodename}: {counted(len(lines), 'piece')} of news"
        trouble = await asyncio.to_thread(notifier.tell, "\n".join([head, "", *lines, ""]))
        if trouble:
            self.failed += 1
            self._news.back(lines, self._daemon.clock.now())
            if trouble != self._trouble:
                self._daemon.log.error("the program of [notify] failed", problem=trouble)
        else:
            self.sent += 1
        self._trouble = trouble

    def look_at_canary(self) -> None:
        """Tell of a canary that failed, and of one that lives after that; to be called every minute."""
        result = last_result(self._daemon.runtime)
        failed = result is not None and result.answered is not None and not result.passed
        said = f"the last canary failed: {result.says()} (see privet audit)" if result and failed else None
        if said != self._canary:
            if said:
                self._daemon.log.warning(said)
            self.tell(said or "over: the last canary failed")
        self._canary = said

    def state(self) -> dict[str, Any] | None:
        """Return what became of the messages, None where nobody is told."""
        if self._notifier is None:
            return None
        return {"sent": self.sent, "failed": self.failed, "waiting": len(self._news), "problem": self._trouble}

    @property
    def problems(self) -> list[str]:
        """What there is to warn of."""
        found = [self._canary] if self._canary else []
        if self._trouble:
            found.append(f"notify: the program that tells you of alarms {self._trouble}")
        return found
