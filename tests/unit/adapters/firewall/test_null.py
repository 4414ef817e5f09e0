"""The firewall in memory keeps the promises of the port."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from privet.adapters.firewall import null
from privet.adapters.firewall.null import NullFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Held, Order

if TYPE_CHECKING:
    import pytest

    from privet.ports import Firewall

ONE, TWO = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::1")


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_bans_end_by_the_clock() -> None:
    clock = Clock()
    firewall: Firewall = NullFirewall(clock)
    firewall.open()
    assert firewall.apply([Order(ONE, 60.0), Order(TWO, 10.0)]) == [None, None]
    clock.now += 9
    assert list(firewall.held()) == [Held(ONE, 51.0), Held(TWO, 1.0)]
    clock.now += 1
    assert list(firewall.held()) == [Held(ONE, 50.0)]


def test_the_new_end_counts_and_unban_opens() -> None:
    firewall = NullFirewall(Clock())
    firewall.apply([Order(ONE, 60.0), Order(TWO, 60.0)])
    firewall.apply([Order(ONE, 5.0, known=True), Order(TWO, None), Order(TWO, None)])
    assert list(firewall.held()) == [Held(ONE, 5.0)]


def test_a_ban_for_good() -> None:
    firewall = NullFirewall(Clock())
    firewall.apply([Order(ONE, math.inf)])
    assert list(firewall.held()) == [Held(ONE, None)]


def test_bans_outlive_close_but_not_remove() -> None:
    firewall = NullFirewall(Clock())
    firewall.apply([Order(ONE, 60.0)])
    firewall.close()
    firewall.open()
    assert not firewall.repair()
    assert len(list(firewall.held())) == 1
    firewall.remove()
    assert list(firewall.held()) == []


def test_bans_that_are_over_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null, "_ROOM", 10)
    clock = Clock()
    firewall = NullFirewall(clock)
    for number in range(1000):
        clock.now += 1
        firewall.apply([Order(Subject(number.to_bytes(4), 32), 3.0)])
    assert len(list(firewall.held())) == 3
    assert len(firewall._ends) <= 1024 + 1  # noqa: SLF001  what is kept is what this is about


def test_nothing_shown_is_an_address() -> None:
    firewall = NullFirewall(Clock())
    firewall.apply([Order(ONE, 60.0)])
    assert firewall.show() == "# no firewall: bans are noted, nothing is closed\n"
