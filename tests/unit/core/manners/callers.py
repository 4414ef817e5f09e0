"""Made-up programs with bad manners, and others with good ones, as log lines with the type of the response."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_795_305_600.0
FORMAT = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{Content-Type}o"'
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HTML, ATOM = "text/html; charset=utf-8", "application/atom+xml"

Entry = tuple[float, bytes]


def entry(  # noqa: PLR0913, PLR0917  a line has so many fields
    time: float,
    client: str,
    request: str,
    status: int = 200,
    size: int | str = 512,
    referer: str = "-",
    agent: str = "curl/8",
    kind: str = "-",
) -> Entry:
    """Return a line of `FORMAT`, and when it was written."""
    stamp = datetime.fromtimestamp(int(time), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return time, (
        f'{client} - - [{stamp}] "{request} HTTP/1.1" {status} {size} "{referer}" "{agent}" "{kind}"\n'.encode()
    )


def fetcher(client: str, begin: float = START) -> Iterator[Entry]:
    """Yield the seed of all this: two HEAD and a GET for each new page, and no slower after a 503."""
    agent, time = "Friendica 'Giant Rhubarb'; https://social.example", begin
    for number in range(24):
        status = 503 if 10 <= number < 20 else 200
        for method in ("HEAD", "HEAD", "GET"):
            yield entry(time, client, f"{method} /wiki/Page{number}", status, agent=agent, kind=HTML)
            time += 4


def crawler(client: str, begin: float = START, pause: float = 2) -> Iterator[Entry]:
    """Yield a robot that reads robots.txt and does not heed it."""
    yield entry(begin, client, "GET /robots.txt", agent="Nosy/1.0", kind="text/plain")
    for number in range(30):
        path = f"/private/{number}" if number % 3 == 0 else f"/wiki/Page{number}"
        yield entry(begin + 5 + number * pause, client, f"GET {path}", agent="Nosy/1.0", kind=HTML)


def poller(client: str, begin: float = START, every: float = 60, count: int = 40) -> Iterator[Entry]:
    """Yield a reader that fetches all of a feed each minute."""
    for number in range(count):
        yield entry(begin + number * every, client, "GET /feed/", size=9000, agent="Poller/0.1", kind=ATOM)


def reader(client: str, begin: float = START, every: float = 3600, count: int = 24) -> Iterator[Entry]:
    """Yield a reader with manners: once an hour, and only if something has changed."""
    for number in range(count):
        fresh = number % 12 == 0
        yield entry(
            begin + number * every,
            client,
            "GET /feed/",
            200 if fresh else 304,
            9000 if fresh else "-",
            agent="NewsReader/2.1 (+https://reader.example; 3 subscribers)",
            kind=ATOM if fresh else "-",
        )


def pretender(client: str, begin: float = START) -> Iterator[Entry]:
    """Yield a browser that is none."""
    for number in range(40):
        yield entry(begin + 7 * number, client, f"GET /wiki/Page{number}", agent=FIREFOX, kind=HTML)


def impostor(client: str, begin: float = START) -> Iterator[Entry]:
    """Yield Googlebot, from anywhere."""
    for number in range(12):
        agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
        yield entry(begin + 30 * number, client, f"GET /wiki/Page{number}", agent=agent, kind=HTML)


def browser(client: str, begin: float = START, pages: int = 12) -> Iterator[Entry]:
    """Yield somebody who reads: assets with the first page, pictures with each, once a reload after a 503."""
    time = begin
    for number in range(pages):
        page, before = f"/wiki/Page{number}", f"https://wiki.example/wiki/Page{number - 1}" if number else "-"
        if number == 3:
            for wait in (0, 3, 9):
                yield entry(time + wait, client, f"GET {page}", 503, referer=before, agent=FIREFOX, kind=HTML)
            time += 20
        yield entry(time, client, f"GET {page}", referer=before, agent=FIREFOX, kind=HTML)
        assets = [("/style.css", "text/css"), ("/app.js", "text/javascript")] if number == 0 else []
        for path, kind in [*assets, (f"/image/{number}", "image/png")]:
            yield entry(
                time + 1, client, f"GET {path}", referer=f"https://wiki.example{page}", agent=FIREFOX, kind=kind
            )
        time += 25


def cloud(client: str, begin: float = START) -> Iterator[Entry]:
    """Yield what ordinary use of Nextcloud and other DAV clients is: every 30 seconds, all day, many at once."""
    sync, calendar = "Mozilla/5.0 (Linux) mirall/3.13.0 (Nextcloud)", "DAVx5/4.4.1 (2024/07/01; dav4jvm; okhttp/4.12.0)"
    for number in range(240):
        time = begin + 30 * number
        yield entry(time, client, "PROPFIND /remote.php/dav/files/alex/", 207, agent=sync, kind="application/xml")
        yield entry(
            time + 1,
            client,
            "GET /ocs/v2.php/apps/notifications/api/v2/notifications?format=json",
            agent=sync if number % 2 else FIREFOX,
            kind="application/json",
        )
        if number % 30 == 0:
            for one in range(40):
                yield entry(time + 2, client, f"HEAD /remote.php/dav/files/alex/{one}.jpg", agent=sync)
                yield entry(
                    time + 2, client, f"GET /remote.php/dav/files/alex/{one}.jpg", agent=sync, kind="image/jpeg"
                )
            yield entry(time + 3, client, "REPORT /remote.php/dav/calendars/alex/home/", 207, agent=calendar)


def blocks(entries: list[Entry], size: int = 500) -> Iterator[bytes]:
    """Yield entries in the order of their times, as blocks of lines."""
    lines = [line for _, line in sorted(entries)]
    for start in range(0, len(lines), size):
        yield b"".join(lines[start : start + size])
