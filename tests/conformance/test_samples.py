"""Every sample log line that fail2ban's package brings gives what it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import engine, samples

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("fail2ban")


@pytest.mark.usefixtures("local_zone")
def test_all_samples_agree(tree: Path) -> None:
    done = list(samples.run(samples.cases(tree), engine.make))
    wrong = [f"{case.filter} {case.options} {case.file}:{case.number}: {error}" for case, error in done if error]
    assert wrong == []
    assert len(done) == 1627
    assert len({case.filter for case, _ in done}) == 91


@pytest.mark.usefixtures("local_zone")
def test_an_engine_that_finds_nothing_fails(tree: Path) -> None:
    wrong = [error for _, error in samples.run(samples.cases(tree), lambda *_: lambda *_: []) if error]
    assert len(wrong) == 1317


@pytest.mark.usefixtures("local_zone")
def test_a_hit_must_be_right_in_time_and_name(tree: Path) -> None:
    case = next(case for case in samples.cases(tree) if case.filter == "sshd" and case.expect)
    hits = engine.make(case.conf_dir, case.filter, case.options)(case.line, None)
    assert samples.judge(case, hits) is None
    assert samples.judge(case, [{**hits[0], "time": hits[0]["time"] + 1}])
    assert samples.judge(case, [{**hits[0], "fid": "192.0.2.99", "host": None}])
    assert samples.judge(case, hits * 2)
