"""Where `privet pipe` gets its lines."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sources import inputs, loans
from privet.adapters.sources.inputs import PIPE_SIZE, READ, DatagramInput, Onward, StreamInput
from privet.core.wire import LARGEST
from tests.unit.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOVES = 100


def is_ready(source: StreamInput | DatagramInput, seconds: float = 0) -> bool:
    return bool(select.select([source], [], [], seconds)[0])


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[StreamInput]:
    source = StreamInput(tmp_path / "fifo")
    yield source
    source.close()


def test_a_fifo_is_made_for_its_owner_alone(fifo: StreamInput, tmp_path: Path) -> None:
    mode = (tmp_path / "fifo").stat().st_mode

    assert stat.S_ISFIFO(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert fifo.endless


def test_a_fifo_that_is_there_is_taken(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "fifo").chmod(0o620)
    source = StreamInput(tmp_path / "fifo")
    source.close()

    assert stat.S_IMODE((tmp_path / "fifo").stat().st_mode) == 0o620


def test_a_file_is_no_fifo(tmp_path: Path) -> None:
    (tmp_path / "fifo").touch()

    with pytest.raises(OSError, match=r"is no FIFO.*fifo"):
        StreamInput(tmp_path / "fifo")


def test_a_fifo_gives_what_has_come_and_waits_for_nothing(fifo: StreamInput, tmp_path: Path) -> None:
    assert fifo.read() == b""
    assert not is_ready(fifo)

    (tmp_path / "fifo").write_bytes(b"one\ntw")

    assert is_ready(fifo)
    assert fifo.read() == b"one\ntw"
    assert fifo.read() == b""


def test_a_fifo_has_no_end_when_its_writers_leave(fifo: StreamInput, tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        with (tmp_path / "fifo").open("wb", buffering=0) as writer:
            writer.write(text)

        assert fifo.read() == text
        assert fifo.read() == b""


def test_a_fifo_holds_much_before_a_web_server_has_to_wait(fifo: StreamInput, tmp_path: Path) -> None:
    with (tmp_path / "fifo").open("wb", buffering=0) as writer:
        os.set_blocking(writer.fileno(), False)
        held = fcntl.fcntl(writer.fileno(), fcntl.F_GETPIPE_SZ)
        assert writer.write(b"x" * (held + 1)) == held
    assert held >= min(PIPE_SIZE, 1 << 16)

    sizes = [len(fifo.read() or b"") for _ in range(held // READ + 2)]

    assert sum(sizes) == held
    assert max(sizes) <= READ


def test_nothing_is_lost_when_a_fifo_is_finished(fifo: StreamInput, tmp_path: Path) -> None:
    (tmp_path / "fifo").write_bytes(b"one\n")

    fifo.finish()

    assert fifo.read() == b"one\n"


@pytest.fixture
def datagrams(tmp_path: Path) -> Iterator[DatagramInput]:
    source = DatagramInput(tmp_path / "socket")
    yield source
    source.close()


@pytest.fixture
def send(datagrams: DatagramInput, tmp_path: Path) -> Iterator[Callable[[bytes], int]]:
    """Send as a web server does."""
    assert datagrams.endless
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.connect(str(tmp_path / "socket"))
        yield server.send


def test_the_socket_is_for_its_owner_and_one_group(datagrams: DatagramInput, tmp_path: Path) -> None:
    mode = (tmp_path / "socket").stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    assert datagrams.read() == b""


@pytest.mark.needs("root")
def test_the_group_is_the_one_that_was_named(tmp_path: Path) -> None:
    source = DatagramInput(tmp_path / "socket", 33)
    source.close()
    again = DatagramInput(tmp_path / "socket", 34)

    assert (tmp_path / "socket").stat().st_gid == 34
    again.close()


@pytest.mark.parametrize(
    "header",
    [
        b"<190>Nov 22 11:17:28 host nginx: ",
        b"<190>Nov  2 11:17:28 host.example.org nginx: ",
        b"<190>Nov 22 11:17:28 privet: ",
        b"<0>Jan  1 00:00:00 2001_db8 web-1.access: ",
        b"<134>privet: ",
        b"<134>host privet: ",
        b"",
    ],
)
def test_the_header_of_syslog_is_taken_off(
    datagrams: DatagramInput, send: Callable[[bytes], int], header: bytes
) -> None:
    send(header + b'192.0.2.1 - - "GET / <190>Nov 22 11:17:28 x: y"')

    assert is_ready(datagrams, 10)
    assert datagrams.read() == b'192.0.2.1 - - "GET / <190>Nov 22 11:17:28 x: y"\n'


def test_only_the_head_of_a_line_is_a_header(datagrams: DatagramInput, send: Callable[[bytes], int]) -> None:
    send(b'no header here "<190>Nov 22 11:17:28 host nginx: "')

    assert is_ready(datagrams, 10)
    assert datagrams.read() == b'no header here "<190>Nov 22 11:17:28 host nginx: "\n'


def test_each_datagram_is_a_line_however_it_ends(datagrams: DatagramInput, send: Callable[[bytes], int]) -> None:
    for line in (b"one", b"two\n", b"three\n\n"):
        send(line)
    datagrams.finish()

    assert datagrams.read() == b"one\ntwo\nthree\n"
    assert datagrams.read() == b""


def test_many_lines_come_in_order_in_pieces_that_fit_a_packet(
    datagrams: DatagramInput, send: Callable[[bytes], int]
) -> None:
    lines = [b"%06d " % number + b"x" * 200 for number in range(5000)]
    for line in lines:
        send(line)
    pieces: list[bytes] = []
    while sum(piece.count(b"\n") for piece in pieces) < len(lines):
        assert is_ready(datagrams, 10)
        pieces.append(datagrams.read() or b"")

    assert b"".join(pieces) == b"\n".join(lines) + b"\n"
    assert max(map(len, pieces)) <= LARGEST // 2
    assert datagrams.dropped == 0


def test_the_longest_datagrams_fit_too(datagrams: DatagramInput, send: Callable[[bytes], int]) -> None:
    for _ in range(8):
        send(b"x" * 60_000)
    datagrams.finish()
    pieces = [datagrams.read() or b"" for _ in range(8)]

    assert sum(map(len, pieces)) == 8 * 60_001
    assert max(map(len, pieces)) <= LARGEST // 2


def test_too_many_lines_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, datagrams: DatagramInput, send: Callable[[bytes], int]
) -> None:
    monkeypatch.setattr(inputs, "_KEPT", 100)
    for number in range(150):
        send(b"%d" % number)

    assert until(lambda: datagrams.dropped) <= 50
    until(lambda: datagrams.dropped == 50)
    assert datagrams.read() == b"".join(b"%d\n" % number for number in range(100))
    send(b"next")
    assert is_ready(datagrams, 10)
    assert datagrams.read() == b"next\n"


def test_long_lines_are_dropped_sooner_than_the_memory_is_full(
    datagrams: DatagramInput, send: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_ROOM", 100_000)
    for _ in range(10):
        send(b"x" * 30_000)
    until(lambda: datagrams.dropped == 7)
    assert (datagrams.waiting, datagrams.dropped) == (3, 7)
    while datagrams.waiting:
        assert datagrams.read()
    send(b"short")
    assert is_ready(datagrams, 10)
    assert datagrams.read() == b"short\n"


def test_what_waits_in_the_kernel_is_read_when_it_is_finished(tmp_path: Path) -> None:
    for _ in range(20):
        source = DatagramInput(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.connect(str(tmp_path / "socket"))
            for number in range(5):
                server.send(b"%d" % number)
            source.finish()
            with pytest.raises(OSError):  # noqa: PT011  which one depends on the kernel
                server.send(b"too late")

        assert source.read() == b"0\n1\n2\n3\n4\n"
        source.close()


def test_finishing_twice_does_no_harm(datagrams: DatagramInput) -> None:
    datagrams.finish()
    datagrams.finish()

    assert datagrams.read() == b""


def test_the_socket_of_a_run_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
        old.bind(str(tmp_path / "socket"))
    source = DatagramInput(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.connect(str(tmp_path / "socket"))
        server.send(b"one")

    assert is_ready(source, 10)
    source.close()
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize("name", ["missing/socket", "x" * 200])
def test_a_socket_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match=name[:50]) as caught:
        DatagramInput(tmp_path / name)

    assert caught.value.filename == str(tmp_path / name)


def test_the_end_of_what_comes_by_way_of_the_daemon_is_noticed_while_nobody_waits_for_lines() -> None:
    (source, lines), (out, into) = os.pipe(), os.pipe()
    onward = Onward(source, out)
    os.write(into, b"a line\n")
    os.close(into)

    began = time.monotonic()
    assert not onward.wait(None, 30.0, lines=False)

    assert time.monotonic() - began < 10
    assert [onward.read(), onward.read()] == [b"a line\n", None]
    onward.close()
    os.close(source)
    os.close(lines)


@pytest.mark.parametrize("endless", [False, True])
def test_what_the_daemon_moves_wakes_up_nobody_who_does_not_wait_for_lines(
    fifo: StreamInput, tmp_path: Path, *, endless: bool
) -> None:
    source, lines = (os.dup(fifo.fileno()), os.open(tmp_path / "fifo", os.O_WRONLY)) if endless else os.pipe()
    (line, daemon), lent = os.pipe(), loans.Onward(b"")
    onward = Onward(source, lent.out, endless=endless)
    done = threading.Event()

    def move() -> None:
        for _ in range(MOVES):
            os.write(lines, b"a line\n")
            os.splice(source, lent.into, READ)
            time.sleep(0.002)
        done.set()
        os.write(daemon, b"!")

    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    mover = threading.Thread(target=move)
    mover.start()
    assert onward.wait(line, 30.0, lines=False)
    woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before

    assert done.is_set()
    assert woken < MOVES / 4
    mover.join()
    lent.close()
    for descriptor in (source, lines, line, daemon):
        os.close(descriptor)
