"""Actions that are programs, such as fail2ban's mail and Cloudflare: what they run, and what their tags stand for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.actions.shell import Script
from privet.core.addresses.address import Subject, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAMILIES = {4: "inet4", 6: "inet6"}
LONGEST_VALUE = 32_768
"""Bytes of one value. The kernel takes four times as much of one variable; of many lines the last ones count."""

LINES = frozenset({"matches", "ipmatches", "ipjailmatches"})
"""Tags that hold whole lines."""

FOR_GOOD = 99 * 365 * 86_400.0
"""Seconds from which on a ban counts as one without end, which programs know as -1."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One action of one jail.

    `commands` are scripts by their name (`actionban`, ...) and by family; the family is "" where both have the same.
    With `on_demand`, actionstart waits for the first ban of a family. With `norestored`, bans from before a restart
    are none of its business. Times in seconds.
    """

    jail: str
    name: str
    commands: dict[str, dict[str, Script]]
    on_demand: bool = False
    norestored: bool = False
    timeout: float = 60.0

    def script(self, command: str, family: str) -> Script | None:
        """Return what to run, None if there is nothing to do."""
        scripts = self.commands.get(command, {})
        return scripts.get(family, scripts.get(""))

    @property
    def families(self) -> tuple[str, ...]:
        """The families for which it is started and stopped."""
        return ("inet4", "inet6") if any("inet6" in scripts for scripts in self.commands.values()) else ("",)

    @property
    def tags(self) -> frozenset[str]:
        """The tags that any of its commands has."""
        return frozenset(
            tag for scripts in self.commands.values() for script in scripts.values() for tag in script.tags
        )


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """A ban, as programs are told of it. `lines` led to it, `facts` are what the filter found in them, by name."""

    subject: Subject
    since: float
    until: float
    failures: int
    count: int = 1
    restored: bool = False
    lines: tuple[str, ...] = ()
    facts: dict[str, str] = {}
    totals: dict[str, int] = {}

    def __repr__(self) -> str:
        """Show neither address nor lines."""
        return f"Occasion({self.subject!r}, since={self.since})"

    @property
    def family(self) -> str:
        """The family of the subject, as programs know it."""
        return FAMILIES[self.subject.version]

    @property
    def address(self) -> Subject:
        """The address that the log named, if it is known and of this subject; else the subject itself."""
        for name in ("ip6", "ip4"):
            packed = pack(self.facts.get(name, "").encode())
            one = Subject(packed, 8 * len(packed)) if packed else self.subject
            if one != self.subject and self.subject.covers(one):
                return one
        return self.subject

    def value(self, tag: str) -> str:
        """Return what a tag stands for, "" for what is not known."""
        if tag.startswith("F-"):
            return _clean(self.facts.get(tag[2:].lower().replace("-", "_"), ""))
        if tag in LINES:
            return _joined(self.lines)
        if tag in self.totals:
            return str(self.totals[tag])
        return _VALUES[tag](self) if tag in _VALUES else ""


def _bantime(occasion: Occasion) -> str:
    seconds = occasion.until - occasion.since
    return "-1" if seconds >= FOR_GOOD else str(round(seconds))


def _failures(occasion: Occasion) -> str:
    return str(occasion.failures)


def _ip(occasion: Occasion) -> str:
    return occasion.address.reveal()


_VALUES: dict[str, Callable[[Occasion], str]] = {
    "ip": _ip,
    "ip-host": _ip,  # no name is looked up, since that would tell a third party
    "ip-rev": lambda occasion: reverse(occasion.address),
    "fid": lambda occasion: _clean(occasion.facts.get("fid", "")) or _ip(occasion),
    "family": lambda occasion: occasion.family,
    "failures": _failures,
    "ipfailures": _failures,
    "ipjailfailures": _failures,
    "time": lambda occasion: str(int(occasion.since)),
    "bantime": _bantime,
    "bancount": lambda occasion: str(occasion.count),
    "restored": lambda occasion: str(int(occasion.restored)),
    "br": lambda _: "\n",
    "sp": lambda _: " ",
}


def reverse(subject: Subject) -> str:
    """Return the labels of an address as name servers want them, the last first, each with its dot."""
    packed = subject.packed
    labels = [str(byte) for byte in packed] if subject.version == 4 else list(packed.hex())
    return "".join(f"{label}." for label in reversed(labels))


def _joined(lines: Sequence[str]) -> str:
    text = "\n".join(map(_clean, lines))
    cut = text.encode(errors="replace")[-LONGEST_VALUE:]
    return cut.decode(errors="ignore")


def _clean(text: str) -> str:
    """Return a text on one line, without what terminals and mails could take for orders."""
    one = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", " "))
    return one.encode(errors="replace")[:LONGEST_VALUE].decode(errors="ignore")
