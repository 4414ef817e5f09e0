"""What follows a verdict and can wait: it is counted, and told in the log, for all of the last second together.

The firewall is asked at once. What else a verdict brings about is done together, since it takes less time so: little of
its code is in the processor's caches when it begins. In the log each verdict has the time at which the firewall was
asked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.core.verdicts import Verdict
    from privet.daemon.service import Daemon

SINGLE_LINES = 20  # verdicts at a time that the log tells one by one
MOST = 10_000  # verdicts that wait: there are never many more than a crowd brings with one block


class Decided:
    """The verdicts of the last second."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._verdicts: list[tuple[float, Verdict]] = []

    def note(self, verdicts: Iterable[Verdict]) -> None:
        """Take verdicts that have just been acted upon."""
        now = time.time()
        self._verdicts += [(now, verdict) for verdict in verdicts]
        if len(self._verdicts) > MOST:
            self.look()

    def look(self) -> None:
        """Count and tell what was decided: to be called every second, and at the end."""
        decided, self._verdicts = self._verdicts, []
        if not decided:
            return
        self._daemon.past.judge(verdict for _, verdict in decided)
        if len(decided) > SINGLE_LINES:
            jails = sorted({verdict.jail for _, verdict in decided})
            self._daemon.log.info("verdicts", count=len(decided), jails=jails)
            return
        for then, v in decided:
            self._daemon.log.info(
                v.action.value,
                jail=v.jail,
                client=v.group or self._daemon.name(v.subject),
                failures=v.failures,
                until=round(v.until),
                then=then,
            )
