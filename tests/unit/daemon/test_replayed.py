"""Replay equals live: from a log, `privet replay` gives the verdicts that the daemon gave while it was written."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from privet.config.loader import load
from privet.core.swarms.swarm import WARM
from privet.tasks.replay import replay
from tests.unit.core.traffic import entry
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import line, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from privet.core.verdicts import Verdict

SECONDS, TICK = 9.0, 0.1
LEECH, LATE, SLOW, ASKER, DEAF = "192.0.2.1", "192.0.2.2", "198.51.100.7", "192.0.2.3", "192.0.2.4"
NEIGHBOURS = [f"203.0.113.{number}" for number in range(1, 9)]

JAILS = """
[jail.web-leech]
source = "web"
findtime = "1h"
maxretry = 6
bantime = "1s"
increment = true
[jail.web-strict]
source = "web"
findtime = "4s"
maxretry = 9
bantime = "3s"
dry_run = true
[jail.web-again]
bans_of = ["web-leech"]
maxretry = 2
findtime = "1m"
bantime = "2s"
[jail.web-net]
source = "web"
path = "^/trap"
key = "prefix"
maxretry = 9
clients = 3
bantime = "2s"
[jail.web-paths]
source = "web"
distinct = "path"
maxretry = 5
findtime = "10s"
bantime = "1s"
[jail.web-swarm]
source = "web"
kind = "swarm"
action = "ban"
bantime = "1h"
[jail.web-deaf]
source = "web"
kind = "manners"
signal = "backoff"
maxretry = 3
bantime = "2s"
[jail.shop-leech]
source = "shop"
maxretry = 4
bantime = "2s"
increment = true
[jail.shop-nets]
bans_of = ["shop-leech"]
key = "prefix"
maxretry = 1
[jail.gate-refused]
source = "gate"
filter = { failregex = ' gate: <HOST> refused$' }
maxretry = 3
bantime = "1s"
[source.shop]
pipe = true
log = "SHOP"
[source.gate]
path = "GATE"
format = "plain"
"""


def web(draw: random.Random, number: int, now: float) -> Iterator[str]:
    """Yield what visitors of the site ask for in one tick."""
    yield line(LEECH, f"/{number % 4}", at=now)
    yield line("2001:db8::1" if number % 2 else "2001:db8::2", "/feed", at=now)
    if number % 10 == 0:
        yield line(SLOW, "/", at=now)
        yield line(LATE, "/", at=now - 30)
        yield line(LEECH, "/late", at=now - draw.choice((3, 70)))
    yield line(draw.choice(NEIGHBOURS), "/trap" if number % 3 else "/", at=now)
    yield line(ASKER, f"/wiki/{draw.choice('abcdefgh')}{number // 20}", at=now)
    yield line(DEAF, "/busy", 503 if number > 12 else 200, now)
    if 10 <= number < 25:
        for one in range(4):
            yield line(f"10.{number}.{one}.{draw.randrange(1, 255)}", f"/rc?action=history&id={number}{one}", at=now)
    if number % 17 == 0:
        yield "garbage"


def shop(_draw: random.Random, number: int, now: float) -> Iterator[str]:
    """Yield what comes through the pipe in one tick."""
    yield line(LEECH, "/shop", at=now)
    if number % 5 == 0:
        yield line(SLOW, "/shop", at=now)


def gate(_draw: random.Random, number: int, now: float) -> Iterator[str]:
    """Yield the lines of a log that is no web server's."""
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield f"{stamp} gate: {LEECH if number % 3 else SLOW} {'refused' if number % 4 else 'let in'}"


class Writer:
    """Writes lines in pieces that begin and end anywhere, and keeps a copy of them."""

    def __init__(self, stream: IO[bytes], copy: Path) -> None:
        self._stream, self._copy = stream, copy

    def write(self, draw: random.Random, lines: Iterator[str]) -> None:
        data = "".join(f"{text}\n" for text in lines).encode()
        with self._copy.open("ab") as copy:
            copy.write(data)
        cut = draw.randrange(len(data) + 1)
        for part in (data[:cut], data[cut:]):
            self._stream.write(part)
            self._stream.flush()


def told(verdicts: list[Verdict], source: str) -> list[tuple[object, ...]]:
    """Return all of the verdicts of the jails of one source, in their order."""
    return [
        (v.jail, v.action, v.subject.reveal(), v.time, v.until, v.failures, v.count, v.scope, v.group)
        for v in verdicts
        if v.jail.startswith(source)
    ]


def has_read(place: Served, source: str, lines: int) -> bool:
    """Tell whether the daemon has read so many lines of a source."""
    return place.daemon.engine.sources[source].lines == lines


async def live(place: Served, copies: dict[str, Path], errors: Path) -> tuple[list[Verdict], Counter[str]]:
    """Run the daemon while three logs are written; return its verdicts, and how many it says that each jail had."""
    verdicts: list[Verdict] = []
    draw = random.Random(3)
    async with serving(place):
        act = place.daemon.act

        def acting(found: list[Verdict], now: float) -> None:
            verdicts.extend(found)
            act(found, now)

        place.daemon.act = acting  # type: ignore[assignment, method-assign]  # what it decides goes no other way
        with running(errors, "pipe", "--config", place.config, "shop") as pipe:
            assert pipe.process.stdin
            with place.log.open("ab") as log, (place.log.parent / "gate.log").open("ab") as other:
                writers = [
                    (web, Writer(log, copies["web"])),
                    (shop, Writer(pipe.process.stdin, copies["shop"])),
                    (gate, Writer(other, copies["gate"])),
                ]
                for number in range(int(SECONDS / TICK)):
                    for lines, writer in writers:
                        writer.write(draw, lines(draw, number, time.time()))
                    await asyncio.sleep(TICK)
            assert await asyncio.to_thread(pipe.close) == 0
        for name, copy in copies.items():
            wanted = copy.read_bytes().count(b"\n")
            await until(partial(has_read, place, name, wanted))
        jails = (await place.ask("jails"))["items"]
    return verdicts, Counter({jail["jail"]: jail["verdicts"] for jail in jails})


def test_a_replay_gives_the_verdicts_that_the_daemon_gave(place: Served, tmp_path: Path) -> None:
    copies = {name: tmp_path / f"{name}.copy" for name in ("web", "shop", "gate")}
    gate_log = tmp_path / "gate.log"
    gate_log.touch()
    text = JAILS.replace("SHOP", str(tmp_path / "shop.log")).replace("GATE", str(gate_log))
    place.configure(f'path = "{place.log}"', text)
    begin = time.time()
    ago = range(int(WARM) + 600, 0, -60)
    quiet = b"".join(entry(begin - second, f"198.51.100.{second // 60 + 100}", "/robots.txt")[1] for second in ago)
    place.log.write_bytes(quiet)  # so that what swarms are compared with is known
    copies["web"].write_bytes(quiet)

    verdicts, counts = asyncio.run(live(place, copies, tmp_path / "errors"))

    config = load(place.config)
    for name, copy in copies.items():
        again = replay(config, [str(copy)], name).verdicts
        assert told(again, name) == told(verdicts, name)
    jails = Counter(verdict.jail for verdict in verdicts)
    assert set(jails) == set(config.jails), "each jail had something to decide"
    assert counts == jails
    assert max(v.count for v in verdicts if v.jail == "web-leech") > 1
