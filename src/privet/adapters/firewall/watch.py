"""News of the kernel about changes that others made to its rules.

After every change of anybody's the kernel sends all listeners its details and, in a message of its own, that
there is a new generation of rules. A filter in the kernel keeps our own changes away by the port that they came
from, and of the details lets only those about our table through: however much goes on, at most one small message
a change wakes us. (Its details may lie behind those of another table. Then only the new generation is told of:
a look at what stands finds everything but elements that were removed.)
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from array import array
from typing import NamedTuple

from privet.adapters.firewall.layout import GUARDS, TABLE, shape
from privet.adapters.firewall.messages import DEL_ELEMENT, NEW_ELEMENT, NEW_GENERATION, listed, named_set, replies
from privet.adapters.firewall.netlink import SOL_NETLINK, connect

_ADD_MEMBERSHIP, _GROUP_NFTABLES, _ATTACH_FILTER = 1, 7, 26
_LOAD_WORD, _LOAD_HALF, _EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06  # of the classic BPF
_KIND_AT, _PORT_AT, _NAME_AT = 4, 12, 24  # bytes from the beginning of a message
_BUFFER = 1 << 20


class News(NamedTuple):
    """Whether there was anything, and whether bans may be gone, or those may have changed who win over bans."""

    anything: bool
    removed: bool
    guards: bool


class Watch:
    """Hears of what others change. Raises OSError where that is not allowed."""

    def __init__(self, own: int) -> None:
        """Begin to listen; `own` is the port whose changes are passed over."""
        self._socket = connect(_BUFFER)
        try:
            pass_over(self._socket, own)
            self._socket.setsockopt(SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
            self._socket.settimeout(0)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._socket.fileno()

    def read(self) -> News:
        """Read all that came."""
        anything = lost = guards = False
        removed: set[tuple[str, bytes]] = set()
        while True:
            try:
                news = self._socket.recv(1 << 16)
            except BlockingIOError:
                return News(anything, lost or bool(removed), lost or guards)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return News(anything=True, removed=True, guards=True)
                news, lost = b"", True  # more came than there is room for
            anything = True
            guards = _note(news, removed) or guards

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _note(news: bytes, removed: set[tuple[str, bytes]]) -> bool:
    """Keep track of which bans are gone: who changes the end of one removes it, and adds it again.

    Return whether somebody changed the sets that win over bans.
    """
    guards = False
    for reply in replies(news):
        if reply.kind in (NEW_ELEMENT, DEL_ELEMENT):
            name = named_set(reply.payload)[0]
            guards = guards or name in GUARDS
            elements = {(name, key) for key, _ in listed(reply.payload)} if shape(name) else set()
            if reply.kind == NEW_ELEMENT:
                removed -= elements
            else:
                removed |= elements
    return guards


def pass_over(line: socket.socket, own: int) -> None:
    """Have the kernel keep away from a socket what comes from our own port, and details of other tables."""
    program = b"".join(struct.pack("=HBBI", *step) for step in _filter(own))
    code = array("B", program)  # at an address that the kernel can copy it from
    where = struct.pack("@HP", len(program) // 8, code.buffer_info()[0])
    line.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, where)


def _filter(own: int) -> list[tuple[int, int, int, int]]:
    """Return the steps of the filter: operation, steps to leave out if it holds, if not, and its number."""
    name = TABLE.encode() + b"\0"
    return [
        (_LOAD_WORD, 0, 0, _PORT_AT),
        (_EQUAL, 7, 0, _swapped(own, 4)),
        (_LOAD_HALF, 0, 0, _KIND_AT),
        (_EQUAL, 4, 0, _swapped(NEW_GENERATION, 2)),
        (_LOAD_WORD, 0, 0, _NAME_AT),
        (_EQUAL, 0, 3, int.from_bytes(name[:4])),
        (_LOAD_WORD, 0, 0, _NAME_AT + 3),
        (_EQUAL, 0, 1, int.from_bytes(name[3:7])),
        (_RETURN, 0, 0, 0xFFFFFFFF),
        (_RETURN, 0, 0, 0),
    ]


def _swapped(number: int, width: int) -> int:
    """Return a number of a header, which is in the order of this host, as the filter loads it."""
    return int.from_bytes(number.to_bytes(width, sys.byteorder))
