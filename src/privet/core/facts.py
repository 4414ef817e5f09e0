"""What is known of the rows of one block: found out once, for all detectors, and looked up for all rows at once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

from privet.core.crowd import Crowd
from privet.core.parse import Rows
from privet.core.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    import numpy.typing as npt

    from privet.core.texts import Fact

UNTOLD = frozenset((b"-", b""))


class Shared(Protocol):
    """What several detectors learn alike: one of its kind does so for all."""

    def __init__(self, registry: Registry) -> None: ...

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows, after the crowd was carried."""

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""


Kind = TypeVar("Kind", bound=Shared)
Value = TypeVar("Value")


class Registry:
    """Remembers clients and texts by number, for all detectors of an engine."""

    def __init__(self, max_clients: int) -> None:
        self.max_clients = max_clients
        self.crowd = Crowd(max_clients)
        self.requests, self.hosts, self.agents, self.referers = Texts(), Texts(), Texts(), Texts()
        self.statuses, self.types = Texts(), Texts()
        self._latest = Facts(self, Rows(0))
        self._shared: dict[type, Shared] = {}

    def facts(self, rows: Rows) -> Facts:
        """Return what is known of a block; detectors ask for the same one after the other, so it is kept that long."""
        if self._latest.rows is not rows:
            self._latest = Facts(self, rows)
        return self._latest

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

    def shared(self, kind: type[Kind]) -> Kind:
        """Return the one of its kind that all detectors share."""
        if kind not in self._shared:
            self._shared[kind] = kind(self)
        return cast("Kind", self._shared[kind])


class Facts:
    """The rows of one block as arrays; texts are numbers, see `core.texts`. Each is made when first wanted.

    `times` are seconds since the epoch, `clients` numbers of the crowd.
    """

    def __init__(self, registry: Registry, rows: Rows) -> None:
        self.rows, self._registry = rows, registry
        self.times = np.array(rows.times, np.float64)
        self.clients = registry.crowd.numbers(rows.keys, self.times)
        self._said: dict[Fact, npt.NDArray[Any]] = {}
        self._found: dict[Callable[[Facts], Any], Any] = {}

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
    def requests(self) -> npt.NDArray[np.int32]:
        """The request lines."""
        return self._registry.requests.numbers(requests_of(self.rows))

    @cached_property
    def hosts(self) -> npt.NDArray[np.int32]:
        """The sites."""
        hosts = self.rows.columns.get("host")
        if hosts is None:
            return np.full(len(self), self._registry.hosts.numbers([b"-"])[0])
        return self._registry.hosts.numbers(hosts)

    @cached_property
    def agents(self) -> npt.NDArray[np.int32]:
        """The agents."""
        return self._registry.agents.numbers(self.rows.column("agent"))

    @cached_property
    def referers(self) -> npt.NDArray[np.int32]:
        """The referers."""
        return self._registry.referers.numbers(self.rows.column("referer"))

    @cached_property
    def statuses(self) -> npt.NDArray[np.int32]:
        """The statuses."""
        return self._registry.statuses.numbers(self.rows.column("status"))

    @cached_property
    def types(self) -> npt.NDArray[np.int32]:
        """The content types."""
        return self._registry.types.numbers(self.rows.column("content_type"))

    @cached_property
    def before(self) -> npt.NDArray[np.intp]:
        """The row of the same client before each row of the block, -1 where it is his first."""
        return previous(self.clients)


def previous(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return for each place the last one before it with the same number, -1 if there is none."""
    order = np.argsort(numbers, kind="stable")
    found = np.full(len(numbers), -1)
    same = np.flatnonzero(numbers[order[1:]] == numbers[order[:-1]])
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
