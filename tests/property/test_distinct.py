"""Windows of different values against the words of the manual, in any batches, while old clients are swept away."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from privet.core.jails import Jail
from privet.core.parsing.texts import digest
from privet.core.rows.crowd import Crowd
from privet.core.windows import distinct
from privet.core.windows.detect import Limit
from privet.core.windows.distinct import Distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

Hit = tuple[bytes, float, bytes]
KEYS = [b"\xc0\0\2\1", b"\x20\1\x0d\xb8\0\0\0\1", b"\xc0\0\2\2"]
SWEEPS = st.sampled_from([1, 2, 1024])
FEW = st.sampled_from([1, 3, 99])
BEGIN = 1431857103.0
STEPS = st.tuples(
    st.sampled_from(KEYS),
    st.sampled_from([0, 0, 1, 2, 5, 10, 30, 60, 200]),
    st.sampled_from([0, 0, 0, 1, 5, 30, 60]),
    st.sampled_from([b"", b"a", b"b", b"c", b"d", b"e"]),
)
JAILS = st.builds(
    lambda findtime, maxretry, bantime: Jail("j", ("w",), findtime=findtime, maxretry=maxretry, bantime=bantime),
    st.sampled_from([1.0, 5.0, 30.0, 60.0, 600.0]),
    st.integers(1, 5),
    st.sampled_from([1.0, 30.0, 600.0]),
)


def manual(jail: Jail, hits: Sequence[Hit]) -> list[tuple[int, float]]:
    """Return row and time of every ban, in the words of the manual: everything is kept and looked at anew."""
    kept: dict[bytes, list[Hit]] = {}
    ends: dict[bytes, float] = {}
    found = []
    for row, hit in enumerate(hits):
        key, time, _ = hit
        if time < ends.get(key, time):
            continue
        mine = kept.setdefault(key, [])
        mine.append(hit)
        newest = max(time for _, time, _ in mine)
        if len({value for _, time, value in mine if time >= newest - jail.findtime}) >= jail.maxretry:
            found.append((row, time))
            ends[key] = time + jail.bantime
            kept[key] = []
    return found


@settings(max_examples=300)
@given(
    JAILS, st.lists(STEPS, max_size=60), st.lists(st.integers(0, 60), max_size=6), SWEEPS, st.sampled_from([1, 3, 99])
)
def test_different_values_count_as_the_manual_says(
    jail: Jail, steps: list[tuple[bytes, int, int, bytes]], cuts: list[int], sweep_from: int, few: int
) -> None:
    now, hits = BEGIN, list[Hit]()
    for key, step, late, value in steps:
        now += step
        hits.append((key, now - late, value))
    with patch.object(distinct, "_SWEEP_FROM", sweep_from), patch.object(distinct, "_FEW", few):
        crowd = Crowd(1000)
        window, found = Distinct(Limit(jail, 0), 60.0, crowd), []
        ends = sorted({min(cut, len(hits)) for cut in cuts} | {len(hits)})
        for start, end in zip([0, *ends], ends, strict=False):
            part = hits[start:end]
            keys, times, names = [h[0] for h in part], [h[1] for h in part], [digest(h[2]) for h in part]
            numbers = crowd.numbers(keys, np.array(times))
            found += [(one.row, one.time) for one in window.take(range(start, end), times, numbers, names)]
    assert found == manual(jail, hits)
