"""Answers in the words and the form of fail2ban-client 1.0.2, which scripts read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_END = "9999-12-31 23:59:59"
"""How the end of a ban without one is written; its length is -1."""


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
    if not subjects:
        return "No IP address/network is ignored"
    signs = ["|-"] * (len(subjects) - 1) + ["`-"]
    lines = [f"{sign} {subject}" for sign, subject in zip(signs, subjects, strict=True)]
    return "\n".join(["These IP addresses/networks are ignored:", *lines])


def no_such_jail(name: str) -> str:
    """Return what is said of a jail that is not there."""
    return f"Sorry but the jail '{name}' does not exist"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
