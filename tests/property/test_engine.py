"""From bytes to verdicts: as the manual says, however the input is cut; and no bytes raise."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from privet.config.compile import engine_for
from privet.config.model import Config, EngineConfig, SourceConfig
from privet.core.addresses.address import Subject, client_key
from privet.core.engine import Batch, Engine
from privet.core.jails import Between, Is, Jail, Matches, Predicate
from privet.core.verdicts import Action, Verdict
from tests.property.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Drawn = tuple[str, tuple[str, ...], float, int, float, tuple[Subject, ...], bool]
TOLERANCE = 60.0
BEGIN = 1431857103
CLIENTS = ("192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "100::5")
SOURCES = {
    "web": SourceConfig(name="web", paths=("/a",)),
    "api": SourceConfig(
        name="api", paths=("/b",), format='$remote_addr $time_iso8601 "$request" $status "$http_user_agent"'
    ),
}


class Hit(NamedTuple):
    """One request, and the line that tells of it."""

    source: str
    client: str
    time: int
    path: str
    status: int
    agent: str
    line: bytes


def common(hit: Hit) -> str:
    stamp = datetime.fromtimestamp(hit.time, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{hit.client} - - [{stamp}] "GET {hit.path} HTTP/1.1" {hit.status} 5'


def nginx(hit: Hit) -> str:
    stamp = datetime.fromtimestamp(hit.time, UTC).isoformat()
    return f'{hit.client} {stamp} "GET {hit.path} HTTP/1.1" {hit.status} "{hit.agent}"'


WAYS: tuple[Callable[[Hit], str], ...] = (
    lambda hit: f'{common(hit)} "-" "{hit.agent}"',
    lambda hit: f'{common(hit)} "-" "{hit.agent}"',
    lambda hit: f'example.org:80 {common(hit)} "-" "{hit.agent}"',
    lambda hit: f'example.org:443 {common(hit)} "-" "{hit.agent}" 12 "text/html" "-"',
    lambda hit: (
        f'{{"ts":{hit.time},"status":{hit.status},"remote_ip":"{hit.client}","method":"GET","uri":"{hit.path}",'
        f'"user_agent":"{hit.agent}"}}'
    ),
)
NOISE = st.sampled_from([b"\n", b"noise\n", b"\x16\x03\x01\n", b'"\n', b"{}\n", b'- - - [x] "" 200 5\n', b"\xff\0\n"])


@st.composite
def logs(draw: st.DrawFn, clients: Sequence[str] = CLIENTS, longest: int = 30) -> list[Hit | tuple[str, bytes]]:
    now = BEGIN
    log: list[Hit | tuple[str, bytes]] = []
    for _ in range(draw(st.integers(0, longest))):
        now += draw(st.sampled_from([0, 0, 1, 2, 10, 61, 300]))
        source = draw(st.sampled_from(["web", "web", "web", "api"]))
        if draw(st.integers(0, 9)) == 0:
            log.append((source, draw(NOISE)))
            continue
        hit = Hit(
            source,
            draw(st.sampled_from(clients)),
            now - draw(st.sampled_from([0, 0, 0, 1, 30, 60, 61, 500])),
            draw(st.sampled_from(["/", "/.env", "/a?b=.env", "/x.php"])),
            draw(st.sampled_from([200, 404, 403])),
            draw(st.sampled_from(["curl", "Googlebot", "a\\\\b", "-"])),
            b"",
        )
        way = nginx if source == "api" else draw(st.sampled_from(WAYS))
        log.append(hit._replace(line=way(hit).encode() + b"\n"))
    return log


CONDITIONS: dict[str, tuple[tuple[Predicate, ...], Callable[[Hit], bool]]] = {
    "all": ((), lambda _: True),
    "errors": ((Predicate("status", any=(Between(400, 499),)),), lambda hit: hit.status >= 400),
    "scanner": (
        (
            Predicate("status", any=(Between(403, 403), Between(404, 404))),
            Predicate("path", any=(Matches(r"\.(env|php)\b"),)),
            Predicate("agent", none=(Matches("Googlebot"),)),
        ),
        lambda hit: hit.status in (403, 404) and hit.path in ("/.env", "/x.php") and hit.agent != "Googlebot",
    ),
    "dash": ((Predicate("agent", any=(Is("-"),)),), lambda hit: hit.agent == "-"),
}
JAILS = st.lists(
    st.tuples(
        st.sampled_from(["all", "all", *CONDITIONS]),
        st.sampled_from([("web",), ("web",), ("api",), ("web", "api")]),
        st.sampled_from([1.0, 10.0, 60.0, 600.0]),
        st.sampled_from([1, 2, 3, 4]),
        st.sampled_from([1.0, 60.0, 600.0]),
        st.sampled_from([(), (), (Subject.parse("192.0.2.0/30"),), (Subject.parse("2001:db8::ffff"),)]),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def config(drawn: list[Drawn], cap: int = 1000) -> Config:
    jails = {
        f"{condition}-{number}": Jail(
            f"{condition}-{number}", sources, CONDITIONS[condition][0], findtime, maxretry, bantime, ignoreip, dry_run
        )
        for number, (condition, sources, findtime, maxretry, bantime, ignoreip, dry_run) in enumerate(drawn)
    }
    return Config(engine=EngineConfig(tolerance=TOLERANCE, max_clients=cap), sources=SOURCES, jails=jails)


def parts(log: list[Hit | tuple[str, bytes]], cuts: list[int]) -> list[Batch]:
    """Cut a log into batches: where it is said and wherever the source changes."""
    pieces = [(entry.source, entry.line) if isinstance(entry, Hit) else entry for entry in log]
    pieces = [(source, line, sum(cut <= number for cut in cuts)) for number, (source, line) in enumerate(pieces)]  # type: ignore[misc]
    grouped = groupby(pieces, key=lambda piece: (piece[0], piece[2]))  # type: ignore[misc]
    return [Batch(source, b"".join(piece[1] for piece in group)) for (source, _), group in grouped]


def fed(engine: Engine, batches: list[Batch], now: float) -> list[Verdict]:
    return [verdict for batch in batches for verdict in engine.feed(batch, now)]


def counters(engine: Engine) -> object:
    states = {
        name: (s.lines, s.parsed, s.ignored, s.late, s.ahead, s.pseudonyms, s.unparsed, s.requests.newest, s.complaint)
        for name, s in engine.sources.items()
    }
    return states, engine.bans, engine.spared, engine.matches(), engine.evicted


def expected(setting: Config, log: list[Hit | tuple[str, bytes]], now: float) -> tuple[list[Verdict], Counter[str]]:
    """Say in the words of the manual what comes of a log: verdicts, and how many lines were late, by source.

    Only for jails on one source: of two, the one that lags may lack what the other made the window forget.
    """
    newest, late = dict.fromkeys(SOURCES, -inf), Counter[str]()
    oracles = {name: Oracle([jail]) for name, jail in setting.jails.items() if len(jail.sources) == 1}
    verdicts = []
    for number, hit in enumerate(log):
        if not isinstance(hit, Hit):
            continue
        time = now if hit.time > now + 60 else float(hit.time)
        newest[hit.source] = max(newest[hit.source], time)
        if time < newest[hit.source] - TOLERANCE:
            time = newest[hit.source] - TOLERANCE
            late[hit.source] += 1
        key = client_key(hit.client.encode())
        assert key
        for name, oracle in oracles.items():
            jail = setting.jails[name]
            if hit.source in jail.sources and CONDITIONS[name.split("-")[0]][1](hit):
                verdicts += [verdict(jail, key, ban.time) for ban in oracle.hit(number, key, time)]
    spared = [v for v in verdicts if not any(s.overlaps(v.subject) for s in setting.jails[v.jail].ignoreip)]
    return spared, late


def verdict(jail: Jail, key: bytes, time: float) -> Verdict:
    action = Action.REPORT if jail.dry_run else Action.BAN
    return Verdict(action, Subject.of_key(key), jail.name, time, time + jail.bantime, jail.maxretry)


@settings(max_examples=100)
@given(JAILS, logs(), st.lists(st.integers(0, 30), max_size=5), st.sampled_from([inf, inf, BEGIN + 100.0]))
def test_verdicts_are_those_of_the_manual_however_the_input_is_cut(
    drawn: list[Drawn],
    log: list[Hit | tuple[str, bytes]],
    cuts: list[int],
    now: float,
) -> None:
    setting = config(drawn)
    singly, cut, whole = engine_for(setting), engine_for(setting), engine_for(setting)
    verdicts = fed(singly, parts(log, list(range(len(log)))), now)
    assert fed(cut, parts(log, cuts), now) == verdicts
    assert fed(whole, parts(log, []), now) == verdicts
    assert counters(cut) == counters(whole) == counters(singly)
    wanted, late = expected(setting, log, now)
    assert [v for v in verdicts if len(setting.jails[v.jail].sources) == 1] == wanted
    assert {name: state.late for name, state in singly.sources.items()} == {name: late[name] for name in SOURCES}
    for state in singly.sources.values():
        assert state.lines == state.parsed + state.ignored + state.unparsed.total()


STRANGERS = tuple(f"198.51.100.{number}" for number in range(40))


@settings(max_examples=40)
@given(JAILS, logs(STRANGERS, 80), st.lists(st.integers(0, 80), max_size=8), st.integers(8, 20))
def test_no_cut_matters_while_clients_are_forgotten(
    drawn: list[Drawn],
    log: list[Hit | tuple[str, bytes]],
    cuts: list[int],
    cap: int,
) -> None:
    setting = config(drawn, cap)
    singly, cut, whole = engine_for(setting), engine_for(setting), engine_for(setting)
    verdicts = fed(singly, parts(log, list(range(len(log)))), inf)
    assert fed(cut, parts(log, cuts), inf) == fed(whole, parts(log, []), inf) == verdicts
    assert counters(cut) == counters(whole) == counters(singly)
    assert cut.tracked == whole.tracked == singly.tracked
    assert singly.tracked <= cap * len(setting.jails)


@settings(max_examples=40)
@given(JAILS, logs(), st.integers(0, 30))
def test_a_reload_of_the_same_configuration_changes_nothing(
    drawn: list[Drawn],
    log: list[Hit | tuple[str, bytes]],
    cut: int,
) -> None:
    setting = config(drawn)
    without = engine_for(setting)
    verdicts = fed(without, parts(log, []), inf)
    old, new = engine_for(setting), engine_for(setting)
    before = fed(old, parts(log[:cut], []), inf)
    new.carry(old)
    assert before + fed(new, parts(log[cut:], []), inf) == verdicts
    assert counters(new) == counters(without)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(list(SOURCES)), st.binary(max_size=200)), max_size=4), logs(longest=3))
def test_no_bytes_raise(noise: list[tuple[str, bytes]], log: list[Hit | tuple[str, bytes]]) -> None:
    engine = engine_for(config([("all", ("web", "api"), 60.0, 2, 60.0, (), False)]))
    for batch in [*parts(log, []), *(Batch(*piece) for piece in noise), *parts(log, [])]:
        engine.feed(batch, BEGIN + 1000.0)
    for state in engine.sources.values():
        assert state.lines == state.parsed + state.ignored + state.unparsed.total()
        for samples in state.samples.values():
            assert all(sample.isprintable() and len(sample) <= 200 for sample in samples)
