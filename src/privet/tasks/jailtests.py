"""Try jails on their own samples: the engine of the daemon, and one line or session after the other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.manners import MannersFiles
from privet.config.builtin import FOLDER, builtins
from privet.config.cases import BAN, NOTHING, Case, cases
from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.config.manners import NEEDS
from privet.config.model import PLAIN, Config, SourceConfig
from privet.core.addresses.address import Subject
from privet.core.addresses.networks import Network
from privet.core.bans.escalate import Escalation
from privet.core.engine import Batch
from privet.core.parsing.times import write_clf
from privet.core.plurals import counted
from privet.core.verdicts import Action
from privet.tasks.explain import explain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from privet.core.engine import Engine
    from privet.core.jails import Jail

START = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
"""When all sessions begin."""

_REQUEST = re.compile(r"([A-Z]+) (.+) (\d{3})")
SOURCE = "test"
_SYSTEMS = {
    64500: tuple(map(Subject.parse, ("192.0.2.0/24", "198.51.100.0/24"))),
    64501: tuple(map(Subject.parse, ("203.0.113.0/24", "2001:db8::/32"))),
}


class Result(msgspec.Struct, frozen=True):
    """One thing that was tried: a line of `hit` or `miss`, or a session. `why` says what was lacking if it failed."""

    jail: str
    case: str
    what: str
    line: str
    passed: bool
    why: str = ""


def builtin_results(wanted: Collection[str] = ()) -> Iterator[Result]:
    """Yield what comes of the samples of the jails that come with Privet; of all, or those that are wanted."""
    for one in builtins().values():
        if not wanted or one.name in wanted:
            yield from _results(alone(one.name), one.name, cases(one.samples))


def results(config: Config, wanted: Collection[str] = ()) -> Iterator[Result]:
    """Yield what comes of the samples that the jails of a configuration have."""
    for name, samples in config.tests.items():
        if not wanted or name in wanted:
            yield from _results(config, name, samples)


def alone(name: str) -> Config:
    """Return a configuration of one jail that comes with Privet, on a source that it suits."""
    one = builtins()[name]
    form = PLAIN if "filter" in one.settings else "auto"
    on = f'source = "{SOURCE}"\n' if one.has_source else ""
    text = f'[source.{SOURCE}]\npath = "/nonexistent"\nformat = "{form}"\n[networks]\ntable = "/nonexistent"\n'
    samples = FOLDER / "manners"
    files = {
        "robots": f'robots = "{samples}/samples-robots.txt"',
        "crawlers": f'crawlers = {{ googlebot = "{samples}/samples-networks.txt" }}',
    }
    if needs := NEEDS.get(one.settings.get("signal", "")):
        text += f"[manners]\n{files[needs]}\n"
    watched = "" if one.has_source else f'[jail.watched]\nsource = "{SOURCE}"\nmaxretry = 1\n'
    return parse(f'{text}{watched}[jail.{name}]\nbuiltin = "{name}"\n{on}', name)


def _results(config: Config, name: str, samples: tuple[Case, ...]) -> Iterator[Result]:
    for number, case in enumerate(samples, 1):
        trial = _Trial(config, config.jails[name], case, case.name or f"test {number}")
        yield from trial.results()


class _Trial:
    """One case of one jail."""

    def __init__(self, config: Config, jail: Jail, case: Case, name: str) -> None:
        self._case, self._name = case, name
        lines = (*case.before, *case.hit, *case.miss, *(step.line for step in case.lines if step.times))
        self._config = _reduced(config, jail, short=all(map(_REQUEST.fullmatch, lines)))
        self._jail = self._config.jails[jail.name]

    def results(self) -> Iterator[Result]:
        """Yield what comes of each line, then of the session."""
        for what, lines in (("hit", self._case.hit), ("miss", self._case.miss)):
            engine = self._engine()
            for number, line in enumerate(self._case.before if lines else ()):
                engine.feed(Batch(SOURCE, self._written(line, START, number).encode() + b"\n"), inf)
            for number, line in enumerate(lines, len(self._case.before)):
                yield self._line(engine, what, line, number)
        if self._case.lines:
            yield self._session()

    def _engine(self) -> Engine:
        engine = engine_for(self._config, zone=UTC, networks=Documentation(), today=START)
        files = MannersFiles(self._config.manners.robots, self._config.manners.crawlers)
        files.refresh()
        engine.know(files.known())
        return engine

    def _line(self, engine: Engine, what: str, line: str, number: int) -> Result:
        """Tell whether a line is a failure as it should be, or not."""
        before = self._failures(engine)
        written = self._written(line, START, number)
        engine.feed(Batch(SOURCE, written.encode() + b"\n"), inf)
        failed = self._failures(engine) > before
        why = ""
        if failed and what == "miss":
            why = "counts as a failure"
        elif not failed and what == "hit":
            why = self._lacking(written)
        return Result(self._jail.name, self._name, what, line, not why, why)

    def _session(self) -> Result:
        """Tell whether a session brings the bans that it should."""
        engine, case, now, number, lines = self._engine(), self._case, START, 0, list[str]()
        for step in case.lines:
            now += step.wait
            for _ in range(step.times):
                lines.append(self._written(step.line, now, number))
                now, number = now + case.every, number + 1
        verdicts = engine.feed(Batch(SOURCE, "".join(f"{line}\n" for line in lines).encode()), inf)
        banned = (one for one in verdicts if one.jail == self._jail.name and one.action is not Action.SLOW)
        found = {verdict.subject for verdict in banned}
        expected = bool(found) if case.expect == BAN else found == set(() if case.expect == NOTHING else case.expect)
        return Result(
            self._jail.name,
            self._name,
            "session",
            counted(len(lines), "line"),
            expected,
            "" if expected else self._outcome(self._failures(engine), len(found)),
        )

    def _outcome(self, failures: int, banned: int) -> str:
        jail = self._jail
        told = f"{counted(failures, 'failure')}, {counted(banned, 'client')} banned"
        if jail.kind == "swarm":
            return told
        of = f" different values of {jail.distinct}" if jail.distinct else ""
        return f"{told}; a ban takes {jail.maxretry}{of} within {jail.findtime:g} s"

    def _failures(self, engine: Engine) -> int:
        return engine.matches()[self._jail.name][0]

    def _lacking(self, line: str) -> str:
        """Say at which steps a line stops."""
        walks = explain(self._config, line, UTC, START, self._jail.name)
        steps = [f"{step.name}: {step.text}" for walk in walks for step in walk.steps if step.good is False]
        return "; ".join(steps) or "is no failure"

    def _written(self, line: str, now: float, number: int) -> str:
        """Return a line as a log has it: short ones in full, with the time and the number where they belong."""
        case, numbered = self._case, line.replace("{n}", str(number))
        if found := _REQUEST.fullmatch(numbered):
            method, target, status = found.groups()
            client, stamp = case.client.replace("{n}", str(number)), write_clf(now).decode()
            said = f'"{case.referer.replace("{n}", str(number))}" "{case.agent.replace("{n}", str(number))}"'
            return f'{case.host}:443 {client} - - [{stamp}] "{method} {target} HTTP/1.1" {status} 512 {said}'
        return numbered.replace("{time}", datetime.fromtimestamp(now, UTC).isoformat())


def _reduced(config: Config, jail: Jail, *, short: bool) -> Config:
    """Return a configuration with a jail, those that it watches, and one source; `short`: of requests in full."""
    source = config.sources[jail.sources[0]] if jail.sources else SourceConfig(name=SOURCE)
    form = PLAIN if source.journal is not None else source.format
    if short and jail.filter is None:
        form = "vhost_combined"
    chosen = {name: other for name, other in config.jails.items() if other == jail or jail.watches(other)}
    return Config(
        engine=config.engine,
        manners=config.manners,
        sources={SOURCE: SourceConfig(name=SOURCE, paths=("/nonexistent",), format=form)},
        jails={
            name: msgspec.structs.replace(
                one,
                sources=(SOURCE,) if one.bans_of is None else (),
                answer="ban",
                dry_run=False,  # so that who is only told is told apart
                escalation=Escalation(),
            )
            for name, one in chosen.items()
        },
    )


class Documentation:
    """The table of networks that sessions have: two autonomous systems, of addresses that belong to nobody."""

    problem: str | None = None

    def of(self, subject: Subject) -> Network | None:
        """Return the network of a subject."""
        for asn, prefixes in _SYSTEMS.items():
            for prefix in prefixes:
                if prefix.overlaps(subject):
                    return Network(asn, self.name(asn), prefix)
        return None

    def number(self, key: bytes) -> int | None:
        """Return the AS number of a client."""
        network = self.of(Subject.of_key(key))
        return network.asn if network else None

    def prefixes(self, asn: int) -> Sequence[Subject]:
        """Return all prefixes of an AS number."""
        return _SYSTEMS[asn]

    def name(self, asn: int) -> str:
        """Return the name of an AS number."""
        return f"Documentation {asn}"
