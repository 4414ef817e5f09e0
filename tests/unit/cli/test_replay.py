"""`privet replay` as programs and people see it."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from privet.cli import replaying
from privet.cli.main import run
from privet.cli.replay import SHOWN
from tests.privacy.search import leaks
from tests.unit.core.traffic import START, entry, swarm, visitor
from tests.unit.processes import line, privet

BEGIN = 1_795_345_200.0
LEECH, READER = "192.0.2.1", "2001:db8:a:b::7"
JAIL = '[source.web]\npath = "/var/log/web.log"\n[jail.leech]\nsource = "web"\nfindtime = "60s"\nmaxretry = 3\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "privet.toml"
    path.write_text(JAIL)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    hits = [(0, LEECH), (0, READER), (1, LEECH), (1, READER), (2, LEECH), (3, LEECH)]
    path.write_text("".join(f"{line(client, at=BEGIN + second)}\n" for second, client in hits))
    return path


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    return envelope


def test_every_ban_is_listed_with_time_jail_subject_and_failures(
    capsys: pytest.CaptureFixture[str], config: Path, log: Path
) -> None:
    assert run(["replay", "--config", str(config), "--json", "--reveal", str(log)]) == 0

    envelope = listed(capsys)
    assert envelope == {
        "privet": 1,
        "kind": "replay",
        "items": [
            {
                "time": "2026-11-22T11:00:02Z",
                "jail": "leech",
                "subject": LEECH,
                "length": 32,
                "prefixes": 1,
                "failures": 3,
                "action": "ban",
                "until": "2026-11-22T11:10:02Z",
                "count": 0,
            }
        ],
        "next": None,
        "totals": {
            "lines": 6,
            "parsed": 6,
            "ignored": 0,
            "unparsed": {},
            "late": 0,
            "clients": 2,
            "pseudonyms": 0,
        },
        "samples": {},
        "complaints": [],
        "damages": [],
        "swarms": [],
    }


def test_twice_the_same_times_jails_and_failures(capsys: pytest.CaptureFixture[str], config: Path, log: Path) -> None:
    answers = []
    for _ in range(2):
        run(["replay", "--config", str(config), "--json", str(log)])
        answers.append(listed(capsys))
    first, second = ([(i["time"], i["jail"], i["failures"]) for i in answer["items"]] for answer in answers)

    assert first == second != []
    assert answers[0]["totals"] == answers[1]["totals"]
    assert answers[0]["items"][0]["subject"] != answers[1]["items"][0]["subject"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_without_reveal_no_address_is_shown(
    capsys: pytest.CaptureFixture[str], config: Path, log: Path, options: tuple[str, ...], tmp_path: Path
) -> None:
    with log.open("a") as file:
        file.write(f"garbage from {LEECH} and {READER}\n")

    assert run(["replay", "--config", str(config), *options, str(log)]) == 1

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "put").write_text("".join(capsys.readouterr()))
    assert leaks([tmp_path / "out"], [LEECH, READER]) == []


def test_lines_that_do_not_parse_are_counted_shown_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], config: Path, log: Path
) -> None:
    with log.open("a") as file:
        file.write(f"garbage from {LEECH}\n\n{line('-')}\n")

    assert run(["replay", "--config", str(config), "--json", str(log)]) == 1
    envelope = listed(capsys)
    assert envelope["totals"]["unparsed"] == {"not in the format": 1, "no client address": 1}
    assert envelope["totals"]["ignored"] == 1
    assert envelope["samples"]["not in the format"] == ["garbage from 0.0.0.0"]

    assert run(["replay", "--config", str(config), str(log)]) == 1
    out = capsys.readouterr().out
    assert "9 lines: 6 parsed, 1 ignored, unparsed: 1 no" in out
    assert "not in the format, for example:\n  garbage from 0.0.0.0\n" in out


def test_a_blind_log_is_complained_of(capsys: pytest.CaptureFixture[str], config: Path, log: Path) -> None:
    log.write_text(f"{line('-')}\n" * 5)

    assert run(["replay", "--config", str(config), str(log)]) == 1

    assert "warning: source web: no line carries a client address" in capsys.readouterr().err


def test_people_see_tables(capsys: pytest.CaptureFixture[str], config: Path, log: Path) -> None:
    log.write_text("".join(f"{line(f'10.0.0.{n}', at=BEGIN)}\n" * 3 for n in range(1, SHOWN + 11)))

    assert run(["replay", "--config", str(config), str(log)]) == 0

    out = capsys.readouterr().out
    assert f"{SHOWN + 10} verdicts, the first {SHOWN} shown; all of them with --json" in out
    assert sum(text.rstrip().endswith(" ban") for text in out.splitlines()) == SHOWN
    assert f"{(SHOWN + 10) * 3} lines: " in out


def test_standard_input_is_a_log(config: Path, log: Path) -> None:
    done = privet("replay", "--config", config, "--json", "-", text=log.read_text())

    assert done.returncode == 0
    assert json.loads(done.stdout)["totals"]["lines"] == 6


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("{log}.missing",), (65, "access.log.missing: No such file or directory")),
        (("{log}", "--jail", "lech"), (64, "no jail lech; there are: leech")),
        (("{log}", "--source", "wbe"), (64, "no source wbe; there are: web")),
        (("{log}", "--config", "{config}.missing"), (78, "privet.toml.missing: cannot be read")),
        ((".",), (65, "is a directory")),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str], config: Path, log: Path, arguments: tuple[str, ...], expected: tuple[int, str]
) -> None:
    words = [word.format(log=log, config=config) for word in arguments]

    assert run(["replay", "--config", str(config), *words]) == expected[0]

    out, err = capsys.readouterr()
    assert out == ""
    assert expected[1] in err


@pytest.mark.parametrize("verb", ["replay --jail ssh-slow", "tune ssh-slow", "report limits --jail ssh-slow"])
def test_a_filter_that_cannot_match_raises_its_voice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str
) -> None:
    (tmp_path / "access.log").write_text("".join(f"{line(READER, at=BEGIN + n)}\n" for n in range(30)))
    (tmp_path / "privet.toml").write_text('[source.log]\npath = "/x"\nformat = "plain"\n')
    words = [*verb.split(), "--config", str(tmp_path / "privet.toml"), str(tmp_path / "access.log")]

    assert run(words) == 1
    assert capsys.readouterr().err == (
        "warning: jail ssh-slow: its prefregex matches none of the last 30 lines of source log: it can never match\n"
    )
    (tmp_path / "access.log").write_text("Nov 22 11:00:00 host sshd[7]: Server listening on :: port 22.\n" * 30)
    assert run(words) == 1
    assert capsys.readouterr().err == (
        "warning: source log: 30 lines read, and none says anything to these rules: is it their log?\n"
    )
    failed = f"Nov 22 11:00:00 host sshd[7]: Failed password for root from {LEECH} port 50222 ssh2\n"
    (tmp_path / "access.log").write_text(failed * 30)
    assert (run(words), capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("verb", ["replay", "replay --jail nosuch", "tune nosuch", "report limits --jail nosuch"])
def test_who_has_no_configuration_is_told_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log: Path, verb: str
) -> None:
    monkeypatch.setattr(replaying, "DEFAULT_CONFIG", f"{log}.none")

    assert run([*verb.split(), "--config", f"{log}.none", str(log)]) == 78

    err = capsys.readouterr().err
    assert f"there is no configuration {log}.none" in err
    assert "--config" in err
    assert "privet jails --builtin" in err


def test_one_verdict_is_one(capsys: pytest.CaptureFixture[str], config: Path, log: Path) -> None:
    assert run(["replay", "--config", str(config), str(log)]) == 0
    assert "\n1 verdict\n" in capsys.readouterr().out


def test_only_the_jails_asked_for_answer(capsys: pytest.CaptureFixture[str], config: Path, log: Path) -> None:
    config.write_text(JAIL + '[jail.touchy]\nsource = "web"\nmaxretry = 1\n')
    run(["replay", "--config", str(config), "--json", "--jail", "touchy", str(log)])

    assert {item["jail"] for item in listed(capsys)["items"]} == {"touchy"}


def test_a_jail_asked_for_shows_what_its_bans_would_have_done(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    guests = [one for number in range(9) for one in visitor(random.Random(number), BEGIN, f"198.51.100.{number}")]
    leech = [entry(BEGIN + 10 * number, LEECH, f"/page/{number}") for number in range(60)]
    log.write_bytes(b"".join(text for _, text in sorted([*guests, *leech])))
    config.write_text(JAIL + 'method = "GET"\n')

    assert run(["replay", "--config", str(config), "--jail", "leech", "--json", "--reveal", str(log)]) == 0
    answer = listed(capsys)
    bans = [item for item in answer["items"] if item["subject"] == LEECH]
    (effect,) = answer["effects"]
    assert effect["bans"] == len(answer["items"])
    saved = sum(one["saved"] for one in answer["hit"])
    assert (effect["saved"]["requests"], effect["jail"]) == (saved, "leech")
    assert effect["saved"]["share"] == round(saved * 100 / answer["totals"]["lines"], 1)
    assert sum(effect["innocent"].values()) == effect["clients"] == len(answer["hit"])
    (hit,) = [one for one in answer["hit"] if one["subject"] == LEECH]
    assert (hit["innocent"], hit["bans"], hit["jails"], hit["requests"]) == ("no", len(bans), ["leech"], 60)
    assert hit["saved"] == 60 - 3  # one ban of ten minutes, and all that came after it
    assert "loads no assets (60 pages)" in hit["reasons"]
    assert {one["innocent"] for one in answer["hit"] if one["subject"] != LEECH} == {"yes"}
    assert sum(slot["requests"] for slot in answer["over_time"]) == answer["totals"]["parsed"]
    assert sum(slot["bans"].get("leech", 0) for slot in answer["over_time"]) == effect["bans"]

    assert run(["replay", "--config", str(config), "--jail", "leech", str(log)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"bans of leech +[▁-█ ]+ +\d+", out)
    assert re.search(r"clients? hit: \d+ looks? innocent, \d+ maybe, 1 not", out)
    assert LEECH not in out


def test_of_a_filter_the_failures_stand_for_requests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        "[source.log]\npath = '/x'\nformat = 'plain'\n[jail.gate]\nsource = 'log'\nmaxretry = 2\n"
        "filter = { failregex = ' gate: <HOST> refused$' }\n"
    )
    lines = [f"2024-02-03T10:00:0{second}Z gate: {LEECH} refused\n" for second in range(9)]
    (tmp_path / "log").write_text("".join(lines))

    assert run(["replay", "-c", str(tmp_path / "p.toml"), "--jail", "gate", "--json", str(tmp_path / "log")]) == 0
    answer = listed(capsys)
    assert answer["together"]["saved"] == {"requests": 7, "bytes": 0, "share": 77.8}
    assert [(one["innocent"], one["reasons"]) for one in answer["hit"]] == [("maybe", ["its requests are not known"])]


def test_members_have_to_be_an_expression(capsys: pytest.CaptureFixture[str], config: Path, log: Path) -> None:
    assert run(["replay", "--config", str(config), "--jail", "leech", "--members", "(", str(log)]) == 64

    assert "no regular expression" in capsys.readouterr().err


@pytest.mark.needs("shared")
def test_the_example_runs_over_real_lines(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    example = Path(__file__).parents[3] / "examples" / "web.toml"

    assert run(["replay", "--config", str(example), "--json", str(shared / "data" / "blog-access.log")]) in (0, 1)

    totals = listed(capsys)["totals"]
    assert totals["lines"] == totals["parsed"] + totals["ignored"] + sum(totals["unparsed"].values()) == 10_000


def test_swarms_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('[source.web]\npath = "/x"\n[jail.many]\nsource = "web"\nkind = "swarm"\n')
    quiet = [entry(START + second, "192.0.2.9", "/robots.txt") for second in range(0, 1200, 30)]
    attack = swarm(random.Random(1), 60, START + 1200, (f"/rc?id={number}" for number in range(200)), seconds=120)
    (tmp_path / "log").write_bytes(b"".join(text for _, text in [*quiet, *attack]))

    assert run(["replay", "--config", str(tmp_path / "p.toml"), str(tmp_path / "log")]) == 0
    out = capsys.readouterr().out
    assert re.search(r" many +\d+ +shape /rc\?id=\*", out)
    assert "1 swarm: many clients with one aim" in out

    run(["replay", "--config", str(tmp_path / "p.toml"), "--json", str(tmp_path / "log")])
    (one,) = listed(capsys)["swarms"]
    assert (one["level"], one["what"], one["members"], one["ended"]) == ("shape", "/rc?id=*", 115, None)

    run(["replay", "--config", str(tmp_path / "p.toml"), "--html", "-", str(tmp_path / "log")])
    assert "shape /rc?id=*" in capsys.readouterr().out


def test_two_configurations_are_compared(
    capsys: pytest.CaptureFixture[str], config: Path, log: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(JAIL.replace("3", "2"))
    words = ["replay", "--compare", str(config), str(other)]

    assert run([*words, "--json", "--reveal", str(log)]) == 0
    answer = listed(capsys)
    assert answer["kind"] == "compare"
    assert [(one["subject"], one["in"], one["later"]) for one in answer["items"]] == [
        (LEECH, "both", -1),
        ("2001:db8:a:b::/64", "b", None),
    ]
    assert answer["items"][0]["a"] == {"first": "2026-11-22T11:00:02Z", "bans": 1, "jails": ["leech"]}
    assert answer["items"][1]["a"] is None
    assert answer["bans"] == [{"jail": "leech", "only_a": 1, "only_b": 2, "both": 0}]
    assert (answer["a"]["together"]["bans"], answer["b"]["together"]["bans"]) == (1, 2)
    assert answer["b"]["config"] == str(other)

    assert run([*words, str(log)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"\n A +1 +1 +", out)
    assert re.search(r"\n B +2 +2 +", out)
    assert re.search(r" in B 1 s earlier .*2026-11-22", out)
    assert "Only B bans 1 client or network; 0 look innocent." in out
    assert "Both ban 1 client or network: 0 at the same time, 1 earlier in B (by 1 s in the middle)." in out
    assert LEECH not in out

    assert run([*words, "--jail", "lech", str(log)]) == 64
    assert run([*words[:3], str(tmp_path / "missing"), str(log)]) == 78
    with log.open("a") as file:
        file.write("garbage\n")
    assert run([*words, str(log)]) == 1
    assert capsys.readouterr().err.count("warning: 1 line: not in the format") == 1


def test_jails_that_come_with_privet_are_compared_as_far_as_a_configuration_has_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second, log = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "access.log"
    source = '[source.web]\npath = "/var/log/web.log"\n'
    first.write_text(source)
    second.write_text(f'{source}[builtin.web]\nsource = "web"\n')
    log.write_text("".join(f"{line(LEECH, f'/{number}', at=BEGIN + number / 4)}\n" for number in range(100)))
    words = ["replay", "--json", "--compare", str(first), str(second), str(log), "--jail"]

    assert run([*words, "web-crawl"]) == 0
    answer = listed(capsys)
    assert [(one["in"], one["b"]["jails"]) for one in answer["items"]] == [("b", ["web-crawl"])]
    assert run([*words, "bans-range"]) == 64
    told = capsys.readouterr().err
    assert "no jail bans-range; there are: web-" in told
    assert "it comes with Privet, but is asked only where a configuration has it" in told


def test_a_replay_and_a_comparison_can_be_pages(
    capsys: pytest.CaptureFixture[str], config: Path, log: Path, tmp_path: Path
) -> None:
    other, page = tmp_path / "other.toml", tmp_path / "page.html"
    other.write_text(JAIL.replace("3", "2"))

    assert run(["replay", "--config", str(config), "--html", str(page), str(log)]) == 0
    text = page.read_text()
    assert "<h1>Replay</h1>" in text
    assert text.count("<figure") == 2
    for title in ("What the bans do", "Clients hit", "Verdicts"):
        assert title in text
    assert "Requests over time" in text

    assert run(["replay", "--compare", str(config), str(other), "--html", "-", str(log)]) == 0
    text = capsys.readouterr().out
    assert "<h1>Two rule sets</h1>" in text
    assert "Only B bans 1 client or network; 0 look innocent." in text
    assert "in B 1 s earlier" in text
    page.write_text(text)
    assert leaks([page], [LEECH, READER]) == []

    assert run(["replay", "--config", str(config), "--html", "-", "--json", str(log)]) == 64
    assert "exclude each other" in capsys.readouterr().err
