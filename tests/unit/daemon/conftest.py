"""A daemon to talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.adapters import machine
from tests.unit.daemon.serving import Served

if TYPE_CHECKING:
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
