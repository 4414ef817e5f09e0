"""Pardons: who was unbanned, and when, so that lines which are read again after a restart ban nobody again."""

from __future__ import annotations

import struct
from math import inf
from typing import TYPE_CHECKING

from privet.core.bans.notes import Changed, Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Key = tuple[bytes, str]
"""For whom, in some form that its user chose, and of which jail; of all if that is empty."""

State = tuple[bytes, str, float]
"""What is remembered of a pardon: for whom, of which jail, and when."""

KIND = b"pardon "
"""How the keys of notes begin."""

_DATA = struct.Struct(">d")


def state_of(note: Note) -> State:
    """Return what a note says. Raises struct.error for one that says something else."""
    return note.key[len(KIND) :], note.jail, _DATA.unpack(note.data)[0]


class Pardons:
    """At most `cap` pardons, the latest; each matters for `keep` seconds: older lines are not read again."""

    def __init__(self, cap: int, keep: float) -> None:
        self.changed: Changed[Key] = Changed(cap)
        self._cap, self._keep = cap, keep
        self._times: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._times)

    def grant(self, who: bytes, jail: str, time: float) -> None:
        """Pardon somebody for all that a jail has against him until some time."""
        self._times.pop((who, jail), None)
        self._times[who, jail] = time
        self.changed.add((who, jail))
        if len(self._times) > self._cap:
            del self._times[next(iter(self._times))]

    def expire(self, now: float) -> None:
        """Forget what can no longer matter."""
        self._times = {key: time for key, time in self._times.items() if time + self._keep > now}

    def export(self) -> Iterator[State]:
        """Yield everything."""
        for (who, jail), time in self._times.items():
            yield who, jail, time

    def restore(self, states: Iterable[State]) -> None:
        """Take over what was kept."""
        for who, jail, time in states:
            self._times[who, jail] = max(time, self._times.get((who, jail), -inf))

    def carry(self, old: Pardons) -> None:
        """Take over the state of those that these replace."""
        self.changed.carry(old.changed)
        self.restore(old.export())

    def note_of(self, key: Key) -> tuple[Note, bool]:
        """Return what a store is to keep of a pardon, and whether it is to keep it still."""
        time, (who, jail) = self._times.get(key, -inf), key
        return Note(jail, KIND + who, time + self._keep, _DATA.pack(time)), key in self._times

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._times = {key: time + seconds for key, time in self._times.items()}
        self.all_changed()

    def all_changed(self) -> None:
        """Have a store told of everything."""
        for key in self._times:
            self.changed.add(key)
