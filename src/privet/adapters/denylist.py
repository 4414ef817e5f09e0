"""The web server's deny list: one empty file for each client that is shut out, which the server looks for.

The firewall cannot shut out who comes through a proxy, since the packets are the proxy's. So Apache and nginx
ask for each request whether a file named after its client is there (docs/apache.md, docs/nginx.md): a missing
file or folder means open, nothing has to be loaded again, and a request costs two looks into a tmpfs.

A file stands for a *unit*: an IPv4 address or /24, an IPv6 /64 or /48, since that is what servers can cut out of
an address. Other prefixes are made of up to 256 units. The file's time is the end of the ban in whole seconds
since boot; the digits behind are the length of the prefix, so that a daemon that starts finds what was banned.
"""

from __future__ import annotations

import grp
import math
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject, mask_bits
from privet.core.addresses.prefixes import PrefixSet
from privet.core.bans.model import Held, Later
from privet.core.plurals import counted
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from privet.core.bans.model import Order

FOLDER, SLOW = "deny", "slow"
"""How it is called in the run-time directory, and in the configuration of web servers.

There are two: who is in the first is answered 403, who is in the other 429.
"""

MOST = 50_000  # files: each takes 1 kB of the kernel's memory
_UNITS = {4: (24, 32), 6: (48, 64)}  # lengths of the prefixes that have a file
_SPREAD = 8  # bits by which a prefix may be shorter than its units
_FOREVER = 1 << 33  # seconds, some 270 years
_SECOND = 10**9
_PAUSE = ".until"  # in a folder that is put aside: its time is the end of the pause
_NO_UNITS = "the web server's deny list has no room for a prefix of this length"
_FULL = f"the web server's deny list is full ({MOST} files)"


