"""The daemon's end of the intake: whoever may speak is heard, everybody else is refused and counted."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sources.intake import Intake, Peer
from privet.core.wire import Hello, Lines, pack_hello, pack_lines
from tests.unit.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HELLO = Hello("web", 77, "drop", ("something is wrong",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intake.sock"


@pytest.fixture
def intake(path: Path) -> Iterator[Intake]:
    found = Intake(path, {os.geteuid()})
    yield found
    found.close()


@pytest.fixture
def pipe(intake: Intake, path: Path) -> Iterator[socket.socket]:
    """Connect as a pipe does."""
    assert intake.fileno() >= 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(path))
        yield connection


@pytest.fixture
def peer(intake: Intake, pipe: socket.socket) -> Iterator[Peer]:
    assert pipe.fileno() >= 0
    found = intake.accept()
    assert found
    yield found
    found.connection.close()


def test_the_socket_is_for_its_owner_and_one_group(intake: Intake, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert intake.accept() is None


@pytest.mark.needs("root")
def test_the_group_is_the_one_that_was_named(path: Path) -> None:
    intake = Intake(path, {0}, 33)

    assert (path.stat().st_uid, path.stat().st_gid) == (0, 33)
    intake.close()


def test_a_pipe_says_who_it_is_and_hands_over_lines(intake: Intake, pipe: socket.socket, peer: Peer) -> None:
    assert intake.receive(peer) == (b"", True)
    pipe.send(pack_hello(HELLO))
    pipe.send(pack_lines(Lines(b"one\n", 5, 3, 1)))
    pipe.send(pack_lines(Lines(b"two\nthree\n", 7, 3, 2)))

    assert [intake.receive(peer) for _ in range(4)] == [
        (b"", True),
        (b"one\n", True),
        (b"two\nthree\n", True),
        (b"", True),
    ]
    assert peer.hello == HELLO
    assert (peer.taken, peer.dropped, peer.unwritten) == (7, 3, 2)


def test_a_pipe_may_say_hello_again(intake: Intake, pipe: socket.socket, peer: Peer) -> None:
    pipe.send(pack_hello(HELLO))
    pipe.send(pack_hello(Hello("web", 77, "drop")))
    for _ in range(2):
        intake.receive(peer)

    assert peer.hello == Hello("web", 77, "drop")


def test_what_was_sent_before_hanging_up_is_heard(intake: Intake, pipe: socket.socket, peer: Peer) -> None:
    pipe.send(pack_lines(Lines(b"one\n", 1, 0, 0)))
    pipe.close()

    assert intake.receive(peer) == (b"one\n", True)
    assert intake.receive(peer) == (b"", False)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"?",
        b"L",
        b"L" + bytes(23),
        b"H",
        b"H{",
        b"H[]",
        b'H{"source":1,"pid":1,"mask":""}',
        b"H\xff",
        b"H" * 300_000,
    ],
    ids=range(10),
)
def test_who_speaks_otherwise_is_hung_up_on(intake: Intake, pipe: socket.socket, peer: Peer, packet: bytes) -> None:
    pipe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    pipe.send(packet)

    assert intake.receive(peer) == (b"", False)
    assert peer.hello is None


@pytest.mark.parametrize("packet", [b"?", b"L", pack_lines(Lines(b"one\n", 1, 0, 0))])
def test_descriptors_that_nobody_asked_for_are_closed(
    intake: Intake, pipe: socket.socket, peer: Peer, packet: bytes
) -> None:
    out, into = os.pipe()
    socket.send_fds(pipe, [packet], [into])
    os.close(into)
    intake.receive(peer)

    assert os.read(out, 1) == b""  # the end: nobody has it open
    os.close(out)


def test_a_pipe_that_vanished_with_unread_words_is_gone(intake: Intake, pipe: socket.socket, peer: Peer) -> None:
    peer.connection.send(b"something for it")
    pipe.close()

    assert until(lambda: not intake.receive(peer)[1])


def test_other_users_are_refused_and_counted(path: Path) -> None:
    intake = Intake(path, {os.geteuid() + 1})
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as pipe:
        pipe.connect(str(path))
        pipe.settimeout(10)

        assert intake.accept() is None
        assert pipe.recv(10) == b""

    assert intake.refused == 1
    intake.close()


def test_the_socket_of_a_run_that_was_killed_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.bind(str(path))
    intake = Intake(path, {os.geteuid()})
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as pipe:
        pipe.connect(str(path))
        peer = intake.accept()
        assert peer
        peer.connection.close()
    intake.close()

    assert not path.exists()


def test_closing_without_the_socket_does_no_harm(intake: Intake, path: Path) -> None:
    path.unlink()

    intake.close()
