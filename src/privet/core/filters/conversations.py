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

import msgspec

from privet.core.filters.expression import Facts

LASTS = 300.0  # seconds from its first line on
MOST = 4096  # conversations at a time; the oldest is forgotten first

_ADDRESSES = ("ip4", "ip6", "dns")


class Conversation(msgspec.Struct):
    """What is known of a connection: its facts, the lines that belong to the next failure, and the users."""

    began: float
    facts: Facts
    lines: list[str] = []
    users: set[str] = set()
    waiting: bool = False

    @property
    def addressed(self) -> bool:
        """Whether it is known who talks."""
        return any(self.facts.get(name) for name in ("fid", *_ADDRESSES))


class Conversations:
    """The conversations of one filter."""

    def __init__(self) -> None:
        self._known: dict[str, Conversation] = {}

    def __len__(self) -> int:
        return len(self._known)

    def take(self, facts: Facts, line: str, time: float) -> Conversation | None:
        """Take in a line; return its conversation if it makes a failure, with the lines of that."""
        name = facts["mlfid"] or ""
        said = {key: value for key, value in facts.items() if value is not None}
        gained, forget = bool(said.pop("mlfgained", None)), bool(said.pop("mlfforget", None))
        harmless = bool(said.pop("nofail", None)) or gained
        talk = self._recall(name, said, time)
        if user := said.get("user"):
            talk.users.add(user)
        if gained:
            talk.waiting = False
        if talk.waiting or len(talk.users) > 1:
            harmless = False
        if forget:
            self._known.pop(name, None)
        talk.lines.append(line)
        talk.waiting = not harmless and not talk.addressed
        if harmless or talk.waiting:
            return None
        done = msgspec.structs.replace(talk, facts=dict(talk.facts))
        talk.lines = []
        return done

    def _recall(self, name: str, said: Facts, time: float) -> Conversation:
        """Return the conversation that a line belongs to, with what it says."""
        talk = self._known.get(name)
        if talk is None or time - talk.began > LASTS or _elsewhere(talk.facts, said):
            self._known.pop(name, None)
            if len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            talk = self._known[name] = Conversation(time, said)
        else:
            if any(said.get(key) for key in _ADDRESSES):
                for key in (*_ADDRESSES, "cidr"):
                    talk.facts.pop(key, None)
            talk.facts.update(said)
        return talk


def _elsewhere(known: Facts, said: Facts) -> bool:
    """Tell whether a line names another address than its conversation."""
    before = [known[key] for key in _ADDRESSES if known.get(key)]
    return bool(before) and any(said.get(key) and said[key] not in before for key in _ADDRESSES)
