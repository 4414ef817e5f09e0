"""The way of lines to the daemon: in order, waited for only when asked to, losses counted."""

from __future__ import annotations

import os
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sinks import handover
from privet.adapters.sinks.handover import BUFFER, FAREWELL, RETRY, Handover
from privet.core.wire import BACK, HURRY, LARGEST, Hello, Lines, Loan, pack_loan, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOCK = b"x" * 999 + b"\n"


class Listener:
    """What stands for the daemon."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(path))
        self.socket.listen()
        self.socket.settimeout(10)
        self.connections: list[socket.socket] = []

    def accept(self) -> socket.socket:
        connection, _ = self.socket.accept()
        connection.settimeout(10)
        self.connections.append(connection)
        return connection

    def close(self) -> None:
        for connection in (*self.connections, self.socket):
            connection.close()


def messages(connection: socket.socket) -> Iterator[Hello | Lines]:
    """Yield what has come."""
    while select.select([connection], [], [], 0)[0]:
        packet = connection.recv(LARGEST * 2)
        if not packet:
            return
        assert len(packet) <= LARGEST
        message = unpack(packet)
        assert isinstance(message, Hello | Lines)
        yield message


class Greeter:
    """Says hello with whatever complaints there are."""

    def __init__(self) -> None:
        self.complaints: tuple[str, ...] = ()

    def __call__(self) -> Hello:
        return Hello("web", 1, "drop", self.complaints)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intake.sock"


@pytest.fixture
def listen(path: Path) -> Iterator[Callable[[], Listener]]:
    made: list[Listener] = []

    def make() -> Listener:
        made.append(Listener(path))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


@pytest.fixture
def listener(listen: Callable[[], Listener]) -> Listener:
    return listen()


@pytest.fixture
def greeter() -> Greeter:
    return Greeter()


@pytest.fixture
def line(path: Path, greeter: Greeter) -> Iterator[Handover]:
    found = Handover(path, greeter)
    yield found
    found.finish(0, 0)


def test_the_first_message_says_who_speaks(line: Handover, listener: Listener) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    line.put(b"two\nthree\n", 3, 2, 0.0)

    assert list(messages(listener.accept())) == [
        Hello("web", 1, "drop"),
        Lines(b"one\n", 1, 0, 0),
        Lines(b"two\nthree\n", 3, 0, 2),
    ]
    assert line.connected
    assert line.fileno() is None


def test_what_is_new_is_said_with_the_next_push(line: Handover, greeter: Greeter, listener: Listener) -> None:
    line.push(0, 0, 0.0)
    connection = listener.accept()
    assert list(messages(connection)) == [Hello("web", 1, "drop")]

    greeter.complaints = ("the disk is full",)
    line.greet()
    line.put(b"one\n", 1, 0, 0.0)

    assert list(messages(connection)) == [Hello("web", 1, "drop", ("the disk is full",)), Lines(b"one\n", 1, 0, 0)]


def test_lines_wait_for_a_daemon_that_is_not_there_yet(line: Handover, listen: Callable[[], Listener]) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    line.put(b"two\n", 2, 0, RETRY / 2)
    assert not line.connected
    assert line.fileno() is None  # there is nothing to wait for

    listener = listen()
    line.push(2, 0, RETRY * 0.9)
    assert not line.connected  # it was tried a moment ago
    line.push(2, 0, RETRY * 1.1)

    assert list(messages(listener.accept()))[1:] == [Lines(b"one\n", 2, 0, 0), Lines(b"two\n", 2, 0, 0)]
    assert line.lost == 0


def test_what_waits_is_bounded_and_the_oldest_goes_first(line: Handover, listen: Callable[[], Listener]) -> None:
    blocks = BUFFER // len(BLOCK)
    for number in range(blocks + 10):
        line.put(b"%06d" % number + BLOCK[6:], number + 1, 0, 0.0)

    assert line.lost == 10
    listener = listen()
    line.push(blocks + 10, 0, RETRY * 2)
    lines = list(messages(listener.accept()))[1:]
    assert isinstance(lines[0], Lines)
    assert lines[0].data.startswith(b"000010")
    assert lines[0].dropped == 10


def test_what_was_missed_before_counts_as_lost(line: Handover, listener: Listener) -> None:
    line.missed = 7
    line.put(b"one\n", 1, 0, 0.0)

    assert line.lost == 7
    assert list(messages(listener.accept()))[-1] == Lines(b"one\n", 1, 7, 0)


def test_a_daemon_that_does_not_read_is_not_waited_for(line: Handover, listener: Listener) -> None:
    began = time.monotonic()
    count = 5 * BUFFER // len(BLOCK)
    for number in range(count):
        line.put(b"%06d" % number + BLOCK[6:], number + 1, 0, 0.0)
    assert time.monotonic() - began < 10
    assert line.lost > 0
    assert line.fileno() is not None

    connection = listener.accept()
    received: list[Hello | Lines] = []
    while (room := line.fileno()) is not None:
        received += messages(connection)
        assert select.select([], [room], [], 10)[1]
        line.push(count, 0, 0.0)
    received += messages(connection)

    numbers = [int(m.data[:6]) for m in received if isinstance(m, Lines)]
    assert numbers == sorted(numbers)
    assert numbers[-1] == count - 1
    assert len(numbers) + line.lost == count


def test_a_daemon_that_is_behind_can_be_waited_for(
    line: Handover, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "PATIENCE", 0.2)
    line.put(b"one\n", 1, 0, 0.0)
    assert not line.catch_up(1, 0)  # it is not behind
    while line.fileno() is None:
        line.put(BLOCK, 0, 0, 0.0)

    began = time.monotonic()
    assert not line.catch_up(0, 0)
    assert time.monotonic() - began > 0.19
    began = time.monotonic()
    assert not line.catch_up(0, 0)  # it stands still
    assert time.monotonic() - began < 0.1

    connection = listener.accept()
    assert len(list(messages(connection))) > 1
    line.push(0, 0, 0.0)
    while line.fileno() is None:
        line.put(BLOCK, 0, 0, 0.0)
    later = Timer(0.05, lambda: list(messages(connection)))
    later.start()
    assert line.catch_up(0, 0)  # it goes on
    later.join()
    assert not line.catch_up(0, 0)
    assert line.lost == 0


def test_a_daemon_that_is_not_there_is_not_waited_for(line: Handover) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    began = time.monotonic()
    assert not line.catch_up(1, 0)
    assert time.monotonic() - began < 0.1


def test_a_daemon_that_comes_again_is_greeted_again(line: Handover, listen: Callable[[], Listener]) -> None:
    listener = listen()
    line.put(b"one\n", 1, 0, 0.0)
    listener.accept()
    listener.close()

    line.put(b"two\n", 2, 0, RETRY * 2)  # finds out that nobody listens any more
    assert not line.connected
    other = listen()
    line.push(2, 0, RETRY * 4)

    assert list(messages(other.accept())) == [Hello("web", 1, "drop"), Lines(b"two\n", 2, 0, 0)]
    assert line.lost == 0


def test_a_daemon_that_hangs_up_on_everybody_does_no_harm(line: Handover, listener: Listener) -> None:
    for second in range(5):
        line.put(b"one\n", second, 0, second * RETRY * 2)
        if line.connected:
            listener.accept().close()


def test_the_last_lines_are_waited_for_a_moment(line: Handover, listener: Listener) -> None:
    count = 0
    while line.fileno() is None:  # until the daemon's buffer is full
        line.put(BLOCK, 0, 0, 0.0)
        count += 1

    began = time.monotonic()
    line.finish(0, 0)

    assert FAREWELL * 0.9 < time.monotonic() - began < FAREWELL + 5
    assert line.lost + sum(isinstance(m, Lines) for m in messages(listener.accept())) == count
    assert line.lost > 0


def test_at_the_end_all_lines_are_handed_on(line: Handover, listener: Listener) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    line.finish(1, 0)

    connection = listener.accept()
    assert len(list(messages(connection))) == 2
    assert connection.recv(10) == b""  # hung up
    assert (line.lost, line.connected) == (0, False)


def test_at_the_end_without_a_daemon_nothing_is_waited_for(line: Handover) -> None:
    line.put(b"one\ntwo\n", 2, 0, 0.0)

    began = time.monotonic()
    line.finish(2, 0)

    assert time.monotonic() - began < FAREWELL
    assert line.lost == 2


@pytest.mark.parametrize("name", ["", "file/sock", "x" * 200])
def test_a_path_that_cannot_be_a_socket_is_a_daemon_that_is_not_there(tmp_path: Path, name: str) -> None:
    line = Handover(tmp_path / name, Greeter())
    line.put(b"one\n", 1, 0, 0.0)

    assert not line.connected


def test_a_hello_that_finds_no_room_comes_before_the_lines(
    line: Handover, greeter: Greeter, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_SEND_BUFFER", 1)
    while line.fileno() is None:
        line.put(BLOCK, 0, 0, 0.0)
    greeter.complaints = ("news",)
    line.greet()
    line.put(b"last\n", 0, 0, 0.0)

    connection = listener.accept()
    received: list[Hello | Lines] = []
    while line.fileno() is not None:
        received += messages(connection)
        line.push(0, 0, 0.0)
    received += messages(connection)

    news = received.index(Hello("web", 1, "drop", ("news",)))
    assert 0 < news < received.index(Lines(b"last\n", 0, 0, 0))


def test_an_input_is_lent_and_comes_by_another_pipe(line: Handover, listener: Listener) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    assert line.ready
    connection = listener.accept()
    connection.send(HURRY)  # said before: no answer
    source, into = os.pipe()
    out, onward = os.pipe()

    def answer() -> None:
        while True:
            packet, descriptors, _, _ = socket.recv_fds(connection, LARGEST, 1)
            if descriptors:
                assert unpack(packet) == Loan(b"beg")
                assert os.fstat(descriptors[0]).st_ino == os.fstat(source).st_ino
                os.close(descriptors[0])
                socket.send_fds(connection, [pack_loan(Loan(b""))], [out])
                return

    with ThreadPoolExecutor() as pool:
        answered = pool.submit(answer)
        found = line.lend(source, b"beg")
        answered.result()
    assert found is not None
    assert os.fstat(found).st_ino == os.fstat(out).st_ino
    line.heard(3)
    for _ in range(2):  # the second time there is nothing to tell
        line.tell(4, 1)
    line.ask_back()
    assert unpack(connection.recv(LARGEST)) == Lines(b"", 4, 0, 1)
    assert connection.recv(LARGEST) == BACK
    assert line.done == 4
    for descriptor in (source, into, out, onward, found):
        os.close(descriptor)


def test_a_daemon_that_declines_gets_lines(line: Handover, listener: Listener) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    connection = listener.accept()
    Timer(0.05, connection.send, [pack_loan(Loan(b""))]).start()
    assert line.lend(0, b"") is None
    assert line.connected
    assert line.ready


def test_one_that_does_not_answer_is_left(line: Handover, listener: Listener) -> None:
    line.put(b"one\n", 1, 0, 0.0)
    listener.accept()
    assert line.lend(0, b"") is None
    assert not line.connected
    assert not line.ready
