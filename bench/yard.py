"""The yardstick: one full regular expression per line, a deque per client, 30 hits within 60 seconds.

`python -m bench.yard FILE` prints how many bans that makes. It is what one writes in an hour, in plain
Python, and it is left as it is: Privet's costs are given as multiples of its.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict, deque
from datetime import datetime
from pathlib import Path

LINE = re.compile(
    rb'^(\S+) (\S+) (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"'
)
HITS, SECONDS = 30, 60


def bans(path: Path) -> int:
    """Count the bans in a log in the combined format."""
    match = LINE.match
    seen: defaultdict[bytes, deque[float]] = defaultdict(deque)
    count, times = 0, dict[bytes, float]()
    with path.open("rb") as log:
        for line in log:
            found = match(line)
            if not found:
                continue
            stamp = found[4]
            time = times.get(stamp)
            if time is None:
                time = times[stamp] = datetime.strptime(stamp.decode(), "%d/%b/%Y:%H:%M:%S %z").timestamp()
            hits = seen[found[1]]
            hits.append(time)
            while hits[0] < time - SECONDS:
                hits.popleft()
            if len(hits) >= HITS:
                count += 1
                hits.clear()
    return count


if __name__ == "__main__":
    print(bans(Path(sys.argv[1])))
