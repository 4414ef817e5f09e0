"""What is remembered of clients: of so many, for so long."""

from __future__ import annotations

import random
from collections import OrderedDict

import pytest

from privet.core.manners import memory
from privet.core.manners.memory import Clients


def test_the_one_that_was_put_longest_ago_goes_first() -> None:
    clients: Clients[bytes, int] = Clients(2, 60.0)
    for time, key in enumerate((b"a", b"b", b"a", b"c")):
        clients.put(key, float(time), time)

    assert (list(clients), clients.evicted) == ([b"a", b"c"], 1)
    assert (clients.get(b"a", 3.0), clients.get(b"b", 3.0)) == (2, None)
    assert clients.among(frozenset((b"a", b"b", b"c"))) == {b"a", b"c"}


def test_what_is_old_counts_no_more_and_is_forgotten() -> None:
    clients: Clients[bytes, int] = Clients(9, 60.0)
    clients.put(b"a", 0.0, 1)
    assert (clients.get(b"a", 60.0), clients.get(b"a", 61.0)) == (1, None)
    clients.put(b"b", 61.0, 2)
    assert (list(clients), clients.evicted) == ([b"b"], 0)
    clients.drop(b"b")
    assert len(clients) == 0


@pytest.mark.parametrize("at_once", [1, 3, 1024])
def test_who_goes_is_the_same_however_many_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(memory, "_AT_ONCE", at_once)
    draw, clients, model, evicted = random.Random(7), Clients[int, None](20, 60.0), OrderedDict[int, float](), 0
    time = 0.0
    for _ in range(5000):
        key, time = draw.randrange(30), time + draw.choice((0, 0, 1, 1, 2, 30))
        if draw.random() < 0.1:
            clients.drop(key)
            model.pop(key, None)
            continue
        clients.put(key, time, None)
        model[key] = time
        model.move_to_end(key)
        while model[next(iter(model))] < time - 60.0:
            model.popitem(last=False)
        while len(model) > 20:
            model.popitem(last=False)
            evicted += 1
        assert list(clients) == list(model)
    assert clients.evicted == evicted > 0
