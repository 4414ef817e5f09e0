"""A plain pass of CPython's re: the yardstick's regular expression on every line, and nothing else.

`python -m bench.plain FILE` prints how many lines match.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.yard import LINE


def matching(path: Path) -> int:
    """Count the lines in the combined format."""
    with path.open("rb") as log:
        return sum(map(bool, map(LINE.match, log)))


if __name__ == "__main__":
    print(matching(Path(sys.argv[1])))
