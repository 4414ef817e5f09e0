"""How innocent clients look: what each of them did is counted, and what that says is a sum of few plain signs.

The signs and their points stand in `docs/tuning.md`. A sign that the log cannot show, since it lacks the column or has
no assets at all, says nothing. Nobody is ever banned for how he looks: this helps to choose limits.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from privet.core.cache import LONGEST, Cache
from privet.core.plurals import counted
from privet.core.rows.assets import Assets
from privet.core.rows.facts import Registry
from privet.core.rows.select import columns_of, split_request
from privet.core.rows.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from privet.core.parsing.parse import Rows
    from privet.core.rows.shapes import Url

Answer = Literal["yes", "maybe", "no"]
ANSWERS: tuple[Answer, ...] = ("yes", "maybe", "no")

COLUMNS = columns_of({"path", "query", "status", "size", "host", "referer", "content_type", "user", "cookie"})
"""What is read of each row."""

WITH_PAGE = 30.0  # seconds after a page in which assets belong to it
EARLY = 10.0  # seconds that a page may be written after them
SHARE = 20  # a browser loads at least one asset for so many pages
A_PERSON = 10  # pages within BURST that a person may open
NOBODY = 20  # pages within BURST that no person opens
BURST = 10.0
SLOW = 2.0  # seconds between two pages of a person, in the mean
INSIDE = 3  # answers that only somebody gets who is logged in
SITES = 1024  # hosts of referers that are counted

_LOGIN = re.compile(rb"log-?in|sign-?in|session|/auth\b", re.IGNORECASE)
_MEMBERS = re.compile(
    rb"/wp-admin/(?:(?:index|edit|post|post-new|upload|profile|users|plugins|themes|options-\w{1,20}|admin)\.php)?\Z"
    rb"|/(?:my-)?account(?:/|\Z)|/dashboard(?:/|\Z)"
)
_NOTHING = frozenset((b"-", b""))
_REDIRECTS = frozenset((b"302", b"303"))


class Look(msgspec.Struct, frozen=True):
    """How innocent a client looks, and the reasons in words."""

    innocent: Answer
    reasons: tuple[str, ...]
    requests: int = 0


UNKNOWN = Look("maybe", ("its requests are not known",))


class _Client:
    """What one client did."""

    __slots__ = (
        "assets",
        "burst",
        "cookie",
        "early",
        "early_at",
        "first",
        "hits",
        "inside",
        "last",
        "links",
        "login",
        "most",
        "page",
        "pages",
        "refused",
        "since",
        "unchanged",
    )

    def __init__(self, time: float) -> None:
        self.hits = self.pages = self.assets = self.links = self.refused = self.unchanged = 0
        self.inside = self.burst = self.most = 0  # pages since `since`, and the most of them
        self.early, self.early_at = 0, time  # assets before their page
        self.first = self.last = self.since = time  # of pages
        self.page = 0  # the last page, by its hash
        self.login = self.cookie = False


class Looks:
    """Observes the rows of an engine. `members` is found in paths that only those get who are logged in."""

    def __init__(self, max_clients: int, members: str | None = None) -> None:
        self.clients: dict[bytes, _Client] = {}
        self.forgotten = 0
        self._cap = max(max_clients, 8)
        self._members = re.compile(members.encode()) if members else None
        self._registry = Registry(self._cap)
        self._shapes = Shapes(self._registry)
        self._assets = Assets(self._registry, self._shapes)
        self._some_assets = False
        self._own: Counter[bytes] = Counter()  # hosts of referers that were the page before
        self._referers: Cache[tuple[bytes, int]] = Cache(_parted)

    def take(self, rows: Rows) -> None:
        """Count the rows of a block."""
        self._registry.crowd.make_room()
        facts = self._registry.facts(rows)
        numbers = self._shapes(facts)
        assets = self._assets(facts, numbers).tolist()
        urls = self._shapes.urls[numbers].tolist()
        clients = self.clients
        columns = (rows.column(name) for name in ("status", "referer", "user", "cookie"))
        for row, (key, time, url, asset, status, referer, user, cookie) in enumerate(
            zip(rows.keys, rows.times, urls, assets, *columns, strict=True)
        ):
            one = clients.get(key)
            if one is None:
                one = self._enter(key, time)
            one.hits += 1
            if status == b"304":
                one.unchanged += 1
            if cookie not in _NOTHING:
                one.cookie = True
            if asset:
                self._some_assets = True
                if one.pages and time - one.last <= WITH_PAGE:
                    one.assets += 1
                else:
                    one.early = one.early + 1 if time - one.early_at <= EARLY else 1
                    one.early_at = time
                continue
            if len(referer) > 1:
                self._came(one, url, referer)
            self._page(one, time, url, status)
            if status in _REDIRECTS:
                one.login = one.login or _is_login(rows, row)
            elif status == b"200":
                self._answered(one, url, named=user not in _NOTHING)

    def look(self, key: bytes) -> Look:
        """Say how innocent a client looks."""
        one = self.clients.get(key)
        if one is None:
            return UNKNOWN
        signs = [sign for sign in (*self._manners(one), *_paces(one)) if sign]
        points = sum(sign[0] for sign in signs)
        answer: Answer = "yes" if points >= 3 else "no" if points < 0 else "maybe"
        signs.sort(key=lambda sign: -abs(sign[0]))
        return Look(answer, tuple(text for _, text in signs), one.hits)

    def _manners(self, one: _Client) -> list[tuple[int, str] | None]:
        """Return what the kind of requests says, with its points."""
        return [
            _loaded(one) if self._some_assets else None,
            (3, "is logged in") if one.inside >= INSIDE else None,
            (1, "came from pages of the site") if one.links >= 2 and 2 * one.links >= one.pages - 1 else None,
            (1, "asks whether something has changed") if one.unchanged else None,
            (1, "keeps a cookie") if one.cookie else None,
            (-2, "most pages were refused") if one.pages >= 3 and 2 * one.refused > one.pages else None,
        ]

    def _page(self, one: _Client, time: float, url: Url, status: bytes) -> None:
        if not one.pages:
            one.first = one.since = one.last = time
        if one.early:  # a page that takes its time is written after assets that came with it
            one.assets += one.early if abs(time - one.early_at) <= EARLY else 0
            one.early = 0
        one.pages += 1
        one.page = hash(url.page)
        one.last = max(one.last, time)
        one.first = min(one.first, time)
        if time - one.since >= BURST:
            one.since, one.burst = time, 0
        one.burst += 1
        one.most = max(one.most, one.burst)
        one.refused += status[:1] == b"4"

    def _came(self, one: _Client, url: Url, referer: bytes) -> None:
        """Count a request that names the page before it, or its own site, as where it came from."""
        host, target = self._referers[referer]
        own = self._own
        followed = one.pages and target == one.page
        if followed and host and (host in own or len(own) < SITES):
            own[host] += 1
        site = url.site.partition(b":")[0].lower()
        if site == host if site != b"-" else followed or own[host] >= A_PERSON:
            one.links += 1

    def _answered(self, one: _Client, url: Url, *, named: bool) -> None:
        """Count a page that only somebody gets who is logged in."""
        path = url.page.partition(b"?")[0][:LONGEST]
        after_login = one.login and not _LOGIN.search(path)
        if named or after_login or _MEMBERS.match(path) or (self._members and self._members.search(path)):
            one.inside += 1

    def _enter(self, key: bytes, time: float) -> _Client:
        if len(self.clients) >= self._cap:
            order = sorted(self.clients, key=lambda known: self.clients[known].hits)
            for known in order[: self._cap // 8]:
                del self.clients[known]
            self.forgotten += self._cap // 8
        one = self.clients[key] = _Client(time)
        return one


def _loaded(one: _Client) -> tuple[int, str] | None:
    if one.assets >= max(1, min(2, one.pages), one.pages / SHARE):
        return 3, "loads assets with its pages"
    if one.assets or not one.pages:
        return None
    return (-2 if one.pages >= 5 else -1), f"loads no assets ({counted(one.pages, 'page')})"


def _paces(one: _Client) -> list[tuple[int, str] | None]:
    """Return what the pace says, with its points."""
    if one.pages < 3:
        return []
    mean = (one.last - one.first) / (one.pages - 1)
    if one.most > NOBODY or (one.pages > NOBODY and mean < 1):
        return [(-1, f"faster than a person ({one.most} pages in {BURST:.0f} s)")]
    if mean >= SLOW and one.most <= A_PERSON:
        return [(1, f"as slow as a person (a page every {_told(mean)})")]
    return []


def _told(seconds: float) -> str:
    """Return a duration in words."""
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.0f} h"
    )


def _parted(referer: bytes) -> tuple[bytes, int]:
    """Return the host of a referer, and the hash of its path and query."""
    _scheme, colon, rest = referer[:LONGEST].partition(b"://")
    host, slash, target = rest.partition(b"/")
    return (host.partition(b":")[0].lower(), hash(slash + target)) if colon else (b"", 0)


def _is_login(rows: Rows, row: int) -> bool:
    """Tell whether a row sent a form to where one logs in."""
    columns = rows.columns
    if "request" in columns:
        method, path, _ = split_request(columns["request"][row][:LONGEST])
    else:
        method = rows.column("method")[row]
        path = (columns.get("target") or rows.column("path"))[row][:LONGEST]
    return method == b"POST" and _LOGIN.search(path) is not None


def tally(judged: Mapping[bytes, Look], keys: Iterable[bytes]) -> dict[str, int]:
    """Return how many of some clients look innocent, by answer."""
    counts = Counter[str](judged[key].innocent for key in keys)
    return {answer: counts[answer] for answer in ANSWERS}
