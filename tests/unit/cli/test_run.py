"""`privet run`: which firewall the daemon gets. What it then does: tests/unit/daemon."""

from __future__ import annotations

import json
import os

import pytest

from privet.adapters.firewall.command import CommandFirewall
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.adapters.firewall.null import NullFirewall
from privet.cli.run import _firewall
from privet.config.model import Backend, Config, FirewallConfig
from privet.daemon.log import make_log


@pytest.mark.parametrize(
    ("backend", "user", "expected"),
    [
        ("auto", 0, NftablesFirewall),
        ("auto", 1000, NullFirewall),
        ("nftables", 1000, NftablesFirewall),
        ("command", 0, CommandFirewall),
        ("null", 0, NullFirewall),
    ],
)
def test_the_firewall_is_the_one_that_can_be_had(
    monkeypatch: pytest.MonkeyPatch, backend: Backend, user: int, expected: type
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)

    settings = FirewallConfig(backend=backend, ban=("/close",), unban=("/open",))

    assert type(_firewall(Config(firewall=settings), make_log())) is expected


def test_without_root_it_says_that_nothing_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    _firewall(Config(), make_log())

    assert json.loads(capsys.readouterr().err)["event"] == "not root: bans are noted, nothing is closed"
