"""Lists of who is to be banned, as other programs and other people write them.

- plain: one subject to a line, and behind it whatever a comment may be (`192.0.2.0/24 ; why`);
- what `ipset save` prints: `add NAME SUBJECT timeout SECONDS`;
- what `fail2ban-client banned` prints: `[{'sshd': ['192.0.2.1']}]`.

The first line that is neither blank nor a comment tells which one it is. A text with anything else in it is
refused as a whole, by the number of the line: half a list would be taken for all of it.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import IPV6_CLIENT, Subject
from privet.core.addresses.networks import as_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMENT = "#;"


class Entry(msgspec.Struct, frozen=True):
    """One entry: a subject or an AS number, for how long if the list says so, and its jail there."""

    who: Subject | int
    seconds: float | None = None
    why: str = ""


class ListError(ValueError):
    """What is wrong with a list, and in which line; never what stands there."""


def parse_list(text: str, most: int, ipv6_client: int = IPV6_CLIENT) -> list[Entry]:
    """Read a list of at most so many entries, each of which counts once. Raises ListError."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if _says_something(line)]
    first = lines[0][1].lstrip() if lines else ""
    entries: dict[Subject | int, Entry] = {}
    read = _fail2ban if first.startswith("[") else _ipset if first.startswith(("create ", "add ")) else _plain
    for number, word, seconds, why in read(lines):
        who = _who(word, ipv6_client)
        if who is None:
            raise ListError(f"line {number} has no address, prefix or AS number where one should be")
        entries[who] = Entry(who, seconds, why)
        if len(entries) > most:
            raise ListError(f"it has more than {most:,} entries")
    return list(entries.values())


def _says_something(line: str) -> bool:
    return bool(line.strip()) and line.lstrip()[0] not in _COMMENT


def _who(word: str, ipv6_client: int) -> Subject | int | None:
    try:
        return as_number(word) or Subject.parse(word, ipv6_client)
    except ValueError:
        return None


_Found = tuple[int, str, float | None, str]  # line, subject, seconds, why


def _plain(lines: Iterable[tuple[int, str]]) -> Iterator[_Found]:
    for number, line in lines:
        yield number, re.split(r"[\s,#;]", line.strip(), maxsplit=1)[0], None, ""


_ADDED = re.compile(r"add \S+ (\S+)((?: .*)?)")
_TIMEOUT = re.compile(r" timeout (\d{1,10})\b")


def _ipset(lines: Iterable[tuple[int, str]]) -> Iterator[_Found]:
    for number, line in lines:
        found = _ADDED.fullmatch(line.strip())
        if found is None and not line.startswith("create "):
            raise ListError(f"line {number} is not what ipset save prints")
        if found is None:
            continue
        if " nomatch" in found[2]:
            raise ListError(f"line {number} is an exception (nomatch), of which there are none here")
        timeout = _TIMEOUT.match(found[2])
        seconds = float(timeout[1]) if timeout else 0.0
        yield number, found[1], seconds or None, ""


def _fail2ban(lines: Iterable[tuple[int, str]]) -> Iterator[_Found]:
    lines = list(lines)
    number = lines[0][0]
    try:
        jails = ast.literal_eval("\n".join(line for _, line in lines).strip())
        pairs = [(str(jail), word) for by_jail in jails for jail, words in by_jail.items() for word in words]
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        raise ListError(f"line {number} is not what fail2ban-client banned prints") from None
    for jail, word in pairs:
        yield number, str(word), None, f"banned by fail2ban ({printable(jail, 40)})"


def printable(text: str, most: int) -> str:
    """Return the first letters of a text from elsewhere, with nothing in them that moves a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])
