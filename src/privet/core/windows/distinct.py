"""Windows that count different values: who showed `maxretry` of them within `findtime`.

The rules, kept for every client:
- a failure notes its value; the value counts for `findtime` after the client's last failure with it;
- a verdict falls at the failure after which `maxretry` values count, seen from the client's newest failure;
- it covers [t, t + bantime): failures inside do not count, and after it the count starts anew;
- a failure that arrives late counts at its own time; one `findtime` behind the client's newest counts no more.

A value is remembered by its hash, with a time: `maxretry` - 1 of them at most, as more are a verdict. Where many rows
count most clients have one value: it stands in columns of the crowd, and is looked at for all rows of a block at once.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from privet.core.arrays import np
from privet.core.rows.crowd import NOBODY
from privet.core.windows.detect import Limit, Reached
from privet.core.windows.limits import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from privet.core.rows.crowd import Crowd, Numbers

_SWEEP_FROM = 1024  # fewer clients with several values than this are not worth sweeping
_FEW = 64  # rows: below, a look at each costs less


class Distinct:
    """The values that one jail counts. It stands in the place of a window, see `core.windows.detect`."""

    clients = ()  # they are in the crowd, which bounds them
    evicted = 0

    def __init__(self, limit: Limit, tolerance: float, crowd: Crowd) -> None:
        self.limits: Sequence[Limit] = [limit]
        self._limit, self._crowd = limit, crowd
        self._keep = limit.findtime + tolerance
        self._name = crowd.column(0, np.int32)  # of who has one value, by hash
        self._last = crowd.column(-inf)  # and when it was seen last
        self._has_many = crowd.column(0, np.bool_)
        self._newest = -inf
        self._many: dict[bytes, dict[int, float]] = {}  # of who has several: by hash, when each was seen last
        self._forgotten = crowd.forgotten
        self._sweep_at = _SWEEP_FROM

    def take(
        self,
        rows: Sequence[int] | npt.NDArray[np.intp],
        times: Sequence[float] | npt.NDArray[np.float64],
        numbers: Sequence[int] | Numbers,
        names: Sequence[int] | Numbers,
    ) -> Iterator[Reached]:
        """Count failures in order of arrival; yield those that reach the limit, as `Window.hit` does.

        `numbers` are those of the clients in the crowd, `names` hashes of the values.
        """
        seconds = np.asarray(times, np.float64)
        numbers, names = np.asarray(numbers, np.intp), np.asarray(names, np.int32)
        if self._forgotten != self._crowd.forgotten:
            self._drop_forgotten()
        if len(self._many) + len(self._limit.until) >= self._sweep_at:
            self._sweep()
        self._newest = float(seconds.max(initial=self._newest))
        some = np.arange(len(rows)) if len(rows) < _FEW else self._others(numbers, names, seconds)
        limit, until, many = self._limit, self._limit.until, self._many
        columns = some.tolist(), self._crowd.keys(numbers[some]), seconds[some].tolist(), names[some].tolist()
        for place, key, time, name in zip(*columns, strict=True):
            if until and time < until.get(key, time):
                continue
            seen = many.get(key) or self._begin(key, int(numbers[place]))
            last = seen.get(name)
            if last is None or time > last:
                seen[name] = time
            if last is not None:  # no new value: the count does not rise
                continue
            if len(seen) >= limit.maxretry and self._is_reached(key, seen):
                self._clear(key, int(numbers[place]))
                until[key] = time + limit.bantime
                yield Reached(int(rows[place]), limit, key, time, limit.maxretry)
                until, many = limit.until, self._many  # whoever takes it may shift the clock

    def _others(self, numbers: Numbers, names: Numbers, times: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Count failures of clients who show the one value that they had, or had none; return the places of others.

        Whether somebody is banned is of no matter before he shows another value.
        """
        if self._limit.maxretry == 1:
            return np.arange(len(numbers))
        if not self._last.is_used and self._many:
            self._has_many.values[list(map(self._crowd.number, self._many))] = True
        name, last = self._name.values, self._last.values
        new = last[numbers] < times - self._limit.findtime
        others = name[numbers] != names
        in_order = bool((times[1:] >= times[:-1]).all())
        fresh = new.nonzero()[0]
        begun = numbers[fresh]
        if not in_order:  # a late row may be none of these, after one of them
            others |= self._crowd.among(numbers, begun)
        others[fresh] = False
        others |= self._has_many.values[numbers]
        before, name[begun] = name[begun], names[fresh]
        others[fresh] |= name[begun] != names[fresh]
        found: npt.NDArray[np.intp] = others.nonzero()[0]
        if len(found):
            mine = self._crowd.among(numbers, numbers[found])
            name[begun] = np.where(mine[fresh], before, name[begun])
            found, rest = mine.nonzero()[0], (~mine).nonzero()[0]
            numbers, times = numbers[rest], times[rest]
        if in_order:  # the last of each client is the newest
            last[numbers] = np.maximum(last[numbers], times)
        else:
            np.maximum.at(last, numbers, times)
        return found

    def _begin(self, key: bytes, number: int) -> dict[int, float]:
        """Begin to count several values of a client, with the one that he may have."""
        seen: dict[int, float] = {}
        self._many[key] = seen
        if self._last.is_used:
            last = self._last.values.item(number)
            if last >= self._limit.until.get(key, last) > -inf:
                seen[int(self._name.values[number])] = last
            self._has_many.values[number] = True
        return seen

    def _is_reached(self, key: bytes, seen: dict[int, float]) -> bool:
        """Tell whether enough values count; forget those that do not."""
        kept = self._many[key] = _within(seen, self._limit.findtime)
        return len(kept) >= self._limit.maxretry

    def _clear(self, key: bytes, number: int) -> None:
        """Forget the values of a client."""
        self._many.pop(key, None)
        if number != NOBODY and self._last.is_used:
            self._last.values[number] = -inf
            self._has_many.values[number] = False

    def _drop_forgotten(self) -> None:
        """Forget whom the crowd has forgotten; who came back since has a number and no column says that he has many."""
        self._forgotten = self._crowd.forgotten
        has_many = self._has_many.values if self._last.is_used else None
        for key in list(self._many):
            number = self._crowd.number(key)
            if number == NOBODY or (has_many is not None and not has_many[number]):
                del self._many[key]

    def _sweep(self) -> None:
        """Let go of clients who showed nothing of late, and of bans that are over, or at the cap end first."""
        horizon = self._newest - self._keep
        for key in [key for key, seen in self._many.items() if max(seen.values()) < horizon]:
            self._clear(key, self._crowd.number(key))
        limit = self._limit
        limit.until = {key: until for key, until in limit.until.items() if until >= horizon}
        if len(limit.until) > self._crowd.most:
            for key in sorted(limit.until, key=limit.until.__getitem__)[: -self._crowd.most]:
                del limit.until[key]
        self._sweep_at = max(_SWEEP_FROM, 2 * (len(self._many) + len(limit.until)))

    def carry(self, old: Distinct) -> None:
        """Take over what an equal jail has counted, and its bans if it is unchanged."""
        self._name.take(old._name)
        self._last.take(old._last)
        self._has_many.take(old._has_many)
        self._many, self._newest, self._forgotten = old._many, old._newest, old._forgotten
        if self._limit.jail == old.limits[0].jail:
            self._limit.until = old.limits[0].until

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        if self._last.is_used:
            self._last.values[:] += seconds
        self._newest += seconds
        for seen in self._many.values():
            for name in seen:
                seen[name] += seconds
        self._limit.until = {key: until + seconds for key, until in self._limit.until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a client: its count starts anew."""
        self._clear(key, self._crowd.number(key))
        self._limit.until.pop(key, None)

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many clients have values that still count."""
        since = now - limit.findtime
        return len(self._single(since)) + sum(max(seen.values()) >= since for seen in self._many.values())

    def _single(self, since: float) -> npt.NDArray[np.intp]:
        """Return the clients with one value, seen since some time, and since their last ban was over."""
        if not self._last.is_used:
            return np.empty(0, np.intp)
        last = self._last.values
        single = (last >= since) & ~self._has_many.values
        for key, end in self._limit.until.items():
            number = self._crowd.number(key)
            if number != NOBODY and last[number] < end:
                single[number] = False
        found: npt.NDArray[np.intp] = single.nonzero()[0]
        return found

    def counted(self, limit: Limit, key: bytes, _time: float) -> int:
        """Return how many values of a client count."""
        seen, number = self._many.get(key), self._crowd.number(key)
        if seen is not None:
            return len(_within(seen, limit.findtime))
        if not self._last.is_used or number == NOBODY:
            return 0
        last = self._last.values.item(number)
        return int(last >= limit.until.get(key, last) > -inf)

    def standing(self, limit: Limit, now: float) -> Iterator[Standing]:
        """Yield how many values of each client count now; others may be counted meanwhile."""
        single = self._single(now - limit.findtime)
        for key, time in list(zip(self._crowd.keys(single), self._last.values[single].tolist(), strict=True)):
            yield Standing(limit.jail, key, 1, time)
        for key in list(self._many):
            seen = self._many.get(key)
            if seen is not None:
                times = seen.values()
                yield Standing(limit.jail, key, sum(time >= now - limit.findtime for time in times), max(times))


def _within(seen: dict[int, float], findtime: float) -> dict[int, float]:
    """Return the values that count, seen from the newest."""
    since = max(seen.values()) - findtime
    return {name: time for name, time in seen.items() if time >= since}
