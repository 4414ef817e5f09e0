"""Two that want to guard one table: the second learns who the first is."""

from __future__ import annotations

import os
import socket

import pytest

from privet.adapters.firewall import claim as module
from privet.adapters.firewall.claim import claim
from privet.ports import FirewallError


@pytest.fixture(autouse=True)
def _own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NAME", f"\0privet/test/{os.getpid()}")


def test_the_second_is_told_who_the_first_is_and_follows_it() -> None:
    first = claim()
    assert first is not None
    for _ in range(3):
        with pytest.raises(FirewallError, match=f"process {os.getpid()} guards the table inet privet"):
            claim()
    first.close()
    second = claim()
    assert second is not None
    second.close()


@pytest.mark.needs("root")
def test_somebody_without_rights_keeps_nobody_away() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as squatter:
        squatter.bind(module._NAME)  # noqa: SLF001  as somebody else would
        assert claim() is None  # whoever does not listen guards nothing
        ready, done = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            os.setresuid(65534, 65534, 65534)
            squatter.listen()
            os.write(ready[1], b".")
            os.read(done[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        assert claim() is None
        os.write(done[1], b".")
        os.waitpid(child, 0)
        for descriptor in (*ready, *done):
            os.close(descriptor)
