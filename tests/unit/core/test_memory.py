"""What an engine remembers of earlier bans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject
from privet.core.bans.escalate import Escalation
from privet.core.jails import Jail
from privet.core.memory import Memory

if TYPE_CHECKING:
    from privet.core.windows.recidive import Who

JAIL = Jail("a", ("access",), maxretry=1, findtime=600.0, bantime=60.0, escalation=Escalation(increment=True))
CLIENT = Subject.parse("192.0.2.1")
SECRET = b"secret of an epoch"


def memory() -> Memory:
    return Memory([JAIL], 60.0, 1000, None, [SECRET])


def test_what_was_stored_goes_on() -> None:
    before, after = memory(), memory()
    before.restore([])
    assert [before.escalated(JAIL, CLIENT, time) for time in (100.0, 1000.0)] == [(0, 60.0), (1, 120.0)]
    puts, drops = before.changes()
    assert (len(puts), drops, before.changes()) == (1, [], ([], []))
    after.restore(puts)
    assert after.history(CLIENT) == {"a": 2}
    assert after.escalated(JAIL, CLIENT, 2000.0) == (2, 240.0)


def test_no_offender_is_stored_by_address() -> None:
    one = memory()
    one.restore([])
    one.escalated(JAIL, CLIENT, 100.0)
    (note,) = one.changes()[0]
    assert CLIENT.packed not in note.key + note.data


def test_pardons_are_for_clients_and_for_networks() -> None:
    before, after = memory(), memory()
    before.restore([])
    whom: list[Who] = [CLIENT, Subject.parse("2001:db8::/48"), 64500]
    for number, who in enumerate(whom):
        before.forget(who, float(number), "a")
    after.restore(before.changes()[0])
    assert list(after.pardoned()) == [(who, "a", float(number)) for number, who in enumerate(whom)]


def test_a_pardon_ends_what_was_counted() -> None:
    one = memory()
    one.restore([])
    one.escalated(JAIL, CLIENT, 100.0)
    one.changes()
    one.forget(CLIENT, 200.0)
    assert one.history(CLIENT) == {}
    puts, drops = one.changes()
    assert (len(puts), len(drops)) == (1, 1)


def test_a_store_that_lost_everything_gets_everything() -> None:
    one = memory()
    one.restore([])
    one.escalated(JAIL, CLIENT, 100.0)
    told = one.changes()
    one.all_changed()
    assert one.changes() == told
