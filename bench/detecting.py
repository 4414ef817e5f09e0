"""Read a log as the daemon does, with its history and its eye on dead rules: `python -m bench.detecting CONFIG LOG`.

Prints how many verdicts came of it. Replay is the same path without these two, which need no start over old logs.
"""

from __future__ import annotations

import gc
import math
import sys
from pathlib import Path

from privet.adapters.hygiene import keep_small
from privet.adapters.manners import MannersFiles
from privet.adapters.networks import Networks
from privet.adapters.sources.archive import Archive
from privet.config.compile import engine_for
from privet.config.loader import load
from privet.core.addresses.tokens import Tokens
from privet.core.engine import Batch
from privet.core.parsing.lines import in_portions
from privet.core.reports import history
from privet.core.reports.history import Tallies
from privet.core.watch.vigil import Vigil


def main(config_path: str, log: str) -> None:
    """Feed a log to the engine of a configuration that has one source."""
    gc.set_threshold(100_000, 50, 100)  # as the program has it
    keep_small()  # as the daemon does
    config = load(config_path)
    table = Networks(Path(config.networks.table)) if config.networks.table else None
    if table:
        table.refresh()
    tallies, vigil, tokens = Tallies(), Vigil(), Tokens((bytes(32),))
    engine = engine_for(config, want=history.COLUMNS, observers=(tallies.see,), networks=table)
    files = MannersFiles(config.manners.robots, config.manners.crawlers)
    files.refresh()
    engine.know(files.known())
    (source,) = engine.sources
    verdicts, minute = 0, 0.0
    for block in in_portions(Archive([log], engine.sources[source].time_of).blocks(), engine.portion):
        found = engine.feed(Batch(source, block), math.inf)
        verdicts += len(found)
        tallies.judge(found, tokens)
        now = tallies.newest
        if now // history.MINUTE != minute:
            minute = now // history.MINUTE
            tallies.take()
            vigil.look(now, engine.sources, engine.jails, engine.matches())
    print(verdicts)


if __name__ == "__main__":
    main(*sys.argv[1:])
