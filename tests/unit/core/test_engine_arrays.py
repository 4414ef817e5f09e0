"""Large blocks, of which detectors get arrays, bring the same verdicts and counts as lists of the same rows."""

from __future__ import annotations

from itertools import count
from math import inf
from random import Random
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.loader import load
from privet.core.engine import Batch
from privet.core.parsing import parse
from privet.core.parsing.blocks.columns import Coded
from privet.core.reports import history
from privet.core.reports.history import Tallies
from tests.unit.core import traffic

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.parsing.parse import Rows

CONFIG = """
[source.web]
path = "/nonexistent/*.log"
format = "FORMAT"
[builtin.web]
source = "web"
[jail.swarm]
source = "web"
kind = "swarm"
[jail.neighbours]
source = "web"
key = "prefix"
clients = 3
findtime = "1h"
maxretry = 40
[jail.large]
source = "web"
size = ">= 512"
maxretry = 20
findtime = "1h"
[jail.whole]
source = "web"
kind = "manners"
signal = "whole-feeds"
maxretry = 3
findtime = "1d"
[jail.often]
source = "web"
kind = "manners"
signal = "feeds"
maxretry = 3
findtime = "1d"
"""
ODD = (
    b"noise\n",
    b'192.0.2.9 - - [22/Nov/2026:00:00:00 +0000] "GET /\\"x HTTP/1.1" 200 - "-" "a \\"b\\""\n',
    b'192.0.2.9 - - [22/Nov/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 99999999999 "-" "-"\n',
)


def as_recommended(block: bytes) -> bytes:
    """Return lines as the format has them that is recommended for pipes: with sites, durations and types."""
    lines = block.split(b"\n")[:-1]
    return b"".join(
        b'www.example.org:443 %b %d "text/html" "-"\n' % (line, n)
        if n % 3
        else b'blog.example.org:443 %b 0.5 "-" "-"\n' % line
        for n, line in enumerate(lines)
    )


def judged(path: Path, *, odd: bool, recommended: bool) -> tuple[list[str], list[str], set[bool]]:
    """Return the verdicts on some hours of traffic, swarms and what was counted, and whether there were arrays."""
    draw, kinds = Random(7), set[bool]()
    tallies = Tallies()

    def see(_source: str, rows: Rows) -> None:
        kinds.add(isinstance(rows.keys, Coded))

    engine = engine_for(load(str(path)), want=history.COLUMNS, observers=(tallies.see, see))
    entries = traffic.background(draw, traffic.START, 0.25)
    targets = (f"/search?q={number}" for number in count())
    entries += traffic.swarm(draw, 300, traffic.START + 4 * traffic.HOUR, targets, seconds=1200)
    feeds = [traffic.entry(traffic.START + 60 * n, "192.0.2.50", "/feed.xml") for n in range(300)]
    told = traffic.entry(traffic.START + 1, "192.0.2.51", "/feed.xml", status=304)
    verdicts = []
    for number, block in enumerate(traffic.blocks([*entries, *feeds, told])):
        data = block + (ODD[number % 3] if odd else b"")
        data = as_recommended(data) if recommended else data
        verdicts += [str((one.jail, one.subject, one.time, one.until)) for one in engine.feed(Batch("web", data), inf)]
    seen = [str(one) for one in (*engine.swarms(), *tallies.take()[0])]
    return verdicts, sorted(seen), kinds


@pytest.mark.parametrize("form", ["combined", "privet"])
@pytest.mark.parametrize("lines", ["usual", "odd"])
def test_arrays_and_lists_are_judged_alike(
    form: str, lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "privet.toml"
    path.write_text(CONFIG.replace("FORMAT", form))
    monkeypatch.setattr(parse, "LARGE", 1000)
    arrays, counted, kinds = judged(path, odd=lines == "odd", recommended=form == "privet")
    assert True in kinds
    monkeypatch.setattr(parse, "LARGE", 1 << 40)
    lists, counted_alike, kinds = judged(path, odd=lines == "odd", recommended=form == "privet")
    assert kinds == {False}
    assert (arrays, counted) == (lists, counted_alike)
    assert {"large", "often", "neighbours"} <= {one.split("'")[1] for one in arrays}
    assert any(one.startswith("Event(jail='swarm'") for one in counted)
