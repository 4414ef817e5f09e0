"""The night of the story, as the log of a web server: what `privet demo` runs through the engine.

Eight hours on five small wikis of one host, with visitors good and bad; two hours before the end the
administrator takes the addresses out of the log. This module only makes lines, in the format combined
with virtual host. Who did wrong is for the engine to find out.

The same seed gives the same bytes. A line bears the time when its request began and is written when
that ends, so lines are a few seconds out of order, as any server writes them. All addresses are from
documentation ranges and 10.0.0.0/8, each client has its own, and an IPv6 client its own /64, in which
it may take a new address at any time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from random import Random
from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple
from zlib import crc32

import msgspec

START = 1_561_579_200.0  # 26 June 2019, 20:00 UTC
MINUTE, HOUR = 60.0, 3600.0
HOURS = 8.0
SWARM_AT, SWARM_LASTS = 4.5 * HOUR, 10 * MINUTE
REMOVED_AT = 6.0 * HOUR

SITES = ("wiki.example.org", "travel.example.org", "games.example.net", "emacs.example.com", "diary.example.net")
_POPULARITY = (8, 3, 5, 2, 2)
_WORDS = (
    *("HomePage", "About", "SiteMap", "Traveller", "Gopher", "Garden", "Privacy"),
    *("Emacs", "Perl", "Dungeon", "Sandbox", "Hexes", "Recipes", "Trains"),
)
_PAGES = (*_WORDS, *(f"2019-06-{day:02}_{word}" for day in range(1, 27) for word in _WORDS[day % 7 :: 7]))
_ASSETS = ("/css/wiki.css", "/pics/logo.png", "/favicon.ico")
_PROBES = (
    *("/.env", "/.git/config", "/.git/HEAD", "/index.php", "/wp-login.php", "/xmlrpc.php", "/admin/.env"),
    *("/phpmyadmin/index.php", "/api/.env", "/setup.php", "/old/.git/config", "/wp-admin/install.php"),
)
_CHROME = "Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/75.0.3770.100 %sSafari/537.36"
_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:67.0) Gecko/20100101 Firefox/67.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:67.0) Gecko/20100101 Firefox/67.0",
    _CHROME % ("Windows NT 10.0; Win64; x64", ""),
    _CHROME % ("Macintosh; Intel Mac OS X 10_14_5", ""),
    _CHROME % ("Linux; Android 9", "Mobile "),
)


class Hit(NamedTuple):
    """One request: when it began, how many seconds it took, who asked which site for what."""

    start: float
    took: float
    client: str
    site: str
    request: str
    status: int
    size: int
    agent: str
    referer: str


class Stage(NamedTuple):
    """The moments that all actors know."""

    start: float
    end: float
    swarm_at: float
    swarm_until: float


Play = Callable[[Stage, Sequence[bytes], Random], Iterator[Hit]]


class Actor(msgspec.Struct, frozen=True):
    """A part in the story: its name, what it does, the play, how many clients play it.

    `wide` is the share of them that use IPv6.
    """

    name: str
    story: str
    play: Play
    clients: int = 1
    wide: float = 0.0


class Night:
    """One night. `clients` says which client keys (`privet.core.addresses.address`) play which actor."""

    def __init__(self, seed: int, start: float = START) -> None:
        self.seed = seed
        self.start, self.end = start, start + HOURS * HOUR
        self.swarm_at, self.removed_at = start + SWARM_AT, start + REMOVED_AT
        self.clients = _cast_clients(self._random("clients"))

    def lines(self) -> Iterator[tuple[float, bytes]]:
        """Yield (time of writing, line with its newline) in the order of writing."""
        stage = Stage(self.start, self.end, self.swarm_at, self.swarm_at + SWARM_LASTS)
        plays = (actor.play(stage, self.clients[actor.name], self._random(actor.name)) for actor in CAST)
        hits = ((hit.start + hit.took, hit) for play in plays for hit in play if hit.start < self.end)
        for written, hit in sorted(hits, key=itemgetter(0)):
            yield written, _line(hit, hit.client if written < self.removed_at else "-")

    def blocks(self, seconds: float = 10.0) -> Iterator[tuple[float, bytes]]:
        """Yield (time, all lines written in the `seconds` before it), leaving out times without lines."""
        for number, lines in groupby(self.lines(), key=lambda line: (line[0] - self.start) // seconds):
            yield self.start + (number + 1) * seconds, b"".join(map(itemgetter(1), lines))

    def _random(self, part: str) -> Random:
        # One generator per part: to change what one actor does leaves the others as they were.
        return Random(f"{self.seed} {part}")  # noqa: S311  a story holds no secret


class _Guest:
    """Somebody at an address, with a browser: makes hits whose size and duration fit what is asked."""

    def __init__(self, client: bytes, agent: str, rng: Random) -> None:
        self._address, self._agent, self._rng = _address(client, rng), agent, rng

    def ask(self, at: float, site: str, request: str, status: int = 200, referer: str = "-") -> Hit:
        bare = status != 200 or request.startswith("HEAD")
        size = 260 + len(request) if bare else 2_000 + crc32(f"{site}{request}".encode()) % 30_000
        # Most pages take a tenth of a second and some take seconds; all changes of all pages always do.
        took = self._rng.uniform(1, 9) if "all=1" in request else min(self._rng.lognormvariate(-2, 1), 8.0)
        return Hit(at, took, self._address, site, request, status, size, self._agent, referer)


def _readers(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    for client in clients:
        agent = rng.choice(_BROWSERS)
        seen: set[str] = set()
        free = stage.start
        for at in sorted(_evening(stage, rng) for _ in range(rng.choice((1, 1, 2, 3)))):
            for hit in _visit(max(at, free), client, agent, seen, rng):
                free = hit.start + HOUR / 2
                yield hit


def _evening(stage: Stage, rng: Random) -> float:
    """Draw a time: most people read in the evening, few at the end of the night."""
    while True:
        part = rng.random()
        if rng.random() < (1 - part) ** 2 + 0.15:
            return stage.start + part * (stage.end - stage.start)


def _visit(at: float, client: bytes, agent: str, seen: set[str], rng: Random) -> Iterator[Hit]:
    """Read a few pages with time to think: never more than eleven within a minute, with few assets."""
    guest, site = _Guest(client, agent, rng), rng.choices(SITES, _POPULARITY)[0]
    referer = rng.choice(("-", "-", "https://search.example.com/"))
    for _ in range(min(1 + int(rng.expovariate(0.3)), 20)):
        path = _reading(rng)
        url = f"https://{site}{path}"
        yield guest.ask(at, site, f"GET {path}", 404 if ".php" in path else 200, referer)
        if site not in seen:
            seen.add(site)
            for asset in _ASSETS:
                yield guest.ask(at + rng.uniform(0.2, 0.9), site, f"GET {asset}", referer=url)
        elif rng.random() < 0.2:
            yield guest.ask(at + rng.uniform(0.2, 0.9), site, f"GET /pics/{rng.randrange(90)}.jpg", referer=url)
        at += max(6.0, min(rng.lognormvariate(3.3, 0.9), 10 * MINUTE))
        referer = url
    if rng.random() < 0.02:  # a comment, as people write them: the form, some time, one POST, the page again
        path = _comments(rng)
        url = f"https://{site}{path}"
        yield guest.ask(at, site, f"GET {path}", referer=referer)
        at += rng.uniform(30, 240)
        yield guest.ask(at, site, f"POST {path}", 302, url)
        yield guest.ask(at + 0.5, site, f"GET {path}", referer=url)


def _reading(rng: Random) -> str:
    """Choose what a reader asks for; one in a hundred follows a link to the software of years ago."""
    page = _PAGES[int(len(_PAGES) * rng.random() ** 2)]
    pick = rng.random()
    if pick < 0.86:
        return f"/wiki/{page}"
    if pick < 0.93:
        return "/wiki?action=rc;days=7"
    if pick < 0.96:
        return f"/wiki?search={page.rpartition('_')[2]}"
    return f"/wiki?action=history;id={page}" if pick < 0.99 else f"/wiki.php/{page}"


def _leech(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    """Fetch every revision of every page: 31 to 55 a minute, just slow enough for the wiki's own limit."""
    (client,) = clients
    guest, at, number = _Guest(client, _BROWSERS[2], rng), stage.start + 0.6 * HOUR, 0
    while at < stage.end:
        page, revision = _PAGES[number % len(_PAGES)], 1 + number // len(_PAGES)
        yield guest.ask(at, SITES[0], f"GET /wiki?action=browse;id={page};revision={revision}")
        number += 1
        at += rng.uniform(1.1, 1.9)


