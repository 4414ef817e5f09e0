"""Replay: the rules over old logs, with the log's time as the clock."""

from __future__ import annotations

import gzip
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store.history import FILE, History
from privet.config.loader import load, parse
from privet.core.reports.history import Machine
from privet.core.swarms.looks import Looks
from privet.core.verdicts import Action
from privet.ports import SourceError
from privet.tasks.replay import Player, replay, source_of
from tests.unit.core.traffic import START, background, entry, moments
from tests.unit.processes import line

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.tasks.replay import Replayed

BEGIN = 1_795_345_200.0
LEECH, READER = "192.0.2.1", "198.51.100.7"
EXAMPLE = Path(__file__).parents[3] / "examples" / "web.toml"

ONE = """
[source.web]
path = "/var/log/web.log"
[jail.leech]
source = "web"
findtime = "60s"
maxretry = 3
bantime = "10m"
"""


def configured(text: str = ONE) -> Config:
    return parse(text, "test.toml")


def written(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{text}\n" for text in lines))
    return str(path)


def hits(client: str, count: int, begin: float = BEGIN, every: float = 1) -> list[str]:
    return [line(client, f"/{number}", at=begin + number * every) for number in range(count)]


def bans(outcome: Replayed) -> list[tuple[float, str, str, int]]:
    return [(v.time - BEGIN, v.jail, v.subject.reveal(), v.failures) for v in outcome.verdicts]


def test_a_ban_falls_at_the_failure_that_makes_it(tmp_path: Path) -> None:
    log = written(tmp_path / "log", *hits(READER, 2), *hits(LEECH, 10))

    outcome = replay(configured(), [log], "web")

    assert bans(outcome) == [(2, "leech", LEECH, 3)]
    assert outcome.verdicts[0].until == BEGIN + 2 + 600
    assert outcome.verdicts[0].action is Action.BAN


def test_twice_the_same(tmp_path: Path) -> None:
    log = written(tmp_path / "log", *(text for client in range(9) for text in hits(f"192.0.2.{client}", client)))

    first, second = replay(configured(), [log], "web"), replay(configured(), [log], "web")

    assert bans(first) == bans(second) != []
    assert first.totals == second.totals


def test_the_machine_does_not_matter(tmp_path: Path) -> None:
    log = written(tmp_path / "log", *hits("127.0.0.1", 3), *hits("::1", 3))

    assert len(replay(configured(), [log], "web").verdicts) == 2


def test_the_sum_of_lines_balances_and_every_reason_has_masked_samples(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log",
        *hits(READER, 2),
        "",
        f"garbage from {LEECH}",
        line("some.host.name"),
        line(LEECH).replace(":", "?", 1),
        *hits("2001:db8::1", 2),
        *hits("2001:db8::2", 2),
    )

    outcome = replay(configured(), [log], "web")
    totals = outcome.totals

    assert totals.lines == 10
    assert totals.parsed + totals.ignored + sum(totals.unparsed.values()) == totals.lines
    assert totals.unparsed == {"not in the format": 1, "no client address": 1, "no readable time": 1}
    assert (totals.parsed, totals.ignored, totals.clients) == (6, 1, 2)
    assert outcome.samples.keys() == totals.unparsed.keys()
    assert LEECH not in str(outcome.samples)


def test_lines_that_are_too_long_are_among_the_sum(tmp_path: Path) -> None:
    totals = replay(configured(), [written(tmp_path / "log", "x" * 70_000, *hits(READER, 2))], "web").totals

    assert (totals.lines, totals.parsed, totals.unparsed) == (3, 2, {"too long": 1})


def test_only_the_jails_asked_for_answer(tmp_path: Path) -> None:
    config = configured(
        ONE + '[jail.other]\nsource = "web"\nmaxretry = 2\n[jail.dry]\nsource = "web"\ndry_run = true\n'
    )
    log = written(tmp_path / "log", *hits(LEECH, 5))

    assert {v.jail for v in replay(config, [log], "web").verdicts} == {"leech", "other", "dry"}
    assert {v.jail for v in replay(config, [log], "web", jails=["other"]).verdicts} == {"other"}
    dry = replay(config, [log], "web", jails=["dry"]).verdicts
    assert [v.action for v in dry] == [Action.REPORT]


def test_several_files_are_read_in_order_of_time(tmp_path: Path) -> None:
    young = written(tmp_path / "access.log", *hits(LEECH, 1, BEGIN + 40))
    old = tmp_path / "access.log.2.gz"
    old.write_bytes(gzip.compress("".join(f"{text}\n" for text in hits(LEECH, 1)).encode()))
    middle = written(tmp_path / "access.log.1", *hits(LEECH, 1, BEGIN + 20))

    outcome = replay(configured(), [young, str(old), middle], "web")

    assert bans(outcome) == [(40, "leech", LEECH, 3)]
    assert outcome.totals.late == 0


def test_late_lines_are_counted(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log", *hits(READER, 1, BEGIN + 100), *hits(READER, 1, BEGIN), *hits(READER, 1, BEGIN + 50)
    )

    assert replay(configured(), [log], "web").totals.late == 1


def test_a_log_without_addresses_is_complained_of(tmp_path: Path) -> None:
    log = written(tmp_path / "log", *hits("-", 5))

    assert replay(configured(), [log], "web").complaints == [
        "source web: no line carries a client address; no jail on it can ever match"
    ]


def test_pseudonyms_are_clients_of_their_own_and_complained_of(tmp_path: Path) -> None:
    log = written(tmp_path / "log", *hits("100::1:2:3:4", 5), *hits("100::5:6:7:8", 2))

    outcome = replay(configured(), [log], "web")

    assert bans(outcome) == [(2, "leech", "100::1:2:3:4", 3)]
    assert (outcome.totals.clients, outcome.totals.pseudonyms) == (2, 7)
    assert outcome.complaints == ["source web: every client is a pseudonym; no jail on it can ever ban"]


def test_progress_adds_up_to_the_size_of_the_files(tmp_path: Path) -> None:
    logs = [written(tmp_path / str(number), *hits(READER, 1000)) for number in range(2)]
    counts: list[int] = []

    replay(configured(), logs, "web", progress=counts.append)

    assert sum(counts) == sum(Path(log).stat().st_size for log in logs)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="missing"):
        replay(configured(), [str(tmp_path / "missing")], "web")


