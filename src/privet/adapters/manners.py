"""What jails for manners need to know: `robots.txt`, from the disk or from the own server, and networks of robots.

A robot may keep `robots.txt` for a day. So when it changes, what it said before is allowed for a day as well.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from privet import __version__
from privet.core.addresses.address import Subject
from privet.core.addresses.prefixes import PrefixSet
from privet.core.manners.known import Known
from privet.core.manners.robots import EVERYWHERE, KNOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from privet.core.manners.robots import Rules

LARGEST = 500 << 10  # bytes of robots.txt that robots have to read (RFC 9309)
LARGEST_LIST = 4 << 20  # bytes of a file with networks
LONGEST = 512  # bytes of what is asked for that rules see: their stars may cost the square of it
AGENTS = 4096  # after which everything is forgotten that protego remembers of agents
SILENCE = 10.0  # seconds in which the server must answer
OFTEN, SELDOM = 60.0, 3600.0  # seconds between looks at a file, and between questions to a server
_OK, _MISSING = 200, range(400, 500)


class ProtegoRules:
    """What one `robots.txt` says."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._asked = AGENTS

    def allows(self, agent: bytes, target: bytes) -> bool:
        """Tell whether an agent may ask for this; what no rule can be asked about is allowed."""
        try:
            return bool(self._fresh().can_fetch(_text(target), _text(agent)))
        except ValueError:
            return True

    def delay(self, agent: bytes) -> float:
        """Return the seconds that are to lie between two requests of an agent, 0 for any."""
        return float(self._fresh().crawl_delay(_text(agent)) or 0.0)

    def _fresh(self) -> Any:  # noqa: ANN401  its type would have to be imported
        if self._asked >= AGENTS:
            from protego import Protego  # noqa: PLC0415  only who names a robots.txt needs it

            self._rules, self._asked = Protego.parse(self.text), 0
        self._asked += 1
        return self._rules


class Both:
    """What two files say: what either allows, and the shorter delay."""

    def __init__(self, new: Rules, old: Rules) -> None:
        self._files = (new, old)

    def allows(self, agent: bytes, target: bytes) -> bool:
        """Tell whether an agent may ask for this."""
        return any(rules.allows(agent, target) for rules in self._files)

    def delay(self, agent: bytes) -> float:
        """Return the seconds that are to lie between two requests of an agent, 0 for any."""
        return min(rules.delay(agent) for rules in self._files)


