"""Agents that lie: browsers that never load what belongs to a page, and famous robots that come from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.address import Subject, is_pseudonym
from privet.core.assets import Assets
from privet.core.cache import LONGEST, Cache
from privet.core.manners.asked import UNTOLD, ask_of, is_browser, requests_of
from privet.core.manners.memory import Clients
from privet.core.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.core.manners.known import Known
    from privet.core.parse import Rows

DAY = 86_400.0
SITES = 1024
CROWD = 5
"""Clients who fetched assets of a site, before anybody is suspected there: some sites have none."""

PATHS = 32  # of one client: what is asked for again and again is a program's work, and no other page
_PAGE = frozenset((b"200", b"203", b"206", b"304"))


class FakeBrowser:
    """Pages that are fetched by somebody who calls himself a browser and has loaded no asset for a day.

    Only pages count that he did not come to by a link, each path once.
    """

    columns = frozenset(
        {"host", "request", "method", "target", "path", "query", "status", "referer", "agent", "content_type"}
    )

    def __init__(self, most: int) -> None:
        self.clients: Clients[bytes, list[int] | None] = Clients(most, DAY)  # paths; None for who loads assets
        self._sites: Clients[bytes, frozenset[bytes]] = Clients(SITES, DAY)  # some of those who did
        self._shapes, self._assets = Shapes(), Assets()
        self._asks, self._is_browser = Cache(ask_of), Cache(is_browser)

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        if "referer" not in rows.columns:
            return []
        found, is_browser_, referers = [], self._is_browser, rows.columns["referer"]
        agents, statuses, types = rows.column("agent"), rows.column("status"), rows.column("content_type")
        assets, hosts, requests = self._assets(rows, self._shapes(rows)), rows.column("host"), requests_of(rows)
        for row, (key, asset, agent) in enumerate(zip(rows.keys, assets, agents, strict=True)):
            if asset:
                self._dressed(key, hosts[row], times[row])
            elif (
                is_browser_[agent]
                and referers[row] in UNTOLD
                and statuses[row] in _PAGE
                and (types[row] in UNTOLD or b"html" in types[row][:LONGEST])
                and self._is_offence(key, hosts[row], requests[row], times[row])
            ):
                found.append(row)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)

    def _dressed(self, key: bytes, host: bytes, time: float) -> None:
        """Take note of who fetched an asset."""
        self.clients.put(key, time, None)
        crowd = self._sites.get(host, time) or frozenset()
        if len(crowd) < CROWD:
            crowd |= {key}
        self._sites.put(host, time, crowd)

    def _is_offence(self, key: bytes, host: bytes, request: bytes, time: float) -> bool:
        ask = self._asks[request]
        if ask.method != b"GET" or ask.is_feed or (key in self.clients and self.clients.get(key, time) is None):
            return False
        paths = self.clients.get(key, time) or []
        path = hash((host, ask.path))
        if path in paths:
            return False
        self.clients.put(key, time, [*paths[-PATHS + 1 :], path])
        return len(self._sites.get(host, time) or ()) >= CROWD


class FakeRobot:
    """Requests of agents with the name of a robot whose networks are known, from anywhere else."""

    columns = frozenset({"agent"})

    def __init__(self, most: int) -> None:
        self.clients: Clients[bytes, None] = Clients(most, 0.0)  # nothing is remembered
        self.evicted = 0
        self._name: Cache[Cache[bool] | None] = Cache(lambda _: None)
        self._any = False

    def know(self, known: Known) -> None:
        """Heed the networks."""
        homes = {
            name.lower().encode(): Cache(_strange_to(networks.overlaps)) for name, networks in known.crawlers.items()
        }
        self._any = bool(homes)

        def name(agent: bytes) -> Cache[bool] | None:
            text = agent[:LONGEST].lower()
            return next((home for name, home in homes.items() if name in text), None)

        self._name = Cache(name)

    def find(self, rows: Rows, _times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        if not self._any or "agent" not in rows.columns:
            return []
        names, clients = self._name, rows.clients or rows.keys
        return [
            row
            for row, agent in enumerate(rows.columns["agent"])
            if (is_strange := names[agent]) is not None and is_strange[clients[row]]
        ]

    def forget(self, key: bytes) -> None:
        """Remember nothing anyway."""


def _strange_to(knows: Callable[[Subject], bool]) -> Callable[[bytes], bool]:
    return lambda key: not is_pseudonym(key) and not knows(Subject.of_key(key))