def test_an_empty_file_is_none(tmp_path: Path) -> None:
    outcome = replay(configured(), [written(tmp_path / "log")], "web")

    assert (outcome.verdicts, outcome.totals.lines, outcome.complaints) == ([], 0, [])


TWO = ONE + '[source.shop]\npath = ["/var/log/shop/*.log", "/srv/shop.log"]\n[source.pipe]\npipe = true\n'


@pytest.mark.parametrize(
    ("text", "paths", "name", "expected"),
    [
        (ONE, ["anything"], None, "web"),
        (ONE, ["anything"], "web", "web"),
        (TWO, ["anything"], "pipe", "pipe"),
        (TWO, ["/var/log/web.log"], None, "web"),
        (TWO, ["/var/log/shop/a.log", "/srv/shop.log"], None, "shop"),
    ],
)
def test_files_stand_for_a_source(text: str, paths: list[str], name: str | None, expected: str) -> None:
    assert source_of(configured(text), paths, name) == expected


@pytest.mark.parametrize(
    ("text", "paths", "name", "message"),
    [
        (ONE, ["x"], "wbe", "no source wbe; there are: web"),
        (TWO, ["x"], None, "--source web|shop|pipe"),
        (TWO, ["/var/log/web.log", "/srv/shop.log"], None, "--source"),
        ("", ["x"], None, "has no source"),
        ("", ["x"], "web", "has no source"),
    ],
)
def test_files_that_stand_for_none_are_said(text: str, paths: list[str], name: str | None, message: str) -> None:
    with pytest.raises(LookupError) as caught:
        source_of(configured(text), paths, name)

    assert message in str(caught.value)


@pytest.mark.needs("shared")
def test_real_lines_are_parsed_or_counted(shared: Path) -> None:
    log = str(shared / "data" / "blog-access.log")
    config = load(EXAMPLE)

    first, second = replay(config, [log], "web"), replay(config, [log], "web")

    assert first.totals.lines == 10_000
    assert first.totals.parsed + first.totals.ignored + sum(first.totals.unparsed.values()) == 10_000
    assert bans(first) == bans(second) != []


