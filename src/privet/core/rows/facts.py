"""What is known of the rows of one block: found out once, for all detectors, and looked up for all rows at once."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from privet.core.arrays import np
from privet.core.parsing.blocks.pieces import Piece
from privet.core.parsing.parse import Rows
from privet.core.parsing.texts import MOST, Texts, digest
from privet.core.rows.crowd import Crowd
from privet.core.rows.evidence import Shelf
from privet.core.rows.select import REQUEST_PARTS, parts_of, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized
    from typing import Self

    import numpy.typing as npt

    from privet.core.parsing.texts import Fact
    from privet.core.rows.crowd import Numbers

    Places = npt.NDArray[np.intp]

UNTOLD = frozenset((b"-", b""))
NONE = -1
"""In place of a row where there is none."""


class Shared(Protocol):
    """What several detectors learn alike: one of its kind does so for all."""

    def __init__(self, registry: Registry) -> None: ...

    @property
    def clients(self) -> Sized:
        """What is remembered of some clients, beside what the crowd has of all."""

    @property
    def evicted(self) -> int:
        """How many of them were forgotten to stay within the cap."""

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows, after the crowd was carried."""

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""


Kind = TypeVar("Kind", bound=Shared)
Value = TypeVar("Value")


def _part(place: int) -> Callable[[bytes], int]:
    return lambda request: digest(parts_of(request)[place])


_OF_REQUEST = {field: _part(place) for place, field in enumerate(REQUEST_PARTS)}


class Registry:
    """Remembers clients and texts by number, for all detectors of an engine."""

    def __init__(self, max_clients: int) -> None:
        self.max_clients = max_clients
        self.crowd = Crowd(max_clients)
        self.requests, self.hosts, self.agents, self.referers = Texts(), Texts(), Texts(), Texts()
        self.statuses, self.types = Texts(), Texts()
        self.quoted = {
            "request": self.requests,
            "agent": self.agents,
            "referer": self.referers,
            "content_type": self.types,
        }
        self.others: defaultdict[str, Texts] = defaultdict(Texts)  # by field
        self._latest = Facts(self, Rows(0))
        self._shared: dict[type, Shared] = {}
        self.shelf = Shelf()  # of lines for evidence

    def facts(self, rows: Rows) -> Facts:
        """Return what is known of a block; detectors ask for the same one after the other, so it is kept that long."""
        if self._latest.rows is not rows:
            self._latest = Facts(self, rows)
        return self._latest

    def release(self) -> None:
        """Let go of the block."""
        self._latest = Facts(self, Rows(0))

    def carry(self, old: Registry) -> None:
        """Take over the clients of another."""
        self.crowd.carry(old.crowd)
        for kind in self._shared.keys() & old._shared.keys():
            self._shared[kind].carry(old._shared[kind])

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self.crowd.shift(seconds)
        for one in self._shared.values():
            one.shift(seconds)

    @property
    def tracked(self) -> int:
        """How many clients are remembered."""
        return len(self.crowd) + sum(len(one.clients) for one in self._shared.values())

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.crowd.evicted + sum(one.evicted for one in self._shared.values())

    def shared(self, kind: type[Kind]) -> Kind:
        """Return the one of its kind that all detectors share."""
        if kind not in self._shared:
            self._shared[kind] = kind(self)
        return cast("Kind", self._shared[kind])


