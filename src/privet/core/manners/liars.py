"""Agents that lie: browsers that never load what belongs to a page, and famous robots that come from elsewhere."""

from __future__ import annotations

from itertools import islice
from math import inf
from operator import or_
from typing import TYPE_CHECKING

from privet.core.address import Subject, is_pseudonym
from privet.core.assets import is_asset_type
from privet.core.cache import LONGEST, Cache
from privet.core.manners.asked import UNTOLD, asked_in
from privet.core.manners.memory import Clients

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.core.manners.asked import Ask
    from privet.core.manners.known import Known
    from privet.core.parse import Rows

DAY, HOUR = 86_400.0, 3600.0
SITES = 1024
CROWD = 5
"""Clients who fetched assets of a site, before anybody is suspected there: some sites have none."""

PATHS = 32  # of one client: what is asked for again and again is a program's work, and no other page
_PAGE = frozenset((b"200", b"203", b"206", b"304"))


class FakeBrowser:
    """Pages that are fetched by somebody who calls himself a browser and has loaded no asset for a day.

    Only pages count that he did not come to by a link, each path once; and of who comes anywhere by a link, none.
    """

    columns = frozenset(
        {"host", "request", "method", "target", "path", "query", "status", "referer", "agent", "content_type"}
    )

    def __init__(self, most: int) -> None:
        self.clients: Clients[bytes, list[int]] = Clients(most, DAY)  # paths
        self._dressed: dict[bytes, float] = {}  # who loads assets, or follows links, by when he did last
        self._evicted, self._most = 0, most
        self._sites: Clients[bytes, frozenset[bytes]] = Clients(SITES, DAY)  # some of those who load assets
        self._is_asset_type = Cache(is_asset_type)

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted + self._evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        if "referer" not in rows.columns:
            return []
        found, asked, statuses, types = [], asked_in(rows), rows.column("status"), rows.columns.get("content_type")
        hosts, assets = asked.hosts, asked.assets
        if types is not None:
            assets = list(map(or_, assets, map(self._is_asset_type.__getitem__, types)))
        untold = map(UNTOLD.__contains__, rows.columns["referer"])
        dressed, most, calm, until = self._dressed, self._most, b"", -inf
        columns = zip(rows.keys, times, assets, untold, asked.browsers, strict=True)
        for row, (key, time, asset, came_alone, browser) in enumerate(columns):
            if asset or not came_alone:
                dressed[key] = time
                if len(dressed) > most:
                    dressed = self._forget_dressed(time)
                if asset and (time > until or hosts[row] != calm):
                    calm, until = hosts[row], self._note(key, hosts[row], time)
            elif (
                browser
                and dressed.get(key, -inf) < time - DAY
                and statuses[row] in _PAGE
                and (types is None or types[row] in UNTOLD or b"html" in types[row][:LONGEST])
                and self._is_offence(key, hosts[row], asked.asks[row], time)
            ):
                found.append(row)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)
        self._dressed.pop(key, None)

    def _forget_dressed(self, time: float) -> dict[bytes, float]:
        """Make room for more who load assets, and return them."""
        young = {one: at for one, at in self._dressed.items() if at >= time - DAY}
        kept = dict(islice(young.items(), len(young) // 8, None)) if len(young) > self._most // 2 else young
        self._evicted += len(young) - len(kept)
        self._dressed = kept
        return kept

    def _note(self, key: bytes, host: bytes, time: float) -> float:
        """Take note that a site has assets; return until when that need not be done again."""
        crowd = self._sites.get(host, time) or frozenset()
        if len(crowd) < CROWD:
            crowd |= {key}
            self._sites.put(host, time, crowd)
        elif not self._sites.since(host, time - HOUR):
            self._sites.put(host, time, crowd)
        return time if len(crowd) >= CROWD else -inf

    def _is_offence(self, key: bytes, host: bytes, ask: Ask, time: float) -> bool:
        if ask.method != b"GET" or ask.is_feed:
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
