"""What a batch for the escrow says: which pseudonym stood for whom, for those who must be able to answer.

A batch is text, so that whoever has its key can read it with any program that opens age files. Its pairs are sorted
by pseudonym, which is as good as shuffled: pseudonyms are random to all who lack the key of the day, so that nothing
is left of the order in which clients came. Its length is rounded up to a power of two, and never less than 64 KiB.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from privet.core.addresses.address import Subject, is_pseudonym

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from privet.core.masking.mask import Mask, Masks
    from privet.core.parsing.parse import Rows

MOST = 200_000  # pairs of one batch: some 50 MB of memory, 16 MiB of file
SHORTEST = 1 << 16  # bytes of a batch
_HEAD = re.compile(r"privet-escrow 1 (\S+) (\S+)\n")
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Collected:
    """The pairs of a batch while it is collected; `left_out` counts those for which there was no room."""

    def __init__(self, most: int = MOST) -> None:
        self.left_out = 0
        self._most = most
        self._pairs: dict[bytes, bytes] = {}  # client keys by pseudonym
        self._known: dict[bytes, set[bytes]] = {}  # client keys by site

    def __len__(self) -> int:
        return len(self._pairs)

    def see(self, source: bytes, rows: Rows, days: Iterable[Masks]) -> None:
        """Take the clients of rows as the masked log of a source names them: by its own name and by that of the site.

        There is one mask a day, and around midnight there are two.
        """
        hosts = rows.columns.get("host")
        by_site = {source: set(rows.clients)}
        for host, key in set(zip(hosts, rows.clients, strict=True)) if hosts else ():
            if host != b"-":
                by_site.setdefault(host, set()).add(key)
        for site, keys in by_site.items():
            fresh = keys - self._known.get(site, set())
            if fresh:
                self._add(site, fresh, [masks.site(site) for masks in days])

    def _add(self, site: bytes, keys: set[bytes], masks: Iterable[Mask]) -> None:
        fresh = {mask.clients[key]: key for mask in masks for key in keys if not is_pseudonym(key)}
        if len(self._pairs) + len(fresh) > self._most:
            self.left_out += len(fresh)
            return
        self._pairs |= fresh
        self._known.setdefault(site, set()).update(keys)

    def new_day(self) -> None:
        """Name everybody anew."""
        self._known.clear()

    def take(self) -> dict[bytes, bytes]:
        """Return the pairs, and begin anew."""
        pairs, self._pairs = self._pairs, {}
        self._known.clear()
        return pairs

    def put_back(self, pairs: Mapping[bytes, bytes]) -> None:
        """Add pairs that could not be sealed: they come first where there is not room for all."""
        later = [one for one in self._pairs.items() if one[0] not in pairs]
        room = self._most - len(pairs)
        self.left_out += max(0, len(later) - room)
        self._pairs = {**pairs, **dict(later[: max(0, room)])}


class Batch(NamedTuple):
    """A batch that was opened: from when to when, and pseudonyms with their addresses."""

    begin: str
    end: str
    pairs: dict[str, str]


def text_of(pairs: Mapping[bytes, bytes], begin: float, end: float) -> bytes:
    """Return a batch as text: a head, a line for each pair, and empty lines."""
    stamps = (datetime.fromtimestamp(seconds, UTC).strftime(_STAMP) for seconds in (begin, end))
    lines = [f"{name.decode()} {Subject.of_key(key).reveal()}\n" for name, key in sorted(pairs.items())]
    text = f"privet-escrow 1 {' '.join(stamps)}\n{''.join(lines)}".encode()
    return text.ljust(max(SHORTEST, 1 << (len(text) - 1).bit_length()), b"\n")


def read_text(text: bytes) -> Batch:
    """Return the batch that stands in a text. Raises ValueError, without a word of it, if it holds none."""
    content = text.decode("ascii", "replace")
    head = _HEAD.match(content)
    lines = [line.partition(" ") for line in content[head.end() :].split("\n") if line] if head else []
    if head is None or not all(address for _, _, address in lines):
        raise ValueError("it is no batch of Privet")
    return Batch(head[1], head[2], {name: address for name, _, address in lines})
