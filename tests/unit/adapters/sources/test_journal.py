"""Tests of adapters.sources.journal: with a real journal where there are the programs for it."""

from __future__ import annotations

import json
import os
import signal
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from privet.adapters.sources import journal as module
from privet.adapters.sources.journal import Entry, JournalSource, arguments, line_of
from privet.core.parsing.lines import LONGEST_LINE
from privet.ports import SourceError
from tests.unit.journals import BEGIN, Journal
from tests.unit.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Follow = Callable[..., JournalSource]

real = pytest.mark.needs("journal")


@pytest.fixture
def written(tmp_path: Path) -> Journal:
    """Return a journal."""
    return Journal(tmp_path)


@pytest.fixture
def clock() -> list[float]:
    """Return the time, to be changed."""
    return [100.0]


@pytest.fixture
def follow(tmp_path: Path, clock: list[float]) -> Iterator[Follow]:
    """Follow a journal until the end of the test."""
    made: list[JournalSource] = []

    def source(*matches: Sequence[str], since: float = BEGIN) -> JournalSource:
        directory = str(tmp_path / "journal")
        made.append(
            JournalSource("ssh", matches, since=since, where=f"--directory={directory}", clock=lambda: clock[0])
        )
        return made[-1]

    yield source
    for one in made:
        one.close()


def lines(source: JournalSource, count: int) -> list[str]:
    """Read lines until there are so many; return their messages."""
    found: list[str] = []

    def enough() -> bool:
        for block in source.read():
            found.extend(line.rpartition("]: ")[2] for line in block.decode().splitlines())
        return len(found) >= count

    until(enough)
    return found


def problems(source: JournalSource) -> dict[str, str]:
    """Have a look, and return what is wrong."""
    source.poll()
    return source.problems


def entry(**fields: Any) -> Entry:  # noqa: ANN401  as JSON has it
    """Return an entry as it is read."""
    known = {"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1700000000123456", **fields}
    return msgspec.json.decode(json.dumps(known), type=Entry)


@real
def test_entries_become_lines_with_their_own_time(written: Journal, follow: Follow) -> None:
    written.write("Failed password for root from 192.0.2.7 port 1 ssh2")
    source = follow(["_SYSTEMD_UNIT=ssh.service"])

    block = until(lambda: next(source.read(), b""))

    assert block == b"1700000001.000000 mars sshd[77]: Failed password for root from 192.0.2.7 port 1 ssh2\n"


@real
def test_only_what_matches_comes(written: Journal, follow: Follow) -> None:
    written.write("one", "two", unit="ssh.service")
    written.write("three", unit="cron.service")
    written.write("four", unit="other.service", _COMM="postfix")
    written.write("end", unit="ssh.service")

    source = follow(["_SYSTEMD_UNIT=ssh.service", "+", "_COMM=postfix"], ["_COMM=nothing"])

    assert lines(source, 4) == ["one", "two", "four", "end"]


@real
def test_it_begins_where_it_is_told(written: Journal, follow: Follow) -> None:
    written.write(*(f"message {number}" for number in range(1, 11)))

    source = follow(since=BEGIN + 8)

    assert lines(source, 3) == ["message 8", "message 9", "message 10"]


@real
def test_it_follows_what_is_written_later(written: Journal, follow: Follow) -> None:
    written.write("one")
    source = follow()
    assert lines(source, 1) == ["one"]

    written.write("two", "three")

    assert lines(source, 2) == ["two", "three"]
    assert source.counts.bytes_read > 0


@real
def test_nothing_is_lost_or_doubled_when_journalctl_dies(written: Journal, follow: Follow, clock: list[float]) -> None:
    written.write(*(f"message {number}" for number in range(500)))
    source = follow()
    until(source._waits)  # noqa: SLF001  what is in the pipe cannot be seen from outside
    first = next(source.read())  # of one block some lines are read, and the rest waits in the pipe
    begun = [line.rpartition("]: ")[2] for line in first.decode().splitlines()]

    os.kill(source._process.pid, signal.SIGKILL)  # type: ignore[union-attr]  # noqa: SLF001  it runs
    written.write("after it died")
    until(lambda: problems(source))
    assert source.problems == {"journalctl": "was killed by signal 9; tried again"}
    rest = [line.rpartition("]: ")[2] for block in source.read() for line in block.decode().splitlines()]
    clock[0] += 10
    source.poll()

    assert source.problems == {}
    missing = 501 - len(begun) - len(rest)
    assert begun + rest + lines(source, missing) == [*(f"message {number}" for number in range(500)), "after it died"]
    assert source.counts.restarts == 1


@real
def test_what_is_no_text_comes_as_text(written: Journal, follow: Follow) -> None:
    written.write("two\nlines", b"bytes \xff\xfe end", b"bell \x07", "x" * 20_000, "umlaut ä")

    source = follow()

    assert lines(source, 5) == ["two\\nlines", "bytes �� end", "bell \x07", "x" * 20_000, "umlaut ä"]


