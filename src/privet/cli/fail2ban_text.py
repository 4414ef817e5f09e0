"""Answers in the words and the form of fail2ban-client 1.0.2, which scripts read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_END = "9999-12-31 23:59:59"
"""How the end of a ban without one is written; its length is -1."""

VERSION = "1.0.2"
"""The version of fail2ban in whose form answers are."""

_FOR_EVER = 36525 * 86400.0
"""Seconds that stand for a ban without an end."""


class JailText(msgspec.Struct, frozen=True):
    """What `status JAIL` tells. `files` are read; a jail on the journal has `matches` instead."""

    name: str
    failed_now: int
    failed: int
    files: tuple[str, ...]
    matches: tuple[str, ...] | None
    banned: tuple[str, ...]
    bans: int


def status(jails: Sequence[str]) -> str:
    """Return the answer to `status`."""
    return "\n".join(["Status", *_branches("", [("Number of jail", str(len(jails))), ("Jail list", ", ".join(jails))])])


def all_status(jails: Sequence[JailText], *, short: bool = False) -> str:
    """Return the answer to `status --all`."""
    names = ", ".join(jail.name for jail in jails)
    lines = ["Status", f"|- Number of jail:\t{len(jails)}", f"{'|-' if jails else '`-'} Jail list:\t{names}"]
    for left, jail in zip(range(len(jails) - 1, -1, -1), jails, strict=True):
        first, *rest = jail_status(jail, short=short).split("\n")
        lines += [f"{'|-' if left else '`-'} {first}", *(f"{'|  ' if left else '   '}{line}" for line in rest)]
    return "\n".join(lines)


def setting(jail: str, name: str, value: object, reads: Mapping[str, Sequence[str] | None]) -> str | None:
    """Return the answer to `get JAIL NAME`; None where nothing of that name is known. `reads` is what it listens to."""
    text: str | None
    match name, value:
        case "logpath", _:
            text = _listed("Current monitored log file(s):", reads["files"] or (), "No file is currently monitored")
        case "journalmatch", _:
            matches = reads["matches"]
            text = f"Current match filter:\n{' + '.join(matches)}" if matches else "No journal match filter set"
        case (("failregex" | "ignoreregex"), list(regexes)):
            numbered = [f"[{number}]: {regex}" for number, regex in enumerate(regexes)]
            text = _listed(
                "The following regular expression are defined:", numbered, "No regular expression is defined"
            )
        case "actions", list(names):
            text = f"The jail {jail} has the following actions:\n{', '.join(names)}"
            text = text if names else f"No actions for jail {jail}"
        case "datepattern", _:
            text = f"Current date pattern set to: {value or 'Default Detectors'}"
        case "logencoding", _:
            text = f"Current log encoding is set to:\n{value}"
        case _, float(seconds):
            text = "-1" if seconds >= _FOR_EVER else f"{seconds:.0f}"
        case _:
            text = None if value is None else str(value)
    return text


def jail_status(jail: JailText, *, short: bool = False) -> str:
    """Return the answer to `status JAIL`."""
    reads = ("File list", " ".join(jail.files))
    if jail.matches is not None:
        reads = ("Journal matches", " + ".join(jail.matches))
    found = [("Currently failed", str(jail.failed_now)), ("Total failed", str(jail.failed)), reads]
    done = [("Currently banned", str(len(jail.banned))), ("Total banned", str(jail.bans))]
    if not short:
        done.append(("Banned IP list", " ".join(jail.banned)))
    lines = [f"Status for the jail: {jail.name}", "|- Filter", *_branches("|  ", found)]
    return "\n".join([*lines, "`- Actions", *_branches("   ", done)])


def _branches(prefix: str, leaves: Sequence[tuple[str, str]]) -> list[str]:
    """Draw the leaves of a tree."""
    signs = ["|-"] * (len(leaves) - 1) + ["`-"]
    return [f"{prefix}{sign} {name}:\t{value}" for sign, (name, value) in zip(signs, leaves, strict=True)]


def ban_with_time(subject: str, since: float, until: float | None) -> str:
    """Return one line of `get JAIL banip --with-time`."""
    length, end = (-1, NO_END) if until is None else (round(until - since), _time(until))
    return f"{subject} \t{_time(since)} + {length} = {end}"


def banned(jails: Mapping[str, Sequence[str]]) -> str:
    """Return the answer to `banned`: who is banned, by jail, as Python writes it."""
    return repr([{name: list(subjects)} for name, subjects in jails.items()])


def ignored(subjects: Sequence[str]) -> str:
    """Return the answer to `get JAIL ignoreip` and to what changes that."""
    return _listed("These IP addresses/networks are ignored:", subjects, "No IP address/network is ignored")


def _listed(head: str, items: Sequence[str], nothing: str) -> str:
    if not items:
        return nothing
    signs = ["|-"] * (len(items) - 1) + ["`-"]
    return "\n".join([head, *(f"{sign} {item}" for sign, item in zip(signs, items, strict=True))])


def no_such_jail(name: str) -> str:
    """Return what is said of a jail that is not there."""
    return f"Sorry but the jail '{name}' does not exist"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
