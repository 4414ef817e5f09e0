"""A day of ordinary clients before all jails that come with Privet: nobody is banned.

Each client is what its logs show: sync clients with their 401 before each 207, apps that ask for hundreds of thumbnails
at once, feed readers, people in a gallery or behind one address.
"""

from __future__ import annotations

import random
from math import inf
from typing import TYPE_CHECKING

import pytest

from privet.config.builtin import builtins
from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch
from privet.core.parsing.times import write_clf
from privet.core.verdicts import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY, START = 86_400.0, 1_767_571_200.0
CONFIG = '[source.web]\npath = "/x"\n[builtin.web]\nsource = "web"\n[builtin.bans]\n'
CONFIG += '[builtin.manners]\nsource = "web"\n[builtin.swarms]\nsource = "web"\n'
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
MASTODON = "Mastodon/4.4.3 (http.rb/5.3.1; +https://social.example/)"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"

Hit = tuple[float, str, int, str, str]
"""Seconds since midnight, method and target, status, referer, agent."""


def nextcloud_desktop(rng: random.Random) -> Iterator[Hit]:
    agent, dav = "Mozilla/5.0 (Linux) mirall/3.16.7 (Nextcloud, debian-6.12)", "/remote.php/dav/files/alex/"
    for poll in range(0, int(DAY), 30):
        yield poll, f"PROPFIND {dav}", 207, "-", agent
        if poll % 3600 == 0:  # a sync after the token has run out
            for n in range(40):
                yield poll + 1, f"PROPFIND {dav}Photos/{n}/", 401, "-", agent
                yield poll + 1, f"PROPFIND {dav}Photos/{n}/", 207, "-", agent
            for n in range(300):
                yield poll + 2 + n // 20, f"PUT {dav}Photos/IMG_{poll}_{n}.jpg", 201, "-", agent
            for _ in range(30):
                yield poll + 20, f"GET {dav}Documents/Report%20{rng.randrange(99)}.odt", 200, "-", agent
        yield poll, "GET /ocs/v2.php/apps/notifications/api/v2/notifications?format=json", 200, "-", agent


def nextcloud_web(rng: random.Random) -> Iterator[Hit]:
    for hour in range(9, 18):
        at = hour * 3600 + rng.randrange(600)
        yield at, "GET /index.php/apps/photos/", 200, "-", FIREFOX
        for n in range(250):  # it sends no referer at all
            status = 404 if n % 3 == 0 else 200
            target = f"/index.php/core/preview?fileId={hour * 1000 + n}&x=256&y=256&a=true"
            yield at + 1 + n // 50, f"GET {target}", status, "-", FIREFOX
            yield at + 1, f"GET /index.php/avatar/user{n % 20}/64", 404 if n % 2 else 201, "-", FIREFOX
        for n in range(60):
            yield at + 30 + n, f"POST /index.php/apps/text/session/{n % 3}/push", 200, "-", FIREFOX
        for n in range(6):
            yield at + 200 + n, "POST /index.php/login", 303 if n == 5 else 401, "-", FIREFOX


def immich(rng: random.Random) -> Iterator[Hit]:
    agent = "Immich_Android_1.135.3"
    for start in range(7 * 3600, 22 * 3600, 5400):
        for n in range(400):
            asset = f"{rng.getrandbits(64):016x}"
            status = 404 if n % 10 == 0 else 200
            yield start + n // 80, f"GET /api/assets/{asset}/thumbnail?size=preview&c=x", status, "-", agent
        for n in range(30):
            yield start + 10 + n, "POST /api/sync/full-sync", 401 if n < 15 else 200, "-", agent
        for n in range(100):
            yield start + 60 + n, "POST /api/assets", 201, "-", agent


def jellyfin(rng: random.Random) -> Iterator[Hit]:
    agent = "Jellyfin-Android/2.6.2"
    for evening in range(19 * 3600, 23 * 3600, 1800):
        for n in range(200):
            item = f"{rng.getrandbits(64):016x}"
            yield (
                evening + n // 100,
                f"GET /Items/{item}/Images/Primary?maxWidth=300",
                404 if n % 7 == 0 else 200,
                "-",
                agent,
            )
        for n in range(180):
            yield evening + 10 * n, f"POST /Sessions/Playing/Progress?n={n}", 204, "-", agent
            yield evening + 10 * n, f"GET /Videos/1/hls1/main/{n}.ts", 200, "-", agent


