"""One night with attackers, through the real engine: what `privet demo` shows.

Lines come from `privet.tasks.night`, everything else from the verdicts and counters of the engine.
"""

from __future__ import annotations

import math
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.daykeys import KEY_BYTES
from privet.config.compile import MASKED_COLUMNS, engine_for, plan_for
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.engine import Batch
from privet.core.manners.habits import FIELDS, Habits
from privet.core.manners.known import Known
from privet.core.masking.mask import Masks, masked_log
from privet.core.parsing.lines import line_feeds
from privet.core.reports.leeches import COLUMNS, Leeches
from privet.core.reports.pulse import Pulse
from privet.core.swarms.swarm import Event
from privet.core.watch.vigil import Vigil
from privet.tasks.night import CAST, Actor, Night

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.engine import Engine
    from privet.core.parsing.parse import Rows
    from privet.core.verdicts import Verdict

SOURCE = "wikis"
CONFIG = f"""
[source.{SOURCE}]
pipe = true
format = "vhost_combined"

[jail.leech]                  # anybody who takes 30 pages within a minute
source = "{SOURCE}"
findtime = "60s"
maxretry = 30
bantime = "10m"

[jail.scanner]                # looks for what is not there
source = "{SOURCE}"
status = [400, 403, 404]
path = '\\.(env|git|php)\\b'
findtime = "10m"
maxretry = 5
bantime = "1h"

[jail.comment-spam]           # writes five comments within ten minutes
source = "{SOURCE}"
method = "POST"
path = '^/wiki/Comments_on_'
findtime = "10m"
maxretry = 5
bantime = "1d"

[jail.deaf-fetcher]           # comes back no slower after a 503
source = "{SOURCE}"
kind = "manners"
signal = "backoff"
findtime = "10m"
maxretry = 10
bantime = "1h"

[jail.swarm]                  # many addresses with one aim, none of which does enough to be noticed alone
source = "{SOURCE}"
kind = "swarm"
"""
STEP = 10.0  # seconds of the night that one batch holds
LOOK = 60.0  # seconds of the night between two looks at what may have gone dead
EXCERPT = 3  # lines of the masked log that are shown


class Banned(msgspec.Struct):
    """What one jail did about one client."""

    jail: str
    subject: Subject
    first: float
    times: int
    failures: int


class Part(msgspec.Struct):
    """How one kind of visitor fared."""

    name: str
    story: str
    clients: int
    banned: int


class Dead(msgspec.Struct):
    """Jails that can match nothing any more: since when that is known, why, and when each matched last."""

    at: float
    cause: str
    jails: dict[str, float | None]


class Outcome(msgspec.Struct):
    """One night: what was seen, who was banned, what reached the disk.

    `seconds` is how long it took, `night` how long it lasted; other times are those of the log. `spared`
    counts requests that a firewall would have kept away, `leaked` how many of the `addresses` stand in the log.
    `requests` and `bans` tell when they came.
    """

    seconds: float
    night: float
    lines: int
    parsed: int
    unparsed: dict[str, int]
    banned: list[Banned]
    spared: int
    cast: list[Part]
    swarms: list[Event]
    leeches: Leeches
    habits: Habits
    requests: Pulse
    bans: Pulse
    dead: Dead | None
    log: Path
    log_lines: int
    log_bytes: int
    excerpt: list[str]
    addresses: int
    leaked: int


