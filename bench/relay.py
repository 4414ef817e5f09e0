"""The least that two Python programs can do with lines that come singly: hand them on by a timer, and take them.

`python -m bench.relay | python -m bench.relay` is what pipe and daemon would cost if lines were only moved: the
first wakes up every 15 ms and passes on what has come, the second waits for it and throws it away.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from privet.tasks.pipe import LINGER

STDIN, STDOUT = 0, 1
READ = 1 << 16


def main() -> None:
    """Pass on what comes, or take it if there is nobody behind."""
    last = not stat.S_ISFIFO(os.fstat(STDOUT).st_mode)
    while True:
        if not last:
            time.sleep(LINGER)
        data = os.read(STDIN, READ)
        if not data:
            sys.exit()
        if not last:
            os.write(STDOUT, data)


if __name__ == "__main__":
    main()