def calendars(_rng: random.Random) -> Iterator[Hit]:
    agent = "DAVx5/4.4.10-ose (dav4jvm; okhttp/4.12.0) Android/15"
    for sync in range(0, int(DAY), 900):
        yield sync, "PROPFIND /.well-known/caldav", 301, "-", agent
        for n in range(12):
            yield sync + 1, f"PROPFIND /remote.php/dav/calendars/alex/c{n}/", 401, "-", agent
            yield sync + 1, f"REPORT /remote.php/dav/calendars/alex/c{n}/", 207, "-", agent
            yield sync + 2, f"GET /remote.php/dav/calendars/alex/c{n}/gone.ics", 404, "-", agent


def feeds(_rng: random.Random) -> Iterator[Hit]:
    agent = "Tiny Tiny RSS/24.1 (Unknown) (https://tt-rss.org/)"
    for poll in range(0, int(DAY), 1800):
        for n in range(40):
            yield poll + n // 10, f"GET /blog/{n}/feed/", 304 if n % 4 else 200, "-", agent
        yield poll + 5, "GET /favicon.ico", 404, "-", agent


def gallery(_rng: random.Random) -> Iterator[Hit]:
    for album in range(30):
        at = 20 * 3600 + 90.0 * album
        page = f"https://www.example.org/album/{album}"
        yield at, f"GET /album/{album}", 200, "https://www.example.org/", FIREFOX
        for n in range(150):
            yield at + 1 + n // 60, f"GET /photo/{album}-{n}", 200, page, FIREFOX
            yield at + 1 + n // 60, f"GET /thumbs/{album}-{n}", 200, "-", FIREFOX  # as `no-referrer` has it


def reader(_rng: random.Random) -> Iterator[Hit]:
    """Read, search for words of SQL, comment, follow old bookmarks, mistype a password."""
    at, site = 10 * 3600.0, "https://www.example.org"
    for n in range(40):
        yield at + 60 * n, f"GET /wiki/Page{n}", 200, f"{site}/wiki/Page{n - 1}", FIREFOX
        yield at + 60 * n + 1, "GET /style.css?20260105", 200, f"{site}/wiki/Page{n}", FIREFOX
        if n % 10 == 5:
            yield at + 60 * n + 20, "GET /search?q=select+a+union+or+join+where+1=1", 200, "-", FIREFOX
            yield at + 60 * n + 40, "POST /comments", 302, f"{site}/wiki/Page{n}", FIREFOX
            yield at + 60 * n + 41, f"GET /old/{n}.html", 404, "-", FIREFOX
            yield at + 60 * n + 42, "POST /login", 403, f"{site}/login", FIREFOX


def household(rng: random.Random) -> Iterator[Hit]:
    """Six people behind one address."""
    agents = [FIREFOX, PHONE, "curl/8.14.1", *(f"Mozilla/5.0 (Linux; Android {n}) Mobile" for n in range(12, 16))]
    for n in range(4000):
        at = 8 * 3600 + n * 12.0
        yield at, f"GET /wiki/Page{rng.randrange(300)}", rng.choice((200, 200, 200, 304)), "-", agents[n % len(agents)]


def monitor(_rng: random.Random) -> Iterator[Hit]:
    for minute in range(0, int(DAY), 60):
        yield minute, "HEAD /", 200, "-", "Uptime-Kuma/1.23.16"
        yield minute, f"GET /status?{1_767_571_200 + minute}", 200, "-", "Uptime-Kuma/1.23.16"


