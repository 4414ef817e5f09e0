"""A daemon for the verbs that ask one."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from privet.cli.main import run
from tests.unit.processes import ask, config, daemon

if TYPE_CHECKING:
    from collections.abc import Iterator


class Asked:
    """A daemon that runs, and the command line before it."""

    def __init__(self, runtime: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.runtime, self.log, self._capsys = runtime, log, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a verb; return its exit code, and what it printed and said."""
        code = run([arguments[0], "--runtime", str(self.runtime), *arguments[1:]])
        return code, *self._capsys.readouterr()

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a verb with --json; return the envelope."""
        _, out, err = self(*arguments, "--json")
        assert err == ""
        envelope: dict[str, Any] = json.loads(out)
        assert (envelope["privet"], envelope["kind"], envelope["next"]) == (1, arguments[0], None)
        return envelope


@pytest.fixture(scope="package")
def _daemon() -> Iterator[tuple[Path, Path]]:
    """Run one daemon for all tests of verbs; yields its run-time directory and its log."""
    place = Path(tempfile.mkdtemp(prefix="privet-test-", dir="/dev/shm"))
    log = place / "access.log"
    log.touch()
    (place / "privet.toml").write_text(config(place / "run", f'path = "{log}"'))
    with daemon(place / "privet.toml", place / "run"):
        yield place / "run", log
    shutil.rmtree(place)


@pytest.fixture
def asked(_daemon: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> Iterator[Asked]:
    """Return the command line before a daemon that holds no bans."""
    runtime, log = _daemon
    yield Asked(runtime, log, capsys)
    ask(runtime, "unban", all=True)
