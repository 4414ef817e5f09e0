"""Lists that are asked: names, files and commands, with the answer of last time while they fail."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters import ignore
from privet.adapters.ignore import AGAIN, EVERY, IgnoreLists
from privet.core.addresses.address import Subject
from privet.core.guard import Listed

if TYPE_CHECKING:
    from collections.abc import Callable

OFFICE = Listed("name", ("office.example.org",))


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Resolver:
    """What the system's resolver answers, and what it was asked."""

    def __init__(self) -> None:
        self.answer: list[str] | Exception = ["192.0.2.9", "2001:db8::9", "192.0.2.9"]
        self.asked: list[str] = []

    def __call__(self, name: str, _port: None, **_options: Any) -> list[Any]:  # noqa: ANN401  as in the socket module
        self.asked.append(name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.answer]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    one = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", one)
    return one


@pytest.fixture
def clock() -> Clock:
    return Clock()


def parse(*texts: str) -> frozenset[Subject]:
    return frozenset(map(Subject.parse, texts))


def made(clock: Callable[[], float], *lists: Listed) -> IgnoreLists:
    one = IgnoreLists(clock)
    one.want(lists)
    return one


def script(path: Path, text: str) -> Listed:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return Listed("command", (str(path), "one", "$(two)"))


def test_names_are_asked_again_after_a_while(clock: Clock, resolver: Resolver) -> None:
    one = made(clock, OFFICE)
    assert one.answers == {OFFICE: frozenset()}
    assert one.due
    assert one.refresh()
    assert one.answers == {OFFICE: parse("192.0.2.9", "2001:db8::/64")}
    assert not one.due
    clock.now += EVERY - 1
    assert not one.refresh()
    resolver.answer = ["192.0.2.10"]
    clock.now += 1
    assert one.due
    assert one.refresh()
    assert one.answers == {OFFICE: parse("192.0.2.10")}
    clock.now += EVERY
    assert not one.refresh(), "the same answer is no change"
    assert resolver.asked == ["office.example.org"] * 3


@pytest.mark.parametrize("error", [socket.gaierror(-3, "Temporary failure"), OSError(101, "unreachable")])
def test_a_name_that_fails_keeps_its_answer_and_is_tried_again_soon(
    clock: Clock, resolver: Resolver, error: Exception
) -> None:
    one = made(clock, OFFICE)
    one.refresh()
    resolver.answer = error
    clock.now += EVERY
    assert not one.refresh()
    assert one.answers == {OFFICE: parse("192.0.2.9", "2001:db8::/64")}
    assert one.problems == [f"the name office.example.org: cannot be resolved ({error.args[1]})"]
    clock.now += AGAIN - 1
    assert not one.due
    clock.now += 1
    resolver.answer = ["192.0.2.9"]
    assert one.refresh()
    assert one.problems == []


def test_a_name_that_is_none_is_told(clock: Clock) -> None:
    one = made(clock, Listed("name", ("a" * 64 + ".example.org",)))  # what idna cannot encode raises UnicodeError
    assert not one.refresh()
    assert len(one.problems) == 1


def test_the_resolver_of_the_system_is_asked(clock: Clock) -> None:
    localhost = Listed("name", ("localhost",))
    one = made(clock, localhost)
    assert one.refresh()
    assert Subject.parse("127.0.0.1") in one.answers[localhost]


def test_files_are_read_when_they_change(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "office"
    office = Listed("file", (str(path),))
    path.write_text("# ours\n192.0.2.1 ; the door\n\n198.51.100.0/24\n")
    one = made(clock, office)
    assert one.refresh()
    assert one.answers == {office: parse("192.0.2.1", "198.51.100.0/24")}
    assert not one.due
    path.write_text("2001:db8:1::/48\n")
    assert one.due
    assert one.refresh()
    assert one.answers == {office: parse("2001:db8:1::/48")}
    path.write_text("")
    assert one.refresh()
    assert one.answers == {office: frozenset()}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file or directory"),
        (b"192.0.2.1\nnonsense\n", "cannot be used: line 2 has no address"),
        (b"\xff\n", "is no text"),
        (b"AS64500\n", "has an AS number"),
        (b"#" * 3000, "is larger than"),
    ],
)
def test_a_file_that_cannot_be_used_keeps_its_answer(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, complaint: str
) -> None:
    monkeypatch.setattr(ignore, "LARGEST", 2048)
    path = tmp_path / "office"
    office = Listed("file", (str(path),))
    path.write_text("192.0.2.1\n")
    one = made(clock, office)
    one.refresh()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert not one.refresh()
    assert one.answers == {office: parse("192.0.2.1")}
    (problem,) = one.problems
    assert problem.startswith(f"the file {path}: {complaint}")
    clock.now += AGAIN
    path.write_text("192.0.2.2\n")
    assert one.refresh()
    assert (one.answers, one.problems) == ({office: parse("192.0.2.2")}, [])


