"""`privet report leeches`."""

from __future__ import annotations

import gzip
import json
from itertools import product
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run
from privet.core.reports.leeches import HEADER
from tests.privacy.search import leaks
from tests.unit.core.manners.callers import crawler, fetcher, impostor, reader
from tests.unit.processes import line, privet

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_795_345_200.0
LEECH, READER = "192.0.2.1", "2001:db8:a:b::7"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text("".join(f"{line(LEECH, at=BEGIN + 2 * n)}\n" for n in range(3)) + f"{line(READER, status=404)}\n")
    return path


def test_leeches_are_listed_most_hits_first(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert run(["report", "leeches", "--reveal", str(log)]) == 0

    out = capsys.readouterr().out.splitlines()
    assert out[0] == HEADER
    assert out[1].split() == [LEECH, "3", "0K", "75%", "2.0s", "200", "(100%)"]
    assert out[2].split() == ["2001:db8:a:b::/64", "1", "0K", "25%", "404", "(100%)"]
    assert len(out) == 3


def test_programs_get_the_same(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert run(["report", "leeches", "--json", "--reveal", "--limit", "1", str(log)]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "privet": 1,
        "kind": "leeches",
        "items": [
            {"client": LEECH, "hits": 3, "kib": 0, "share": 75, "interval": 2.0, "statuses": {"200": 100}},
        ],
        "next": None,
        "totals": {"lines": 4, "parsed": 4, "unparsed": {}},
        "damages": [],
    }


def test_without_reveal_no_address_is_shown(capsys: pytest.CaptureFixture[str], log: Path, tmp_path: Path) -> None:
    log.write_text(log.read_text() + f"garbage of {LEECH}\n")
    for options in ((), ("--json",)):
        assert run(["report", "leeches", *options, str(log)]) == 1
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "put").write_text("".join(capsys.readouterr()))

    assert leaks([tmp_path / "out"], [LEECH, READER]) == []


def test_unparsed_lines_are_a_warning(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    log.write_text(log.read_text() + "garbage\n" * 2)

    assert run(["report", "leeches", str(log)]) == 1
    assert capsys.readouterr().err == "warning: 2 lines: not in the format\n"


def test_packed_logs_and_standard_input_are_read(log: Path, tmp_path: Path) -> None:
    packed = tmp_path / "access.log.1.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))

    done = privet("report", "leeches", "--json", packed, "-", text=log.read_text())

    assert json.loads(done.stdout)["totals"]["lines"] == 8


def test_pseudonyms_of_the_log_stay(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    log.write_text(f"{line('100::1:2:3:4')}\n")

    assert run(["report", "leeches", str(log)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "100::1:2:3:4"


def test_a_missing_log_is_65(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["report", "leeches", str(tmp_path / "missing")]) == 65
    assert "missing: No such file or directory" in capsys.readouterr().err


def test_hits_are_counted_by_path(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert run(["report", "hits", "--by", "path", "--json", str(log)]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["items"]) == ("hits", [{"path": "/", "hits": 4, "share": 100}])
    assert run(["report", "hits", str(log)]) == 0
    assert capsys.readouterr().out.split()[:3] == ["hour", "hits", "rel."]


def test_networks_are_listed(capsys: pytest.CaptureFixture[str], log: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("192.0.2.0\t192.0.2.255\t64500\tXX\tEXAMPLE\n")

    assert run(["report", "networks", "--json", "--reveal", str(log)]) == 0
    assert [item["network"] for item in json.loads(capsys.readouterr().out)["items"]] == [
        "192.0.2.0/24", "2001:db8:a::/48",
    ]  # fmt: skip
    assert run(["report", "networks", "--json", "--table", str(table), str(log)]) == 0
    assert [(item["network"], item["name"], item["hits"]) for item in json.loads(capsys.readouterr().out)["items"]] == [
        ("AS64500", "EXAMPLE", 3), ("unknown", "", 1),
    ]  # fmt: skip
    assert run(["report", "networks", "--table", str(tmp_path / "none"), str(log)]) == 65


def test_one_client_is_traced(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert run(["report", "trace", LEECH, "--json", str(log)]) == 0

    out = capsys.readouterr().out
    assert [item["method"] for item in json.loads(out)["items"]] == ["GET"] * 3
    assert LEECH not in out
    assert run(["report", "trace", "nobody", str(log)]) == 64


def test_a_client_who_is_not_in_the_log_is_told(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert run(["report", "trace", "192.0.2.99", str(log)]) == 0
    assert capsys.readouterr().out.startswith("no request of this client was found")


def test_offenders_are_read_from_logs_of_fail2ban(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "fail2ban.log"
    path.write_text(f"2019-06-27 13:00:00,123 fail2ban.actions [815]: NOTICE  [sshd] Ban {LEECH}\n")

    assert run(["report", "offenders", "--reveal", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [LEECH, "1", "100%"]


def test_csv_has_a_header_and_no_formulas(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    log.write_text(log.read_text() + line(READER).replace("Mozilla/5.0", "=cmd()") + "\n")

    assert run(["report", "hits", "--by", "agent", "--csv", str(log)]) == 0
    assert capsys.readouterr().out.splitlines() == ["agent,hits,share", "Mozilla/5.0,4,80", "'=cmd(),1,20"]
    assert run(["report", "leeches", "--csv", "--reveal", str(log)]) == 0

    assert capsys.readouterr().out.splitlines()[:2] == [
        "client,hits,kib,share,interval,statuses",
        f"{LEECH},3,0,60,2.0,200:100",
    ]


def test_several_large_logs_are_read_on_all_cores(
    capsys: pytest.CaptureFixture[str], log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("privet.tasks.together.PAYS", 1)
    other = tmp_path / "other.log"
    other.write_text(f"{line(LEECH, at=BEGIN)}\ngarbage\n")

    assert run(["report", "leeches", "--json", "--reveal", str(log), str(other)]) == 1

    answer = json.loads(capsys.readouterr().out)
    assert [(item["client"], item["hits"]) for item in answer["items"]] == [(LEECH, 4), ("2001:db8:a:b::/64", 1)]
    assert answer["totals"] == {"lines": 6, "parsed": 5, "unparsed": {"not in the format": 1}}


@pytest.fixture
def rude(tmp_path: Path) -> Path:
    path = tmp_path / "rude.log"
    lines = [*fetcher(LEECH), *crawler("192.0.2.2"), *impostor("192.0.2.3"), *reader("192.0.2.4")]
    path.write_bytes(b"".join(line.rsplit(b' "', 1)[0] + b"\n" for _, line in sorted(lines)))
    return path


def test_bad_manners_are_named_in_plain_words(capsys: pytest.CaptureFixture[str], rude: Path) -> None:
    assert run(["report", "manners", "--reveal", str(rude)]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"{LEECH}  72 requests, Friendica 'Giant Rhubarb'; https://social.example",
        "    asks by HEAD twice or more before it fetches a page (24 pages)",
        "    comes back no slower after 429 or 503 (27 requests, after 4 s)",
    ]


def test_robots_and_those_who_pretend_are_judged_by_files(
    capsys: pytest.CaptureFixture[str], rude: Path, tmp_path: Path
) -> None:
    robots, networks = tmp_path / "robots.txt", tmp_path / "googlebot.json"
    robots.write_text("User-agent: *\nDisallow: /private/\nCrawl-delay: 5\n")
    networks.write_text('{"prefixes": [{"ipv4Prefix": "198.51.100.0/24"}]}')
    options = ["--robots", str(robots), "--crawler", f"googlebot={networks}"]
    assert run(["report", "manners", "--json", "--reveal", *options, str(rude)]) == 0

    items = {item["client"]: item["habits"] for item in json.loads(capsys.readouterr().out)["items"]}
    assert items == {
        LEECH: {"heads": 24, "backoff": 27},
        "192.0.2.2": {"robots": 10, "crawl-delay": 29},
        "192.0.2.3": {"fake-robot": 12},
    }
    assert run(["report", "manners", "--csv", "--limit", "1", *options, str(rude)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head == "client,hits,agent,habits,says"
    assert "heads:24 backoff:27" in row
    assert run(["report", "manners", "--html", "-", *options, str(rude)]) == 0
    assert "never" not in capsys.readouterr().err


def test_without_bad_manners_it_says_so(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert run(["report", "manners", str(log)]) == 0
    assert capsys.readouterr().out == "nobody has bad manners\n"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--robots", "http://elsewhere.example/robots.txt"], 64, "expected an absolute path"),
        (["--robots", "/nowhere/robots.txt"], 65, "/nowhere/robots.txt: No such file or directory"),
        (["--crawler", "googlebot"], 64, "googlebot: "),
        (["--crawler", "googlebot=/nowhere"], 65, "/nowhere: No such file or directory"),
    ],
)
def test_files_of_manners_that_are_not_there(
    capsys: pytest.CaptureFixture[str], log: Path, options: list[str], code: int, said: str
) -> None:
    assert run(["report", "manners", *options, str(log)]) == code
    assert said in capsys.readouterr().err


SAYINGS = ("/of/203.0.113.77?x", "/x/2001:db8:77::1")


FORMS: tuple[tuple[str, ...], ...] = ((), ("--json",), ("--csv",))
TELLING: tuple[tuple[str, ...], ...] = (
    *(("hits", "--by", by) for by in ("path", "agent", "site", "file")),
    *(("trace", LEECH), ("manners",), ("leeches",), ("networks",)),
)
OVERVIEW = ("overview", "--limit", "50")  # of several tables, hence not as CSV


@pytest.mark.parametrize(
    ("report", "form"),
    [*product(TELLING, FORMS), *product([OVERVIEW], FORMS[:2])],
    ids=lambda words: " ".join(words) or "table",
)
def test_what_visitors_said_holds_no_address_unless_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, report: tuple[str, ...], form: tuple[str, ...]
) -> None:
    log = tmp_path / "of-203.0.113.77.log"
    agent = "bot of 203.0.113.77 (2001:db8:77::1)"
    lines = [f"203.0.113.77:80 {line(LEECH, said)}".replace("Mozilla/5.0", agent) for said in SAYINGS]
    lines += [f"{host}:80 {line(READER)}" for host in ("b.example", "c.example")]
    heads = [
        text.replace("GET", "HEAD") if twice else text
        for number in range(40)
        for twice in (True, True, False)
        for text in [f"c.example:80 {line(LEECH, f'/{number}', at=BEGIN + number)}".replace("Mozilla/5.0", agent)]
    ]
    log.write_text("\n".join([*lines, *heads]) + "\n")
    verb = ["report", *report, *form]

    assert run([*verb, str(log)]) == 0
    (tmp_path / "out").mkdir()
    told = capsys.readouterr().out
    (tmp_path / "out" / "put").write_text(told)

    assert told
    assert leaks([tmp_path / "out"], [LEECH, READER, "203.0.113.77", "2001:db8:77::1"]) == []
    if report[0] not in ("leeches", "networks", "manners"):
        assert run([*verb, "--reveal", str(log)]) == 0
        assert "203.0.113.77" in capsys.readouterr().out


def test_csv_and_lines_do_not_steer_a_terminal(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    log.write_text(line(LEECH).replace("Mozilla/5.0", "\x1b[2J\x07\u202ebot\x9b") + "\n")

    for report in (("hits", "--by", "agent"), ("trace", LEECH)):
        assert run(["report", *report, "--csv", "--reveal", str(log)]) == 0
        out = capsys.readouterr().out
        assert "\\x1b[2J" in out
        assert all(text.isprintable() for text in out.splitlines())


@pytest.mark.parametrize(
    "verb",
    [
        "report leeches",
        "report hits",
        "report overview",
        "report limits --config {config}",
        "replay --config {config}",
        "replay --compare {config} {config}",
        "tune leech --config {config}",
    ],
)
def test_what_could_be_read_is_reported_and_the_rest_named(
    capsys: pytest.CaptureFixture[str], log: Path, tmp_path: Path, verb: str
) -> None:
    config, cut, missing = tmp_path / "privet.toml", tmp_path / "cut.gz", tmp_path / "missing"
    config.write_text(f'[source.web]\npath = "{log}"\n[jail.leech]\nsource = "web"\nfindtime = "60s"\nmaxretry = 3\n')
    cut.write_bytes(gzip.compress(log.read_bytes())[:-12])
    words = verb.format(config=config).split()
    assert run([*words, str(log)]) == 0
    whole = capsys.readouterr().out.splitlines()

    assert run([*words, str(log), str(missing)]) == 65
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(whole)
    assert err.count(f"privet: {missing}: No such file or directory") == 1
    assert run([*words, str(log), str(cut)]) == 65
    out, err = capsys.readouterr()
    assert out
    assert f"privet: {cut}: " in err

    for damages, files in (([], [log]), ([str(cut), str(missing)], [log, cut, missing])):
        assert run([*words, "--json", *map(str, files)]) == (65 if damages else 0)
        answer = json.loads(capsys.readouterr().out)
        assert sorted(one.partition(": ")[0] for one in answer["damages"]) == damages


def test_bans_are_counted_in_the_logs_that_can_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "fail2ban.log"
    log.write_text(f"2026-11-22 11:00:00,123 fail2ban.actions [1]: NOTICE [sshd] Ban {LEECH}\n")

    words, damage = ["report", "offenders", "--reveal", str(log)], f"{tmp_path}/missing: No such file or directory"
    assert run([*words, str(tmp_path / "missing")]) == 65

    out, err = capsys.readouterr()
    assert LEECH in out
    assert damage in err
    assert run([*words, str(tmp_path / "missing"), "--json"]) == 65
    assert json.loads(capsys.readouterr().out)["damages"] == [damage]
