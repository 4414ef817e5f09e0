"""Set elements over nfnetlink: the socket that carries the messages to the kernel and back."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from privet.adapters.firewall.layout import CHAIN, TABLE, Structure
from privet.adapters.firewall.messages import (
    ACK,
    DUMP,
    GET_CHAIN,
    GET_ELEMENT,
    GET_GENERATION,
    GET_RULE,
    GET_SET,
    GET_TABLE,
    INET,
    INTERRUPTED,
    NEW_CHAIN,
    NEW_ELEMENT,
    NEW_GENERATION,
    NEW_RULE,
    NEW_SET,
    NEW_TABLE,
    Reply,
    commented,
    counted,
    generation,
    hooked,
    listed,
    message,
    named,
    named_set,
    replies,
    sleeps,
    table_handle,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.bans.model import Order

_NETLINK_NETFILTER = 12
SOL_NETLINK = 270

_GLANCE = 1 << 16  # bytes of a socket for the beginning of a listing

ANSWER_WITHIN = 2.0
"""Seconds that the kernel has for an answer."""


def connect(buffer: int = 8 << 20) -> socket.socket:
    """Open a socket; `buffer` bounds what one transaction, and the errors about it, may take."""
    line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    cap_ack, force_send, force_receive = 10, 32, 33  # absent from the module socket
    try:
        line.setsockopt(SOL_NETLINK, cap_ack, 1)  # errors without a copy of the message
        for option in (force_send, force_receive):
            with suppress(PermissionError):  # in some containers; then transactions are halved until they fit
                line.setsockopt(socket.SOL_SOCKET, option, buffer)
        line.settimeout(ANSWER_WITHIN)
        line.bind((0, 0))
    except OSError:
        line.close()
        raise
    return line


class NetlinkWriter:
    """Changes and lists elements over a netlink socket. Every failure is an OSError."""

    def __init__(self, line: socket.socket, sequence: int = 1) -> None:
        """Take the socket, and the number of the first message."""
        self._socket = line
        self._sequence = sequence

    @property
    def port(self) -> int:
        """The number that the kernel knows the socket by."""
        return int(self._socket.getsockname()[0])

    def commit(self, orders: Sequence[Order]) -> dict[int, int]:
        """Carry out orders as one transaction, or as two where the socket's buffers are too small."""
        try:
            return self._transact(orders)
        except OSError as error:
            self._drain()
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS) or len(orders) == 1:
                raise
        middle = len(orders) // 2
        refused = self.commit(orders[:middle])
        return refused | {middle + position: code for position, code in self.commit(orders[middle:]).items()}

    def _transact(self, orders: Sequence[Order]) -> dict[int, int]:
        first = self._sequence
        data, owners = transaction(orders, first)
        self._advance(len(owners) + 2)
        self._socket.send(data)
        refused: dict[int, int] = {}
        for reply in self._receive(first, first + len(owners)):
            if reply.code and reply.sequence == first:  # about the transaction as a whole
                raise OSError(reply.code, os.strerror(reply.code))
            if reply.code:
                refused.setdefault(owners[reply.sequence - first - 1], reply.code)
            if reply.sequence == first + len(owners):
                break
        return refused

    def _receive(self, first: int, last: int) -> Iterator[Reply]:
        """Yield the answers to some messages; late ones to earlier messages are passed over."""
        while True:
            for reply in replies(self._socket.recv(1 << 16)):
                if first <= reply.sequence <= last:
                    yield reply

    def _drain(self) -> None:
        """Read away what is left of a failure: a socket that ran over takes nothing new until it is empty."""
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            while self._socket.recv(1 << 16):
                pass
        self._socket.settimeout(ANSWER_WITHIN)

    def _advance(self, messages: int) -> None:
        self._sequence += messages
        if self._sequence >> 31:
            self._sequence = 1

    def structure(self) -> Structure:
        """Read what stands of our table."""
        tables = self._ask(GET_TABLE, ACK, NEW_TABLE, TABLE)
        sets = dict(map(named_set, self._ask(GET_SET, DUMP, NEW_SET, TABLE)))
        chains = self._ask(GET_CHAIN, ACK, NEW_CHAIN, TABLE, "", CHAIN)
        rules = self._ask(GET_RULE, DUMP, NEW_RULE, TABLE, CHAIN)
        counters = dict(map(counted, rules))
        return Structure(
            table_handle(tables[0]) if tables else 0,
            sets,
            {name: count for name, count in counters.items() if name in sets},
            tuple(map(commented, rules)),
            hooked(chains[0]) if chains else None,
            sleeps=bool(tables) and sleeps(tables[0]),
        )

    def elements(self, name: str) -> Iterator[tuple[bytes, float | None]]:
        """List the elements of a set."""
        payloads = self._ask(GET_ELEMENT, DUMP, NEW_ELEMENT, TABLE, name)
        return (item for payload in payloads for item in listed(payload))

    def is_empty(self, name: str) -> bool:
        """Tell whether a set has no elements; the rest of a listing ends with the socket that it comes to."""
        line = connect(_GLANCE)
        try:
            line.send(message(GET_ELEMENT, DUMP, 1, INET + named(TABLE, name)))
            answers = list(replies(line.recv(1 << 16)))
        finally:
            line.close()
        if any(answer.code for answer in answers):
            return False  # it is gone, or cannot be told
        return not any(answer.kind == NEW_ELEMENT and list(listed(answer.payload)) for answer in answers)

    def generation(self) -> int:
        """Return the number of the generation of rules that stands."""
        return generation(self._ask(GET_GENERATION, ACK, NEW_GENERATION)[0])

    def _ask(self, kind: int, flags: int, answer: int, *names: str) -> list[bytes]:
        """Return the payloads of the answers; what does not exist is empty."""
        payloads: list[bytes] = []
        for _ in range(3):  # a listing that a change interrupted may lack elements: start anew
            sequence = self._sequence
            self._advance(1)
            self._socket.send(message(kind, flags, sequence, INET + named(*names)))
            payloads, whole = self._listing(sequence, answer)
            if whole:
                break
        return payloads

    def _listing(self, sequence: int, answer: int) -> tuple[list[bytes], bool]:
        payloads, whole = [], True
        for reply in self._receive(sequence, sequence):
            whole = whole and not reply.flags & INTERRUPTED
            if reply.kind == answer:
                payloads.append(reply.payload)
            elif reply.code in (0, errno.ENOENT):
                break
            else:
                raise OSError(reply.code, os.strerror(reply.code))
        return payloads, whole

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
