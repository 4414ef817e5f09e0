"""The canary: one request from an address that nobody else has, then a look for this address.

It proves two things at once: that the detector is not blind, and that no file holds the address, in any spelling.
The address is a random one of 127.0.0.0/8, so IPv4: of IPv6 a machine has one loopback address only, and it has no
way to ask itself from another without being given one.

A spelling of few bytes may stand in a file by chance. Where only such ones are found, another canary is sent, and
only what holds both of them is a leak.
"""

from __future__ import annotations

import secrets
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import AF_INET, inet_pton
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from privet.adapters.canary import Held, Result
from privet.adapters.sources.archive import pieces
from privet.adapters.sources.journalfile import MAGIC, messages
from privet.core.addresses.spellings import LONGEST, Spelling, spellings, stands_in
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from privet.adapters.tree import Tree

PARAMETER = "privet-canary"
ANSWER = 10.0  # seconds that the web server may take
SETTLE = 2.0  # seconds for whoever else logs to have written
STEP = 0.2
BEFORE = 2.0  # seconds: how far stamps of files may lag behind the clock
PIECE = 1 << 20


class Canary:
    """Sends canaries to one URL of this machine's web server.

    `saw` tells the detector to look out for an address, and whether it has come since it was first asked; None
    when nobody can tell. `tree` is what is searched.
    """

    def __init__(
        self,
        url: str,
        host: str | None,
        saw: Callable[[str], bool | None],
        tree: Tree,
        patience: float = ANSWER,
    ) -> None:
        self._url, self._host = urlsplit(url), host
        self._saw, self._tree = saw, tree
        self._patience = patience

    def send(self) -> Result:
        """Send one, and a second one where the first may have been found by chance."""
        result = self._once()
        if result.held and all(one.weak for one in result.held):
            again = self._once()
            again.held = sorted(
                {one.path: one for one in again.held if one.path in {held.path for held in result.held}}.values()
            )
            return again
        return result

    def _once(self) -> Result:
        address = ".".join(["127", *(str(100 + secrets.randbelow(155)) for _ in range(3))])
        began = time.time()
        result = Result(time=began)
        self._saw(address)
        try:
            result.answered = self._ask(address, secrets.token_hex(8))
        except (OSError, HTTPException) as error:
            result.trouble = getattr(error, "strerror", None) or type(error).__name__
            return result
        deadline = time.monotonic() + self._patience
        result.seen = self._saw(address)
        while result.seen is False and time.monotonic() < deadline:
            time.sleep(STEP)
            result.seen = self._saw(address)
        time.sleep(SETTLE)
        self._search(spellings(inet_pton(AF_INET, address)), began - BEFORE, result)
        return result

    def _ask(self, address: str, token: str) -> int:
        server = self._url.hostname or "127.0.0.1"
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is this very machine
            line: HTTPConnection = HTTPSConnection(
                server, self._url.port, timeout=ANSWER, source_address=(address, 0), context=context
            )
        else:
            line = HTTPConnection(server, self._url.port, timeout=ANSWER, source_address=(address, 0))
        try:
            path = f"{self._url.path or '/'}?{PARAMETER}={token}"
            line.request("GET", path, headers={"Host": self._host or self._url.netloc, "User-Agent": "privet-canary"})
            return line.getresponse().status
        finally:
            line.close()

    def _search(self, wanted: list[Spelling], since: float, result: Result) -> None:
        missed: dict[str, int] = {}
        for file in self._tree.files():
            if file.changed < since:
                continue
            result.files += 1
            try:
                found = held_by(file.path, wanted)
            except (OSError, SourceError) as error:
                reason = (getattr(error, "strerror", None) or "cannot be read whole").lower()
                missed[reason] = missed.get(reason, 0) + 1
                continue
            strong = [one for one in found if not one.weak] or found
            if strong:
                one = strong[0]
                result.held.append(
                    Held(path=str(file.path), spelling=one.name, in_memory=file.in_memory, weak=one.weak)
                )
        result.not_scanned = dict(self._tree.skipped) | missed


def held_by(path: Path, wanted: list[Spelling]) -> list[Spelling]:
    """Return the spellings that stand in a file: as it is, unpacked, and as journalctl reads it."""
    found = dict.fromkeys(stands_in(str(path).encode("utf-8", "surrogateescape"), wanted))
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        found |= dict.fromkeys(_among(iter(lambda: file.read(PIECE), b""), wanted))
    found |= dict.fromkeys(_among(pieces(str(path)), wanted))
    if head == MAGIC:
        found |= dict.fromkeys(_among(messages(str(path)), wanted))
    return list(found)


def _among(data: Iterable[bytes], wanted: list[Spelling]) -> Iterator[Spelling]:
    tail = b""
    for piece in data:
        yield from stands_in(tail + piece, wanted)
        tail = (tail + piece)[-LONGEST:]
