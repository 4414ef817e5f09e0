"""From a block of log lines to columns: the hot path.

Two ways give the same answer. The *exact* one runs one regular expression over each line, possessive throughout, so
that a hostile line costs time linear in its length. The *fast* one does the same without a look at escapes and line
feeds inside of quotes, which takes far less time: where no quote is escaped, and it finds just as many lines as there
are line feeds, none of them can be inside, and what it found is what the exact one would have found. Nor does it look
for quotes in clients and times: with one inside they cannot be read, so where something could not be read these texts
are searched for one. A block in which an escaped quote stands, or one of those, or that has other counts, goes the
exact way (`tests/property/test_parse.py` holds them equal).
"""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING, TypeVar

import msgspec

from privet.core.addresses import address
from privet.core.addresses.address import client_key, text_of
from privet.core.cache import Cache
from privet.core.parsing import times
from privet.core.parsing.formats import Field, Format, FormatError
from privet.core.parsing.forwarded import BEHIND, Proxies, marks
from privet.core.parsing.lines import line_feeds
from privet.core.parsing.segments import ALWAYS, beginning, segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from privet.core.parsing.blocks.blockwise import Blockwise

Value = TypeVar("Value")

PART = 1 << 17
"""Bytes that are parsed together: more do not fit into the caches of the CPU."""

LARGE = 32_768  # bytes: below, starting numpy costs more than it saves
PAUSE = 15  # large blocks: where one does not fit, the next ones will hardly do
FEW = 40  # lines: below, the exact way costs less, as it touches less code after a sleep
NO_ADDRESS, NOT_IN_FORMAT, NO_TIME = "no client address", "not in the format", "no readable time"
NOT_TOLD = "no client address from the proxy"
TOO_LONG = "too long"


def untold(_block: bytes) -> list[bytes]:
    """Tell no client, as what tells them faster where it cannot."""
    return [b""]


class Rows:
    """The lines of one block, parsed: a column is a sequence of bytes, one value per row (see `blocks.columns`).

    `keys` are client keys, `times` seconds since the epoch. `bad` holds (reason, line) of what did
    not parse; `ignored` counts lines that are no requests. `lines` = rows + bad + ignored. An engine keeps
    the keys as `clients`, by which masks name them, before it makes IPv6 clients wider.
    """

    __slots__ = ("bad", "clients", "columns", "ignored", "keys", "lines", "times")

    def __init__(self, lines: int) -> None:
        self.lines = lines
        self.keys: Sequence[bytes] = []
        self.clients: Sequence[bytes] = []
        self.times: Sequence[float] = []
        self.columns: dict[str, Sequence[bytes]] = {}
        self.bad: list[tuple[str, bytes]] = []
        self.ignored = 0

    def __len__(self) -> int:
        return len(self.keys)

    def column(self, name: str) -> Sequence[bytes]:
        """Return a column; "-" for every row where the format has no such field."""
        return self.columns.get(name) or [b"-"] * len(self.keys)


def together(parts: Sequence[Rows]) -> Rows:
    """Return the rows of blocks that follow one another; a column that one of them lacks is filled with "-"."""
    rows = Rows(sum(part.lines for part in parts))
    names = dict.fromkeys(chain.from_iterable(part.columns for part in parts if part.keys))
    rows.columns = {name: list(chain.from_iterable(part.column(name) for part in parts)) for name in sorted(names)}
    rows.keys = list(chain.from_iterable(part.keys for part in parts))
    rows.times = list(chain.from_iterable(part.times for part in parts))
    rows.bad = list(chain.from_iterable(part.bad for part in parts))
    rows.ignored = sum(part.ignored for part in parts)
    return rows


def in_parts(parse: Callable[[bytes], Rows], data: bytes) -> Rows:
    """Parse lines in parts that fit into the caches of the CPU."""
    parts = round(len(data) / PART)
    if parts < 2:  # blocks are somewhat larger, or smaller
        return parse(data)
    size, cuts = len(data) // parts, [0]
    while len(data) - cuts[-1] > size:
        cut = data.rfind(b"\n", cuts[-1], cuts[-1] + size) + 1 or data.index(b"\n", cuts[-1]) + 1
        cuts.append(cut)
    return together([parse(data[start:end]) for start, end in pairwise([*cuts, len(data)])])


