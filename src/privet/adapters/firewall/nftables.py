"""The nftables firewall: the structure as text by nft, elements in transactions by netlink."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.firewall.layout import (
    ALLOW4,
    ALLOW6,
    BASE,
    FAMILY,
    PAUSED,
    TABLE,
    Element,
    Writer,
    allowing,
    closed_by,
    emptying,
    name_of,
    outermost,
    pausing,
    script,
    set_name,
    shape,
    waking,
    without,
)
from privet.adapters.firewall.netlink import NetlinkWriter, connect
from privet.adapters.firewall.program import TextWriter, build, listing
from privet.adapters.firewall.watch import Watch
from privet.core.addresses.address import Subject
from privet.core.bans.model import Held, Later
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from privet.core.bans.model import Order

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TRANSACTION = 10_000  # orders: about 15 ms in the kernel, during which nobody else can change rules
_ROUNDS = 5  # one per reason to try again: gone structure, refused orders, held ones, busy ones, and one spare
_ROUNDING = 1.0  # seconds by which the kernel may tell another end of a pause
TIDY = 60.0  # seconds between looks for sets that nothing is in any more
_BREATH = 0.02  # seconds before another round because the kernel was busy
_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EINTR)
_WORDS = {
    errno.EINVAL: "the set is not as Privet made it",
    errno.ENFILE: "the set is full",
    errno.ERANGE: "longer than the kernel can count",
}


class NftablesFirewall:
    """Bans in the table `inet privet`; they outlive this process, and end by themselves."""

    name = "nftables"

    def __init__(self, program: str = "nft") -> None:
        """Touch nothing yet; `program` is the nft to run."""
        self._program = program
        self._chosen: Writer | None = None
        self._watch: Watch | None = None
        self._table = 0  # its handle, as we last saw it; 0: never
        self._sets: Mapping[str, int] = {}
        self._allowed: frozenset[Subject] = frozenset()
        self._paused_until = self._tidied = 0.0  # by time.monotonic
        self._lost = False
        # Counted where news are read, compared where repairs are made: these may be two threads.
        self._removals = self._removals_repaired = 0
        self._touched = self._touched_repaired = 0  # the same for the sets that win over bans

    def open(self) -> None:
        """Make the structure, or complete and adopt what is there."""
        self.close()
        try:
            self._complete()
            self._paused_until = time.monotonic() + self.paused()
        except FirewallError:
            self.close()
            raise

    def repair(self) -> bool:
        """Make again what somebody changed; tell whether there was something since the last call."""
        removals, touched = self._removals, self._touched
        self._complete()
        if time.monotonic() >= self._tidied + TIDY:
            with suppress(FirewallError):  # somebody else's rule may look one of them up
                self._tidy()
        lost = self._lost or removals != self._removals_repaired
        if touched != self._touched_repaired and not self._guarded():
            build(self._program, self._guards())
            lost = True
        self._lost, self._removals_repaired, self._touched_repaired = False, removals, touched
        return lost

    def _complete(self, more: frozenset[str] = frozenset()) -> None:
        """Bring what stands up to what has stood before and `more`."""
        with _as_firewall_error():
            standing = self._writer.structure()
        if standing.sleeps:
            build(self._program, waking())
            self._lost = True
        wanted = BASE | more | self._sets.keys() | {name for name in standing.sets if shape(name)}
        replaced = self._table not in (0, standing.table)
        lost = {name for name in self._sets if replaced or standing.sets.get(name) != self._sets[name]}
        self._lost = self._lost or bool(lost) or (self._table != 0 and not standing.upright(self._sets))
        if lost or not standing.upright(wanted):
            text = script(standing, wanted)
            if lost:
                text += emptying(lost & standing.sets.keys()) + self._guards()
            build(self._program, text)
            with _as_firewall_error():
                standing = self._writer.structure()
        self._table, self._sets = standing.table, standing.sets

    def _tidy(self) -> None:
        """Take out sets that nothing is in any more, and their rules: each costs every packet some 80 ns."""
        self._tidied = time.monotonic()
        with _as_firewall_error():
            standing = self._writer.structure()
            ours = {name for name in standing.sets if shape(name)}
            empty = {name for name in ours - BASE if self._writer.is_empty(name)}
        if empty:
            build(self._program, without(standing, ours - empty, empty))
            self._sets = {name: handle for name, handle in self._sets.items() if name not in empty}

    def _guards(self) -> str:
        """Return the text for nft with what is in the sets that win over bans."""
        return allowing(self._allowed) + pausing(self._paused_until - time.monotonic())

    def _guarded(self) -> bool:
        """Tell whether nobody else changed the sets that win over bans."""
        with _as_firewall_error():
            allowed = {key for name in (ALLOW4, ALLOW6) for key, _ in self._writer.elements(name)}
            paused = [seconds for _, seconds in self._writer.elements(PAUSED)]
        left = max(0.0, self._paused_until - time.monotonic())
        ends = all(seconds is not None and abs(seconds - left) < _ROUNDING for seconds in paused)
        missing = left > _ROUNDING and not paused
        return allowed == {one.packed for one in outermost(self._allowed)} and ends and not missing

    @property
    def _writer(self) -> Writer:
        """The way to the elements: chosen once, by whether netlink answers."""
        if self._chosen is None:
            self._chosen = _choose(self._program)
        return self._chosen

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Carry out orders; of several for one element the last counts."""
        wishes = list({(order.subject, order.service): order for order in orders}.values())
        housed, strays = wishes, []
        if not _sets_of(wishes) <= self._sets.keys():
            # What needs a new set comes last: the program that makes it may be slow, or missing by now.
            housed = [order for order in wishes if set_name(order) in self._sets]
            strays = [order for order in wishes if set_name(order) not in self._sets]
        answers: dict[Element, str | None] = {}
        for batch in _batches(housed) + _batches(strays):
            try:
                answers |= self._settle(batch)
            except FirewallError as error:
                if not answers:
                    raise
                rest = [order for order in wishes if (order.subject, order.service) not in answers]
                answers |= _answers(rest, Later(error))
                break
        return [answers[order.subject, order.service] for order in orders]

    def _settle(self, orders: Sequence[Order]) -> dict[Element, str | None]:
        """Carry out one transaction; drop what is refused and try again with the rest."""
        pending = self._housed(orders)
        answers = _answers(orders, None)
        repaired = False
        for _ in range(_ROUNDS):
            with _as_firewall_error():
                refused = self._writer.commit(pending) if pending else {}
            if not refused:
                return answers
            if errno.ENOENT in refused.values() and not repaired:
                self._complete()
                repaired = True
                continue
            if any(code in _BUSY for code in refused.values()):
                time.sleep(_BREATH)
            answers |= _failed(pending, refused)
            pending = _again(pending, refused)
        return answers | _answers(pending, Later("the firewall changes faster than it can be written"))

    def _housed(self, orders: Sequence[Order]) -> list[Order]:
        """Make the sets that bans still need; return the orders that have a set, all but those to open there."""
        if _sets_of(orders) <= self._sets.keys():
            return list(orders)
        needed = frozenset(set_name(order) for order in orders if order.seconds is not None)
        if not needed <= self._sets.keys():
            self._complete(needed)
        return [order for order in orders if set_name(order) in self._sets]

    def held(self) -> Iterator[Held]:
        """List the bans in the kernel."""
        with _as_firewall_error():
            for name in sorted(self._writer.structure().sets):
                if found := shape(name):
                    for key, seconds in self._writer.elements(name):
                        if not found.scoped and len(key) == found.width:  # nearly all are
                            yield Held(Subject(key, found.length), seconds)
                        elif element := closed_by(found, key):
                            yield Held(element[0], seconds, element[1])

    def mark(self) -> str | None:
        """Return what tells the rules and elements that stand from any others, of this boot and of others."""
        with _as_firewall_error():
            generation = self._writer.generation()
            place = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116  no path of a file
            boot = _BOOT.read_text("ascii").strip()
        return None if generation is None else f"{boot} {place} {self._table} {generation}"

    def allow(self, subjects: Collection[Subject]) -> None:
        """Let these through whatever is banned, and nobody else any more."""
        self._allowed = frozenset(subjects)
        self._complete()
        build(self._program, allowing(subjects))

    def pause(self, seconds: float) -> None:
        """Let everybody through until the kernel ends that."""
        self._complete()
        build(self._program, pausing(seconds))
        self._paused_until = time.monotonic() + seconds

    def resume(self) -> None:
        """End a pause before its time."""
        self.pause(0.0)

    def paused(self) -> float:
        """Return the seconds that are left of a pause."""
        with _as_firewall_error():
            return max((seconds or 0.0 for _, seconds in self._writer.elements(PAUSED)), default=0.0)

    def watch(self) -> int | None:
        """Return a descriptor that is readable once somebody else may have changed the table."""
        if self._watch is None and isinstance(self._writer, NetlinkWriter):
            try:
                self._watch = Watch(self._writer.port)
            except OSError:
                return None
        return self._watch.fileno() if self._watch else None

    def seen(self) -> bool:
        """Read the descriptor of watch() empty; tell whether repair() should look."""
        if self._watch is None:
            return False
        news = self._watch.read()
        self._removals += news.removed
        self._touched += news.guards
        return news.anything

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return the packets and bytes dropped, by set."""
        with _as_firewall_error():
            counters = self._writer.structure().counters
        return {name: count for name, count in counters.items() if shape(name)}

    def show(self) -> str:
        """Return the table without its elements, and how many there are; empty if there is none."""
        rules = listing(self._program, "-t", "list", "table", FAMILY, TABLE)
        if not rules:
            return ""
        with _as_firewall_error():
            names = sorted(self._writer.structure().sets.keys() - {PAUSED})
            counts = {name: sum(1 for _ in self._writer.elements(name)) for name in names}
            left = self.paused()
        lines = [f"# {name}: {count} {'held' if shape(name) else 'allowed'}\n" for name, count in counts.items()]
        return rules + "".join(lines) + (f"# paused: nobody is kept away for {left:.0f} s\n" if left else "")

    def remove(self) -> None:
        """Delete the table with all bans."""
        # nft before 1.0.8 cannot "destroy": adding first makes the deletion sure of its table.
        build(self._program, f"add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")
        self._table, self._sets, self._lost = 0, {}, False
        self._allowed, self._paused_until = frozenset(), 0.0

    def close(self) -> None:
        """Release the sockets; the bans stay."""
        for line in (self._watch, self._chosen):
            if line is not None:
                line.close()
        self._watch = self._chosen = None


def _choose(program: str) -> Writer:
    """Return netlink if the kernel lets this process use it, else the program."""
    try:
        writer = NetlinkWriter(connect())
    except OSError:
        return TextWriter(program)
    try:
        writer.structure()
    except OSError:
        writer.close()
        return TextWriter(program)
    return writer


def _batches(orders: Sequence[Order]) -> list[Sequence[Order]]:
    return [orders[start : start + _TRANSACTION] for start in range(0, len(orders), _TRANSACTION)]


def _sets_of(orders: Iterable[Order]) -> set[str]:
    """Return the names of the sets that orders are about: few, however many orders there are."""
    shapes = {(len(order.subject.packed), order.subject.length, order.service != "") for order in orders}
    return {name_of(*shape) for shape in shapes}


def _answers(orders: Sequence[Order], answer: str | None) -> dict[Element, str | None]:
    """Return the same answer to all of these."""
    return {(order.subject, order.service): answer for order in orders}


def _failed(orders: Sequence[Order], refused: dict[int, int]) -> dict[Element, str | None]:
    """Return the words for orders that will not be tried again."""
    return {
        (orders[position].subject, orders[position].service): _WORDS.get(code, os.strerror(code))
        for position, code in refused.items()
        if code != errno.EEXIST and code not in _BUSY
    }


def _again(orders: Sequence[Order], refused: dict[int, int]) -> list[Order]:
    """Return the orders to try again: those not refused, the busy ones, and those held unknown to the caller."""
    kept = ((order, refused.get(position, 0)) for position, order in enumerate(orders))
    return [
        msgspec.structs.replace(order, known=True) if code == errno.EEXIST else order
        for order, code in kept
        if code in (0, errno.EEXIST, *_BUSY)
    ]


@contextmanager
def _as_firewall_error() -> Iterator[None]:
    """Turn what the socket raises into the error of the port."""
    try:
        yield
    except TimeoutError:
        raise FirewallError("the kernel did not answer", transient=True) from None
    except OSError as error:
        permanent = error.errno in (errno.EPERM, errno.EACCES)
        raise FirewallError(f"netfilter: {error.strerror}", transient=not permanent) from None
