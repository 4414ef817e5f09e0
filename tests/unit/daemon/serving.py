"""The daemon inside of a test: the real one, with a firewall that closes nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from privet.adapters.firewall.null import NullFirewall
from privet.config.loader import load
from privet.daemon.log import make_log
from privet.daemon.service import Daemon
from tests.unit.processes import JAIL, PATIENCE, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from privet.daemon.rounds import Work
    from privet.ports import Firewall

T = TypeVar("T")


async def looked(work: Work | None) -> None:
    """Do what a look found, if it found something."""
    if work is not None:
        await work


class Served:
    """A daemon that runs, and what tests ask of it."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.config, self.log, self.runtime = folder / "privet.toml", folder / "access.log", runtime
        self.state = folder / "state"
        self.daemon: Daemon

    def configure(self, sources: str, jails: str = JAIL) -> None:
        """Write the configuration."""
        self.config.write_text(config(self.runtime, sources, jails))

    def append(self, *lines: str) -> None:
        """Add lines to the log."""
        with self.log.open("a") as file:
            file.write("".join(f"{text}\n" for text in lines))

    async def speak(self, data: bytes, *, hang_up: bool = False) -> bytes:
        """Send bytes to the control socket; return all that comes back."""
        reader, writer = await asyncio.open_unix_connection(self.runtime / "control.sock")
        try:
            writer.write(data)
            if hang_up:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def ask(self, verb: str, **request: object) -> dict[str, Any]:
        """Ask as the command line does."""
        answer: dict[str, Any] = json.loads(await self.speak(json.dumps({"verb": verb, **request}).encode() + b"\n"))
        return answer

    async def source(self) -> dict[str, Any]:
        """Return what the daemon says of its first source."""
        item: dict[str, Any] = (await self.ask("status"))["items"][0]
        return item

    async def accounts(self) -> dict[str, int]:
        """Return the account of bans, which must balance."""
        bans: dict[str, int] = (await self.ask("status"))["bans"]
        parts = ("in_kernel", "waiting", "expired", "unbanned", "superseded", "refused", "failed")
        assert bans["ordered"] == sum(bans[part] for part in parts)
        return bans


async def until(condition: Callable[[], T]) -> T:
    """Return the first true answer of a condition; fail when there is none in time."""
    end = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)
    return answer


@asynccontextmanager
async def serving(place: Served, firewall: Firewall | None = None) -> AsyncIterator[Served]:
    """Run the daemon until the block ends."""
    firewall = firewall or NullFirewall(time.monotonic)
    place.daemon = Daemon(load(place.config), place.runtime, place.state, firewall, make_log())
    task = asyncio.create_task(place.daemon.run())
    await until(lambda: task.done() or (place.runtime / "control.sock").exists())
    if task.done():
        task.result()
    try:
        yield place
    finally:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(task, PATIENCE)
