"""`privet tune` as programs and people see it."""

from __future__ import annotations

import csv
import json
import random
import re
import signal
from typing import TYPE_CHECKING

import pytest

from privet.cli import replaying
from privet.cli.main import run
from tests.unit.core.traffic import HOUR, START, background, entry
from tests.unit.processes import running

if TYPE_CHECKING:
    from pathlib import Path

JAIL = '[source.web]\npath = "/x"\n[jail.leech]\nsource = "web"\nfindtime = "1m"\nmaxretry = 20\nbantime = "10m"\n'
LEECH = "192.0.2.1"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Return the verb over an hour of visitors and one leech."""
    entries = background(random.Random(6), START, 1 / 24)
    entries += [entry(START + second, LEECH, f"/blog/{second}") for second in range(0, int(HOUR), 2)]
    (tmp_path / "log").write_bytes(b"".join(text for _, text in sorted(entries)))
    (tmp_path / "p.toml").write_text(JAIL)
    return ["tune", "leech", "-c", str(tmp_path / "p.toml"), str(tmp_path / "log")]


def test_programs_get_every_limit_and_the_recommended_one(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run([*words, "--maxretry", "2, 25", "--findtime", "1m,5m", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["jail"]) == ("tune", "leech")
    assert [(one["maxretry"], one["findtime"]) for one in answer["items"]] == [
        (2, 60),
        (2, 300),
        (20, 60),
        (25, 60),
        (25, 300),
    ]
    assert [one["present"] for one in answer["items"]] == [False, False, True, False, False]
    assert answer["items"][0]["innocent"]["yes"] > 0
    assert answer["items"][2]["innocent"] == {"yes": 0, "maybe": 0, "no": 1}
    assert answer["recommended"] == {"maxretry": 20, "findtime": 60}
    (advice,) = answer["advice"]
    saved = answer["items"][2]["saved"]
    assert advice.startswith(
        "The present limit is the smallest that hits nobody innocent in this log: it hits 1 client"
    )
    assert advice.endswith(f"and saves {saved['requests']:,} requests ({saved['share']}%).")


def test_people_see_maps_a_table_and_advice(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run([*words, "--maxretry", "2,10,1000"]) == 0

    out = capsys.readouterr().out
    assert re.search(r"requests saved +10s +30s +1m +2m +5m", out)
    assert re.search(r"clients hit who look innocent +10s", out)
    assert re.search(r"maxretry 2 .*██", out)
    assert re.search(r" 20 +1m +now +\d+ +1 +0 +0 +1 ", out)
    assert 'The smallest limit that hits nobody innocent in this log: maxretry = 10, findtime = "' in out
    assert LEECH not in out


def test_a_page_has_both_maps_the_table_and_the_advice(
    capsys: pytest.CaptureFixture[str], words: list[str], tmp_path: Path
) -> None:
    assert run([*words, "--html", str(tmp_path / "page.html")]) == 0

    text = (tmp_path / "page.html").read_text()
    assert "<h1>Limits of the jail leech</h1>" in text
    assert text.count('role="img"') == 2
    assert len(re.findall(r'<rect class="(?:ok|failed)"|class="(?:ok|failed)"[^>]*fill-opacity', text)) == 50
    assert "Recommended" in text
    assert "The smallest limit that hits nobody innocent" in text
    assert LEECH not in text
    assert run([*words, "--html", "-", "--csv"]) == 64
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("maxretry", "says"),
    [("1", "try a larger --maxretry"), ("5000", "None of these limits bans anybody in this log")],
)
def test_where_nothing_can_be_recommended_it_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], maxretry: str, says: str
) -> None:
    (tmp_path / "p.toml").write_text(JAIL.replace("20", maxretry))

    assert run([*words, "--maxretry", maxretry, "--findtime", "1m"]) == 0
    assert says.lower() in capsys.readouterr().out.lower()


def test_csv_has_a_row_for_each_limit(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run([*words, "--csv"]) == 0

    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 25
    assert sum(row["present"] == "True" for row in rows) == 1
    assert all(int(row["yes"]) + int(row["maybe"]) + int(row["no"]) == int(row["clients"]) for row in rows)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--maxretry", "0"), "whole numbers"),
        (("--maxretry", "a,b"), "whole numbers"),
        (("--findtime", "1x"), "give a time such as"),
        (("--findtime", "0s"), "give a time such as"),
        (("--source", "wbe"), "no source wbe"),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str], words: list[str], options: tuple[str, ...], says: str
) -> None:
    assert run([*words, *options]) == 64

    assert says in capsys.readouterr().err


def test_a_jail_that_is_not_there_and_lines_that_do_not_parse_are_said(
    capsys: pytest.CaptureFixture[str], words: list[str], tmp_path: Path
) -> None:
    assert run(["tune", "lech", *words[2:]]) == 64
    assert "no jail lech; there are: leech" in capsys.readouterr().err

    with (tmp_path / "log").open("a") as file:
        file.write(f"garbage from {LEECH}\n")
    assert run(words) == 1
    assert "warning: 1 line: not in the format" in capsys.readouterr().err


def test_an_interrupt_ends_it_at_once_and_without_a_word_about_itself(words: list[str], tmp_path: Path) -> None:
    line = entry(START, LEECH, "/")[1].decode()

    with running(tmp_path / "errors", *words[:-1], "-") as verb:
        verb.write(line * 5000)  # more than a pipe holds: so it reads
        assert verb.end(signal.SIGINT) == 130

    assert verb.said.strip() == ""


def test_a_jail_that_comes_with_privet_needs_no_configuration(
    capsys: pytest.CaptureFixture[str], words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(replaying, "DEFAULT_CONFIG", str(tmp_path / "none.toml"))
    config = ["--config", str(tmp_path / "none.toml")]

    assert run(["tune", "web-crawl", *config, "--json", words[-1]]) == 0
    assert json.loads(capsys.readouterr().out)["jail"] == "web-crawl"
    assert run(["replay", "--jail", "web-crawl", *config, "--json", words[-1]]) == 0
    assert json.loads(capsys.readouterr().out)["effects"][0]["jail"] == "web-crawl"
    assert run(["tune", "leech", *config, words[-1]]) == 78
    assert run(["tune", "web-crawl", *words[2:4], "--json", words[-1]]) == 0  # beside those of a configuration
