"""Jails that tell before they ban: who reaches the limit is answered 429 by the web server, and banned last.

The rules, for every jail with `patience`:
- who reaches the limit is told, for `bantime`; what he does meanwhile does not count;
- so he is each time, until `patience` seconds have passed since he was told first; from then on he is banned;
- who has not reached the limit for `patience` seconds after he was last told (or banned) begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privet.core.jails import Jail
    from privet.core.windows.recidive import Who

_Told = OrderedDict[tuple["Who", str], tuple[float, float]]


class Patience:
    """Since when somebody has been told, by jail, and until when; at the cap whoever was told longest ago goes."""

    def __init__(self, most: int) -> None:
        self.evicted = 0
        self._most = most
        self._told: _Told = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def ends(self, jail: Jail, who: Who, time: float) -> bool:
        """Take note that somebody reached the limit of a jail; tell whether he is to be banned."""
        if jail.patience is None:
            return True
        first, last = self._told.get((who, jail.name), (time, time))
        if time >= last + jail.patience:
            first = time
        self._told[who, jail.name] = (first, time + jail.bantime)
        self._told.move_to_end((who, jail.name))
        if len(self._told) > self._most:
            self._told.popitem(last=False)
            self.evicted += 1
        return time - first >= jail.patience

    def expire(self, jails: dict[str, Jail], now: float) -> None:
        """Forget who began anew, and jails that are gone."""
        for who, name in list(self._told):
            patience = jails[name].patience if name in jails else None
            if patience is None or now >= self._told[who, name][1] + patience:
                del self._told[who, name]

    def carry(self, old: Patience) -> None:
        """Take over what another has seen."""
        self._told, self.evicted = old._told, old.evicted

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._told = OrderedDict((key, (first + seconds, last + seconds)) for key, (first, last) in self._told.items())

    def forget(self, who: Who, jail: str = "") -> None:
        """Be patient with somebody anew, in one jail only if it is named."""
        for key in [key for key in self._told if key[0] == who and jail in ("", key[1])]:
            del self._told[key]