class _Finish:
    """Turns the client and time columns into keys and seconds, and sorts out the rows that have none."""

    def __init__(self, read_time: Callable[[bytes], float | None], proxies: Proxies) -> None:
        self.keys = Cache(client_key, longest=address.LONGEST)  # what is longer cannot be read anyway
        self.times = Cache(read_time, longest=times.LONGEST)
        self._proxies = proxies

    def __call__(
        self, rows: Rows, columns: dict[str, Sequence[bytes]], client: str, line: Callable[[int], bytes]
    ) -> None:
        """Fill `rows`; `line(i)` gives the text of row i for those that end in `rows.bad`."""
        keys = self._clients(columns, client)
        columns["stamp"] = columns.pop("time")
        seconds = list(map(self.times.__getitem__, columns["stamp"]))
        rows.columns = columns
        if not all(keys) or not all(seconds):  # faster than to look for None
            good = [key is not None and second is not None for key, second in zip(keys, seconds, strict=True)]
            unknown = self._why(columns, client)
            rows.bad += [
                (unknown(i) if keys[i] is None else NO_TIME, line(i)) for i, fine in enumerate(good) if not fine
            ]
            keys, seconds = _kept(keys, good), _kept(seconds, good)
            rows.columns = {name: _kept(column, good) for name, column in columns.items()}
        rows.keys = keys  # type: ignore[assignment]  # every None was sorted out above
        rows.times = seconds  # type: ignore[assignment]

    def _clients(self, columns: dict[str, Sequence[bytes]], client: str) -> list[bytes | None]:
        """Return the clients' keys; the column `behind` tells which of them came through a proxy, if any may have."""
        texts = columns.pop(client)
        if client == "forwarded":  # then a proxy wrote each line's client
            columns["behind"] = [BEHIND] * len(texts)
            return list(map(self._proxies.clients.__getitem__, texts))
        if "peer" in columns:
            columns["behind"] = marks(texts, columns.pop("peer"))
        return self._proxies.see_through(list(map(self.keys.__getitem__, texts)), texts, columns)

    @staticmethod
    def _why(columns: dict[str, Sequence[bytes]], client: str) -> Callable[[int], str]:
        """Return what gives the reason why row i has no key."""
        behind = columns.get("behind", ())
        if client == "forwarded" or BEHIND not in behind:
            return lambda _: NO_ADDRESS
        return lambda i: NOT_TOLD if behind[i] == BEHIND else NO_ADDRESS


def _kept(column: Sequence[Value], good: Iterable[bool]) -> list[Value]:
    return [value for value, fine in zip(column, good, strict=True) if fine]


