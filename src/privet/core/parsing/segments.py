"""The regular expressions of a text format: what stands between its double quotes, and what of that is captured."""

from __future__ import annotations

import re
from itertools import zip_longest

import msgspec

from privet.core.parsing.durations import DURATIONS
from privet.core.parsing.formats import Field, Format, FormatError, Literal


class Segment(msgspec.Struct, frozen=True):
    """What stands between two double quotes of a format: its regular expressions and the columns they capture.

    `loose` may go on over line feeds, takes escapes for letters, and has clients and times with quotes inside.
    """

    regex: bytes
    loose: bytes
    names: list[str]


def segments(fmt: Format, want: frozenset[str]) -> list[Segment]:
    """Split a format at its double quotes: even segments stand outside of quotes, odd ones inside.

    Of both the wanted columns are captured.
    """
    seen: set[str] = set()
    return [_segment(part, number % 2 == 1, want, seen) for number, part in enumerate(split_at_quotes(fmt))]


def split_at_quotes(fmt: Format) -> list[list[Literal | Field]]:
    """Return what stands before the first double quote of a format, inside of it and the second one, and so on."""
    parts: list[list[Literal | Field]] = [[]]
    for element in fmt.elements:
        if isinstance(element, Field):
            parts[-1].append(element)
            continue
        first, *others = element.text.split(b'"')
        parts[-1].append(Literal(first))
        parts += [[Literal(other)] for other in others]
    if len(parts) % 2 == 0:
        raise FormatError("its double quotes do not pair")
    return [[element for element in part if element != Literal(b"")] for part in parts]


def expression(elements: list[Literal | Field], want: frozenset[str]) -> tuple[bytes, list[str]]:
    """Return the exact regular expression of what stands outside of quotes, and which fields wanted it captures."""
    found = _segment(elements, quoted=False, want=want, seen=set())
    return found.regex, found.names


def _segment(elements: list[Literal | Field], quoted: bool, want: frozenset[str], seen: set[str]) -> Segment:  # noqa: FBT001
    whole = quoted and len(elements) == 1 and isinstance(elements[0], Field) and elements[0].name not in _NUMBERS
    regex, loose, names = b"", b"", []
    spaced = _may_hold_spaces(elements)
    for element, following in zip_longest(elements, elements[1:]):
        if isinstance(element, Literal):
            regex += re.escape(element.text)
            loose += re.escape(element.text)
            continue
        stop = following.text[:1] if isinstance(following, Literal) else b""
        simple = b""
        if element.name in _NUMBERS:
            pattern = _NUMBERS[element.name]
        elif element.name == "user" and not quoted and spaced:
            pattern, simple = rb'[^"\\\n]*?(?:\\[^\n][^"\\\n]*?)*?', rb'[^"\\\n ]*+'  # few have spaces
        else:
            pattern = _quoted(stop) if quoted else _unquoted(element, stop)
        take = element.name in want and element.name not in seen
        if take:
            seen.add(element.name)
            names.append(element.name)
            simple = simple or (b"" if quoted else _simple(element, stop))
        group = b"(%b)" if take else b"(?:%b)"
        regex += group % pattern
        loose += group % (rb'[^"]*+' if whole else simple or pattern)
    return Segment(regex, loose, names)


def beginning(fmt: Format, *, plain: bool = False) -> bytes | None:
    """Return what a line begins with up to its client, the only group; None if it stands behind a quote.

    Nor is the client there where a header may tell another one. Of `plain` ones the group is as `text_of` makes it.
    """
    names = [element.name if isinstance(element, Field) else "" for element in fmt.elements]
    if "client" not in names or "forwarded" in names:
        return None
    place = names.index("client")
    if any(isinstance(element, Literal) and b'"' in element.text for element in fmt.elements[:place]):
        return None
    following = [Literal(one.text[:1]) for one in fmt.elements[place + 1 : place + 2] if isinstance(one, Literal)]
    before = _segment([*fmt.elements[:place]], quoted=False, want=frozenset(), seen=set()).regex
    after = b"".join(re.escape(one.text) for one in following)
    rest = rb'[^"\n' + after + b"]"
    other = rb"[0-9.]++(?!" + rest + b")" if plain else rest + b"++"
    return before + b"(" + _NETWORK + b"|" + other + b")" + rest + b"*+" + after


def _simple(field: Field, stop: bytes) -> bytes:
    """Return what finds a field outside of quotes by the one character behind it; b"" where that is not safe.

    It may find one with a quote inside, which `address.pack` and `times.read_clf` refuse.
    """
    other = b"[^" + re.escape(stop) + b"]"
    if stop and field.name == "client":
        return other + b"++"
    return other + b"{1,64}+" if stop == b"]" and field.time == "clf" else b""


_NETWORK = rb"(?:[0-9a-f]{1,4}+:){4}"
"""What `text_of` makes of an IPv6 client, where an address begins so."""

ALWAYS = frozenset({"client", "forwarded", "peer", "time"})
_NUMBERS = {"status": rb"\d{3}|-", "size": rb"\d++|-"}
NUMBERS = _NUMBERS.keys()
_SERVERS_OWN = frozenset({"host", "port", "time", "status", "size", "user", "peer", *DURATIONS})


def _may_hold_spaces(elements: list[Literal | Field]) -> bool:
    """Tell whether a user's name outside of quotes may have spaces inside, as the visitor gave it.

    Not where another text of the visitor's stands before the client: the two together could be written so that
    somebody else's address seems to be the client.
    """
    names = [element.name for element in elements if isinstance(element, Field)]
    if "client" in names:
        return _SERVERS_OWN.issuperset(names[: names.index("client")])
    return "forwarded" not in names


def _quoted(stop: bytes) -> bytes:
    """Return what a value inside quotes may be: anything up to `stop`, a quote being escaped."""
    plain = rb'[^"\\\n' + re.escape(stop) + b"]*+"
    return plain + rb"(?:\\[^\n]" + plain + b")*+"


def _unquoted(field: Field, stop: bytes) -> bytes:
    """Return what a value outside of quotes may be: no double quote, nothing of what follows it."""
    plain = rb'[^"\n' + re.escape(stop) + b"]"
    word = rb'[^" \n' + re.escape(stop) + b"]"
    if field.name == "forwarded":
        return rb'[^ ",\n]++(?:, ?[^ ",\n]++)*+'
    if field.name == "host" and stop == b":":
        return rb'\[[^] "\n]*+\]|' + word + b"*+"
    if field.name == "time":
        if stop == b" ":
            return word + b"{1,64}+" + (b" " + word + b"{1,64}+") * field.time.count(" ")
        return plain + b"{1,64}+"  # bounded, or else a line full of brackets takes time that is quadratic in its length
    return plain + (b"++" if field.name in ALWAYS else b"*+")
