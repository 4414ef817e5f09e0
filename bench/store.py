"""What it costs to keep bans on the disk, sealed: stored at once, read after a restart, erased when they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.report import Result
from bench.runs import LONGEST, Failed, Spread, memory_of
from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.rows import BANS
from privet.adapters.store.sqlite import SqliteStore
from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.runs import Settings

COUNT = 100_000
BEGIN, HOUR = 1_790_000_000.0, 3600.0
FIRST = int.from_bytes(bytes((10, 0, 0, 0)))


class Round(NamedTuple):
    """What one round took: seconds, and bytes of file and memory."""

    put: float
    one: float
    load: float
    expire: float
    file: int
    put_memory: int
    load_memory: int


def kept(settings: Settings) -> Iterator[Result]:
    """Store, load and erase many bans, each in a process of its own, as restarts are."""
    count = settings.scaled(COUNT)
    rounds = [_round(settings.folder / f"store-{number}" / "bans.db", count) for number in range(settings.rounds)]
    load = Spread.of([one.load for one in rounds])
    memory = max(max(one.put_memory, one.load_memory) for one in rounds)
    yield Result(
        f"{count:,} stored bans read and opened at the start",
        f"{load} s",
        "≤ 1 s",
        load.median <= 1,
        {"load_s": load.median},
    )
    for work, name in (("stored in one go", "put"), ("of which half end, erased", "expire")):
        spent = Spread.of([getattr(one, name) for one in rounds])
        yield Result(f"{count:,} bans {work}", f"{spent} s", values={f"{name}_s": spent.median})
    single = Spread.of([one.one * 1000 for one in rounds])
    yield Result(f"one more ban stored beside {count:,}", f"{single} ms", values={"one_ms": single.median})
    yield Result(
        f"file and memory for {count:,} stored bans",
        f"{rounds[0].file / 1e6:.0f} MB, {memory / 1e6:.0f} MB more (RSS)",
        values={"file_mb": rounds[0].file / 1e6, "memory_mb": memory / 1e6},
    )


def _round(path: Path, count: int) -> Round:
    stored, loaded, erased = (_child(work, path, count) for work in ("put", "load", "expire"))
    return Round(
        stored["put"],
        stored["one"],
        loaded["load"],
        erased["expire"],
        path.stat().st_size,
        int(stored["memory"]),
        int(loaded["memory"]),
    )


def _child(work: str, path: Path, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.store", work, str(path), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode:
        raise Failed(f"the store: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _put(store: SqliteStore[Ban], count: int) -> dict[str, float]:
    bans = [_ban(number, count) for number in range(count)]
    store.open()
    before, began = memory_of(os.getpid()), time.perf_counter()
    store.put(bans)
    done = time.perf_counter()
    memory = memory_of(os.getpid()) - before
    store.put([_ban(count, count)])
    return {"put": done - began, "one": time.perf_counter() - done, "memory": memory}


def _load(store: SqliteStore[Ban], count: int) -> dict[str, float]:
    before, began = memory_of(os.getpid()), time.perf_counter()
    found = store.load(BEGIN)
    spent = time.perf_counter() - began
    if len(found) != count + 1:
        raise Failed(f"{len(found):,} of {count + 1:,} bans came back")
    return {"load": spent, "memory": memory_of(os.getpid()) - before}


def _expire(store: SqliteStore[Ban], count: int) -> dict[str, float]:
    store.open()
    began = time.perf_counter()
    erased = store.expire(BEGIN + 1.5 * HOUR)
    spent = time.perf_counter() - began
    if abs(erased - count / 2) > 2:
        raise Failed(f"{erased:,} of {count:,} bans were erased, not half of them")
    return {"expire": spent}


def _ban(number: int, count: int) -> Ban:
    """Return one of the bans, a quarter of them for IPv6; the later half of them is for twice as long."""
    packed = (FIRST + number).to_bytes(4)
    subject = Subject(packed, 32) if number % 4 else Subject(bytes.fromhex("20010db8") + packed + bytes(8), 64)
    return Ban(subject, "ssh", BEGIN + number / 100, BEGIN + HOUR * (1 if number < count // 2 else 2), 5, "jail")


WORKS = {"put": _put, "load": _load, "expire": _expire}

if __name__ == "__main__":
    place = SqliteStore(Path(sys.argv[2]), Buckets(Ring(Path(f"{sys.argv[2]}-ring")), "bans"), BANS)
    print(json.dumps(WORKS[sys.argv[1]](place, int(sys.argv[3]))))
    place.close()