class TextPlan:
    """Parses one text format. `want` names the columns that somebody reads.

    With `arrays` large blocks are taken with numpy, where the format is for that: their columns are arrays then.

    It is `direct` if the clients of lines can be told without parsing them.
    """

    def __init__(
        self, fmt: Format, want: Iterable[str], zone: tzinfo, proxies: Proxies, *, arrays: bool = False
    ) -> None:
        self.format = fmt
        self._want = frozenset(want) | ALWAYS
        parts = segments(fmt, self._want)
        self._client = "client" if "client" in fmt.fields else "forwarded"
        self._names = [name for segment in parts for name in segment.names]
        self._exact = re.compile(b"(?:" + b'"'.join(s.regex for s in parts) + b"|([^\n]*))\n")
        # Where a line does not fit it takes all the rest, so that no line is looked at twice.
        self._fast = re.compile(b"(?:" + b'"'.join(s.loose for s in parts) + b"\n|(?s:.+))")
        stamp = next(e.time for e in fmt.elements if isinstance(e, Field) and e.name == "time")
        self._finish = _Finish(_time_reader(stamp, zone), proxies)
        self.direct = beginning(fmt) is not None
        self._beginning, plain = (
            re.compile(b"(?:" + (beginning(fmt, plain=plain) or b"()") + b"|)[^\n]*+\n") for plain in (False, True)
        )
        self.plain: Callable[[bytes], list[bytes]] = plain.findall
        self._arrays, self._pause = arrays, 0

    def parse(self, block: bytes) -> Rows:
        """Parse whole lines, each with its newline."""
        if self._arrays and len(block) >= LARGE and (found := self._by_columns(block)) is not None:
            return found
        return in_parts(self._part, block)

    def _part(self, block: bytes) -> Rows:
        lines = line_feeds(block)
        found = self._at_once(block, lines) if lines >= FEW else None
        return self._slow(block, lines) if found is None else found

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""
        found = self._exact.match(line if line.endswith(b"\n") else line + b"\n")
        stamp = found and found[self._names.index("time") + 1]
        return self._finish.times[stamp] if stamp else None

    def clients(self, block: bytes) -> list[bytes | None]:
        """Return who each line is of, by a text as `text_of` makes it; None where that cannot be told at sight."""
        found = self._beginning.findall(block)
        return [text or None if b":" not in text or text[-1:] == b":" else self._text_of(text) for text in found]

    def key_of(self, who: bytes) -> bytes:
        """Return the key of such a client."""
        return (client_key(who + b":") if who.endswith(b":") else self._finish.keys[who]) or who

    def _text_of(self, text: bytes) -> bytes | None:
        key = self._finish.keys[text]
        return text_of(key) if key else None

    def client_span(self, line: bytes, reason: str = NO_ADDRESS) -> tuple[int, int] | None:
        """Return where the client stands that cannot be read, for this reason; None in lines of other formats."""
        found = self._exact.match(line if line.endswith(b"\n") else line + b"\n")
        place = self._names.index("forwarded" if reason == NOT_TOLD else self._client) + 1
        return found.span(place) if found and found[place] is not None else None

    @cached_property
    def _blockwise(self) -> Blockwise | None:
        """What takes large blocks with numpy; None where the format is not for it."""
        from privet.core.parsing.blocks import blockwise  # noqa: PLC0415  it imports this module
        from privet.core.parsing.blocks.layout import layout  # noqa: PLC0415  likewise

        shape = layout(self.format, self._want)
        return blockwise.Blockwise(shape, self._want, self._finish.times, self._exactly) if shape else None

    def _by_columns(self, block: bytes) -> Rows | None:
        """Parse a large block at once; None when too many of its lines do not fit, and for some blocks after that."""
        if self._blockwise is None or self._pause:
            self._pause = max(0, self._pause - 1)
            return None
        rows = self._blockwise.parse(block)
        self._pause = PAUSE if rows is None else 0
        return rows

    def _exactly(self, block: bytes) -> Rows:
        return self._slow(block, line_feeds(block))

    def _at_once(self, block: bytes, lines: int) -> Rows | None:
        """Parse a block of so many lines the fast way; None when one of them does not fit."""
        if b"\\" in block and b'\\"' in block:
            return None
        pieces, width = self._fast.split(block), 1 + len(self._names)  # columns from one list, without a tuple a line
        if len(pieces) != lines * width + 1 or not pieces[self._names.index(self._client) - width]:
            return None
        rows = Rows(lines)
        columns: dict[str, Sequence[bytes]] = {
            name: pieces[number::width] for number, name in enumerate(self._names, start=1)
        }
        unsure = [columns[self._client], columns["time"]]
        self._finish(rows, columns, self._client, _line_getter(block))
        if rows.bad and any(b'"' in b"".join(column) for column in unsure):
            return None  # such a line is in no format, whereas here it is one whose client or time cannot be read
        return rows

    def _slow(self, block: bytes, lines: int) -> Rows:
        rows = Rows(lines)
        found = self._exact.findall(block)
        table = list(zip(*found, strict=True))
        numbers: Sequence[int] = range(len(found))
        if table and (any(table[-1]) or b"" in table[self._names.index(self._client)]):
            numbers = _fitting(found, rows)
            table = list(zip(*(found[number] for number in numbers), strict=True))
        if table:
            columns: dict[str, Sequence[bytes]] = dict(zip(self._names, table, strict=False))
            line = _line_getter(block)
            self._finish(rows, columns, self._client, lambda i: line(numbers[i]))
        return rows


def _fitting(found: list[tuple[bytes, ...]], rows: Rows) -> list[int]:
    """Return which lines fit the format; the others, whose last value is their text, are booked in `rows`."""
    numbers = []
    for number, values in enumerate(found):
        if values[-1]:
            rows.bad.append((NOT_IN_FORMAT, values[-1]))
        elif any(values):
            numbers.append(number)
        else:
            rows.ignored += 1  # a blank line
    return numbers


def _line_getter(block: bytes) -> Callable[[int], bytes]:
    """Return what gives line i of a block, split only when somebody asks."""
    lines: list[bytes] = []

    def line(number: int) -> bytes:
        if not lines:
            lines.extend(block.split(b"\n"))
        return lines[number]

    return line


def _time_reader(how: str, zone: tzinfo) -> Callable[[bytes], float | None]:
    known = {"clf": times.read_clf, "iso": times.read_iso, "epoch": times.read_epoch}
    try:
        return known.get(how) or times.reader(how, zone)
    except ValueError as error:
        raise FormatError(f"cannot use a time written as %{{{how}}}t: {error}") from None


