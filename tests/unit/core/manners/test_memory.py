"""What is remembered of clients: of so many, for so long."""

from __future__ import annotations

from privet.core.manners.memory import Clients


def test_the_one_that_was_put_longest_ago_goes_first() -> None:
    clients: Clients[bytes, int] = Clients(2, 60.0)
    for time, key in enumerate((b"a", b"b", b"a", b"c")):
        clients.put(key, float(time), time)

    assert (list(clients), clients.evicted) == ([b"a", b"c"], 1)
    assert (clients.get(b"a", 3.0), clients.get(b"b", 3.0)) == (2, None)
    assert clients.among(frozenset((b"a", b"b", b"c"))) == {b"a", b"c"}
    assert (clients.swap(b"a", 4.0, 5), clients.swap(b"a", 65.0, 6), list(clients)) == (2, None, [b"a"])


def test_what_is_old_counts_no_more_and_is_forgotten() -> None:
    clients: Clients[bytes, int] = Clients(9, 60.0)
    clients.put(b"a", 0.0, 1)
    assert (clients.get(b"a", 60.0), clients.get(b"a", 61.0), clients.since(b"a", 0.0), clients.since(b"a", 1.0)) == (
        1,
        None,
        True,
        False,
    )
    clients.put(b"b", 61.0, 2)
    assert (list(clients), clients.evicted) == ([b"b"], 0)
    clients.drop(b"b")
    assert len(clients) == 0