@real
def test_a_message_that_is_too_long_is_counted(written: Journal, follow: Follow) -> None:
    written.write("a", "x" * (LONGEST_LINE + 1), b"\xff" * 600_000, "b")

    source = follow()

    assert lines(source, 2) == ["a", "b"]
    assert source.counts.too_long == 2


@real
def test_a_journal_that_is_not_there_is_a_problem_only(follow: Follow, clock: list[float]) -> None:
    source = follow()

    until(lambda: problems(source))
    clock[0] += 0.5
    source.poll()

    assert list(source.read()) == []
    assert "No such file" in source.problems["journalctl"]


def test_a_missing_program_is_a_problem_only(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(module, "_SEARCH_PATH", "/nowhere")
    source = JournalSource("ssh", since=0.0, clock=lambda: clock[0])

    assert "is missing" in source.problems["journalctl"]
    source.close()


def test_it_is_tried_again_ever_more_seldom(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(module, "_SEARCH_PATH", "/nowhere")
    source = JournalSource("ssh", since=0.0, clock=lambda: clock[0])
    tries = 0
    failed = source._failed  # noqa: SLF001  nothing else happens

    def count(problem: str) -> None:
        nonlocal tries
        tries += 1
        failed(problem)

    monkeypatch.setattr(source, "_failed", count)
    for _ in range(300):
        clock[0] += 1
        source.poll()

    assert tries == 3 + 1 + (300 - 23) // 60
    source.close()


@pytest.mark.parametrize(
    ("matches", "words"),
    [
        ([], []),
        ([["_A=1", "_B=2"]], ["_A=1", "_B=2"]),
        ([["_A=1", "+", "_B=2"]], ["_A=1", "+", "_B=2"]),
        ([["_A=1"], ["_B=2 3"]], ["_A=1", "+", "_B=2 3"]),
        ([["_A=1", "+"], [], ["+", "_B="]], ["_A=1", "+", "_B="]),
    ],
)
def test_matches_are_alternatives(matches: list[list[str]], words: list[str]) -> None:
    assert arguments("x", matches) == words


@pytest.mark.parametrize("word", ["--output=cat", "/usr/sbin/sshd", "unit=x", "x", ""])
def test_words_that_journalctl_would_not_take_as_matches_are_refused(word: str) -> None:
    with pytest.raises(SourceError, match="FIELD=VALUE"):
        arguments("x", [[word]])


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"MESSAGE": "m"}, "1700000000.123456 m"),
        ({"MESSAGE": "m", "_COMM": "sshd"}, "1700000000.123456 sshd: m"),
        ({"MESSAGE": "m", "_HOSTNAME": "h", "_COMM": "c", "SYSLOG_IDENTIFIER": "i"}, "1700000000.123456 h i: m"),
        ({"MESSAGE": "m", "_COMM": "c", "_PID": "7", "SYSLOG_PID": "8"}, "1700000000.123456 c[8]: m"),
        ({"MESSAGE": "m", "_PID": "7"}, "1700000000.123456 m"),
        ({"MESSAGE": "m", "_SOURCE_REALTIME_TIMESTAMP": "1600000000000001"}, "1600000000.000001 m"),
        ({"MESSAGE": None, "_COMM": "c"}, "1700000000.123456 c: "),
        ({"MESSAGE": ["a", [98, 99]]}, "1700000000.123456 a bc"),
        ({"MESSAGE": [255, 97]}, "1700000000.123456 �a"),
        (
            {"MESSAGE": "m", "SYSLOG_IDENTIFIER": "kernel", "_SOURCE_MONOTONIC_TIMESTAMP": "5001234"},
            "1700000000.123456 kernel: [    5.001234] m",
        ),
    ],
)
def test_lines_are_as_fail2ban_makes_them(fields: dict[str, object], line: str) -> None:
    assert line_of(entry(**fields)) == f"{line}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"{}",
        b'{"__CURSOR": 1, "__REALTIME_TIMESTAMP": "1"}',
        b'{"__CURSOR": "", "__REALTIME_TIMESTAMP": "x"}',
        b'{"__CURSOR": "", "__REALTIME_TIMESTAMP": "1", "MESSAGE": [300]}',
    ],
)
def test_what_is_no_entry_is_counted(data: bytes, clock: list[float]) -> None:
    source = JournalSource("ssh", since=4e9, where="--directory=/nowhere", clock=lambda: clock[0])

    assert source._line(data) == b""  # noqa: SLF001  journalctl writes nothing of that kind
    assert source.counts.damaged == 1
    source.close()


def test_a_time_without_end_is_no_time() -> None:
    with pytest.raises((ValueError, TypeError)):
        line_of(entry(__REALTIME_TIMESTAMP=str(inf)))
