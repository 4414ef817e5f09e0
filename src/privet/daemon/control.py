"""The control socket: one JSON object in, one out, for root and the daemon's own user only."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from privet.core.addresses.address import client_key
from privet.daemon import scripts, standing
from privet.daemon.adopt import adopt
from privet.daemon.byhand import ByHand
from privet.daemon.state import bans, jails, status
from privet.daemon.who import who
from privet.daemon.whom import AT_ONCE, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from privet.daemon.service import Daemon

LARGEST = 8 << 20  # bytes of one request: some 300,000 subjects
PATIENCE = 10.0  # seconds that a caller may take to ask
ALIVE = 5.0  # seconds between the blanks that tell a caller that his answer is being worked at
_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Control:
    """Answers the verbs that ask the running daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._by_hand = ByHand(daemon)
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def open(self, path: Path) -> None:
        """Listen; the socket belongs to the daemon's user alone."""
        _clear(path)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LARGEST)
        finally:
            os.umask(mask)
        self._path = path

    async def close(self) -> None:
        """Stop listening."""
        if self._server and self._path:
            self._server.close()
            await self._server.wait_closed()
            _clear(self._path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, user, _group = _PEER.unpack(
            writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        )
        try:
            with suppress(OSError, TimeoutError):
                if user in (0, os.geteuid()):
                    try:
                        line = await asyncio.wait_for(reader.readline(), PATIENCE)
                    except ValueError:  # longer than LARGEST: as little understood as nothing
                        line = b""
                    working = asyncio.create_task(_show_life(writer))
                    try:
                        answer = await self._answer(line, pid, user)
                    finally:
                        working.cancel()
                else:
                    answer = {"error": "not allowed"}
                for piece in _encoded(answer):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)  # it may be of a hundred thousand bans: everything else gets its turn
        finally:  # whatever failed, the caller must not wait for an answer that never comes
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes, pid: int, user: int) -> dict[str, Any]:
        verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "status": lambda _request: status(self._daemon),
            "jails": lambda _request: {"items": jails(self._daemon)},
            "canary": self._canary,
            "jail": partial(scripts.jail, self._daemon),
            "reload": partial(scripts.reload, self._daemon),
            "stop": partial(scripts.stop, self._daemon),
        }
        orders: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "bans": partial(bans, self._daemon),
            "ban": partial(self._by_hand.ban, pid=pid),
            "unban": self._by_hand.unban,
            "why": self._by_hand.why,
            "history": self._daemon.past.tell,
            "offenders": self._daemon.past.tell_offenders,
            "who": partial(who, self._daemon, pid, user),
            "limits": partial(standing.limits, self._daemon, pid, user),
            "manners": partial(standing.manners, self._daemon, pid, user),
            "networks": partial(standing.networks, self._daemon, pid, user),
            "pause": self._by_hand.pause,
            "spare": partial(scripts.spare, self._daemon),
            "adopt": partial(adopt, self._daemon),
        }
        self._daemon.intakes.loans.flush()  # what has come counts
        try:
            request = json.loads(line)
            verb = request.get("verb")
            if verb in verbs:
                return verbs[verb](request)
            return await orders[verb](request)
        except Refusal as refusal:
            return {"error": str(refusal)}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return {"error": "a request that this daemon does not understand: is it of the same version?"}

    def _canary(self, request: dict[str, Any]) -> dict[str, Any]:
        """Tell whether a client has come since it was first asked for."""
        key = client_key(request["subject"].encode())
        if key is None:
            raise Refusal("a canary has an address")
        return {"seen": self._daemon.lookout.ask(key)}


async def _show_life(writer: asyncio.StreamWriter) -> None:
    """Send a blank now and then, which means nothing in front of JSON: who waits knows that it is worth it."""
    while True:
        await asyncio.sleep(ALIVE)
        writer.write(b" ")


def _encoded(answer: dict[str, Any]) -> Iterator[bytes]:
    """Yield an answer as one JSON object, its items a few at a time."""
    items = answer.get("items")
    if not isinstance(items, list):
        yield json.dumps(answer).encode() + b"\n"
        return
    rest = json.dumps({name: value for name, value in answer.items() if name != "items"})
    yield rest[:-1].encode() + (b"" if rest == "{}" else b", ") + b'"items": ['
    for start in range(0, len(items), AT_ONCE):
        yield (", " * (start > 0) + json.dumps(items[start : start + AT_ONCE])[1:-1]).encode()
    yield b"]}\n"


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)