def test_files_that_tell_who_is_spared_or_trusted_are_read_and_names_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: pytest.fail("asked"))
    (tmp_path / "office").write_text(f"{READER}\n")
    (tmp_path / "proxies").write_text("10.0.0.1\n")
    text = ONE + f'ignoreip = ["file:{tmp_path}/office", "office.example.org", "file:{tmp_path}/none"]\n'
    text += f'[proxies]\ntrusted = "file:{tmp_path}/proxies"\n'
    text = text.replace("path =", 'format = \'%h %l %u %t "%r" %>s %b "%{Referer}i" "%{X-Forwarded-For}i"\'\npath =')
    lines = [*hits(READER, 3), *(one.replace('"Mozilla/5.0"', f'"{LEECH}"') for one in hits("10.0.0.1", 3))]
    outcome = replay(configured(text), [written(tmp_path / "log", *lines)], "web")
    assert [(v.action, v.subject.reveal()) for v in outcome.verdicts] == [(Action.DENY, LEECH)]
    assert outcome.complaints == [f"the file {tmp_path}/none: No such file or directory"]


def test_a_jail_with_a_filter_is_replayed_too(tmp_path: Path) -> None:
    text = "[source.auth]\njournal = []\n[source.log]\npath = '/x'\n[jail.gate]\nsource = 'log'\n"
    config = configured(text + "filter = { failregex = ' gate: <HOST> refused$' }\nmaxretry = 2\nbantime = '1h'\n")
    log = written(
        tmp_path / "log",
        "2024-02-03T10:00:00Z gate: 192.0.2.1 refused",
        "2024-02-03T10:00:01Z gate: 192.0.2.1 accepted",
        "2024-02-03T10:00:09Z gate: 192.0.2.1 refused",
        "2024-02-03T10:00:10Z gate: nobody.example refused",
        "2024-02-03T12:00:00Z gate: 2001:db8::1 refused",
    )

    outcome = replay(config, [log], "log")

    (verdict,) = outcome.verdicts
    assert (verdict.jail, verdict.subject.reveal(), verdict.failures) == ("gate", "192.0.2.1", 2)
    assert verdict.until - verdict.time == 3600
    totals = outcome.totals
    assert (totals.lines, totals.parsed, totals.ignored, totals.clients) == (5, 3, 2, 2)
    assert outcome.complaints == []


def test_limits_by_load_go_by_the_load_that_the_history_has(tmp_path: Path) -> None:
    text = ONE.replace("maxretry = 3", "maxretry = [{ load = 0, limit = 5 }, { load = 4, limit = 2 }]")
    config = configured(text + f'[daemon]\nstate = "{tmp_path}"\n')
    log = tmp_path / "web.log"
    log.write_text("".join(line(LEECH, at=BEGIN + second) + "\n" for second in (0, 10, 20, 90, 95)))

    unknown = replay(config, [str(log)], "web")
    history = History(tmp_path / FILE)
    history.add([], [], Machine(int(BEGIN + 60) // 60 * 60, 7.5, 0.0, 0.0), None)
    history.close()
    known = replay(config, [str(log)], "web")

    assert unknown.verdicts == []
    assert unknown.complaints == [
        f"limits by load: {tmp_path} has no history of the load, so those of a calm machine count throughout"
    ]
    assert [(one.time - BEGIN, one.failures) for one in known.verdicts] == [(95, 2)]
    assert known.complaints == []


@pytest.mark.parametrize("size", [1, 3, 40, 997])
def test_effects_and_looks_do_not_depend_on_how_the_log_is_cut(size: int) -> None:
    text = ONE + 'increment = true\n[jail.net]\nbans_of = "leech"\nkey = "prefix"\nmaxretry = 1\n'
    draw = random.Random(1)
    entries = background(draw, START, 0.02)
    entries += [entry(time, "192.0.2.1", f"/{time:.0f}") for time in moments(draw, 30, START, START + 1500)]
    lines = [data for _, data in sorted(entries)]
    outcomes = []
    for step in (len(lines), size):
        player = Player(configured(text), "web", looks=Looks(1000))
        for begin in range(0, len(lines), step):
            player.feed(b"".join(lines[begin : begin + step]))
        outcomes.append(player)
    whole, cut = outcomes

    assert whole.verdicts == cut.verdicts
    assert whole.effects
    assert cut.effects
    for one, other in zip(
        [*whole.effects.jails, whole.effects.whole], [*cut.effects.jails, cut.effects.whole], strict=True
    ):
        assert (one.bans, one.clients, one.requests, one.bytes) == (
            other.bans,
            other.clients,
            other.requests,
            other.bytes,
        )
        assert one.requests
    assert whole.effects.own == cut.effects.own
    looks = [{key: player.looks.look(key) for key in player.looks.clients} for player in outcomes if player.looks]
    assert looks[0] == looks[1]
