"""The control socket: one JSON object in, one out, for root and the daemon's own user only."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from privet.adapters import machine
from privet.core.address import Subject
from privet.core.verdicts import Action, Verdict
from privet.daemon.state import bans, jails, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privet.daemon.service import Daemon

LARGEST = 8 << 20  # bytes of one request: some 300,000 subjects
LONGEST = 100 * 366 * 86_400.0  # seconds of one ban: what the configuration allows, and dates can be told
PATIENCE = 10.0  # seconds that a caller may take to ask
BY_HAND = "by hand"
_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Refusal(Exception):  # noqa: N818  it is an answer
    """A request that cannot be answered; the text goes to the caller."""


class Control:
    """Answers the verbs that ask the running daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
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
        with suppress(OSError, TimeoutError):
            if user in (0, os.geteuid()):
                try:
                    line = await asyncio.wait_for(reader.readline(), PATIENCE)
                except ValueError:  # longer than LARGEST: as little understood as nothing
                    line = b""
                writer.write(json.dumps(await self._answer(line, pid)).encode() + b"\n")
            else:
                writer.write(json.dumps({"error": "not allowed"}).encode() + b"\n")
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, line: bytes, pid: int) -> dict[str, Any]:
        verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "status": lambda _request: status(self._daemon),
            "jails": lambda _request: {"items": jails(self._daemon)},
            "bans": lambda request: {"items": bans(self._daemon, reveal=bool(request.get("reveal")))},
        }
        try:
            request = json.loads(line)
            verb = request.get("verb")
            if verb == "ban":
                return await self._ban(request, pid)
            if verb == "unban":
                return await self._unban(request)
            return verbs[verb](request)
        except Refusal as refusal:
            return {"error": str(refusal)}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return {"error": "a request that this daemon does not understand: is it of the same version?"}

    async def _ban(self, request: dict[str, Any], pid: int) -> dict[str, Any]:
        daemon, now = self._daemon, time.time()
        seconds = float(request["seconds"])
        if not 0 < seconds <= LONGEST:
            raise Refusal("a ban lasts for some time, at most 100 years")
        subjects = [self._subject(text) for text in request["subjects"]]
        jail = str(request.get("jail") or BY_HAND)
        protected = {**daemon.protected, "your own ssh connection": machine.ssh_peer_of(pid)}
        items = []
        for subject in subjects:
            verdict = Verdict(Action.BAN, subject, jail, now, now + seconds, 0, origin="administrator")
            refused = daemon.order(verdict, now, protected, str(request.get("why") or ""))
            items.append(
                {
                    "subject": self._shown(subject, request),
                    "result": "refused" if refused else "banned",
                    "reason": refused,
                }
            )
        await daemon.kernel.flush()
        for item, subject in zip(items, subjects, strict=True):
            if item["result"] == "banned" and not any(
                ban.jail == jail and ban.confirmed for ban in daemon.kernel.ledger.of(subject)
            ):
                item.update(result="waiting", reason=daemon.kernel.problem or "the firewall did not take it")
        return {"items": items, "until": now + seconds}

    async def _unban(self, request: dict[str, Any]) -> dict[str, Any]:
        daemon = self._daemon
        jail = request.get("jail")
        if request.get("all") or (jail and not request.get("subjects")):
            subjects = list(dict.fromkeys(ban.subject for ban in daemon.kernel.ledger))
        else:
            subjects = [self._subject(text) for text in request["subjects"]]
        items = []
        for subject in subjects:
            lifted = daemon.kernel.ledger.lift(subject, jail)
            daemon.engine.forget(subject)
            items += [
                {"subject": self._shown(subject, request), "jail": ban.jail, "since": ban.since} for ban in lifted
            ]
        await daemon.kernel.flush()
        return {"items": items}

    def _subject(self, text: object) -> Subject:
        """Return what a caller means: an address, a prefix, or the pseudonym of somebody who is banned."""
        try:
            subject = Subject.parse(str(text))
        except ValueError as error:
            raise Refusal(
                f"{error}: give an address, a prefix such as 192.0.2.0/24, or a pseudonym from privet bans"
            ) from None
        if not subject.is_pseudonym:
            return subject
        for ban in self._daemon.kernel.ledger:
            if self._daemon.name(ban.subject) == subject.reveal():
                return ban.subject
        raise Refusal("nobody who is banned has this pseudonym today")

    def _shown(self, subject: Subject, request: dict[str, Any]) -> str:
        return subject.reveal() if request.get("reveal") else self._daemon.name(subject)


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)
