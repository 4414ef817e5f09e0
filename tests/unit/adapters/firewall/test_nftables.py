"""What a real kernel does not do on demand; the rest is in tests/e2e/test_firewall.py."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import nftables
from privet.adapters.firewall.layout import BASE, GUARDS, HOOK, LOOPBACK, PAUSED, Structure
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Later, Order
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from privet.ports import Firewall

Answer = dict[int, int] | OSError


class Scripted:
    """Answers transactions as told, then confirms all."""

    def __init__(self) -> None:
        self.table = 1
        self.sets = BASE
        self.answers: list[Answer] = []
        self.seen: list[list[Order]] = []

    def structure(self) -> Structure:
        rules = (LOOPBACK, *GUARDS, *sorted(self.sets - GUARDS.keys()))
        return Structure(self.table, dict.fromkeys(self.sets, 1), dict.fromkeys(self.sets, (0, 0)), rules, HOOK)

    def commit(self, orders: Sequence[Order]) -> dict[int, int]:
        self.seen.append(list(orders))
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, OSError):
            raise answer
        return answer

    def elements(self, name: str) -> Iterator[tuple[bytes, float | None]]:
        assert name == PAUSED
        yield from ()

    def close(self) -> None:
        self.sets = frozenset()


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    writer = Scripted()
    monkeypatch.setattr(nftables, "_choose", lambda _: writer)
    monkeypatch.setattr(nftables, "build", refuse_structure)
    return writer


def refuse_structure(program: str, text: str) -> None:
    raise FirewallError(f"{program} refuses {len(text)} letters", transient=True)


def orders(count: int) -> list[Order]:
    return [Order(Subject(number.to_bytes(4), 32), 60.0) for number in range(count)]


def opened() -> NftablesFirewall:
    firewall = NftablesFirewall("nft")
    firewall.open()
    return firewall


def test_a_missing_program_is_a_clean_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> None:
        raise PermissionError

    monkeypatch.setattr(nftables, "connect", forbidden)  # or else a table that stands here would do
    firewall: Firewall = NftablesFirewall("nft-that-is-missing")
    for call in (firewall.open, firewall.show, firewall.remove):
        with pytest.raises(FirewallError, match="is missing") as caught:
            call()
        assert not caught.value.transient


def test_long_lists_are_several_transactions(writer: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "_TRANSACTION", 4)
    assert opened().apply(orders(10)) == [None] * 10
    assert [len(seen) for seen in writer.seen] == [4, 4, 2]


def test_nothing_done_is_an_error_and_something_done_is_told(writer: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "_TRANSACTION", 2)
    firewall = opened()
    writer.answers = [TimeoutError()]
    with pytest.raises(FirewallError, match="did not answer") as caught:
        firewall.apply(orders(6))
    assert caught.value.transient
    writer.answers = [{}, TimeoutError()]
    assert firewall.apply(orders(6)) == [None, None, *["the kernel did not answer"] * 4]
    assert len(writer.seen) == 3  # the third transaction was not tried


def test_a_lost_right_is_permanent(writer: Scripted) -> None:
    firewall = opened()
    writer.answers = [PermissionError(errno.EPERM, "Operation not permitted")]
    with pytest.raises(FirewallError) as caught:
        firewall.apply(orders(1))
    assert not caught.value.transient


def test_a_refused_order_is_dropped_and_a_held_one_extended(writer: Scripted) -> None:
    writer.answers = [{1: errno.ENFILE, 2: errno.EEXIST}]
    first, second, third, fourth = orders(4)
    assert opened().apply([first, second, third, fourth]) == [None, "the set is full", None, None]
    assert writer.seen[1] == [first, Order(third.subject, 60.0, known=True), fourth]


def test_the_last_of_several_wishes_counts(writer: Scripted) -> None:
    subject = Subject.parse("192.0.2.1")
    wishes = [Order(subject, 60.0), Order(subject, None), Order(subject, 5.0)]
    writer.answers = [{0: errno.ERANGE}]
    assert opened().apply(wishes) == ["longer than the kernel can count"] * 3
    assert writer.seen == [[wishes[-1]]]


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EAGAIN, errno.EINTR])
def test_what_the_kernel_is_busy_with_is_tried_again(writer: Scripted, code: int) -> None:
    writer.answers = [{1: code}, {0: code, 1: code}]
    assert opened().apply(orders(3)) == [None] * 3
    assert writer.seen == [orders(3)] * 3


def test_services_of_one_subject_are_orders_of_their_own(writer: Scripted) -> None:
    writer.sets |= {"v4_32_ports"}
    subject = Subject.parse("192.0.2.1")
    wishes = [Order(subject, 60.0), Order(subject, 60.0, service="tcp/22"), Order(subject, 9.0, service="udp/53")]
    writer.answers = [{1: errno.ENFILE}]
    assert opened().apply([*wishes, wishes[1]]) == [None, "the set is full", None, "the set is full"]
    assert writer.seen[1] == [wishes[0], wishes[2]]


def test_a_pause_ends_and_is_told_in_seconds(writer: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[tuple[bytes, float | None]] = []
    monkeypatch.setattr(writer, "elements", lambda _: iter(left))
    firewall = opened()
    assert firewall.paused() == 0
    left += [(b"\2", 4.5), (b"\x0a", 5.0)]
    assert firewall.paused() == 5


def test_counters_are_those_of_bans(writer: Scripted) -> None:
    assert opened().counters() == {"v4_32": (0, 0), "v6_64": (0, 0)}
    assert writer.seen == []


def test_without_netlink_nobody_watches(writer: Scripted) -> None:
    firewall = opened()
    assert firewall.watch() is None
    assert not firewall.seen()
    assert writer.seen == []


def test_trying_again_ends(writer: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "_BREATH", 0.0)
    firewall = opened()
    writer.answers = [{0: errno.EEXIST, 1: errno.EBUSY}] * 100
    answers = firewall.apply(orders(2))
    assert answers == ["the firewall changes faster than it can be written"] * 2
    assert all(isinstance(answer, Later) for answer in answers)
    assert len(writer.seen) < 10


def test_a_set_that_cannot_be_made_fails_its_own_orders_only(writer: Scripted) -> None:
    """Carry out first what waits for nobody; an order that nothing was done of stays with the caller."""
    firewall = opened()
    wide = Order(Subject.parse("192.0.2.0/24"), 60.0)
    answers = firewall.apply([wide, *orders(1)])
    assert answers[0] is not None
    assert "nft refuses" in answers[0]
    assert isinstance(answers[0], Later)
    assert answers[1] is None
    assert writer.seen == [orders(1)]
    with pytest.raises(FirewallError, match="nft refuses"):
        firewall.apply([wide])


def test_opening_what_was_never_closed_needs_no_set(writer: Scripted) -> None:
    assert opened().apply([Order(Subject.parse("192.0.2.0/24"), None)]) == [None]
    assert writer.seen == []


def test_what_stands_is_left_alone_and_what_is_gone_is_made_again(
    writer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    note: Callable[[str, str], None] = lambda _, text: built.append(text)  # noqa: E731
    monkeypatch.setattr(nftables, "build", note)
    firewall = opened()
    assert (firewall.repair(), built) == (False, [])
    writer.sets = BASE - {"v6_64"}
    assert firewall.repair()
    assert len(built) == 1
    assert "add set inet privet v6_64 " in built[0]
    assert "flush set inet privet v" not in built[0]


def test_a_table_of_the_same_looks_is_another_one(writer: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load a saved ruleset, with bans in it that may be over: they go, and all that count are ordered anew."""
    built: list[str] = []
    note: Callable[[str, str], None] = lambda _, text: built.append(text)  # noqa: E731
    monkeypatch.setattr(nftables, "build", note)
    firewall = opened()
    firewall.allow([Subject.parse("192.0.2.0/24")])
    firewall.pause(60.0)
    built.clear()
    writer.table = 2
    assert firewall.repair()
    assert [line for line in built[0].splitlines() if not line.startswith("add table")] == [
        *(f"flush set inet privet {name}" for name in sorted(BASE)),
        "flush set inet privet allow4",
        "add element inet privet allow4 { 192.0.2.0/24 }",
        "flush set inet privet allow6",
        "flush set inet privet paused",
        built[0].splitlines()[-1],
    ]
    assert built[0].splitlines()[-1].startswith("add element inet privet paused { ipv4 timeout 59")
    assert (firewall.repair(), len(built)) == (False, 1)