def git(rng: random.Random) -> Iterator[Hit]:
    """Clone without git's own service on the server: most objects are in packs, and asked for in vain."""
    for clone in range(4):
        at, repo = 3600.0 * (8 + clone), f"/git/repo{clone}.git"
        for path in ("info/refs?service=git-upload-pack", "HEAD", "objects/info/packs"):
            yield at, f"GET {repo}/{path}", 200, "-", "git/2.47.3"
        for n in range(250):
            name = f"{rng.getrandbits(160):040x}"
            status = 404 if n % 10 else 200
            yield at + n // 40, f"GET {repo}/objects/{name[:2]}/{name[2:]}", status, "-", "git/2.47.3"
        for _ in range(3):
            yield at + 8, f"GET {repo}/objects/pack/pack-{rng.getrandbits(160):040x}.idx", 200, "-", "git/2.47.3"
        for path in ("objects/info/http-alternates", "objects/info/alternates"):
            yield at + 8, f"GET {repo}/{path}", 404, "-", "git/2.47.3"


def fediverse(_rng: random.Random) -> Iterator[Hit]:
    """Fetch what a post that goes round links to, 150 statuses within 45 seconds."""
    for n in range(150):
        yield 43_200 + 0.3 * n, f"GET /users/alex/statuses/{n}", 200, "-", MASTODON


CLIENTS: list[Callable[[random.Random], Iterator[Hit]]] = [
    *(nextcloud_desktop, nextcloud_web, immich, jellyfin, calendars, feeds, gallery, reader, household, monitor, git)
]


def line(client: str, hit: Hit) -> bytes:
    seconds, request, status, referer, agent = hit
    stamp = write_clf(START + seconds).decode()
    return f'{client} - - [{stamp}] "{request} HTTP/1.1" {status} 512 "{referer}" "{agent}"\n'.encode()


def verdicts(hits: list[Hit]) -> set[tuple[str, Action]]:
    """Return which jails do what to a client who does this."""
    engine, lines = engine_for(parse(CONFIG, "p.toml")), [line("192.0.2.7", hit) for hit in sorted(hits)]
    blocks = [b"".join(lines[place : place + 2000]) for place in range(0, len(lines), 2000)]
    return {(verdict.jail, verdict.action) for block in blocks for verdict in engine.feed(Batch("web", block), inf)}


@pytest.mark.parametrize("who", CLIENTS)
def test_ordinary_clients_are_left_alone(who: Callable[[random.Random], Iterator[Hit]]) -> None:
    hits = list(who(random.Random(7)))

    assert len(hits) >= 50
    assert verdicts(hits) == set()


def test_a_server_of_the_fediverse_is_told_first_and_banned_only_if_it_goes_on() -> None:
    once = list(fediverse(random.Random(7)))
    on = [(one[0] + 660.0 * again, f"{one[1]}{again}", *one[2:]) for again in range(8) for one in once]

    assert verdicts(once) == {("web-federation", Action.SLOW)}
    assert verdicts(on) == {("web-federation", Action.SLOW), ("web-federation", Action.BAN)}


def test_ill_mannered_fetchers_are_told_first() -> None:
    agent = "Friendica 'Giant Rhubarb'; https://social.example"
    heads = [
        (3600.0 + 60 * n + at, f"{method} /post/{n}", 200, "-", agent)
        for n in range(30)
        for at, method in ((0, "HEAD"), (1, "HEAD"), (2, "GET"))
    ]
    often = [(60.0 * n, "GET /feed/", 200, "-", "Reader/1.0") for n in range(30)]
    whole = [(1800.0 * n, "GET /feed/", 200, "-", "Reader/1.0") for n in range(47)]
    willing = [(1.0, "GET /feed/", 304, "-", "Polite/1.0")]

    assert verdicts(heads) == {("manners-heads", Action.SLOW)}
    assert verdicts(often) == {("manners-feeds", Action.SLOW)}
    assert verdicts([*willing, *whole]) == {("manners-whole-feeds", Action.SLOW)}


def test_the_same_jails_see_a_scanner_among_them() -> None:
    scan = [(3600.0 + n, f"GET /try{n}.php", 404, "-", FIREFOX) for n in range(30)]

    assert verdicts([*reader(random.Random(7)), *scan]) == {("web-probing", Action.BAN)}


def test_all_jails_are_there() -> None:
    wanted = {name for name, one in builtins().items() if one.group in ("web", "bans", "manners", "swarms")}
    wanted -= {"manners-robots", "manners-crawl-delay", "manners-fake-robot"}  # which need files

    assert set(parse(CONFIG, "p.toml").jails) == wanted
