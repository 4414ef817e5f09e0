"""Agents that lie: browsers that never load what belongs to a page, and famous robots that come from elsewhere."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject, is_pseudonym
from privet.core.arrays import np
from privet.core.cache import LONGEST, Cache
from privet.core.manners.asked import ASSET, ASSET_TYPE, BROWSER, FEED, GET, PAGE, PAGE_TYPE, Asked
from privet.core.manners.memory import Clients
from privet.core.parsing.blocks.columns import some_of
from privet.core.rows.facts import UNTOLD
from privet.core.rows.select import split_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from privet.core.manners.asked import Places, Times
    from privet.core.manners.known import Known
    from privet.core.rows.facts import Facts, Registry

DAY, HOUR = 86_400.0, 3600.0
SITES = 1024
CROWD = 5
"""Clients who fetched assets of a site, before anybody is suspected there: some sites have none."""

PATHS = 32  # of one client: what is asked for again and again is a program's work, and no other page


class FakeBrowser:
    """Pages that are fetched by somebody who calls himself a browser and has loaded no asset for a day.

    Only pages count that he did not come to by a link, each path once; and of who comes anywhere by a link, none.
    """

    columns = frozenset(
        {"host", "request", "method", "target", "path", "query", "status", "referer", "agent", "content_type"}
    )

    def __init__(self, most: int, registry: Registry) -> None:
        self.clients: Clients[bytes, list[int]] = Clients(most, DAY)  # paths
        self._asked, self._crowd = Asked(registry), registry.crowd
        self._hosts, self._requests = registry.hosts, registry.requests
        self._came = registry.referers.fact(_is_told)
        self._dressed = self._crowd.column(-inf)  # when each loaded an asset, or followed a link, last
        self._sites: Clients[bytes, tuple[float, frozenset[bytes]]] = Clients(SITES, DAY)  # some who load assets

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._dressed.take(old._dressed)
        self.clients, self._sites = old.clients, old._sites

    def find(self, facts: Facts, times: Times) -> list[int]:
        """Return the rows that are offences."""
        if "referer" not in facts.rows.columns:
            return []
        kinds, types = self._asked.kinds(facts), self._asked.types(facts)
        assets = kinds & ASSET > 0
        pages = (self._asked.statuses(facts) & PAGE > 0) & (kinds & (GET | FEED) == GET)
        if types is not None:
            assets |= types & ASSET_TYPE > 0
            pages &= types & PAGE_TYPE > 0
        dressing = assets | facts.said(self._came, "referers")
        pages &= ~dressing & (self._asked.agents(facts) & BROWSER > 0)
        naked = self._naked(facts, times, np.flatnonzero(pages), np.flatnonzero(dressing))
        news = self._news(facts, times, np.flatnonzero(assets))
        rows = np.sort(np.concatenate((naked, news))) if len(news) else naked
        if not len(rows):
            return []
        found, keys = [], some_of(facts.rows.keys, rows)
        columns = (rows, keys, facts.hosts[rows], facts.requests[rows], times[rows], assets[rows])
        for row, key, host, request, time, asset in zip(*(column.tolist() for column in columns), strict=True):
            site = self._hosts.texts[host][:LONGEST]
            if asset:
                self._note(key, site, time)
            elif self._is_offence(key, site, self._requests.texts[request][:LONGEST], time):
                found.append(row)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)
        number = self._crowd.number(key)
        if number >= 0:
            self._dressed.values[number] = -inf

    def _naked(self, facts: Facts, times: Times, pages: Places, dressing: Places) -> Places:
        """Return those of the rows for pages whose clients were not dressed within a day before; learn who is."""
        clients, dressed = facts.clients, self._dressed.values
        naked = pages[dressed[clients[pages]] < times[pages] - DAY]
        if len(naked) and len(dressing):
            # A client's rows as one range of numbers, in their order: the one before a page's is his, or somebody's.
            size = len(facts)
            mine = dressing[self._crowd.among(clients[dressing], clients[naked])]
            rows, here = np.append(np.sort(clients[mine] * size + mine), -1), clients[naked] * size + naked
            before = rows[np.searchsorted(rows[:-1], here) - 1]
            own = before // size == clients[naked]
            naked = naked[~own | (times[before % size] < times[naked] - DAY)]
        np.maximum.at(dressed, clients[dressing], times[dressing])
        return naked

    def _news(self, facts: Facts, times: Times, assets: Places) -> Places:
        """Return the rows for assets that tell something new of a site."""
        if not len(assets):
            return assets
        hosts = facts.hosts[assets]
        until = np.zeros(hosts.max() + 1)
        for site in np.bincount(hosts).nonzero()[0].tolist():
            until[site] = self._until(self._hosts.texts[site][:LONGEST])
        return assets[times[assets] > until[hosts]]

    def _until(self, host: bytes) -> float:
        """Return until when nothing new can be told of a site."""
        found = self._sites.get(host, -inf)
        return found[0] + HOUR if found is not None and len(found[1]) >= CROWD else -inf

    def _note(self, key: bytes, host: bytes, time: float) -> None:
        """Take note that a site has assets."""
        when, crowd = self._sites.get(host, time) or (-inf, frozenset[bytes]())
        if len(crowd) < CROWD:
            self._sites.put(host, time, (time, crowd | {key}))
        elif when < time - HOUR:
            self._sites.put(host, time, (time, crowd))

    def _is_offence(self, key: bytes, host: bytes, request: bytes, time: float) -> bool:
        paths = self.clients.get(key, time)
        path = hash((host, split_request(request)[1]))
        if paths is None:
            self.clients.put(key, time, [path])
        elif path in paths:
            return False
        else:
            self.clients.put(key, time, [*paths[-PATHS + 1 :], path])
        site = self._sites.get(host, time)
        return site is not None and len(site[1]) >= CROWD


def _is_told(referer: bytes) -> bool:
    """Tell whether somebody came by a link."""
    return referer not in UNTOLD


class FakeRobot:
    """Requests of agents with the name of a robot whose networks are known, from anywhere else."""

    columns = frozenset({"agent"})
    clients = ()  # nothing is remembered
    evicted = 0

    def __init__(self) -> None:
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

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._name, self._any = old._name, old._any

    def find(self, facts: Facts, _times: Times) -> list[int]:
        """Return the rows that are offences."""
        rows = facts.rows
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
