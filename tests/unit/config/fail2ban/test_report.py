"""The report tells each finding once, by place."""

from __future__ import annotations

from privet.config.fail2ban.report import Fate, Report
from privet.config.fail2ban.text import Place


def test_findings() -> None:
    report = Report()
    for _ in range(2):
        report.unknown(Place("b", 10), "jail", "second")
        report.unknown(Place("b", 2), "", "first")
    report.adopted(Place("a"), "jail", "kept")
    report.changed(Place("a", 1), "jail", "other")

    assert list(map(str, report.of(Fate.UNKNOWN))) == ["b:2: first", "b:10: jail: second"]
    assert list(map(str, report.of(Fate.ADOPTED))) == ["a: jail: kept"]
    assert list(map(str, report.of(Fate.CHANGED))) == ["a:1: jail: other"]
