"""Work on several files in several processes, with one progress."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

    Progress = Callable[[int], None]

T = TypeVar("T")

PAYS = 1 << 23  # bytes on disk: below, a second process costs more than it saves
POLL = 0.2  # seconds between two looks at how far the others are


def jobs_for(paths: Sequence[str]) -> int:
    """Return how many processes pay for some files."""
    sizes = [size for path in paths if (size := _size_of(path))]
    return min(len(os.sched_getaffinity(0)), len(sizes)) if sum(sizes) >= PAYS else 1


def _size_of(path: str) -> int:
    return Path(path).stat().st_size if Path(path).is_file() else 0


def together(
    paths: Sequence[str], begin: Callable[[], Callable[[str, Progress], T]], progress: Progress | None, jobs: int
) -> Iterator[T]:
    """Yield what the work makes of each file, in their order, `jobs` of them at a time.

    `begin` is called once in each process and returns the work, which is given a path and what counts the bytes
    read. Nothing but results need be picklable, since processes are forked: to be called before there are threads.
    """
    count = progress or _ignore
    if jobs == 1:
        work = begin()
        for path in paths:
            yield work(path, count)
        return
    context = get_context("fork")
    read, stop = context.Value("Q", 0), context.Event()
    with ProcessPoolExecutor(jobs, context, _Worker.begin, (begin, read, stop)) as pool:
        # The largest first: then the last ones are small, and no process goes on for long when the others have ended.
        futures = {path: pool.submit(_Worker.one, path) for path in sorted(paths, key=_size_of, reverse=True)}
        waiting = [futures[path] for path in paths]
        seen = 0
        try:
            for future in waiting:
                while not future.done():
                    wait([future], timeout=POLL)
                    before, seen = seen, read.value
                    count(seen - before)
                yield future.result()
            count(read.value - seen)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _ignore(_size: int) -> None:
    pass


class _Worker:
    """What a process of several has; there is one in each."""

    here: _Worker

    def __init__(self, work: Callable[[str, Progress], Any], read: Synchronized[int], stop: Event) -> None:
        self._work, self._read, self._stop = work, read, stop

    @classmethod
    def begin(cls, begin: Callable[[], Callable[[str, Progress], Any]], read: Synchronized[int], stop: Event) -> None:
        """Make this process ready."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process answers, and stops the others
        cls.here = cls(begin(), read, stop)

    @classmethod
    def one(cls, path: str) -> Any:  # noqa: ANN401  whatever the work makes
        """Work on one file."""
        return cls.here._work(path, cls.here._count)  # noqa: SLF001

    def _count(self, size: int) -> None:
        if self._stop.is_set():
            raise SourceError("interrupted", transient=True)
        with self._read.get_lock():
            self._read.value += size