class Facts:
    """The rows of one block as arrays; texts are numbers, see `core.parsing.texts`. Each is made when first wanted.

    `times` are seconds since the epoch, `clients` numbers of the crowd.
    """

    def __init__(self, registry: Registry, rows: Rows) -> None:
        self.rows, self._registry = rows, registry
        self._said: dict[Fact, npt.NDArray[Any]] = {}
        self._found: dict[Callable[[Facts], Any], Any] = {}

    @cached_property
    def times(self) -> npt.NDArray[np.float64]:
        """When the requests were."""
        return np.array(self.rows.times, np.float64)

    @cached_property
    def clients(self) -> Places:
        """The clients' numbers."""
        return self._registry.crowd.meet(self.rows.keys, self.times)

    def __len__(self) -> int:
        return len(self.rows)

    def once(self, find: Callable[[Facts], Value]) -> Value:
        """Return what is found in these rows; all who want to know it share the answer."""
        if find not in self._found:
            self._found[find] = find(self)
        return cast("Value", self._found[find])

    def said(self, fact: Fact, column: str) -> npt.NDArray[Any]:
        """Return what a fact says of the texts of a column, row by row; all who want to know share it."""
        found = self._said.get(fact)
        if found is None:
            found = self._said[fact] = fact(getattr(self, column))
        return found

    @cached_property
    def requests(self) -> Places:
        """The request lines."""
        return self._numbers(self._registry.requests, requests_of(self.rows))

    @cached_property
    def hosts(self) -> Places:
        """The sites."""
        hosts = self.rows.columns.get("host")
        if hosts is None:
            return np.full(len(self), self._registry.hosts.numbers([b"-"])[0])
        return self._registry.hosts.numbers(hosts)

    @cached_property
    def agents(self) -> Places:
        """The agents."""
        return self._numbers(self._registry.agents, self.rows.column("agent"))

    @cached_property
    def referers(self) -> Places:
        """The referers."""
        return self._numbers(self._registry.referers, self.rows.column("referer"))

    @cached_property
    def statuses(self) -> Places:
        """The statuses."""
        return self._registry.statuses.numbers(self.rows.column("status"))

    @cached_property
    def types(self) -> Places:
        """The content types."""
        return self._numbers(self._registry.types, self.rows.column("content_type"))

    def _numbers(self, texts: Texts, column: Sequence[bytes]) -> Places:
        """Return the numbers of a column that may be one of `core.parsing.blocks.pieces`."""
        return column.numbers(self._registry.quoted) if isinstance(column, Piece) else texts.numbers(column)

    def texts(self, field: str) -> tuple[Texts, Places]:
        """Return the texts that one field has, and their numbers; the whole request line is one, too."""
        registry = self._registry
        if field == "request":
            return registry.requests, self.requests
        if field == "agent":
            return registry.agents, self.agents
        if field == "referer":
            return registry.referers, self.referers
        if field == "status":
            return registry.statuses, self.statuses
        others = registry.others[field]
        return others, others.numbers(values_of(self.rows, field, range(len(self.rows))))

    def names(self, field: str) -> Numbers:
        """Return hashes of one field of all rows."""
        if (
            field in _OF_REQUEST
            and "request" in self.rows.columns
            and not self.rows.columns.keys() & _OF_REQUEST.keys()
        ):
            return self._registry.requests.fact(_OF_REQUEST[field], np.int32, MOST)(self.requests)
        texts, numbers = self.texts(field)
        return texts.fact(digest, np.int32, MOST)(numbers)

    @cached_property
    def _order(self) -> Places:
        """The rows by clients, those of each in their order."""
        return order_of(self.clients)

    def before(self, rows: Places) -> Places:
        """Return for each of some rows the place among them of the one before it of the same client, -1 for none."""
        if len(rows) < 2:
            return np.full(len(rows), NONE)
        order = self._order
        if len(rows) < len(self):
            places = np.full(len(self), NONE)
            places[rows] = np.arange(len(rows))
            order = places[order]
            order = order[order != NONE]
        return _before(order, self.clients[rows])


def previous(numbers: Numbers) -> Places:
    """Return for each place the last one before it with the same number, -1 if there is none."""
    if len(numbers) < 2:
        return np.full(len(numbers), NONE)
    return _before(order_of(numbers), numbers)


def order_of(numbers: Numbers) -> Places:
    """Return the places of numbers of 32 bits by size, equal ones in their order: by halves, as 16 bits sort fast."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    high = (numbers >> 16).astype(np.uint16)
    return order[np.argsort(high[order], kind="stable")] if high.any() else order


def _before(order: Places, numbers: Numbers) -> Places:
    """Do as `previous`, given the order of the numbers."""
    found, ordered = np.full(len(numbers), NONE), numbers[order]
    same = (ordered[1:] == ordered[:-1]).nonzero()[0]
    found[order[same + 1]] = order[same]
    return found


def requests_of(rows: Rows) -> Sequence[bytes]:
    """Return the request lines, put together where the log has them in parts."""
    columns = rows.columns
    if "request" in columns:
        return columns["request"]
    methods = rows.column("method")
    if "target" in columns:
        return [method + b" " + target + b" -" for method, target in zip(methods, columns["target"], strict=True)]
    queries = [b"" if query in UNTOLD else b"?" + query.removeprefix(b"?") for query in rows.column("query")]
    paths = rows.column("path")
    return [m + b" " + path + query + b" -" for m, path, query in zip(methods, paths, queries, strict=True)]
