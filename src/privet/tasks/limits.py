"""Run the rules over old logs and note how close everybody came to their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import Subject
from privet.core.addresses.networks import as_text
from privet.core.windows.limits import Peak, Peaks, hovering, tenths
from privet.core.windows.nets import network_key, number_of
from privet.tasks.replay import Player, Replayed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.config.model import Config
    from privet.core.windows.recidive import Who


class Close(msgspec.Struct, frozen=True):
    """Somebody who came close to a limit: a client, a network, or an AS number by its name."""

    peak: Peak
    subject: Subject | None
    name: str = ""


class Limits(msgspec.Struct):
    """Who came close, how many clients came to each tenth of a limit by jail, and the replay that told."""

    close: list[Close]
    tenths: dict[str, list[int]]
    forgotten: int
    replayed: Replayed


class Watched(Player):
    """An engine whose counts are watched while it is fed: to be given to `play`. Raises SourceError."""

    def __init__(self, config: Config, source: str, jails: Sequence[str] = ()) -> None:
        super().__init__(config, source, jails)
        self._peaks, self._bits = Peaks(), config.engine.ipv6_client
        self._jails = {jail.name: jail for jail in self.engine.jails if not jails or jail.name in jails}
        self.engine.watch(self._peaks)

    def feed(self, block: bytes) -> None:
        """Take whole lines."""
        before = len(self.verdicts)
        super().feed(block)
        for verdict in self.verdicts[before:]:
            for recidive in self.engine.memory.recidives:
                if verdict.jail == recidive.jail.name:
                    self._peaks.reach(recidive.jail, self._key(verdict.who), verdict.time)
                elif found := recidive.counted(verdict):
                    self._peaks.see(recidive.jail, self._key(found[0]), verdict.time, found[1])

    def limits(self, share: float) -> Limits:
        """Return who came to such a share of a jail's limit without a ban, the closest first."""
        close = [self._named(peak) for peak in hovering(self._peaks, share, self._is_left_out)]
        counts = tenths(self._peaks, self._is_left_out)
        chosen = {name: numbers for name, numbers in counts.items() if name in self._jails}
        return Limits(close, chosen, self._peaks.evicted, self.outcome())

    def _key(self, who: Who) -> bytes:
        return self.engine.key_of(who) or network_key(who)

    def _named(self, peak: Peak) -> Close:
        number = number_of(peak.key)
        if number is not None:
            return Close(peak, None, as_text(number))
        return Close(peak, Subject.of_key(peak.key, self._bits))

    def _is_left_out(self, peak: Peak) -> bool:
        """Tell whether somebody is in `ignoreip`, or the jail was not asked for."""
        if peak.jail not in self._jails:
            return True
        subject = self._named(peak).subject
        return subject is not None and self.engine.spares(peak.jail, subject)
