"""The demo prints what the engine found, and nothing that it did not."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from privet.cli.demo import print_outcome
from privet.cli.main import run
from privet.cli.names import Names
from privet.tasks.demo import CONFIG, demo

if TYPE_CHECKING:
    from pathlib import Path

    from privet.tasks.demo import Outcome


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return demo(tmp_path_factory.mktemp("night"), 1)


def without(jail: str) -> str:
    """Return the demo's configuration less one jail."""
    text, count = re.subn(rf"\[jail\.{jail}\].*?(?=\n\[|\Z)", "", CONFIG, flags=re.DOTALL)
    assert count == 1
    return text


def test_the_culprits_are_banned_and_nobody_else(outcome: Outcome) -> None:
    banned = {part.name: part.banned for part in outcome.cast}
    assert banned == {"readers": 0, "leech": 1, "fetcher": 1, "spammer": 1, "scanner": 1, "bot": 0, "swarm": 0}


def test_every_jail_has_a_line(outcome: Outcome) -> None:
    assert {ban.jail for ban in outcome.banned} == {"leech", "scanner", "comment-spam", "deaf-fetcher"}


@pytest.mark.parametrize(("jail", "visitor"), [("comment-spam", "spammer")])
def test_without_its_jail_a_line_vanishes(outcome: Outcome, tmp_path: Path, jail: str, visitor: str) -> None:
    other = demo(tmp_path, 1, without(jail))
    assert {ban.jail for ban in other.banned} == {ban.jail for ban in outcome.banned} - {jail}
    assert [part.banned for part in other.cast if part.name == visitor] == [0]
    assert other.spared < outcome.spared


def test_the_accounts_balance(outcome: Outcome) -> None:
    assert outcome.lines == outcome.parsed + sum(outcome.unparsed.values())
    assert outcome.log_lines == outcome.lines == outcome.log.read_bytes().count(b"\n")


def test_no_address_reaches_the_log(outcome: Outcome) -> None:
    assert outcome.addresses > 4000
    assert outcome.leaked == 0
    text = outcome.log.read_bytes()
    assert not re.search(rb"\b10(?:\.\d+){3}\b|\b(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d|2001:db8", text)


def test_the_fetcher_has_bad_manners_and_nobody_else(outcome: Outcome) -> None:
    (row,) = outcome.habits.rows()
    assert row.agent.startswith("FeedCollector/")
    assert set(row.habits) == {"heads", "backoff"}


def test_the_swarm_is_one_event(outcome: Outcome) -> None:
    (swarm,) = outcome.swarms
    assert (swarm.level, swarm.members) == ("page", 600)
    assert "action=rc;all=1" in swarm.what
    assert swarm.seen - swarm.began < 45
    assert swarm.ended


def test_the_dead_jails_are_named_with_their_cause(outcome: Outcome) -> None:
    blind_since = min(ban.first for ban in outcome.banned) - 107 + 6 * 3600
    assert outcome.dead
    assert 0 < outcome.dead.at - blind_since < 120
    assert "lines have no client's address any more, now: " in outcome.dead.cause
    assert set(outcome.dead.jails) == {"leech", "scanner", "comment-spam", "deaf-fetcher", "swarm"}
    assert all(last and last <= blind_since for last in outcome.dead.jails.values())


def test_the_command_prints_what_was_found(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(outcome, Names(reveal=False))
    text = capsys.readouterr().out
    for jail in ("leech", "scanner", "comment-spam", "deaf-fetcher"):
        assert jail in text
    assert "0 of the 4,831 addresses used stand in it" in text
    (swarm,) = outcome.swarms
    assert f"the last at {datetime.fromtimestamp(swarm.last, UTC):%H:%M:%S}" in text
    assert "2001:db8" not in text


def test_a_page_with_pictures_is_written_and_the_same_printed_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--json", str(tmp_path)]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == "demo"
    assert shown["page"] == str(tmp_path / "report.html")
    assert [item["jail"] for item in shown["items"]] == ["leech", "deaf-fetcher", "leech", "comment-spam", "scanner"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 3
    assert "56,554 requests" in page
    assert "2001:db8" not in page


def test_the_page_of_somebody_else_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.html").write_text("somebody else's")

    assert run(["demo", str(tmp_path)]) == 65

    assert (tmp_path / "report.html").read_text() == "somebody else's"
    assert "is no report of Privet" in capsys.readouterr().err