class DenyList:
    """Bans as files in `folder`, which members of `group` may look into but not list. A `ports.Firewall`.

    It does not end anything by itself: who is over is let in by `repair`, a pause too.
    """

    name = "deny list"

    def __init__(
        self, folder: Path, group: str, clock: Callable[[], float], filesystem_of: Callable[[Path], str]
    ) -> None:
        """Begin empty; `clock` tells the seconds since boot, `filesystem_of` on what kind a path lies.

        The time of day would not do: who sets it would end bans.
        """
        self._folder, self._aside = folder, folder.with_name(f"{folder.name}.paused")
        self._new = folder.with_name(f"{folder.name}.new")  # what is not ready yet
        self._group, self._clock, self._filesystem_of = group, clock, filesystem_of
        self._ends: dict[Subject, int] = {}
        self._lengths: set[int] = set()  # of the prefixes that there have been
        self._next = math.inf  # when somebody may be over
        self._names: set[str] = set()  # of the files that should be there
        self._allowed = PrefixSet()
        self._checked: tuple[int, ...] = ()  # how the folder looked when it was compared with these last

    def open(self) -> None:
        """Learn what the folder holds, if there is one: it is made for the first ban."""
        try:
            if self._place.exists():
                self._read()
        except OSError as error:
            raise _failure("read", error) from error

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Write and remove files."""
        self._hand_over()
        return [self._carry_out(order) for order in orders]

    def repair(self) -> bool:
        """Let in who is over, end a pause that is, and tell whether somebody took files away."""
        try:
            if self._aside.exists() and not self.paused():
                self.resume()
            lost = self._look() != self._checked and self._find_loss()
            self._expire()
        except OSError as error:
            raise _failure("look after", error) from error
        return lost

    def held(self) -> Iterator[Held]:
        """List who is shut out now."""
        now = self._clock()
        ends = [(subject, end) for subject, end in self._ends.items() if end > now]
        return (Held(subject, None if end >= _FOREVER else end - now) for subject, end in ends)

    def mark(self) -> None:
        """Return nothing: asking is as quick."""

    def allow(self, subjects: Collection[Subject]) -> None:
        """Let these in: who shares an address with them has no file, whatever is ordered."""
        before, self._allowed = self._allowed, PrefixSet(subjects)
        try:
            for subject in self._ends:
                if before.overlaps(subject) != self._allowed.overlaps(subject):
                    self._settle(subject)
        except OSError as error:
            self._allowed = before  # to be tried again
            raise _failure("change", error) from error

    def pause(self, seconds: float) -> None:
        """Put the folder aside, so that nobody is shut out; `repair` puts it back, if need be of the next daemon."""
        if not self._place.exists():
            self._prepare(self._aside)
            with suppress(FirewallError):  # without its group there are no bans either
                self._give(self._aside)
        try:
            until = self._place / _PAUSE
            until.touch(0o600)
            os.utime(until, (self._clock() + seconds,) * 2)
            if self._place == self._folder:
                self._folder.rename(self._aside)
        except OSError as error:
            raise _failure("pause", error) from error

    def resume(self) -> None:
        """Put the folder back."""
        try:
            self._aside.rename(self._folder)
            (self._folder / _PAUSE).unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failure("bring back", error) from error

    def paused(self) -> float:
        """Return for how many seconds more nobody is shut out."""
        try:
            return max(0.0, (self._aside / _PAUSE).stat().st_mtime - self._clock())
        except FileNotFoundError:
            return 0.0

    def watch(self) -> None:
        """Return nothing: `repair` sees what happened to the folder."""

    def seen(self) -> bool:
        """Say that nothing happened."""
        return False

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return nothing: the server counts requests, and says so in its log."""
        return {}

    def show(self) -> str:
        """Say how many files there are."""
        names = os.listdir(self._place) if self._place.exists() else []  # noqa: PTH208  names are enough
        return f"# {self._place}: {counted(sum(_unit(name) is not None for name in names), 'file')}\n"

    def remove(self) -> None:
        """Remove the folder."""
        for place in (self._folder, self._aside, self._new):
            try:
                shutil.rmtree(place)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _failure("remove", error) from error
        self._ends.clear()
        self._names.clear()
        self._next = math.inf

    def close(self) -> None:
        """Do nothing: the files stay."""

    @property
    def _place(self) -> Path:
        """The folder where it is now."""
        return self._aside if self._aside.exists() else self._folder

    def _prepare(self, place: Path) -> None:
        """Make a folder for root alone. Raises FirewallError."""
        if self._filesystem_of(self._folder.parent) != "tmpfs":
            raise FirewallError(f"{self._folder.parent} is not on tmpfs: the deny list would reach the disk")
        try:
            place.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _failure("make", error) from error

    def _hand_over(self) -> None:
        """Let the web server's group look into the folder, and make it first if need be. Raises FirewallError.

        It appears when all is done: a server that may not look into it writes into its log whom it looked for.
        """
        if self._place.exists():
            self._give(self._place)
            return
        self._prepare(self._new)
        self._give(self._new)
        try:
            self._new.rename(self._folder)
        except OSError as error:
            raise _failure("make", error) from error

    def _give(self, place: Path) -> None:
        """Give a folder to the web server's group. Raises FirewallError."""
        try:
            group = grp.getgrnam(self._group).gr_gid
            if place.stat().st_gid != group:
                os.chown(place, -1, group)
            place.chmod(0o710)
        except KeyError:
            raise FirewallError(f"no group {self._group}: name the web server's own in [proxies] group") from None
        except OSError as error:
            raise _failure(f"give to the group {self._group}", error) from error

    def _read(self) -> None:
        """Learn from the files who is shut out; where prefixes overlap, the one that ends last is known."""
        self._ends.clear()
        self._names.clear()
        for entry in os.scandir(self._place):
            unit = _unit(entry.name)
            if unit is None:
                continue
            self._names.add(entry.name)
            end, length = divmod(entry.stat().st_mtime_ns, _SECOND)
            subject = Subject(mask_bits(unit.packed, length), length) if length <= unit.length else unit
            self._note(subject, max(end, self._ends.get(subject, 0)))
        self._expire()

    def _expire(self) -> None:
        now = self._clock()
        if now < self._next:
            return
        for subject in [subject for subject, end in self._ends.items() if end <= now]:
            del self._ends[subject]
            self._settle(subject)
        self._next = min(self._ends.values(), default=math.inf)

    def _note(self, subject: Subject, end: int) -> None:
        self._ends[subject] = end
        self._lengths.add(subject.length)
        self._next = min(self._next, end)

    def _carry_out(self, order: Order) -> str | None:
        subject = order.subject
        try:
            count = sum(1 for _ in _units(subject))
        except ValueError:
            return _NO_UNITS
        if order.seconds is None:
            self._ends.pop(subject, None)
        elif subject not in self._ends and len(self._names) + count > MOST:
            return _FULL
        else:
            self._note(subject, math.ceil(min(self._clock() + order.seconds, _FOREVER)))
        try:
            self._settle(subject)
        except OSError as error:
            self._ends.pop(subject, None)
            with suppress(OSError):
                self._settle(subject)  # no half of a prefix stays
            return Later(_failure("write to", error))
        return None

    def _settle(self, subject: Subject) -> None:
        """Bring the files of a subject in line with all bans that they stand for. Raises OSError."""
        place = self._place
        for unit in _units(subject):
            name = _name(unit)
            path = f"{place}/{name}"
            ends = [
                (end, around.length)
                for around in self._around(unit)
                if (end := self._ends.get(around)) is not None and not self._allowed.overlaps(around)
            ]
            if not ends:
                self._names.discard(name)
                with suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108  a Path for each of thousands costs more than the call
                continue
            end, length = max(ends)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            self._names.add(name)
            os.utime(path, ns=(0, end * _SECOND + length))

    def _around(self, unit: Subject) -> Iterator[Subject]:
        """Yield every subject that a unit may be part of."""
        for length in self._lengths.intersection(range(unit.length - _SPREAD, unit.length + 1)):
            yield Subject(mask_bits(unit.packed, length), length)

    def _find_loss(self) -> bool:
        """See whether a file is gone that should be there; if so, all are forgotten."""
        self._checked = self._look()
        there = {entry.name for entry in os.scandir(self._place)} if self._place.exists() else set()
        if self._names <= there:
            return False
        self._ends.clear()
        self._names.clear()
        self._next = math.inf
        return True

    def _look(self) -> tuple[int, ...]:
        """Return what changes with the files: its clock ticks, so the time alone would miss what happens at once."""
        try:
            found = self._place.stat()
        except FileNotFoundError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size  # the size grows by the file