def _fetcher(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    """Look at all feeds every ten minutes, and at each new item thrice: HEAD, HEAD, GET."""
    (client,) = clients
    guest = _Guest(client, "FeedCollector/0.4 (+https://feeds.example/)", rng)
    views: deque[float] = deque(maxlen=20)

    def ask(at: float, site: str, request: str) -> Hit:
        # The wiki's own protection: the 21st view within 20 seconds is refused.
        refused = len(views) == 20 and at - views[0] < 20
        if not refused:
            views.append(at)
        return guest.ask(at, site, request, 503 if refused else 200)

    at = stage.start + rng.uniform(0, 10 * MINUTE)
    while at < stage.end:
        again = at + 10 * MINUTE
        for site in SITES:
            yield ask(at, site, "GET /wiki?action=rss")
            at += rng.uniform(0.2, 0.6)
        for _ in range(rng.randint(9, 20) if rng.random() < 0.3 else rng.randint(0, 3)):
            site, path = rng.choice(SITES), f"/wiki/{rng.choice(_PAGES)}"
            for _ in range(3):  # met by a 503 it tries again, no slower than before
                trio = [ask(at + wait, site, f"{method} {path}") for wait, method in _thrice(rng)]
                yield from trio
                at = trio[-1].start + rng.uniform(0.2, 0.6)
                if trio[-1].status == 200:
                    break
        at = again


def _thrice(rng: Random) -> tuple[tuple[float, str], ...]:
    return (0.0, "HEAD"), (rng.uniform(0.2, 0.4), "HEAD"), (rng.uniform(0.5, 0.9), "GET")


def _spammer(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    """Post comments with links, never having looked at a page, from ever new addresses of one /64."""
    (client,) = clients
    at = stage.start + 0.9 * HOUR
    while at < stage.end:
        agent = rng.choice(_BROWSERS)
        for _ in range(rng.randint(7, 15)):
            link = f"http://casino-{rng.randrange(100)}.example/bonus"
            request, status = f"POST {_comments(rng)}?homepage={link}", rng.choice((302, 302, 403))
            yield _Guest(client, agent, rng).ask(at, rng.choice(SITES), request, status, link)
            at += rng.uniform(4, 12)
        at += rng.uniform(20, 45) * MINUTE


def _scanner(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    """Three times, ask all sites for secrets and for software that is not there."""
    (client,) = clients
    guest = _Guest(client, "Mozilla/5.0", rng)
    for hours in (1.2, 4.9, 7.0):
        at = stage.start + hours * HOUR
        for site in SITES:
            for path in rng.sample(_PROBES, len(_PROBES)):
                yield guest.ask(at, site, f"GET {path}", 404)
                at += rng.uniform(2.5, 6)


def _bot(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    """Index the wikis as one should: robots.txt, a delay, only what has changed, a rest after a 503."""
    (client,) = clients
    guest = _Guest(client, "Mozilla/5.0 (compatible; ExampleBot/1.3; +https://bot.example/about)", rng)
    at, due = stage.start + 1, [(site, "/robots.txt") for site in SITES]
    while at < stage.end:
        site, path = due.pop() if due else (rng.choice(SITES), f"/wiki/{rng.choice(_PAGES)}")
        busy = stage.swarm_at <= at < stage.swarm_until
        yield guest.ask(at, site, f"GET {path}", 503 if busy else rng.choice((200, 304, 304)))
        at += 5 * MINUTE if busy else rng.uniform(10, 16)


def _swarm(stage: Stage, clients: Sequence[bytes], rng: Random) -> Iterator[Hit]:
    """From each address one request for the most expensive page, all within ten minutes."""
    for client in clients:
        guest, at = _Guest(client, rng.choice(_BROWSERS), rng), rng.uniform(stage.swarm_at, stage.swarm_until)
        yield guest.ask(at, SITES[0], "GET /wiki?action=rc;all=1;showedit=1;days=90", rng.choice((200, 200, 503)))


CAST = (
    Actor("readers", "read a few pages, think, and go", _readers, clients=3600, wide=0.3),
    Actor("leech", "fetches every revision of every page, one every second or two", _leech),
    Actor("fetcher", "asks HEAD, HEAD, GET for each new item of a feed, and a 503 does not slow it down", _fetcher),
    Actor("spammer", "posts comments full of links without ever reading a page", _spammer, wide=1.0),
    Actor("scanner", "looks for passwords and for holes in software that is not there", _scanner),
    Actor("bot", "indexes the wikis for a search engine, and behaves", _bot),
    Actor("swarm", "asks for one expensive page, each address only once", _swarm, clients=600, wide=0.3),
)
"""Everybody who plays in the night."""


def _cast_clients(rng: Random) -> dict[str, tuple[bytes, ...]]:
    """Give every client of the cast its key: the crowds from large ranges, the others from small ones."""
    rare = [bytes((*net, host)) for net in ((192, 0, 2), (198, 51, 100), (203, 0, 113)) for host in range(1, 255)]
    total = sum(actor.clients for actor in CAST)
    plain = iter([bytes((10, *number.to_bytes(3))) for number in rng.sample(range(1, 1 << 24), total)])
    wide = iter([bytes.fromhex("20010db8") + number.to_bytes(4) for number in rng.sample(range(1 << 32), total)])
    lone = iter(rng.sample(rare, len(CAST)))

    def key(actor: Actor) -> bytes:
        if rng.random() < actor.wide:
            return next(wide)
        return next(lone if actor.clients == 1 else plain)

    return {actor.name: tuple(key(actor) for _ in range(actor.clients)) for actor in CAST}


def _address(client: bytes, rng: Random) -> str:
    """Return an address of the client as text, for IPv6 a random one of its /64."""
    return inet_ntop(AF_INET, client) if len(client) == 4 else inet_ntop(AF_INET6, client + rng.randbytes(8))


def _comments(rng: Random) -> str:
    return f"/wiki/Comments_on_{rng.choice(_PAGES)}"


def _line(hit: Hit, client: str) -> bytes:
    stamp = _stamp(int(hit.start))
    return (
        f'{hit.site}:443 {client} - - [{stamp}] "{hit.request} HTTP/1.1" {hit.status} {hit.size}'
        f' "{hit.referer}" "{hit.agent}"\n'
    ).encode("ascii")


@lru_cache(maxsize=64)
def _stamp(second: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
