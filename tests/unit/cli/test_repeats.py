"""What the verbs show of longer bans and of bans for bans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from privet.cli import main
from privet.cli.names import Names
from privet.core.addresses.address import Subject
from privet.core.parsing.times import write_clf
from privet.core.verdicts import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., str]

START = 1_700_000_000.0
CONFIG = """
[source.web]
pipe = true
format = "common"
[jail.hasty]
source = "web"
status = 200
maxretry = 1
bantime = "1h"
[jail.growing]
source = "web"
status = 404
maxretry = 1
bantime = "1h"
increment = true
[jail.neighbours]
bans_of = "hasty"
key = "prefix"
findtime = "1d"
maxretry = 6
bantime = "1w"
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    config, log = tmp_path / "p.toml", tmp_path / "access.log"
    config.write_text(CONFIG)
    visits = [(f"198.51.100.{last}", last, 200) for last in range(1, 10)]
    visits += [("203.0.113.1", day * 86_400, 404) for day in range(1, 4)]
    log.write_bytes(
        b"".join(
            b'%b - - [%b] "GET / HTTP/1.1" %d 5\n' % (client.encode(), write_clf(START + seconds), status)
            for client, seconds, status in visits
        )
    )
    return ["--config", str(config), str(log)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a verb and returns what it prints."""

    def called(*words: str, code: int = 0) -> str:
        assert main.run(words) == code
        told = capsys.readouterr()
        return told.out + told.err

    return called


def items(printed: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(printed)["items"]
    return found


def test_a_replay_shows_the_network_once_and_how_bans_grow(files: list[str], run: Run) -> None:
    found = items(run("replay", *files, "--reveal", "--json"))

    networks = [item for item in found if item["jail"] == "neighbours"]
    assert networks == [
        {
            "time": "2023-11-14T22:13:26Z",
            "jail": "neighbours",
            "subject": "198.51.100.0/24",
            "length": 24,
            "prefixes": 1,
            "failures": 6,
            "action": "ban",
            "until": "2023-11-21T22:13:26Z",
            "count": 0,
        }
    ]
    assert [item["count"] for item in found if item["jail"] == "growing"] == [0, 1, 2]
    assert [item["length"] for item in found] == [32] * 6 + [24] + [32] * 6


def test_a_network_has_a_pseudonym_too(files: list[str], run: Run) -> None:
    subjects = {item["subject"]: item["length"] for item in items(run("replay", *files, "--json"))}

    assert sorted(subjects.values()) == [24] + [32] * 10
    assert all(subject.startswith("100::") and "/" not in subject for subject in subjects)


def test_asking_one_jail_counts_the_bans_of_those_that_it_watches(files: list[str], run: Run) -> None:
    assert [item["jail"] for item in items(run("replay", *files, "--jail", "neighbours", "--json"))] == ["neighbours"]
    assert {item["jail"] for item in items(run("replay", *files, "--jail", "growing", "--json"))} == {"growing"}


def test_the_table_says_how_large_a_network_is_and_how_long_a_ban(files: list[str], run: Run) -> None:
    table = run("replay", *files).splitlines()

    (network,) = (row for row in table if "neighbours" in row and "(a /24)" in row)
    assert "7 d" in network
    assert [row.split()[-3:-1] for row in table if "growing" in row and "ban" in row] == [
        ["60", "min"],
        ["2", "h"],
        ["4", "h"],
    ]
    assert sum("(a /" in row for row in table) == 1


def test_check_names_a_jail_that_can_never_count(files: list[str], tmp_path: Path, run: Run) -> None:
    assert "no mistakes" in run("check", *files[:2])

    config = tmp_path / "p.toml"
    config.write_text(CONFIG.replace("maxretry = 1\n", "maxretry = 1\ndry_run = true\n"))
    told = run("check", "--config", str(config), code=1)
    assert "warning: jail neighbours: none of the jails that it watches bans anybody" in told


def test_networks_of_different_lengths_have_different_names() -> None:
    names = Names(reveal=False)
    subjects = ["2001:db8::/32", "2001:db8::/31", "2001:db8::/64", "32.1.13.184", "32.1.13.0/24", "32.1.13.0/25"]

    assert len({names.of(Subject.parse(subject)) for subject in subjects}) == len(subjects)
    client, network = (verdict(text) for text in ("2001:db8::/64", "198.51.100.0/24"))
    assert names.shown(client, 1) == names.of(client.subject)
    assert names.shown(network, 1) == f"{names.of(network.subject)} (a /24)"
    assert Names(reveal=True).shown(network, 1) == "198.51.100.0/24"


def verdict(subject: str) -> Verdict:
    return Verdict(Action.BAN, Subject.parse(subject), "one", 0.0, 1.0, 1)


def test_a_replay_shows_an_as_number_once_with_its_table(files: list[str], tmp_path: Path, run: Run) -> None:
    table = tmp_path / "networks"
    table.write_text("198.51.100.0/28\t64500\n192.0.2.0/24\t64500\n")
    config = CONFIG.replace('"prefix"', '"asn"') + f'[networks]\ntable = "{table}"\n'
    (tmp_path / "p.toml").write_text(config)

    (farm,) = [item for item in items(run("replay", *files, "--json")) if item["jail"] == "neighbours"]
    assert (farm["subject"], farm["prefixes"]) == ("AS64500", 2)
    assert sum("AS64500 (2 prefixes)" in row for row in run("replay", *files).splitlines()) == 1
    table.write_text("nonsense\n")
    assert "the table of networks cannot be used" in run("replay", *files, code=65)
