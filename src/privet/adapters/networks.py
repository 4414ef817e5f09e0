"""AS numbers and names from a local table: MMDB, or the text forms of iptoasn (TSV, plain or gzip) and pyasn.

The table is read whole into sorted columns, whatever its form, so that a look-up is a bisection and no
address is ever sent anywhere. Measured with 500,000 rows: `docs/performance.md`.
"""

from __future__ import annotations

import gzip
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any

from privet.core.addresses.address import Subject, pack
from privet.core.addresses.networks import Network, as_number
from privet.core.addresses.prefixes import PrefixMap, bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from maxminddb.types import Record

LARGEST = 4_000_000  # rows: three times the prefixes of the whole Internet
NO_TABLE = "there is no table of networks: name one as 'table' in [networks]"

_LONGEST_NAME = 80
_GZIP = b"\x1f\x8b"
_MMDB = b"\xab\xcd\xefMaxMind.com"
_MMDB_END = 128 << 10  # bytes at the end of the file in which the mark stands
_CHUNK = 4096  # rows between looks at how many there are
_NUMBERS = ("autonomous_system_number", "asn", "as_number")
_NAMES = ("autonomous_system_organization", "as_name", "name", "as_organization")

Row = tuple[int, int, int, int, str]
"""Version, first and last client as a PrefixMap counts them, AS number, and its name."""


class Networks:
    """The table in a file; without a path it has no answers and `problem` says so."""

    def __init__(self, path: Path | None = None) -> None:
        self.problem: str | None = NO_TABLE
        self._path = path
        self._seen: tuple[int, ...] | None = None  # how the file looked when it was read
        self._table = PrefixMap()
        self._names: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._table)

    def of(self, subject: Subject) -> Network | None:
        """Return the network of a subject, None when the table has none or the subject lies in several."""
        found = self._table.find(subject)
        return found and Network(found[0], self.name(found[0]), found[1])

    def number(self, key: bytes) -> int | None:
        """Return the AS number of a client by its key, as quickly as can be; None when the table has none."""
        if len(key) in (4, 8):
            return self._table.value(4 if len(key) == 4 else 6, int.from_bytes(key))
        found = self.of(Subject.of_key(key))
        return found.asn if found else None

    def prefixes(self, asn: int) -> Sequence[Subject]:
        """Return all prefixes of an AS number; raises KeyError when the table does not know it."""
        found = tuple(self._table.prefixes(asn))
        if not found:
            raise KeyError(asn)
        return found

    def name(self, asn: int) -> str:
        """Return the name of an AS number, "" when it has none."""
        return self._names.get(asn, "")

    def refresh(self) -> bool:
        """Read the table if the file changed; tell whether the answers are new ones.

        A table that cannot be read leaves the old one in force; `problem` says why. May run in another thread.
        """
        if self._path is None:
            return False
        try:
            info = self._path.stat()
            seen = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)
            if seen == self._seen:
                return False
            self._seen = seen
            table, names = _read(self._path)
        except (OSError, EOFError, zlib.error) as error:
            self._complain(getattr(error, "strerror", None) or "it is damaged")
            return False
        except ValueError as error:
            self._complain(str(error))
            return False
        self._table, self._names, self.problem = table, names, None
        return True

    def _complain(self, what: str) -> None:
        old = "; the old one stays in force" if len(self._table) else ""
        self.problem = f"the table of networks cannot be used: {self._path}: {what}{old}"


def _read(path: Path) -> tuple[PrefixMap, dict[int, str]]:
    """Read a table of any form; raises ValueError when it has none of them."""
    table, names = PrefixMap(), dict[int, str]()
    rows = iter(_rows(path))
    while chunk := list(islice(rows, _CHUNK)):
        for version, first, last, asn, name in chunk:
            table.add(version, first, last, asn)
            if name and asn not in names:
                names[asn] = _clean(name)
        if len(table) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} rows")
    if not len(table):
        raise ValueError("it is empty")
    table.settle()
    return table, names


def _clean(name: str) -> str:
    """Return a name that a terminal can show."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])


def _rows(path: Path) -> Iterable[Row]:
    with path.open("rb") as file:
        if file.read(2) == _GZIP:
            with gzip.open(path) as unpacked:
                yield from _text_rows(unpacked)
            return
        file.seek(max(0, file.seek(0, 2) - _MMDB_END))
        if _MMDB in file.read():
            yield from _mmdb_rows(path)
            return
        file.seek(0)
        yield from _text_rows(file)


def _text_rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield the rows of `FIRST LAST NUMBER COUNTRY NAME` or `PREFIX NUMBER`, separated by tabs."""
    for count, line in enumerate(lines, 1):
        if line[:1] in b";#\n\r":
            continue
        words = line.rstrip(b"\r\n").split(b"\t")
        row = _range_row(words) if len(words) > 2 else _prefix_row(words)
        if row is None:
            raise ValueError(f"line {count} is neither of iptoasn's form nor of pyasn's, and the file is no MMDB")
        if row[3]:  # 0 stands for: not routed
            yield row


def _range_row(words: Sequence[bytes]) -> Row | None:
    first, last, number = pack(words[0]), pack(words[1]), words[2]
    if first is None or last is None or len(first) != len(last) or first > last or not number.isdigit():
        return None
    name = words[4].decode("utf-8", "replace") if len(words) > 4 else ""
    if len(first) == 4:
        return 4, int.from_bytes(first), int.from_bytes(last), int(number), name
    return 6, int.from_bytes(first[:8]), int.from_bytes(last[:8]), int(number), name


def _prefix_row(words: Sequence[bytes]) -> Row | None:
    try:
        prefix, number = words
        return _row(Subject.parse(prefix.decode("ascii")), int(number), "")
    except ValueError:
        return None


def _row(prefix: Subject, asn: int, name: str) -> Row:
    first, last = bounds(prefix)
    cut = 0 if prefix.version == 4 else 64
    return prefix.version, first >> cut, last >> cut, asn, name


def _mmdb_rows(path: Path) -> Iterator[Row]:
    import maxminddb  # noqa: PLC0415  only who has such a table needs it

    try:
        with maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT) as reader:
            for net, record in reader:
                asn, name = _described(record)
                if asn:
                    yield _row(Subject(net.network_address.packed, net.prefixlen), asn, name)
    except maxminddb.InvalidDatabaseError:
        raise ValueError("it is no MMDB that can be read") from None


def _described(record: Record | None) -> tuple[int, str]:
    """Return the AS number and the name that a record holds under the names that are in use."""
    known: dict[str, Any] = record if isinstance(record, dict) else {}
    number = next((known[key] for key in _NUMBERS if key in known), 0)
    name = next((known[key] for key in _NAMES if key in known), "")
    return number if isinstance(number, int) else as_number(str(number)) or 0, str(name)