class _Place:
    """One file, and what was read of it last."""

    def __init__(self, name: str, place: str, read: Callable[[str, str], Any]) -> None:
        self.name, self.place, self._read = name, place, read
        self.problem: str | None = None
        self.value: Any = None
        self.before: Any = None  # what it was until `changed`
        self.changed = self._due = float("-inf")

    @property
    def is_file(self) -> bool:
        """Whether it is on the disk."""
        return self.place.startswith("/")

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to read it."""
        return now >= self._due

    def refresh(self, now: float) -> bool:
        """Read it; tell whether anything is new."""
        aged = self.before is not None and now >= self.changed + KNOWS
        if aged:
            self.before = None
        self._due = now + (OFTEN if self.is_file else SELDOM)
        try:
            value = self._read(self.place, self.name)
        except (OSError, ValueError) as error:
            self.problem = (
                f"{self.place}: {_why(error)}{'; what was read before counts' if self.value is not None else ''}"
            )
            self._due = now + OFTEN
            return aged
        self.problem = None
        if value == self.value:
            return aged
        if self.value is not None and self.before is None:
            self.before, self.changed = self.value, now
        self.value = value
        return True


class MannersFiles:
    """The files that `[manners]` names. `refresh` may run in another thread."""

    def __init__(self, robots: Mapping[str, str], crawlers: Mapping[str, str]) -> None:
        self.names = (dict(robots), dict(crawlers))
        self._robots = [_Place(site, place, read_robots) for site, place in robots.items()]
        self._crawlers = [_Place(word, place, read_networks) for word, place in crawlers.items()]

    @property
    def problems(self) -> list[str]:
        """What cannot be read, and why."""
        return [one.problem for one in (*self._robots, *self._crawlers) if one.problem]

    @property
    def due(self) -> bool:
        """Whether it is time to read something."""
        now = time.monotonic()
        return any(one.is_due(now) for one in (*self._robots, *self._crawlers))

    def refresh(self, *, local: bool = False) -> bool:
        """Read what is due, of `local` files only if that is wanted; tell whether `known` has other answers now."""
        now = time.monotonic()
        places = [one for one in (*self._robots, *self._crawlers) if one.is_file or not local]
        return sum(one.refresh(now) for one in places if one.is_due(now)) > 0

    def known(self) -> Known:
        """Return what the files say."""
        robots = {one.name: _rules(one.value, one.before) for one in self._robots if one.value is not None}
        return Known(robots, {one.name: PrefixSet(one.value) for one in self._crawlers if one.value is not None})


def _rules(text: str, before: str | None) -> Rules:
    rules = ProtegoRules(text)
    return rules if before is None else Both(rules, ProtegoRules(before))


def read_robots(place: str, site: str) -> str:
    """Return the text of a `robots.txt`. Raises OSError and ValueError."""
    data = _bounded_file(place, LARGEST) if place.startswith("/") else fetch(place, site)
    return data[:LARGEST].decode("utf-8", "replace")


def fetch(url: str, site: str) -> bytes:
    """Return what a server has at an address; nothing if it says that there is nothing (RFC 9309).

    A site that is named is asked for by its name, whatever the address. Raises OSError and ValueError.
    """
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415  6 MB that few need
    from ssl import create_default_context  # noqa: PLC0415  likewise

    parts = urlsplit(url)
    place = parts.hostname or "", parts.port
    if parts.scheme == "https":
        line: HTTPConnection = HTTPSConnection(*place, timeout=SILENCE, context=create_default_context())
    else:
        line = HTTPConnection(*place, timeout=SILENCE)
    try:
        target = (parts.path or "/robots.txt") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": f"privet/{__version__}"} | ({"Host": site} if site != EVERYWHERE else {})
        line.request("GET", target, headers=headers)
        answer = line.getresponse()
        if answer.status in _MISSING:
            return b""
        if answer.status != _OK:
            raise OSError(0, f"the server answers {answer.status}")
        return answer.read(LARGEST)
    except HTTPException as error:
        raise ValueError(f"the server's answer cannot be read ({type(error).__name__})") from None
    finally:
        line.close()


def read_networks(place: str, _word: str) -> tuple[Subject, ...]:
    """Return the networks in a file: JSON as search engines publish it, or one network to a line.

    Raises OSError and ValueError.
    """
    data = _bounded_file(place, LARGEST_LIST)
    if len(data) > LARGEST_LIST:
        raise ValueError(f"it is larger than {LARGEST_LIST:,} bytes")
    if data.lstrip()[:1] == b"{":
        found = [one[key] for one in _listed(data) for key in ("ipv4Prefix", "ipv6Prefix") if key in one]
    else:
        lines = (line.partition("#")[0].strip() for line in data.decode("utf-8", "replace").splitlines())
        found = [line for line in lines if line]
    if not found:
        raise ValueError("there are no networks in it")
    return tuple(sorted({Subject.parse(one) for one in found}))


def _listed(data: bytes) -> list[dict[str, str]]:
    try:
        return msgspec.json.decode(data, type=_Published).prefixes
    except msgspec.DecodeError:
        raise ValueError("it is no list of 'prefixes' in JSON") from None


class _Published(msgspec.Struct):
    prefixes: list[dict[str, str]]


def _bounded_file(place: str, most: int) -> bytes:
    with Path(place).open("rb") as file:
        return file.read(most + 1)


def _why(error: OSError | ValueError) -> str:
    """Say what went wrong, without a word of what the file or the server says."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def _text(value: bytes) -> str:
    return value[:LONGEST].decode("utf-8", "replace")