class JsonPlan:
    """Parses lines that are JSON objects (Caddy, Traefik, nginx with a JSON log_format).

    Every row has all columns of the format, whichever keys its line holds.
    """

    direct = False  # to find the client of a line is to parse it
    plain = staticmethod(untold)

    def __init__(self, fmt: Format, proxies: Proxies) -> None:
        self.format = fmt
        self._has_status = "status" in fmt.keys
        self._joins = {"method", "target"} <= fmt.keys.keys()
        columns = (fmt.keys.keys() - _REQUEST_PARTS) | {"request"} if self._joins else fmt.keys.keys()
        self._columns = sorted(columns | {"client", "time"})
        self._finish = _Finish(times.read_any, proxies)

    def parse(self, block: bytes) -> Rows:
        """Parse whole lines, each with its newline."""
        lines = block.split(b"\n")[:-1]
        rows = Rows(len(lines))
        found: list[tuple[int, dict[str, bytes]]] = []
        for number, line in enumerate(lines):
            values = self._values(line)
            if values is None:
                rows.bad.append((NOT_IN_FORMAT, line))
            elif "status" in values if self._has_status else values:
                found.append((number, values))
            else:
                rows.ignored += 1  # a blank line, or a message of the server that is no request
        if found:
            columns: dict[str, Sequence[bytes]] = {
                name: [values.get(name, b"-") for _, values in found] for name in self._columns
            }
            self._finish(rows, columns, "client", lambda i: lines[found[i][0]])
        return rows

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""
        values = self._values(line)
        return self._finish.times[values["time"]] if values and "time" in values else None

    def clients(self, block: bytes) -> list[bytes | None]:
        """Return None for each line."""
        return [None] * line_feeds(block)

    def key_of(self, who: bytes) -> bytes:
        """Return the key of such a client."""
        return who

    def client_span(self, line: bytes, reason: str = NO_ADDRESS) -> tuple[int, int] | None:
        """Return where the client stands that cannot be read, for this reason; None in lines of other formats."""
        client = (self._values(line) or {}).get("forwarded" if reason == NOT_TOLD else "client", b"")
        if not client:
            return None
        place = line.find(b'"' + client + b'"') + 1
        return (place, place + len(client)) if place else (0, len(line))  # written with escapes: anywhere

    def _values(self, line: bytes) -> dict[str, bytes] | None:
        if not line.strip():
            return {}
        entry = _decoded(line)
        if entry is None and not line.isascii():  # nginx passes on whatever bytes a visitor sends
            entry = _decoded(line.decode("utf-8", "replace"))
        if not isinstance(entry, dict):
            return None
        values = {}
        for name, paths in self.format.keys.items():
            value = next((v for v in (_dig(entry, path) for path in paths) if v is not None), None)
            if value is not None:
                values[name] = _JSON_TEXT[name](value) if name in _JSON_TEXT else value
        if self._joins:
            method, target, proto = (values.pop(name, b"") for name in ("method", "target", "proto"))
            if method or target:
                values.setdefault("request", b" ".join((method or b"-", target or b"-", proto or b"HTTP")))
        return values


def _decoded(line: bytes | str) -> object:
    """Return what a line says in JSON, None if it does not."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


_REQUEST_PARTS = {"method", "target", "proto"}
_JSON_TEXT: dict[str, Callable[[bytes], bytes]] = {
    "user": lambda value: value or b"-",
    "status": lambda value: value.zfill(3) if value.isdigit() and len(value) <= 3 else b"-",  # Caddy has 0
    "size": lambda value: value if value.isdigit() else b"-",
}
"""How a combined log would write values that JSON writes otherwise."""


def _dig(node: object, path: tuple[str, ...]) -> bytes | None:
    """Return the value at a path as the text that a combined log would hold."""
    for key in path:
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    if isinstance(node, list):  # Caddy's headers: several lines of one name are one list
        node = ", ".join(node) if node and all(isinstance(one, str) for one in node) else None
    if isinstance(node, str):
        return _escape(node)
    return repr(node).encode() if isinstance(node, int | float) and not isinstance(node, bool) else None


_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')


def _escape(text: str) -> bytes:
    """Escape quotes, backslashes and control characters as Apache does, so that a value stays in its line."""
    if _UNSAFE.search(text):
        text = _UNSAFE.sub(lambda m: "\\" + m[0] if m[0] in '"\\' else f"\\x{ord(m[0]):02x}", text)
    return text.encode("utf-8", "replace")


Plan = TextPlan | JsonPlan


def plan_of(
    fmt: Format,
    want: Iterable[str] = (),
    zone: tzinfo = UTC,
    proxies: Proxies | None = None,
    *,
    arrays: bool = False,
) -> Plan:
    """Make the parser of a format, with `arrays` as in `TextPlan`.

    `proxies` are those whose word about a client is believed.
    """
    proxies = proxies or Proxies()
    return JsonPlan(fmt, proxies) if fmt.keys else TextPlan(fmt, want, zone, proxies, arrays=arrays)