class _Stage:
    """What watches the engine while the night goes by."""

    def __init__(self, log: Path) -> None:
        self.leeches, self.requests, self.bans = Leeches(), Pulse(), Pulse()
        self.habits = Habits(Known())
        self.spared = self.log_lines = 0
        self.banned: dict[tuple[str, bytes], Banned] = {}
        self.excerpt: list[str] = []
        self.found: set[bytes] = set()
        self._until: dict[bytes, float] = {}
        self._masks = Masks("pseudonym", os.urandom(KEY_BYTES))
        self._plan = plan_for(parse(CONFIG, "demo").sources[SOURCE], MASKED_COLUMNS)
        self._file = log.open("wb")

    def observe(self, source: str, rows: Rows) -> None:
        """Count the rows, write them masked, and note who would not have come this far."""
        self.leeches.take(rows)
        self.habits.take(rows)
        self.requests.take(rows)
        until = self._until.get
        self.spared += sum(time < until(key, 0.0) for key, time in zip(rows.keys, rows.times, strict=True))
        block = masked_log(rows, self._plan, self._masks, source.encode())
        self._file.write(block)
        self.log_lines += line_feeds(block)
        self.found.update(_ADDRESS_LIKE.findall(block))
        if len(self.excerpt) < EXCERPT:
            self.excerpt.append(block.partition(b"\n")[0].decode("ascii", "backslashreplace"))

    def judge(self, verdict: Verdict) -> None:
        """Note a verdict."""
        key = verdict.subject.packed[: verdict.subject.length // 8]
        self.bans.count([verdict.time], [verdict.jail])
        self._until[key] = max(verdict.until, self._until.get(key, 0.0))
        ban = self.banned.setdefault(
            (verdict.jail, key), Banned(verdict.jail, verdict.subject, verdict.time, 0, verdict.failures)
        )
        ban.times += 1

    def close(self) -> None:
        """Finish the log."""
        self._file.close()


def demo(
    directory: Path, seed: int, config_text: str = CONFIG, progress: Callable[[float], None] | None = None
) -> Outcome:
    """Play a night and write its masked log into a directory; `progress` gets the share that is done."""
    began = time.monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "access.log"
    night, stage = Night(seed), _Stage(log)
    engine = engine_for(
        parse(config_text, "demo"), want=MASKED_COLUMNS | set(COLUMNS) | FIELDS, observers=(stage.observe,)
    )
    state, vigil, looked = engine.sources[SOURCE], Vigil(), night.start
    dead: Dead | None = None
    addresses: set[bytes] = set()
    for now, block in night.blocks(STEP):
        addresses.update(line.split(b" ", 2)[1] for line in block.splitlines())
        for verdict in engine.feed(Batch(SOURCE, block), math.inf):
            stage.judge(verdict)
        if now - looked >= LOOK:
            looked = now
            vigil.look(now, engine.sources, engine.jails, engine.matches())
            dead = dead or _dead(vigil, engine)
        if progress:
            progress((now - night.start) / (night.end - night.start))
    stage.close()
    addresses.discard(b"-")
    subjects = {ban.subject for ban in stage.banned.values()}
    return Outcome(
        seconds=time.monotonic() - began,
        night=night.end - night.start,
        lines=state.lines,
        parsed=state.parsed,
        unparsed=dict(state.unparsed),
        banned=sorted(stage.banned.values(), key=lambda ban: ban.first),
        spared=stage.spared,
        cast=[_part(actor, {Subject.of_key(key) for key in night.clients[actor.name]}, subjects) for actor in CAST],
        swarms=engine.swarms(),
        leeches=stage.leeches,
        habits=stage.habits,
        requests=stage.requests,
        bans=stage.bans,
        dead=dead,
        log=log,
        log_lines=stage.log_lines,
        log_bytes=log.stat().st_size,
        excerpt=stage.excerpt,
        addresses=len(addresses),
        leaked=len(addresses & stage.found),
    )


def _dead(vigil: Vigil, engine: Engine) -> Dead | None:
    """Return which jails the first alarm concerns, None while all is well."""
    for alarm in vigil.alarms:
        matches = engine.matches()
        jails = {jail.name: matches[jail.name][1] for jail in engine.jails if alarm.source in jail.sources}
        return Dead(alarm.since, f"source {alarm.source}: {alarm.text}", jails)
    return None


def _part(actor: Actor, clients: set[Subject], banned: set[Subject]) -> Part:
    return Part(actor.name, actor.story, len(clients), len(clients & banned))


_ADDRESS_LIKE = re.compile(rb"[0-9A-Fa-f:.]{3,}")
