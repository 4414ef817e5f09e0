"""The tags of fail2ban's regular expressions, as regular expressions.

`<HOST>` and its kin stand for addresses, `<F-NAME>...</F-NAME>` names a part of the line, `<SKIPLINES>` passes over
lines between those of one failure. What is no known tag stays as it is written, as with fail2ban.
"""

from __future__ import annotations

import re

import msgspec

_IP4 = r"(?:::f{4,6}:)?(?P<ip4>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"
_IP6 = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))"
_DNS = r"(?P<dns>[\w\-.^_]*\w)"
_CIDR = r"(?P<cidr>\d+)"
_EITHER = rf"\[?(?:{_IP4}|{_IP6})\]?"

_ADDRESSES = {
    "IP4": _IP4,
    "IP6": rf"\[?{_IP6}\]?",
    "DNS": _DNS,
    "CIDR": _CIDR,
    "ADDR": f"(?:{_EITHER})",
    "HOST": f"(?:{_EITHER}|{_DNS})",
    "SUBNET": rf"\[?(?:{_IP4}|{_IP6})(?:/{_CIDR})?\]?",
}
_SHORT = {"ID": r"(?P<fid>\S+)", "PORT": r"(?P<fport>\w+)"}
_GROUP_OF = {"id": "fid", "port": "fport"}
_SELF_CLOSING = {**{name: text for name, text in _ADDRESSES.items() if name != "HOST"}, **_SHORT}

_TAG = re.compile(r"<(?:(HOST|ADDR|IP4|IP6|DNS|CIDR|SUBNET|SKIPLINES)|(/?)F-([A-Z0-9_\-]+)(/?))>")
_ALTERNATE = re.compile(r"(alt_|tuple_)(.*?)(?:_\d+)?")
_FLAGS = re.compile(r"\(\?([aiLmsux]+)\)")

IDENTITIES = ("fid", "ip4", "ip6", "dns")
"""The groups that can tell who failed."""


class Expanded(msgspec.Struct, frozen=True):
    """A regular expression without tags. `alternates` and `tuples` map groups to the name that they stand for."""

    pattern: str
    alternates: tuple[tuple[str, str], ...] = ()
    tuples: tuple[tuple[str, str], ...] = ()
    skips: int = 0


def expand(text: str, *, names: bool = True) -> Expanded:
    """Replace the tags. Without `names`, `<HOST>` takes no host names."""
    alternates: dict[str, str] = {}
    tuples: dict[str, str] = {}
    skips = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal skips
        if found[1] == "SKIPLINES":
            skips += 1
            return rf"(?P<skiplines{skips - 1}>(?:(?:.*\n)*?))"
        if found[1]:
            return _ADDRESSES["ADDR" if found[1] == "HOST" and not names else found[1]]
        if found[4]:
            return _SELF_CLOSING.get(found[3], found[0])
        if found[2]:
            return ")"
        group = found[3].lower()
        group = _GROUP_OF.get(group, group)
        if other := _ALTERNATE.fullmatch(group):
            (alternates if other[1] == "alt_" else tuples)[group] = other[2]
        return f"(?P<{group}>"

    pattern = scoped_flags(_TAG.sub(replace, text))
    return Expanded(pattern, tuple(alternates.items()), tuple(tuples.items()), skips)


def scoped_flags(pattern: str) -> str:
    """Let flags that stand inside of a pattern hold for the rest of their group, as in other languages.

    Python takes them at the very beginning only.
    """
    start = _FLAGS.match(pattern)
    begin = start.end() if start else 0
    if not _FLAGS.search(pattern, begin):
        return pattern
    out: list[str] = [pattern[:begin]]
    flags: list[list[str]] = [[]]  # for each open group, the flags set in it so far
    for piece in _PIECE.findall(pattern, begin):
        if found := _FLAGS.fullmatch(piece):
            flags[-1].append(found[1])
            out.append(f"(?{found[1]}:")
        elif piece.startswith("(") and piece[-1] != ")":
            flags.append([])
            out.append(piece)
        elif piece == ")" and len(flags) > 1:
            out.append(")" * len(flags.pop()) + piece)
        elif piece == "|" and flags[-1]:
            out.append(")" * len(flags[-1]) + piece + "".join(f"(?{flag}:" for flag in flags[-1]))
        else:
            out.append(piece)
    out.append(")" * len(flags[0]))
    return "".join(out)


_PIECE = re.compile(
    r"""
    \\.                                # an escaped character
    | \[\^?\]?(?:\\.|[^\]\\])*\]       # a class
    | \(\?[aiLmsux]+\)                 # flags
    | \(\?P?[=>][^()]*\) | \(\?\#[^)]*\)   # a back reference, a comment
    | \((?:\?(?:P?<\w+>|\(\w+\)|[a-zA-Z\-]*:|[=!>]|<[=!]))?   # the beginning of a group
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
