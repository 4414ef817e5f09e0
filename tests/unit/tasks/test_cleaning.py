"""Lines of archives, day by day: the same client on the same day has one pseudonym within a run, and nowhere else."""

from __future__ import annotations

import os
import re
from datetime import date

import pytest

from privet.core.parsing.days import Days
from privet.tasks.cleaning import EXPORTS, MASKS, Cleaner, Order

TODAY = date(2015, 6, 1)
CLF = b'%b - - [%02d/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"\n'
SYSLOG = b"May %2d 10:05:03 host sshd[1]: Failed password for root from %b port 1 ssh2\n"


def cleaned(cleaner: Cleaner, *lines: bytes) -> list[bytes]:
    """Return the pseudonyms in lines."""
    return re.findall(rb"100::[0-9a-f:]+", cleaner.clean(b"".join(lines), Days(TODAY)))


@pytest.fixture
def cleaner() -> Cleaner:
    return Cleaner(Order(mask="pseudonym", key=os.urandom(32)))


def test_one_client_has_one_pseudonym_a_day_in_logs_of_all_kinds(cleaner: Cleaner) -> None:
    one, same, next_day = cleaned(cleaner, *(CLF % (b"192.0.2.1", day) for day in (17, 17, 18)))
    (error,) = cleaned(cleaner, SYSLOG % (17, b"192.0.2.1"))
    assert one == same == error
    assert next_day != one
    assert cleaned(Cleaner(Order(mask="pseudonym", key=os.urandom(32))), CLF % (b"192.0.2.1", 17)) != [one]


def test_the_last_line_need_not_end(cleaner: Cleaner) -> None:
    line = (CLF % (b"192.0.2.1", 17))[:-1]
    out = cleaner.clean(line, Days(TODAY))
    assert out.endswith(b'"x"')
    assert cleaner.clean(line + b"\r\n", Days(TODAY)) == out + b"\r\n"


def test_found_counts_on_when_masks_are_forgotten(cleaner: Cleaner) -> None:
    for day in range(1, 2 * MASKS + 2):
        cleaner.clean(CLF % (b"192.0.2.1", day), Days(TODAY))
    assert cleaner.found == 2 * MASKS + 1
    first = cleaned(cleaner, CLF % (b"192.0.2.1", 1))
    assert cleaned(cleaner, CLF % (b"192.0.2.1", 1)) == first, "a mask that was forgotten is made again the same"


@pytest.mark.parametrize("mask", ["drop", "truncate", *EXPORTS])
def test_the_others_know_no_days(mask: str) -> None:
    cleaner = Cleaner(Order(mask=mask, key=bytes(range(32)), kept=(16, 32)))
    out = cleaner.clean(CLF % (b"198.51.100.7", 17) + b"2001:db8:5::1", Days(TODAY))
    assert b"198.51.100.7" not in out
    assert b"2001:db8:5::1" not in out
    assert cleaner.found == 2
    if mask == "truncate":
        assert out.startswith(b"198.51.0.0 ")
        assert out.endswith(b"\n2001:db8::")


def test_an_order_is_called_by_all_that_matters() -> None:
    assert Order(mask="truncate", kept=(16, 32)).name == "truncate/16/32"
    assert Order(mask="drop", kept=(16, 32)).name == "drop"
