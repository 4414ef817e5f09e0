"""A daemon to talk to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from privet.adapters import machine
from privet.daemon.loop import Loop
from tests.unit.daemon.serving import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, runtime: Path) -> Served:
    """Return a daemon that follows a file; it does not run yet."""
    served = Served(tmp_path, runtime)
    served.configure(f'path = "{served.log}"')
    return served


@pytest.fixture(autouse=True)
def _other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have loopback only: the machine that runs the tests may own an address that they ban."""
    monkeypatch.setattr(machine, "own_addresses", lambda: machine.LOOPBACK)
    monkeypatch.setattr(machine, "gateways", frozenset)


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> Loop:
        return Loop()


@pytest.fixture(autouse=True, scope="session")
def _loop_of_the_daemon() -> Iterator[None]:
    """Have `asyncio.run` make loops of the daemon's kind."""
    asyncio.set_event_loop_policy(_Policy())
    yield
    asyncio.set_event_loop_policy(None)
