"""`counting = "rate"` counts just as fail2ban's own code does."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from privet.core.jails import Jail
from privet.core.windows.detect import Limit
from privet.core.windows.rate import Rate
from tests.conformance import oracle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("fail2ban")

COUNT = """
import json, sys
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import FailTicket

answers = []
for findtime, maxretry, times in json.load(open(sys.argv[1])):
    manager, told = FailManager(), []
    manager.setMaxTime(findtime)
    manager.setMaxRetry(maxretry)
    for time in times:
        MyTime.setTime(time)
        manager.cleanup(time)
        manager.addFailure(FailTicket("192.0.2.1", time, ["line"]))
        try:
            manager.toBan("192.0.2.1")
        except FailManagerEmpty:
            told.append(0)
        else:
            told.append(1)
    answers.append(told)
print(json.dumps(answers))
"""


def ours(findtime: int, maxretry: int, times: list[int]) -> list[int]:
    """Return for each failure whether it makes a ban."""
    jail = Jail("j", ("s",), findtime=findtime, maxretry=maxretry, bantime=0.0, counting="rate")
    counting = Rate(Limit(jail, 0), 1000)
    found = [list(counting.hit([0], [b"abcd"], [float(time)])) for time in times]
    return [len(one) for one in found]


def test_the_same_failures_make_the_same_bans(tmp_path: Path) -> None:
    chance = random.Random(4)
    cases: list[tuple[int, int, list[int]]] = []
    for _ in range(300):
        findtime = chance.choice([10, 60, 600])
        time, times = 1_700_000_000, []
        for _ in range(60):
            time += chance.choice([0, 0, 1, findtime // 10, findtime // 3, findtime // 2, findtime - 1, findtime + 1])
            times.append(time)
        cases.append((findtime, chance.randint(2, 12), times))
    file = tmp_path / "cases"
    file.write_text(json.dumps(cases))
    done = oracle.run(COUNT, str(file))
    assert done.returncode == 0, done.stderr

    theirs = json.loads(done.stdout)

    assert sum(map(sum, theirs)) > 1000
    assert [ours(*case) for case in cases] == theirs
