"""The nftables firewall: the structure as text by nft, elements in transactions by netlink."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.firewall.layout import BASE, FAMILY, TABLE, Writer, script, set_name, shape
from privet.adapters.firewall.netlink import NetlinkWriter, connect
from privet.adapters.firewall.program import TextWriter, build, listing
from privet.core.address import Subject
from privet.core.bans import Held
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.bans import Order

_TRANSACTION = 10_000  # orders: about 15 ms in the kernel, during which nobody else can change rules
_ROUNDS = 5  # one per reason to try again: gone structure, refused orders, held ones, halves, and one spare
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
        self._sets: frozenset[str] = frozenset()
        self._lost = False

    def open(self) -> None:
        """Make the structure, or complete and adopt what is there."""
        self.close()
        try:
            self._complete()
        except FirewallError:
            self.close()
            raise

    def repair(self) -> bool:
        """Make the structure again if it is gone; tell whether bans were lost since the last call."""
        self._complete()
        lost, self._lost = self._lost, False
        return lost

    def _complete(self, more: frozenset[str] = BASE) -> None:
        """Bring what stands up to what has stood before and `more`."""
        with _as_firewall_error():
            standing = self._writer.structure()
        wanted = self._sets | standing.sets | more
        self._lost = self._lost or not self._sets <= standing.sets
        if not wanted <= standing.enforced:
            build(self._program, script(standing, wanted))
        self._sets = wanted

    @property
    def _writer(self) -> Writer:
        """The way to the elements: chosen once, by whether netlink answers."""
        if self._chosen is None:
            self._chosen = _choose(self._program)
        return self._chosen

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Carry out orders; of several for one subject the last counts."""
        wishes = list({order.subject: order for order in orders}.values())
        answers: dict[Subject, str | None] = {}
        for start in range(0, len(wishes), _TRANSACTION):
            try:
                answers |= self._settle(wishes[start : start + _TRANSACTION])
            except FirewallError as error:
                if not answers:
                    raise
                answers |= {order.subject: str(error) for order in wishes[start:]}
                break
        return [answers[order.subject] for order in orders]

    def _settle(self, orders: Sequence[Order]) -> dict[Subject, str | None]:
        """Carry out one transaction; drop what is refused and try again with the rest."""
        answers = self._homeless(orders)
        pending = [order for order in orders if order.subject not in answers] if answers else list(orders)
        repaired = False
        for _ in range(_ROUNDS):
            with _as_firewall_error():
                refused = self._writer.commit(pending) if pending else {}
            if not refused:
                return answers | {order.subject: None for order in pending}
            if errno.ENOENT in refused.values() and not repaired:
                self._complete()
                repaired = True
                continue
            answers |= _failed(pending, refused)
            pending = _again(pending, refused)
        return answers | {order.subject: "the firewall changes faster than it can be written" for order in pending}

    def _homeless(self, orders: Sequence[Order]) -> dict[Subject, str | None]:
        """Make the sets that bans still need; answer for what has no set even so."""
        placed = [(order, set_name(order.subject)) for order in orders]
        needed = frozenset(name for order, name in placed if order.seconds is not None)
        refusal = None
        if not needed <= self._sets:
            try:
                self._complete(needed)
            except FirewallError as error:
                refusal = str(error)
        strays = [order for order, name in placed if name not in self._sets]
        return {order.subject: refusal if order.seconds is not None else None for order in strays}

    def held(self) -> Iterator[Held]:
        """List the bans in the kernel."""
        with _as_firewall_error():
            for name in sorted(self._writer.structure().sets):
                _, length = shape(name) or (0, 0)
                for key, seconds in self._writer.elements(name):
                    yield Held(Subject(key, length), seconds)

    def show(self) -> str:
        """Return the table without its elements, and how many there are; empty if there is none."""
        rules = listing(self._program, "-t", "list", "table", FAMILY, TABLE)
        if not rules:
            return ""
        with _as_firewall_error():
            names = sorted(self._writer.structure().sets)
            counts = [f"# {name}: {sum(1 for _ in self._writer.elements(name))} held\n" for name in names]
        return rules + "".join(counts)

    def remove(self) -> None:
        """Delete the table with all bans."""
        # nft before 1.0.8 cannot "destroy": adding first makes the deletion sure of its table.
        build(self._program, f"add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")
        self._sets, self._lost = frozenset(), False

    def close(self) -> None:
        """Release the socket; the bans stay."""
        if self._chosen is not None:
            self._chosen.close()
            self._chosen = None


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


def _failed(orders: Sequence[Order], refused: dict[int, int]) -> dict[Subject, str | None]:
    """Return the words for orders that will not be tried again."""
    return {
        orders[position].subject: _WORDS.get(code, os.strerror(code))
        for position, code in refused.items()
        if code != errno.EEXIST
    }


def _again(orders: Sequence[Order], refused: dict[int, int]) -> list[Order]:
    """Return the orders to try again: those not refused, and those that are held unknown to the caller."""
    kept = ((order, refused.get(position, 0)) for position, order in enumerate(orders))
    return [
        msgspec.structs.replace(order, known=True) if code else order
        for order, code in kept
        if code in (0, errno.EEXIST)
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
