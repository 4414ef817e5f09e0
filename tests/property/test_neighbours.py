"""Jails on networks give the verdicts that the manual describes, found out the long way round."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject, is_pseudonym
from privet.core.jails import Jail
from privet.core.rows.crowd import Crowd
from privet.core.windows.detect import Limit
from privet.core.windows.neighbours import Neighbours
from privet.core.windows.nets import Keys, network_key, network_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Failure = tuple[bytes, bytes, float]

NETS, CLIENTS = st.sampled_from([b"net1", b"net2"]), st.sampled_from([b"a", b"b", b"c", b"d"])
STEPS = st.sampled_from([0.0, 0.0, 1.0, 5.0, 30.0, 100.0])
LATE = st.sampled_from([0.0, 0.0, 0.0, 1.0, 10.0, 40.0, 61.0])


@st.composite
def failures(draw: st.DrawFn) -> list[Failure]:
    times = accumulate(draw(st.lists(STEPS, max_size=60)), initial=1000.0)
    return [(draw(NETS), draw(CLIENTS), time - draw(LATE)) for time in times]


def by_hand(found: list[Failure], jail: Jail) -> list[tuple[int, bytes, float]]:
    """Judge failures as the manual says."""
    told, before, until = [], dict[bytes, list[tuple[bytes, float]]](), dict[bytes, float]()
    for row, (net, client, time) in enumerate(found):
        if time < until.get(net, -inf):
            continue
        seen = before.setdefault(net, [])
        seen.append((client, time))
        since = max(at for _, at in seen) - jail.findtime
        counting = [one for one, at in seen if at >= since]
        if len(counting) >= jail.maxretry and len(set(counting)) >= jail.clients:
            told.append((row, net, time))
            until[net] = time + jail.bantime
            seen.clear()
    return told


def _same(names: list[bytes], _keys: Sequence[bytes]) -> list[bytes]:
    return names


@given(failures(), st.integers(1, 6), st.integers(1, 3), st.sampled_from([10.0, 60.0, 600.0]), st.integers(1, 60))
def test_networks_are_judged_as_the_manual_says(
    found: list[Failure], maxretry: int, clients: int, findtime: float, size: int
) -> None:
    jail = Jail("net", ("web",), (), findtime, maxretry, 50.0, key="prefix", clients=clients)
    window = Neighbours(Limit(jail, 0), 60.0, 1000, Crowd(1000))
    told = []
    for start in range(0, len(found), size):
        part = found[start : start + size]
        keys, times = [one[1] for one in part], [one[2] for one in part]
        names = [one[0] for one in part]
        nets = window.numbers(partial(_same, names), keys, np.array(times))
        told += [
            (one.row, one.key, one.time) for one in window.take(range(start, start + len(part)), nets, keys, times)
        ]

    assert told == by_hand(found, jail)


@given(
    st.lists(st.sampled_from([4, 8, 16, 5, 17]).flatmap(lambda size: st.binary(min_size=size, max_size=size))),
    st.integers(1, 32),
    st.integers(1, 64),
)
def test_networks_are_cut_off_as_they_are_made(keys: list[bytes], four: int, six: int) -> None:
    keys = [key[:-1] + bytes([16]) if len(key) in (5, 17) else key for key in keys]
    jail = Jail("net", ("web",), (), 60.0, 5, 60.0, key="prefix", prefixes=(four, six))

    assert Keys(jail, None)(keys) == [
        None if is_pseudonym(key) else network_key(network_of(Subject.of_key(key), (four, six))) for key in keys
    ]
