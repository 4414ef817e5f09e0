"""Bans in logs of fail2ban."""

from __future__ import annotations

from datetime import UTC

from privet.core.addresses.address import Subject
from privet.core.reports.offenders import HEADER, Offenders, format_row

LOG = b"""\
2019-06-27 13:00:00,123 fail2ban.actions        [815]: NOTICE  [sshd] Ban 192.0.2.1
2019-06-27 13:10:00,123 fail2ban.actions        [815]: NOTICE  [sshd] Unban 192.0.2.1
2019-06-27 16:30:00,123 fail2ban.actions        [815]: WARNING [web] Ban 192.0.2.1
2019-06-27 16:30:01,123 fail2ban.actions        [815]: NOTICE  [web] 192.0.2.1 already banned
2019-06-27 16:31:00 fail2ban.actions: WARNING [ssh] Ban 2001:db8::7
2019-06-27 16:31:00,000 fail2ban.filter         [815]: INFO    [sshd] Found 198.51.100.9 - 2019-06-27 16:31:00
2019-99-99 16:31:00,000 fail2ban.actions        [815]: NOTICE  [sshd] Ban 192.0.2.3
2019-06-27 16:32:00,000 fail2ban.actions        [815]: NOTICE  [sshd] Ban of.no.address
"""


def test_bans_are_counted_and_unbans_are_not() -> None:
    offenders = Offenders(UTC)
    offenders.add(LOG)

    assert [(row.subject, row.bans, row.share, row.interval) for row in offenders.rows()] == [
        (Subject.parse("192.0.2.1"), 2, 66, 3.5),
        (Subject.parse("2001:db8::/64"), 1, 33, None),
    ]
    assert (offenders.bans, offenders.lines) == (3, 8)
    assert len(offenders.rows(1)) == 1


def test_columns_stand_under_their_heads() -> None:
    offenders = Offenders(UTC)
    offenders.add(LOG)
    row = offenders.rows()[0]
    line = format_row("192.0.2.1", row.bans, row.share, row.interval)

    assert HEADER.split() == ["ip", "#bans", "bans%", "interval"]
    assert line.split() == ["192.0.2.1", "2", "66%", "3.50h"]
    assert len(line) == len(HEADER)
