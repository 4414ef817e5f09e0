"""The pictures of the daemon's history, and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.cli import client, figures
from privet.cli.main import run
from tests.unit.cli.test_markup import Seen

if TYPE_CHECKING:
    import pytest

BEGIN = 1_795_345_200 // 3600 * 3600


def items(number: int = 48) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for hour in range(number):
        item: dict[str, Any] = {"time": BEGIN + hour * 3600, "hits": 0}
        item |= {"hits": 10, "bytes": 1 << 20, "ok": 8, "moved": 0, "refused": 1, "failed": 1, "other": 0}
        if hour % 7 == 0:
            item |= {"bans": 2, "reports": 0}
        if hour != 5:  # the daemon did not run
            item |= {"load": hour / 10, "psi": 3.0, "memory": 40.0}
        found.append(item)
    return found


def test_the_pictures_of_the_history() -> None:
    drawn = {one.title: one for one in figures.history(items(), 3600)}

    assert list(drawn) == ["Requests over time", "Bans over time", "Load", "The machine"]
    assert drawn["Requests over time"].says.startswith("480 requests")
    assert drawn["Bans over time"].says.startswith("14 bans")
    assert "load at most 4.7" in drawn["Load"].says
    assert drawn["Load"].svg.count("M") == 2  # a gap where it did not run
    assert drawn["The machine"].colours == [("k1", "waiting for the CPU"), ("k4", "memory in use")]


def test_a_picture_of_years_has_few_bars() -> None:
    many = [{"time": BEGIN + day * 86_400, "hits": 1, "ok": 1} for day in range(1500)]

    (drawn,) = figures.history(many, 86_400)

    assert "1,500 requests" in drawn.says
    assert drawn.svg.count("<title>") <= 2 * figures.MOST + 1
    assert figures.history([], 86_400) == []


def test_the_history_is_put_out_in_every_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = [{"site": "<b>www", "hits": 480, "failed": 48, "bytes": 5}]
    answer = {"items": items(), "sites": sites, "jails": [{"jail": "leech", "bans": 14, "reports": 0}]}
    monkeypatch.setattr(client, "ask", lambda *_given, **_more: answer)

    assert run(["report", "history", "--html", "-"]) == 0
    seen = Seen(capsys.readouterr().out)
    tags = [tag for tag, _ in seen.tags]
    assert (tags.count("figure"), tags.count("table")) == (4, 3)
    assert "<b>www" in seen.text
    assert "Highest load4.7" in seen.text
    assert run(["report", "history", "--csv", "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(",")[:3] == ["time", "hits", "bytes"]
    assert len(lines) == 4
    assert run(["report", "history"]) == 0
    assert "leech" in capsys.readouterr().out
