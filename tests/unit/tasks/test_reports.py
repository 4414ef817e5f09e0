"""Who asks how much, from any log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.config.compile import plan_for
from privet.config.model import SourceConfig
from privet.core.parsing.formats import FormatError
from privet.core.reports.leeches import COLUMNS, Leeches
from privet.ports import SourceError
from privet.tasks.reports import Read, summed
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

BEGIN = 1_795_345_200.0
LEECH, READER = "192.0.2.1", "2001:db8::7"


def written(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{text}\n" for text in lines))
    return str(path)


def leeches(
    paths: Sequence[str], format_text: str, progress: Callable[[int], None] | None = None
) -> tuple[Leeches, Read]:
    return summed(paths, format_text, COLUMNS, lambda _path: Leeches(), progress)


def counted(*paths: str) -> dict[str, tuple[int, float | None, tuple[tuple[str, int], ...]]]:
    found, _ = leeches(paths, "auto")
    return {row.subject.reveal(): (row.hits, row.interval, row.statuses) for row in found.rows()}


def test_clients_are_counted_over_all_files(tmp_path: Path) -> None:
    one = written(
        tmp_path / "1", line(LEECH, at=BEGIN), line(READER, at=BEGIN + 1), line(LEECH, status=404, at=BEGIN + 2)
    )
    two = written(tmp_path / "2", line(LEECH, at=BEGIN + 10), line("2001:db8::8", at=BEGIN + 11))

    assert counted(one, two) == {
        LEECH: (3, 5.0, (("200", 66), ("404", 33))),
        "2001:db8::/64": (2, 10.0, (("200", 100),)),
    }


def test_the_order_of_lines_does_not_matter(tmp_path: Path) -> None:
    lines = [line(LEECH, at=BEGIN + number * 600) for number in range(7)]

    forward, backward = written(tmp_path / "1", *lines), written(tmp_path / "2", *reversed(lines))

    assert counted(forward) == counted(backward) == {LEECH: (7, 600.0, (("200", 100),))}


def test_lines_that_are_too_long_are_told(tmp_path: Path) -> None:
    _, state = leeches([written(tmp_path / "log", "x" * 70_000, line(LEECH), "x" * 200_000)], "auto")
    assert (state.lines, state.parsed, dict(state.unparsed)) == (3, 1, {"too long": 2})


def test_unparsed_lines_are_told(tmp_path: Path) -> None:
    _, state = leeches([written(tmp_path / "log", "garbage", line(LEECH), "")], "auto")

    assert (state.lines, state.parsed, dict(state.unparsed)) == (3, 1, {"not in the format": 1})


def test_large_logs_are_summed_up_as_their_lines_are(tmp_path: Path) -> None:
    lines = [
        line(f"10.0.{number % 7}.{number % 91}", status=(200, 304, 404)[number % 3], at=BEGIN + number // 5)
        for number in range(3_000)
    ]
    lines[1_000:1_000] = ["garbage", "", lines[0].replace("GET", 'GET \\"x\\"')]
    path, format_text = written(tmp_path / "log", *lines), '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
    singly, read = Leeches(), Read()
    plan = plan_for(SourceConfig(name="log", format=format_text), COLUMNS)
    for one in lines:
        rows = plan.parse(one.encode() + b"\n")
        read.see(rows)
        singly.take(rows)

    whole, told = leeches([path], format_text)

    assert (whole.rows(), whole.hits, len(whole)) == (singly.rows(), 3_001, len(singly))
    assert told == read


def test_a_format_may_be_given(tmp_path: Path) -> None:
    found, state = leeches([written(tmp_path / "log", f"200 1795345200 {LEECH} 7168")], "%s %{%s}t %h %b")

    assert [(row.hits, row.kib, row.statuses) for row in found.rows()] == [(1, 7, (("200", 100),))]
    assert not state.unparsed


def test_what_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        leeches([str(tmp_path / "missing")], "auto")
    with pytest.raises(FormatError):
        leeches([written(tmp_path / "log", line(LEECH))], "%Q")


def test_progress_adds_up_to_the_size_of_the_files(tmp_path: Path) -> None:
    log = written(tmp_path / "log", *[line(LEECH)] * 3000)
    counts: list[int] = []

    leeches([log], "auto", counts.append)

    assert sum(counts) == (tmp_path / "log").stat().st_size
