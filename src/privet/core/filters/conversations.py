"""Failures told in several lines of one connection, which `<F-MLFID>` holds together.

The rules, by what a line is:
- a line that is no failure (`nofail`, or `mlfgained`: access was granted) is kept, and tells the address;
- a failure without an address waits, and counts when a line names one; a line that grants access ends the wait;
- a line that would be no failure is one after all while a failure waits, or when a second user was tried;
- `mlfforget` ends the conversation after its line;
- what a line names replaces what was known; if that is another address, it is another connection (fail2ban
  would count a failure from an IPv6 address against the IPv4 address that an older connection had).
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from privet.core.filters.expression import Facts

LASTS = 300.0  # seconds from its first line on
MOST = 1024  # conversations at a time; the oldest is forgotten first
KEPT = 2048  # bytes of one conversation that may stay unread
LINES, ROOM = 100, 16_384
"""Lines of the next failure of one conversation that are kept, the last ones, and their characters together."""
USERS = 100  # of one conversation; two would do to see that somebody tries several

_ADDRESSES = ("ip4", "ip6", "dns")
_IDENTITIES = ("fid", *_ADDRESSES)


class Conversation:
    """What is known of a connection: its facts, the lines that belong to the next failure, and the users."""

    __slots__ = ("_size", "began", "facts", "lines", "users", "waiting")

    def __init__(self, began: float | None, facts: Facts) -> None:
        self.began, self.facts = began, facts
        self.lines: list[str] = []
        self._size = 0
        self.users: set[str] = set()
        self.waiting = False

    def goes_on(self, said: Facts, time: float | None) -> bool:
        """Tell whether a line with these facts can belong to it."""
        if time is not None and self.began is not None and time - self.began > LASTS:
            return False
        before = [address for address in map(self.facts.get, _ADDRESSES) if address]
        return not before or all(said[key] in before for key in _ADDRESSES if said.get(key))

    def add(self, line: str) -> None:
        """Keep a line for the next failure, and not too many of those before."""
        self.lines.append(line)
        self._size += len(line)
        while len(self.lines) > LINES or (self._size > ROOM and len(self.lines) > 1):
            self._size -= len(self.lines.pop(0))

    def give(self) -> list[str]:
        """Return the lines of a failure, and begin with those of the next."""
        lines, self.lines, self._size = self.lines, [], 0
        return lines

    def learn(self, said: Facts) -> None:
        """Take in what a line says."""
        if any(map(said.get, _ADDRESSES)):
            for key in (*_ADDRESSES, "cidr"):
                self.facts.pop(key, None)
        self.facts.update(said)


class Conversations:
    """The conversations of one filter."""

    def __init__(self) -> None:
        self._known: dict[str, Conversation] = {}

    def __len__(self) -> int:
        return len(self._known)

    def take(self, said: Facts, line: str, time: float | None) -> tuple[Facts, list[str]] | None:
        """Take in what a line says; return all facts and lines of the failure that it makes, None if it makes none."""
        name = said["mlfid"]
        gained, forget = said.pop("mlfgained", ""), said.pop("mlfforget", "")
        harmless = said.pop("nofail", "") or gained
        talk = self._known.get(name)
        if talk is not None and talk.goes_on(said, time):
            talk.learn(said)
        else:
            if len(self._known) >= MOST:
                _drop_oldest(self._known)
            talk = self._known[name] = Conversation(time, said)
        if (user := said.get("user")) and len(talk.users) < USERS:
            talk.users.add(user)
        if gained:
            talk.waiting = False
        if forget:
            del self._known[name]
        talk.add(line)
        if harmless and not (talk.waiting or len(talk.users) > 1):
            return None
        talk.waiting = not any(map(talk.facts.get, _IDENTITIES))
        if talk.waiting:
            return None
        lines = talk.give()
        return ({**talk.facts, "users": set(talk.users)} if talk.users else dict(talk.facts)), lines


def _drop_oldest(remembered: dict[Any, Any]) -> None:
    """Forget one in eight: a dict is slow to give its first entry where many before it are gone."""
    for key in list(islice(remembered, len(remembered) // 8)):
        del remembered[key]


class PutOff:
    """Lines that fail nobody by themselves, unread until a line of their process does: most never are.

    That is sound if the process id stands in what `<F-MLFID>` matches. Two lines of a process that may each name
    a user are not put off, as a second user makes a failure.
    """

    def __init__(self) -> None:
        self.works = True  # until a conversation is seen that has no process id
        self._lines: dict[bytes, bytes] = {}  # of processes; and those that were there when it last was full
        self._older: dict[bytes, bytes] = {}
        self._with_user: set[bytes] = set()
        self._read: dict[bytes, None] = {}  # processes whose lines are read as they come

    def keep(self, line: bytes, *, user: bool) -> bool:
        """Put off a line, which may name a user or not; return whether that may be."""
        process = _process(line) if self.works and len(line) <= KEPT else b""
        if not process:
            return False
        lines = self._lines
        before = lines.get(process) or self._older.get(process)
        if before is not None:
            if len(before) + len(line) > KEPT or (user and process in self._with_user):
                return False
            line = b"%b\n%b" % (before, line)
        elif process in self._read:
            return False
        if len(lines) >= MOST:
            self._older, self._lines = lines, {}
            lines = self._lines
            self._with_user &= self._older.keys()
        lines[process] = line
        if user:
            self._with_user.add(process)
        return True

    def release(self, name: str) -> list[bytes]:
        """Return the lines of a conversation, which is about to be read; from now on its lines are."""
        process = _process(name.encode())
        if not process:
            self.works = False
            everything = {**self._older, **self._lines}.values()
            self._older, self._lines = {}, {}
            return b"\n".join(everything).split(b"\n") if everything else []
        if process not in self._read:
            if len(self._read) >= 2 * MOST:
                _drop_oldest(self._read)
            self._read[process] = None
        older, kept = self._older.pop(process, None), self._lines.pop(process, None)
        together = kept or older  # what is young begins with what is older
        return [] if together is None else together.split(b"\n")


_PROCESS = re.compile(rb"[A-Za-z_)]\[(\d{1,10})\]")


def _process(text: bytes) -> bytes:
    """Return the first process id in a text, as syslog writes it: `name[id]`; empty if there is none."""
    start = text.find(b"[") + 1
    process = text[start : text.find(b"]", start, start + 11)]
    if process.isdigit() and text[start - 2 : start - 1].isalpha():
        return process
    found = _PROCESS.search(text)
    return found[1] if found else b""
