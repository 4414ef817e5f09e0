"""`privet pipe` as a web server runs it: it masks, writes, hands on, and ends at the end of its input only."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sinks.handover import BUFFER
from privet.adapters.sources.intake import Intake, Peer
from privet.core.parsing.lines import LONGEST_LINE
from tests.privacy.search import leaks
from tests.unit.processes import MYSELF, PRIVET, config, line, running, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.processes import Running

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
COMBINED = re.compile(r'\S+ - - \[[^]]{26}\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"')
ENDLESS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Place:
    """A configuration, its log and its run-time directory."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder, self.runtime = folder, runtime
        self.config, self.log, self.errors = folder / "privet.toml", folder / "access.log", folder / "errors"
        self.configure()

    def configure(self, more: str = "", user: str = MYSELF) -> None:
        self.config.write_text(config(self.runtime, f'pipe = true\nlog = "{self.log}"\n{more}', user=user))

    @contextlib.contextmanager
    def pipe(self, *arguments: str | Path) -> Iterator[Running]:
        """Start the pipe."""
        with running(self.errors, "pipe", "--config", self.config, *arguments) as verb:
            yield verb

    def feed(self, text: str, *arguments: str | Path) -> str:
        """Run the pipe over a text to its end; return what it said."""
        with self.pipe(*arguments) as verb:
            verb.write(text)
            assert verb.close() == 0, verb.said
            return verb.said

    @property
    def lines(self) -> list[str]:
        """The lines of the log."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def clients(self) -> list[str]:
        return [text.partition(" ")[0] for text in self.lines]

    def assert_no_address(self, *addresses: str) -> None:
        assert leaks([self.folder, self.runtime.parent], addresses or (V4, V6)) == []


@pytest.fixture
def place(tmp_path: Path, runtime: Path) -> Place:
    return Place(tmp_path, runtime)


class Handed(Intake):
    """Takes what is handed on, and no loans."""

    def receive(self, peer: Peer) -> tuple[bytes, bool]:
        found = super().receive(peer)
        if peer.lent:
            os.close(peer.lent[0])
            peer.lent = None
            self.decline(peer)
        return found


class Listener:
    """Stands for the daemon."""

    def __init__(self, runtime: Path) -> None:
        self.intake = Handed(runtime / "intake.sock", {os.geteuid()})
        self.peers: list[Peer] = []

    def accept(self) -> Peer | None:
        if peer := self.intake.accept():
            self.peers.append(peer)
        return peer


@contextlib.contextmanager
def listening(runtime: Path) -> Iterator[Listener]:
    """Listen where a daemon would."""
    listener = Listener(runtime)
    yield listener
    for peer in listener.peers:
        peer.connection.close()
    listener.intake.close()


def received(runtime: Path, listener: Listener, enough: Callable[[Peer, bytes], bool]) -> bytes:
    """Return the lines that a pipe hands on until it is enough."""
    assert runtime.exists()
    peer = until(listener.accept)
    assert peer
    data = b""

    def more() -> bool:
        nonlocal data
        block, _ = listener.intake.receive(peer)
        data += block
        return enough(peer, data)

    until(more)
    return data


def test_lines_are_written_masked_as_plain_combined_lines(place: Place) -> None:
    said = place.feed("".join(f"{line(client, '/a')}\n" for client in (V4, V6, V4, "::ffff:203.0.113.77")))

    assert said == "privet pipe web: 4 lines did not reach the daemon\n"
    assert all(COMBINED.fullmatch(text) for text in place.lines)
    first, second, third, mapped = place.clients
    assert first == third == mapped
    assert first != second
    assert all(client.startswith("100::") for client in place.clients)
    assert stat.S_IMODE(place.log.stat().st_mode) == 0o640
    place.assert_no_address()


def test_the_format_for_intake_becomes_plain_combined(place: Place) -> None:
    place.configure('format = "privet"')
    text = (
        f'www.example.org:443 {V4} - - [22/Nov/2026:11:17:28 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0" '
        '1234 "text/html" "cookie"\n'
    )

    place.feed(text)

    assert [COMBINED.fullmatch(text) is not None for text in place.lines] == [True]
    assert place.clients[0].startswith("100::")


@pytest.mark.parametrize(
    ("mask", "expected"),
    [("drop", ["0.0.0.0", "::"]), ("truncate", ["203.0.113.0", "2001:db8:a::"])],  # noqa: S104  what drop writes
)
def test_the_mask_is_the_one_configured_or_given(place: Place, mask: str, expected: list[str]) -> None:
    text = f"{line(V4)}\n{line(V6)}\n"
    place.feed(text, "--mask", mask)
    place.configure(f'mask = "{mask}"')
    place.feed(text)

    assert place.clients == expected * 2
    place.assert_no_address()


def test_addresses_are_masked_wherever_they_stand(place: Place) -> None:
    wild = [
        line(V4, f"/?from={V4}&to={V6}&v={V4.replace('.', '%2E')}&w={V6.replace(':', '%3a')}"),
        line("-", f"/{V4}"),
        f"no format at all {V4} [{V6}]:443 ::ffff:{V4}",
        f"[Wed Nov 22 11:17:28.123 2026] [core:error] [pid 1] [client {V4}:4711] AH00037: x, referer: http://{V4}/",
        f'{V4} - {V4} [22/Nov/2026:11:17:28 +0000] "GET / HTTP/1.1" 200 5 "http://[{V6}]/" "agent {V4}"',
        f'{V4} - - [no time] "GET / HTTP/1.1" 200 5 "-" "-"',
        f'{V4} - - [22/Nov/2026:11:17:28 +0000] "\\x16\\x03\\x01{V4}" 400 5 "-" "-"',
        "",
        f"{V4}",
    ]

    place.feed("\n".join(wild) + "\n")

    assert len(place.lines) >= len(wild) - 1  # a blank line is none
    place.assert_no_address()


def test_garbage_does_not_end_it(place: Place) -> None:
    with place.pipe() as verb:
        assert verb.process.stdin
        for _ in range(20):
            verb.process.stdin.write(os.urandom(5000) + V4.encode() + os.urandom(100))
        verb.write(f"\n{line(V4, '/after')}\n")
        assert verb.close() == 0

    assert "/after" in place.log.read_text(errors="replace")
    place.assert_no_address(V6)
    assert V4.encode() not in place.log.read_bytes()


def test_the_end_of_input_ends_the_last_line_too(place: Place) -> None:
    with place.pipe() as verb:
        verb.write(f"{line(V4, '/one')}\n{line(V4, '/two')[:-5]}")
        until(lambda: len(place.lines) == 1)
        verb.write(line(V4, "/two")[-5:])
        assert verb.close() == 0

    assert [text.split()[6] for text in place.lines] == ["/one", "/two"]


def test_a_line_too_long_is_dropped_and_counted(place: Place) -> None:
    said = place.feed(f"{line(V4, '/one')}\n{'x' * (LONGEST_LINE + 1)}\n{line(V4, '/two')}\n")

    assert [text.split()[6] for text in place.lines] == ["/one", "/two"]
    assert "3 lines did not reach the daemon" in said


def test_signals_do_not_end_it(place: Place) -> None:
    with place.pipe() as verb:
        verb.write(f"{line(V4, '/0')}\n")
        until(lambda: place.lines)
        for number in ENDLESS:
            verb.process.send_signal(number)
            verb.write(f"{line(V4, f'/{number}')}\n")
        assert verb.close() == 0, verb.said

    assert [text.split()[6] for text in place.lines] == ["/0", *(f"/{number}" for number in ENDLESS)]


MISTAKES: dict[str, tuple[str | None, tuple[str, ...], str]] = {
    "no file": (None, (), "privet.toml: cannot be read: No such file or directory"),
    "no TOML": ("[source.web\n", (), "privet.toml:1:12: "),
    "unknown setting": (
        "[source.web]\npipe = true\nmsk = 'drop'\n",
        (),
        "privet.toml:3: source.web.msk: unknown setting",
    ),
    "unknown mask in the file": ("[source.web]\npipe = true\nmask = 'dorp'\n", (), "did you mean 'drop'?"),
    "unknown mask": ("[source.web]\npipe = true\n", ("--mask", "dorp"), "no mask dorp"),
    "unknown format": ("[source.web]\npipe = true\n", ("--format", "%h %Q"), "format: "),
    "format that cannot be parsed": ("[source.web]\npipe = true\n", ("--format", '%h %t "%r'), "format: "),
    "unknown option": ("[source.web]\npipe = true\n", ("--frobnicate",), "unknown argument --frobnicate"),
    "one name too many": ("[source.web]\npipe = true\n", ("web", "wiki"), "unknown argument wiki"),
    "option without its value": ("[source.web]\npipe = true\n", ("web", "--mask"), "unknown argument --mask"),
    "flag with a value": ("[source.web]\npipe = true\n", ("--lines=yes", "web"), "unknown argument --lines=yes"),
    "missing source": ("[source.shop]\npipe = true\n", (), "no source web in the configuration"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_mistake_keeps_it_from_writing(place: Place, mistake: str) -> None:
    content, arguments, expected = MISTAKES[mistake]
    place.config.unlink()
    if content is not None:
        place.config.write_text(content)
    text = f"{line(V4)}\n{line(V6)}\n"

    said = place.feed(text, "--runtime", place.runtime, "--log", place.log, *arguments)

    assert place.clients == ["0.0.0.0", "::"]  # noqa: S104  it falls back to drop
    assert expected in said
    assert "Traceback" not in said
    place.assert_no_address()


@pytest.mark.parametrize("arguments", [("--log", "/nonexistent/access.log"), ("--log", "/"), ()])
def test_without_a_log_to_write_it_goes_on_and_says_so(place: Place, arguments: tuple[str, ...]) -> None:
    place.config.write_text(config(place.runtime, "pipe = true"))

    said = place.feed(f"{line(V4)}\n", *arguments)

    assert ("/nonexistent" in said or "/: Is a directory" in said) if arguments else "no log to write to" in said
    place.assert_no_address()


def test_complaints_reach_the_daemon_also_those_that_arise_later(place: Place) -> None:
    missing = place.folder / "missing" / "access.log"
    place.runtime.mkdir()
    with listening(place.runtime) as listener, place.pipe("--log", missing, "surplus", "web") as verb:
        peer = until(listener.accept)
        assert peer
        verb.write(f"{line(V4)}\n")

        def complaints() -> str:
            listener.intake.receive(peer)
            return "\n".join(peer.hello.complaints) if peer.hello else ""

        until(lambda: "unknown argument" in complaints())
        until(lambda: f"{missing}: No such file or directory" in complaints())
        missing.parent.mkdir()
        verb.write(f"{line(V4)}\n")
        until(lambda: "No such file" not in complaints())
        assert verb.close() == 0


def test_complaints_hold_no_address_that_was_given(place: Place) -> None:
    place.runtime.mkdir()
    with listening(place.runtime) as listener, place.pipe(V4, "web", f"[{V6}]") as verb:
        peer = until(listener.accept)
        assert peer
        verb.write(f"{line(V4)}\n")

        def complaints() -> str:
            listener.intake.receive(peer)
            return "\n".join(peer.hello.complaints) if peer.hello else ""

        told = until(complaints)
        assert verb.close() == 0

    for said in (told, verb.said):
        assert "unknown argument 0.0.0.0" in said
        assert V4 not in said
        assert V6 not in said


def test_who_listens_to_complaints_may_be_gone(place: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PRIVET, "pipe", "--config", place.folder / "missing.toml", "--runtime", place.runtime, "--log", place.log],
        input=f"{line(V4)}\n".encode(),
        stderr=writing,
        timeout=30,
        check=False,
    )
    os.close(writing)

    assert done.returncode == 0
    assert len(place.lines) == 1


@pytest.mark.needs("root")
def test_a_missing_user_is_said_and_does_not_stop_it(place: Place) -> None:
    place.configure(user="no-such-user-here")

    said = place.feed(f"{line(V4)}\n")

    assert "no user no-such-user-here: still running as root" in said
    assert place.clients[0].startswith("100::")


@pytest.mark.needs("root")
def test_root_is_given_up_once_the_log_is_open(place: Place) -> None:
    place.runtime.parent.chmod(0o755)
    place.configure(user="nobody")
    nobody = pwd.getpwnam("nobody")
    with place.pipe() as verb:
        verb.write(f"{line(V4)}\n")
        until(lambda: place.lines)
        status = (place.folder / "/proc" / str(verb.process.pid) / "status").read_text()
        assert verb.close() == 0

    assert re.search(rf"^Uid:(\t{nobody.pw_uid}){{4}}$", status, re.MULTILINE)
    assert re.search(rf"^Gid:(\t{nobody.pw_gid}){{4}}$", status, re.MULTILINE)
    assert re.search(r"^Groups:\s*$", status, re.MULTILINE)
    assert place.clients[0].startswith("100::")
    assert [path.stat().st_uid for path in (place.runtime / "keys").iterdir()] == [nobody.pw_uid]


def test_pipes_that_start_at_once_use_one_key(place: Place) -> None:
    logs = [place.folder / f"{number}.log" for number in range(4)]
    with contextlib.ExitStack() as stack:
        verbs = [stack.enter_context(place.pipe("--log", log)) for log in logs]
        for verb in verbs:
            verb.write(f"{line(V4)}\n")
        assert [verb.close() for verb in verbs] == [0] * 4

    assert len({log.read_text().partition(" ")[0] for log in logs}) == 1
    assert len(list((place.runtime / "keys").iterdir())) == 1
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place.runtime / "keys").iterdir()] == [0o600]


def test_off_tmpfs_no_key_is_written_and_it_says_so(place: Place, on_disk: Path) -> None:
    place.runtime = on_disk / "run"
    place.configure()
    with place.pipe() as verb:
        verb.write(f"{line(V4)}\n")
        until(lambda: place.lines)
        verb.write(f"{line(V4)}\n")
        assert verb.close() == 0
        assert "is not on tmpfs" in verb.said
    place.feed(f"{line(V4)}\n")

    first, second, other = place.clients
    assert first == second
    assert first != other
    assert [path for path in on_disk.rglob("*") if path.is_file()] == []


def test_a_log_that_was_renamed_is_opened_anew(place: Place) -> None:
    old = place.folder / "access.log.1"
    with place.pipe() as verb:
        verb.write(f"{line(V4, '/one')}\n")
        until(lambda: place.lines)
        place.log.rename(old)
        until(place.log.exists)
        verb.write(f"{line(V4, '/two')}\n")
        assert verb.close() == 0

    assert [text.split()[6] for text in place.lines] == ["/two"]
    assert old.read_text().split()[6] == "/one"


def test_a_log_that_was_copied_and_truncated_goes_on_at_its_start(place: Place) -> None:
    with place.pipe() as verb:
        verb.write(f"{line(V4, '/one')}\n")
        until(lambda: place.lines)
        os.truncate(place.log, 0)
        verb.write(f"{line(V4, '/two')}\n")
        assert verb.close() == 0

    assert place.log.read_bytes()[0] != 0
    assert [text.split()[6] for text in place.lines] == ["/two"]


def test_without_a_daemon_all_is_written_and_losses_are_counted(place: Place) -> None:
    text = f"{line(V4)}\n"
    count = 3 * BUFFER // 2 // len(text)

    said = place.feed(text * count)

    assert len(place.lines) == count
    assert f"{count:,} lines did not reach the daemon" in said


def test_a_daemon_that_comes_later_gets_the_lines(place: Place) -> None:
    with place.pipe() as verb:
        verb.write("".join(f"{line(V4, f'/{number}')}\n" for number in range(50)))
        until(lambda: len(place.lines) == 50)
        with listening(place.runtime) as listener:
            data = received(place.runtime, listener, lambda _, data: data.count(b"\n") == 50)
            assert data.decode().splitlines()[-1].startswith(V4)
            assert verb.close() == 0
            assert verb.said == ""


def test_a_daemon_that_was_slow_learns_how_much_it_missed(place: Place) -> None:
    text = f"{line(V4)}\n"
    count = 3 * BUFFER // 2 // len(text)
    with place.pipe() as verb:
        verb.write(text * count)
        until(lambda: len(place.lines) == count)
        with listening(place.runtime) as listener:
            peers: list[Peer] = []

            def enough(peer: Peer, data: bytes) -> bool:
                peers.append(peer)
                return peer.taken == count and data.count(b"\n") + peer.dropped == count

            data = received(place.runtime, listener, enough)
            assert peers[-1].dropped > 0
            assert BUFFER // 2 < len(data) <= BUFFER
            assert verb.close() == 0


def test_lines_of_any_shape_are_masked_and_not_handed_on(place: Place) -> None:
    place.runtime.mkdir()
    text = (
        f"[Wed Nov 22 11:17:28.1 2026] [core:error] [client {V4}:4711] AH00037: {V4}\n"
        f"[Wed Nov 22 11:17:28.1 2026] [client {V6}:4711] no such file\nPHP Notice: x\n"
    )
    with listening(place.runtime) as listener:
        said = place.feed(text, "--lines", "web")
        assert listener.accept() is None

    assert said == ""
    assert len(place.lines) == 3
    assert place.lines[2] == "PHP Notice: x"
    assert re.fullmatch(r"\[.*\] \[core:error\] \[client \[100::\S+\]:4711\] AH00037: 100::\S+", place.lines[0])
    place.assert_no_address()


def test_told_to_end_the_log_of_errors_is_written_to_its_end_all_the_same(place: Place) -> None:
    with place.pipe("--lines", "web") as verb:
        verb.write("one\n")
        until(lambda: place.lines)
        assert verb.end(signal.SIGTERM) == 0  # so that Apache does not wait for it
        verb.write("two\n")
        until(lambda: place.lines == ["one", "two"])


def test_a_fifo_is_read_until_told_to_end(place: Place) -> None:
    fifo = place.folder / "fifo"
    with place.pipe("--fifo", fifo) as verb:
        until(fifo.exists)
        for number in range(3):
            with fifo.open("w") as writer:
                writer.write(f"{line(V4, f'/{number}')}\n")
        until(lambda: len(place.lines) == 3)
        with fifo.open("w") as writer:
            writer.write("".join(f"{line(V4, f'/{number}')}\n" for number in range(3, 300)))
        assert verb.end(signal.SIGTERM) == 0, verb.said

    assert [text.split()[6] for text in place.lines] == [f"/{number}" for number in range(300)]


@pytest.mark.parametrize("number", ENDLESS)
def test_a_socket_is_read_until_told_to_end(place: Place, number: signal.Signals) -> None:
    path = place.folder / "sockets" / "web.sock"
    with place.pipe("--socket", path) as verb, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        until(path.exists)
        until(lambda: server.connect_ex(str(path)) == 0)
        server.send(f"<190>Nov 22 11:17:28 host nginx: {line(V4, '/0')}".encode())
        until(lambda: place.lines)
        for count in range(1, 300):
            server.send(f"<190>Nov 22 11:17:28 nginx: {line(V4, f'/{count}')}".encode())
        assert verb.end(number) == 0, verb.said

    assert [text.split()[6] for text in place.lines] == [f"/{count}" for count in range(300)]
    assert not path.exists()
    place.assert_no_address()


@pytest.mark.needs("root")
def test_a_socket_in_a_directory_of_root_may_stay_behind(place: Place) -> None:
    place.runtime.parent.chmod(0o755)
    place.configure(user="nobody")
    path = place.runtime / "web.sock"
    for _ in range(2):
        with place.pipe("--socket", path, "--group", "nogroup") as verb:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
                until(lambda: server.connect_ex(str(path)) == 0)
                server.send(line(V4).encode())
            assert verb.end(signal.SIGTERM) == 0, verb.said
            assert "Traceback" not in verb.said
    assert len(place.lines) == 2
    assert path.stat().st_gid == pwd.getpwnam("nobody").pw_gid


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--fifo", "{folder}/privet.toml"), "{folder}/privet.toml: is no FIFO"),
        (("--fifo", "/nonexistent/fifo"), "/nonexistent/fifo: No such file or directory"),
        (("--socket", "/proc/web.sock"), "/proc/web.sock: "),
    ],
)
def test_an_input_that_cannot_be_had_is_an_error(place: Place, arguments: tuple[str, str], expected: str) -> None:
    option, path = arguments
    with place.pipe(option, path.format(folder=place.folder)) as verb:
        assert verb.process.wait(30) in (2, 77)

    assert expected.format(folder=place.folder) in verb.said
    assert "Traceback" not in verb.said


def test_behind_a_proxy_the_log_tells_clients_apart(place: Place) -> None:
    (place.folder / "proxies").write_text("10.0.0.1\n")
    trusted = f'[proxies]\ntrusted = "file:{place.folder}/proxies"\n'
    place.configure('format = \'%h %l %u %t "%r" %>s %b "%{X-Forwarded-For}i"\'\n' + trusted)
    shape = '{} - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "{}"\n'
    said = place.feed(
        "".join(shape.format("10.0.0.1", header) for header in (V4, V6, f"{V6}, {V4}", "host.example.org"))
    )
    one, two, again, unread = place.clients
    assert one == again != two
    assert unread.startswith("100::")
    assert said.endswith("4 lines did not reach the daemon\n")
    assert "example.org" not in place.log.read_text()
    place.assert_no_address()

    (place.folder / "proxies").unlink()
    assert "proxies: No such file or directory" in place.feed(shape.format("10.0.0.1", V4))
    place.assert_no_address()
