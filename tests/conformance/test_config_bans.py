"""Running bans are found in a database that fail2ban itself wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.adapters.fail2ban_db import running_bans
from privet.core.addresses.address import Subject
from tests.conformance import oracle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("fail2ban")

NOW = 1_700_000_000

WRITE = """
import sys
from fail2ban.server.database import Fail2BanDb
from fail2ban.server.ticket import FailTicket
from fail2ban.tests.dummyjail import DummyJail

database = Fail2BanDb(sys.argv[1])
now = int(sys.argv[2])
for name, address, since, seconds, count in (
    ("sshd", "192.0.2.1", now - 60, 600, 1),
    ("sshd", "192.0.2.2", now - 700, 600, 1),
    ("recidive", "192.0.2.1", now - 30, -1, 3),
    ("web", "2001:db8::7", now - 10, 3600, 2),
):
    jail = DummyJail(name)
    database.addJail(jail)
    ticket = FailTicket(address, since, ["a line"])
    ticket.setBanTime(seconds)
    ticket.setBanCount(count)
    database.addBan(jail, ticket)
database.close()
"""


def test_bans_that_fail2ban_wrote(tmp_path: Path) -> None:
    path = tmp_path / "fail2ban.sqlite3"
    done = oracle.run(WRITE, str(path), str(NOW))
    assert done.returncode == 0, done.stderr

    found = running_bans(path, NOW)

    assert found.skipped == 0
    assert [
        (ban.jail, ban.subject, ban.since - NOW, ban.until and ban.until - NOW, ban.count) for ban in found.bans
    ] == [
        ("sshd", Subject.parse("192.0.2.1"), -60, 540, 1),
        ("recidive", Subject.parse("192.0.2.1"), -30, None, 3),
        ("web", Subject.parse("2001:db8::7"), -10, 3590, 2),
    ]
