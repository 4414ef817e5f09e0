"""Write synthetic logs for benchmarks and tests: the same seed gives the same bytes.

    python -m bench.generate access -n 1000000 --bad 0.02 > access.log   # Apache "combined"
    python -m bench.generate auth -n 1000000 --bad 0.10 > auth.log       # sshd through rsyslog
    python -m bench.generate offenders -n 10000 > burst.log              # access lines, one failure per client

Clients follow a Zipf law (few are busy, most are seldom seen), a quarter of them has an IPv6 address,
each in a /64 of its own. All addresses are from 2001:db8::/32 and 10.0.0.0/8. `--truth FILE` writes
hits and failures of each client as JSON, to check what a detector says. In access lines a failure has
one of `BAD_AGENTS`, or asks for one of `BAD_PAGES` and gets 404; those of `offenders` all do the latter.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from bisect import bisect_left
from ipaddress import IPv6Address
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.5 Safari/605.1.15"
    ),
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; ExampleBot/1.3; +https://bot.example/about)",
    "curl/8.5.0",
)
BAD_AGENTS = ("EmailCollector", "WebEMailExtrac", "Mozilla/4.0 (compatible; Advanced Email Extractor v2.xx)")
PAGES = (
    *("/wiki/%s", "/wiki?action=history;id=%s", "/wiki?action=rc;days=%s", "/pics/%s.jpg", "/feed/full.rss?q=%s"),
    *("/view/%s", "/edit/%s", "/css/%s.css"),
)
BAD_PAGES = ("/cgi-bin/%s.pl", "/admin/%s.php", "/scripts/%s.asp", "/phpmyadmin/%s.exe")
WORDS = (
    *("HomePage", "Main", "2019-06-26_Privacy", "RecentChanges", "Gopher", "Traveller", "About", "Emacs"),
    *("Perl", "Privacy", "SiteMap", "Sandbox", "Comments_on_Main", "Old_School", "Hex_Describe", "Text_Mapper"),
)
USERS = ("root", "admin", "test", "oracle", "git", "postgres", "ubuntu", "pi", "deploy", "user")
REFERERS = ("-", "-", "-", "https://wiki.example.org/", "https://search.example.com/?q=wiki")
ZIPF = 1.05
WIDE = 0.25
"""The share of clients with an IPv6 address."""


class Wish(NamedTuple):
    """What one line is to tell: which client, from where, when, and whether it is a failure."""

    number: int
    who: int
    address: str
    stamp: str
    bad: bool


def client(number: int, seed: int) -> str:
    """Return the address of a client: different numbers below 2**24 give different clients."""
    place = (number * 2654435761 + seed * 97) & 0xFFFFFF  # an odd factor: a permutation of 24 bits
    if (number * 0x9E3779B1 & 0xFFFF) / 0x10000 < WIDE:
        host = ((number * 2654435761) & 0xFFFF) + 1
        return str(IPv6Address((0x20010DB8 << 96) | (place << 64) | host))
    return f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}"


def zipf(size: int, rng: random.Random) -> Callable[[], int]:
    """Return a function that draws from 0 to size - 1, small numbers far more often."""
    sums = list(accumulate(1.0 / rank**ZIPF for rank in range(1, size + 1)))
    return lambda: bisect_left(sums, rng.random() * sums[-1])


def stamps(start: float, rate: float, form: str) -> Iterator[str]:
    """Yield the time of each line as text, `rate` lines per second; formatted once per second."""
    at, step, second, text = start, 1.0 / rate, -1, ""
    while True:
        at += step
        if int(at) != second:
            second = int(at)
            text = time.strftime(form, time.gmtime(second))
        yield text


def access_line(wish: Wish, rng: random.Random) -> str:
    """Make a line in Apache's combined format; of two failures one is told by its agent, one by its page."""
    page, agent = rng.choice(PAGES), BROWSERS[(wish.who * 0x9E3779B97F4A7C15 >> 32 & 0xFFFF) % len(BROWSERS)]
    status = 200 if rng.random() < 0.93 else rng.choice((301, 304, 404, 404, 503))
    if wish.bad and rng.random() < 0.5:
        agent = rng.choice(BAD_AGENTS)
    elif wish.bad:
        page, status = rng.choice(BAD_PAGES), 404
    return _combined(wish, page, status, agent, rng)


