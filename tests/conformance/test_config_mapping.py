"""Debian's whole configuration, adopted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.closing import STOCK
from privet.config.fail2ban.jails import read
from privet.config.fail2ban.mapping import adopt
from privet.config.fail2ban.report import Fate
from tests.conformance import oracle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("fail2ban")

NAMES = """
abuseipdb apprise blocklist_de cloudflare cloudflare-token complain dshield dummy ipthreat mail mail-buffered mail-whois
mail-whois-lines mynetwatchman netscaler nginx-block-map nsupdate sendmail sendmail-buffered sendmail-geoip-lines
sendmail-whois sendmail-whois-ipjailmatches sendmail-whois-ipmatches sendmail-whois-lines sendmail-whois-matches
xarf-login-attack
"""
COMMANDS = frozenset(NAMES.split())
"""The actions that do something else than to close by address on this machine."""

PARTS = frozenset({"firewallcmd-common", "helpers-common", "mail-whois-common", "sendmail-common"})


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    """Return a copy of Debian's configuration with every jail enabled."""
    folder = shutil.copytree(oracle.STOCK, tmp_path / "fail2ban")
    (folder / "jail.local").write_text("[DEFAULT]\nenabled = true\n")
    return folder


def test_every_jail_is_adopted_or_told(stock: Path) -> None:
    settings = read(stock, exists=lambda _: True)
    jails, report = adopt(settings)

    assert settings.jails.keys() - jails.keys() == {"pass2allow-ftp"}
    assert [finding.jail for finding in report.of(Fate.UNKNOWN)] == ["pass2allow-ftp"]
    assert {name for name, jail in jails.items() if jail.bans_of_jails} == {"recidive"}
    assert {name: jails[name].scope for name in ("sshd", "apache-auth", "nsd", "recidive")} == {
        "sshd": "tcp:22",
        "apache-auth": "tcp:80,443",
        "nsd": "tcp:53;udp:53",
        "recidive": "",
    }
    assert not any(jail.commands for jail in jails.values())
    assert {finding.jail for finding in report.of(Fate.ADOPTED)} >= jails.keys() - {"recidive"}


def test_every_stock_action_is_known(stock: Path) -> None:
    there = {path.stem for path in (stock / "action.d").glob("*.conf")}

    assert there - PARTS == STOCK | COMMANDS


@pytest.mark.parametrize("name", sorted(STOCK))
def test_every_stock_ban_action_goes_to_the_kernel(stock: Path, name: str) -> None:
    (stock / "jail.local").write_text(f"[sshd]\nbanaction = {name}\n")
    jails, report = adopt(read(stock, exists=lambda _: True))

    assert jails["sshd"].scope in {"", "tcp:22"}
    assert jails["sshd"].commands == ()
    assert report.of(Fate.UNKNOWN) == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_other_stock_action_stays_a_command(stock: Path, name: str) -> None:
    (stock / "jail.local").write_text(f"[sshd]\naction = %(action_)s\n   {name}[port=22]\n")
    jails, _ = adopt(read(stock, exists=lambda _: True))

    assert [action.file for action in jails["sshd"].commands] == [name]
    assert jails["sshd"].commands[0].commands["actionban"]
    assert jails["sshd"].scope == "tcp:22"