def _units(subject: Subject) -> Iterator[Subject]:
    """Yield the units that a subject is made of. Raises ValueError where they are too many."""
    unit = next((length for length in _UNITS[subject.version] if 0 <= length - subject.length <= _SPREAD), None)
    if unit is None:
        raise ValueError("no unit is near this length")
    width = len(subject.packed)
    first, step = int.from_bytes(subject.packed), 1 << (8 * width - unit)
    for number in range(1 << (unit - subject.length)):
        yield Subject((first + number * step).to_bytes(width), unit)


def _name(unit: Subject) -> str:
    """Return how the file of a unit is called: the beginning of the address as servers write it, without `::`."""
    if unit.version == 4:
        return ".".join(map(str, unit.packed[: unit.length // 8]))
    return ":".join(f"{int.from_bytes(unit.packed[at : at + 2]):x}" for at in range(0, unit.length // 8, 2))


def _unit(name: str) -> Subject | None:
    """Return the unit of a file's name, None for others."""
    try:
        unit = Subject.parse(f"{name}::/{16 * (name.count(':') + 1)}" if ":" in name else _v4_text(name))
    except ValueError:
        return None
    return unit if unit.length in _UNITS[unit.version] and _name(unit) == name else None


def _v4_text(name: str) -> str:
    octets = name.count(".") + 1
    return f"{name}{'.0' * (4 - octets)}/{8 * octets}"


def _failure(what: str, error: OSError) -> FirewallError:
    """Return an error that names no file: those are called like clients."""
    return FirewallError(f"cannot {what} the web server's deny list: {error.strerror}", transient=True)