def offender_line(wish: Wish, rng: random.Random) -> str:
    """Make a line in Apache's combined format that asks for what is not there."""
    return _combined(wish, rng.choice(BAD_PAGES), 404, rng.choice(BROWSERS), rng)


def _combined(wish: Wish, page: str, status: int, agent: str, rng: random.Random) -> str:
    method = "POST" if rng.random() < 0.03 else "GET"
    path, size, referer = page % rng.choice(WORDS), rng.randrange(200, 60000), rng.choice(REFERERS)
    return f'{wish.address} - - [{wish.stamp}] "{method} {path} HTTP/1.1" {status} {size} "{referer}" "{agent}"\n'


def auth_line(wish: Wish, rng: random.Random) -> str:
    """Make a line of sshd, or of what else writes to auth.log."""
    # One pid per connection: a detector may join the lines of one pid, a reused one would mix two clients.
    pid, port = 1000 + wish.number % 98999, rng.randrange(1024, 65535)
    peer, sshd = f"{wish.address} port {port}", f"{wish.stamp} host1 sshd[{pid}]:"
    if wish.bad:
        user = rng.choice(USERS)
        return (
            f"{sshd} Failed password for {user} from {peer} ssh2\n",
            f"{sshd} Failed password for invalid user {user} from {peer} ssh2\n",
            f"{sshd} Invalid user {user} from {peer}\n",
        )[rng.randrange(3)]
    kind = rng.randrange(5)
    if kind == 0:
        return f"{sshd} Accepted publickey for alex from {peer} ssh2: ED25519 SHA256:{rng.getrandbits(128):032x}\n"
    return (
        f"{sshd} pam_unix(sshd:session): session opened for user alex(uid=1000) by (uid=0)\n",
        f"{sshd} Received disconnect from {peer}:11: disconnected by user\n",
        f"{wish.stamp} host1 CRON[{pid}]: pam_unix(cron:session): session closed for user root\n",
        f"{wish.stamp} host1 systemd-logind[612]: New session {pid} of user alex.\n",
    )[kind - 1]


APACHE, SYSLOG = "%d/%b/%Y:%H:%M:%S +0000", "%b %d %H:%M:%S"
KINDS = {"access": (access_line, APACHE), "auth": (auth_line, SYSLOG), "offenders": (offender_line, APACHE)}


def generate(options: argparse.Namespace) -> Iterator[tuple[Wish, str]]:
    """Yield what each line tells and the line itself."""
    rng = random.Random(options.seed)
    make, form = KINDS[options.kind]
    good, evil = zipf(options.clients, rng), zipf(options.attackers, rng)
    addresses: dict[int, str] = {}
    times = stamps(options.start, options.rate, form)
    for number, stamp in enumerate(islice(times, options.lines)):
        bad = options.kind == "offenders" or rng.random() < options.bad
        who = number if options.kind == "offenders" else options.clients + evil() if bad else good()
        address = addresses.get(who) or addresses.setdefault(who, client(who, options.seed))
        wish = Wish(number, who, address, stamp, bad)
        yield wish, make(wish, rng)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("-n", "--lines", type=int, default=1_000_000)
    parser.add_argument("--bad", type=float, default=0.10, help="share of lines that are failures (default: 0.1)")
    parser.add_argument("--clients", type=int, default=50_000, help="how many there are at the most")
    parser.add_argument("--attackers", type=int, default=5_000, help="how many clients the failures come from")
    parser.add_argument("--start", type=float, default=1_767_225_600, help="epoch of the first line (1 January 2026)")
    parser.add_argument("--rate", type=float, default=50.0, help="lines per second of log time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write hits and failures per client")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a log to standard output."""
    options = parse(arguments)
    truth: dict[str, list[int]] = {}
    lines = generate(options)
    while chunk := list(islice(lines, 10_000)):
        sys.stdout.write("".join(line for _, line in chunk))
        if options.truth:
            for wish, _ in chunk:
                tally = truth.setdefault(wish.address, [0, 0])
                tally[0] += 1
                tally[1] += wish.bad
    if options.truth:
        options.truth.write_text(json.dumps({"hits_failures": truth}))


if __name__ == "__main__":
    main()