def test_a_command_prints_who_is_spared(clock: Clock, tmp_path: Path) -> None:
    office = script(
        tmp_path / "office", 'cat; echo "# $# $2"; [ "$2" = "\\$(two)" ] && echo 192.0.2.1; echo 2001:db8::/32'
    )
    one = made(clock, office)
    assert one.refresh()
    assert one.answers == {office: parse("192.0.2.1", "2001:db8::/32")}
    assert not one.due
    clock.now += EVERY
    assert one.due


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("echo 192.0.2.2; exit 3", "ended with exit code 3"),
        ("echo nonsense", "cannot be used: line 1"),
        ("sleep 60 & sleep 60", "takes longer than"),
        ("sleep 60 >/dev/null & exec >&-; sleep 60", "takes longer than"),
        ("yes 192.0.2.2", "is larger than"),
    ],
)
def test_a_command_that_fails_keeps_its_answer(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    monkeypatch.setattr(ignore, "PATIENCE", 0.3)
    monkeypatch.setattr(ignore, "LARGEST", 2048)
    office = script(tmp_path / "office", "echo 192.0.2.1")
    one = made(clock, office)
    one.refresh()
    script(tmp_path / "office", f"echo $$ > {tmp_path / 'group'}\n{text}")
    clock.now += EVERY
    began = time.monotonic()
    assert not one.refresh()
    assert time.monotonic() - began < 2
    assert one.answers == {office: parse("192.0.2.1")}
    (problem,) = one.problems
    assert complaint in problem
    group = (tmp_path / "group").read_text().strip()
    end = time.monotonic() + 2
    while any(of == group and state != "Z" for state, of in _processes()):
        assert time.monotonic() < end, "something that it started goes on"


def _processes() -> list[tuple[str, str]]:
    """Return state and group of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group, *_ = path.read_text().rpartition(")")[2].split()
            found.append((state, group))
    return found


def test_a_command_that_is_none_is_told(clock: Clock) -> None:
    one = made(clock, Listed("command", ("/no/such/program",)))
    assert not one.refresh()
    assert one.problems == ["the command /no/such/program: No such file or directory"]


def test_other_lists_keep_what_they_know(clock: Clock, resolver: Resolver) -> None:
    one = made(clock, OFFICE)
    one.refresh()
    other = Listed("name", ("other.example.org",))
    one.want([OFFICE, other])
    resolver.answer = ["192.0.2.77"]
    assert one.refresh()
    assert one.answers == {OFFICE: parse("192.0.2.9", "2001:db8::/64"), other: parse("192.0.2.77")}
    one.want([])
    assert (one.answers, one.due) == ({}, False)


def test_a_file_that_never_was_is_told_and_read_when_it_comes(clock: Clock, tmp_path: Path) -> None:
    office = Listed("file", (str(tmp_path / "office"),))
    one = made(clock, office)
    assert one.due
    assert not one.refresh()
    assert one.problems == [f"the file {tmp_path}/office: No such file or directory"]
    (tmp_path / "office").write_text("192.0.2.1\n")
    clock.now += AGAIN
    assert one.refresh()
    assert (one.answers, one.problems) == ({office: parse("192.0.2.1")}, [])


def test_kinds_can_be_left_out(clock: Clock, resolver: Resolver, tmp_path: Path) -> None:
    (tmp_path / "office").write_text("192.0.2.1\n")
    office = Listed("file", (str(tmp_path / "office"),))
    one = made(clock, OFFICE, office)
    assert one.refresh(("file",))
    assert one.answers == {OFFICE: frozenset(), office: parse("192.0.2.1")}
    assert resolver.asked == []
