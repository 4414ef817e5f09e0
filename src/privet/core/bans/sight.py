"""On sight: bans of which only a mark was kept. Whoever the mark fits is banned again when he comes.

A mark is a token of the subject, under the key of the ban's bucket: it cannot be turned round, only tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.model import Ban

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Mark = Callable[[Subject], bytes]

NOBODY = Subject(bytes(16), 128)
"""Stands for a subject that is not known."""


class Unseen(Ban):
    """A ban of somebody who is known by a mark only; `identity` and `bucket` are those of its row."""

    mark: bytes = b""
    version: int = 4
    length: int = 32
    identity: bytes = b""
    bucket: int = 0


class Sight:
    """Waits for those whom marks fit. At most `cap` clients who fit none are remembered, to be tried once only."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._marks: Mapping[int, Mark] = {}
        self._waiting: dict[tuple[int, int, int], dict[bytes, list[Unseen]]] = {}  # bucket, version, length: by mark
        self._tried: set[bytes] = set()
        self._changed: dict[bytes, tuple[Unseen, bool]] = {}  # by row: what changes() tells next

    def __len__(self) -> int:
        return sum(1 for _ in self.waiting())

    def waiting(self) -> Iterator[Unseen]:
        """Yield the bans of those who have not come."""
        for marks in self._waiting.values():
            for bans in marks.values():
                yield from bans

    def expect(self, bans: Iterable[Unseen], marks: Mapping[int, Mark]) -> None:
        """Wait for these; `marks` makes the mark of a subject, by bucket."""
        self._marks = marks
        for ban in bans:
            place = self._waiting.setdefault((ban.bucket, ban.version, ban.length), {})
            place.setdefault(ban.mark, []).append(ban)

    def see(self, keys: Iterable[bytes], client_bits: int) -> list[Ban]:
        """Return the bans of the clients with these keys that were waited for."""
        if not self._waiting:
            return []
        fresh = set(keys) - self._tried
        if len(self._tried) + len(fresh) > self._cap:
            self._tried.clear()
        self._tried |= fresh
        return self.meet(Subject.of_key(key, client_bits) for key in fresh)

    def meet(self, subjects: Iterable[Subject]) -> list[Ban]:
        """Return the bans of these subjects, and of the networks around them, that were waited for."""
        found: list[Ban] = []
        for subject in subjects:
            for place in list(self._waiting):
                bucket, version, length = place
                if version == subject.version and length <= subject.length:
                    network = Subject(mask_bits(subject.packed, length), length)
                    bans = self._waiting[place].pop(self._marks[bucket](network), ())
                    found += [_of(network, ban) for ban in bans]
                    if not self._waiting[place]:
                        del self._waiting[place]
        return found

    def lift(self, jail: str | None, earliest: float) -> list[Unseen]:
        """End those of a jail, or all, that began then or later; return them."""
        lifted = [ban for ban in self.waiting() if jail in (None, ban.jail) and ban.since >= earliest]
        self._take_out(lifted)
        self._changed.update((ban.identity, (ban, False)) for ban in lifted)
        return lifted

    def expire(self, now: float) -> None:
        """Forget whose time is over."""
        self._take_out([ban for ban in self.waiting() if ban.until <= now])

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for ban in self.waiting():
            ban.since += seconds
            ban.until += seconds
        self.all_changed()

    def changes(self) -> tuple[list[Unseen], list[Unseen]]:
        """Return what a store is to put and to drop since this was asked last."""
        changed, self._changed = self._changed, {}
        return [ban for ban, stays in changed.values() if stays], [ban for ban, stays in changed.values() if not stays]

    def all_changed(self) -> None:
        """Have a store told of everything."""
        self._changed.update((ban.identity, (ban, True)) for ban in self.waiting())

    def _take_out(self, gone: list[Unseen]) -> None:
        for ban in gone:
            marks = self._waiting[ban.bucket, ban.version, ban.length]
            marks[ban.mark] = [one for one in marks[ban.mark] if one is not ban]
            if not marks[ban.mark]:
                del marks[ban.mark]
            if not marks:
                del self._waiting[ban.bucket, ban.version, ban.length]


def _of(subject: Subject, ban: Unseen) -> Ban:
    """Return a ban as it was before its subject was hidden."""
    return Ban(
        subject,
        ban.jail,
        ban.since,
        ban.until,
        ban.failures,
        ban.origin,
        ban.why,
        scope=ban.scope,
        group=ban.group,
        action=ban.action,
    )
